//! A real HTTP server on loopback, on a port the system chose, that ends with the test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A request that the server got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Received {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {}", self.body))
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server. Dropping it closes it.
pub(crate) struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Answers each request as `answer` says, given its number (from 0) and what came.
    pub(crate) fn start(answer: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port on loopback");
        let address = listener.local_addr().expect("it has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        runtime.spawn(accept(listener, Arc::clone(&received), Arc::new(answer)));
        Self { address, received, runtime: Some(runtime) }
    }

    /// Answers as Slack does when all is well.
    pub(crate) fn slack() -> Self {
        Self::start(|_, _| Answer::new(200, "ok"))
    }

    /// `http://127.0.0.1:PORT` with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything it got so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no request handler panicked").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Handler = dyn Fn(usize, &Received) -> Answer + Send + Sync;

async fn accept(listener: TcpListener, received: Arc<Mutex<Vec<Received>>>, answer: Arc<Handler>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (received, answer) = (Arc::clone(&received), Arc::clone(&answer));
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(request, Arc::clone(&received), Arc::clone(&answer)));
            // A client that goes away is no failure of the server.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(
    request: http::Request<Incoming>,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Handler>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let request = Received {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = {
        let mut received = received.lock().expect("no request handler panicked");
        received.push(request.clone());
        received.len() - 1
    };
    let answer = answer(number, &request);
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(answer.body))).expect("a valid answer"))
}

//! A real HTTP server on loopback, on a port the system chose, that ends with the test.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A request that the server got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Received {
    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Method and path with query, as one text.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

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
    /// How long the client waits for it.
    delay: Duration,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }

    /// The same, some time later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server that sends these bytes, whatever it is asked, and then closes the connection, or, with `wait`, keeps it open.
/// Gives its port. It ends with the test program.
pub(crate) fn raw_server(answer: &'static [u8], wait: bool) -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // A client that goes away is no failure of the server.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            if wait {
                open.push(stream);
            }
        }
    });
    port
}

/// The server. Dropping it closes it.
pub(crate) struct Server {
    address: SocketAddr,
    /// The certificate (PEM) that it shows, if it speaks TLS.
    certificate: Option<String>,
    received: Arc<Mutex<Vec<Received>>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Answers each request as `answer` says, given its number (from 0) and what came.
    pub(crate) fn start(answer: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, answer)
    }

    /// The same over TLS, with a certificate of its own for `localhost`.
    pub(crate) fn start_tls(answer: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(Some(rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate")), answer)
    }

    fn serve(
        certified: Option<CertifiedKey<KeyPair>>,
        answer: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port on loopback");
        let address = listener.local_addr().expect("it has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let tls = certified.as_ref().map(acceptor);
        runtime.spawn(accept(listener, tls, Arc::clone(&received), Arc::new(answer)));
        let certificate = certified.map(|certified| certified.cert.pem());
        Self { address, certificate, received, runtime: Some(runtime) }
    }

    /// Answers `ok` to everything.
    pub(crate) fn ok() -> Self {
        Self::start(|_, _| Answer::new(200, "ok"))
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`, with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        match self.certificate {
            Some(_) => format!("https://localhost:{}{path}", self.port()),
            None => format!("http://{}{path}", self.address),
        }
    }

    /// The certificate (PEM) to trust, if it speaks TLS.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
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

/// Speaks TLS with this certificate.
fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("its own key");
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Handler>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (received, answer, tls) = (Arc::clone(&received), Arc::clone(&answer), tls.clone());
        tokio::spawn(async move {
            match tls {
                // A client that does not trust the certificate goes away.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, received, answer).await;
                    }
                }
                None => converse(stream, received, answer).await,
            }
        });
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Handler>,
) {
    let service = service_fn(move |request| handle(request, Arc::clone(&received), Arc::clone(&answer)));
    // A client that goes away is no failure of the server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
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
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = {
        let mut received = received.lock().expect("no request handler panicked");
        received.push(request.clone());
        received.len() - 1
    };
    let answer = answer(number, &request);
    tokio::time::sleep(answer.delay).await;
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(answer.body))).expect("a valid answer"))
}

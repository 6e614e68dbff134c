use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{Empty, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::plugin::limits::{self, Limit};
use crate::plugin::testing::{Recorder, network};

const HTTP_BODY_BYTES: u64 = 64 << 20;
const HTTP_REQUESTS: usize = 16;

/// A server on loopback that answers each connection's first request with these bytes, and says what it was asked.
async fn server(answer: impl Into<Vec<u8>>) -> (u16, mpsc::UnboundedReceiver<String>) {
    let answer = answer.into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, asked) = (answer.clone(), asked.clone());
            tokio::spawn(async move {
                let request = read_request(&mut stream).await;
                let _ = asked.send(request);
                let _ = stream.write_all(&answer).await;
                // Stays open: who wants the end has to be told by the answer.
                let _ = stream.read(&mut [0]).await;
            });
        }
    });
    (port, requests)
}

/// Reads a head, and a body as long as it says.
async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let chunked = head.contains("transfer-encoding: chunked");
            if body.len() >= length.parse().unwrap() && (!chunked || body.ends_with("0\r\n\r\n")) {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An attempt's network, and what hears it.
struct Bench {
    network: Network,
    notes: Notes,
    recorder: Arc<Recorder>,
}

impl Bench {
    fn new(grants: &[(&str, u16, bool)]) -> Self {
        Self::sharing(&Arc::new(Clients::new(&[])), grants)
    }

    fn with_env(env: &[(&str, &str)], grants: &[(&str, u16, bool)]) -> Self {
        let env: Vec<_> = env.iter().map(|(key, value)| (OsString::from(key), OsString::from(value))).collect();
        Self::sharing(&Arc::new(Clients::new(&env)), grants)
    }

    /// Grants are `scheme://host`, port and whether it may be private.
    fn sharing(clients: &Arc<Clients>, grants: &[(&str, u16, bool)]) -> Self {
        let grants = network(grants.iter().map(|&(origin, port, private)| (format!("{origin}:{port}"), private)));
        let (notes, recorder) = (Notes::default(), Recorder::new());
        let sink = Arc::clone(&recorder) as Arc<dyn StepSink>;
        let rights = Arc::new(Rights::builtin_for_tests(grants, notes.clone()));
        let network = Network::new(Arc::clone(clients), rights, &limits::Budget::default(), sink, None);
        Self { network, notes, recorder }
    }

    async fn send(&self, method: &str, uri: &str, body: &'static str) -> Result<Response<WasiBody>, Error> {
        self.send_with(method, uri, body, None).await
    }

    async fn send_with(
        &self,
        method: &str,
        uri: &str,
        body: &'static str,
        options: Option<RequestOptions>,
    ) -> Result<Response<WasiBody>, Error> {
        let body = match body {
            "" => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            body => Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync(),
        };
        let request = Request::builder().method(method).uri(uri).header("x-test", "1").body(body).unwrap();
        let answer = self.network.clone().send_request(request, options, Box::new(async { Ok(()) }));
        Box::into_pin(answer).await.map(|(response, _)| response)
    }

    async fn get(&self, uri: &str) -> Result<Response<WasiBody>, Error> {
        self.send("GET", uri, "").await
    }
}

async fn text(response: Response<WasiBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_granted_request_arrives_as_it_was_meant() {
    let (port, mut requests) = server(OK).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let response = bench.get(&format!("http://127.0.0.1:{port}/a?b=c")).await.unwrap();
    assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "ok"));
    let request = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /a?b=c http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")) && request.contains("x-test: 1\r\n"), "{request}");
    for unasked in ["transfer-encoding", "content-length", "accept-encoding", "cookie", "referer"] {
        assert!(!request.contains(unasked), "{unasked}: {request}");
    }
}

#[tokio::test]
async fn a_body_arrives() {
    let (port, mut requests) = server(OK).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    bench.send("POST", &format!("http://127.0.0.1:{port}/"), "hello").await.unwrap();
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("POST / ") && request.contains("hello"), "{request}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_noted() {
    let (port, mut requests) = server(OK).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let error = bench.get("http://evil.example/secret?token=1").await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    let denials = bench.notes.take().denials;
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].tried, "send a GET request to http://evil.example:80");
    assert_eq!(denials[0].hint, "the hint");
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_private_address_needs_a_grant_that_says_so() {
    let (port, mut requests) = server(OK).await;
    for host in ["127.0.0.1", "localhost"] {
        let bench = Bench::new(&[(&format!("http://{host}"), port, false)]);
        let error = bench.get(&format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, Error::DestinationIpProhibited), "{host}: {error}");
        let denials = bench.notes.take().denials;
        assert!(denials[0].tried.contains("127.0.0.1") || denials[0].tried.contains("::1"), "{denials:?}");
        assert!(denials[0].hint.contains("private address"), "{denials:?}");
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn one_steps_connection_serves_no_other_that_may_not_have_it() {
    let (port, _requests) = server(OK).await;
    let clients = Arc::new(Clients::new(&[]));
    let may = Bench::sharing(&clients, &[("http://localhost", port, true)]);
    let may_not = Bench::sharing(&clients, &[("http://localhost", port, false)]);
    let url = format!("http://localhost:{port}/");
    assert_eq!(text(may.get(&url).await.unwrap()).await, "ok");
    let error = may_not.get(&url).await.unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
}

#[tokio::test]
async fn redirects_are_the_guests_business() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let (port, mut requests) = server(answer).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let response = bench.get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(response.status().as_u16(), 302);
    assert_eq!(response.headers()["location"], "http://169.254.169.254/");
    assert!(requests.recv().await.is_some() && requests.try_recv().is_err());
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc";
    let (port, _requests) = server(answer).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let response = bench.get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(text(response).await, "abc");
}

#[tokio::test]
async fn methods_that_are_no_requests() {
    let bench = Bench::new(&[("http://127.0.0.1", 1, true)]);
    for method in ["CONNECT", "TRACE"] {
        let error = bench.send(method, "http://127.0.0.1:1/", "").await.unwrap_err();
        assert!(matches!(error, Error::HttpRequestMethodInvalid), "{method}: {error}");
    }
}

#[tokio::test]
async fn bodies_have_a_budget() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + HTTP_BODY_BYTES as usize + 1, b'x');
    let (port, _requests) = server(answer).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let mut body = bench.get(&format!("http://127.0.0.1:{port}/")).await.unwrap().into_body();
    let mut read = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => read += frame.into_data().unwrap().len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::HttpResponseBodySize(Some(HTTP_BODY_BYTES))), "{error}");
    assert!(read <= HTTP_BODY_BYTES);
    assert_eq!(bench.notes.take().limit, Some(Limit::HttpBody(64)));
}

#[tokio::test]
async fn an_endless_head_is_an_error() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    (0..100_000).for_each(|n| answer.extend_from_slice(format!("x-{n}: y\r\n").as_bytes()));
    let (port, _requests) = server(answer).await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    assert!(bench.get(&format!("http://127.0.0.1:{port}/")).await.is_err());
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let (port, _requests) = server("").await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    for patience in [Duration::ZERO, Duration::from_millis(50)] {
        let options = RequestOptions {
            connect_timeout: Some(patience),
            first_byte_timeout: Some(patience),
            between_bytes_timeout: Some(patience),
        };
        let uri = format!("http://127.0.0.1:{port}/");
        let error = bench.send_with("GET", &uri, "", Some(options)).await.unwrap_err();
        assert!(matches!(error, Error::HttpResponseTimeout), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle() {
    let (port, _requests) = server("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab").await;
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let options =
        RequestOptions { between_bytes_timeout: Some(Duration::from_millis(50)), ..RequestOptions::default() };
    let uri = format!("http://127.0.0.1:{port}/");
    let response = bench.send_with("GET", &uri, "", Some(options)).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let error = bench.get(&format!("http://127.0.0.1:{port}/secret?token=1")).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionRefused), "{error}");
    let logs = bench.recorder.logs();
    assert_eq!(logs.len(), 1);
    assert!(logs[0].1.contains("refused") && !logs[0].1.contains("secret"), "{logs:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let bench = Bench::new(&[("http://does-not-exist.invalid", 80, false)]);
    let error = bench.get("http://does-not-exist.invalid/").await.unwrap_err();
    assert!(matches!(error, Error::DnsError { .. }), "{error}");
}

#[tokio::test]
async fn the_jobs_proxy_is_asked_and_looks_names_up_itself() {
    let (port, mut requests) = server(OK).await;
    let proxy = format!("http://user:pass@127.0.0.1:{port}");
    let bench = Bench::with_env(&[("http_proxy", &proxy)], &[("http://does-not-exist.invalid", 80, false)]);
    assert_eq!(text(bench.get("http://does-not-exist.invalid/path").await.unwrap()).await, "ok");
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with("GET http://does-not-exist.invalid/path HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Basic dXNlcjpwYXNz"), "{request}");

    let denied = bench.get("http://other.invalid/").await.unwrap_err();
    assert!(matches!(denied, Error::HttpRequestDenied), "{denied}");
}

#[tokio::test]
async fn requests_of_an_attempt_wait_for_each_other() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (now, most) = (Arc::clone(&counted), Arc::clone(&highest));
            tokio::spawn(async move {
                read_request(&mut stream).await;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
            });
        }
    });
    let bench = Bench::new(&[("http://127.0.0.1", port, true)]);
    let uri = format!("http://127.0.0.1:{port}/");
    let one = || async { text(bench.get(&uri).await.unwrap()).await };
    futures_util::future::join_all((0..3 * HTTP_REQUESTS).map(|_| one())).await;
    let most = most.load(Ordering::SeqCst);
    assert!(most <= HTTP_REQUESTS, "{most}");
}

/// A server with a certificate that it signed itself, which is in the file.
async fn tls_server(file: &Path) -> u16 {
    tls_server_until(file, 4096).await
}

/// The same, with a certificate that holds until this year.
async fn tls_server_until(file: &Path, year: i32) -> u16 {
    let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = certificate.self_signed(&signing_key).unwrap();
    std::fs::write(file, cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            read_request(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn a_server_is_trusted_if_its_authority_is() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own.pem"), dir.path().join("other.pem"));
    let port = tls_server(&own).await;
    let _ = tls_server(&other).await;
    let (own, other) = (own.to_str().unwrap(), other.to_str().unwrap());
    let uri = format!("https://localhost:{port}/");
    let grants: &[(&str, u16, bool)] = &[("https://localhost", port, true), ("https://127.0.0.1", port, true)];

    for env in [&[("SSL_CERT_FILE", own)][..], &[("SSL_CERT_FILE", other), ("CI_SERVER_TLS_CA_FILE", own)]] {
        let bench = Bench::with_env(env, grants);
        assert_eq!(text(bench.get(&uri).await.unwrap()).await, "ok");
    }

    let bench = Bench::with_env(&[("SSL_CERT_FILE", other)], grants);
    let error = bench.get(&uri).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error}");
    let warnings = bench.recorder.warnings();
    assert!(warnings[0].contains("CI_SERVER_TLS_CA_FILE"), "{warnings:?}");

    let bench = Bench::with_env(&[("SSL_CERT_FILE", own)], grants);
    let error = bench.get(&format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "the name counts: {error}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("expired.pem");
    let port = tls_server_until(&file, 2020).await;
    let env = [("CI_SERVER_TLS_CA_FILE", file.to_str().unwrap())];
    let bench = Bench::with_env(&env, &[("https://localhost", port, true)]);
    let error = bench.get(&format!("https://localhost:{port}/")).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error}");
}

#[tokio::test]
async fn without_any_authority_nothing_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::with_env(&[("SSL_CERT_DIR", dir.path().to_str().unwrap())], &[("https://localhost", 1, true)]);
    let error = bench.get("https://localhost:1/").await.unwrap_err();
    assert!(matches!(&error, Error::InternalError(Some(text)) if text.contains("SSL_CERT_FILE")), "{error}");
    assert!(bench.recorder.warnings()[0].contains("ca-certificates"));
}

//! Against registries that are small, broken or hostile, on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;

/// Answers connections one after the other, each with what `answer` writes, given the request's line and headers.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = head(&stream);
                if head.starts_with("END") {
                    return;
                }
                seen.lock().unwrap().push(head.clone());
                // Who was told enough hangs up.
                let _ = answer(&head, &mut stream);
            }
        });
        Self { address, requests, thread: Some(thread) }
    }

    fn reference(&self) -> Reference {
        format!("oci://{}/team/a:1", self.address).parse().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let _ = stream.write_all(b"END\r\n\r\n");
        }
        let _ = self.thread.take().unwrap().join();
    }
}

fn head(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream.take(64 << 10)).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len())?;
    stream.write_all(body)
}

fn manifest_of(component: &[u8]) -> Vec<u8> {
    Upload::new(component, &Contents::default(), None).manifest
}

fn pull(reference: &Reference, job_env: &[(OsString, OsString)]) -> Result<Vec<u8>, PackageError> {
    let patience = Patience {
        connect: Duration::from_secs(5),
        idle: Duration::from_millis(300),
        total: Duration::from_secs(20),
        pause: Duration::from_millis(1),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut registry = Registry::with(reference, Access::Pull, true, job_env.to_vec(), patience)?;
        let artifact = registry.resolve().await?;
        registry.fetch(&artifact).await
    })
}

/// What is said of a registry whose manifest is this, as an answer.
fn manifest_error(answer: &'static [u8]) -> PackageError {
    let server = Server::start(move |_, stream| stream.write_all(answer));
    pull(&server.reference(), &[]).unwrap_err()
}

#[test]
fn a_component_is_fetched_and_checked() {
    let server = Server::start(|head, stream| match head.contains("/manifests/1 ") {
        true => respond(stream, "200 OK", "", &manifest_of(b"component")),
        false => respond(stream, "200 OK", "", b"component"),
    });
    assert_eq!(pull(&server.reference(), &[]).unwrap(), b"component");
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /v2/team/a/manifests/1 HTTP/1.1\n"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains("accept: application/vnd.oci.image.manifest.v1+json"));
    assert!(requests[1].starts_with(&format!("GET /v2/team/a/blobs/{} ", Digest::of(b"component"))));
}

#[test]
fn a_component_that_is_not_what_the_manifest_says_is_refused() {
    for (body, code) in
        [(&b"componenT"[..], "wrong-digest"), (b"comp", "truncated"), (b"component and more", "too-large")]
    {
        let server = Server::start(move |head, stream| match head.contains("/manifests/") {
            true => respond(stream, "200 OK", "", &manifest_of(b"component")),
            false => respond(stream, "200 OK", "", body),
        });
        assert_eq!(pull(&server.reference(), &[]).unwrap_err().code, code);
    }
}

#[test]
fn an_answer_that_breaks_off_is_said() {
    let server = Server::start(|head, stream| match head.contains("/manifests/") {
        true => respond(stream, "200 OK", "", &manifest_of(b"component")),
        false => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncomp"),
    });
    let error = pull(&server.reference(), &[]).unwrap_err();
    assert_eq!(error.code, "truncated", "{}", error.message);
    assert_eq!(manifest_error(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").code, "truncated");
    assert_eq!(manifest_error(b"not HTTP at all").code, "unreachable");
}

#[test]
fn a_gigabyte_is_not_read() {
    for chunked in [false, true] {
        let sent = Arc::new(Mutex::new(0usize));
        let count = Arc::clone(&sent);
        let server = Server::start(move |_, stream| {
            let length = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 1073741824" };
            write!(stream, "HTTP/1.1 200 OK\r\n{length}\r\n\r\n")?;
            for _ in 0..1024 {
                if chunked {
                    stream.write_all(b"100000\r\n")?;
                }
                stream.write_all(&vec![b' '; 1 << 20])?;
                *count.lock().unwrap() += 1;
                if chunked {
                    stream.write_all(b"\r\n")?;
                }
            }
            Ok(())
        });
        let error = pull(&server.reference(), &[]).unwrap_err();
        assert_eq!(error.code, "too-large", "{}", error.message);
        drop(server);
        assert!(*sent.lock().unwrap() < 64, "it hung up early");
    }
}

#[test]
fn an_endless_error_is_not_read_either() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 500 Oh no\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            stream.write_all(b"100000\r\n")?;
            stream.write_all(&vec![b' '; 1 << 20])?;
            stream.write_all(b"\r\n")?;
        }
    });
    let error = pull(&server.reference(), &[]).unwrap_err();
    assert!(error.message.contains("500"), "{}", error.message);
}

#[test]
fn a_registry_that_does_not_answer_is_not_waited_for() {
    let server = Server::start(|_, stream| {
        // Until the other end hangs up.
        stream.read(&mut [0]).map(drop)
    });
    let start = Instant::now();
    let error = pull(&server.reference(), &[]).unwrap_err();
    assert!(error.message.contains("timed out"), "{}", error.message);
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_wrong_digest_of_the_manifest_is_refused() {
    let answer = |head: &str, stream: &mut TcpStream| {
        let said = format!("Docker-Content-Digest: {}\r\n", Digest::of(b"other"));
        respond(stream, "200 OK", if head.contains("/manifests/1") { &said } else { "" }, &manifest_of(b"component"))
    };
    let server = Server::start(answer);
    assert_eq!(pull(&server.reference(), &[]).unwrap_err().code, "wrong-digest");
    let by_digest = format!("oci://{}/team/a@{}", server.address, Digest::of(b"wanted")).parse().unwrap();
    assert_eq!(pull(&by_digest, &[]).unwrap_err().code, "wrong-digest");
}

#[test]
fn errors_of_the_registry_are_shown_without_its_tricks() {
    let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no\u001b[2J\nsuch manifest"}]}"#;
    let server = Server::start(move |_, stream| respond(stream, "404 Not Found", "", body));
    let error = pull(&server.reference(), &[]).unwrap_err();
    assert_eq!(error.code, "not-found");
    assert!(error.message.ends_with("404 Not Found: no[2Jsuch manifest"), "{:?}", error.message);
    assert!(error.message.contains("oci://") && error.hint.is_some());
    assert!(
        manifest_error(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<!DOCTYPE html>").message.contains("an HTML page")
    );
}

fn user() -> Vec<(OsString, OsString)> {
    // Whatever port the registry has.
    let config = r#"{"auths":{"HOST":{"username":"user","password":"password"}}}"#;
    vec![("DOCKER_AUTH_CONFIG".into(), config.into())]
}

fn user_of(server: &Server) -> Vec<(OsString, OsString)> {
    let mut env = user();
    env[0].1 = env[0].1.to_str().unwrap().replace("HOST", &server.address).into();
    env
}

const BASIC: &str = "basic dxnlcjpwyxnzd29yza==";

#[test]
fn a_registry_that_asks_is_told_who_we_are() {
    let server = Server::start(|head, stream| {
        let head = head.to_lowercase();
        match (head.contains(BASIC), head.contains("/manifests/")) {
            (false, _) => respond(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
            (true, true) => respond(stream, "200 OK", "", &manifest_of(b"component")),
            (true, false) => respond(stream, "200 OK", "", b"component"),
        }
    });
    assert_eq!(pull(&server.reference(), &user_of(&server)).unwrap(), b"component");
    let error = pull(&server.reference(), &[]).unwrap_err();
    assert_eq!(error.code, "unauthorized");
    assert!(error.hint.unwrap().contains(&format!("docker login {}", server.address)));
    // Somebody else's credentials are not for this registry.
    assert_eq!(pull(&server.reference(), &user()).unwrap_err().code, "unauthorized");
}

#[test]
fn a_token_is_fetched_where_the_registry_says() {
    let tokens = Server::start(|head, stream| match head.to_lowercase().contains(BASIC) {
        true => respond(stream, "200 OK", "", br#"{"token":"abc"}"#),
        false => respond(stream, "401 Unauthorized", "", b""),
    });
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"reg\"\r\n", tokens.address);
    let server = Server::start(move |head, stream| match (head.contains("Bearer abc"), head.contains("/manifests/")) {
        (false, _) => respond(stream, "401 Unauthorized", &realm, b""),
        (true, true) => respond(stream, "200 OK", "", &manifest_of(b"component")),
        (true, false) => respond(stream, "200 OK", "", b"component"),
    });
    assert_eq!(pull(&server.reference(), &user_of(&server)).unwrap(), b"component");
    assert!(tokens.requests()[0].starts_with("GET /token?scope=repository%3Ateam%2Fa%3Apull&service=reg "));
    assert_eq!(server.requests().len(), 3, "one login for both requests");
    assert_eq!(pull(&server.reference(), &[]).unwrap_err().code, "unauthorized");
}

#[test]
fn blobs_may_lie_elsewhere_and_credentials_do_not_follow() {
    let elsewhere = Server::start(|_, stream| respond(stream, "200 OK", "", b"component"));
    let location = format!("Location: http://{}/blob\r\n", elsewhere.address);
    let server =
        Server::start(move |head, stream| match (head.to_lowercase().contains(BASIC), head.contains("/blobs/")) {
            (false, _) => respond(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
            (true, false) => respond(stream, "200 OK", "", &manifest_of(b"component")),
            (true, true) => respond(stream, "307 Temporary Redirect", &location, b""),
        });
    assert_eq!(pull(&server.reference(), &user_of(&server)).unwrap(), b"component");
    assert!(!elsewhere.requests()[0].to_lowercase().contains("authorization"));
}

#[test]
fn redirects_go_nowhere_that_is_worse_and_come_to_an_end() {
    let error = manifest_error(b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: file:///etc/passwd\r\n\r\n");
    assert_eq!(error.code, "bad-redirect");
    let error = manifest_error(b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /again\r\n\r\n");
    assert!(error.message.contains("in circles"), "{}", error.message);
    let (https, http) = (Url::parse("https://a.example").unwrap(), Url::parse("http://a.example").unwrap());
    assert_eq!(check_step(&https, &http).unwrap_err().code, "bad-redirect");
    assert!(check_step(&http, &https).is_ok());
}

#[test]
fn a_registry_that_is_busy_is_asked_again_and_not_for_ever() {
    for status in ["429 Too Many Requests", "500 Oh no", "502 Bad Gateway", "503 Later", "504 Gateway Timeout"] {
        let count = Arc::new(Mutex::new(0));
        let server = Server::start(move |head, stream| {
            let mut count = count.lock().unwrap();
            *count += 1;
            match (*count % 3, head.contains("/manifests/")) {
                (0, true) => respond(stream, "200 OK", "", &manifest_of(b"component")),
                (0, false) => respond(stream, "200 OK", "", b"component"),
                _ => respond(stream, status, "Retry-After: 0\r\n", b""),
            }
        });
        assert_eq!(pull(&server.reference(), &[]).unwrap(), b"component", "{status}");
        assert_eq!(server.requests().len(), 6);
    }
    let broken = Server::start(|_, stream| respond(stream, "503 Later", "", b""));
    let error = pull(&broken.reference(), &[]).unwrap_err();
    assert!(error.message.contains("503") && error.hint.unwrap().contains("try again later"));
    assert_eq!(broken.requests().len(), 5);
    let never = Server::start(|_, stream| respond(stream, "429 Slow down", "Retry-After: 3600\r\n", b""));
    let error = pull(&never.reference(), &[]).unwrap_err();
    assert_eq!((error.code, never.requests().len()), ("rate-limit", 1));
    assert!(error.hint.unwrap().contains("in 3600 s"));
    for status in ["404 Not Found", "501 Not Implemented"] {
        let server = Server::start(move |_, stream| respond(stream, status, "", b""));
        pull(&server.reference(), &[]).unwrap_err();
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

fn push(server: &Server, replace: bool) -> Result<Published, PackageError> {
    let patience = Patience { pause: Duration::from_millis(1), ..Patience::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut registry = Registry::with(&server.reference(), Access::Push, true, Vec::new(), patience)?;
        registry.publish(b"component".to_vec(), &Contents::default(), None, replace).await
    })
}

#[test]
fn an_upload_that_broke_is_begun_again() {
    let broken = Arc::new(Mutex::new(2));
    let server = Server::start(move |head, stream| {
        let mut broken = broken.lock().unwrap();
        // A client that sends a body waits for it to be read.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
        let _ = stream.read(&mut [0; 4096]);
        match head.split(' ').next().unwrap() {
            "POST" => respond(stream, "202 Accepted", "Location: /v2/team/a/blobs/uploads/1\r\n", b""),
            "PUT" if *broken > 0 && head.contains("uploads") => {
                *broken -= 1;
                respond(stream, "503 Later", "", b"")
            }
            "PUT" => respond(stream, "201 Created", "", b""),
            _ => respond(stream, "404 Not Found", "", b""),
        }
    });
    assert!(matches!(push(&server, false).unwrap(), Published::Now(_)));
    let begun = server.requests().iter().filter(|head| head.starts_with("POST")).count();
    assert_eq!(begun, 4, "two blobs, and twice more");
}

#[test]
fn a_tag_that_stands_for_something_else_is_left_alone() {
    for (manifest, code) in [
        (manifest_of(b"other"), "tag-taken"),
        (b"{}".to_vec(), "tag-taken"),
        (Upload::new(b"component", &Contents::default(), Some("signature")).manifest, "tag-taken"),
    ] {
        let server = Server::start(move |_, stream| respond(stream, "200 OK", "", &manifest));
        let error = push(&server, false).unwrap_err();
        assert_eq!(error.code, code, "{}", error.message);
        assert!(error.hint.unwrap().contains("-replace"));
        assert!(server.requests().iter().all(|head| head.starts_with("GET")), "nothing was written");
    }
    let same = Server::start(|_, stream| respond(stream, "200 OK", "", &manifest_of(b"component")));
    assert!(matches!(push(&same, false).unwrap(), Published::Already(_)));
    assert_eq!(same.requests().len(), 1);
}

#[test]
fn a_registry_sends_no_one_deeper_into_a_network() {
    for location in ["http://169.254.169.254/latest", "http://metadata.google.internal/x"] {
        let answer = format!("Location: {location}\r\n");
        let server = Server::start(move |_, stream| respond(stream, "307 Temporary Redirect", &answer, b""));
        assert_eq!(pull(&server.reference(), &[]).unwrap_err().code, "bad-address", "{location}");
    }
    let realm = "WWW-Authenticate: Bearer realm=\"http://169.254.169.254/token\",service=\"reg\"\r\n";
    let server = Server::start(move |_, stream| respond(stream, "401 Unauthorized", realm, b""));
    assert_eq!(pull(&server.reference(), &[]).unwrap_err().code, "bad-address");
}

#[test]
fn plain_http_is_for_loopback_or_for_who_asks() {
    let scheme = |reference: &str, plain_http: bool| {
        let options = Options { plain_http, job_env: Vec::new() };
        Registry::open(&reference.parse().unwrap(), Access::Pull, &options).unwrap().base.scheme().to_owned()
    };
    assert_eq!(scheme("oci://registry.example.com/a:1", false), "https");
    assert_eq!(scheme("oci://registry.example.com/a:1", true), "http");
    assert_eq!(scheme("oci://localhost:5000/a:1", false), "http");
}

#[test]
fn a_registry_s_certificate_is_checked_against_the_job_s_authorities() {
    let dir = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, certified.cert.pem()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certified.cert.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let pull = |job_env: Vec<(OsString, OsString)>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(serve(listener, config.clone()));
            let reference = format!("oci://localhost:{port}/team/a:1").parse().unwrap();
            let mut registry = Registry::with(&reference, Access::Pull, false, job_env, Patience::default())?;
            registry.resolve().await
        })
    };
    let variable = |name: &str, value: &Path| (OsString::from(name), value.as_os_str().to_owned());
    let nobody = variable("SSL_CERT_DIR", &dir.path().join("none"));
    let error = pull(vec![nobody.clone()]).unwrap_err();
    assert!(error.hint.as_deref().unwrap().contains("CI_SERVER_TLS_CA_FILE"), "{error:?}");
    let artifact = pull(vec![nobody, variable("CI_SERVER_TLS_CA_FILE", &file)]).unwrap();
    assert_eq!(artifact.component, Digest::of(b"component"));
}

async fn serve(listener: tokio::net::TcpListener, config: rustls::ServerConfig) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        // A client that trusts nobody ends it here.
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let _ = stream.read(&mut [0; 4096]).await;
        let manifest = manifest_of(b"component");
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", manifest.len());
        let _ = stream.write_all(&[head.as_bytes(), &manifest].concat()).await;
        let _ = stream.shutdown().await;
    }
}

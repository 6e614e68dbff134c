//! Sends requests as they come, valid or not, with WASI's own calls, and tells how each went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::bindings::wasi::http::outgoing_handler::handle;
use shiro_step::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use shiro_step::bindings::wasi::io::streams::StreamError;
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it sends: all of them before it looks at the first answer.
    requests: Vec<Shape>,
    /// A URL that stands in the workflow, and so may be private.
    #[serde(default)]
    #[expect(dead_code, reason = "its permissions refer to it")]
    url: Option<String>,
    /// Fail with the first that doesn't go.
    #[serde(default)]
    fail: bool,
}

/// A request.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shape {
    #[serde(default = "get")]
    method: String,
    #[serde(default = "http")]
    scheme: String,
    authority: String,
    #[serde(default = "root")]
    path: String,
    /// A header, and its value.
    #[serde(default)]
    header: Option<(String, String)>,
    /// How many headers it has besides.
    #[serde(default)]
    headers: u32,
    /// How many characters the path has besides.
    #[serde(default)]
    path_chars: usize,
    /// How many MiB it sends.
    #[serde(default)]
    body_mib: u32,
    /// All its timeouts are zero.
    #[serde(default)]
    no_time: bool,
    /// How often it sends this.
    #[serde(default = "once")]
    times: u32,
}

fn get() -> String {
    "GET".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn once() -> u32 {
    1
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// How each went: status and length of the answer, or what was refused.
    results: Vec<String>,
}

struct Requester;

impl Step for Requester {
    const NAME: &'static str = "requester";
    const SUMMARY: &'static str = "Sends requests, valid or not.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("*").network("{config.url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let shapes = config.requests.iter().flat_map(|shape| std::iter::repeat_n(shape, shape.times as usize));
        let sent: Vec<_> = shapes.map(send).collect();
        let mut results = Vec::new();
        for answer in sent {
            match answer.and_then(receive) {
                Ok(got) => results.push(got),
                Err(error) if config.fail => return Err(Failure::permanent("requester", error)),
                Err(error) => results.push(error),
            }
        }
        Ok(Output { results })
    }
}

shiro_step::export!(Requester);

/// The error is a text.
fn send(shape: &Shape) -> Result<FutureIncomingResponse, String> {
    let fields = Fields::new();
    let append = |name: &str, value: &str| {
        fields.append(name, value.as_bytes()).map_err(|error| format!("header refused: {error}"))
    };
    if let Some((name, value)) = &shape.header {
        append(name, value)?;
    }
    (0..shape.headers).try_for_each(|number| append(&format!("x-{number}"), "y"))?;
    let request = OutgoingRequest::new(fields);
    let method = match shape.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    };
    let scheme = match shape.scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = format!("{}{}", shape.path, "x".repeat(shape.path_chars));
    request.set_method(&method).map_err(|()| "method refused")?;
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme refused")?;
    request.set_authority(Some(&shape.authority)).map_err(|()| "authority refused")?;
    request.set_path_with_query(Some(&path)).map_err(|()| "path refused")?;
    let options = RequestOptions::new();
    if shape.no_time {
        // A host need not know them.
        let _ = options.set_connect_timeout(Some(0));
        let _ = options.set_first_byte_timeout(Some(0));
        let _ = options.set_between_bytes_timeout(Some(0));
    }
    let body = request.body().map_err(|()| "body refused")?;
    let answer = handle(request, Some(options)).map_err(|error| name(&error))?;
    if shape.body_mib > 0 {
        let stream = body.write().map_err(|()| "body refused")?;
        let chunk = vec![b'x'; 4096];
        for _ in 0..shape.body_mib * 256 {
            // Whoever stops reading has an answer, or a reason.
            if stream.blocking_write_and_flush(&chunk).is_err() {
                break;
            }
        }
        drop(stream);
    }
    // What was cut off is an error of the answer.
    let _ = OutgoingBody::finish(body, None);
    Ok(answer)
}

fn receive(answer: FutureIncomingResponse) -> Result<String, String> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => read(response),
        Some(Ok(Err(error))) => Err(name(&error)),
        _ => Err("no answer".to_owned()),
    }
}

/// Reads an answer to its end, and keeps none of it.
fn read(response: IncomingResponse) -> Result<String, String> {
    let status = response.status();
    let location = response.headers().get("location").into_iter().next();
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut length = 0;
    loop {
        match stream.blocking_read(65536) {
            Ok(bytes) => length += bytes.len(),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).map_or_else(|| "broken off".to_owned(), |error| name(&error)));
            }
        }
    }
    let location = location.map(|to| format!(" to {}", String::from_utf8_lossy(&to))).unwrap_or_default();
    Ok(format!("{status}{location}, {length} bytes"))
}

/// The error's name, without what it carries.
fn name(error: &ErrorCode) -> String {
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(text.len());
    text[..end].trim_start_matches("ErrorCode::").to_owned()
}

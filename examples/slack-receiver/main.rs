//! Plays Slack's incoming webhooks on loopback: shows each message it gets, and answers as Slack does.
//!
//! usage: slack-receiver URL_FILE
//!
//! Writes its URL, on a port the system chose, to `URL_FILE` once it listens.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "showing what it gets is all it does")]

use std::convert::Infallible;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

const PATH: &str = "/services/T00000000/B00000000/a-webhook-on-loopback";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url_file: PathBuf = std::env::args_os().nth(1).ok_or("usage: slack-receiver URL_FILE")?.into();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}{PATH}", listener.local_addr()?);
    // Whoever waits for the file must not see half of it.
    let partial = url_file.with_extension("partial");
    std::fs::write(&partial, &url)?;
    std::fs::rename(&partial, &url_file)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("slack-receiver: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != http::Method::POST || request.uri().path() != PATH {
        return Ok(reply(StatusCode::NOT_FOUND, "no_team"));
    }
    let body = match Limited::new(request.into_body(), 1 << 20).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(reply(StatusCode::PAYLOAD_TOO_LARGE, "invalid_payload")),
    };
    match serde_json::from_slice::<Value>(&body) {
        Ok(message) if message["text"].is_string() || message["blocks"].is_array() => {
            show(&message);
            Ok(reply(StatusCode::OK, "ok"))
        }
        Ok(_) => Ok(reply(StatusCode::BAD_REQUEST, "no_text")),
        Err(_) => Ok(reply(StatusCode::BAD_REQUEST, "invalid_payload")),
    }
}

fn reply(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

fn show(message: &Value) {
    println!("  +-- Slack would show -----------------------------------------");
    for (label, key) in [("channel", "channel"), ("from", "username"), ("text", "text")] {
        if let Some(text) = message[key].as_str() {
            println!("  | {label:8} {text}");
        }
    }
    let blocks = message["blocks"].as_array().into_iter().flatten();
    for button in blocks.filter_map(|block| block["elements"].as_array()).flatten() {
        if let (Some(text), Some(url)) = (button["text"]["text"].as_str(), button["url"].as_str()) {
            println!("  | button   [{text}] -> {url}");
        }
    }
    println!("  +-------------------------------------------------------------");
}

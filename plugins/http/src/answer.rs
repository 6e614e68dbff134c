//! What came back, and whether it is what was expected.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use shiro_request::{headers, line, redirects};
use shiro_step::Failure;
use shiro_step::http::{Error, ErrorKind, Response};

use crate::config::Config;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The status, e.g. 200.
    status: u16,
    /// The headers, names in lower case; several of one name are joined by a comma. `set-cookie` is left out: it is a
    /// credential.
    headers: BTreeMap<String, String>,
    /// The body, if it is JSON; with `paginate` the items of all pages. Otherwise `null`.
    json: Value,
    /// The body as text; bytes that are no UTF-8 become U+FFFD. Empty with `paginate`.
    body: String,
    /// How many bytes the body had, all pages together.
    bytes: usize,
    /// How many pages were asked for: 1 without `paginate`.
    pages: u32,
}

/// An answer that was expected.
#[derive(Debug)]
pub(crate) struct Answer {
    output: Output,
    next: Option<String>,
}

impl Answer {
    /// Takes a response. One that is not expected is a failure that shows what came.
    pub(crate) fn take(config: &Config, response: Response) -> Result<Self, Failure> {
        let status = response.status();
        let expected = config.expect_status.contains(status);
        let wait = response.retry_after();
        let location = response.header("location").map(str::to_owned);
        let next = response.link("next").filter(|_| config.paginate && expected);
        let headers = headers(&response);
        let body = match response.bytes() {
            Ok(body) => body,
            // What an unexpected answer says matters less than that it came.
            Err(_) if !expected => Vec::new(),
            Err(error) => return Err(too_long(config, error)),
        };
        let output = output(status, headers, &body);
        if expected {
            return Ok(Self { output, next });
        }
        let message = unexpected(config, &output, location.as_deref());
        let failure = match config.retry_status.contains(status) {
            true => Failure::transient(format!("status_{status}"), message),
            false => Failure::permanent(format!("status_{status}"), message),
        };
        let failure = failure.output(&output);
        Err(match wait.filter(|_| config.retry_status.contains(status)) {
            Some(wait) => failure.retry_after(wait),
            None => failure,
        })
    }

    pub(crate) fn into_output(self) -> Output {
        self.output
    }
}

/// Asks for the further pages.
pub(crate) fn collect(config: &Config, first: Answer) -> Result<Output, Failure> {
    let Answer { mut output, mut next } = first;
    let mut items = page(&mut output)?;
    while let Some(url) = next {
        if !same_origin(&config.ask.url, &url) {
            return Err(Failure::permanent(
                "next_page_elsewhere",
                format!("page {} would be on another host, which this step may not reach", output.pages + 1),
            ));
        }
        if output.pages >= config.max_pages {
            return Err(Failure::permanent(
                "too_many_pages",
                format!("there are more than {} pages: raise `max_pages`, or ask for larger ones", config.max_pages),
            ));
        }
        let answer = Answer::take(config, config.ask.again(&url, &config.limits()).send()?)?;
        let mut more = answer.output;
        items.append(&mut page(&mut more)?);
        output.bytes += more.bytes;
        output.pages += 1;
        if output.bytes > config.max_bytes {
            return Err(over(config));
        }
        next = answer.next;
    }
    output.json = Value::Array(items);
    Ok(output)
}

/// The items of a page.
fn page(output: &mut Output) -> Result<Vec<Value>, Failure> {
    output.body.clear();
    match output.json.take() {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::permanent(
            "page_is_no_list",
            "a page is not a JSON array: without `paginate`, ask for the pages one by one",
        )),
    }
}

fn output(status: u16, headers: BTreeMap<String, String>, body: &[u8]) -> Output {
    Output {
        status,
        headers,
        json: serde_json::from_slice(body).unwrap_or_default(),
        body: String::from_utf8_lossy(body).into_owned(),
        bytes: body.len(),
        pages: 1,
    }
}

fn unexpected(config: &Config, output: &Output, location: Option<&str>) -> String {
    let status = output.status;
    let mut message = format!("the answer's status is {status}, and {} is expected", config.expect_status.shown());
    if let Some(redirects) = redirects(status, location) {
        message += &format!("; {redirects}");
    }
    let said = line(&output.body);
    if !said.is_empty() {
        message += &format!("; it says: {said}");
    }
    message
}

fn too_long(config: &Config, error: Error) -> Failure {
    match error.kind() {
        ErrorKind::TooLarge => over(config),
        _ => error.into(),
    }
}

fn over(config: &Config) -> Failure {
    Failure::permanent(
        "too_long",
        format!("the answer is longer than {} bytes: raise `max_bytes`, or ask for less", config.max_bytes),
    )
}

/// Whether two URLs have scheme, host and port in common, as they are written.
fn same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#', '\\']).next()?.to_ascii_lowercase();
        let scheme = scheme.to_ascii_lowercase();
        let default = if scheme == "https" { ":443" } else { ":80" };
        Some((scheme, authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority)))
    };
    origin(one).is_some() && origin(one) == origin(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::config;

    fn answered(status: u16, body: &str) -> Output {
        output(status, BTreeMap::new(), body.as_bytes())
    }

    #[test]
    fn a_body_is_json_where_it_can_be() {
        assert_eq!(answered(200, r#"{"a":[1]}"#).json, json!({ "a": [1] }));
        let text = answered(200, "{{env.TOKEN}} $(id)");
        assert_eq!((text.json, text.body.as_str()), (Value::Null, "{{env.TOKEN}} $(id)"));
        assert_eq!(output(200, BTreeMap::new(), b"\xff").body, "\u{fffd}");
    }

    #[test]
    fn an_unexpected_answer_says_what_it_says_on_one_line() {
        let config = config(json!({ "url": "https://a", "expect_status": [200, "404"] }));
        let message = unexpected(&config, &answered(500, "no\n\x1b[31m way"), None);
        assert_eq!(message, "the answer's status is 500, and 200, 404 is expected; it says: no [31m way");
        let message = unexpected(&config, &answered(302, ""), Some("https://b/"));
        assert!(message.contains("redirects to https://b/"), "{message}");
        let long = unexpected(&config, &answered(500, &"ü".repeat(1000)), None);
        assert!(long.chars().count() < 400, "{long}");
    }

    #[test]
    fn a_page_is_a_list() {
        let mut whole = answered(200, "[1, 2]");
        assert_eq!(page(&mut whole).unwrap(), [json!(1), json!(2)]);
        assert_eq!(page(&mut answered(200, r#"{"items":[]}"#)).unwrap_err().code(), "page_is_no_list");
    }

    #[test]
    fn a_next_page_is_on_the_same_host() {
        for (one, other, same) in [
            ("https://a/x", "https://A:443/y?z", true),
            ("http://a:80", "http://a/", true),
            ("https://a/", "http://a/", false),
            ("https://a/", "https://a.b/", false),
            ("https://a/", "https://a:8443/", false),
            ("https://a/", "https://a\\@b/", true),
            ("https://a/", "https://b@a/", false),
            ("nonsense", "nonsense", false),
        ] {
            assert_eq!(same_origin(one, other), same, "{one} {other}");
        }
    }
}

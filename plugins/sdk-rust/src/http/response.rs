//! A response, and its body as far as it is wanted.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::{Error, ErrorKind, wire};

/// Where a body comes from.
#[derive(Debug)]
pub(crate) enum Body {
    /// The network.
    Stream(wire::Stream),
    /// Nowhere: it is here, for tests.
    #[cfg(test)]
    Bytes(Vec<u8>),
}

impl Body {
    /// Some more bytes, none at the end.
    fn next(&mut self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Stream(stream) => stream.next(),
            #[cfg(test)]
            Self::Bytes(bytes) => Ok(std::mem::take(bytes)),
        }
    }
}

/// A response whose head has come; the body is read when it is asked for.
#[derive(Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Body,
    pub(crate) origin: String,
    /// What was asked.
    pub(crate) url: String,
    pub(crate) max_body: usize,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The headers in the order they came, names in lower case.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// A header's first value, if it is text. The name may be in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// How long the service asks to wait (`Retry-After`, in seconds or as a date).
    pub fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(self.header("retry-after")?, SystemTime::now())
    }

    /// Where a `Link` header leads that says this relation, e.g. `next` (RFC 8288): as it stands there, or, if it is relative,
    /// below the URL that was asked.
    pub fn link(&self, relation: &str) -> Option<String> {
        let headers = self.headers.iter().filter(|(name, _)| name == "link");
        let mut values = headers.filter_map(|(_, value)| std::str::from_utf8(value).ok());
        let target = values.find_map(|value| super::link::find(value, relation))?;
        super::link::resolve(&self.url, target)
    }

    /// The body. One that is longer than the request's limit is an error.
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let limit = self.max_body;
        let (bytes, more) = self.read(limit)?;
        if more {
            return Err(Error::new(ErrorKind::TooLarge, self.origin, format!("more than {limit} bytes")));
        }
        Ok(bytes)
    }

    /// The body as text. Bytes that are no UTF-8 become U+FFFD.
    pub fn text(self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let origin = self.origin.clone();
        serde_json::from_slice(&self.bytes()?)
            .map_err(|error| Error::new(ErrorKind::BadResponse, origin, format!("not the JSON it should be: {error}")))
    }

    /// The beginning of the body as text, as far as it can be had: for error messages.
    pub fn excerpt(mut self, max_bytes: usize) -> String {
        let (bytes, _) = self.read(max_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
    }

    /// At most this many bytes, and whether there are more.
    fn read(&mut self, max: usize) -> Result<(Vec<u8>, bool), Error> {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.body.next()?;
            if chunk.is_empty() {
                return Ok((bytes, false));
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() > max {
                bytes.truncate(max);
                return Ok((bytes, true));
            }
        }
    }
}

/// The time that a `Retry-After` header names: seconds, or a date (one in the past is no wait).
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str, max_body: usize) -> Response {
        Response {
            status: 200,
            headers: vec![
                ("retry-after".into(), b"7".to_vec()),
                ("x-bytes".into(), vec![0xff]),
                ("link".into(), b"<?page=2>; rel=\"next\"".to_vec()),
            ],
            body: Body::Bytes(body.as_bytes().to_vec()),
            origin: "https://a".into(),
            url: "https://a/items?page=1".into(),
            max_body,
        }
    }

    #[test]
    fn reads_no_more_than_it_may() {
        assert_eq!(response("12345", 5).text().unwrap(), "12345");
        assert_eq!(response("123456", 5).text().unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(response("héllo", 9).excerpt(2), "h");
        assert_eq!(response("[1]", 9).json::<Vec<u8>>().unwrap(), [1]);
        assert_eq!(response("{", 9).json::<Vec<u8>>().unwrap_err().kind(), ErrorKind::BadResponse);
    }

    #[test]
    fn finds_headers_in_any_case() {
        let response = response("", 0);
        assert_eq!(response.header("Retry-After"), Some("7"));
        assert_eq!(response.header("x-bytes"), None);
        assert_eq!(response.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn finds_the_next_page() {
        assert_eq!(response("", 0).link("next").as_deref(), Some("https://a/items?page=2"));
        assert_eq!(response("", 0).link("prev"), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let wait = |value| parse_retry_after(value, now);
        assert_eq!(wait(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2026 07:29:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(wait("Wed, 21 Oct 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }
}

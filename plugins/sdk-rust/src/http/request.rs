//! A request, built up and sent.

use std::time::Duration;

use serde::Serialize;

use super::encode::{base64, form};
use super::{Error, Response};

/// How long a request may take in all unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest response body unless the request says otherwise: 8 MiB.
const DEFAULT_MAX_BODY: usize = 8 << 20;

/// A request: built up, then [`send`](Self::send).
///
/// ```no_run
/// # fn main() -> Result<(), shiro_step::Failure> {
/// use shiro_step::http::Request;
///
/// let response = Request::post("https://api.example.com/items").json(&[1, 2, 3]).send()?;
/// if response.status() == 429 {
///     println!("wait for {:?}", response.retry_after());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) timeout: Duration,
    pub(crate) max_body: usize,
    /// Why the body could not be made.
    pub(crate) unusable: Option<String>,
}

impl Request {
    /// A request with any method but CONNECT and TRACE. The URL is absolute, http or https.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            connect_timeout: None,
            timeout: DEFAULT_TIMEOUT,
            max_body: DEFAULT_MAX_BODY,
            unusable: None,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A PUT request.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A DELETE request.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a parameter to the URL's query, escaped.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let end = self.url.find('#').unwrap_or(self.url.len());
        let query = &self.url[..end];
        let separator = match query.find('?') {
            None => "?",
            Some(_) if query.ends_with(['?', '&']) => "",
            Some(_) => "&",
        };
        self.url.insert_str(end, &format!("{separator}{}", form([(name, value)])));
        self
    }

    /// Authenticates with a bearer token (RFC 6750).
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Authenticates with a user's name and password (RFC 7617).
    pub fn basic(self, username: &str, password: &str) -> Self {
        self.header("authorization", format!("Basic {}", base64(format!("{username}:{password}").as_bytes())))
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// Sets a JSON body and its content type. A value that JSON can't hold is an error of [`send`](Self::send).
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body,
            Err(error) => self.unusable = Some(format!("the body does not fit into JSON: {error}")),
        }
        self.header("content-type", "application/json")
    }

    /// Sets a body of form fields and its content type.
    pub fn form<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.body = form(fields).into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// How long the request may take in all, up to the body's last byte: 30 seconds unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it may take to connect, within the whole.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// The longest response body that is read: 8 MiB unless set.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends it and waits for the response's head. A status that says no is no error: see [`Response::status`].
    pub fn send(self) -> Result<Response, Error> {
        super::wire::send(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_to_the_end_of_the_query() {
        let url = |url: &str| Request::get(url).query("a b", "ü&=").query("c", "").url;
        assert_eq!(url("https://x/p"), "https://x/p?a+b=%C3%BC%26%3D&c=");
        assert_eq!(url("https://x/p?q=1#f"), "https://x/p?q=1&a+b=%C3%BC%26%3D&c=#f");
        assert_eq!(url("https://x?"), "https://x?a+b=%C3%BC%26%3D&c=");
    }

    #[test]
    fn no_request_is_waited_for_without_end() {
        assert_eq!(Request::get("https://x").timeout, Duration::from_secs(30));
        assert_eq!(Request::get("https://x").timeout(Duration::from_secs(1)).timeout, Duration::from_secs(1));
    }

    #[test]
    fn credentials_and_forms_are_encoded() {
        let request = Request::post("https://x").basic("Aladdin", "open sesame").form([("a", "1 2"), ("b", "\n")]);
        assert_eq!(request.headers[0], ("authorization".into(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_vec()));
        assert_eq!(request.headers[1].1, b"application/x-www-form-urlencoded");
        assert_eq!(request.body, b"a=1+2&b=%0A");
        assert_eq!(Request::get("https://x").bearer("t").headers[0].1, b"Bearer t");
    }
}

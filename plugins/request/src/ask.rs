//! A request as users write it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use shiro_step::http::Request;
use shiro_step::{Failure, Text, context};

/// A request without a time limit ends with the step's own.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The part of a config that is a request: flattened into it. In the keys that may be left out, an empty string counts as left
/// out.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("not" = {
    "anyOf": [
        { "required": ["json", "form"] }, { "required": ["json", "body"] }, { "required": ["form", "body"] },
        { "required": ["bearer", "username"] }
    ]
}))]
pub struct Ask {
    /// Where the request goes. The step reaches the scheme, host and port of this URL, and no other. A host that the
    /// workflow, an input or a variable names may have a private address; one that a step returned may not.
    #[schemars(extend("pattern" = "^[Hh][Tt][Tt][Pp][Ss]?://"))]
    pub url: String,
    /// The method. `CONNECT` and `TRACE` are never sent.
    #[serde(default = "get")]
    #[schemars(extend("pattern" = "^[A-Za-z][A-Za-z-]*$"))]
    pub method: String,
    /// Parameters for the URL's query, which are escaped. A list gives the same name to each of its items; `null` leaves it
    /// out.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// Headers. Take what is secret from a variable whose name says so, e.g. `{{env.API_TOKEN}}`: then it is masked.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// A JSON value as the body, with its content type.
    pub json: Option<Value>,
    /// Form fields as the body (`application/x-www-form-urlencoded`). A list gives the same name to each of its items;
    /// `null` leaves it out.
    pub form: Option<BTreeMap<String, Value>>,
    /// Text as the body. Its content type is `text/plain; charset=utf-8`, unless `headers` has one.
    pub body: Option<Text>,
    /// Authenticates with this bearer token.
    #[schemars(extend("writeOnly" = true))]
    pub bearer: Option<String>,
    /// Authenticates with this name and `password` (basic authentication).
    pub username: Option<String>,
    /// The password for `username`.
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
}

/// Up to where an answer is waited for, and taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// How long a request may take in all.
    pub time: Option<Duration>,
    /// The longest body.
    pub max_bytes: usize,
    /// A header for the step's idempotency key.
    pub idempotency_header: Option<&'a str>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Ask {
    /// Refuses what contradicts itself.
    ///
    /// # Errors
    ///
    /// Two bodies, or credentials that don't go together.
    pub fn check(&self) -> Result<(), Failure> {
        let bodies = [self.json.is_some(), self.form.is_some(), self.body.is_some()];
        if bodies.into_iter().filter(|there| *there).count() > 1 {
            return Err(Failure::invalid_config("a request has one body: set one of `json`, `form` and `body`"));
        }
        let named = filled(self.username.as_deref()).is_some();
        if filled(self.bearer.as_deref()).is_some() && named {
            return Err(Failure::invalid_config("set `bearer`, or `username` and `password`, not both"));
        }
        if filled(self.password.as_deref()).is_some() && !named {
            return Err(Failure::invalid_config("`password` needs a `username`"));
        }
        if self.username.as_deref().is_some_and(|name| name.contains(':')) {
            return Err(Failure::invalid_config(
                "a `username` has no colon in it: that separates it from the password",
            ));
        }
        Ok(())
    }

    /// The request as it is configured.
    ///
    /// # Errors
    ///
    /// A parameter or a field is neither text nor a number nor a truth value.
    pub fn first(&self, limits: &Limits<'_>) -> Result<Request, Failure> {
        let mut request = self.again(&self.url, limits);
        for (name, value) in fields("query", &self.query)? {
            request = request.query(name, &value);
        }
        if let Some(json) = &self.json {
            let request = if self.has_header("content-type") {
                request.body(serde_json::to_vec(json)?)
            } else {
                request.json(json)
            };
            return Ok(request);
        }
        if let Some(form) = &self.form {
            let fields = fields("form", form)?;
            return Ok(request.form(fields.iter().map(|(name, value)| (*name, value.as_str()))));
        }
        let Some(body) = &self.body else { return Ok(request) };
        let request = request.body(body.as_bytes());
        match self.has_header("content-type") {
            true => Ok(request),
            false => Ok(request.header("content-type", "text/plain; charset=utf-8")),
        }
    }

    /// The same for another URL: method, headers, credentials and limits, without query and body.
    pub fn again(&self, url: &str, limits: &Limits<'_>) -> Request {
        let mut request = Request::new(self.method.to_ascii_uppercase(), url)
            .timeout(limits.time.unwrap_or(NO_LIMIT))
            .max_body(limits.max_bytes);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_bytes());
        }
        if !self.has_header("user-agent") {
            request = request.header("user-agent", "shiro");
        }
        if let Some(name) = filled(limits.idempotency_header) {
            request = request.header(name, context::idempotency_key());
        }
        match (filled(self.bearer.as_deref()), filled(self.username.as_deref())) {
            (Some(token), _) => request.bearer(token),
            (None, Some(name)) => request.basic(name, self.password.as_deref().unwrap_or_default()),
            (None, None) => request,
        }
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.keys().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// A text that is there.
pub fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Names and values, a list's items one by one.
fn fields<'a>(what: &str, of: &'a BTreeMap<String, Value>) -> Result<Vec<(&'a str, String)>, Failure> {
    let mut fields = Vec::new();
    for (name, value) in of {
        let items = match value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        for item in items {
            match item {
                Value::Null => {}
                Value::String(text) => fields.push((name.as_str(), text.clone())),
                Value::Bool(_) | Value::Number(_) => fields.push((name.as_str(), item.to_string())),
                Value::Array(_) | Value::Object(_) => {
                    return Err(Failure::invalid_config(format!(
                        "`{what}.{name}` has to be text, a number, true or false, or a list of these: `| json` makes text \
                         of a value"
                    )));
                }
            }
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: Limits<'static> = Limits { time: None, max_bytes: 1, idempotency_header: None };

    fn config(value: Value) -> Ask {
        serde_json::from_value(value).unwrap()
    }

    fn shown(value: Value) -> String {
        format!("{:?}", config(value).first(&LIMITS).unwrap())
    }

    #[test]
    fn parameters_are_escaped_and_lists_repeat_their_name() {
        let request = shown(json!({ "url": "https://a/b?x=1", "query": { "q": "a&b", "n": [1, true], "none": null } }));
        assert!(request.contains(r#"url: "https://a/b?x=1&n=1&n=true&q=a%26b""#), "{request}");
        let wrong = config(json!({ "url": "https://a", "query": { "q": { "a": 1 } } }));
        assert!(wrong.first(&LIMITS).unwrap_err().message().contains("`query.q`"));
    }

    #[test]
    fn a_body_has_its_content_type_unless_the_headers_have_one() {
        let header = |value: Value| {
            let request = shown(value);
            let count = request.matches(r#""content-type""#).count() + request.matches(r#""Content-Type""#).count();
            (count, request)
        };
        for body in [json!({ "json": [1] }), json!({ "form": { "a": 1 } }), json!({ "body": "x" })] {
            let mut value = json!({ "url": "https://a", "method": "post" });
            value.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let (count, request) = header(value.clone());
            assert_eq!(count, 1, "{request}");
            assert!(request.contains(r#"method: "POST""#), "{request}");
            if body.get("form").is_none() {
                value["headers"] = json!({ "Content-Type": "x/y" });
                assert_eq!(header(value).0, 1);
            }
        }
        assert_eq!(header(json!({ "url": "https://a" })).0, 0);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for value in [
            json!({ "json": 1, "body": "x" }),
            json!({ "form": {}, "body": "x" }),
            json!({ "bearer": "t", "username": "u" }),
            json!({ "password": "p" }),
            json!({ "username": "a:b", "password": "p" }),
        ] {
            let mut whole = json!({ "url": "https://a" });
            whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            assert!(config(whole).check().is_err(), "{value}");
        }
        assert!(config(json!({ "url": "https://a", "bearer": "t", "username": "" })).check().is_ok());
    }
}

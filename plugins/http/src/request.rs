//! From the config to a request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shiro_step::http::Request;
use shiro_step::{Failure, context};

use crate::config::Config;

/// A request without a time limit ends with the step's own.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// What contradicts itself.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let bodies = [config.json.is_some(), config.form.is_some(), config.body.is_some()];
    if bodies.into_iter().filter(|there| *there).count() > 1 {
        return Err(Failure::invalid_config("a request has one body: set one of `json`, `form` and `body`"));
    }
    let named = filled(config.username.as_deref()).is_some();
    if filled(config.bearer.as_deref()).is_some() && named {
        return Err(Failure::invalid_config("set `bearer`, or `username` and `password`, not both"));
    }
    if filled(config.password.as_deref()).is_some() && !named {
        return Err(Failure::invalid_config("`password` needs a `username`"));
    }
    if config.username.as_deref().is_some_and(|name| name.contains(':')) {
        return Err(Failure::invalid_config("a `username` has no colon in it: that separates it from the password"));
    }
    Ok(())
}

/// The request as it is configured.
pub(crate) fn first(config: &Config) -> Result<Request, Failure> {
    let mut request = bare(config, &config.url);
    for (name, value) in fields("query", &config.query)? {
        request = request.query(name, &value);
    }
    if let Some(json) = &config.json {
        let request = if has_header(config, "content-type") {
            request.body(serde_json::to_vec(json)?)
        } else {
            request.json(json)
        };
        return Ok(request);
    }
    if let Some(form) = &config.form {
        let fields = fields("form", form)?;
        return Ok(request.form(fields.iter().map(|(name, value)| (*name, value.as_str()))));
    }
    let Some(body) = &config.body else { return Ok(request) };
    let request = request.body(body.as_bytes());
    match has_header(config, "content-type") {
        true => Ok(request),
        false => Ok(request.header("content-type", "text/plain; charset=utf-8")),
    }
}

/// The request for a further page: the same without query and body, which the link has.
pub(crate) fn next(config: &Config, url: &str) -> Request {
    bare(config, url)
}

/// Method, headers, credentials and limits.
fn bare(config: &Config, url: &str) -> Request {
    let mut request = Request::new(config.method.to_ascii_uppercase(), url)
        .timeout(config.timeout.limit().unwrap_or(NO_LIMIT))
        .max_body(config.max_bytes);
    for (name, value) in &config.headers {
        request = request.header(name, value.as_bytes());
    }
    if !has_header(config, "user-agent") {
        request = request.header("user-agent", "shiro");
    }
    if let Some(name) = filled(config.idempotency_header.as_deref()) {
        request = request.header(name, context::idempotency_key());
    }
    match (filled(config.bearer.as_deref()), filled(config.username.as_deref())) {
        (Some(token), _) => request.bearer(token),
        (None, Some(name)) => request.basic(name, config.password.as_deref().unwrap_or_default()),
        (None, None) => request,
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn has_header(config: &Config, name: &str) -> bool {
    config.headers.keys().any(|own| own.eq_ignore_ascii_case(name))
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
    use crate::config::config;

    fn shown(value: Value) -> String {
        format!("{:?}", first(&config(value)).unwrap())
    }

    #[test]
    fn parameters_are_escaped_and_lists_repeat_their_name() {
        let request = shown(json!({ "url": "https://a/b?x=1", "query": { "q": "a&b", "n": [1, true], "none": null } }));
        assert!(request.contains(r#"url: "https://a/b?x=1&n=1&n=true&q=a%26b""#), "{request}");
        let wrong = config(json!({ "url": "https://a", "query": { "q": { "a": 1 } } }));
        assert!(first(&wrong).unwrap_err().message().contains("`query.q`"));
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
            assert!(check(&config(whole)).is_err(), "{value}");
        }
        assert!(check(&config(json!({ "url": "https://a", "bearer": "t", "username": "" }))).is_ok());
    }
}

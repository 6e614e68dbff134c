//! Answers a registry's challenge: Basic, or a bearer token from the service that the registry names
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use url::Url;

use super::super::error::PackageError;
use super::credentials::{self, Credential};
use super::http::{Call, Http, check_step, failure, read};

/// The largest answer of a token service.
const TOKEN_BYTES: u64 = 64 << 10;

/// What the registry wants to be answered.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// The `Authorization` that answers what a registry at `registry` said, for `scope`. `None` if it asks for credentials and
/// there are none.
pub(super) async fn answer(
    http: &Http,
    registry: &Url,
    host: &str,
    said: &HeaderMap,
    scope: &str,
    job_env: &[(OsString, OsString)],
) -> Result<Option<HeaderValue>, PackageError> {
    let challenge = challenge(said, host)?;
    let (name, env) = (host.to_owned(), job_env.to_vec());
    // A helper is a program that may ask its user something.
    let credential = tokio::task::spawn_blocking(move || credentials::find(&name, &env)).await;
    let credential = credential.map_err(|error| PackageError::refused("credentials", error.to_string()))??;
    match challenge {
        Challenge::Basic => match credential {
            Some(Credential::Basic(user, password)) => basic(&user, &password, host).map(Some),
            _ => Ok(None),
        },
        Challenge::Bearer { realm, service } => {
            let realm =
                Url::parse(&realm).map_err(|error| bad(host, &format!("its token service has no address: {error}")))?;
            check_step(registry, &realm)?;
            token(http, realm, service.as_deref(), scope, credential.as_ref(), host).await.map(Some)
        }
    }
}

fn challenge(said: &HeaderMap, host: &str) -> Result<Challenge, PackageError> {
    let mut found = None;
    for value in said.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()) {
        for challenge in http_auth::ChallengeParser::new(value).map_while(Result::ok) {
            let parameter = |name: &str| {
                let mut all = challenge.params.iter();
                all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Ok(Challenge::Bearer { realm, service: parameter("service") });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found.ok_or_else(|| bad(host, "it wants a login of a kind that is not known here"))
}

async fn token(
    http: &Http,
    mut realm: Url,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
    host: &str,
) -> Result<HeaderValue, PackageError> {
    #[derive(Deserialize)]
    struct Token {
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        access_token: Option<String>,
    }
    let call = if let Some(Credential::Identity(identity)) = credential {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "shiro").append_pair("scope", scope);
        form.append_pair("service", service.unwrap_or_default()).append_pair("refresh_token", identity);
        let mut call = Call::new(Method::POST, realm);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        call.body = form.finish().into();
        call
    } else {
        realm.query_pairs_mut().append_pair("scope", scope).extend_pairs(service.map(|service| ("service", service)));
        let mut call = Call::new(Method::GET, realm);
        if let Some(Credential::Basic(user, password)) = credential {
            call.headers.insert(AUTHORIZATION, basic(user, password, host)?);
        }
        call
    };
    let response = http.send(call).await?;
    if !response.status().is_success() {
        return Err(failure(response, "no token").await);
    }
    let body = read(response, TOKEN_BYTES, "the token").await?;
    let token = serde_json::from_slice::<Token>(&body).ok();
    let token = token.and_then(|token| token.token.or(token.access_token)).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| bad(host, "its token service answers without a token"))?;
    header(format!("Bearer {token}"), host)
}

fn basic(user: &str, password: &str, host: &str) -> Result<HeaderValue, PackageError> {
    header(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))), host)
}

fn header(text: String, host: &str) -> Result<HeaderValue, PackageError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| bad(host, "its token service answers with something that is no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad(host: &str, what: &str) -> PackageError {
    PackageError::refused("login", format!("{host}: {what}"))
        .hint("this is a fault of the registry: tell whoever runs it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&'static str]) -> Result<Challenge, PackageError> {
        let values = values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_static(value)));
        challenge(&values.collect(), "a.example")
    }

    #[test]
    fn a_bearer_challenge_wins_over_basic() {
        let bearer = r#"Bearer realm="https://auth.example/token",service="a.example",scope="repository:x:pull""#;
        let expected =
            Challenge::Bearer { realm: "https://auth.example/token".into(), service: Some("a.example".into()) };
        assert_eq!(parse(&[bearer]).unwrap(), expected);
        assert_eq!(parse(&["Basic realm=\"x\"", bearer]).unwrap(), expected);
        assert_eq!(parse(&["basic realm=\"x\""]).unwrap(), Challenge::Basic);
    }

    #[test]
    fn what_is_no_challenge_is_said() {
        for value in ["", "Negotiate", "Bearer service=\"x\"", "%%%"] {
            assert_eq!(parse(&[value]).unwrap_err().code, "login", "{value}");
        }
        assert_eq!(parse(&[]).unwrap_err().code, "login");
    }

    #[test]
    fn a_token_that_is_none_breaks_nothing() {
        assert_eq!(header("Bearer a\r\nX: y".to_owned(), "a.example").unwrap_err().code, "login");
        assert!(header("Bearer abc".to_owned(), "a.example").unwrap().is_sensitive());
    }
}

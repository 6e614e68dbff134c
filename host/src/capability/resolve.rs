//! From a request or a policy to a layer: what refers to the config gets its value.

use serde_json::Value;
use url::Url;

use super::grants::{Layer, Origin};
use super::reference::{Resolved, refers_to_config, resolve};
use super::{NetworkPermission, Permissions, UrlPattern};

/// Something that a config leaves open, or makes impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// The kind of permission, e.g. `network`.
    pub kind: &'static str,
    /// What it is, for people: never a value of the config, which may be secret.
    pub what: String,
    /// Why there is nothing yet.
    pub why: Open,
}

/// Why a permission comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// A template decides when the step runs.
    Later,
    /// What the config has there can't be used: why.
    Unusable(&'static str),
}

impl Layer {
    /// The layer that these permissions are for a step with this config. `derived` are the JSON Pointers of the strings in
    /// `config` that hold text from a step's output: in a policy's mouth a reference to one allows no directory and no
    /// program, since what a step returns is no grant.
    pub fn resolve(
        origin: Origin,
        permissions: &Permissions,
        config: &Value,
        derived: &[String],
    ) -> (Self, Vec<Unclear>) {
        let mut unclear = Vec::new();
        let mut resolved = permissions.clone();
        let mut named = Vec::new();
        resolved.network.retain_mut(|permission| {
            let outcome = url(permission, config, derived);
            let name = network_name(&permission.url);
            match outcome {
                Filled::Value(value, by_config) => {
                    let literal = origin != Origin::Asked
                        && UrlPattern::parse(&value).is_ok_and(|pattern| pattern.names_an_address());
                    named.push(by_config.unwrap_or(literal));
                    permission.url = value;
                    true
                }
                other => {
                    let kept = matches!(other, Filled::Later);
                    unclear.extend(other.unclear("network", name));
                    if kept {
                        named.push(false);
                    }
                    kept
                }
            }
        });
        let asked = origin == Origin::Asked;
        resolved.process.retain_mut(|permission| {
            let name = format!("the program of `{}`", permission.program);
            fill("process", name, &mut permission.program, (config, derived), asked, &mut unclear)
        });
        resolved.files.retain_mut(|permission| {
            let name = format!("the directory of `{}`", permission.path);
            fill("files", name, &mut permission.path, (config, derived), asked, &mut unclear)
        });
        (Self { origin, permissions: resolved, named, open: false }, unclear)
    }
}

fn network_name(url: &str) -> String {
    if refers_to_config(url) { format!("the host of `{}`", keys(url)) } else { format!("`{url}`") }
}

/// `{config.a}` as its key.
fn keys(text: &str) -> String {
    match text.strip_prefix("{config.").and_then(|rest| rest.strip_suffix('}')) {
        Some(key) if !key.contains(['{', '}']) => key.to_owned(),
        _ => text.to_owned(),
    }
}

enum Filled {
    /// The value; whether the config names it, and not a step's output; `None` for a text without references.
    Value(String, Option<bool>),
    Later,
    Unusable(&'static str),
    Nothing,
}

impl Filled {
    fn unclear(self, kind: &'static str, what: String) -> Option<Unclear> {
        let why = match self {
            Self::Value(..) | Self::Nothing => return None,
            Self::Later => Open::Later,
            Self::Unusable(why) => Open::Unusable(why),
        };
        Some(Unclear { kind, what, why })
    }
}

/// What a permission's URL comes to: only its scheme, host and port, for the rest may be secret.
fn url(permission: &NetworkPermission, config: &Value, derived: &[String]) -> Filled {
    let filled = value(&permission.url, config, derived);
    let Filled::Value(text, Some(by_config)) = filled else { return filled };
    let parts = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https")).and_then(|url| {
        // A `*` that the config names is no pattern: what a policy leaves to the config is one host.
        let host = url.host_str().filter(|host| !host.contains('*'))?;
        Some(format!("{}://{host}:{}", url.scheme(), url.port_or_known_default()?))
    });
    match parts {
        Some(text) => Filled::Value(text, Some(by_config)),
        None => Filled::Unusable("not a URL that begins with http:// or https://"),
    }
}

fn value(text: &str, config: &Value, derived: &[String]) -> Filled {
    match resolve(text, config, derived) {
        Resolved::Text { text, keys, .. } if keys.is_empty() => Filled::Value(text, None),
        Resolved::Text { text, derived, .. } => Filled::Value(text, Some(!derived)),
        Resolved::Nothing => Filled::Nothing,
        Resolved::NotText(_) => Filled::Unusable("not a text"),
        Resolved::Later(_) => Filled::Later,
    }
}

/// Fills in a program or a directory. False if there is nothing to keep.
fn fill(
    kind: &'static str,
    what: String,
    text: &mut String,
    (config, derived): (&Value, &[String]),
    asked: bool,
    unclear: &mut Vec<Unclear>,
) -> bool {
    match value(text, config, derived) {
        Filled::Value(value, None) => *text = value,
        Filled::Value(value, Some(_)) if value.is_empty() || value.contains(['*', '\0']) => {
            unclear.extend(Filled::Unusable("empty, or with a `*` in it").unclear(kind, what));
            return false;
        }
        Filled::Value(value, Some(by_config)) if by_config || asked => *text = value,
        Filled::Value(..) => {
            unclear.extend(Filled::Unusable("it comes out of a step's output").unclear(kind, what));
            return false;
        }
        Filled::Later => unclear.extend(Filled::Later.unclear(kind, what)),
        other => {
            unclear.extend(other.unclear(kind, what));
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(origin: Origin, permissions: &str, config: &Value, derived: &[&str]) -> (Layer, Vec<Unclear>) {
        let derived: Vec<String> = derived.iter().map(|&pointer| pointer.to_owned()).collect();
        Layer::resolve(origin, &serde_json::from_str(permissions).unwrap(), config, &derived)
    }

    const WEBHOOK: &str = r#"{"network":[{"url":"{config.webhook_url}"}]}"#;

    #[test]
    fn exactly_the_host_of_the_configured_url() {
        let config = json!({ "webhook_url": "https://hooks.slack.com/services/T000/B000/hidden" });
        let (layer, unclear) = resolved(Origin::Asked, WEBHOOK, &config, &[]);
        assert_eq!(layer.permissions.network[0].url, "https://hooks.slack.com:443");
        assert_eq!(layer.named, [true]);
        assert!(unclear.is_empty());
        let (layer, _) = resolved(Origin::Asked, WEBHOOK, &config, &["/webhook_url"]);
        assert_eq!(layer.named, [false], "a step's output named it");
    }

    #[test]
    fn a_policy_names_addresses_and_a_plugin_does_not() {
        let literal = r#"{"network":[{"url":"http://127.0.0.1:80"},{"url":"https://a.b"}]}"#;
        assert_eq!(resolved(Origin::Repository, literal, &json!({}), &[]).0.named, [true, false]);
        assert_eq!(resolved(Origin::Asked, literal, &json!({}), &[]).0.named, [false, false]);
    }

    #[test]
    fn what_a_template_decides_is_known_later_and_allows_nothing() {
        let (layer, unclear) =
            resolved(Origin::Asked, WEBHOOK, &json!({ "webhook_url": "{{env.SLACK_WEBHOOK_URL}}" }), &[]);
        assert_eq!(unclear[0].why, Open::Later);
        assert_eq!(unclear[0].what, "the host of `webhook_url`");
        assert!(UrlPattern::parse(&layer.permissions.network[0].url).is_err());
    }

    #[test]
    fn no_url_is_no_grant_and_not_shown() {
        assert_eq!(resolved(Origin::Asked, WEBHOOK, &json!({}), &[]).1, []);
        for url in [json!("file:///etc/passwd"), json!("hunter2"), json!(7), json!("unix:/x"), json!("https://*")] {
            let (layer, unclear) = resolved(Origin::Repository, WEBHOOK, &json!({ "webhook_url": url }), &[]);
            assert!(layer.permissions.network.is_empty());
            assert_eq!(unclear.len(), 1);
            assert!(!format!("{unclear:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_step_s_output_is_no_grant_of_directories_and_programs() {
        let permissions = r#"{"files":[{"path":"{config.dir}"}],"process":[{"program":"{config.program}"}]}"#;
        let config = json!({ "dir": "dist", "program": "git" });
        let (layer, _) = resolved(Origin::Repository, permissions, &config, &[]);
        assert_eq!(layer.permissions.files[0].path, "dist");
        assert_eq!(layer.permissions.process[0].program, "git");
        let (layer, unclear) = resolved(Origin::Repository, permissions, &config, &[""]);
        assert!(layer.permissions.is_empty());
        assert_eq!(unclear.len(), 2);
        let (layer, _) = resolved(Origin::Asked, permissions, &config, &[""]);
        assert!(!layer.permissions.files.is_empty());
        let (layer, _) = resolved(Origin::Repository, permissions, &json!({ "program": "*" }), &[]);
        assert!(layer.permissions.is_empty(), "a config can't make a pattern of a name");
    }
}

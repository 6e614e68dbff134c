//! From a request or a policy to a layer: what refers to the config or to variables gets its value.

use url::Url;

use super::grants::{Layer, Named, Origin};
use super::reference::{By, Resolved, Values, has_references, resolve, shown};
use super::{NetworkPermission, Permissions, UrlPattern};

/// At the end of a directory with references: the one that it lies in. For variables that name a file.
const PARENT: &str = "/..";

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
    /// The layer that these permissions are for a step with these values. In a policy's mouth a reference to what a step
    /// returned allows no directory, no key and no program: that is no grant.
    pub fn resolve(origin: Origin, permissions: &Permissions, values: &Values<'_>) -> (Self, Vec<Unclear>) {
        let mut unclear = Vec::new();
        let mut resolved = permissions.clone();
        let mut named = Vec::new();
        resolved.network.retain_mut(|permission| {
            let outcome = url(permission, values);
            let name = network_name(&permission.url);
            match outcome {
                Filled::Value(value, by) => {
                    named.push(whose(by, &value, &origin));
                    permission.url = value;
                    true
                }
                other => {
                    let kept = matches!(other, Filled::Later);
                    unclear.extend(other.unclear("network", name));
                    if kept {
                        named.push(Named::No);
                    }
                    kept
                }
            }
        });
        let asked = origin == Origin::Asked;
        resolved.process.retain_mut(|permission| {
            let name = format!("the program of `{}`", permission.program);
            fill("process", name, &mut permission.program, values, asked, &mut unclear)
        });
        resolved.files.retain_mut(|permission| {
            let name = format!("the directory of `{}`", permission.path);
            let file = permission.path.strip_suffix(PARENT).filter(|file| has_references(file)).map(str::to_owned);
            let outer = file.is_some();
            permission.path = file.unwrap_or_else(|| std::mem::take(&mut permission.path));
            fill("files", name, &mut permission.path, values, asked, &mut unclear)
                && (!outer || to_parent(&mut permission.path))
        });
        resolved.store.retain_mut(|permission| {
            let name = format!("the keys of `{}`", permission.keys);
            // A `*` that stands here is a pattern; one that the config names is none.
            let beginning = permission.keys.strip_suffix('*').filter(|keys| has_references(keys)).map(str::to_owned);
            let pattern = beginning.is_some();
            permission.keys = beginning.unwrap_or_else(|| std::mem::take(&mut permission.keys));
            let kept = fill("store", name, &mut permission.keys, values, asked, &mut unclear);
            permission.keys.extend(pattern.then_some('*'));
            kept
        });
        (Self { origin, permissions: resolved, named, open: false }, unclear)
    }
}

fn network_name(url: &str) -> String {
    if has_references(url) { format!("the host of {}", shown(url)) } else { format!("`{url}`") }
}

/// Whether a URL names its host so that it may have a private address.
fn whose(by: Option<By>, url: &str, origin: &Origin) -> Named {
    match by {
        Some(By::Config) => Named::Config,
        Some(By::Environment) => Named::Here,
        Some(By::Output) => Named::No,
        None | Some(By::Permission) if *origin == Origin::Asked => Named::No,
        None | Some(By::Permission) => match UrlPattern::parse(url).is_ok_and(|pattern| pattern.names_an_address()) {
            true => Named::Here,
            false => Named::No,
        },
    }
}

/// From a file's path to its directory's. False if it lies in none.
fn to_parent(path: &mut String) -> bool {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((parent, _)) if !parent.is_empty() => {
            path.truncate(parent.len());
            true
        }
        _ => false,
    }
}

enum Filled {
    /// The value, and who decided it; `None` for a text without references.
    Value(String, Option<By>),
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
fn url(permission: &NetworkPermission, values: &Values<'_>) -> Filled {
    let filled = value(&permission.url, values);
    let Filled::Value(text, Some(by)) = filled else { return filled };
    let parts = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https")).and_then(|url| {
        // A `*` that a reference names is no pattern: what a policy leaves to the config or a variable is one host.
        let host = url.host_str().filter(|host| !host.contains('*'))?;
        Some(format!("{}://{host}:{}", url.scheme(), url.port_or_known_default()?))
    });
    match parts {
        Some(text) => Filled::Value(text, Some(by)),
        None => Filled::Unusable("not a URL that begins with http:// or https://"),
    }
}

fn value(text: &str, values: &Values<'_>) -> Filled {
    match resolve(text, values) {
        Resolved::Text { text, by } => Filled::Value(text, by),
        Resolved::Nothing => Filled::Nothing,
        Resolved::NotText => Filled::Unusable("not a text"),
        Resolved::Later => Filled::Later,
    }
}

/// Fills in a program, a directory or a key. False if there is nothing to keep.
fn fill(
    kind: &'static str,
    what: String,
    text: &mut String,
    values: &Values<'_>,
    asked: bool,
    unclear: &mut Vec<Unclear>,
) -> bool {
    match value(text, values) {
        Filled::Value(value, None) => *text = value,
        Filled::Value(value, Some(_)) if value.is_empty() || value.contains(['*', '\0']) => {
            unclear.extend(Filled::Unusable("empty, or with a `*` in it").unclear(kind, what));
            return false;
        }
        Filled::Value(value, Some(by)) if by != By::Output || asked => *text = value,
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
    use serde_json::{Value, json};

    use super::*;
    use crate::capability::Variables;

    fn resolved(origin: Origin, permissions: &str, config: &Value, derived: &[&str]) -> (Layer, Vec<Unclear>) {
        in_job(origin, permissions, config, derived, &[])
    }

    fn in_job(
        origin: Origin,
        permissions: &str,
        config: &Value,
        derived: &[&str],
        variables: &[(&str, &str)],
    ) -> (Layer, Vec<Unclear>) {
        let derived: Vec<String> = derived.iter().map(|&pointer| pointer.to_owned()).collect();
        let variables: Variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let values = Values { config, derived: &derived, variables: &variables };
        Layer::resolve(origin, &serde_json::from_str(permissions).unwrap(), &values)
    }

    const WEBHOOK: &str = r#"{"network":[{"url":"{config.webhook_url}"}]}"#;

    #[test]
    fn exactly_the_host_of_the_configured_url() {
        let config = json!({ "webhook_url": "https://hooks.slack.com/services/T000/B000/hidden" });
        let (layer, unclear) = resolved(Origin::Asked, WEBHOOK, &config, &[]);
        assert_eq!(layer.permissions.network[0].url, "https://hooks.slack.com:443");
        assert_eq!(layer.named, [Named::Config]);
        assert!(unclear.is_empty());
        let (layer, _) = resolved(Origin::Asked, WEBHOOK, &config, &["/webhook_url"]);
        assert_eq!(layer.named, [Named::No], "a step's output named it");
    }

    #[test]
    fn exactly_the_host_of_a_variable_s_url() {
        let asked = r#"{"network":[{"url":"{config.url|env.CI_API_V4_URL|https://gitlab.com}"}]}"#;
        let variables = [("CI_API_V4_URL", "https://gitlab.corp.example:8443/api/v4?token=hidden")];
        for origin in [Origin::Asked, Origin::BuiltIn, Origin::Repository] {
            let (layer, unclear) = in_job(origin, asked, &json!({}), &[], &variables);
            assert_eq!(layer.permissions.network[0].url, "https://gitlab.corp.example:8443");
            assert_eq!((layer.named, unclear), (vec![Named::Here], vec![]));
        }
        let (layer, _) = in_job(Origin::Asked, asked, &json!({ "url": "http://10.0.0.1" }), &[], &variables);
        assert_eq!((&*layer.permissions.network[0].url, layer.named), ("http://10.0.0.1:80", vec![Named::Config]));
        let (layer, _) = in_job(Origin::Asked, asked, &json!({}), &[], &[]);
        assert_eq!((&*layer.permissions.network[0].url, layer.named), ("https://gitlab.com:443", vec![Named::No]));
        let (layer, unclear) = in_job(Origin::Asked, asked, &json!({}), &[], &[("CI_API_V4_URL", "hunter2")]);
        assert!(layer.permissions.network.is_empty(), "a variable that is no URL is no reason to ask another host");
        assert!(!format!("{unclear:?}").contains("hunter2"));
    }

    #[test]
    fn a_variable_names_a_file_and_its_directory_is_meant() {
        let event = r#"{"files":[{"path":"{env.EVENT}/.."}]}"#;
        let path = |value: &str| {
            let (layer, _) = in_job(Origin::Asked, event, &json!({}), &[], &[("EVENT", value)]);
            layer.permissions.files.into_iter().next().map(|file| file.path)
        };
        assert_eq!(path("/runner/_temp/event.json").as_deref(), Some("/runner/_temp"));
        assert_eq!(path("a/event.json").as_deref(), Some("a"));
        for none in ["", "/event.json", "event.json", "/", "*/x"] {
            assert_eq!(path(none), None, "{none:?}");
        }
        let (literal, _) = resolved(Origin::Asked, r#"{"files":[{"path":"a/.."}]}"#, &json!({}), &[]);
        assert_eq!(literal.permissions.files[0].path, "a/..", "a written path is taken as it is, and refused");
    }

    #[test]
    fn a_policy_names_addresses_and_a_plugin_does_not() {
        let literal = r#"{"network":[{"url":"http://127.0.0.1:80"},{"url":"https://a.b"}]}"#;
        assert_eq!(resolved(Origin::Repository, literal, &json!({}), &[]).0.named, [Named::Here, Named::No]);
        assert_eq!(resolved(Origin::Asked, literal, &json!({}), &[]).0.named, [Named::No, Named::No]);
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
        let permissions = r#"{"files":[{"path":"{config.dir}"}],"process":[{"program":"{config.program}"}],"store":[{"scope":"run","keys":"{config.dir}/*"}]}"#;
        let config = json!({ "dir": "dist", "program": "git" });
        let (layer, _) = resolved(Origin::Repository, permissions, &config, &[]);
        assert_eq!(layer.permissions.files[0].path, "dist");
        assert_eq!(layer.permissions.process[0].program, "git");
        assert_eq!(layer.permissions.store[0].keys, "dist/*");
        let (layer, unclear) = resolved(Origin::Repository, permissions, &config, &[""]);
        assert!(layer.permissions.is_empty());
        assert_eq!(unclear.len(), 3);
        let (layer, _) = resolved(Origin::Asked, permissions, &config, &[""]);
        assert!(!layer.permissions.files.is_empty());
        let (layer, _) = resolved(Origin::Repository, permissions, &json!({ "program": "*" }), &[]);
        assert!(layer.permissions.is_empty(), "a config can't make a pattern of a name");
    }
}

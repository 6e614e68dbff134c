//! What a step gets: what its type asks for, filled in from its config, as far as policy gives it. Policy today: built-in
//! types get what they ask for, others nothing.

use serde_json::Value;
use url::Url;

use super::loaded::LoadedType;
use crate::capability::{Grants, NetworkGrant, Permissions, ProcessPermission};

/// Why a type that is not built in gets nothing.
const THIRD_PARTY: &str = "third-party steps run without grants";

/// What a step gets, and the same for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantPlan {
    /// What an attempt gets.
    pub grants: Grants,
    /// One line for each thing granted, e.g. `network https://hooks.slack.com:443`. Never a path, a query or another
    /// part of a URL that may be secret.
    pub granted: Vec<String>,
    /// One line for each thing asked for and not granted, with why.
    pub refused: Vec<String>,
}

impl GrantPlan {
    /// What would allow something that is not granted.
    pub(super) fn hint(&self, loaded: &LoadedType) -> String {
        let name = loaded.step_type();
        if !loaded.builtin() {
            return format!("{THIRD_PARTY}; `shiro plugin inspect {name}` shows what `{name}` asks for");
        }
        match self.granted.as_slice() {
            [] => format!("`{name}` has no grant with this config"),
            granted => format!("`{name}` has only: {}", granted.join(", ")),
        }
    }
}

/// What a step of this type with this config gets. `derived` are the JSON Pointers of the strings in `config` that hold
/// text from a step's output, as in [`StepRequest::derived`](crate::step::StepRequest::derived). With a config whose
/// templates are unresolved, what depends on one is described as known only when the step runs.
pub fn grants_for(loaded: &LoadedType, config: &Value, derived: &[String]) -> GrantPlan {
    plan(&loaded.description().permissions, loaded.builtin(), config, derived)
}

/// All that a type asks for with this config: for attempts whose calls reach nothing outside.
pub(super) fn all_asked(loaded: &LoadedType, config: &Value) -> GrantPlan {
    plan(&loaded.description().permissions, true, config, &[])
}

/// Whether any config gets a step of this type a grant.
pub(super) fn may_have_effects(loaded: &LoadedType) -> bool {
    loaded.builtin() && !loaded.description().permissions.is_empty()
}

fn plan(permissions: &Permissions, builtin: bool, config: &Value, derived: &[String]) -> GrantPlan {
    let mut plan = GrantPlan::default();
    for permission in &permissions.network {
        match network(&permission.url, config, derived) {
            Network::Host(grant) if builtin => {
                plan.granted.push(format!("network {grant}"));
                plan.grants.network.push(grant);
            }
            Network::Host(grant) => plan.refused.push(format!("network {grant}: {THIRD_PARTY}")),
            Network::Later(what) if builtin => plan.granted.push(format!("network: {what}, known when the step runs")),
            Network::Later(what) => plan.refused.push(format!("network: {what}: {THIRD_PARTY}")),
            Network::Unusable(what, why) => plan.refused.push(format!("network: {what}: {why}")),
            Network::Nothing => {}
        }
    }
    for permission in &permissions.process {
        let what = process(permission);
        if builtin {
            plan.granted.push(what);
            plan.grants.process.push(permission.clone());
        } else {
            plan.refused.push(format!("{what}: {THIRD_PARTY}"));
        }
    }
    plan
}

fn process(permission: &ProcessPermission) -> String {
    let program = match permission.program.as_str() {
        "*" => "any program".to_owned(),
        program => format!("`{program}`"),
    };
    let environment = if permission.inherit_environment { " with the job's environment" } else { "" };
    format!("process {program}{environment}")
}

enum Network {
    /// One host.
    Host(NetworkGrant),
    /// A host that a template decides: what, for people.
    Later(String),
    /// No host: what it is, and why not.
    Unusable(String, &'static str),
    /// The config does not name one, so none is asked for.
    Nothing,
}

/// What a permission's URL comes to with this config.
fn network(template: &str, config: &Value, derived: &[String]) -> Network {
    let mut url = String::new();
    let mut keys = Vec::new();
    let mut from_output = false;
    let mut rest = template;
    while let Some((before, reference)) = rest.split_once("{config.") {
        let Some((path, after)) = reference.split_once('}') else { break };
        let pointer: String =
            path.split('.').map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        url.push_str(before);
        match config.pointer(&pointer) {
            None | Some(Value::Null) => return Network::Nothing,
            Some(Value::String(text)) => url.push_str(text),
            Some(_) => return Network::Unusable(format!("`{path}` of the config"), "not a text"),
        }
        from_output |= derived.iter().any(|other| covers(other, &pointer));
        keys.push(path);
        rest = after;
    }
    url.push_str(rest);

    let what = match keys.as_slice() {
        [] => format!("`{template}`"),
        keys => format!("the host of `{}`", keys.join("`, `")),
    };
    if url.contains("{{") {
        return Network::Later(what);
    }
    match host(&url) {
        Some((scheme, host, port)) => Network::Host(NetworkGrant { scheme, host, port, private: !from_output }),
        None => Network::Unusable(what, "not a URL that begins with http:// or https://"),
    }
}

/// One of the two places is the other, or within it.
fn covers(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

fn host(url: &str) -> Option<(String, String, u16)> {
    let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::capability::NetworkPermission;

    fn asks(url: &str) -> Permissions {
        Permissions {
            network: vec![NetworkPermission { url: url.into(), ..NetworkPermission::default() }],
            ..Permissions::default()
        }
    }

    const WEBHOOK: &str = "https://hooks.slack.com/services/T000/B000/hidden";

    #[test]
    fn exactly_the_host_of_the_configured_url() {
        let plan = plan(&asks("{config.webhook_url}"), true, &json!({ "webhook_url": WEBHOOK }), &[]);
        assert_eq!(plan.granted, ["network https://hooks.slack.com:443"]);
        assert!(plan.grants.network("https", "hooks.slack.com", 443).unwrap().private);
        assert!(!format!("{plan:?}").contains("hidden"));
    }

    #[test]
    fn a_host_from_an_output_may_not_be_private() {
        for derived in ["/webhook_url", "", "/webhook_url/0"] {
            let plan =
                plan(&asks("{config.webhook_url}"), true, &json!({ "webhook_url": WEBHOOK }), &[derived.to_owned()]);
            assert!(!plan.grants.network[0].private, "{derived:?}");
        }
        let config = json!({ "webhook_url": WEBHOOK, "webhook_url_2": "x" });
        assert!(
            plan(&asks("{config.webhook_url}"), true, &config, &["/webhook_url_2".into()]).grants.network[0].private
        );
    }

    #[test]
    fn part_of_a_url_and_a_nested_key() {
        let plan =
            plan(&asks("https://{config.server.host}:8443/api"), true, &json!({ "server": { "host": "a.b" } }), &[]);
        assert_eq!(plan.granted, ["network https://a.b:8443"]);
    }

    #[test]
    fn what_a_template_decides_is_known_later() {
        let config = json!({ "webhook_url": "{{env.SLACK_WEBHOOK_URL}}" });
        let plan = plan(&asks("{config.webhook_url}"), true, &config, &[]);
        assert_eq!(plan.granted, ["network: the host of `webhook_url`, known when the step runs"]);
        assert!(plan.grants.network.is_empty());
    }

    #[test]
    fn no_url_is_no_grant_and_not_shown() {
        let with = |url: Value| plan(&asks("{config.url}"), true, &json!({ "url": url }), &[]);
        assert_eq!(with(Value::Null), GrantPlan::default());
        for url in [json!("file:///etc/passwd"), json!("hunter2"), json!(7), json!("unix:/x")] {
            let plan = with(url);
            assert!(plan.grants.network.is_empty());
            assert_eq!(plan.refused.len(), 1);
            assert!(!plan.refused[0].contains("hunter2"));
        }
    }

    #[test]
    fn others_get_nothing_and_it_is_said_what_they_asked_for() {
        let permissions = Permissions {
            process: vec![ProcessPermission {
                program: "git".into(),
                inherit_environment: true,
                ..ProcessPermission::default()
            }],
            ..asks("https://example.com")
        };
        let plan = plan(&permissions, false, &json!({}), &[]);
        assert_eq!(plan.grants, Grants::default());
        assert!(plan.granted.is_empty());
        assert_eq!(
            plan.refused,
            [
                "network https://example.com:443: third-party steps run without grants",
                "process `git` with the job's environment: third-party steps run without grants"
            ]
        );
    }
}

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::capability::{Values, Variables};
use crate::id::StepId;

/// Somebody's.
const KEY: &str = "RWTJ38ZystQeOdDOqCjZENR3j82MLMSCss4Aqm5cCTXVjNG6U77NT373";

fn parsed(text: &str, role: Role) -> Result<Policy, Vec<String>> {
    let source = Source::from_text("policy.json", text);
    Policy::parse(&source, role)
        .map_err(|problems| problems.iter().map(|problem| problem.display("policy.json").to_string()).collect())
}

fn policy(document: &Value, role: Role) -> Policy {
    parsed(&document.to_string(), role).unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
}

fn policies(repository: &Value, operators: &[Value]) -> Policies {
    let repository = json!({ "version": 1, "types": repository });
    let operator = |types: &Value| policy(&json!({ "version": 1, "types": types }), Role::Operator);
    Policies {
        repository: Some(policy(&repository, Role::Repository)),
        repository_file: "policy.json".into(),
        operators: operators.iter().map(operator).map(|policy| Policy { name: "op.json".into(), ..policy }).collect(),
        learning: false,
    }
}

fn permissions(value: Value) -> Permissions {
    serde_json::from_value(value).unwrap()
}

fn decide(
    policies: &Policies,
    step_type: &str,
    builtin: bool,
    asked: &Permissions,
    step: Option<&Permissions>,
) -> Decision {
    let values = Values { config: &json!({}), derived: &[], variables: &Variables::new() };
    let step: Vec<_> = step.into_iter().cloned().map(Arc::new).collect();
    policies.decide(&Subject { step_type, builtin, asked, step: &step }, &values)
}

#[test]
fn what_one_policy_requires_of_state_is_required() {
    let of = |state: Value| policy(&json!({ "version": 1, "types": {}, "state": state }), Role::Operator);
    let mut policies = policies(&json!({}), &[]);
    assert_eq!(policies.state(), StateRules::default());
    policies.repository = Some(Policy { name: "repo.json".into(), ..of(json!({ "authenticated": true })) });
    policies.operators = vec![
        Policy { name: "a.json".into(), ..of(json!({ "encrypted": false })) },
        Policy { name: "b.json".into(), ..of(json!({ "encrypted": true })) },
    ];
    let rules = StateRules { authenticated: Some("repo.json".into()), encrypted: Some("b.json".into()) };
    assert_eq!(policies.state(), rules);
}

#[test]
fn problems_have_places_and_suggestions() {
    let text =
        "{\n  \"version\": 1,\n  \"types\": { \"a\": { \"netwrk\": [],\n    \"network\": [{ \"url\": \"a\" }] } }\n}";
    let problems = parsed(text, Role::Repository).unwrap_err();
    assert!(problems[0].starts_with("policy.json:3:21: error[unknown-field]"), "{problems:?}");
    assert!(problems[0].contains("did you mean `network`?"), "{problems:?}");
    let text = "{ \"version\": 1, \"types\": { \"a\": {\n \"network\": [{ \"url\": \"a\" }] } } }";
    assert!(parsed(text, Role::Repository).unwrap_err()[0].starts_with("policy.json:2:23: error[permission]"));
    let every = r#"{ "version": 1, "types": { "*": {} } }"#;
    assert!(parsed(every, Role::Repository).unwrap_err()[0].contains("every-type"));
    assert!(parsed(every, Role::Operator).is_ok());
    assert!(parsed("{", Role::Operator).is_err());
}

/// Documents, and whether they are policies.
fn documents() -> Vec<(Value, bool)> {
    let of = |permissions: Value| json!({ "version": 1, "types": { "a.b": permissions } });
    vec![
        (of(json!({})), true),
        (json!({ "version": 1, "types": {}, "$schema": "x", "x-note": "y" }), true),
        (
            json!({ "version": 1, "types": {}, "state": { "authenticated": true, "encrypted": false, "x-why": 1 } }),
            true,
        ),
        (json!({ "version": 1, "types": {}, "state": {} }), true),
        (json!({ "version": 1, "types": {}, "state": { "authenticated": "yes" } }), false),
        (json!({ "version": 1, "types": {}, "state": { "signed": true } }), false),
        (json!({ "version": 1, "types": {}, "state": true }), false),
        (
            of(
                json!({ "network": [{ "url": "https://*.a.b", "methods": ["GET"], "path_prefix": "/v1", "private": ["10.0.0.0/8"] }] }),
            ),
            true,
        ),
        (
            of(
                json!({ "process": [{ "program": "git", "args": ["diff", "**"], "working_dir": "src", "environment": ["HOME"] }] }),
            ),
            true,
        ),
        (of(json!({ "process": [{ "program": "git", "args": [] , "inherit_environment": true }] })), true),
        (of(json!({ "environment": ["CI_*"], "secrets": ["TOKEN"] })), true),
        (
            of(
                json!({ "store": [{ "scope": "project", "keys": "deploy/*", "access": "read-write" }, { "scope": "*", "keys": "*" }] }),
            ),
            true,
        ),
        (of(json!({ "files": [{ "path": "dist" }, { "path": "out", "access": "read-write" }] })), true),
        (
            of(
                json!({ "limits": { "memory_mib": 512, "cpu_seconds": 1, "wall_seconds": 1, "output_mib": 1, "log_mib": 1, "files_mib": 1, "http_mib": 1, "store_mib": 1, "open_requests": 1 } }),
            ),
            true,
        ),
        (json!({ "types": {} }), false),
        (json!({ "version": 2, "types": {} }), false),
        (json!({ "version": 1 }), false),
        (json!([]), false),
        (of(json!({ "sockets": [] })), false),
        (of(json!({ "store": [{ "scope": "pipelines", "keys": "a" }] })), false),
        (of(json!({ "store": [{ "scope": "run", "keys": "" }] })), false),
        (of(json!({ "store": [{ "scope": "run", "keys": "a*b" }] })), false),
        (of(json!({ "store": [{ "scope": "run" }] })), false),
        (of(json!({ "store": [{ "scope": "run", "keys": "a", "access": "write" }] })), false),
        (of(json!({ "network": [{}] })), false),
        (of(json!({ "network": ["https://a"] })), false),
        (of(json!({ "network": [{ "url": "https://a", "methods": ["get"] }] })), false),
        (of(json!({ "network": [{ "url": "https://a", "path_prefix": "v1" }] })), false),
        (of(json!({ "process": [{ "program": "" }] })), false),
        (of(json!({ "process": [{ "program": "git", "args": "diff" }] })), false),
        (of(json!({ "environment": [""] })), false),
        (of(json!({ "secrets": ["A_*"] })), false),
        (of(json!({ "files": [{ "path": "a", "access": "write" }] })), false),
        (of(json!({ "files": [{ "path": "" }] })), false),
        (of(json!({ "limits": { "memory_mib": 0 } })), false),
        (of(json!({ "limits": { "memory_mib": "1" } })), false),
        (of(json!({ "limits": { "disk": 1 } })), false),
        (of(json!({ "limits": { "output_mib": 17 } })), false),
        (of(json!({ "network": [{ "url": "https://a", "methods": [] }] })), false),
        (of(Value::Null), false),
        (json!({ "version": 1, "types": { "x-ray": { "netwerk": [] } } }), false),
        (json!({ "version": 1, "types": { "x-ray": {} } }), true),
        (json!({ "version": 1, "types": {}, "signatures": [] }), true),
        (json!({ "version": 1, "types": {}, "signatures": [{ "signers": [KEY] }] }), true),
        (json!({ "version": 1, "types": {}, "signatures": [{ "source": "oci://a.b/*", "signers": [KEY] }] }), true),
        (json!({ "version": 1, "types": {}, "signatures": [{ "source": "a.b", "signers": [KEY] }] }), false),
        (json!({ "version": 1, "types": {}, "signatures": [{ "source": "oci://*/a", "signers": [KEY] }] }), false),
        (json!({ "version": 1, "types": {}, "signatures": [{ "signers": [] }] }), false),
        (json!({ "version": 1, "types": {}, "signatures": [{ "source": "*" }] }), false),
        (json!({ "version": 1, "types": {}, "signatures": [{ "signers": ["key"] }] }), false),
        (json!({ "version": 1, "types": {}, "signatures": null }), false),
        (trusting(json!({})), true),
        (trusting(json!({ "audience": "shiro-group", "require_protected": ["environment", "ref"] })), true),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "provider": "gitlab", "project": "g/p" }] })), true),
        (
            trusting(
                json!({ "issuers": [{ "url": "https://a.b", "api": "https://a.b/api/v4", "jwks": "/etc/jwks.json", "ca": "/etc/ca.pem", "private": ["10.0.0.0/8"] }] }),
            ),
            true,
        ),
        (trusting(json!({ "issuers": [{ "url": "http://127.0.0.1:8080" }] })), true),
        (trusting(json!([])), false),
        (trusting(json!({ "audience": "" })), false),
        (trusting(json!({ "require_protected": ["branch"] })), false),
        (trusting(json!({ "issuers": [] })), false),
        (trusting(json!({ "issuers": ["https://a.b"] })), false),
        (trusting(json!({ "issuers": [{}] })), false),
        (trusting(json!({ "issuers": [{ "url": "http://a.b" }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b/" }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "provider": "jenkins" }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "jwks": "jwks.json" }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "jwks": {} }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "ca": "ca.pem" }] })), false),
        (trusting(json!({ "issuers": [{ "url": "https://a.b", "private": ["10.0.0.0"] }] })), false),
        (trusting(json!({ "trusted": true })), false),
    ]
}

fn trusting(identity: Value) -> Value {
    json!({ "version": 1, "types": {}, "identity": identity })
}

#[test]
fn an_operator_bounds_whom_the_repository_trusts_and_reaches_nobody() {
    let operator = |issuer: Value| parsed(&trusting(json!({ "issuers": [issuer] })).to_string(), Role::Operator);
    assert!(operator(json!({ "url": "https://a.b", "project": "g/p" })).is_ok());
    for field in ["api", "jwks", "ca", "private"] {
        let problems = operator(json!({ "url": "https://a.b", field: "https://a.b" })).unwrap_err();
        assert!(problems[0].contains("unknown-field"), "{problems:?}");
    }
    let repository = trusting(json!({ "issuers": [{ "url": "https://a.b" }, { "url": "https://c.d" }] }));
    let bound = trusting(json!({ "issuers": [{ "url": "https://a.b", "project": "g/p" }] }));
    let policies = Policies {
        repository: Some(policy(&repository, Role::Repository)),
        operators: vec![policy(&bound, Role::Operator)],
        ..Policies::default()
    };
    let trusted = policies.trusted();
    assert_eq!(trusted.project("https://a.b"), Some("g/p"));
    assert!(trusted.issuer("https://c.d").is_err());
    assert!(Policies::default().trusted().is_empty(), "nobody is trusted by default");
}

#[test]
fn the_published_schema_and_the_parser_agree() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/policy.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (document, valid) in documents() {
        assert_eq!(parsed(&document.to_string(), Role::Repository).is_ok(), valid, "parser: {document}");
        assert_eq!(validator.is_valid(&document), valid, "schema: {document}");
    }
}

#[test]
fn the_schema_names_all_that_the_parser_knows() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/policy.schema.json")).unwrap();
    let limits = &schema["$defs"]["permissions"]["properties"]["limits"]["properties"];
    let names: Vec<&String> = limits.as_object().unwrap().keys().collect();
    assert_eq!(names, crate::capability::LIMITS);
    for example in schema["examples"].as_array().unwrap() {
        policy(example, Role::Repository);
    }
}

#[test]
fn built_in_types_get_what_the_built_in_policy_says_and_can_lose_it() {
    assert!(built_in().types.len() > 3, "built_in.json is a policy");
    let asked =
        permissions(json!({ "process": [{ "program": "*", "working_dir": "/", "inherit_environment": true }] }));
    let free = decide(&Policies::default(), "shell", true, &asked, None);
    assert!(free.grants.process("sh", &[]).unwrap().inherits_all());
    assert_eq!(free.granted, ["process any program, in any directory, with the job's environment"]);
    for bounded in [
        policies(&json!({ "shell": {} }), &[]),
        policies(&json!({}), &[json!({ "shell": {} })]),
        policies(&json!({}), &[json!({ "*": {} })]),
    ] {
        let none = decide(&bounded, "shell", true, &asked, None);
        assert!(none.grants.process("sh", &[]).is_err());
        assert!(none.granted.is_empty());
        assert!(none.refused[0].contains("does not grant it"), "{:?}", none.refused);
        assert!(!bounded.may_have_effects(&Subject { step_type: "shell", builtin: true, asked: &asked, step: &[] }));
    }
}

#[test]
fn others_get_what_the_repository_grants_and_operators_bound() {
    let asked = permissions(json!({ "network": [{ "url": "https://*.a.b" }], "environment": ["CI_*"] }));
    let granting = json!({ "x": { "network": [{ "url": "https://*.a.b" }], "environment": ["CI_JOB_ID"] } });
    let get = |host: &'static str| crate::capability::Destination {
        method: "GET",
        scheme: "https",
        host,
        port: 443,
        path: "/",
    };
    let without = decide(&Policies::default(), "x", false, &asked, None);
    assert!(without.grants.network(get("c.a.b")).is_err());
    assert_eq!(without.refused.len(), 2);
    let with = decide(&policies(&granting, &[]), "x", false, &asked, None);
    assert!(with.grants.network(get("c.a.b")).is_ok());
    assert_eq!(with.grants.variable("CI_JOB_ID"), Ok(()));
    assert!(with.grants.variable("CI_X").is_err());
    assert_eq!(with.granted[1], "environment CI_*: in part, as far as policy.json allows it");
    let bound = json!({ "x": { "network": [{ "url": "https://c.a.b" }] } });
    let bounded = decide(&policies(&granting, &[bound]), "x", false, &asked, None);
    assert!(bounded.grants.network(get("c.a.b")).is_ok());
    assert_eq!(bounded.grants.network(get("d.a.b")), Err(Origin::Operator("op.json".into())));
    assert!(bounded.grants.variable("CI_JOB_ID").is_err());
    let unnamed = decide(&policies(&granting, &[json!({ "y": {} })]), "x", false, &asked, None);
    assert!(unnamed.grants.network(get("c.a.b")).is_ok(), "an operator bounds what it names");
    let narrowed = decide(&policies(&granting, &[]), "x", false, &asked, Some(&Permissions::default()));
    assert_eq!(narrowed.grants.network(get("c.a.b")), Err(Origin::Step));
    let unasked = decide(&policies(&granting, &[]), "x", false, &Permissions::default(), None);
    assert_eq!(unasked.grants.network(get("c.a.b")), Err(Origin::Asked));
}

#[test]
fn advice_ends_in_the_line_to_paste() {
    let asked = permissions(json!({ "network": [{ "url": "*" }], "secrets": ["T"] }));
    let need = permissions(json!({ "network": [{ "url": "https://a.b", "methods": ["GET"] }] }));
    let last = |policies: &Policies, origin: &Origin, step: Option<&Permissions>| {
        let advice = decide(policies, "x", false, &asked, step).advice.allow(origin, &need);
        advice.lines().last().unwrap().to_owned()
    };
    let none = Policies { repository_file: "policy.json".into(), ..Policies::default() };
    let whole = last(&none, &Origin::Repository, None);
    assert!(parsed(&whole, Role::Repository).is_ok(), "{whole}");
    assert_eq!(
        last(&policies(&json!({}), &[]), &Origin::Repository, None),
        r#""x": { "network": [{ "url": "https://a.b", "methods": ["GET"] }] }"#
    );
    assert_eq!(
        last(&policies(&json!({ "x": {} }), &[]), &Origin::Repository, None),
        r#""network": [{ "url": "https://a.b", "methods": ["GET"] }]"#
    );
    let has_network = json!({ "x": { "network": [{ "url": "https://c" }] } });
    assert_eq!(
        last(&policies(&has_network, &[]), &Origin::Repository, None),
        r#"{ "url": "https://a.b", "methods": ["GET"] }"#
    );
    let bounded = policies(&json!({}), &[json!({ "*": {} })]);
    let advice = decide(&bounded, "x", false, &asked, None).advice.allow(&Origin::Operator("op.json".into()), &need);
    assert!(advice.contains("op.json does not allow it") && advice.contains("`*` in op.json"), "{advice}");
    assert!(last(&none, &Origin::Step, Some(&need)).starts_with("{ \"url\""));
    assert!(last(&none, &Origin::Asked, None).starts_with("\"network\": ["));
}

#[test]
fn a_type_whose_name_looks_like_an_annotation_is_bounded_too() {
    let asked = permissions(json!({ "environment": ["A"] }));
    let granting = json!({ "x-ray": { "environment": ["A"] } });
    assert_eq!(decide(&policies(&granting, &[]), "x-ray", false, &asked, None).grants.variable("A"), Ok(()));
    let bounded = decide(&policies(&granting, &[json!({ "x-ray": {} })]), "x-ray", false, &asked, None);
    assert!(bounded.grants.variable("A").is_err());
}

#[test]
fn what_is_learned_is_what_was_used() {
    let learned = Learned::default();
    let note = |value: Value| learned.note("x", permissions(value));
    note(json!({ "network": [{ "url": "https://a.b:443", "methods": ["POST"] }] }));
    note(json!({ "network": [{ "url": "https://a.b:443", "methods": ["GET"] }], "environment": ["HOME"] }));
    note(json!({ "process": [{ "program": "git", "args": ["log", "hunter2"] }], "environment": ["HOME"] }));
    note(json!({ "files": [{ "path": "data/in" }] }));
    note(json!({ "files": [{ "path": "data", "access": "read-write" }] }));
    let policies = policies(&json!({ "x": { "limits": { "memory_mib": 512 } } }), &[]);
    let document = learned.document(&policies, &BTreeSet::new(), |text| text.replace("hunter2", "***"));
    assert_eq!(
        document["types"]["x"],
        json!({
            "network": [{ "url": "https://a.b:443", "methods": ["GET", "POST"] }],
            "process": [{ "program": "git", "args": ["log", "*"] }],
            "environment": ["HOME"],
            "files": [{ "path": "data", "access": "read-write" }],
            "limits": { "memory_mib": 512 },
        })
    );
    policy(&document, Role::Repository);
}

#[test]
fn types_whose_steps_did_not_all_run_keep_their_grants() {
    let learned = Learned::default();
    learned.note("x", permissions(json!({ "network": [{ "url": "https://c.d:443", "methods": ["GET"] }] })));
    learned.note("y", permissions(json!({ "environment": ["HOME"] })));
    let granted = json!({ "network": [{ "url": "https://*.b" }, { "url": "https://c.d:443", "methods": ["POST"] }] });
    let policies = policies(&json!({ "x": granted, "y": granted, "z": granted }), &[]);
    let document = learned.document(&policies, &BTreeSet::from(["x"]), str::to_owned);
    let both = json!([{ "url": "https://*.b" }, { "url": "https://c.d:443", "methods": ["GET", "POST"] }]);
    assert_eq!(document["types"], json!({ "x": { "network": both }, "y": { "environment": ["HOME"] } }));
}

#[test]
fn a_step_for_each_item_ran_when_its_items_did() {
    let learned = Learned::default();
    let (step, other) = (StepId::new("build"), StepId::new("buil"));
    learned.ran(&step.item(3));
    assert!(learned.has_run(&step, true) && !learned.has_run(&step, false));
    assert!(!learned.has_run(&other, true));
    learned.ran(&other);
    assert!(learned.has_run(&other, false));
}

#[test]
fn signatures_are_required_by_every_policy_that_says_so() {
    let required =
        |source: &str| json!({ "version": 1, "types": {}, "signatures": [{ "source": source, "signers": [KEY] }] });
    let policies = Policies {
        repository: Some(policy(&required("oci://a.b/*"), Role::Repository)),
        operators: vec![policy(&required("*"), Role::Operator)],
        ..Policies::default()
    };
    let trust = policies.trust();
    assert_eq!(trust.required_by("plugins/x.wasm").unwrap(), "policy.json");
    assert_eq!(trust.signers("oci://a.b/c:1").unwrap().len(), 1);
    assert_eq!(Policies::default().trust().required_by("plugins/x.wasm"), None);
    let learned = Learned::default().document(&policies, &BTreeSet::new(), str::to_owned);
    assert_eq!(learned["signatures"], required("oci://a.b/*")["signatures"], "what was learned does not take it away");
    let text = "{ \"version\": 1, \"types\": {},\n \"signatures\": [{ \"signers\": [\"RWx\"] }] }";
    assert!(
        parsed(text, Role::Operator).unwrap_err()[0].starts_with("policy.json:2:31: error[signer]"),
        "{:?}",
        parsed(text, Role::Operator)
    );
}

#[test]
fn learning_opens_the_repository_s_layer_and_no_other() {
    let mut policies = policies(&json!({}), &[json!({ "*": { "environment": ["A"] } })]);
    policies.learning = true;
    let asked = permissions(json!({ "environment": ["A", "B"] }));
    let learning = decide(&policies, "x", false, &asked, None);
    assert_eq!(learning.grants.variable("A"), Ok(()));
    assert!(learning.grants.variable("B").is_err(), "the operator's word stands");
    assert!(learning.grants.variable("C").is_err(), "it does not ask for it");
}

#[test]
fn a_file_that_is_not_there_is_no_policy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.json");
    assert_eq!(Policy::read(&path, Role::Repository).unwrap(), None);
    std::fs::write(&path, "{}").unwrap();
    assert!(Policy::read(&path, Role::Repository).is_err());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(Policy::read(&path, Role::Repository).is_err(), "a link that leads nowhere is a mistake, not no policy");
}

#[test]
fn a_variable_names_the_host_that_is_asked_for_and_granted() {
    let asked = permissions(json!({ "network": [{ "url": "{config.url|env.SERVER}" }] }));
    let variables: Variables = [("SERVER".to_owned(), "https://gitlab.corp".to_owned())].into();
    let decided = |repository: Value| {
        let policies = policies(&json!({ "x": { "network": [{ "url": repository }] } }), &[]);
        let values = Values { config: &json!({}), derived: &[], variables: &variables };
        policies.decide(&Subject { step_type: "x", builtin: false, asked: &asked, step: &[] }, &values)
    };
    let get = |host: &'static str| crate::capability::Destination {
        method: "GET",
        scheme: "https",
        host,
        port: 443,
        path: "/",
    };
    let private = "10.0.0.1".parse().unwrap();
    for (repository, may_be_private) in
        [("{config.url|env.SERVER}", true), ("{env.SERVER}", true), ("https://gitlab.corp", false)]
    {
        let decision = decided(json!(repository));
        assert_eq!(decision.granted, ["network requests to https://gitlab.corp:443"], "{repository}");
        let ranges = decision.grants.network(get("gitlab.corp")).unwrap();
        assert_eq!(ranges.allow(private), may_be_private, "{repository}");
    }
    let other = decided(json!("{env.OTHER}"));
    assert_eq!(other.refused.len(), 1, "{:?}", other.refused);
    assert!(other.grants.network(get("gitlab.corp")).is_err());
}

use serde_json::{Value, json};

use super::tokens::{Signer, gitlab_claims, now, unsigned};
use super::*;

const GITLAB: &str = "https://gitlab.example.com";

fn trusted() -> Trusted {
    trusting(Settings { issuers: vec![Issuer::new(GITLAB, Provider::Gitlab)], ..Settings::default() })
}

fn trusting(settings: Settings) -> Trusted {
    Trusted::new(".shiro/policy.json", Some(&settings), &[])
}

fn keys(signer: &Signer) -> KeySet {
    KeySet::parse(signer.key_set().as_bytes(), "keys").unwrap()
}

/// What becomes of a token, with a key set, at a time.
fn identity_at(text: &str, keys: &KeySet, trusted: &Trusted, at: u64) -> Result<Identity, IdentityError> {
    let token = Token::parse(text)?;
    let issuer = token.issuer(trusted)?;
    claims::gitlab(verify(&token, issuer, trusted.audience(), keys, at)?)
}

fn identity(text: &str, signer: &Signer) -> Result<Identity, IdentityError> {
    identity_at(text, &keys(signer), &trusted(), now())
}

fn code(text: &str, signer: &Signer) -> &'static str {
    let error = identity(text, signer).expect_err("it is refused");
    assert!(!text.contains('.') || !error.message.contains(text), "an error holds no token");
    error.code
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = gitlab_claims(GITLAB);
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = gitlab_claims(GITLAB);
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn a_token_of_gitlab_names_a_person_and_a_job() {
    for signer in [Signer::rsa("k"), Signer::ec("k")] {
        let claims = gitlab_claims(GITLAB);
        let text = signer.token(&claims);
        let identity = identity(&text, &signer).unwrap();
        let proof = identity.approver.proof().unwrap();
        assert_eq!(identity.approver.by.as_deref(), Some("alice"));
        assert_eq!((proof.user_id.as_deref(), proof.issuer.as_str()), (Some("5"), GITLAB));
        assert_eq!(proof.groups, ["group/sre"]);
        assert_eq!(identity.place.project, "group/name");
        assert_eq!((identity.place.pipeline.as_str(), identity.place.job.as_deref()), ("4711", Some("302")));
        assert_eq!((identity.place.ref_protected, identity.place.environment_protected), (Some(true), None));
        assert_eq!(proof.token_id.as_deref(), claims["jti"].as_str());
        assert_eq!(proof.key.as_deref(), Some("k"));
        assert_eq!(proof.claims["user_access_level"], "maintainer");
        let stored = serde_json::to_string(&identity.approver).unwrap();
        for part in text.split('.') {
            assert!(!stored.contains(part), "the evidence is no token");
        }
    }
}

#[test]
fn forged_tokens_are_refused_and_each_says_why() {
    let signer = Signer::rsa("k");
    let claims = gitlab_claims(GITLAB);
    let header = |name: &str, value: Value| {
        let mut header = json!({ "typ": "JWT", "alg": "RS256", "kid": "k" });
        header[name] = value;
        signer.token_with(&header, &claims)
    };
    let good = signer.token(&claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let cases = [
        ("unsigned", unsigned(&claims)),
        ("unsigned", header("alg", json!("NONE"))),
        ("unsigned", format!("{message}.")),
        ("wrong-algorithm", signer.hs256_by_public_key(&claims)),
        ("wrong-algorithm", header("alg", json!("RS512"))),
        ("wrong-algorithm", header("alg", json!("ES256"))),
        ("wrong-algorithm", header("alg", json!("rs256"))),
        ("wrong-key", header("kid", json!("other"))),
        ("wrong-key", header("kid", Value::Null)),
        ("wrong-signature", Signer::stranger("k").token(&claims)),
        ("wrong-signature", format!("{message}.AAAA")),
        ("wrong-signature", format!("{message}.{}", signature.to_lowercase())),
        ("wrong-signature", format!("{message}.!")),
        ("malformed", header("crit", json!(["exp"]))),
        ("malformed", header("typ", json!("at+jwt"))),
        ("malformed", String::new()),
        ("malformed", "a.b".to_owned()),
        ("malformed", "a.b.c".to_owned()),
        ("malformed", format!("{message}.{signature}.")),
        ("malformed", "x".repeat(20 << 10)),
        ("malformed", format!("e30.e30.{signature}")),
    ];
    for (expected, text) in cases {
        assert_eq!(code(&text, &signer), expected, "{text}");
    }
}

#[test]
fn claims_that_do_not_hold_are_refused_and_each_says_why() {
    let signer = Signer::rsa("k");
    let time = now();
    let mut at_once = with("iat", json!(time));
    at_once["exp"] = json!(time);
    let cases = [
        ("wrong-audience", with("aud", json!("https://vault.example.com"))),
        ("wrong-audience", with("aud", json!(["shiro", "https://vault.example.com"]))),
        ("wrong-audience", with("aud", json!([]))),
        ("wrong-audience", with("aud", json!(7))),
        ("no-issuer", with("iss", json!("https://gitlab.com"))),
        ("no-issuer", with("iss", json!("https://gitlab.example.com/"))),
        ("missing-claim", with("iss", json!(["https://gitlab.example.com"]))),
        ("expired", with("exp", json!(time - LEEWAY))),
        ("malformed", with("exp", json!("tomorrow"))),
        ("malformed", with("exp", json!(-1))),
        ("not-yet-valid", with("nbf", json!(time + LEEWAY + 5))),
        ("not-yet-valid", with("iat", json!(time + LEEWAY + 5))),
        ("not-yet-valid", with("iat", json!(time + 7200))),
        ("malformed", at_once),
        ("missing-claim", with("user_login", json!(""))),
        ("missing-claim", with("user_id", json!(-5))),
        ("missing-claim", with("user_id", json!({}))),
    ];
    let mut cases: Vec<(&str, Value)> = cases.into();
    for name in
        ["iss", "aud", "exp", "nbf", "iat", "jti", "user_id", "user_login", "project_path", "pipeline_id", "job_id"]
    {
        cases.push(("missing-claim", without(name)));
    }
    for (expected, claims) in cases {
        assert_eq!(code(&signer.token(&claims), &signer), expected, "{claims}");
    }
}

#[test]
fn clocks_may_differ_a_little() {
    let signer = Signer::rsa("k");
    let keys = keys(&signer);
    let claims = gitlab_claims(GITLAB);
    let (issued, expires) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    let text = signer.token(&claims);
    let at = |time| identity_at(&text, &keys, &trusted(), time).map_err(|error| error.code).map(|_| ());
    assert_eq!(at(issued - LEEWAY), Ok(()));
    assert_eq!(at(expires + LEEWAY - 1), Ok(()));
    assert_eq!(at(expires + LEEWAY), Err("expired"));
    assert_eq!(at(issued - LEEWAY - 1), Err("not-yet-valid"));
    assert_eq!(at(0), Err("clock"));
    assert_eq!(at(u64::MAX), Err("expired"));
}

#[test]
fn the_project_is_the_one_that_the_job_runs_in() {
    let signer = Signer::rsa("k");
    // A merge request from a fork, in the pipeline of its target.
    let mut claims = with("project_path", json!("mallory/name"));
    claims["job_project_path"] = json!("group/name");
    assert_eq!(identity(&signer.token(&claims), &signer).unwrap().place.project, "group/name");
}

#[test]
fn a_decision_is_for_this_run_or_for_none() {
    let signer = Signer::rsa("k");
    let identity = identity(&signer.token(&gitlab_claims(GITLAB)), &signer).unwrap();
    let fine = Expected {
        project: Some("group/name"),
        project_id: Some("20"),
        pipeline: Some("4711"),
        asked_by: &["300", "301"],
    };
    let check = |expected: Expected<'_>| identity.check(&expected, &trusted()).map_err(|error| error.code);
    assert_eq!(check(fine), Ok(()));
    assert_eq!(check(Expected { project: Some("group/other"), ..fine }), Err("other-project"));
    assert_eq!(check(Expected { project: None, ..fine }), Err("other-project"));
    // Another project that has the path now.
    assert_eq!(check(Expected { project_id: Some("21"), ..fine }), Err("other-project"));
    assert_eq!(check(Expected { project_id: None, ..fine }), Ok(()));
    assert_eq!(check(Expected { pipeline: Some("4712"), ..fine }), Err("other-pipeline"));
    assert_eq!(check(Expected { pipeline: None, ..fine }), Err("other-pipeline"));
    assert_eq!(check(Expected { asked_by: &["300", "302"], ..fine }), Err("same-job"));
    // The environment of the job that began the run can't move it to another project either.
    let pinned = Issuer { project: Some("group/mine".to_owned()), ..Issuer::new(GITLAB, Provider::Gitlab) };
    let pinned = trusting(Settings { issuers: vec![pinned], ..Settings::default() });
    assert_eq!(identity.check(&fine, &pinned).unwrap_err().code, "other-project");
}

#[test]
fn what_the_policy_wants_protected_has_to_be() {
    let signer = Signer::rsa("k");
    let expected = Expected { project: Some("group/name"), pipeline: Some("4711"), ..Expected::default() };
    let check = |name: &str, value: Value, protected: Protected| {
        let mut claims = with(name, value);
        claims["environment"] = json!("production");
        let identity = identity(&signer.token(&claims), &signer).unwrap();
        let settings = Settings { protected: vec![protected], ..Settings::default() };
        identity.check(&expected, &trusting(settings)).map_err(|error| error.code)
    };
    assert_eq!(check("environment_protected", json!("true"), Protected::Environment), Ok(()));
    assert_eq!(check("ref_protected", json!("true"), Protected::Ref), Ok(()));
    for value in [json!("false"), json!(false), json!("yes"), Value::Null] {
        assert_eq!(check("environment_protected", value.clone(), Protected::Environment), Err("unprotected"));
        assert_eq!(check("ref_protected", value, Protected::Ref), Err("unprotected"));
    }
}

#[test]
fn operators_bound_whom_the_repository_trusts() {
    let issuer = |url: &str, project: Option<&str>| Issuer {
        project: project.map(str::to_owned),
        ..Issuer::new(url, Issuer::provider_of(url))
    };
    let of = |issuers: Vec<Issuer>| Settings { issuers, ..Settings::default() };
    let repository = of(vec![issuer(GITLAB, None), issuer("https://evil.example.com", None)]);
    let operator = of(vec![issuer(GITLAB, Some("group/name")), issuer("https://third.example.com", None)]);
    let trusted = Trusted::new("policy.json", Some(&repository), &[("op.json", &operator)]);
    assert!(trusted.issuer(GITLAB).is_ok());
    assert_eq!(trusted.project(GITLAB), Some("group/name"), "what the operator pins is pinned");
    let refused = trusted.issuer("https://evil.example.com").unwrap_err();
    assert!(refused.message.contains("op.json"), "{refused}");
    assert!(trusted.issuer("https://third.example.com").is_err(), "an operator grants nothing");
    let other = of(vec![issuer(GITLAB, Some("group/other"))]);
    assert!(Trusted::new("p", Some(&repository), &[("a", &operator), ("b", &other)]).is_empty());
    // One that says nothing of issuers bounds none.
    assert!(!Trusted::new("p", Some(&repository), &[("a", &Settings::default())]).is_empty());
    assert!(Trusted::new("p", None, &[("a", &operator)]).is_empty());
    let error = Trusted::new(".shiro/policy.json", None, &[]).issuer(GITLAB).unwrap_err();
    assert!(error.hint.unwrap().contains(r#""identity": { "issuers": [{"url":"https://gitlab.example.com"}] }"#));
}

#[test]
fn an_issuer_is_written_so_that_nobody_else_can_be_it() {
    let problem = |issuer: Issuer| issuer.problem().map(|(field, _)| field);
    let of = |url: &str| Issuer::new(url, Provider::Gitlab);
    assert_eq!(problem(of(GITLAB)), None);
    assert_eq!(problem(of("http://127.0.0.1:8080")), None);
    for url in [
        "http://gitlab.example.com",
        "gitlab.example.com",
        "",
        "https://",
        "https://gitlab.example.com/",
        "https://user@gitlab.example.com",
        "https://gitlab.example.com?x",
        "ftp://gitlab.example.com",
    ] {
        assert_eq!(problem(of(url)), Some("url"), "{url}");
    }
    let file = |path: &str| Issuer { keys: Some(Keys::File(path.into())), ..of(GITLAB) };
    assert_eq!(problem(file("/etc/shiro/jwks.json")), None);
    assert_eq!(problem(file("jwks.json")), Some("jwks"));
    assert_eq!(problem(Issuer { keys: Some(Keys::Here("{}".into())), ..of(GITLAB) }), Some("jwks"));
    assert_eq!(problem(Issuer { keys: Some(Keys::Here(Signer::rsa("k").key_set())), ..of(GITLAB) }), None);
    assert_eq!(Issuer::provider_of("https://token.actions.githubusercontent.com"), Provider::Github);
    assert_eq!(Issuer::provider_of("https://github.example.com/_services/token"), Provider::Github);
    assert_eq!(Issuer::provider_of(GITLAB), Provider::Gitlab);
    let server = Issuer::new("https://github.example.com/_services/token", Provider::Github);
    assert_eq!(server.api(), "https://github.example.com/api/v3");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        /// No text is a token by accident, and none breaks the reader.
        #[test]
        fn no_text_is_a_token(text in "\\PC{0,200}") {
            prop_assert!(Token::parse(&text).is_err());
        }

        /// Whatever byte of a token is changed, it is refused.
        #[test]
        fn no_byte_can_be_changed(at in 0.0..1.0_f64, byte in prop::sample::select(&b"ABCxyz019-_."[..])) {
            let signer = Signer::rsa("k");
            let keys = keys(&signer);
            let mut claims = gitlab_claims(GITLAB);
            claims["jti"] = json!("j");
            let mut bytes = signer.token(&claims).into_bytes();
            let index = (at * bytes.len() as f64) as usize;
            prop_assume!(bytes[index] != byte);
            bytes[index] = byte;
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(identity_at(&text, &keys, &trusted(), now()).is_err(), "byte {index}");
        }

        /// At no time outside its own is a token valid.
        #[test]
        fn a_token_has_its_time(at in any::<u64>()) {
            let signer = Signer::ec("k");
            let claims = gitlab_claims(GITLAB);
            let (from, to) = (claims["iat"].as_u64().unwrap() - LEEWAY, claims["exp"].as_u64().unwrap() + LEEWAY);
            let valid = identity_at(&signer.token(&claims), &keys(&signer), &trusted(), at).is_ok();
            prop_assert_eq!(valid, (from..to).contains(&at));
        }
    }
}

use std::collections::BTreeMap;

use super::*;

const ASKED: u64 = 1_000_000_000;

fn request(rule: Rule) -> Request {
    let digest = Digest::of(b"");
    let subject = Subject {
        workflow: digest,
        inputs: digest,
        plugins: BTreeMap::new(),
        builtins: BTreeMap::new(),
        policies: BTreeMap::new(),
        trust: None,
        files: BTreeMap::new(),
    };
    Request { id: "q".to_owned(), expires_at: None, rule, subject, guards: Vec::new() }
}

fn evidence(id: &str) -> Evidence {
    Evidence {
        kind: EvidenceKind::Oidc,
        issuer: "https://gitlab.example.com".to_owned(),
        subject: format!("user:{id}"),
        token_id: Some(format!("jti-{id}")),
        digest: Digest::of(id.as_bytes()),
        issued_at: None,
        expires_at: None,
        key: None,
        algorithm: None,
        user_id: Some(id.to_owned()),
        groups: Vec::new(),
        started_by: None,
        claims: BTreeMap::new(),
    }
}

fn verified(login: &str, id: &str) -> Approver {
    let evidence = Some(Box::new(evidence(id)));
    let commit = Some(Authorship::Others);
    Approver { by: Some(login.to_owned()), verified: true, source: "token".to_owned(), commit, evidence }
}

fn named(login: &str) -> Approver {
    Approver::unverified(Some(login.to_owned()), "USER")
}

fn in_groups(mut approver: Approver, groups: &[&str]) -> Approver {
    if let Some(evidence) = &mut approver.evidence {
        evidence.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    }
    approver
}

fn users(names: &[&str]) -> Vec<Principal> {
    names.iter().map(|name| Principal::try_from((*name).to_owned()).unwrap()).collect()
}

fn judge(rule: &Rule, approver: &Approver, approved: &[&Approver], starter: Option<&Approver>) -> Result<(), Refusal> {
    let request = request(rule.clone());
    Case { request: &request, asked_at: ASKED, approved, starter }.judge(Decision::Approved, approver, ASKED, false)
}

#[test]
fn without_a_rule_anybody_approves() {
    for rule in [Rule::pause(), Rule::default()] {
        assert_eq!(judge(&rule, &named("bob"), &[], None), Ok(()));
        assert_eq!(judge(&rule, &Approver::unverified(None, "nothing"), &[], None), Ok(()));
    }
}

#[test]
fn a_mere_name_satisfies_no_rule_about_people() {
    let starter = verified("carol", "3");
    for rule in [
        Rule { required: 2, ..Rule::default() },
        Rule { approvers: users(&["bob"]), ..Rule::default() },
        Rule { own: false, ..Rule::default() },
    ] {
        let by_name = judge(&rule, &named("bob"), &[], Some(&starter));
        assert!(matches!(by_name, Err(Refusal::Unverified { .. })), "{by_name:?}");
        assert_eq!(judge(&rule, &verified("bob", "2"), &[], Some(&starter)), Ok(()));
        let lax = Rule { allow_unverified: true, ..rule };
        assert_eq!(judge(&lax, &named("bob"), &[], Some(&starter)), Ok(()));
        assert_eq!(judge(&lax, &Approver::unverified(None, "nothing"), &[], Some(&starter)), Err(Refusal::Nobody));
    }
    // A claim to be verified without anything that proves it names nobody's groups.
    let claims = Approver { verified: true, ..named("bob") };
    let rule = Rule { approvers: users(&["group:sre"]), ..Rule::default() };
    assert!(matches!(judge(&rule, &claims, &[], None), Err(Refusal::NotAnApprover { .. })));
}

#[test]
fn approvers_are_logins_and_groups() {
    let rule = Rule { approvers: users(&["Alice", "group:company/sre"]), ..Rule::default() };
    assert_eq!(judge(&rule, &verified("alice", "1"), &[], None), Ok(()));
    assert_eq!(judge(&rule, &in_groups(verified("bob", "2"), &["x", "company/SRE"]), &[], None), Ok(()));
    for other in [verified("bob", "2"), in_groups(verified("bob", "2"), &["sre", "company"])] {
        let refused = judge(&rule, &other, &[], None).unwrap_err();
        assert_eq!(refused.to_string(), "bob is none of its approvers: Alice, group:company/sre");
    }
    // A group is not a login of that name.
    let group = Rule { approvers: users(&["group:alice"]), ..Rule::default() };
    assert!(judge(&group, &verified("alice", "1"), &[], None).is_err());
}

#[test]
fn several_approvals_take_several_people() {
    let rule = Rule { required: 2, ..Rule::default() };
    let alice = verified("alice", "1");
    assert_eq!(judge(&rule, &verified("bob", "2"), &[&alice], None), Ok(()));
    // Under another name with the same account, and with the same name under another.
    for same in [verified("alice", "1"), verified("alicia", "1"), verified("ALICE", "7")] {
        assert!(matches!(judge(&rule, &same, &[&alice], None), Err(Refusal::Twice { .. })), "{same:?}");
    }
    let request = request(rule);
    let case = Case { request: &request, asked_at: ASKED, approved: &[&alice], starter: None };
    assert_eq!((case.missing_after(1), case.missing_after(2), case.missing_after(9)), (1, 0, 0));
}

#[test]
fn nobody_approves_their_own() {
    let rule = Rule { own: false, ..Rule::default() };
    let (alice, bob) = (verified("alice", "1"), verified("bob", "2"));
    assert_eq!(judge(&rule, &bob, &[], Some(&alice)), Ok(()));
    assert!(matches!(judge(&rule, &alice, &[], Some(&alice)), Err(Refusal::OwnRun { .. })));
    // Who starts it is only said by the environment: that narrows, but it proves nothing.
    assert!(matches!(judge(&rule, &alice, &[], Some(&named("alice"))), Err(Refusal::OwnRun { .. })));
    assert_eq!(judge(&rule, &bob, &[], Some(&named("alice"))), Err(Refusal::StarterUnknown));
    assert_eq!(judge(&rule, &bob, &[], None), Err(Refusal::StarterUnknown));
    // The approver's own proof names who started it.
    let mut proven = bob;
    let person =
        |login: Option<&str>, id: Option<&str>| Person { login: login.map(str::to_owned), id: id.map(str::to_owned) };
    let started_by = |approver: &mut Approver, starter| approver.evidence.as_mut().unwrap().started_by = Some(starter);
    started_by(&mut proven, person(Some("carol"), None));
    assert_eq!(judge(&rule, &proven, &[], None), Ok(()));
    for own in [person(Some("BOB"), None), person(None, Some("2"))] {
        started_by(&mut proven, own);
        assert!(matches!(judge(&rule, &proven, &[], Some(&alice)), Err(Refusal::OwnRun { .. })));
    }
}

#[test]
fn nobody_approves_their_own_commit() {
    let rule = Rule { own: false, ..Rule::default() };
    let lax = Rule { allow_unverified: true, ..rule.clone() };
    let alice = verified("alice", "1");
    let of = |rule: &Rule, approver: Approver, commit: Option<Authorship>| {
        judge(rule, &Approver { commit, ..approver }, &[], Some(&alice))
    };
    let own = || Some(Authorship::Own("by its address".to_owned()));
    for approver in [verified("bob", "2"), named("bob")] {
        assert!(matches!(of(&lax, approver.clone(), own()), Err(Refusal::OwnCommit { .. })));
        assert!(of(&Rule::default(), approver, own()).is_ok(), "nobody asks for a distance");
    }
    assert!(matches!(of(&rule, verified("bob", "2"), own()), Err(Refusal::OwnCommit { .. })));
    assert_eq!(of(&rule, verified("bob", "2"), Some(Authorship::Others)), Ok(()));
    // Whoever started it says nothing about who made the commit. Names on trust are as good as they are.
    for unknown in [None, Some(Authorship::Unknown("there is no network".to_owned()))] {
        assert!(matches!(of(&rule, verified("bob", "2"), unknown.clone()), Err(Refusal::AuthorUnknown { .. })));
        assert_eq!(of(&lax, named("bob"), unknown), Ok(()));
    }
}

#[test]
fn a_request_expires_by_a_clock_that_is_not_behind() {
    let request = Request { expires_at: Some(ASKED + 1000), ..request(Rule::default()) };
    let case = Case { request: &request, asked_at: ASKED, approved: &[], starter: None };
    let judge = |at| case.judge(Decision::Approved, &named("bob"), at, false);
    assert_eq!(judge(ASKED + 999), Ok(()));
    assert_eq!(judge(ASKED + 1000), Err(Refusal::Expired { expires_at: ASKED + 1000 }));
    assert_eq!(judge(ASKED - CLOCK_TOLERANCE), Ok(()));
    assert!(matches!(judge(ASKED - CLOCK_TOLERANCE - 1), Err(Refusal::ClockBehind { .. })));
    assert!(matches!(judge(0), Err(Refusal::ClockBehind { .. })));
    assert_eq!(judge(u64::MAX), Err(Refusal::Expired { expires_at: ASKED + 1000 }));
    assert!(case.is_expired(ASKED + 1000) && !case.is_expired(ASKED));
    // What never expires needs no clock.
    let request = super::tests::request(Rule::default());
    let case = Case { request: &request, ..case };
    assert_eq!(case.judge(Decision::Approved, &named("bob"), 0, false), Ok(()));
}

#[test]
fn a_proof_counts_once() {
    let request = request(Rule::default());
    let case = Case { request: &request, asked_at: ASKED, approved: &[], starter: None };
    assert_eq!(case.judge(Decision::Approved, &verified("bob", "2"), ASKED, true), Err(Refusal::Replayed));
    let mut again = evidence("2");
    assert_eq!(again.marks().collect::<Vec<_>>(), evidence("2").marks().collect::<Vec<_>>());
    again.token_id = None;
    assert_eq!(again.marks().count(), 1);
}

#[test]
fn a_proof_is_no_older_than_the_question() {
    let request = request(Rule::default());
    let case = Case { request: &request, asked_at: ASKED, approved: &[], starter: None };
    let judge = |issued_at| {
        let mut approver = verified("bob", "2");
        approver.evidence.as_mut().unwrap().issued_at = Some(issued_at);
        case.judge(Decision::Approved, &approver, ASKED + 5, false)
    };
    assert_eq!((judge(ASKED), judge(ASKED - CLOCK_TOLERANCE)), (Ok(()), Ok(())));
    let issued_at = ASKED - CLOCK_TOLERANCE - 1;
    assert_eq!(judge(issued_at), Err(Refusal::OlderProof { issued_at, asked_at: ASKED }));
}

#[test]
fn rejecting_takes_an_approver_and_no_more() {
    let alice = verified("alice", "1");
    let judge = |rule: Rule, approver: &Approver| {
        let request = request(rule);
        let case = Case { request: &request, asked_at: ASKED, approved: &[&alice], starter: Some(&alice) };
        case.judge(Decision::Rejected, approver, ASKED, false)
    };
    assert_eq!(judge(Rule { required: 2, own: false, ..Rule::default() }, &named("bob")), Ok(()));
    assert_eq!(judge(Rule { required: 2, own: false, ..Rule::default() }, &alice), Ok(()));
    let named_only = Rule { approvers: users(&["alice"]), ..Rule::default() };
    assert_eq!(judge(named_only.clone(), &alice), Ok(()));
    assert!(judge(named_only.clone(), &named("alice")).is_err());
    assert!(judge(named_only, &verified("bob", "2")).is_err());
}

#[test]
fn what_differs_is_named() {
    let before = request(Rule::default()).subject;
    assert!(before.differences(&before).is_empty());
    let digest = Digest::of(b"x");
    let mut now = before.clone();
    now.builtins.insert(StepType::new("shell"), digest);
    assert!(before.differences(&now).is_empty(), "another shiro is no difference");
    now.workflow = digest;
    now.files.insert("k8s/a.yaml".to_owned(), digest);
    now.policies.insert("the repository's".to_owned(), digest);
    let lines = before.differences(&now);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("~ the workflow: "), "{lines:?}");
    assert_eq!(lines[1..], ["+ policy `the repository's` is new", "+ bound file `k8s/a.yaml` is new"]);
    assert_eq!(now.differences(&before)[2], "- bound file `k8s/a.yaml` is gone");
}

#[test]
fn principals_are_logins_or_groups() {
    for good in ["alice", "group:sre", "group:company/team-1", "a.b_c-d", "dependabot[bot]"] {
        assert_eq!(Principal::try_from(good.to_owned()).unwrap().to_string(), good);
    }
    for bad in ["", "group:", "a b", "alice@example.com", "team/alice", "user:alice", "group:a:b", "\u{430}lice"] {
        assert!(Principal::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}

#[test]
fn requests_read_back_what_they_write() {
    let rule = Rule {
        required: 2,
        approvers: users(&["alice", "group:sre"]),
        own: false,
        form: Some(serde_json::json!({ "type": "object" })),
        on_expire: OnExpire::Reject,
        ..Rule::default()
    };
    let request = Request { expires_at: Some(5), ..request(rule) };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    assert!(text.contains(r#""approvers":["alice","group:sre"],"self":false"#), "{text}");
    let approver = verified("alice", "1");
    let text = serde_json::to_string(&approver).unwrap();
    assert_eq!(serde_json::from_str::<Approver>(&text).unwrap(), approver);
}

//! Gates: what the fold of their events refuses, and what a run does about them.

use serde_json::json;

use super::*;
use crate::approval::{CLOCK_TOLERANCE, Evidence, EvidenceKind, Rule};
use crate::event::Decision;

const ASKED: u64 = 1_000_000_000;

fn id(step: &str) -> StepId {
    StepId::new(step)
}

fn verified(login: &str) -> Approver {
    let evidence = Evidence {
        kind: EvidenceKind::Oidc,
        issuer: "https://gitlab.example.com".into(),
        subject: login.into(),
        token_id: Some(format!("jti-{login}")),
        digest: Digest::of(login.as_bytes()),
        issued_at: None,
        expires_at: None,
        key: None,
        algorithm: None,
        user_id: Some(login.into()),
        groups: Vec::new(),
        started_by: None,
        claims: BTreeMap::new(),
    };
    Approver {
        by: Some(login.into()),
        verified: true,
        source: "token".into(),
        commit: None,
        evidence: Some(Box::new(evidence)),
    }
}

fn asked(step: &str, rule: Rule) -> Event {
    let approval = Approval { rule, ..Approval::default() };
    let request = Request { guards: vec![id("behind")], ..request(&id(step), &approval) };
    Event::ApprovalRequested { step: id(step), request: Box::new(request) }
}

fn expiring(step: &str, expires_at: u64) -> Event {
    let mut event = asked(step, Rule::default());
    if let Event::ApprovalRequested { request, .. } = &mut event {
        request.expires_at = Some(expires_at);
    }
    event
}

fn decided(step: &str, decision: Decision, missing: u32, approver: Approver) -> Event {
    Event::ApprovalDecided {
        step: id(step),
        request: format!("request-{step}"),
        decision,
        missing,
        approver,
        job: Job::default(),
        reason: None,
        form: None,
    }
}

fn approved(step: &str, missing: u32, login: &str) -> Event {
    decided(step, Decision::Approved, missing, verified(login))
}

fn expired(step: &str) -> Event {
    Event::ApprovalExpired { step: id(step), request: format!("request-{step}") }
}

fn paused(steps: &[&str]) -> Event {
    Event::RunPaused { waiting: steps.iter().map(|step| id(step)).collect(), until: None }
}

fn resumed() -> Event {
    Event::RunResumed { job: Job::default(), shiro: "0.1.0".into() }
}

fn started(step: &str) -> Event {
    Event::StepStarted { step: id(step), attempt: 1, idempotent: false }
}

fn done(step: &str) -> [Event; 2] {
    [started(step), Event::StepSucceeded { step: id(step), attempt: 1, output: Value::Null, duration_ms: 0 }]
}

/// A run in which `a` and `b` are done, then these events: each at its time after [`ASKED`], or at that time.
fn fold(events: impl IntoIterator<Item = (i64, Event)>) -> Result<RunState, String> {
    let world = World::new(json!([{ "id": "a" }, { "id": "b" }, { "id": "behind", "depends_on": ["a"] }]));
    let before = std::iter::once(world.run_started()).chain(done("a")).chain(done("b")).map(|event| (0, event));
    let mut state = RunState::new();
    for (after, event) in before.chain(events) {
        let record = Record { at: ASKED.saturating_add_signed(after), event };
        state.apply(&record).map_err(|error| error.to_string())?;
    }
    Ok(state)
}

fn now(events: impl IntoIterator<Item = Event>) -> Result<RunState, String> {
    fold(events.into_iter().map(|event| (0, event)))
}

#[test]
fn so_many_people_open_a_gate() {
    let two = || Rule { required: 2, ..Rule::default() };
    let state = now([asked("a", two()), approved("a", 1, "alice")]).unwrap();
    let gate = state.gate("a").unwrap();
    assert_eq!((gate.standing(), gate.missing(), gate.decisions().len()), (Gate::Waiting, 1, 1));
    assert!(state.approval("a").is_none());
    let state =
        now([asked("a", two()), approved("a", 1, "alice"), approved("a", 0, "bob"), started("behind")]).unwrap();
    assert_eq!(state.step("a").unwrap().gate(), Gate::Approved);
    assert_eq!(state.approval("a").unwrap().approver.by.as_deref(), Some("bob"));
}

#[test]
fn no_record_opens_a_gate_against_its_rule() {
    let two = || Rule { required: 2, ..Rule::default() };
    let other_request = || {
        let mut event = approved("a", 0, "alice");
        if let Event::ApprovalDecided { request, .. } = &mut event {
            *request = "request-b".into();
        }
        event
    };
    for (events, message) in [
        (vec![approved("a", 0, "alice")], "no decision was asked for"),
        (vec![asked("a", Rule::default()), other_request()], "it answers a request that is void"),
        (vec![asked("a", Rule::default()), approved("a", 1, "alice")], "after it 0 approvals are missing"),
        (vec![asked("a", two()), approved("a", 0, "alice")], "after it 1 approvals are missing"),
        (vec![asked("a", two()), approved("a", 1, "alice"), approved("a", 0, "alice")], "different people"),
        (vec![asked("a", two()), decided("a", Decision::Approved, 1, alice())], "whoever starts a job can set"),
        (vec![asked("a", Rule::default()), started("behind")], "must not start before the approval after `a` is given"),
        (vec![asked("a", two()), approved("a", 1, "alice"), started("behind")], "must not start before"),
        (
            vec![asked("a", Rule::default()), decided("a", Decision::Rejected, 1, alice()), started("behind")],
            "must not start before",
        ),
        (
            vec![asked("a", Rule::default()), decided("a", Decision::Rejected, 1, alice()), approved("a", 0, "bob")],
            "no decision was asked for",
        ),
        (vec![asked("a", Rule::default()), asked("a", Rule::default())], "was asked for already"),
        (vec![asked("a", Rule::default()), expired("a")], "it has not expired"),
        (vec![asked("a", Rule::default()), paused(&["a"]), started("b")], "none went on with the run"),
        (vec![asked("a", Rule::default()), paused(&["a"]), asked("b", two())], "none went on with the run"),
    ] {
        let error = now(events.clone()).unwrap_err();
        assert!(error.contains(message), "{error}, not {message}, for {events:?}");
    }
}

#[test]
fn a_proof_serves_one_process() {
    let both = [asked("a", Rule::default()), asked("b", Rule::default()), paused(&["a", "b"])];
    let once = [approved("a", 0, "alice"), approved("b", 0, "alice")];
    assert!(now(both.clone().into_iter().chain(once)).is_ok(), "one process may decide on several gates");
    let later = [approved("a", 0, "alice"), resumed(), approved("b", 0, "alice")];
    let error = now(both.into_iter().chain(later)).unwrap_err();
    assert!(error.contains("was used before"), "{error}");
}

#[test]
fn time_runs_out_for_asking_and_for_approving() {
    let day: i64 = 86_400_000;
    let ask = || (0, expiring("a", ASKED + 1000));
    let late = 1000 + CLOCK_TOLERANCE as i64 + 1;
    assert!(fold([ask(), (999, approved("a", 0, "alice"))]).is_ok());
    assert!(fold([ask(), (late, approved("a", 0, "alice"))]).unwrap_err().contains("it expired at"));
    assert!(fold([ask(), (-day, approved("a", 0, "alice"))]).unwrap_err().contains("this machine's clock says"));
    let state = fold([ask(), (0, paused(&["a"])), (1000, expired("a"))]).unwrap();
    let gate = state.gate("a").unwrap();
    assert_eq!((gate.standing(), gate.is_rejected()), (Gate::Expired, false));
    // Approved, but nothing went on in time; or it did.
    let approve = [ask(), (0, paused(&["a"])), (1, approved("a", 0, "alice"))];
    assert!(fold(approve.clone().into_iter().chain([(day, expired("a"))])).is_ok());
    let passed = approve.into_iter().chain([(2, resumed()), (day, expired("a"))]);
    assert!(fold(passed).unwrap_err().contains("it has not expired"));
}

#[test]
fn what_is_asked_anew_voids_what_was_decided() {
    let changed = || {
        let mut event = asked("a", Rule::default());
        if let Event::ApprovalRequested { request, .. } = &mut event {
            request.id = "request-2".into();
            request.subject.files.insert("f".into(), Digest::of(b"f"));
        }
        event
    };
    let events = [asked("a", Rule::default()), approved("a", 0, "alice"), changed()];
    let state = now(events.clone()).unwrap();
    assert_eq!((state.step("a").unwrap().gate(), state.gate("a").unwrap().missing()), (Gate::Waiting, 1));
    assert!(now(events.into_iter().chain([started("behind")])).is_err());
    let refused = [asked("a", Rule::default()), decided("a", Decision::Rejected, 1, alice()), changed()];
    assert!(now(refused).unwrap_err().contains("refused already"), "a refusal is final");
}

fn rework(step: &str, again: &[&str]) -> Event {
    Event::ReworkRequested {
        step: id(step),
        again: again.iter().map(|step| id(step)).collect(),
        note: "shorter".into(),
        approver: alice(),
        job: Job::default(),
    }
}

#[test]
fn rework_makes_steps_pending_and_their_decisions_void() {
    let before = [asked("a", Rule::default()), approved("a", 0, "alice"), paused(&[])];
    let state = now(before.clone().into_iter().chain([rework("a", &["a"])])).unwrap();
    assert_eq!(state.step("a").unwrap().status(), &Status::Pending);
    assert_eq!(state.step("b").unwrap().status(), &Status::Succeeded);
    assert!(state.gate("a").is_none() && state.has_acted());
    assert_eq!((state.rework().note.as_str(), state.rework().count), ("shorter", 1));
    for (event, message) in [
        (rework("a", &["b"]), "the step itself is to be done again too"),
        (rework("behind", &["behind"]), "it has not started, so there is nothing to do again"),
    ] {
        let error = now(before.clone().into_iter().chain([event])).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let over = [Event::RunFinished { outcome: Outcome::Succeeded, exit_code: 0 }, rework("a", &["a"])];
    assert!(now(over).unwrap_err().contains("has succeeded already"));
}

#[test]
fn a_refused_run_is_over() {
    for outcome in [Outcome::Rejected, Outcome::Expired] {
        for after in [resumed(), approved("a", 0, "alice"), rework("a", &["a"]), started("b")] {
            let end = Event::RunFinished { outcome, exit_code: 6 };
            assert!(now([asked("a", Rule::default()), end, after.clone()]).is_err(), "{after:?}");
        }
    }
}

/// A gate between steps that say what to do when it is refused.
fn gated(approval: Value) -> World {
    World::new(json!([
        { "id": "gate", "approval": approval },
        { "id": "deploy", "depends_on": ["gate"] },
        { "id": "anyway", "depends_on": ["deploy"], "if": "always()" },
        { "id": "undo", "depends_on": ["deploy"], "if": "rejected()", "config": { "by": "{{approval.gate.decision}}" } },
        { "id": "late", "depends_on": ["gate"], "if": "expired()" },
        { "id": "other", "approval": {} },
        { "id": "behind-other", "depends_on": ["other"] },
        { "id": "last", "if": "!success() && !failure()" },
    ]))
}

#[tokio::test(start_paused = true)]
async fn a_rejected_run_does_what_is_to_be_done_then_and_ends() {
    let mut world = gated(json!({}));
    assert_eq!(world.process().await.unwrap(), Finish::Paused { waiting: vec![id("gate"), id("other")], until: None });
    let reject = decided("gate", Decision::Rejected, 1, alice());
    world.journal.lock().unwrap().push(Record { at: 1, event: reject });
    world.approve = false;
    let finish = world.process().await.unwrap();
    assert_eq!((finish.clone(), finish.exit_code()), (Finish::Rejected, 6));
    assert_eq!(
        world.statuses(),
        [
            "gate: succeeded",
            "deploy: refused at gate",
            "anyway: refused at gate",
            "undo: succeeded",
            "late: skipped by condition",
            "other: succeeded",
            "behind-other: refused at gate",
            "last: succeeded"
        ]
    );
    assert_eq!(world.config("undo")["by"], "rejected");
    assert_eq!(world.state().end(), Some(&End::Finished { outcome: Outcome::Rejected, exit_code: 6 }));
    super::crash::check_journal(&world).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_interrupted_after_a_rejection_goes_on_to_the_same_end() {
    let mut world = gated(json!({}));
    world.process().await.unwrap();
    world.journal.lock().unwrap().push(Record { at: 1, event: decided("gate", Decision::Rejected, 1, alice()) });
    world.approve = false;
    world.full_after = Some((1, true));
    world.process().await.unwrap_err();
    world.full_after = None;
    // Whatever was cut off may be done again.
    world.rerun = world.statuses().iter().filter_map(|status| status.strip_suffix(": running").map(id)).collect();
    assert_eq!(world.process().await.unwrap(), Finish::Rejected);
    assert!(world.statuses().contains(&"undo: succeeded".to_owned()), "{:?}", world.statuses());
}

#[tokio::test(start_paused = true)]
async fn an_expired_run_ends_too() {
    // By the fake's clock: a second after 1970.
    let mut world = gated(json!({ "expires": "1s" }));
    world.process().await.unwrap();
    world.approve = false;
    world.expired = vec![id("gate")];
    assert_eq!(world.process().await.unwrap(), Finish::Expired);
    let statuses = world.statuses();
    for status in ["deploy: refused at gate", "undo: skipped by condition", "late: succeeded"] {
        assert!(statuses.contains(&status.to_owned()), "{status}: {statuses:?}");
    }
}

use serde_json::{Value, json};

use super::super::fan_out::Fan;
use super::super::scheduler::{Cause, Decision, Scheduler, Standing};
use super::super::unit::Unit;
use super::*;
use crate::workflow::condition::{Before, Facts};

/// Drives a scheduler with one step at a time. In `ends`, `id!` fails and `id~` fails but is tolerated; the rest succeeds. An
/// item is `id[0]`. Gives what happened: `id` succeeded, `id!`, `id~`, `id?` (its `if` was false), `id-cause` and `id-`
/// (skipped).
fn drive(steps: Value, ends: &str, keep_going: bool, standing: &str) -> String {
    let plan = Arc::new(plan(steps));
    let id = |step: StepIndex| plan.step(step).id.to_string();
    let standing = |step: StepIndex| {
        let word = |suffix: &str| standing.split(' ').any(|word| word == format!("{}{suffix}", id(step)));
        match () {
            () if word("") => Standing::Done,
            () if word("||") => Standing::Waiting,
            () if word("|X") => Standing::Refused { rejected: true, expired: false },
            () if word("|E") => Standing::Refused { rejected: false, expired: true },
            () if word("?") => Standing::ConditionFalse,
            () => Standing::Open,
        }
    };
    let mut scheduler = Scheduler::new(Arc::clone(&plan), keep_going, standing);
    let mut happened = Vec::new();
    loop {
        while let Some(decision) = scheduler.decide() {
            match decision {
                Decision::Skip { step, cause } => {
                    let cause = match cause {
                        Cause::Failed(cause) => id(cause),
                        Cause::Elsewhere => String::new(),
                        Cause::Refused(gate) => format!("X{}", id(gate)),
                        Cause::NotBegun(group) => {
                            format!(".{}", plan.subworkflow(group).map_or("", |inner| inner.id.as_str()))
                        }
                    };
                    happened.push(format!("{}-{cause}", id(step)));
                }
                Decision::Fail { step, cause } => {
                    happened.push(format!("{}!{}", id(step), id(cause)));
                    match plan.step(step).continue_on_error {
                        true => scheduler.done(step),
                        false => scheduler.failed(step),
                    }
                }
                Decision::Evaluate { step, before } => {
                    let runs = evaluate(&plan, step, before);
                    if runs && plan.step(step).fan_out.is_some() {
                        scheduler.expanded(step, fan(&plan, step));
                    } else {
                        scheduler.evaluated(step, runs);
                    }
                    if !runs {
                        happened.push(format!("{}?", id(step)));
                    }
                }
                Decision::Expand { step } => scheduler.expanded(step, fan(&plan, step)),
                Decision::Conclude { step } => {
                    let of_item = |word: &&String| word.starts_with(&format!("{}[", id(step)));
                    let ended = happened.iter().filter(of_item).count();
                    if happened.iter().filter(of_item).any(|word| word.ends_with('!')) {
                        scheduler.failed(step);
                        happened.push(format!("{}!", id(step)));
                    } else if ended == fan_out(&plan, step).over.as_array().map_or(0, Vec::len) {
                        scheduler.done(step);
                        happened.push(id(step));
                    } else {
                        assert_eq!(scheduler.abandoned(step), Cause::Elsewhere);
                        happened.push(format!("{}-", id(step)));
                    }
                }
            }
        }
        let unit = scheduler.start();
        if let Some(Unit { step, item: Some(item) }) = unit {
            let name = format!("{}[{item}]", id(step));
            let fails = ends.split(' ').any(|word| word == format!("{name}!"));
            happened.push(if fails { format!("{name}!") } else { name });
            if fails { scheduler.item_failed(step) } else { scheduler.item_done(step) }
        } else if let Some(Unit { step, .. }) = unit {
            let end = |mark| ends.split(' ').any(|word| word == format!("{}{mark}", id(step)));
            if end("!") {
                scheduler.failed(step);
                happened.push(format!("{}!", id(step)));
            } else {
                scheduler.done(step);
                happened.push(format!("{}{}", id(step), if end("~") { "~" } else { "" }));
            }
        } else if scheduler.is_complete() {
            return happened.join(" ");
        } else if scheduler.has_gone_wrong() && !scheduler.gates().is_empty() {
            scheduler.give_up_gates();
        } else {
            let gates = scheduler.gates().into_iter().map(id).collect::<Vec<_>>();
            assert!(!gates.is_empty(), "nothing can happen: {happened:?}");
            happened.push(format!("|| {}", gates.join(" ")));
            return happened.join(" ");
        }
    }
}

fn evaluate(plan: &Plan, step: StepIndex, before: Before) -> bool {
    let facts = Facts {
        before,
        inputs: &json!({ "colour": "blue" }),
        run: "",
        workflow: "",
        env: &|_| None,
        step: &|_| None,
        approval: &|_| None,
        rework: &Value::Null,
    };
    plan.step(step).condition.as_ref().unwrap().evaluate(&facts).unwrap()
}

/// `a b<a c<ab?always()` is three steps: `b` depends on `a`, `c` on both with a condition. `a||` pauses; `+a` stands in
/// `finally`.
fn steps(text: &str) -> Value {
    let step = |word: &str| {
        let (word, finally) = word.strip_prefix('+').map_or((word, false), |word| (word, true));
        let (word, condition) = word.split_once('?').map_or((word, None), |(word, text)| (word, Some(text)));
        let (word, pause) = word.strip_suffix("||").map_or((word, false), |word| (word, true));
        let (id, depends_on) = word.split_once('<').unwrap_or((word, ""));
        let depends_on: Vec<_> = depends_on.chars().map(String::from).collect();
        let mut step = json!({ "id": id, "depends_on": depends_on, "pause": pause });
        if let Some(condition) = condition {
            step["if"] = condition.into();
        }
        if finally {
            step["finally"] = true.into();
        }
        step
    };
    text.split(' ').map(step).collect()
}

const BLUE: &str = "inputs.colour=='blue'";
const RED: &str = "inputs.colour=='red'";

#[test]
fn starts_what_may_start_in_file_order() {
    for (workflow, expected) in
        [("a b c", "a b c"), ("a<c b c", "b c a"), ("a b<a c<a d<bc", "a b c d"), ("d<c c<b b<a a e", "a b c d e")]
    {
        assert_eq!(drive(steps(workflow), "", false, ""), expected, "{workflow}");
    }
}

#[test]
fn a_failure_stops_what_has_not_started() {
    for (workflow, ends, expected, keep_going) in [
        ("a b<a c<b d", "a!", "a! b-a c-a d-", "a! b-a c-a d"),
        ("a b c<b d<ac", "a!", "a! b- c- d-a", "a! b c d-a"),
        ("a b<a", "a~", "a~ b", "a~ b"),
        ("a b c", "b!", "a b! c-", "a b! c"),
    ] {
        assert_eq!(drive(steps(workflow), ends, false, ""), expected, "{workflow}");
        assert_eq!(drive(steps(workflow), ends, true, ""), keep_going, "{workflow} with keep_going");
    }
}

#[test]
fn conditions_decide() {
    for (condition, ends, expected) in [
        (BLUE, "", "a b c"),
        // A step that was skipped by its condition is no failure: what depends on it runs.
        (RED, "", "a b? c"),
        (BLUE, "a!", "a! b-a c-a"),
        ("always()", "a!", "a! b c-a"),
        ("failure()", "a!", "a! b c-a"),
        ("failure()", "", "a b? c"),
        ("failure()", "a~", "a~ b? c"),
        ("success()", "a!", "a! b? c-a"),
        ("always()", "b!", "a b! c-b"),
    ] {
        assert_eq!(drive(steps(&format!("a b<a?{condition} c<b")), ends, false, ""), expected, "{condition}, {ends}");
    }
}

#[test]
fn cleaning_up_after_a_failure_does_not_let_the_rest_go_on() {
    assert_eq!(drive(steps("a b<a?always() c<b d<c?failure()"), "a!", false, ""), "a! b c-a d");
    // What was skipped for a failure elsewhere counts for what depends on it as well.
    assert_eq!(drive(steps("a b c<b?failure() d<b?success()"), "a!", false, ""), "a! b- d? c");
    // A failure elsewhere does not: nothing that `c` depends on failed.
    assert_eq!(drive(steps("b a c<b?failure()"), "a!", false, ""), "b c? a!");
}

#[test]
fn a_step_without_dependencies_that_asks_how_things_went_comes_last() {
    for (workflow, ends, expected) in [
        ("z?always() a b<a", "", "a b z"),
        ("z?always() a b<a", "a!", "a! b-a z"),
        ("z?failure() a b", "", "a b z?"),
        ("z?failure() a b", "b!", "a b! z"),
        ("z?success() a b", "b!", "a b! z?"),
        // What comes after such a step does not hold it up.
        ("z?always() y<z a", "", "a z y"),
        ("z?always() y<z a", "a!", "a! z y-"),
        ("z?always() y<az a x?always()", "", "a z y x"),
        ("z?always()", "", "z"),
        // A condition that does not ask how things went does not wait.
        (&format!("z?{BLUE} a"), "", "z a"),
    ] {
        assert_eq!(drive(steps(workflow), ends, false, ""), expected, "{workflow}, {ends}");
    }
}

#[test]
fn finally_comes_last_whatever_happened() {
    for (workflow, ends, expected) in [
        ("+z a b<a", "", "a b z"),
        ("+z a b<a", "a!", "a! b-a z"),
        ("+z a b<a", "a~", "a~ b z"),
        // After the steps that come at the end by their `if`, and what comes after those.
        ("+z y?always() x<y a", "a!", "a! y x- z"),
        ("+z?failure() +y?success() +x a", "", "a z? y x"),
        ("+z?failure() +y?success() +x a", "a!", "a! y? z x"),
        // What an `if` asks is all that decides.
        (&format!("+z?{BLUE} +y?{RED} a"), "a!", "a! y? z"),
        // Among themselves they wait, and go on all the same.
        ("+z +y<z +x a", "z!", "a z! y x"),
        ("+z +y<z?success() +x<z?failure() a", "z!", "a z! y? x"),
        ("+z +y<z?success() +x<z?failure() a", "", "a z x? y"),
        ("+z +y<z?failure() a", "a!", "a! z y"),
    ] {
        for keep_going in [false, true] {
            assert_eq!(drive(steps(workflow), ends, keep_going, ""), expected, "{workflow}, {ends}");
        }
    }
}

#[test]
fn finally_waits_for_gates_and_is_not_behind_them() {
    for (workflow, ends, standing, expected) in [
        ("+z a|| b<a", "", "", "a || a"),
        ("+z a|| b<a", "", "a", "b z"),
        ("+z a|| b<a +y?rejected() +x?expired() +w?success()", "", "a|X", "b-Xa x? w? z y"),
        ("+z a|| b<a c", "c!", "", "a c! b- z"),
        // Nothing that is done runs again; what asked in vain is asked again.
        ("+z +y?failure() +x a b<a", "", "a z y?", "b y? x"),
        ("+z +y<z a", "", "z", "a y"),
        ("+z a b", "", "a b", "z"),
        ("+z a", "", "a z", ""),
    ] {
        assert_eq!(drive(steps(workflow), ends, false, standing), expected, "{workflow} from {standing}");
    }
}

#[test]
fn a_gate_holds_what_is_behind_it() {
    for (workflow, ends, expected) in [
        ("a|| b<a c d<c", "", "a c d || a"),
        ("a|| b|| c<ab", "", "a b || a b"),
        ("a||", "", "a || a"),
        ("a b<a||", "", "a b || b"),
        ("a|| z?always()", "", "a || a"),
        ("a|| b<a?always()", "", "a || a"),
        // An approval that could not be asked for was not given.
        ("a|| b<a", "a~", "a~ || a"),
        // One that is not needed is not asked for.
        (&format!("a||?{RED} b<a"), "", "a? b"),
    ] {
        assert_eq!(drive(steps(workflow), ends, false, ""), expected, "{workflow}, {ends}");
    }
}

#[test]
fn a_refusal_ends_the_run_and_only_who_asks_for_it_is_asked() {
    for (workflow, standing, expected) in [
        ("a|| b<a c<b", "a|X", "b-Xa c-Xa"),
        // Only `rejected()` and `expired()` open what is behind a refused gate.
        ("a|| b<a?always() c<a?failure() d<a?!success()", "a|X", "b-Xa c-Xa d-Xa"),
        ("a|| b<a c<b?rejected() d<c e<b?expired()", "a|X", "b-Xa e? c d-Xa"),
        ("a|| b<a c<b?rejected() e<b?expired()", "a|E", "b-Xa c? e"),
        ("a|| b<a?rejected()||expired()", "a|E", "b"),
        ("a|| b<a?rejected()&&always()", "a|X", "b"),
        // Elsewhere it counts like a failure, and is none.
        ("a|| b<a c d<c", "a|X c", "b-Xa d-Xa"),
        ("a|| b c<b?always()", "a|X", "b-Xa c"),
        ("a|| z?always() y?failure() x?rejected() w?success()", "a|X", "y? w? z x"),
        ("a|| z?always() y<z", "a|X", "z y-Xa"),
        // Other gates are given up.
        ("a|| b|| c<b d<ab", "a|X b||", "c-Xa d-Xa"),
        ("a|| b|| c<b?always()", "a|X b||", "c-Xa"),
        // A gate that is open lets through what nothing else holds back.
        ("a|| b|| c<b", "a b", "c"),
    ] {
        assert_eq!(drive(steps(workflow), "", false, standing), expected, "{workflow} from {standing}");
    }
    // What is to be done regardless of failures is, beside a refusal.
    assert_eq!(drive(steps("a|| b<a c d<c"), "", true, "a|X"), "b-Xa c d");
    assert_eq!(drive(steps("a|| b<a?rejected() z?failure()"), "b!", false, "a|X"), "b! z");
}

#[test]
fn a_failure_comes_before_a_pause() {
    for (workflow, ends, expected) in [
        ("a|| b<a c", "c!", "a c! b-"),
        ("a|| b<a", "a!", "a! b-a"),
        // Nothing behind a gate ever runs without an approval, whatever its condition says; what is not behind it does.
        ("a|| b<a?always() c<b?always() d e<d?always() z?always()", "d!", "a d! e b- c- z"),
    ] {
        assert_eq!(drive(steps(workflow), ends, false, ""), expected, "{workflow}, {ends}");
        assert_eq!(drive(steps(workflow), ends, true, ""), expected, "{workflow}, {ends} with keep_going");
    }
}

#[test]
fn goes_on_from_where_it_stands() {
    for (workflow, standing, expected) in [
        ("a b<a c<b", "a", "b c"),
        ("a b<a c<b", "a b c", ""),
        ("a|| b<a c", "a||", "c || a"),
        ("a|| b<a c", "a", "b c"),
        // A condition that was false is asked again only if something before it runs again.
        (&format!("a b<a?{BLUE} c<b"), "a b?", "c"),
        (&format!("a b<a?{BLUE} c<b"), "b?", "a b c"),
        (&format!("a b<a c<b?{BLUE} d<c"), "b c?", "a c d"),
        ("a z?failure()", "z?", "a z?"),
        ("a z?failure()", "a z?", ""),
        // Nothing that is done runs again, even if what it cleaned up after does.
        ("a b<a?always() c<b", "b", "a c"),
        ("a z?always() y<z", "z", "a y"),
        ("a b<a?always() c<b|| d<c", "b c||", "a || c"),
    ] {
        assert_eq!(drive(steps(workflow), "", false, standing), expected, "{workflow} from {standing}");
    }
    // What comes after cleaning up still waits for what was cleaned up after.
    for (workflow, standing, expected) in [
        ("a b<a?always() c<b", "b", "a! c-a"),
        ("a z?always() y<z", "z", "a! y-"),
        ("a b<a?always() c<b?always()", "b", "a! c"),
    ] {
        assert_eq!(drive(steps(workflow), "a!", true, standing), expected, "{workflow} from {standing}");
    }
}

#[test]
fn a_step_that_waits_for_its_next_attempt_goes_on_after_a_failure() {
    let plan = Arc::new(plan(steps("a b c")));
    let [a, b, c] = [0, 1, 2].map(|step| plan.steps().nth(step).unwrap());
    let mut scheduler = Scheduler::new(plan, false, |_| Standing::Open);
    assert_eq!(scheduler.decide(), None);
    assert_eq!((scheduler.start(), scheduler.start()), (Some(Unit::whole(a)), Some(Unit::whole(b))));
    scheduler.retry(Unit::whole(a));
    scheduler.failed(b);
    assert_eq!(scheduler.decide(), Some(Decision::Skip { step: c, cause: Cause::Elsewhere }));
    assert_eq!((scheduler.start(), scheduler.start()), (Some(Unit::whole(a)), None));
    scheduler.done(a);
    assert!(scheduler.is_complete());
}

fn fan_out(plan: &Plan, step: StepIndex) -> &crate::workflow::fan_out::FanOut {
    plan.step(step).fan_out.as_deref().expect("it has items")
}

fn fan(plan: &Plan, step: StepIndex) -> Fan {
    let items = fan_out(plan, step).over.as_array().map_or(0, Vec::len);
    Fan::new(0..items as u32, fan_out(plan, step).max_parallel.unwrap_or(usize::MAX))
}

#[test]
fn items_run_before_what_stands_later_in_the_file_and_their_step_ends_after_them() {
    let steps = json!([
        { "id": "a", "foreach": [1, 2] },
        { "id": "b" },
        { "id": "c", "foreach": [], "depends_on": ["a"] },
        { "id": "d", "foreach": [1], "if": "true", "depends_on": ["c"] },
    ]);
    assert_eq!(drive(steps, "", false, ""), "a[0] a[1] a c b d[0] d");
}

#[test]
fn after_an_item_failed_none_starts_and_what_depends_on_the_step_is_skipped() {
    let steps = json!([
        { "id": "a", "foreach": [1, 2, 3] },
        { "id": "b", "depends_on": ["a"] },
        { "id": "c" },
        { "id": "d", "if": "failure()", "foreach": [1, 2] },
    ]);
    assert_eq!(drive(steps.clone(), "a[1]!", false, ""), "a[0] a[1]! a! b-a c- d[0] d[1] d");
    assert_eq!(drive(steps, "a[1]!", true, ""), "a[0] a[1]! a[2] a! b-a c d[0] d[1] d");
}

#[test]
fn a_failure_elsewhere_leaves_the_rest_of_the_items() {
    let plan = Arc::new(plan(json!([
        { "id": "a", "foreach": [1, 2, 3], "max_parallel": 1 },
        { "id": "b" },
        { "id": "always", "if": "always()", "foreach": [1, 2] },
    ])));
    let [a, b, always] = [0, 1, 2].map(StepIndex::new);
    let mut scheduler = Scheduler::new(Arc::clone(&plan), false, |_| Standing::Open);
    assert_eq!(scheduler.decide(), Some(Decision::Expand { step: a }));
    scheduler.expanded(a, fan(&plan, a));
    assert_eq!(scheduler.decide(), None);
    assert_eq!(scheduler.start(), Some(Unit::item(a, 0)));
    // One at once: the next step has its turn.
    assert_eq!(scheduler.start(), Some(Unit::whole(b)));
    scheduler.failed(b);
    assert_eq!((scheduler.decide(), scheduler.start()), (None, None));
    scheduler.item_done(a);
    assert_eq!(scheduler.decide(), Some(Decision::Conclude { step: a }));
    assert_eq!(scheduler.abandoned(a), Cause::Elsewhere);
    assert!(matches!(scheduler.decide(), Some(Decision::Evaluate { step, .. }) if step == always));
    scheduler.expanded(always, fan(&plan, always));
    assert_eq!(scheduler.start(), Some(Unit::item(always, 0)));
    scheduler.item_done(always);
    assert_eq!(scheduler.start(), Some(Unit::item(always, 1)));
    scheduler.item_done(always);
    assert_eq!(scheduler.decide(), Some(Decision::Conclude { step: always }));
    scheduler.done(always);
    assert!(scheduler.is_complete());
}

#[test]
fn a_failure_while_no_item_runs_ends_the_step_all_the_same() {
    let plan = Arc::new(plan(json!([{ "id": "b" }, { "id": "a", "foreach": [1, 2] }])));
    let [b, a] = [0, 1].map(StepIndex::new);
    let mut scheduler = Scheduler::new(Arc::clone(&plan), false, |_| Standing::Open);
    assert_eq!(scheduler.decide(), Some(Decision::Expand { step: a }));
    scheduler.expanded(a, fan(&plan, a));
    assert_eq!(scheduler.start(), Some(Unit::whole(b)));
    scheduler.failed(b);
    assert_eq!(scheduler.decide(), Some(Decision::Conclude { step: a }));
    assert_eq!(scheduler.abandoned(a), Cause::Elsewhere);
    assert!(scheduler.is_complete() && scheduler.decide().is_none());
}

#[test]
fn items_that_were_stopped_while_they_waited_for_a_slot_do_not_start() {
    let steps = json!([
        { "id": "bad" },
        { "id": "always", "if": "always()", "depends_on": ["bad"], "foreach": [1, 2, 3] },
        { "id": "other", "if": "always()", "depends_on": ["bad"] },
    ]);
    assert_eq!(drive(steps, "bad! always[0]!", false, ""), "bad! always[0]! always! other");
}

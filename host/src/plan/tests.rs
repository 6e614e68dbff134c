use serde_json::json;

use super::testing::{plan, try_plan};
use super::*;

fn ids<'a>(plan: &'a Plan, steps: &[StepIndex]) -> Vec<&'a str> {
    steps.iter().map(|step| plan.step(*step).id.as_str()).collect()
}

/// `code pointer+offset message | hint` of each problem.
fn problems(steps: serde_json::Value) -> Vec<String> {
    let problems = try_plan(steps).expect_err("there are problems");
    let show = |problem: &Diagnostic| {
        let Place { pointer, offset, .. } = &problem.place;
        let hint = problem.hint.as_deref().unwrap_or("-");
        format!("{} {pointer}+{offset} {} | {hint}", problem.code, problem.message)
    };
    problems.iter().map(show).collect()
}

#[test]
fn knows_who_depends_on_whom() {
    let plan = plan(json!([
        { "id": "deploy", "depends_on": ["test", "build"] },
        { "id": "build" },
        { "id": "test", "depends_on": ["build"] },
        { "id": "lint" },
    ]));
    let find = |id| plan.find(id).unwrap();
    assert_eq!(plan.len(), 4);
    assert_eq!(ids(&plan, plan.dependencies(find("deploy"))), ["build", "test"]);
    assert_eq!(ids(&plan, plan.dependents(find("build"))), ["deploy", "test"]);
    assert_eq!(ids(&plan, plan.order()), ["build", "test", "deploy", "lint"]);
    assert!(plan.find("none").is_none());
}

#[test]
fn knows_what_is_asked_for() {
    let plan = plan(json!([
        { "id": "build" },
        { "id": "gate", "pause": true, "depends_on": ["build"] },
        { "id": "deploy", "depends_on": ["gate"], "if": "outcome('build') == 'succeeded'",
          "config": { "a": ["{{ approval.gate.by }}", "{{ steps.build.x }}"], "b": "\\{{ steps.gate }}" } },
        { "id": "end", "if": "always()" },
    ]));
    let find = |id| plan.find(id).unwrap();
    assert_eq!(ids(&plan, plan.references(find("deploy"))), ["build", "gate"]);
    assert!(plan.is_referenced(find("build")));
    assert!(!plan.is_referenced(find("gate")) && !plan.is_referenced(find("deploy")));
    let finals: Vec<_> = plan.steps().filter(|step| plan.is_final(*step)).collect();
    assert_eq!(ids(&plan, &finals), ["end"]);
}

#[test]
fn finally_comes_after_everything_and_may_ask_about_it() {
    let plan = plan(json!([
        { "id": "build" },
        { "id": "tell", "finally": true, "if": "outcome('gate') == 'failed'", "config": { "a": "{{ steps.build.x | default('') }}" } },
        { "id": "then", "finally": true, "depends_on": ["tell"], "config": { "a": "{{ steps.tell.x }}{{ approval.gate.by }}" } },
        { "id": "gate", "pause": true },
        { "id": "end", "if": "always()" },
    ]));
    assert_eq!(ids(&plan, plan.order()), ["build", "gate", "end", "tell", "then"]);
    let finals: Vec<_> = plan.steps().filter(|step| plan.is_final(*step)).collect();
    assert_eq!(ids(&plan, &finals), ["end"]);
    assert_eq!(
        problems(json!([
            { "id": "build", "config": { "a": "{{ steps.tell.x }}" } },
            { "id": "tell", "finally": true, "config": { "a": "{{ steps.other.x }}" } },
            { "id": "other", "finally": true },
        ])),
        [
            "not-upstream /steps/0/config/a+0 the step `build` does not depend on `tell`, which may not have ended by then | \
             `tell` is a step of `finally`, so it always comes later",
            "not-upstream /finally/0/config/a+0 the step `tell` does not depend on `other`, which may not have ended by then | \
             say that it comes first: \"depends_on\": [\"other\"]",
        ]
    );
}

#[test]
fn every_cycle_is_shown_once() {
    assert_eq!(
        problems(json!([
            { "id": "c", "depends_on": ["a"] },
            { "id": "a", "depends_on": ["b"] },
            { "id": "b", "depends_on": ["c", "a"] },
            { "id": "after", "depends_on": ["b"] },
            { "id": "self", "depends_on": ["self", "after"] },
        ])),
        [
            "cycle /steps/0/depends_on+0 these steps wait for each other: `c -> a -> b -> c` | each step waits for the one \
             after the arrow: take one of them out of a `depends_on`",
            "cycle /steps/4/depends_on+0 the step depends on itself: `self -> self` | each step waits for the one after the \
             arrow: take one of them out of a `depends_on`",
        ]
    );
    let ring: Vec<_> = (0..100)
        .map(|step| json!({ "id": format!("s{step}"), "depends_on": [format!("s{}", (step + 1) % 100)] }))
        .collect();
    let long = problems(ring.into());
    assert_eq!(long.len(), 1);
    assert!(long[0].contains("`s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> (88 more) -> s94 -> s95"), "{long:?}");
}

#[test]
fn what_is_asked_for_must_be_there_by_then() {
    assert_eq!(
        problems(json!([
            { "id": "build", "config": { "own": "{{ steps.build.x }}", "later": "{{ steps.test.x }}" } },
            { "id": "test", "depends_on": ["build"], "config": { "a": ["", "see {{ steps.biuld.x }}"] } },
            { "id": "lint", "depends_on": [], "if": "outcome('test') == 'failed'" },
            { "id": "deploy", "depends_on": ["lint"], "config": { "a": "{{ steps.test.x }} {{ steps.test.y }}" } },
            { "id": "notify", "depends_on": ["deploy"], "config": { "a": "{{ approval.deploy.by }}{{ steps.lint.x }}" } },
            { "id": "other", "config": { "a": "{{ steps.something-else.x | default('') }}" } },
        ])),
        [
            "not-upstream /steps/0/config/own+0 the step `build` refers to itself | a step's output is there once it has \
             ended: refer to it from a later step",
            "not-upstream /steps/0/config/later+0 the step `build` does not depend on `test`, which may not have ended by \
             then | `test` depends on `build`, so it always comes later",
            "unknown-step /steps/1/config/a/1+4 there is no step `biuld` | did you mean `build`?",
            "not-upstream /steps/2/if+8 the step `lint` does not depend on `test`, which may not have ended by then | say \
             that it comes first: \"depends_on\": [\"test\"]",
            "not-upstream /steps/3/config/a+0 the step `deploy` does not depend on `test`, which may not have ended by then | \
             say that it comes first: \"depends_on\": [\"lint\", \"test\"]",
            "no-approval /steps/4/config/a+0 the step `deploy` waits for no approval | set `\"approval\": {}` or `\"pause\": true` on `deploy`, or \
             refer to a step that has it",
            "unknown-step /steps/5/config/a+0 there is no step `something-else` | the steps are `build`, `test`, `lint`, \
             `deploy`, `notify`, `other`",
        ]
    );
}

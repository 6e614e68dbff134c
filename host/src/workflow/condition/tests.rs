use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::outcome::Outcome;

/// Evaluates over two steps (`build` succeeded, `lint-js` failed), some inputs, and the variables CI and EMPTY.
fn evaluate(text: &str, success: bool) -> Result<bool, ConditionError> {
    let inputs = json!({ "environment": "production", "count": 3, "ratio": 0.5, "tags": ["a", "b"], "dry": false });
    let env = |name: &str| match name {
        "CI" => Some("true".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let output = json!({ "exit_code": 0, "stdout": "ok\n", "nested": { "list": [1, 2] } });
    let step = |id: &str| match id {
        "build" => Some(StepFacts { outcome: Outcome::Succeeded, output: Some(Cow::Owned(output.clone())) }),
        "lint-js" => Some(StepFacts { outcome: Outcome::Failed, output: None }),
        _ => None,
    };
    let approval = |step: &str| (step == "gate").then(|| json!({ "by": "alice" }));
    Condition::parse(text)?.evaluate(&Facts {
        before: Before { failed: !success, ..Before::default() },
        rework: &Value::Null,
        inputs: &inputs,
        run: "0190",
        workflow: "release",
        env: &env,
        step: &step,
        approval: &approval,
    })
}

#[test]
fn conditions_over_inputs_env_outputs_and_outcomes() {
    for (text, expected) in [
        ("true", true),
        ("inputs.environment == 'production'", true),
        ("inputs.environment in ['staging', 'dev']", false),
        ("inputs.count + 1 > 3", true),
        ("inputs.count == 3.0 && inputs.ratio < 1", true),
        ("!inputs.dry", true),
        ("'a' in inputs.tags && size(inputs.tags) == 2", true),
        ("inputs.tags.exists(tag, tag == 'b')", true),
        ("env.CI == 'true'", true),
        ("env.UNSET == ''", true),
        ("has(env.UNSET)", false),
        ("has(env.EMPTY) && 'CI' in env && !('UNSET' in env)", true),
        ("env['CI'] != ''", true),
        ("steps.build.exit_code == 0", true),
        ("steps['build'].stdout.contains('ok')", true),
        ("steps.build.nested.list[1] == 2", true),
        ("steps.build.output.exit_code == 0", true),
        ("has(steps.build.missing)", false),
        ("has(steps['lint-js'].exit_code)", false),
        ("outcome('build') == 'succeeded' && outcome('lint-js') == 'failed'", true),
        ("success() && !failure() && always()", true),
        ("run.id == '0190' && workflow.name.matches('^rel')", true),
        ("approval.gate.by == 'alice' && !has(approval.other)", true),
        ("type(inputs.count) == int", true),
    ] {
        assert_eq!(evaluate(text, true), Ok(expected), "{text}");
    }
}

#[test]
fn a_condition_without_a_status_function_needs_success() {
    for (text, admits, expected) in [
        ("true", false, false),
        ("inputs.count == 3", false, false),
        ("always()", true, true),
        ("failure()", true, true),
        ("success()", true, false),
        ("!success() && inputs.count == 3", true, true),
        ("outcome('lint-js') == 'failed'", true, true),
        ("success() && steps['lint-js'].exit_code == 0", true, false),
    ] {
        assert_eq!(Condition::parse(text).unwrap().admits_failure(), admits, "{text}");
        assert_eq!(evaluate(text, false), Ok(expected), "{text}");
    }
}

#[test]
fn every_reference_is_known_before_the_run() {
    let condition = Condition::parse(
        "env.A == '' && has(env.B) && 'C' in env && inputs['x-y'] == steps.one.k + steps['two-2'].k && outcome('three') == '' && steps.one.z && has(approval.gate)",
    )
    .unwrap();
    let names = |list: &[Reference]| list.iter().map(|reference| reference.name.clone()).collect::<Vec<_>>();
    let references = condition.references();
    assert_eq!(names(&references.env), ["A", "B", "C"]);
    assert_eq!(names(&references.inputs), ["x-y"]);
    assert_eq!(names(&references.steps), ["one", "two-2", "three"]);
    assert_eq!(names(&references.approvals), ["gate"]);
}

#[test]
fn errors_say_what_where_and_what_next() {
    for (text, message, offset, hint) in [
        ("", "the condition is empty", None, Some("leave `if` out, or write `success()`")),
        ("inputs.a = 'x'", "unexpected `=`", Some(9), Some("two values are compared with `==`")),
        ("inputs.a ==", "the condition ends in the middle", Some(11), None),
        ("env.A == 'x' and env.B == 'y'", "unexpected `and`", Some(13), Some("write `&&`, `||` and `!`")),
        (
            "{{ inputs.a }}",
            "unexpected `}`",
            Some(12),
            Some("a condition is an expression already: leave out the braces"),
        ),
        ("suces()", "there is no function `suces`", Some(0), Some("did you mean `success()`?")),
        ("input.a == 1", "there is no variable `input`", Some(0), Some("did you mean `inputs`?")),
        ("failure", "there is no variable `failure`", Some(0), Some("did you mean `failure()`?")),
        ("env == 1", "after `env` comes a name that is written out", Some(0), Some("`env.NAME` or `env['NAME']`")),
        (
            "steps[inputs.a].k",
            "after `steps` comes a name that is written out",
            Some(0),
            Some("`steps.ID` or `steps['ID']`"),
        ),
        ("run.attempt == 1", "`run` has no `attempt`", Some(0), Some("there is `run.id`")),
        (
            "env.A == 'é' && nope",
            "there is no variable `nope`",
            Some(17),
            Some("a path begins with `inputs`, `env`, `steps`, `approval`, `rework`, `run`, `workflow`"),
        ),
        ("env.A == 'é' ; 1", "unexpected `;`", Some(14), None),
        (
            "steps.my-step.k == 1",
            "there is no variable `step`",
            Some(9),
            Some("a name with a hyphen is written in brackets: `steps['...-step'].key`"),
        ),
        (
            "[1].all(env, env > 0)",
            "`env` is taken: it is what a path begins with",
            Some(7),
            Some("give the loop's variable another name"),
        ),
        (
            "success('a')",
            "`success()` takes no argument",
            Some(0),
            Some("`outcome('ID')` is how one step ended, e.g. `outcome('test') == 'failed'`"),
        ),
        ("outcome(inputs.a) == ''", "the step id in `outcome()` is written out", Some(0), Some("outcome('test')")),
    ] {
        let error = Condition::parse(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.offset, error.hint.as_deref()), (message, offset, hint), "{text}");
    }
}

#[test]
fn an_answer_that_is_not_true_or_false_is_an_error() {
    for (text, message) in [
        ("inputs.environment", "the condition gives a text, not true or false"),
        ("inputs.count", "the condition gives a number, not true or false"),
        ("steps.build.exit_cod == 0", "there is no `exit_cod`"),
        ("steps['lint-js'].exit_code == 0", "there is no `exit_code`: the step `lint-js` failed and left no output"),
        ("inputs.environment + 1 == 2", "`+` can't be applied to values of these types"),
        ("inputs.environment < 2", "`<` can't be applied to string and int"),
        ("inputs.tags[7] == 'a'", "a list has fewer elements than the condition asks for"),
        ("1 / 0 == 1", "a division by zero"),
    ] {
        assert_eq!(evaluate(text, true).unwrap_err().message, message, "{text}");
    }
    let hint = evaluate("steps.build.exit_cod == 0", true).unwrap_err().hint;
    assert_eq!(hint.as_deref(), Some("did you mean `exit_code`?"));
}

#[test]
fn no_error_shows_a_value() {
    let secret = |_: &str| Some("hunter2-hunter2".to_owned());
    let nothing = Value::Null;
    for text in [
        "env.S",
        "env.S + 1 == 2",
        "int(env.S) == 1",
        "env.S < 1",
        "env.S[0] == 's'",
        "'x'.matches(env.S + '(')",
        "-env.S == 1",
    ] {
        let facts = Facts {
            before: Before::default(),
            rework: &Value::Null,
            inputs: &nothing,
            run: "",
            workflow: "",
            env: &secret,
            step: &|_| None,
            approval: &|_| None,
        };
        let error = Condition::parse(text).unwrap().evaluate(&facts).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn what_it_costs_is_bounded() {
    for text in [
        format!("{}true{}", "(".repeat(300), ")".repeat(300)),
        vec!["1"; 450].join("+") + " == 1",
        "[1].all(a, [1].all(b, [1].all(c, true)))".to_owned(),
        "inputs.a".to_owned() + &".b".repeat(400),
        format!("{}1{}", "[".repeat(400), "]".repeat(400)),
        "x".repeat(MAX_LENGTH + 1),
    ] {
        // A worker thread has 2 MiB of stack: three quarters of that must do, in a debug build too.
        let parse = move || Condition::parse(&text).map(|condition| condition.text().len());
        let result = std::thread::Builder::new().stack_size(3 << 19).spawn(parse).unwrap().join().unwrap();
        assert!(result.is_err());
    }
}

proptest! {
    #[test]
    fn reading_and_answering_never_panics(text in "[a-z.'\\[\\]()!=&|<>+\\-?:,{}0-9 \"\\\\éü]{0,60}") {
        let _ = evaluate(&text, true);
    }

    #[test]
    fn words_put_together_never_panic(words in prop::collection::vec(
        prop::sample::select(vec!["inputs", "env", ".", "steps", "['a']", "has(", ")", "(", "==", "&&", "'x'", "1", "!", "in",
            "all(", "x,", "outcome(", "success()", "[", "]", "?", ":", "-", "+", " "]), 0..14)) {
        let _ = evaluate(&words.concat(), true);
    }
}

#[test]
fn refusals_are_neither_success_nor_failure() {
    let nothing = json!({});
    let answer = |text: &str, before: Before| {
        let facts = Facts {
            before,
            inputs: &nothing,
            run: "",
            workflow: "",
            env: &|_| None,
            step: &|_| None,
            approval: &|_| None,
            rework: &json!({ "note": "shorter", "by": "bob", "step": "draft", "count": 1 }),
        };
        Condition::parse(text).unwrap().evaluate(&facts).unwrap()
    };
    let rejected = Before { rejected: true, ..Before::default() };
    let expired = Before { expired: true, ..Before::default() };
    for (text, admits, if_rejected, if_expired) in [
        ("rejected()", true, true, false),
        ("expired()", true, false, true),
        ("rejected() || expired()", true, true, true),
        ("success()", false, false, false),
        ("failure()", false, false, false),
        ("always()", false, true, true),
        ("true", false, false, false),
    ] {
        assert_eq!(Condition::parse(text).unwrap().admits_refusal(), admits, "{text}");
        assert_eq!((answer(text, rejected), answer(text, expired)), (if_rejected, if_expired), "{text}");
    }
    assert!(answer("rework.count == 1 && rework.note.contains('short')", Before::default()));
    assert!(Condition::parse("rework.reason == ''").unwrap_err().hint.unwrap().contains("`rework.note`"));
    assert!(Condition::parse("rejected('gate')").is_err());
}

#[test]
fn items_come_after_the_condition() {
    for text in ["item == 1", "item.name == 'x'", "index > 0", "matrix.os == 'linux'"] {
        let error = Condition::parse(text).unwrap_err();
        assert!(error.message.starts_with("there is no variable `"), "{error:?}");
        assert!(error.hint.unwrap().contains("before there are items"), "{text}");
    }
    // As a loop's own variable the name is as good as any.
    assert!(Condition::parse("[1, 2].exists(item, item == 1)").is_ok());
}

#[test]
fn a_list_is_asked_by_its_elements_or_as_a_whole() {
    let output = json!([{ "n": 1 }, { "n": 2 }]);
    for (text, answer) in [
        ("steps.each[1].n == 2", true),
        ("steps['each'].all(one, one.n > 0) && size(steps.each) == 2", true),
        ("steps.each.output[1].n == 2", true),
        ("size(steps['each'].output) == 3", false),
    ] {
        assert_eq!(ask_of_list(text, &output), Ok(answer), "{text}");
    }
}

fn ask_of_list(text: &str, output: &Value) -> Result<bool, ConditionError> {
    Condition::parse(text)?.evaluate(&Facts {
        before: Before::default(),
        inputs: &json!({}),
        run: "r",
        workflow: "w",
        env: &|_| None,
        step: &|_| Some(StepFacts { outcome: Outcome::Succeeded, output: Some(Cow::Borrowed(output)) }),
        approval: &|_| None,
        rework: &json!({}),
    })
}

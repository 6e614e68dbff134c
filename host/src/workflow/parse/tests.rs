mod fan_out;

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::approval::{OnExpire, Principal, Rule};
use crate::diagnostic::Severity;
use crate::workflow::condition::Condition;
use crate::workflow::model::Retry;

/// What a person would read, one problem after the other.
fn report(text: &str) -> String {
    let source = Source::from_text("w.json", text);
    let (_, mut problems) = parse(&source);
    source.locate(&mut problems);
    problems.iter().map(|problem| problem.display("w.json").to_string()).collect::<Vec<_>>().join("\n")
}

fn clean(value: &Value) -> Workflow {
    let (workflow, problems) = parse(&Source::from_text("w.json", value.to_string()));
    assert_eq!(problems, []);
    workflow.unwrap()
}

/// The report on a workflow with one step that has these further fields.
fn step_report(fields: &str) -> String {
    report(&format!("{{\"name\":\"w\",\"steps\":[{{\"id\":\"a\",\"type\":\"print\",\n{fields}}}]}}"))
}

fn workflow_report(fields: &str) -> String {
    report(&format!("{{\"name\":\"w\",\"steps\":[{{\"id\":\"a\",\"type\":\"print\"}}],\n{fields}}}"))
}

#[test]
fn the_approval_workflow_is_read_as_it_is() {
    let workflow = clean(&json!({
      "name": "approval-workflow",
      "steps": [
        { "id": "prepare", "type": "shell", "config": { "command": "echo 'Preparing deployment...'" } },
        { "id": "request_approval", "type": "slack.notify", "pause": true,
          "config": {
            "webhook_url": "{{env.SLACK_WEBHOOK_URL}}", "channel": "#deployments",
            "message": "Ready to deploy {{env.CI_COMMIT_REF_NAME}}. Please review.",
            "gitlab_pipeline_url": "{{env.CI_SERVER_URL}}/{{env.CI_PROJECT_ID}}/-/pipelines/{{env.CI_PIPELINE_ID}}"
          },
          "depends_on": ["prepare"] },
        { "id": "deploy", "type": "shell", "config": { "command": "kubectl apply -f k8s/production.yaml" },
          "depends_on": ["request_approval"] },
        { "id": "notify_complete", "type": "slack.notify",
          "config": { "webhook_url": "{{env.SLACK_WEBHOOK_URL}}", "message": "Deployment completed!" },
          "depends_on": ["deploy"] }
      ]
    }));
    let ids: Vec<_> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["prepare", "request_approval", "deploy", "notify_complete"]);
    let request = &workflow.steps[1];
    assert_eq!((request.step_type.as_str(), request.approval.is_some(), request.index), ("slack.notify", true, 1));
    assert_eq!(request.depends_on[0].as_str(), "prepare");
    assert_eq!(request.config["channel"], "#deployments");
    assert_eq!(request.retry, Retry::default());
    assert!(request.save_output && !request.quiet && request.timeout.is_none() && request.condition.is_none());
}

#[test]
fn the_steps_of_finally_come_after_all_others() {
    let document =
        |finally: Value| json!({ "name": "w", "steps": [{ "id": "a", "type": "print" }], "finally": finally });
    let workflow = clean(&document(json!([
        { "id": "b", "type": "print", "x-note": 1 },
        { "id": "c", "type": "print", "if": "inputs.a == 1", "depends_on": ["b"], "pause": false },
    ])));
    let [a, b, c] = &workflow.steps[..] else { panic!("three steps") };
    assert_eq!([a.pointer("if"), b.pointer("if"), c.pointer("id")], ["/steps/0/if", "/finally/0/if", "/finally/1/id"]);
    assert!(a.condition.is_none());
    assert_eq!(b.condition.as_ref().map(Condition::text), Some("always()"));
    // Whatever came before, what it asks decides.
    assert!(c.condition.as_ref().is_some_and(Condition::admits_failure));
    // Where a step stands is part of what it means, and so is all of it.
    assert_ne!(a.digest, clean(&document(json!([{ "id": "b", "type": "print" }]))).steps[1].digest);
    let one = clean(&document(json!([{ "id": "b", "type": "print" }]))).digest;
    assert_eq!(one, clean(&document(json!([{ "type": "print", "x-y": 1, "id": "b" }]))).digest);
    assert_ne!(one, clean(&document(json!([{ "id": "b", "type": "shell" }]))).digest);
    assert_eq!(clean(&document(json!([]))).digest, clean(&document(Value::Null)).digest);
}

#[test]
fn neither_list_depends_on_the_other_and_nothing_waits_in_finally() {
    let report = report(
        r#"{ "name": "w", "steps": [{ "id": "a", "type": "print", "depends_on": ["z"] }],
"finally": [
  { "id": "z", "type": "print", "depends_on": ["a"] },
  { "id": "a", "type": "print", "pause": true },
  { "id": "y", "type": "print", "approval": {}, "if": "nonsense()" },
  7
] }"#,
    );
    let lines: Vec<&str> =
        report.lines().filter(|line| line.starts_with("w.json:") || line.contains("outcome(")).collect();
    assert_eq!(
        lines,
        [
            "w.json:4:11: error[duplicate-id]: two steps have the id `a`",
            "w.json:4:42: error[finally-approval]: a step of `finally` can't wait for an approval: nothing comes after it that \
             could be held back",
            "w.json:5:55: error[condition]: there is no function `nonsense`",
            "w.json:5:45: error[finally-approval]: a step of `finally` can't wait for an approval: nothing comes after it that \
             could be held back",
            "w.json:6:3: error[wrong-type]: a step is an object, not a number",
            "w.json:1:71: error[finally-dependency]: `z` is a step of `finally`, which comes after all of `steps`",
            "w.json:3:48: error[finally-dependency]: `a` is no step of `finally`, and all of `steps` comes before it anyway",
            "  hint: leave it out; an `if` can ask how it went: outcome('a') == 'succeeded'",
        ]
    );
    assert!(report.contains("w.json:1:34: the first is here"), "{report}");
    assert!(workflow_report("\"finally\": {}").contains("`finally` is an array, not an object"));
}

#[test]
fn every_field_is_read() {
    let workflow = clean(&json!({
      "$schema": "https://example.com/workflow.json", "x-owner": "sre",
      "name": "w", "description": "d", "inputs": { "environment": "production" },
      "secrets": ["A", "B", "A"], "not_secrets": ["MY_KEY"],
      "settings": { "quiet_mode": true, "jobs": 8, "save_results": false, "output_format": "json", "x-why": 1 },
      "steps": [
        { "id": "a", "type": "print", "config": null, "depends_on": null, "retry": null },
        { "id": "b-1", "type": "shell", "config": { "command": "true", "x-kept": 1 }, "depends_on": ["a"], "if": "always()",
          "timeout": "10m", "retry": { "max_attempts": 3, "delay": 2, "backoff": 1.5, "max_delay": "1h30m", "x-why": "flaky" },
          "continue_on_error": true, "pause": true, "quiet": true, "save_output": false, "idempotent": true, "x-note": "n" }
      ]
    }));
    assert_eq!(workflow.description.as_deref(), Some("d"));
    assert_eq!(workflow.secrets, ["A", "B"]);
    assert_eq!(workflow.not_secrets, ["MY_KEY"]);
    assert_eq!(
        workflow.settings,
        Settings {
            quiet_mode: true,
            jobs: Some(8),
            save_results: Some(false),
            output_format: Some(OutputFormat::Json)
        }
    );
    let step = &workflow.steps[1];
    assert_eq!(step.config, json!({ "command": "true", "x-kept": 1 }));
    assert_eq!(step.condition.as_ref().unwrap().text(), "always()");
    assert_eq!(step.timeout, Some(Duration::from_secs(600)));
    assert_eq!(
        step.retry,
        Retry { max_attempts: 3, delay: Duration::from_secs(2), backoff: 1.5, max_delay: Duration::from_secs(5400) }
    );
    assert!(step.continue_on_error && step.approval.is_some() && step.quiet && !step.save_output && step.idempotent);
    assert_eq!(workflow.steps[0].config, json!({}));
}

#[test]
fn permissions_narrow_and_nothing_at_all_is_nothing_to_narrow() {
    let of = |permissions: Value| {
        let step = json!({ "id": "a", "type": "print", "permissions": permissions });
        clean(&json!({ "name": "w", "steps": [step] })).steps[0].permissions.first().cloned()
    };
    assert!(of(json!({})).is_some_and(|permissions| permissions.is_empty()));
    let some = of(json!({ "network": [{ "url": "https://a.b", "methods": ["GET"] }], "environment": ["A"] })).unwrap();
    assert_eq!((some.network[0].url.as_str(), some.environment.len()), ("https://a.b", 1));
    assert!(of(Value::Null).is_none());
    for (wrong, says) in [
        (r#""permissions": []"#, "`permissions` is an object"),
        (r#""permissions": { "netwrk": [] }"#, "did you mean `network`?"),
        (r#""permissions": { "files": [{ "path": "." }] }"#, "never granted"),
        (r#""permissions": { "process": [{ "args": [] }] }"#, "`program` is missing"),
    ] {
        let report = step_report(wrong);
        assert!(report.contains(says), "{wrong}: {report}");
    }
}

#[test]
fn zero_is_the_default_as_in_older_workflows() {
    let workflow = clean(&json!({ "name": "w", "steps": [{
        "id": "a", "type": "print", "timeout": 0, "if": false,
        "retry": { "max_attempts": 0, "delay": 0, "backoff": 0, "max_delay": 0 }
    }] }));
    assert_eq!(workflow.steps[0].retry, Retry::default());
    assert_eq!(workflow.steps[0].timeout, None);
    assert_eq!(workflow.steps[0].condition.as_ref().unwrap().text(), "false");
}

#[test]
fn syntax_errors_have_a_place_and_a_hint() {
    for (text, expected) in [
        ("", "w.json:1:1: error[syntax]: the file is empty"),
        (" \n", "w.json:1:1: error[syntax]: the file is empty"),
        (
            "\u{feff}{}",
            "w.json:1:1: error[syntax]: the file begins with a byte order mark\n  hint: save it as UTF-8 without BOM",
        ),
        (
            "{\n  \"name\": \"w\",\n}",
            "w.json:3:1: error[syntax]: trailing comma\n  hint: remove the comma before the closing bracket",
        ),
        (
            "{\"steps\": [1,]}",
            "w.json:1:14: error[syntax]: trailing comma\n  hint: remove the comma before the closing bracket",
        ),
        (
            "{\n  // a note\n  \"name\": \"w\" }",
            "w.json:2:3: error[syntax]: key must be a string\n  hint: JSON has no comments; a key that begins with `x-` is ignored: \"x-note\": \"...\"",
        ),
        ("{\"é\": tru}", "w.json:1:10: error[syntax]: expected ident, found `}`"),
        (
            "{\"name\": 'w'}",
            "w.json:1:10: error[syntax]: expected value, found `'`\n  hint: strings stand in double quotes",
        ),
        (
            "{name: 1}",
            "w.json:1:2: error[syntax]: key must be a string\n  hint: names stand in double quotes: \"name\": ...",
        ),
        (
            "{\"a\": 1 \"b\": 2}",
            "w.json:1:9: error[syntax]: expected `,` or `}`, found `\"`\n  hint: a comma is missing before this",
        ),
        (
            "{\"a\": NaN}",
            "w.json:1:7: error[syntax]: expected value, found `N`\n  hint: JSON has no NaN and no infinity",
        ),
        (
            "{\"a\": True}",
            "w.json:1:7: error[syntax]: expected value, found `T`\n  hint: JSON has `true`, `false` and `null`",
        ),
        ("{} {}", "w.json:1:4: error[syntax]: trailing characters\n  hint: a file holds one JSON value"),
        ("{\"a\": 1e400}", "w.json:1:11: error[syntax]: the number is too large"),
        (
            "{\"a\": \"\\ud800\"}",
            "w.json:1:14: error[syntax]: unexpected end of hex escape\n  hint: `\\u` escapes of the range D800-DFFF only come in pairs",
        ),
        (
            "{\"a\": \"x\ny\"}",
            "w.json:2:1: error[syntax]: a line break or a control character inside a string\n  hint: write it as an escape: `\\n`, `\\t`",
        ),
        (
            "{\"name\": \"w\", \"steps\": [",
            "w.json:1:25: error[syntax]: the file ends in the middle\n  hint: a bracket, a brace or a quote is not closed",
        ),
    ] {
        assert_eq!(report(text), expected, "{text:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"x-deep\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    for (depth, refused) in [(126, false), (127, false), (128, true), (129, true), (1_000_000, true)] {
        assert_eq!(report(&nested(depth)).contains("it is nested more than 127 deep"), refused, "{depth}");
    }
}

#[test]
fn what_is_no_object_is_no_workflow() {
    for (text, kind) in [("[]", "an array"), ("3", "a number"), ("null", "null"), ("\"x\"", "a string")] {
        assert_eq!(report(text), format!("w.json:1:1: error[wrong-type]: a workflow is an object, not {kind}"));
    }
}

#[test]
fn all_problems_come_at_once() {
    assert_eq!(
        report(
            r#"{
  "naem": "w",
  "steps": [
    { "id": "build", "type": "shell", "dependson": [] },
    { "id": "build", "type": "print" },
    { "type": "print", "timeout": -1 },
    { "id": "deploy", "type": "shell", "depends_on": ["biuld", "build", "build"], "pause": "true" },
    7
  ]
}"#
        ),
        r#"w.json:2:3: error[unknown-field]: there is no field `naem` here
  at /naem
  hint: did you mean `name`?
w.json:1:1: error[missing-field]: `name` is missing
  hint: "name": "my-workflow"
w.json:4:39: error[unknown-field]: there is no field `dependson` here
  at /steps/0/dependson
  hint: did you mean `depends_on`?
w.json:5:13: error[duplicate-id]: two steps have the id `build`
  at /steps/1/id
  w.json:4:13: the first is here
  hint: give one of them another id
w.json:6:5: error[missing-field]: `id` is missing
  at /steps/2
  hint: each step has an `id` of its own, which others name in `depends_on`
w.json:6:35: error[duration]: a duration can't be negative
  at /steps/2/timeout
  hint: write seconds, e.g. 90, or text such as "90s", "5m", "1h30m"
w.json:7:92: error[wrong-type]: `pause` is true or false, not a string
  at /steps/3/pause
  hint: write true without quotes
w.json:8:5: error[wrong-type]: a step is an object, not a number
  at /steps/4
w.json:7:55: error[unknown-dependency]: there is no step `biuld`
  at /steps/3/depends_on/0
  hint: did you mean `build`?
w.json:7:73: warning[duplicate-dependency]: `build` is named twice
  at /steps/3/depends_on/2
  w.json:7:64: it is first here"#
    );
}

#[test]
fn duplicate_keys_are_found_at_any_depth() {
    assert_eq!(
        report(
            "{ \"name\": \"w\", \"name\": \"v\",\n \"steps\": [{ \"id\": \"a\", \"type\": \"print\",\n  \"config\": { \"l\": [{ \"a/b\": 1, \"c\": 2,\n \"a/b\": { \"z\": 1, \"z\": 2 }, \"a/b\": 3 }] } }] }"
        ),
        "w.json:1:16: error[duplicate-key]: `name` is there twice\n  at /name\n  w.json:1:3: it is first here\n  hint: remove one of them\n\
         w.json:4:2: error[duplicate-key]: `a/b` is there twice\n  at /steps/0/config/l/0/a~1b\n  w.json:3:23: it is first here\n  hint: remove one of them\n\
         w.json:4:29: error[duplicate-key]: `a/b` is there twice\n  at /steps/0/config/l/0/a~1b\n  w.json:3:23: it is first here\n  hint: remove one of them"
    );
}

#[test]
fn a_second_list_of_steps_is_an_error_and_adds_none() {
    let source = Source::from_text(
        "w.json",
        r#"{"name":"w","steps":[{"id":"a","type":"print"}],"steps":[{"id":"b","type":"print"}]}"#,
    );
    let (workflow, problems) = parse(&source);
    assert_eq!(workflow.unwrap().steps.len(), 1);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["duplicate-key"]);
}

#[test]
fn many_keys_and_many_duplicates_take_no_time() {
    let mut text = String::from("{\"name\":\"w\",\"steps\":[{\"id\":\"a\",\"type\":\"print\",\"config\":{\"k0\":0");
    for key in 0..50_000 {
        write!(text, ",\"k{key}\":0").unwrap();
    }
    text += "}}]}";
    assert!(report(&text).contains("`k0` is there twice"));
    let same = format!("{{\"a\":0{}}}", ",\"a\":0".repeat(100_000));
    assert!(report(&same).contains("duplicate-key"));
}

#[test]
fn wrong_types_say_what_is_expected() {
    for (fields, expected) in [
        (
            r#""config": "x""#,
            "w.json:2:11: error[wrong-type]: `config` is an object, not a string\n  at /steps/0/config",
        ),
        (
            r#""depends_on": "b""#,
            "w.json:2:15: error[wrong-type]: `depends_on` is an array of strings, not a string\n  at /steps/0/depends_on\n  hint: write [\"b\"]",
        ),
        (
            r#""depends_on": [1]"#,
            "w.json:2:16: error[wrong-type]: `depends_on` holds strings, not a number\n  at /steps/0/depends_on/0",
        ),
        (
            r#""depends_on": [""]"#,
            "w.json:2:16: error[wrong-type]: `depends_on` holds strings, not an empty one\n  at /steps/0/depends_on/0",
        ),
        (
            r#""pause": 1"#,
            "w.json:2:10: error[wrong-type]: `pause` is true or false, not a number\n  at /steps/0/pause",
        ),
        (
            r#""timeout": "5 minuts""#,
            "w.json:2:12: error[duration]: the duration `5 minuts` has the unknown unit `minuts`\n  at /steps/0/timeout\n  hint: write seconds, e.g. 90, or text such as \"90s\", \"5m\", \"1h30m\"",
        ),
        (
            r#""retry": 3"#,
            "w.json:2:10: error[wrong-type]: `retry` is an object, not a number\n  at /steps/0/retry\n  hint: write { \"max_attempts\": 3, \"delay\": \"2s\" }",
        ),
        (
            r#""retry": { "max_attempts": 1000000000 }"#,
            "w.json:2:28: error[out-of-range]: `max_attempts` is a whole number from 0 to 1000\n  at /steps/0/retry/max_attempts",
        ),
        (
            r#""retry": { "max_attempts": 2.5 }"#,
            "w.json:2:28: error[out-of-range]: `max_attempts` is a whole number from 0 to 1000\n  at /steps/0/retry/max_attempts",
        ),
        (
            r#""retry": { "backoff": 0.5 }"#,
            "w.json:2:23: error[out-of-range]: `backoff` is a number from 1 to 100\n  at /steps/0/retry/backoff",
        ),
        (
            r#""retry": { "initial_delay": 1 }"#,
            "w.json:2:12: error[unknown-field]: there is no field `initial_delay` here\n  at /steps/0/retry/initial_delay\n  hint: did you mean `delay`?",
        ),
        (
            r#""if": "env.A = 'x'""#,
            "w.json:2:14: error[condition]: unexpected `=`\n  at /steps/0/if\n  hint: two values are compared with `==`",
        ),
        (
            r#""if": 1"#,
            "w.json:2:7: error[wrong-type]: `if` is a condition in a string, not a number\n  at /steps/0/if",
        ),
        (
            r#""approvals": {}"#,
            "w.json:2:1: error[unknown-field]: there is no field `approvals` here\n  at /steps/0/approvals\n  hint: did you mean `approval`?",
        ),
        (
            r#""needs": []"#,
            "w.json:2:1: error[unknown-field]: there is no field `needs` here\n  at /steps/0/needs\n  hint: did you mean `depends_on`?",
        ),
    ] {
        assert_eq!(step_report(fields), expected, "{fields}");
    }
}

#[test]
fn fields_of_the_workflow_are_checked_too() {
    for (fields, expected) in [
        (
            r#""settings": { "jobs": 0 }"#,
            "w.json:2:23: error[out-of-range]: `jobs` is a whole number from 1 to 1000\n  at /settings/jobs",
        ),
        (
            r#""settings": { "jobs": "4" }"#,
            "w.json:2:23: error[wrong-type]: `jobs` is a number, not a string\n  at /settings/jobs\n  hint: write 4 without quotes",
        ),
        (
            r#""settings": { "output_format": "yaml" }"#,
            "w.json:2:32: error[out-of-range]: `output_format` is \"text\" or \"json\"\n  at /settings/output_format",
        ),
        (
            r#""settings": { "quiet": true }"#,
            "w.json:2:15: error[unknown-field]: there is no field `quiet` here\n  at /settings/quiet\n  hint: there are `quiet_mode`, `jobs`, `save_results`, `output_format`; keys that begin with `x-` are free",
        ),
        (
            r#""secrets": ["A", "B=1"]"#,
            "w.json:2:18: error[invalid-name]: this is not the name of an environment variable\n  at /secrets/1\n  hint: write the name only, not its value",
        ),
        (
            r#""secrets": ["A"], "not_secrets": ["A"]"#,
            "w.json:2:34: error[contradiction]: `A` is among `secrets` and `not_secrets`\n  at /not_secrets\n  hint: remove it from one of them",
        ),
        (
            r#""inputs": { "a.b": 1 }"#,
            "w.json:2:13: error[invalid-name]: this can't be the name of an input\n  at /inputs/a.b\n  hint: it consists of ASCII letters, digits, `_` and `-`, so that `{{inputs.NAME}}` works",
        ),
        (
            r#""inputs": { "e": { "type": "string", "defualt": "x", "required": "yes" } }"#,
            "w.json:2:38: error[unknown-field]: an input's schema has no `defualt`\n  at /inputs/e/defualt\n  hint: did you mean `default`?\n\
             w.json:2:66: error[wrong-type]: `required` is true or false, not a string\n  at /inputs/e/required",
        ),
        (
            r#""inputs": { "e": { "type": "strin", "default": "x" } }"#,
            "w.json:2:18: warning[input-form]: this looks like a schema, but it is taken as the input's default\n  at /inputs/e\n  hint: did you mean \"type\": \"string\"?",
        ),
    ] {
        assert_eq!(workflow_report(fields), expected, "{fields}");
    }
}

#[test]
fn names_ids_and_types_have_rules() {
    for (name, part) in [
        (json!(" "), "the workflow's name is empty"),
        (json!("a\nb"), "a character that can't be seen"),
        (json!("a\u{202e}b"), "a character that can't be seen"),
        (json!("x".repeat(201)), "longer than 200 characters"),
        (json!(3), "`name` is a string, not a number"),
        (json!(null), "`name` is missing"),
    ] {
        let text = json!({ "name": name, "steps": [{ "id": "a", "type": "print" }] }).to_string();
        assert!(report(&text).contains(part), "{}", report(&text));
    }
    let step =
        |id: Value, kind: Value| report(&json!({ "name": "w", "steps": [{ "id": id, "type": kind }] }).to_string());
    for (id, part) in [
        (json!(""), "the step's id is empty"),
        (
            json!("build linux"),
            "a step's id can't hold ` `\n  at /steps/0/id\n  hint: it consists of ASCII letters, digits, `_` and `-`, e.g. `build-linux`",
        ),
        (json!("a.b"), "a step's id can't hold `.`"),
        (json!("café"), "a step's id can't hold `é`"),
        (json!("-a"), "a step's id can't begin with `-`"),
        (json!("x".repeat(129)), "longer than 128 bytes"),
        (json!(7), "`id` is a string, not a number\n  at /steps/0/id\n  hint: write \"7\" with quotes"),
    ] {
        assert!(step(id.clone(), json!("print")).contains(part), "{}", step(id, json!("print")));
    }
    for kind in ["", "../etc", "a/b", "a:b", "a@1", ".hidden", "a b"] {
        assert!(step(json!("a"), json!(kind)).contains("this can't be the name of a step type"), "{kind}");
    }
    for good in ["0", "a", "A_b-9", &"x".repeat(128)] {
        assert_eq!(step(json!(good), json!("my.type-2_x")), "");
    }
}

#[test]
fn a_step_that_can_t_be_read_causes_no_further_errors() {
    let source = Source::from_text(
        "w.json",
        r#"{"name":"w","steps":[{"id":"a b","type":"print"},{"id":"c"},{"id":"d","type":"print","depends_on":["a b","c"]}]}"#,
    );
    let (workflow, problems) = parse(&source);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["invalid-id", "missing-field"]);
    let steps = workflow.unwrap().steps;
    assert_eq!((steps.len(), steps[0].index, steps[0].depends_on.len()), (1, 2, 0));
}

#[test]
fn a_dependency_that_is_named_twice_is_kept_once() {
    for others in [1, 40] {
        let mut steps: Vec<_> = (0..others).map(|n| json!({ "id": format!("s{n}"), "type": "print" })).collect();
        let mut names: Vec<_> = (0..others).map(|n| format!("s{n}")).collect();
        names.push("s0".to_owned());
        steps.push(json!({ "id": "last", "type": "print", "depends_on": names }));
        let (workflow, problems) =
            parse(&Source::from_text("w.json", json!({ "name": "w", "steps": steps }).to_string()));
        let pointer = |index: usize| format!("/steps/{others}/depends_on/{index}");
        assert_eq!((problems.len(), &problems[0].place.pointer), (1, &pointer(others)));
        assert_eq!(problems[0].related.as_ref().unwrap().1.pointer, pointer(0));
        assert_eq!(workflow.unwrap().steps[others].depends_on.len(), others);
    }
}

#[test]
fn steps_are_an_array_that_is_not_empty() {
    assert!(report(r#"{"name":"w"}"#).contains("`steps` is missing"));
    assert!(report(r#"{"name":"w","steps":[]}"#).contains("at least one step"));
    assert!(report(r#"{"name":"w","steps":{}}"#).contains("`steps` is an array, not an object"));
    assert!(report(r#"{"name":"w","steps":null}"#).contains("`steps` is missing"));
}

#[test]
fn a_digest_is_of_the_meaning() {
    let digest = |text: &str| parse(&Source::from_text("w.json", text)).0.unwrap().digest;
    let base = digest(r#"{"name":"w","steps":[{"id":"a","type":"print","config":{"x":1,"y":2}}]}"#);
    for same in [
        r#"{ "steps": [ { "config": { "y": 2, "x": 1 }, "type": "print", "id": "a" } ], "name": "w" }"#,
        r#"{"$schema":"s","x-a":1,"name":"w","steps":[{"x-b":2,"id":"a","type":"print","config":{"x":1,"y":2}}]}"#,
        r#"{"name":"\u0077","steps":[{"id":"a","type":"print","config":{"x":1,"y":2}}]}"#,
    ] {
        assert_eq!(digest(same), base, "{same}");
    }
    for other in [
        r#"{"name":"w","steps":[{"id":"a","type":"print","config":{"x":1,"y":3}}]}"#,
        r#"{"name":"w","steps":[{"id":"a","type":"print","config":{"x":1,"y":2,"x-z":1}}]}"#,
        r#"{"name":"w","steps":[{"id":"a","type":"print","config":{"x":1,"y":2},"pause":true}]}"#,
        r#"{"name":"w","inputs":{"a":1},"steps":[{"id":"a","type":"print","config":{"x":1,"y":2}}]}"#,
        r#"{"name":"w","steps":[{"id":"a","type":"print","config":{"x":1,"y":2}},{"id":"b","type":"print"}]}"#,
    ] {
        assert_ne!(digest(other), base, "{other}");
    }
    let annotated = r#"{"name":"w","inputs":{"a":{"type":"string","x-n":1}},"settings":{"x-n":1},"steps":[{"id":"a","type":"print","retry":{"x-n":1}}]}"#;
    let plain =
        r#"{"name":"w","inputs":{"a":{"type":"string"}},"settings":{},"steps":[{"id":"a","type":"print","retry":{}}]}"#;
    assert_eq!(digest(annotated), digest(plain));
}

#[test]
fn unknown_names_in_a_large_workflow_take_no_time() {
    let steps: Vec<_> = (0..20_000)
        .map(
            |n| json!({ "id": format!("step-number-{n}"), "type": "print", "depends_on": [format!("stp-number-{n}")] }),
        )
        .collect();
    let (_, problems) = parse(&Source::from_text("w.json", json!({ "name": "w", "steps": steps }).to_string()));
    assert_eq!(problems.len(), 20_000);
    assert!(problems[0].hint.is_some() && problems[19_999].hint.is_none());
}

/// Keys and values as a workflow might have them, in wrong places too.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "name",
        "steps",
        "id",
        "type",
        "config",
        "depends_on",
        "if",
        "timeout",
        "retry",
        "max_attempts",
        "inputs",
        "settings",
        "jobs",
        "secrets",
        "default",
        "required",
        "x-a",
        "$schema",
        "a/b~c",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["a", "b", "string", "5m", "-1s", "always()", "{{inputs.a}}", "é\n\"", ""])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[\\[\\]{}:,\"a-z0-9\\\\ .eu\\-\n/é]{0,80}") {
        report(&text);
    }

    #[test]
    fn no_json_makes_the_parser_panic(value in any_json()) {
        report(&value.to_string());
    }

    #[test]
    fn a_cut_or_changed_workflow_makes_no_panic(cut in 0_usize..400, byte in any::<u8>()) {
        let text = json!({ "name": "w", "inputs": { "a": { "type": "string", "default": "é" } }, "steps": [
            { "id": "a", "type": "shell", "config": { "command": "echo \u{1f600}\n" }, "if": "env.A == 'x'", "timeout": "5m" },
            { "id": "b", "type": "print", "depends_on": ["a"], "retry": { "max_attempts": 3, "delay": 1.5 } }
        ] }).to_string();
        let mut bytes = text.into_bytes();
        if let Some(place) = bytes.get_mut(cut) {
            *place = byte;
        }
        report(&String::from_utf8_lossy(&bytes));
        bytes.truncate(cut);
        report(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn every_error_of_a_document_has_a_position(value in any_json()) {
        let source = Source::from_text("w.json", value.to_string());
        let (workflow, mut problems) = parse(&source);
        source.locate(&mut problems);
        prop_assert!(problems.iter().all(|problem| problem.place.position.is_some()));
        prop_assert!(workflow.is_some() || problems.iter().any(|problem| problem.severity == Severity::Error));
    }
}

#[test]
fn an_approval_and_its_short_form() {
    let of = |step: Value| {
        let mut step = step;
        step["id"] = "a".into();
        step["type"] = "print".into();
        clean(&json!({ "name": "w", "steps": [step] })).steps[0].approval.clone()
    };
    assert!(
        of(json!({})).is_none() && of(json!({ "pause": false })).is_none() && of(json!({ "approval": null })).is_none()
    );
    let pause = of(json!({ "pause": true })).unwrap();
    assert_eq!((pause.rule.clone(), pause.expires, pause.bind.len()), (Rule::pause(), None, 0));
    let open = of(json!({ "approval": { "x-why": "four eyes" } })).unwrap();
    assert_eq!(open.rule, Rule::default());
    let full = of(json!({ "approval": {
        "required": 2, "approvers": ["alice", "bob", "group:company/sre"], "self": false, "expires": "24h",
        "on_expire": "reject", "form": { "type": "object" }, "bind": ["./k8s//production.yaml", "deploy/", "."]
    } }))
    .unwrap();
    assert_eq!((full.rule.required, full.rule.own, full.rule.on_expire), (2, false, OnExpire::Reject));
    assert_eq!(full.rule.approvers[2], Principal::Group("company/sre".into()));
    assert_eq!(full.expires, Some(Duration::from_secs(86_400)));
    assert_eq!(full.bind, ["k8s/production.yaml", "deploy", "."]);
    assert!(full.rule.needs_identity() && !open.rule.needs_identity() && !pause.rule.needs_identity());
}

//! `workflow`: another workflow file as a step, through the real program.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Project, SHIRO, repository};

/// A shell step that leaves its id in a file, then runs this command.
fn step(id: &str, command: &str, more: &Value) -> Value {
    let command = format!("echo {id} >> effects; {command}");
    let mut step = json!({ "id": id, "type": "shell", "config": { "shell": "sh", "command": command } });
    step.as_object_mut().expect("a step").extend(more.as_object().expect("fields").clone());
    step
}

fn print(id: &str, message: &str, more: &Value) -> Value {
    let mut step = json!({ "id": id, "type": "print", "config": { "message": message } });
    step.as_object_mut().expect("a step").extend(more.as_object().expect("fields").clone());
    step
}

/// A step that runs this file.
fn runs(id: &str, file: &str, more: &Value) -> Value {
    let mut step = json!({ "id": id, "type": "workflow", "config": { "file": file } });
    step.as_object_mut().expect("a step").extend(more.as_object().expect("fields").clone());
    step
}

/// A project with these steps as its workflow, and these files beside it.
fn project(steps: &[Value], files: &[(&str, Value)]) -> Project {
    let project = Project::with_workflow(&json!({ "name": "outer", "steps": steps }));
    for (name, content) in files {
        project.write(format!(".shiro/{name}"), &content.to_string());
    }
    project
}

fn inner(steps: &[Value]) -> Value {
    json!({ "name": "inner", "steps": steps })
}

fn effects(project: &Project) -> Vec<String> {
    project.read("effects").lines().map(str::to_owned).collect()
}

/// The status of a step, by `shiro status`.
fn status(project: &Project, step: &str) -> String {
    let status = project.shiro("status -json outer").exits(0);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let steps = status["steps"].as_array().expect("steps");
    let found = steps.iter().find(|one| one["id"] == step).unwrap_or_else(|| panic!("{step} in {status:#}"));
    found["status"].as_str().expect("a status").to_owned()
}

#[test]
fn it_gets_inputs_and_gives_outputs() {
    let project = project(
        &[
            step("version", "echo 1.2.3", &json!({})),
            runs(
                "deploy",
                "parts/deploy.json",
                &json!({ "depends_on": ["version"], "config": {
                "file": "parts/deploy.json", "inputs": { "version": "{{steps.version.stdout | trim}}", "replicas": 3 } } }),
            ),
            print(
                "tell",
                "it is at {{steps.deploy.url}}, {{steps.deploy.replicas}} times",
                &json!({ "depends_on": ["deploy"] }),
            ),
        ],
        &[(
            "parts/deploy.json",
            json!({
                "name": "deploy-it",
                "inputs": { "version": { "type": "string", "required": true }, "replicas": { "type": "integer" },
                            "region": "{{env.REGION | default('eu')}}-1" },
                "outputs": { "url": "https://{{steps.up.stdout | trim}}", "replicas": "{{inputs.replicas}}" },
                "steps": [
                    print("say", "{{workflow.name}} deploys {{inputs.version}} to {{inputs.region}}", &json!({})),
                    step("up", "echo {{inputs.version}}.example.com", &json!({ "depends_on": ["say"], "if": "inputs.replicas > 2" })),
                ],
            }),
        )],
    );
    project.shiro("validate").exits(0).says("OK (5 steps");
    project.shiro("run").exits(0).says("deploy-it deploys 1.2.3 to eu-1").says("3 times").does_not_say(".begin");
    assert_eq!(effects(&project), ["version", "up"]);
    assert_eq!(
        (status(&project, "deploy"), status(&project, "deploy/up")),
        ("succeeded".to_owned(), "succeeded".to_owned())
    );
    project.shiro("status outer").exits(0).says("deploy/say").does_not_say(".begin");
}

#[test]
fn without_outputs_it_gives_those_of_its_steps() {
    let project = project(
        &[
            runs("part", "part.json", &json!({})),
            print(
                "tell",
                "{{steps.part.one.exit_code}} {{steps.part['t-2'].stdout | trim}}",
                &json!({ "depends_on": ["part"] }),
            ),
        ],
        &[("part.json", inner(&[step("one", "true", &json!({})), step("t-2", "echo two", &json!({}))]))],
    );
    project.shiro("run").exits(0).says("0 two");
}

#[test]
fn a_gate_inside_holds_back_what_is_behind_it_in_both() {
    let project = project(
        &[
            step("before", "true", &json!({})),
            runs("deploy", "deploy.json", &json!({ "depends_on": ["before"] })),
            step("after", "true", &json!({ "depends_on": ["deploy"] })),
            step("aside", "true", &json!({})),
        ],
        &[(
            "deploy.json",
            inner(&[
                step(
                    "plan",
                    "true",
                    &json!({ "approval": { "form": { "type": "object", "properties": { "ticket": { "type": "string" } }, "required": ["ticket"] } } }),
                ),
                step("apply", "echo {{approval.plan.form.ticket}}", &json!({ "depends_on": ["plan"] })),
            ]),
        )],
    );
    project.shiro("run -jobs 1").exits(0).says("deploy/plan");
    assert_eq!(effects(&project), ["before", "plan", "aside"]);
    assert_eq!(status(&project, "deploy"), "begun");
    project.shiro("approve deploy/plan").exits(6).says("shiro approve deploy/plan -form ticket=");
    project.shiro("approve plan").exits(6).says("deploy/plan");
    project.shiro("approve deploy/plan -form ticket=T-1").exits(0);
    project.shiro("run -jobs 1").exits(0).says("T-1");
    assert_eq!(effects(&project), ["before", "plan", "aside", "apply", "after"]);
    project.shiro("audit").exits(0).says("deploy/plan");
    project.shiro("ci generate gitlab").exits(0).says("approve-deploy-plan");
}

#[test]
fn a_refusal_inside_ends_the_run() {
    let project = project(
        &[
            runs("deploy", "deploy.json", &json!({})),
            step("after", "true", &json!({ "depends_on": ["deploy"], "if": "always()" })),
            step("undo", "true", &json!({ "depends_on": ["deploy"], "if": "rejected()" })),
        ],
        &[(
            "deploy.json",
            json!({ "name": "inner", "steps": [
            step("plan", "true", &json!({ "pause": true })),
            step("apply", "true", &json!({ "depends_on": ["plan"] })),
        ], "finally": [step("clean", "true", &json!({ "if": "rejected()" }))] }),
        )],
    );
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["plan"]);
    project.shiro("reject deploy/plan -reason no").exits(0);
    project.shiro("run -jobs 1").exits(6);
    assert_eq!(effects(&project), ["plan", "clean", "undo"]);
}

#[test]
fn a_failure_inside_is_named_and_what_is_done_stays_done() {
    let project = project(
        &[
            runs("deploy", "deploy.json", &json!({})),
            step("after", "true", &json!({ "depends_on": ["deploy"] })),
            step("mourn", "true", &json!({ "depends_on": ["deploy"], "if": "failure()" })),
        ],
        &[(
            "deploy.json",
            inner(&[
                step("build", "true", &json!({})),
                step("test", "test -e fixed", &json!({ "depends_on": ["build"] })),
                step("ship", "true", &json!({ "depends_on": ["test"] })),
            ]),
        )],
    );
    project.shiro("run").exits(1).says("deploy/test").says("`deploy` did not succeed");
    assert_eq!(effects(&project), ["build", "test", "mourn"]);
    assert_eq!([status(&project, "deploy/ship"), status(&project, "deploy")], ["skipped", "failed"]);
    project.write("fixed", "");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "test", "mourn", "test", "ship", "after"]);
}

#[test]
fn a_failure_inside_can_be_tolerated_as_a_whole() {
    let project = project(
        &[
            runs("try", "try.json", &json!({ "continue_on_error": true })),
            step("after", "true", &json!({ "depends_on": ["try"] })),
            step("aside", "true", &json!({ "depends_on": ["after"] })),
        ],
        &[(
            "try.json",
            json!({ "name": "inner", "steps": [
            step("bad", "exit 7", &json!({})),
            step("never", "true", &json!({ "depends_on": ["bad"] })),
            step("last", "true", &json!({ "if": "failure()" })),
        ], "finally": [step("clean", "true", &json!({}))] }),
        )],
    );
    project.shiro("run -jobs 1").exits(0).says("tolerated");
    assert_eq!(effects(&project), ["bad", "last", "clean", "after", "aside"]);
}

#[test]
fn its_condition_decides_for_all_of_it() {
    let project = project(
        &[
            runs("no", "part.json", &json!({ "if": "env.NOTHING == 'x'" })),
            step("after", "true", &json!({ "depends_on": ["no"] })),
            step("bad", "false", &json!({ "depends_on": ["after"] })),
            runs("rescue", "rescue.json", &json!({ "depends_on": ["bad"], "if": "failure()" })),
        ],
        &[
            (
                "part.json",
                json!({ "name": "inner", "steps": [step("a", "true", &json!({})), step("b", "true", &json!({ "if": "always()" }))],
                "finally": [step("c", "true", &json!({}))] }),
            ),
            // What went wrong outside does not stop what was made for that.
            (
                "rescue.json",
                inner(&[
                    step("look", "true", &json!({})),
                    step("mend", "true", &json!({ "depends_on": ["look"] })),
                    step("not", "true", &json!({ "if": "failure()" })),
                ]),
            ),
        ],
    );
    project.shiro("run").exits(1).says("no: skipped").does_not_say("no/a: skipped");
    assert_eq!(effects(&project), ["after", "bad", "look", "mend"]);
}

#[test]
fn killed_inside_it_repeats_nothing() {
    let project = project(
        &[runs(
            "deploy",
            "deploy.json",
            &json!({ "config": { "file": "deploy.json", "inputs": { "at": "{{env.NOW | default('first')}}" } } }),
        )],
        &[(
            "deploy.json",
            json!({ "name": "inner", "inputs": { "at": "" }, "steps": [
            step("build", "true", &json!({})),
            step("wait", "test -e go || sleep 100", &json!({ "depends_on": ["build"], "idempotent": true })),
            step("ship", "echo {{inputs.at}}", &json!({ "depends_on": ["wait"] })),
        ] }),
        )],
    );
    let mut child =
        project.command(SHIRO).arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("shiro starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !project.read("effects").contains("wait") {
        assert!(Instant::now() < deadline, "the step starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("reap");
    project.write("go", "");
    // The inputs are those it began with.
    let mut project = project;
    project.env("NOW", "later");
    project.shiro("run").exits(0).says("first");
    assert_eq!(effects(&project), ["build", "wait", "wait", "ship"]);
}

#[test]
fn workflows_stand_in_workflows() {
    let project = project(
        &[runs("a", "a.json", &json!({})), print("tell", "{{steps.a.word}}", &json!({ "depends_on": ["a"] }))],
        &[
            (
                "a.json",
                json!({ "name": "a", "outputs": { "word": "{{steps.b.word}}!" }, "steps": [
                step("first", "echo first", &json!({})),
                runs("b", "deep/b.json", &json!({ "depends_on": ["first"], "config": { "file": "deep/b.json", "inputs": { "word": "{{steps.first.stdout | trim}}" } } })),
            ] }),
            ),
            // Beside the file that names it.
            (
                "deep/b.json",
                json!({ "name": "b", "inputs": { "word": { "type": "string" } }, "outputs": { "word": "{{inputs.word}} {{steps.c.x.exit_code}}" },
                "steps": [runs("c", "../c.json", &json!({}))] }),
            ),
            ("c.json", inner(&[step("x", "true", &json!({}))])),
        ],
    );
    project.shiro("run").exits(0).says("first 0!");
    assert_eq!(status(&project, "a/b/c/x"), "succeeded");
    project.shiro("graph").exits(0).says("a/b/c/x");
    project.shiro("run -dry-run -fresh").exits(0).says("a/b/c/x (shell)");
}

#[test]
fn what_can_not_be_is_refused_before_anything_runs() {
    let outer = |steps: &[Value], files: &[(&str, Value)]| project(steps, files);
    outer(
        &[runs("a", "a.json", &json!({}))],
        &[("a.json", inner(&[runs("b", "b.json", &json!({}))])), ("b.json", inner(&[runs("c", "a.json", &json!({}))]))],
    )
    .shiro("validate")
    .exits(2)
    .says(".shiro/b.json:1:")
    .says("these workflows run each other without end: .shiro/a.json -> .shiro/b.json -> .shiro/a.json");
    outer(&[runs("a", "workflow.json", &json!({}))], &[])
        .shiro("validate")
        .exits(2)
        .says(".shiro/workflow.json -> .shiro/workflow.json");
    outer(&[runs("a", "gone.json", &json!({}))], &[])
        .shiro("validate")
        .exits(2)
        .says("there is no file .shiro/gone.json");
    outer(&[runs("a", "../../gone.json", &json!({}))], &[]).shiro("validate").exits(2).says("config/file");
    outer(&[runs("a", "/etc/passwd", &json!({}))], &[])
        .shiro("validate")
        .exits(2)
        .says("relative to the file that names it")
        .does_not_say("root:");
    outer(&[runs("a", "{{env.X}}.json", &json!({}))], &[]).shiro("validate").exits(2).says("can't hold a template");
    let part = || {
        (
            "part.json",
            inner(&[
                print("a", "{{steps.before.stdout}} {{inputs.x}}", &json!({})),
                print("b", "", &json!({ "if": "steps.before.exit_code == 0" })),
            ]),
        )
    };
    outer(
        &[step("before", "true", &json!({})), runs("p", "part.json", &json!({ "depends_on": ["before"] }))],
        &[part()],
    )
    .shiro("validate")
    .exits(2)
    .says(".shiro/part.json:1:")
    .says("at /steps/0/config/message")
    .says("there is no step `before`")
    .says("at /steps/1/if");
    // Nor the other way round.
    outer(
        &[runs("p", "ok.json", &json!({})), print("x", "{{steps['p/a'].x}}", &json!({ "depends_on": ["p"] }))],
        &[("ok.json", inner(&[print("a", "", &json!({}))]))],
    )
    .shiro("validate")
    .exits(2)
    .says("there is no step `p/a`");
    for (more, said) in [
        (json!({ "retry": { "max_attempts": 3 } }), "set `retry` on the steps of its file"),
        (json!({ "timeout": "5m" }), "set `timeout` on the steps of its file"),
        (json!({ "idempotent": true }), "set `idempotent` on the steps of its file"),
        (json!({ "config": {} }), "file"),
        (json!({ "config": { "file": "ok.json", "inputs": { "colur": 1 } } }), "did you mean `colour`?"),
        (json!({ "config": { "file": "ok.json", "inputs": { "colour": 1, "size": "L" } } }), "/config/inputs/size"),
        (json!({ "config": { "file": "ok.json" } }), "the workflow's input `colour` is required"),
    ] {
        let ok = json!({ "name": "ok", "inputs": { "colour": { "type": "integer", "required": true }, "size": { "type": "integer" } },
            "steps": [print("a", "", &json!({}))] });
        let mut step = runs("p", "ok.json", &json!({ "config": { "file": "ok.json", "inputs": { "colour": 1 } } }));
        step.as_object_mut().expect("a step").extend(more.as_object().expect("fields").clone());
        outer(&[step], &[("ok.json", ok)]).shiro("validate").exits(2).says(said);
    }
}

#[test]
fn values_that_do_not_fit_fail_the_step_before_anything_inside_runs() {
    let project = project(
        &[
            step("size", "echo big", &json!({})),
            runs(
                "deploy",
                "deploy.json",
                &json!({ "depends_on": ["size"], "config": { "file": "deploy.json", "inputs": { "size": "{{steps.size.stdout}}" } } }),
            ),
        ],
        &[(
            "deploy.json",
            json!({ "name": "inner", "inputs": { "size": { "type": "integer" } }, "steps": [step("up", "true", &json!({}))],
            "finally": [step("clean", "true", &json!({}))] }),
        )],
    );
    project.shiro("run").exits(2).says("the input `size`");
    assert_eq!(effects(&project), ["size"]);
    assert_eq!([status(&project, "deploy"), status(&project, "deploy/up")], ["failed", "skipped"]);
}

#[test]
fn what_is_approved_is_what_runs_inside_too() {
    let part = |command: &str| inner(&[step("a", command, &json!({ "depends_on": [] }))]);
    let project = project(
        &[
            print("gate", "look", &json!({ "pause": true })),
            runs("part", "part.json", &json!({ "depends_on": ["gate"] })),
        ],
        &[("part.json", part("true"))],
    );
    project.shiro("run").exits(0);
    project.write(".shiro/part.json", &part("rm -rf everything").to_string());
    project.shiro("run").exits(6).says("~ step `part/a` is different");
    project.write(".shiro/part.json", &part("true").to_string());
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["a"]);
}

#[test]
fn its_permissions_narrow_all_inside_and_its_secrets_are_masked() {
    let files = [(
        "part.json",
        json!({ "name": "inner", "secrets": ["COLOUR"], "not_secrets": ["MY_TOKEN"], "settings": { "jobs": 1 }, "steps": [
        step("run", "echo \"$COLOUR $MY_TOKEN\"", &json!({})),
    ] }),
    )];
    let mut project = project(&[runs("part", "part.json", &json!({}))], &files);
    project.env("COLOUR", "ultramarine").env("MY_TOKEN", "t0ken-t0ken");
    let warned = project.shiro("run").exits(0).does_not_say("ultramarine").does_not_say("t0ken-t0ken");
    warned.says("where the workflow is a step of another");
    let narrowed = self::project(&[runs("part", "part.json", &json!({ "permissions": { "process": [] } }))], &files);
    narrowed.shiro("run").exits(4).says("part/run");
}

#[test]
fn the_example_and_its_documentation_are_the_same_and_work() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).expect(path);
    let page = read("docs/steps/workflow.md");
    let shown: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap_or_default()).expect("JSON"))
        .collect();
    let files = ["workflow.json", "deploy.json"].map(|name| read(&format!("examples/release/{name}")));
    assert_eq!(shown, files.each_ref().map(|text| serde_json::from_str::<Value>(text).expect("JSON")));
    let project = Project::new();
    project.write(".shiro/workflow.json", &files[0]);
    project.write(".shiro/deploy.json", &files[1]);
    project.shiro("run -input version=2.0").exits(0).says("deploying 2.0 to staging").does_not_say("to production");
    project
        .shiro("run")
        .exits(0)
        .says("deploying 2.0 to production")
        .says("2.0 is at https://staging.example.com and https://production.example.com");
    project.shiro("types workflow").exits(0).says("Runs another workflow file as a step");
    project.shiro("schema").exits(0).says("config-workflow");
    let outside = project.shiro_args(["plugin".as_ref(), "inspect".as_ref(), "workflow".as_ref() as &std::ffi::OsStr]);
    assert_ne!(outside.code, Some(0));
}

#[test]
fn no_component_takes_its_name() {
    let project =
        project(&[runs("a", "part.json", &json!({}))], &[("part.json", inner(&[step("b", "true", &json!({}))]))]);
    project.write(".shiro/plugins/workflow.wasm", "anything");
    project.shiro("validate").exits(3).says("workflow.wasm").says("built-in");
    assert!(effects(&project).is_empty());
}

#[test]
fn a_step_is_done_again_with_all_that_is_inside() {
    let project = project(
        &[
            runs("part", "part.json", &json!({ "pause": true })),
            step("after", "true", &json!({ "depends_on": ["part"] })),
        ],
        &[("part.json", inner(&[step("a", "true", &json!({})), step("b", "true", &json!({ "depends_on": ["a"] }))]))],
    );
    project.shiro("run").exits(0);
    project.shiro("rework part/b -note again").exits(0).says("part/b: to be done again, and so part");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["a", "b", "b"]);
    project.shiro("rework part -note again").exits(0).does_not_say(".begin");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["a", "b", "b", "a", "b"]);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["a", "b", "b", "a", "b", "after"]);
}

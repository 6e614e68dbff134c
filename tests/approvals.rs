//! Gates that mean something: who may approve, what exactly, until when; and the record of it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Outcome, Project};

/// A gate with this approval between two steps that leave a mark, and a step that cleans up after a refusal.
fn workflow(approval: &Value) -> Value {
    let mark = |id: &str| format!("echo {id} >> \"$EFFECTS\"");
    json!({ "name": "gated", "steps": [
        { "id": "build", "type": "shell", "config": { "shell": "sh", "command": mark("build") } },
        { "id": "gate", "type": "print", "depends_on": ["build"], "approval": approval, "config": { "message": "please look" } },
        { "id": "deploy", "type": "shell", "depends_on": ["gate"], "config": { "shell": "sh", "command": mark("deploy") } },
        { "id": "undo", "type": "shell", "depends_on": ["deploy"], "if": "rejected() || expired()",
          "config": { "shell": "sh", "command": mark("undo") } }
    ] })
}

fn project(approval: &Value) -> Project {
    let mut project = Project::with_workflow(&workflow(approval));
    let effects = project.join("effects").display().to_string();
    project.env("EFFECTS", effects).env("USER", "alice");
    project
}

fn effects(project: &Project) -> Vec<String> {
    project.read("effects").lines().map(str::to_owned).collect()
}

/// What was left for the CI system.
fn left(project: &Project) -> String {
    let left = project.read(".shiro/state/status.env");
    left.lines().find_map(|line| line.strip_prefix("SHIRO_STATUS=")).unwrap_or_default().to_owned()
}

fn as_user<'a>(project: &'a mut Project, name: &str) -> &'a Project {
    project.env("USER", name)
}

fn status(project: &Project) -> Value {
    let status = project.shiro("status -json gated").exits(0);
    serde_json::from_str(&status.stdout).expect("JSON")
}

/// `shiro` with arguments that may hold spaces.
fn shiro(project: &Project, args: &[&str]) -> Outcome {
    project.shiro_args(args)
}

#[test]
fn approving_records_and_the_next_run_goes_on() {
    let mut project = project(&json!({}));
    project.shiro("run").exits(0).says("waits for approval: 1 approval");
    let approve = ["approve", "gate", "-reason", "looks good"];
    shiro(as_user(&mut project, "bob"), &approve)
        .exits(0)
        .says("gate: approved by bob (unverified, from USER)")
        .says("shiro run");
    assert_eq!(effects(&project), ["build"], "approving runs nothing");
    assert_eq!(left(&project), "approved");
    shiro(&project, &approve).exits(6).says("has been given already");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
    let status = status(&project);
    assert_eq!(status["status"], "succeeded");
    assert_eq!(
        (&status["approvals"][0]["by"], &status["approvals"][0]["reason"]),
        (&json!("bob"), &json!("looks good"))
    );
}

#[test]
fn a_start_approves_only_where_nothing_else_lets_the_run_go_on() {
    let project = Project::with_workflow(&json!({ "name": "two", "steps": [
        { "id": "one", "type": "print", "approval": {}, "config": { "message": "1" } },
        { "id": "two", "type": "print", "approval": {}, "config": { "message": "2" } },
        { "id": "after-one", "type": "print", "depends_on": ["one"], "config": { "message": "behind one" } },
        { "id": "after-two", "type": "print", "depends_on": ["two"], "config": { "message": "behind two" } }
    ] }));
    project.shiro("run").exits(0);
    project.shiro("run -no-approve").exits(0).says("still paused").does_not_say("behind");
    project.shiro("approve two").exits(0);
    project.shiro("run").exits(0).says("behind two").does_not_say("behind one");
    project.shiro("run").exits(0).says("behind one");
}

#[test]
fn a_rejected_run_cleans_up_and_is_over() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    shiro(&project, &["reject", "gate"]).exits(2).says("-reason");
    shiro(&project, &["reject", "gate", "-reason", "not on a Friday"]).exits(0).says("rejected by alice");
    assert_eq!(left(&project), "rejected");
    project.shiro("approve gate").exits(6).says("has been rejected already");
    project.shiro("run").exits(6).says("deploy: skipped: the approval after `gate` was refused").says("rejected after");
    assert_eq!(effects(&project), ["build", "undo"]);
    assert_eq!(left(&project), "rejected");
    assert_eq!(status(&project)["status"], "rejected");
    project.shiro("run").exits(6).says("was rejected by alice: not on a Friday").says("-fresh");
    project.shiro("run -accept-changes").exits(6);
    project.shiro("approve gate").exits(6);
    shiro(&project, &["rework", "build", "-note", "again"]).exits(6).says("the run is over");
    assert_eq!(effects(&project), ["build", "undo"]);
    project.shiro("run -fresh").exits(0);
    assert_eq!(effects(&project), ["build", "undo", "build"]);
}

#[test]
fn an_approval_that_comes_too_late_is_none() {
    for (on_expire, word) in [("fail", "expired"), ("reject", "rejected")] {
        let project = project(&json!({ "expires": 0.001, "on_expire": on_expire }));
        project.shiro("run").exits(0);
        project.shiro("approve gate").exits(6).says("it expired at");
        shiro(&project, &["reject", "gate", "-reason", "no"]).exits(6).says("it expired at");
        // Nor does going back make more time.
        shiro(&project, &["rework", "gate", "-note", "again"]).exits(6).says("which is final");
        project.shiro("run").exits(6).says("nobody decided in time");
        assert_eq!(effects(&project), ["build", "undo"]);
        assert_eq!(status(&project)["status"], word);
        assert_eq!(left(&project), word);
        project.shiro("run").exits(6).says("was not given in time").says("-fresh");
        assert_eq!(effects(&project), ["build", "undo"]);
    }
}

#[test]
fn an_approval_that_is_not_made_use_of_in_time_expires_too() {
    let project = project(&json!({ "expires": "2s" }));
    project.shiro("run").exits(0);
    let asked = std::time::Instant::now();
    project.shiro("approve gate").exits(0);
    while asked.elapsed() < std::time::Duration::from_millis(2100) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    project.shiro("run").exits(6).says("nobody decided in time");
    assert_eq!(effects(&project), ["build", "undo"]);
}

#[test]
fn a_mere_name_is_no_approver() {
    for approval in [json!({ "approvers": ["bob"] }), json!({ "required": 2 }), json!({ "self": false })] {
        let mut project = project(&approval);
        project.env("GITLAB_USER_LOGIN", "bob");
        project.shiro("run").exits(0);
        project.shiro("run").exits(6).says("this start approves nothing").says("whoever starts a job can set");
        project.shiro("approve gate").exits(6).says("whoever starts a job can set").says("allow_unverified");
        assert_eq!(effects(&project), ["build"], "{approval}");
        // Nothing was recorded.
        assert_eq!(status(&project)["status"], "paused");
    }
}

#[test]
fn a_workflow_can_take_names_on_trust() {
    let approval = json!({ "required": 2, "approvers": ["bob", "Carol"], "self": false, "allow_unverified": true });
    let mut project = project(&approval);
    project.shiro("validate").exits(0).says("whoever starts a job can set");
    project.shiro("run").exits(0);
    project.shiro("run").exits(6).says("alice is none of its approvers: bob, Carol");
    as_user(&mut project, "bob").shiro("run").exits(0).says("one more approval is missing");
    assert_eq!(effects(&project), ["build"]);
    as_user(&mut project, "BOB").shiro("run").exits(6).says("BOB has approved already");
    let shown = project.shiro("status gated").exits(0);
    assert!(shown.stdout.contains("1 of 2"), "{}", shown.stdout);
    as_user(&mut project, "carol").shiro("approve gate").exits(0).does_not_say("missing");
    project.shiro("run -no-approve").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
    project.shiro("audit verify").exits(0).says("holds (2 decisions)").says("unverified");
}

#[test]
fn nobody_approves_their_own() {
    let mut project = project(&json!({ "self": false, "allow_unverified": true }));
    project.shiro("run").exits(0);
    project.shiro("run").exits(6).says("alice started the run");
    as_user(&mut project, "bob").shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
}

#[test]
fn what_is_approved_is_what_runs() {
    let project = project(&json!({ "bind": ["k8s"] }));
    project.write("k8s/production.yaml", "replicas: 1");
    project.shiro("run").exits(0);

    // Before the approval.
    project.write("k8s/production.yaml", "replicas: 9");
    for verb in ["run", "approve gate"] {
        project.shiro(verb).exits(6).says("~ bound file `k8s/production.yaml` is different").says("-accept-changes");
    }
    project.write("k8s/production.yaml", "replicas: 1");
    project.shiro("approve gate").exits(0);

    // After it.
    project.write("k8s/more.yaml", "kind: Secret");
    project.shiro("run").exits(6).says("+ bound file `k8s/more.yaml` is new");
    assert_eq!(effects(&project), ["build"]);

    // Accepting the change approves nothing: it is asked for again.
    project.shiro("run -accept-changes").exits(0).says("is asked for again");
    assert_eq!(effects(&project), ["build"]);
    fs::remove_file(project.join("k8s/more.yaml")).expect("remove it");
    project.shiro("run").exits(6).says("- bound file `k8s/more.yaml` is gone");
    project.write("k8s/more.yaml", "kind: Secret");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
    project.shiro("audit verify").exits(0).says("holds (2 decisions)");
}

#[test]
fn what_is_bound_is_compared_again_when_something_behind_the_gate_starts() {
    let run = |id: &str, after: &[&str], command: &str| {
        let command = format!("echo {id} >> \"$EFFECTS\"; {command}");
        json!({ "id": id, "type": "shell", "depends_on": after, "config": { "shell": "sh", "command": command } })
    };
    let ask = |id: &str, bind: &[&str]| json!({ "id": id, "type": "print", "config": { "message": "look" }, "approval": { "bind": bind } });
    let mut project = Project::with_workflow(&json!({ "name": "gated", "steps": [
        ask("one", &[]), ask("two", &["f"]),
        run("writes", &["one"], "echo 2 > f"),
        run("deploy", &["two", "writes"], "echo 3 > f"),
        run("again", &["deploy"], "cat f")
    ] }));
    let effects_file = project.join("effects").display().to_string();
    project.env("EFFECTS", effects_file).env("USER", "alice").write("f", "1\n");
    project.shiro("run").exits(0);
    let outcome = project.shiro("run").exits(6).says("what was approved after `two` is not what is there now");
    outcome.says("bound file `f` is different").says("-accept-changes");
    assert_eq!(effects(&project), ["writes"]);
    project.shiro("run").exits(6).says("~ bound file `f` is different");
    project.write("f", "1\n");
    // What is behind the gate may write to it.
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["writes", "deploy", "again"]);
}

#[test]
fn a_bound_file_that_is_missing_is_not_approved() {
    let project = project(&json!({ "bind": ["k8s/production.yaml"] }));
    project.shiro("run").exits(6).says("bound to `k8s/production.yaml`, which is not there");
    project.write("k8s/production.yaml", "x");
    project.shiro("run").exits(0).says("waits for approval");
    assert_eq!(effects(&project), ["build"]);
}

#[test]
fn the_workflow_and_the_policy_are_approved_too() {
    let project = project(&json!({}));
    let policy = |methods: &str| {
        project.write(".shiro/policy.json", &format!(r#"{{ "version": 1, "types": {{ "x": {{ "network": [{{ "url": "https://api.example.com", "methods": ["{methods}"] }}] }} }} }}"#));
    };
    policy("GET");
    project.shiro("run").exits(0);
    policy("POST");
    project.shiro("run").exits(6).says("~ policy `the repository's` is different");
    policy("GET");

    let mut changed = workflow(&json!({}));
    changed["steps"][2]["config"]["command"] = json!("echo evil >> \"$EFFECTS\"");
    project.write(".shiro/workflow.json", &changed.to_string());
    for verb in ["run", "approve gate"] {
        project.shiro(verb).exits(6).says("~ step `deploy` is different");
    }
    // Unlike with `pause`, the one who accepts changes does not approve them by that.
    project.shiro("run -accept-changes").exits(0).says("is asked for again");
    assert_eq!(effects(&project), ["build"]);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "evil"]);
    project.shiro("audit").exits(0).says("changes were accepted").says("by alice (unverified, from USER)");
    project.shiro("audit verify").exits(0);
}

#[test]
fn an_open_gate_closes_when_what_is_behind_it_changes() {
    let project = project(&json!({}));
    let mut failing = workflow(&json!({}));
    failing["steps"][2]["config"]["command"] = json!("exit 7");
    project.write(".shiro/workflow.json", &failing.to_string());
    project.shiro("run").exits(0);
    project.shiro("run").exits(1);
    // The approval holds for going on with what was approved, and for nothing else.
    project.shiro("run").exits(1);
    project.write(".shiro/workflow.json", &workflow(&json!({})).to_string());
    project.shiro("run").exits(6).says("~ step `deploy` is different");
    project.shiro("run -accept-changes").exits(0).says("is asked for again");
    assert_eq!(effects(&project), ["build"]);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
}

#[test]
fn accepting_changes_can_not_change_who_approves() {
    let project = project(&json!({ "approvers": ["bob"] }));
    project.shiro("run").exits(0);
    for weaker in
        [json!({}), json!({ "approvers": ["alice"] }), json!({ "approvers": ["bob"], "allow_unverified": true })]
    {
        project.write(".shiro/workflow.json", &workflow(&weaker).to_string());
        project.shiro("run -accept-changes").exits(6).says("can't change who has to approve");
    }
    let mut without = workflow(&json!({}));
    without["steps"][1].as_object_mut().expect("a step").remove("approval");
    project.write(".shiro/workflow.json", &without.to_string());
    project.shiro("run -accept-changes").exits(6).says("can't change who has to approve");
    assert_eq!(effects(&project), ["build"]);
}

/// The steps with this change: of the gated workflow, whose third step deploys.
fn changed(approval: &Value, change: impl FnOnce(&mut Vec<Value>)) -> String {
    let mut workflow = workflow(approval);
    change(workflow["steps"].as_array_mut().expect("steps"));
    workflow.to_string()
}

#[test]
fn accepting_changes_takes_no_step_from_behind_a_gate() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    let accept = |change: &dyn Fn(&mut Vec<Value>)| {
        project.write(".shiro/workflow.json", &changed(&json!({}), change));
        project.shiro("run -accept-changes")
    };
    let held_back = "the approval after `gate` would not hold back `deploy` any more";
    accept(&|steps| steps[2]["depends_on"] = json!(["build"])).exits(6).says(held_back);
    // What may run after a refusal, nothing holds back for good.
    accept(&|steps| steps[2]["if"] = json!("rejected() || true")).exits(6).says(held_back);
    let other = |after: &str| {
        let command = "echo other >> \"$EFFECTS\"";
        json!({ "id": "other", "type": "shell", "depends_on": [after], "config": { "shell": "sh", "command": command } })
    };
    accept(&|steps| steps.push(other("build"))).exits(6).says("`other` is new").says("would hold it back");
    assert_eq!(effects(&project), ["build"]);
    // Behind the gate it waits for an approval like the rest.
    accept(&|steps| steps.push(other("gate"))).exits(0).says("is asked for again");
    assert_eq!(effects(&project), ["build"]);
    project.shiro("run -jobs 1").exits(0);
    assert_eq!(effects(&project), ["build", "deploy", "other"]);
}

#[test]
fn accepting_changes_does_not_change_what_comes_of_a_refusal() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    shiro(&project, &["reject", "gate", "-reason", "no"]).exits(0);
    let deploys_all_the_same = changed(&json!({}), |steps| steps[2]["if"] = json!("rejected()"));
    project.write(".shiro/workflow.json", &deploys_all_the_same);
    project.shiro("run -accept-changes").exits(6).says("can't change what comes of that");
    assert_eq!(effects(&project), ["build"]);
    project.write(".shiro/workflow.json", &workflow(&json!({})).to_string());
    project.shiro("run").exits(6);
    assert_eq!(effects(&project), ["build", "undo"]);
}

#[test]
fn rework_does_not_change_who_approves_either() {
    let project = project(&json!({ "approvers": ["bob"] }));
    project.shiro("run").exits(0);
    shiro(&project, &["rework", "gate", "-note", "look again"]).exits(0);
    project.write(".shiro/workflow.json", &workflow(&json!({})).to_string());
    project.shiro("run -accept-changes").exits(6).says("can't change who has to approve");
    let beside = changed(&json!({ "approvers": ["bob"] }), |steps| steps[2]["depends_on"] = json!(["build"]));
    project.write(".shiro/workflow.json", &beside);
    project.shiro("run -accept-changes").exits(6).says("would not hold back `deploy`");
    // Nor who vouches for approvers.
    project.write(".shiro/workflow.json", &workflow(&json!({ "approvers": ["bob"] })).to_string());
    let policy = |issuers: Value| json!({ "version": 1, "types": {}, "identity": { "issuers": issuers } }).to_string();
    project.write(".shiro/policy.json", &policy(json!([{ "url": "https://evil.example", "provider": "gitlab" }])));
    project.shiro("run").exits(6).says("can't change who has to approve");
    fs::remove_file(project.join(".shiro/policy.json")).expect("a policy");
    project.shiro("run").exits(0).says("waits for approval: 1 approval, by bob");
    assert_eq!(effects(&project), ["build"]);
}

#[test]
fn accepting_changes_can_not_change_who_vouches_for_approvers() {
    let project = project(&json!({ "approvers": ["bob"] }));
    let trust = |url: &str| {
        let policy =
            json!({ "version": 1, "types": {}, "identity": { "issuers": [{ "url": url, "provider": "gitlab" }] } });
        project.write(".shiro/policy.json", &policy.to_string());
    };
    trust("https://gitlab.example.com");
    project.shiro("run").exits(0);
    trust("https://gitlab.example.org");
    project.shiro("run").exits(6).says("~ whom the policies trust to say who someone is");
    project.shiro("run -accept-changes").exits(6).says("can't change who has to approve");
    project.shiro("approve gate").exits(6);
    assert_eq!(effects(&project), ["build"]);
}

#[test]
fn a_form_is_filled_in_and_later_steps_have_it() {
    let mut workflow = workflow(&json!({ "form": {
        "type": "object", "required": ["ticket"], "additionalProperties": false,
        "properties": { "ticket": { "type": "string", "pattern": "^CHG-[0-9]+$" }, "replicas": { "type": "integer" } }
    } }));
    workflow["steps"][2]["config"]["command"] = json!(
        "echo {{approval.gate.form.ticket}} {{approval.gate.form.replicas}} {{approval.gate.reason}} >> \"$EFFECTS\""
    );
    let mut project = Project::with_workflow(&workflow);
    let effects_file = project.join("effects").display().to_string();
    project.env("EFFECTS", effects_file).env("USER", "alice").env("API_TOKEN", "CHG-12345678");
    project.shiro("run").exits(0);
    project.shiro("run").exits(6).says("needs `ticket`").says("shiro approve gate -form ticket=...");
    shiro(&project, &["approve", "gate"]).exits(6).says("needs `ticket`");
    shiro(&project, &["approve", "gate", "-form", "ticket=12"]).exits(6).says("`ticket`");
    shiro(&project, &["approve", "gate", "-form", "tiket=CHG-1"]).exits(2).says("did you mean `ticket`?");
    shiro(&project, &["approve", "gate", "-form", "ticket=CHG-1", "-form", "replicas=many"]).exits(2).says("replicas");
    shiro(&project, &["approve", "gate", "-form", "ticket=CHG-12345678"]).exits(2).says("secret");
    let filled = ["approve", "gate", "-form", "ticket=CHG-1", "-form", "replicas=3", "-reason", "$(id) CHG-12345678"];
    shiro(&project, &filled).exits(0);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "CHG-1 3 $(id) ***"], "values never become code, and secrets are masked");
}

#[test]
fn rework_does_a_step_and_what_comes_after_it_again() {
    let mark = |text: &str| json!({ "shell": "sh", "command": format!("echo {text} >> \"$EFFECTS\"") });
    let mut project = Project::with_workflow(&json!({ "name": "gated", "steps": [
        { "id": "fetch", "type": "shell", "config": mark("fetch") },
        { "id": "first-gate", "type": "print", "depends_on": ["fetch"], "approval": {}, "config": { "message": "1" } },
        { "id": "draft", "type": "shell", "depends_on": ["first-gate"], "config": mark("draft:{{rework.note}}:{{rework.count}}") },
        { "id": "aside", "type": "shell", "depends_on": ["fetch"], "config": mark("aside") },
        { "id": "gate", "type": "print", "depends_on": ["draft"], "approval": {}, "config": { "message": "2" } },
        { "id": "publish", "type": "shell", "depends_on": ["gate", "aside"], "config": mark("publish") }
    ] }));
    let file = project.join("effects").display().to_string();
    project.env("EFFECTS", file).env("USER", "alice");
    project.shiro("run -jobs 1").exits(0);
    project.shiro("run -jobs 1").exits(0);
    project.shiro("approve gate").exits(0);
    shiro(&project, &["rework", "publish", "-note", "x"]).exits(6).says("has not been done yet");
    shiro(&project, &["rework", "drfat", "-note", "x"]).exits(6).says("there is no step `drfat`");
    shiro(&project, &["rework", "draft", "-note", "shorter, please"]).exits(0).says("and so gate");
    // The approval of what is to be done again is void, that before it holds.
    project.shiro("run -jobs 1").exits(0).says("waits for approval");
    assert_eq!(effects(&project), ["fetch", "aside", "draft::0", "draft:shorter, please:1"]);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project)[4..], ["publish"]);
    shiro(&project, &["rework", "draft", "-note", "again"]).exits(6).says("the run is over");
    project.shiro("audit").exits(0).says("note: shorter, please").says("gate: approval requested");
    project.shiro("audit verify").exits(0).says("holds (3 decisions)");
}

#[test]
fn what_is_done_again_is_approved_again_where_not_anybody_may_at_any_time() {
    let named = json!({ "approvers": ["bob"], "allow_unverified": true });
    for approval in [named, json!({ "expires": "1h" })] {
        let mut failing = workflow(&approval);
        let command = "echo last >> \"$EFFECTS\"; exit 1";
        let last = json!({ "id": "last", "type": "shell", "depends_on": ["deploy"], "config": { "shell": "sh", "command": command } });
        failing["steps"].as_array_mut().expect("steps").push(last);
        let mut project = project(&approval);
        project.write(".shiro/workflow.json", &failing.to_string());
        project.shiro("run").exits(0);
        as_user(&mut project, "bob").shiro("run").exits(1);
        // To try again what failed is what was approved; to deploy once more is not.
        as_user(&mut project, "mallory").shiro("run").exits(1);
        assert_eq!(effects(&project), ["build", "deploy", "last", "last"]);
        shiro(&project, &["rework", "deploy", "-note", "once more"])
            .exits(0)
            .says("gate: approved for the first round only");
        project.shiro("run").exits(0).says("waits for approval");
        assert_eq!(effects(&project).len(), 4);
        as_user(&mut project, "bob").shiro("run").exits(1);
        assert_eq!(effects(&project)[4..], ["deploy", "last"]);
        project.shiro("audit verify").exits(0).says("holds (2 decisions)");
    }
}

#[test]
fn the_same_job_approves_nothing_however_often_it_is_started() {
    let mut project = project(&json!({}));
    let in_job = |project: &mut Project, name: &str| {
        project.env("CI_JOB_NAME", name).env("CI_PIPELINE_ID", "7").env("CI_PROJECT_ID", "1");
    };
    in_job(&mut project, "first");
    project.shiro("run").exits(0);
    for _ in 0..2 {
        project.shiro("run").exits(0).says("still paused");
    }
    assert_eq!(effects(&project), ["build"]);
    in_job(&mut project, "second");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
}

#[test]
fn a_job_that_worked_on_the_run_before_approves_no_later_gate() {
    let mut project = Project::with_workflow(&json!({ "name": "two", "steps": [
        { "id": "one", "type": "print", "pause": true, "config": { "message": "1" } },
        { "id": "two", "type": "print", "pause": true, "depends_on": ["one"], "config": { "message": "2" } },
        { "id": "end", "type": "print", "depends_on": ["two"], "config": { "message": "the end" } }
    ] }));
    project.env("CI_PIPELINE_ID", "7");
    for (job, ends) in [("first", false), ("second", false), ("first", false), ("second", false), ("third", true)] {
        project.env("CI_JOB_NAME", job);
        let ran = project.shiro("run").exits(0);
        assert_eq!(ran.stdout.contains("the end"), ends, "{job}: {}", ran.stdout);
    }
}

#[test]
fn a_forged_journal_does_not_hold() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    project.shiro("run").exits(0);
    project.shiro("audit verify").exits(0).says("holds (1 decision)");
    let (name, journal) = project.journals().into_iter().next().expect("a journal");
    let path = project.join(format!(".shiro/state/{name}"));
    for (index, _) in journal.lines().enumerate().filter(|(_, line)| line.contains("approval")) {
        // Whatever of the approval is changed or taken out, the chain says so.
        let without: String =
            journal.lines().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| format!("{line}\n")).collect();
        fs::write(&path, without).expect("write");
        project.shiro("audit verify").exits(6).says("DOES NOT HOLD");
        project.shiro("audit").exits(6).says("unreadable");
    }
    fs::write(&path, journal.replace("\"by\":\"alice\"", "\"by\":\"admin\"")).expect("write");
    project.shiro("audit verify").exits(6).says("DOES NOT HOLD");
    project.shiro("run").exits(6);
}

#[test]
fn the_record_is_there_for_machines() {
    let project = project(&json!({ "expires": "1h", "bind": ["f"] }));
    project.write("f", "x");
    project.shiro("run").exits(0);
    let waiting = status(&project);
    let gate = &waiting["gates"][0];
    assert_eq!((&gate["step"], &gate["standing"], &gate["missing"]), (&json!("gate"), &json!("waiting"), &json!(1)));
    assert!(gate["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{gate}");
    project.shiro("approve gate").exits(0);
    let audit = project.shiro("audit -json gated").exits(0);
    let audit: Value = serde_json::from_str(&audit.stdout).expect("JSON");
    let entries = audit["runs"][0]["entries"].as_array().expect("entries");
    let events: Vec<&str> = entries.iter().filter_map(|entry| entry["event"].as_str()).collect();
    assert_eq!(events, ["run_started", "approval_requested", "approval_decided"]);
    assert_eq!(entries[1]["request"]["id"], entries[2]["request"]);
    assert_eq!(entries[1]["request"]["guards"], json!(["deploy"]));
    let verified = project.shiro("audit verify -json").exits(0);
    let verified: Value = serde_json::from_str(&verified.stdout).expect("JSON");
    assert_eq!((&verified["runs"][0]["holds"], &verified["runs"][0]["decisions"]), (&json!(true), &json!(1)));
    project.shiro("audit nothing").exits(6).says("there are: gated");
}

#[test]
fn always_does_not_open_a_gate() {
    let mark = |id: &str| json!({ "shell": "sh", "command": format!("echo {id} >> \"$EFFECTS\"") });
    let mut project = Project::with_workflow(&json!({ "name": "gated", "steps": [
        { "id": "gate", "type": "print", "approval": {}, "config": { "message": "look" } },
        { "id": "deploy", "type": "shell", "depends_on": ["gate"], "if": "always()", "config": mark("deploy") },
        { "id": "tell", "type": "shell", "if": "rejected()", "config": mark("tell:{{env.USER}}") },
        { "id": "last", "type": "shell", "if": "always()", "config": mark("last") },
        { "id": "fine", "type": "shell", "if": "success()", "config": mark("fine") }
    ] }));
    let file = project.join("effects").display().to_string();
    project.env("EFFECTS", file).env("USER", "alice");
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), [""; 0]);
    shiro(&project, &["reject", "gate", "-reason", "no"]).exits(0);
    project.shiro("run -jobs 1").exits(6);
    assert_eq!(effects(&project), ["tell:alice", "last"]);
}

#[test]
fn what_a_workflow_says_of_an_approval_is_checked() {
    let problems = |approval: Value| Project::with_workflow(&workflow(&approval)).shiro("validate").exits(2);
    problems(json!({ "required": 0 })).says("`required` is a whole number from 1");
    problems(json!({ "required": 3, "approvers": ["a", "b"] })).says("3 people are required, but only 2 may approve");
    problems(json!({ "approvers": [] })).says("at least one");
    problems(json!({ "approvers": ["a@example.com"] })).says("neither a login nor");
    problems(json!({ "expires": 0 })).says("in which someone can decide");
    problems(json!({ "expires": "1d", "on_expire": "approve" })).says("never given by waiting");
    problems(json!({ "form": { "type": "string" } })).says("JSON Schema of an object");
    problems(json!({ "form": { "type": "object", "properties": { "a": { "type": "strin" } } } }))
        .says("not a JSON Schema");
    problems(json!({ "bind": ["../secrets"] })).says("lies within the project");
    problems(json!({ "bind": ["{{env.X}}"] })).says("written out");
    problems(json!({ "bind": [".shiro/state/data"] })).says("changes with every step");
    problems(json!({ "aprovers": ["a"] })).says("did you mean `approvers`?");
    problems(json!(true)).says("`approval` is an object");
    let project = Project::with_workflow(&json!({ "name": "w", "steps": [
        { "id": "a", "type": "print", "config": { "message": "{{rework.notes}}" } }
    ] }));
    project.shiro("validate").exits(2).says("`rework` has only `note`");
}

#[test]
fn an_answer_can_name_the_request_it_is_for() {
    let project = project(&json!({ "bind": ["f"] }));
    project.write("f", "1");
    project.shiro("run").exits(0).says("gate: `shiro approve gate`");
    let request = |project: &Project| status(project)["gates"][0]["request"].as_str().expect("an id").to_owned();
    let seen = request(&project);
    project.write("f", "2");
    project.shiro("run -accept-changes").exits(0);
    shiro(&project, &["approve", "gate", "-request", &seen]).exits(6).says("asks for another approval");
    let anew = request(&project);
    assert_ne!(seen, anew);
    shiro(&project, &["approve", "gate", "-request", &anew]).exits(0);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
}

#[test]
fn decisions_are_kept_with_the_state_key_and_encrypted() {
    let mut project = project(&json!({}));
    project.env("SHIRO_STATE_KEY", "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
    project.shiro("run -state-encrypt").exits(0);
    project.env("SHIRO_STATE_KEY", "");
    shiro(&project, &["approve", "gate", "-reason", "private"]).exits(6).says("-state-key");
    project.env("SHIRO_STATE_KEY", "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
    shiro(&project, &["approve", "gate", "-reason", "private"]).exits(0);
    assert!(project.journals().values().all(|journal| !journal.contains("private")), "decisions are encrypted too");
    project.shiro("audit").exits(0).says("reason: private");
    project.shiro("run -no-approve").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
    project.shiro("audit verify").exits(0).says("holds (1 decision)");
}

#[test]
fn what_humans_wrote_forges_nothing_in_a_log() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    let reason = "no\nreview: approved by admin\n::error::x\u{1b}[2J";
    for shown in [
        shiro(&project, &["reject", "gate", "-reason", reason]).exits(0),
        project.shiro("status gated").exits(0),
        project.shiro("audit").exits(0),
        project.shiro("run").exits(6),
        project.shiro("run").exits(6),
    ] {
        let forged = |line: &str| line.starts_with("review:") || line.starts_with("::") || line.contains('\u{1b}');
        assert!(!shown.stdout.lines().chain(shown.stderr.lines()).any(forged), "{}", shown.all());
    }
}

#[test]
fn a_run_that_was_killed_takes_no_decision_until_it_has_paused_again() {
    let project = project(&json!({}));
    project.shiro("run").exits(0);
    let (name, journal) = project.journals().into_iter().next().expect("a journal");
    // Without its seal, as a kill just before it leaves it.
    let lines: Vec<&str> = journal.lines().collect();
    let unsealed: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    fs::write(project.join(format!(".shiro/state/{name}")), unsealed).expect("write");
    project.shiro("approve gate").exits(6).says("nothing is decided on it");
    project.shiro("run").exits(0).says("a start after a crash approves nothing");
    assert_eq!(effects(&project), ["build"]);
    project.shiro("approve gate").exits(0);
    project.shiro("run").exits(0);
    assert_eq!(effects(&project), ["build", "deploy"]);
}

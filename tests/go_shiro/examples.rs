//! Its example files, as they are called in its documentation, against stand-ins of all services that they ask.

use serde_json::{Value, json};

use super::{file, output};
use crate::support::Project;
use crate::support::forge::{Forge, none};
use crate::support::git::ZERO;
use crate::support::http::Server;
use crate::support::models::Models;

const HOOK: &str = "/services/T000/B000/the-secret-part";
const KEY: &str = "sk-0123456789abcdef";
const TOKEN: &str = "a-token-of-the-forge";

/// What the model says in reviews: two lines that the stand-ins' changes have, and words around them.
const REVIEW: &str =
    "I found this:\n\nsrc/a.rs:2 - `2` says <nothing> & less\nsrc/a.rs:4: three is a crowd\n\nThat is all.";

/// The services that the examples ask.
struct Services {
    slack: Server,
    models: Models,
    forge: Forge,
}

impl Services {
    fn start(forge: Forge, content: &str) -> Self {
        Self { slack: Server::slack(), models: Models::saying(content), forge }
    }

    /// A repository with an example in `examples/`, the models' settings where `config` says, and a change on a branch.
    fn project(&self, example: &str, config: &str) -> Project {
        let mut project = Project::repository();
        let base = project.git(&["rev-parse", "HEAD"]);
        project.git(&["update-ref", "refs/remotes/origin/main", &base]);
        project.git(&["checkout", "--quiet", "-b", "feature"]);
        project.commit("src/a.rs", "one\n2\n2b\nthree\n", "Say more");
        project.write(format!("examples/{example}.json"), &file(&format!("examples/{example}.json")));
        project.write(config, &file("models.yaml").replace("SERVICE", &self.models.server.url("")));
        project.envs([
            ("SLACK_WEBHOOK_URL", self.slack.url(HOOK)),
            ("OPENAI_API_KEY", KEY.to_owned()),
            ("CI", "true".to_owned()),
        ]);
        project
    }

    /// The same in a job of a merge request.
    fn gitlab(&self, example: &str, config: &str) -> Project {
        let mut project = self.project(example, config);
        let (base, head) = (project.git(&["rev-parse", "main"]), project.git(&["rev-parse", "HEAD"]));
        project.envs([
            ("GITLAB_CI", "true"),
            ("CI_SERVER_URL", &self.forge.server.url("")),
            ("CI_API_V4_URL", &self.forge.server.url("/api/v4")),
            ("CI_PROJECT_ID", "17"),
            ("CI_PROJECT_PATH", "group/name"),
            ("CI_PIPELINE_ID", "4711"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &base),
            ("CI_COMMIT_SHA", &head),
            ("CI_COMMIT_BEFORE_SHA", ZERO),
            ("CI_COMMIT_REF_NAME", "feature"),
            ("CI_JOB_NAME", "review"),
            ("GITLAB_TOKEN", TOKEN),
        ]);
        project
    }

    /// The same in a job of a pull request.
    fn github(&self, example: &str, config: &str) -> Project {
        let mut project = self.project(example, config);
        let head = project.git(&["rev-parse", "HEAD"]);
        project.envs([
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", &self.forge.server.url("")),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_REF", "refs/pull/7/merge"),
            ("GITHUB_REF_NAME", "7/merge"),
            ("GITHUB_SHA", &head),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_REPOSITORY_OWNER", "acme"),
            ("GITHUB_TOKEN", TOKEN),
        ]);
        project
    }

    /// The messages that Slack got, each of which went to the webhook.
    #[track_caller]
    fn messages(&self) -> Vec<Value> {
        let received = self.slack.received();
        for one in &received {
            assert_eq!(one.line(), format!("POST {HOOK}"));
            assert_eq!(one.header("content-type"), "application/json");
        }
        received.iter().map(crate::support::http::Received::json).collect()
    }
}

/// Text as Slack wants it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Runs with no secret shown.
#[track_caller]
fn runs(project: &Project, command: &str) -> crate::support::Outcome {
    let outcome = project.shiro(command).exits(0);
    outcome.does_not_say("the-secret-part").does_not_say(KEY).does_not_say(TOKEN)
}

/// The diff of the change, which the step has found.
#[track_caller]
fn diff(project: &Project, step: &str) -> String {
    let output = output(project, step);
    assert_eq!((&output["success"], &output["target"]), (&json!(true), &json!(project.git(&["rev-parse", "HEAD"]))));
    assert_eq!(output["base"], json!(project.git(&["rev-parse", "main"])));
    let diff = output["diff"].as_str().expect("text").to_owned();
    assert!(
        diff.starts_with("diff --git a/src/a.rs b/src/a.rs\n") && diff.ends_with("+one\n+2\n+2b\n+three\n"),
        "{diff}"
    );
    diff
}

/// What Ollama is asked: settings and step together.
fn ollama(model: &str, system: &str, prompt: &str, temperature: f64, max_tokens: u32) -> Value {
    json!({
        "model": model, "stream": false,
        "messages": [{ "role": "system", "content": system }, { "role": "user", "content": prompt }],
        "options": { "temperature": temperature, "num_predict": max_tokens }
    })
}

const REVIEWER: &str = "You review code, and say what is wrong and how to mend it.";

#[test]
fn print_example_and_simple_test() {
    let project = Project::new();
    for name in ["print-example", "simple-test"] {
        project.write(format!("examples/{name}.json"), &file(&format!("examples/{name}.json")));
    }
    let shown = project.shiro("run examples/print-example.json -jobs 1").exits(0).stdout;
    let lines = [
        "print_basic | [info] As usual: Good morning",
        "print_debug | [debug] Only for the curious",
        "print_warning | [warning] Look out",
        "print_error | [error] It broke",
        "print_json | {\"level\":\"info\",\"message\":\"For machines\"}",
    ];
    for line in lines {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert_eq!(
        output(&project, "print_warning"),
        json!({ "printed": true, "message": "Look out", "level": "warning", "status": "success" })
    );
    // Without the verb, as its documentation has it too.
    project.shiro("examples/simple-test.json").exits(0).says("test_complete | [info] ends");
    project.shiro("run -workflow examples/simple-test.json").exits(0).says("finished already");
}

#[test]
fn the_approval_asks_pauses_and_goes_on() {
    let services = Services::start(Forge::gitlab(none), "");
    let mut project = services.gitlab("approval-workflow", "configs/models.yaml");
    project.env("CI_JOB_NAME", "deploy");
    runs(&project, "run -workflow examples/approval-workflow.json -state-store gitlab -fresh")
        .says("production can be deployed to.")
        .does_not_say("Deploying to production.");
    let server = services.forge.server.url("");
    let text = "May production be deployed to? Start the manual job to say yes.";
    let asks = json!({
        "channel": "#deployments", "text": text, "username": "Deployer", "icon_emoji": ":rocket:",
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": text } },
            { "type": "actions", "elements": [{
                "type": "button", "text": { "type": "plain_text", "text": "Look at it" }, "url": format!("{server}/17/-/pipelines/4711")
            }] }
        ]
    });
    assert_eq!(services.messages(), std::slice::from_ref(&asks));
    project.env("CI_JOB_NAME", "resume");
    runs(&project, "run -workflow examples/approval-workflow.json -state-store gitlab")
        .says("Deploying to production.");
    let tells = json!({
        "channel": "#deployments", "text": "production is deployed.", "username": "Deployer", "icon_emoji": ":rocket:"
    });
    assert_eq!(services.messages(), [asks, tells]);
    assert_eq!(
        output(&project, "notify_success"),
        json!({ "sent": true, "channel": "#deployments", "message": "production is deployed.", "gitlab_pipeline_url": "", "status": 200 })
    );
}

#[test]
fn the_conditional_approval_asks_a_model_on_both_sides_of_the_pause() {
    let services = Services::start(Forge::gitlab(none), "Less <b>code</b> & more tests.");
    let mut project = services.gitlab("conditional-approval-workflow", "configs/models.yaml");
    project.env("CI_JOB_NAME", "deploy");
    let command = "run examples/conditional-approval-workflow.json -config configs/models.yaml";
    runs(&project, command);
    let question = |prompt: &str| json!({ "model": "gpt-4", "messages": [{ "role": "user", "content": prompt }] });
    assert_eq!(services.models.questions(), [question("What was changed, in a sentence?")]);
    let asked = &services.models.server.received()[0];
    assert_eq!(
        (asked.line().as_str(), asked.header("authorization")),
        ("POST /v1/chat/completions", format!("Bearer {KEY}").as_str())
    );
    let text = escaped("Is this right: Less <b>code</b> & more tests.");
    let messages = services.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (&messages[0]["text"], &messages[0]["username"], &messages[0]["icon_emoji"]),
        (&json!(text), &json!("Shiro"), &json!(":robot_face:"))
    );
    let button = &messages[0]["blocks"][1]["elements"][0];
    assert_eq!(button["url"], format!("{}/group/name/-/pipelines/4711", services.forge.server.url("")));
    project.env("CI_JOB_NAME", "resume");
    services.models.says("Now it is long.");
    runs(&project, command);
    assert_eq!(services.models.questions()[1..], [question("Now at length.")]);
    assert_eq!(services.messages()[1]["text"], "Someone agreed. Now it is long.");
    let usage = json!({ "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5 });
    let answered = output(&project, "ai_final");
    assert_eq!((&answered["content"], &answered["usage"]), (&json!("Now it is long."), &usage));
}

#[test]
fn the_merge_request_is_reviewed_and_slack_told() {
    let services = Services::start(Forge::gitlab(none), REVIEW);
    // Neither file is named: `.shiro/workflow.json` and `configs/models.yaml` are found.
    let project = services.gitlab("mr-review", "configs/models.yaml");
    project.write(".shiro/workflow.json", &file("examples/mr-review.json"));
    runs(&project, "run");
    let diff = diff(&project, "get_diff");
    let prompt = format!("What is wrong with these changes?\n\n{diff}");
    assert_eq!(services.models.questions(), [ollama("codellama:34b", REVIEWER, &prompt, 0.3, 2000)]);
    assert_eq!(services.models.server.received()[0].line(), "POST /api/chat");
    assert_eq!(
        services.messages(),
        [json!({
            "channel": "#code-review", "username": "Reviewer", "icon_emoji": ":robot_face:",
            "text": escaped(&format!("Project 17, !7 was reviewed:\n\n{REVIEW}"))
        })]
    );
}

#[test]
fn pull_requests_are_reviewed_line_by_line() {
    for (example, tells) in [("github-mr-review", true), ("github-pr-review-inline", false)] {
        let services = Services::start(Forge::github(none), REVIEW);
        let mut project = services.github(example, "configs/models.yaml");
        if tells {
            project.env("GITHUB_PR_NUMBER", "7");
        }
        // As its workflow for GitHub calls it, without the verb.
        runs(
            &project,
            &format!("-workflow examples/{example}.json -config configs/models.yaml -state-store filesystem"),
        );
        let diff = diff(&project, "get_diff");
        let prompt = format!(
            "What is wrong with these changes?\n\n{diff}\n\nWrite a line for each: 'path/to/file.go:42 - what is wrong'"
        );
        assert_eq!(services.models.questions(), [ollama("codellama:34b", REVIEWER, &prompt, 0.3, 2000)]);
        let reviews = services.forge.asked("POST", "/repos/acme/app/pulls/7/reviews");
        assert_eq!(reviews.len(), 1, "{example}");
        assert_eq!(reviews[0].header("authorization"), format!("Bearer {TOKEN}"));
        let review = reviews[0].json();
        assert_eq!((&review["event"], &review["commit_id"]), (&json!("COMMENT"), &json!("e".repeat(40))));
        let comments: Vec<(Value, Value, Value)> = review["comments"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| (one["path"].clone(), one["line"].clone(), one["side"].clone()))
            .collect();
        let at = |line: u32| (json!("src/a.rs"), json!(line), json!("RIGHT"));
        assert_eq!(comments, [at(2), at(4)]);
        let body = |index: usize| review["comments"][index]["body"].as_str().expect("text").to_owned();
        assert!(body(0).starts_with("`2` says <nothing> & less\n\n<!-- shiro:"), "{}", body(0));
        assert!(body(1).starts_with("three is a crowd\n\n<!-- shiro:"), "{}", body(1));
        let posted = output(&project, "post_inline_comments");
        assert_eq!((&posted["posted_count"], &posted["skipped_count"]), (&json!(2), &json!(0)));
        let messages = services.messages();
        assert_eq!(messages.len(), usize::from(tells));
        if tells {
            assert_eq!(messages[0]["text"], escaped(&format!("acme/app #7 was reviewed:\n\n{REVIEW}")));
        }
    }
}

#[test]
fn an_input_whose_variable_is_missing_is_an_error_only_where_it_is_used() {
    let services = Services::start(Forge::github(none), REVIEW);
    let project = services.github("github-mr-review", ".shiro/config.yaml");
    project
        .shiro("run examples/github-mr-review.json")
        .exits(2)
        .says("the default of the input `pr_number`: environment variable `GITHUB_PR_NUMBER` is not set")
        .says("set it in the job");
    assert!(services.models.questions().is_empty(), "nothing was started");
}

#[test]
fn pushes_are_told_of() {
    for (example, forge, inputs) in [
        ("push-notification", Forge::gitlab(none), "Branch: feature"),
        ("github-push-notification", Forge::github(none), "Branch: 7/merge\nCommit: HEAD"),
    ] {
        let services = Services::start(forge, "A line more.");
        let is_github = example.starts_with("github");
        let project = match is_github {
            true => services.github(example, "configs/models.yaml"),
            false => services.gitlab(example, "configs/models.yaml"),
        };
        runs(&project, &format!("run -workflow examples/{example}.json -config configs/models.yaml"));
        let changes = output(&project, "get_changes");
        assert_eq!((&changes["files"], &changes["count"]), (&json!(["src/a.rs"]), &json!(1)));
        let inputs = inputs.replace("HEAD", &project.git(&["rev-parse", "HEAD"]));
        let prompt = format!("Files: [\"src/a.rs\"]\n{inputs}");
        assert_eq!(
            services.models.questions(),
            [ollama("llama3:8b", "You tell a team what is new.", &prompt, 0.5, 500)]
        );
        let text = if is_github { "acme/app, 7/merge:\n\nA line more." } else { "feature:\n\nA line more." };
        let message =
            json!({ "channel": "#deployments", "text": text, "username": "Push Bot", "icon_emoji": ":rocket:" });
        assert_eq!(services.messages(), [message]);
    }
}

#[test]
fn the_snippets_for_gitlab_comment_and_review() {
    let json = r#"[{"file": "src/a.rs", "line": 2, "comment": "as JSON"}]"#;
    for (example, step, content) in [
        ("gitlab-comment", "post-comment", REVIEW),
        ("gitlab-inline-text", "post-inline-comments", REVIEW),
        ("gitlab-inline-json", "post-inline-comments", json),
    ] {
        let services = Services::start(Forge::gitlab(none), content);
        let project = services.gitlab(example, ".shiro/config.yaml");
        runs(&project, &format!("run examples/{example}.json"));
        let prompt = format!("Review:\n{}", diff(&project, "diff"));
        let question = json!({ "model": "gpt-4", "messages": [{ "role": "user", "content": prompt }] });
        assert_eq!(services.models.questions(), [question], "{example}: the step's model goes before the settings'");
        let posted = match example {
            "gitlab-comment" => services.forge.asked("POST", "/api/v4/projects/17/merge_requests/7/notes"),
            _ => services.forge.asked("POST", "/api/v4/projects/17/merge_requests/7/discussions"),
        };
        assert!(posted.iter().all(|one| one.header("private-token") == TOKEN && one.header("job-token").is_empty()));
        let expected: &[&str] = match example {
            "gitlab-comment" => &[REVIEW],
            "gitlab-inline-text" => &["`2` says <nothing> & less", "three is a crowd"],
            _ => &["as JSON"],
        };
        assert_eq!(services.forge.texts(), expected, "{example}");
        let lines: Vec<Value> = posted.iter().map(|one| one.json()["position"]["new_line"].clone()).collect();
        match example {
            "gitlab-comment" => assert_eq!(lines, [Value::Null]),
            "gitlab-inline-text" => assert_eq!(lines, [2, 4]),
            _ => assert_eq!(lines, [2]),
        }
        assert_eq!(output(&project, step)["success"], true);
    }
}

#[test]
fn what_can_not_work_says_why() {
    let services = Services::start(Forge::gitlab(none), REVIEW);
    // `ai.generate` returns no `comments`; its documentation says so in one place, and not in the other.
    let documented = services.gitlab("gitlab-inline-json-as-documented", ".shiro/config.yaml");
    documented.shiro("run examples/gitlab-inline-json-as-documented.json").exits(2).says("comments").says("content");
    assert!(services.forge.texts().is_empty());
    // Its modules were programs.
    let jira = services.gitlab("jira", ".shiro/config.yaml");
    jira.shiro("run examples/jira.json").exits(2).says("there is no step type `jira`").says(".shiro/plugins/jira.wasm");
}

/// A project with one of its own tests' workflows.
fn fixture(name: &str) -> Project {
    let project = Project::new();
    project.write("w.json", &file(&format!("fixtures/{name}.json")));
    project
}

#[test]
fn the_workflows_of_its_own_tests() {
    fixture("simple-print-workflow")
        .shiro("run w.json")
        .exits(0)
        .says("[info] Good morning")
        .says("[info] All is well");
    fixture("quiet-mode-workflow").shiro("run w.json").exits(0).does_not_say("this");
    let quiet = fixture("quiet-mode-workflow").shiro("run w.json -dry-run").exits(0);
    for text in [
        "Dry Run Mode",
        "Workflow will be validated but not executed",
        "Execution Plan",
        "Quiet Mode: true",
        "Depends On",
        "Dry Run Complete",
    ] {
        assert!(quiet.stdout.contains(text), "{text}\n{}", quiet.stdout);
    }
    let pause = fixture("pause-workflow");
    pause.shiro("run w.json").exits(0).says("may it go on?").does_not_say("deploying");
    pause.shiro("run w.json").exits(0).says("[info] deploying");
    let mut variables = fixture("workflow-with-variables");
    variables.shiro("run w.json").exits(2).says("`TEST_VAR` is not set");
    variables.env("TEST_VAR", "from the job");
    variables
        .shiro("run w.json -fresh")
        .exits(0)
        .says("[info] from the job")
        .says("[info] default_value")
        .says(r#"[info] {"printed":true,"message":"first output","level":"info","status":"success"}"#);
    variables.shiro("run w.json -fresh -input test_input=given").exits(0).says("[info] given");
    // What it ignores in its own tests is named here.
    fixture("workflow-with-retry")
        .shiro("validate w.json")
        .exits(2)
        .says("`initial_delay`")
        .says("did you mean `delay`?");
    fixture("invalid-workflow")
        .shiro("validate w.json")
        .exits(2)
        .says("the workflow's name is empty")
        .says("`id` is missing");
}

#[test]
fn the_workflows_for_ci_of_its_own_tests() {
    let services = Services::start(Forge::gitlab(none), "Fine.");
    let project = services.gitlab("simple-test", ".shiro/config.yaml");
    project.write("w.json", &file("fixtures/valid-gitlab-ci-workflow.json"));
    runs(&project, "run w.json");
    diff(&project, "get-diff");
    assert_eq!(services.forge.texts(), ["Fine."]);
    // It calls this one valid: the operation is none of its own, and the expressions are another program's.
    project.write("w.json", &file("fixtures/github-actions-workflow.json"));
    project
        .shiro("validate w.json")
        .exits(2)
        .says("unknown name `github` in a template")
        .says("for text that is meant for another program, write")
        .says("did you mean \"post_comment\"?");
}

#[test]
fn its_ci_files_are_checked() {
    let check_text = |name: &str, text: &str| {
        let project = Project::new();
        project.write("pause-workflow.json", &file("fixtures/pause-workflow.json"));
        project.write(name, text);
        project.shiro(&format!("validate -workflow pause-workflow.json -ci {name}"))
    };
    let check = |name: &str| check_text(name, &file(&format!("fixtures/{name}")));
    check("valid.gitlab-ci.yml").exits(0).says("(GitLab CI)").says("0 errors");
    let without_needs = file("fixtures/valid.gitlab-ci.yml").replace("  needs:\n    - run-shiro\n", "");
    check_text("valid.gitlab-ci.yml", &without_needs).exits(0).says("(pause-resume-needs-dependency)");
    let gitlab = check("invalid.gitlab-ci.yml").exits(2);
    gitlab
        .says("(pause-needs-manual-resume)")
        .says("(state-store-gitlab-needs-artifact)")
        .says("(pause-initial-needs-fresh)")
        .says("2 errors");
    // One job that both begins and approves, and leaves no state: it can't go on.
    let one_job = check("valid-github-actions.yml").exits(2);
    one_job
        .says("(GitHub Actions)")
        .says("(no-initial-job)")
        .says("(pause-environment-protection-found)")
        .does_not_say("with one of \n");
    check("invalid-github-actions.yml")
        .exits(2)
        .says("(state-store-gitlab-wrong-platform)")
        .says("(pause-needs-environment-protection)");
}

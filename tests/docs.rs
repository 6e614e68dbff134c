//! What the documentation shows is what there is, and works.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::http::Server;
use crate::support::{Project, repository};

fn read(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code blocks of a language in a Markdown text.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_readme_shows_the_example_s_files() {
    let readme = read("README.md");
    let shown: Value = serde_json::from_str(&blocks(&readme, "json")[0]).expect("JSON");
    let example: Value = serde_json::from_str(&read("examples/approval/workflow.json")).expect("JSON");
    assert_eq!(shown, example);
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&blocks(&readme, "yaml")[0]), lines(&read("examples/approval/.gitlab-ci.yml")));
}

#[test]
fn the_step_that_the_readme_shows_builds_and_runs() {
    let shown = &blocks(&read("README.md"), "rust")[0];
    assert_eq!(read("tests/guests/src/greet.rs"), format!("//! The step that the README shows.\n\n{shown}"));
    let project = Project::with_workflow(&json!({ "name": "greet", "steps": [
        { "id": "greet", "type": "greet", "config": { "name": "World" } },
        { "id": "say", "type": "print", "depends_on": ["greet"], "config": { "message": "{{steps.greet.greeting}}" } }
    ] }));
    project.install_guest("greet", "greet");
    project.shiro("run").exits(0).says("Hello, World!");
    project.shiro("plugin inspect greet").exits(0).says("Who to greet.");
}

#[test]
fn every_workflow_in_the_documentation_is_valid() {
    for file in [
        "docs/workflow.md",
        "docs/approvals.md",
        "docs/data.md",
        "docs/steps/http.md",
        "docs/steps/gitlab.md",
        "examples/plugins/rust/README.md",
    ] {
        for text in blocks(&read(file), "json") {
            let project = Project::new();
            project.write(".shiro/workflow.json", &text);
            if file.contains("plugins") {
                project.install(&crate::support::guests::example_step(), "semver.bump");
            }
            project.shiro("validate").exits(0);
        }
    }
}

#[test]
fn every_policy_in_the_documentation_is_valid() {
    let workflow = json!({ "name": "w", "steps": [{ "id": "a", "type": "print", "config": { "message": "x" } }] });
    for text in ["docs/policy.md", "docs/identity.md"].iter().flat_map(|file| blocks(&read(file), "json")) {
        let project = Project::with_workflow(&workflow);
        project.write(".shiro/policy.json", &text);
        project.shiro("validate").exits(0);
    }
}

#[test]
fn every_example_workflow_is_valid() {
    let mut found = 0;
    for entry in fs::read_dir(repository().join("examples")).expect("read examples/") {
        let file = entry.expect("an entry").path().join("workflow.json");
        if file.exists() {
            found += 1;
            let project = Project::new();
            project.shiro_args(["validate".as_ref(), file.as_os_str()]).exits(0);
        }
    }
    assert!(found > 0);
}

#[test]
fn every_exit_code_of_the_readme_is_explained() {
    let explained = read("docs/exit-codes.md");
    for row in read("README.md").lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()) {
        let code = row.split('|').nth(1).expect("a column").trim();
        assert!(explained.contains(&format!("| {code} |")), "docs/exit-codes.md lacks {code}");
    }
}

#[test]
fn the_demonstration_runs() {
    let slack = Server::slack();
    let mut project = Project::new();
    let url = slack.url("/services/T/B/the-secret-part");
    project.env("SLACK_WEBHOOK_URL", &url).env("HOME", "/nonexistent");
    let output = project
        .command(repository().join("examples/approval/demo.sh"))
        .args([crate::support::SHIRO, "no-receiver-needed"])
        .output()
        .expect("the demonstration starts");
    crate::support::Outcome::of(output)
        .exits(0)
        .says("Preparing deployment...")
        .says("would run: kubectl apply -f k8s/production.yaml")
        .does_not_say("the-secret-part");
    assert_eq!(slack.received().len(), 2);
}

#[test]
fn every_test_that_the_differences_name_is_there() {
    let document = read("docs/differences-from-go-shiro.md");
    let (_, section) = document.split_once("\n## Tests\n").expect("the section");
    let names: Vec<(&str, &str)> = section.split('`').filter_map(|text| text.split_once("::")).collect();
    assert!(names.len() > 5, "{names:?}");
    for (file, name) in names {
        assert!(read(format!("tests/{file}.rs")).contains(&format!("\nfn {name}()")), "tests/{file}.rs has no {name}");
    }
}

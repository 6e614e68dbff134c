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
        "docs/email.md",
        "docs/steps/http.md",
        "docs/steps/wait.md",
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

/// Whether a source file has a test of this name: a function with `#[test]` right above it, other attributes between.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        line.strip_prefix("fn ").and_then(|line| line.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let mut places = lines.iter().enumerate().filter(|(_, line)| is_it(line));
    places.any(|(at, _)| {
        lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
    })
}

#[test]
fn every_fault_of_go_shiro_has_its_tests() {
    let document = read("docs/differences-from-go-shiro.md");
    let (_, section) = document.split_once("\n## Its faults\n").expect("the section");
    let rows: Vec<Vec<&str>> = section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with("| "))
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(numbers, (1..=56).map(|number| number.to_string()).collect::<Vec<_>>());
    for row in rows {
        assert!(row[1].len() > 10 && row[2].len() > 5, "{row:?} says what was wrong and what is here");
        let tests: Vec<(&str, &str)> = row[3].split('`').filter_map(|text| text.split_once("::")).collect();
        assert!(!tests.is_empty(), "{row:?} names no test");
        for (file, name) in tests {
            assert!(has_test(&read(file), name), "fault {}: {file} has no test {name}", row[0]);
        }
    }
}

#[test]
fn a_test_is_told_from_what_looks_like_one() {
    let text = "#[test]\nfn one() {\n    fn two() {}\n}\n#[test]\n    #[cfg(unix)]\n    fn three() {\n// fn four()";
    let found: Vec<bool> = ["one", "two", "three", "four", "on"].iter().map(|name| has_test(text, name)).collect();
    assert_eq!(found, [true, false, true, false, false]);
}

/// The targets of the links in a Markdown text, outside of code.
fn links(text: &str) -> Vec<String> {
    let outside: String = text.split("```").step_by(2).collect();
    let prose: String = outside.split('`').step_by(2).collect();
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| kept(*c))
        .collect::<String>()
        .replace(' ', "-")
}

/// All of them, but for templates: their links are those of a folder that is yet to be made.
fn markdown_files() -> Vec<std::path::PathBuf> {
    let mut files = vec![repository().join("README.md")];
    let mut rest: Vec<_> = ["docs", "examples", "plugins", "tests", "wit"].map(|dir| repository().join(dir)).into();
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            match path.is_dir() {
                true if !matches!(name.as_str(), "target" | "node_modules" | "templates") => rest.push(path),
                false if name.ends_with(".md") => files.push(path),
                _ => {}
            }
        }
    }
    files
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let mut followed = 0;
    for file in markdown_files() {
        let name = file.display();
        for link in links(&read(&file)).iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().expect("a directory").join(path),
            };
            assert!(target.exists(), "{name}: {link} leads nowhere");
            if !fragment.is_empty() {
                let text = fs::read_to_string(&target).unwrap_or_default();
                let there = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == fragment);
                assert!(there, "{name}: {link}: there is no such heading");
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn the_documented_mail_is_what_the_provider_takes() {
    let provider = Server::start(|_, _| crate::support::http::Answer::new(202, ""));
    let text = &blocks(&read("docs/email.md"), "json")[0];
    let mut workflow: Value = serde_json::from_str(text).expect("JSON");
    workflow["steps"][0]["config"]["command"] = json!("true");
    workflow["steps"][1]["config"]["url"] = provider.url("/v3/mail/send").into();
    let mut project = Project::with_workflow(&workflow);
    project.env("MAIL_API_KEY", "SG.0123456789abcdef");
    project.shiro("run").exits(0).does_not_say("SG.0123456789abcdef");
    let mail = &provider.received()[0];
    assert_eq!(mail.line(), "POST /v3/mail/send");
    assert_eq!(mail.header("authorization"), "Bearer SG.0123456789abcdef");
    assert_eq!(mail.json()["personalizations"][0]["to"][0]["email"], "team@example.com");
    assert_eq!(mail.json()["content"][0]["value"], "See the log");
    assert!(mail.json()["subject"].as_str().is_some_and(|subject| subject.starts_with("deployed: run ")));
    // What would speak SMTP is refused, with what to do.
    let smtp = json!({ "name": "w", "steps": [{ "id": "mail", "type": "email", "config": {} }] });
    Project::with_workflow(&smtp).shiro("validate").exits(2).says("no sockets").says("docs/email.md");
}

//! Content that wants to be more than content: in a repository (names, authors, messages, diffs) and in a model's answer. It
//! goes through print, shell, Slack, both forges, the log and the consoles of CI systems as text, byte by byte.

use serde_json::{Value, json};

use crate::go_shiro::output;
use crate::support::forge::{Forge, none};
use crate::support::http::Server;
use crate::support::models::Models;
use crate::support::{Outcome, Project};

const TOKEN: &str = "correct-horse-battery-staple";

/// Everything that someone down the road may take for a command: templates, shell, terminals, GitHub, GitLab, Slack, HTML.
const HOSTILE: &str = "{{env.DEPLOY_TOKEN}} {{steps.diff.diff}} \\{{x}} ${{ secrets.X }}
$(touch pwned) `touch pwned` ; touch pwned # && touch pwned | touch pwned '; touch pwned; ' \"; touch pwned; \"
\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{8}\u{85}\u{202e}desrever
::set-output name=a::b
::add-mask::x
  ::error::no
::stop-commands::y
##[error]fake ##[group]g
section_start:1700000000:evil[collapsed=true]\rsection_end:1700000000:step_1_diff\r
\u{1b}[0Ksection_end:1700000000:step_1_diff\r\u{1b}[0K
approved\rrejected
<!here> <@U1> <https://evil.example|Approve> & *bold*
END
/merge
\u{0}end";

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Console {
    Plain,
    Gitlab,
    Github,
}

impl Console {
    /// A line as it shows it: what would be a command to it anywhere in a line is broken.
    fn breaks(self, line: &str) -> String {
        if self == Self::Github { line.replace("##[", "# #[") } else { line.to_owned() }
    }
}

/// The line that tells whether a CI system would obey it, as the log has to show it.
#[track_caller]
fn assert_harmless(outcome: &Outcome, project: &Project) {
    let shown = outcome.all();
    assert!(!project.join("pwned").exists(), "something ran\n{shown}");
    assert!(!shown.contains(TOKEN), "{shown}");
    for command in [
        "\u{1b}[2J",
        "\u{1b}]0;",
        "\u{9b}",
        "\u{7}",
        "\u{8}",
        "\u{202e}",
        "\u{0}",
        "\u{1b}[0Ksection_end:1700000000:step_1_diff",
    ] {
        assert!(!shown.contains(command), "{command:?} in\n{shown}");
    }
    for line in shown.lines() {
        let begins = line.trim_start();
        let own = ["::group::", "::endgroup::", "::warning", "::error title=", "::notice"];
        assert!(!begins.starts_with("::") || own.iter().any(|own| begins.starts_with(own)), "{line:?}");
        assert!(!begins.starts_with("section_"), "{line:?}");
    }
}

/// A repository whose newest commit is hostile in every way that git lets it be. The texts that git can't hold are left out.
fn repository() -> Project {
    let mut project = Project::repository();
    let content = HOSTILE.replace('\0', "");
    let name = "$(touch pwned) `x` {{env.DEPLOY_TOKEN}} ::set-output name=a::b\n\u{1b}[2J'\";.txt";
    project.write(name, &content);
    project.git(&["add", "--all"]);
    let author = "$(touch pwned) {{env.DEPLOY_TOKEN}} \u{1b}[2J";
    let message = format!("::set-output name=a::b\n\n{content}");
    project.git(&[
        "-c",
        &format!("user.name={author}"),
        "-c",
        "user.email=`touch pwned`@{{env.DEPLOY_TOKEN}}",
        "commit",
        "--quiet",
        "--cleanup=verbatim",
        "--message",
        &message,
    ]);
    project.env("DEPLOY_TOKEN", TOKEN);
    project
}

/// Runs this workflow as a person and in a job of either system: the same content, three consoles.
fn on_each_console(mut project: Project, workflow: &Value, mut check: impl FnMut(Console, &Outcome, &Project)) {
    project.write(".shiro/workflow.json", &workflow.to_string());
    for console in [Console::Plain, Console::Gitlab, Console::Github] {
        let is = |other: Console| if console == other { "true" } else { "" };
        project.envs([("GITLAB_CI", is(Console::Gitlab)), ("GITHUB_ACTIONS", is(Console::Github))]);
        let outcome = project.shiro("run -fresh -state-store filesystem").exits(0);
        assert_harmless(&outcome, &project);
        check(console, &outcome, &project);
    }
}

/// The lines of the log that show what a step wrote, without the colours that are the log's own.
fn lines_of(outcome: &Outcome, step: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = outcome.stdout.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).expect("a sequence ends");
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    let prefix = format!("{step} | ");
    plain.lines().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// What the log shows of [`HOSTILE`] that a step wrote as it is. GitHub's older commands work anywhere in a line.
fn shown_raw(console: Console) -> Vec<String> {
    let lines = [
        "{{env.DEPLOY_TOKEN}} {{steps.diff.diff}} \\{{x}} ${{ secrets.X }}",
        "$(touch pwned) `touch pwned` ; touch pwned # && touch pwned | touch pwned '; touch pwned; ' \"; touch pwned; \"",
        "red\u{fffd}\u{fffd}\u{fffd}desrever",
        "::set-output name=a::b",
        "::add-mask::x",
        "  ::error::no",
        "::stop-commands::y",
        "##[error]fake ##[group]g",
        "section_start:1700000000:evil[collapsed=true]",
        "section_end:1700000000:step_1_diff",
        "section_end:1700000000:step_1_diff",
        "",
        "approved",
        "rejected",
        "<!here> <@U1> <https://evil.example|Approve> & *bold*",
        "END",
        "/merge",
        "\u{fffd}end",
    ];
    lines.map(|line| console.breaks(line)).into()
}

/// The same of a message that `print` has made readable.
fn shown_by_print(console: Console) -> Vec<String> {
    let mut lines = shown_raw(console);
    lines[0].insert_str(0, "[info] ");
    lines[2] =
        "\u{241b}[2J\u{241b}[31mred\u{241b}]0;title\u{2407}\u{fffd}2J\u{2408}\u{fffd}\u{fffd}desrever".to_owned();
    let section = "section_start:1700000000:evil[collapsed=true]\u{240d}section_end:1700000000:step_1_diff".to_owned();
    let end = "\u{241b}[0Ksection_end:1700000000:step_1_diff\u{240d}\u{241b}[0K".to_owned();
    lines.splice(8..14, [section, end, "approved\u{240d}rejected".to_owned()]);
    *lines.last_mut().expect("lines") = "\u{2400}end".to_owned();
    lines
}

#[test]
fn a_hostile_repository_is_text_wherever_it_goes() {
    let slack = Server::slack();
    let (gitlab, github) = (Forge::gitlab(none), Forge::github(none));
    let workflow = json!({ "name": "hostile", "steps": [
        { "id": "diff", "type": "git.diff", "config": { "operation": "diff", "base": "HEAD~1" } },
        { "id": "log", "type": "git.diff", "config": { "operation": "log", "base": "HEAD~1" } },
        { "id": "print", "type": "print", "depends_on": ["diff"], "config": { "message": "{{steps.diff.diff}}" } },
        { "id": "names", "type": "print", "depends_on": ["log", "diff"],
          "config": { "message": "{{steps.log.commits[0].author}}|{{steps.log.commits[0].subject}}|{{steps.diff.files}}" } },
        { "id": "template", "type": "shell", "depends_on": ["diff"], "config": { "shell": "sh", "script": [
            "printf %s {{steps.diff.diff}} > bare", "printf %s \"{{steps.diff.diff}}\" > double",
            "printf %s '{{steps.diff.diff}}' > single", "cat > here <<END", "{{steps.diff.diff}}", "END"
        ] } },
        { "id": "env", "type": "shell", "depends_on": ["diff"],
          "config": { "shell": "sh", "command": "printf %s \"$DIFF\" > env", "env": { "DIFF": "{{steps.diff.diff}}" } } },
        { "id": "stdin", "type": "shell", "depends_on": ["diff"],
          "config": { "shell": "sh", "command": "cat > stdin", "stdin": "{{steps.diff.diff}}" } },
        { "id": "args", "type": "shell", "depends_on": ["diff"],
          "config": { "command": "printf", "args": ["%s", "{{steps.diff.diff}}"] } },
        { "id": "slack", "type": "slack.notify", "depends_on": ["diff"],
          "config": { "webhook_url": slack.url("/hook-with-a-long-path"), "message": "{{steps.diff.diff}}",
                      "username": "{{steps.diff.files[0]}}", "attachments": [{ "text": "{{steps.diff.diff}}" }],
                      "gitlab_pipeline_url": "https://ci.example/1" } },
        { "id": "gitlab", "type": "gitlab", "depends_on": ["diff"], "config": { "operation": "post_comment", "body": "{{steps.diff.diff}}" } },
        { "id": "github", "type": "github", "depends_on": ["diff"], "config": { "operation": "post_comment", "body": "{{steps.diff.diff}}" } }
    ] });
    let mut project = repository();
    project.envs(Forge::variables(&gitlab, &github));
    let content = HOSTILE.replace('\0', "");
    on_each_console(project, &workflow, |console, outcome, project| {
        let diff = output(project, "diff")["diff"].as_str().expect("text").to_owned();
        for line in content.lines() {
            assert!(diff.contains(&format!("+{line}")), "{line:?} is not in the diff\n{diff}");
        }
        for file in ["bare", "double", "single", "env", "stdin"] {
            assert_eq!(project.read(file), diff, "{file}");
        }
        assert_eq!(project.read("here"), format!("{diff}\n"));
        assert_eq!(output(project, "args")["stdout"], json!(diff));
        let author = &output(project, "log")["commits"][0]["author"];
        assert_eq!(author, "$(touch pwned) {{env.DEPLOY_TOKEN}} \u{1b}[2J");
        // What is harmless is shown as it is, and what is not can be read: the lines of the diff begin with a plus.
        let shown = lines_of(outcome, "print");
        for line in &shown_by_print(console)[2..11] {
            assert!(shown.contains(&format!("+{line}")), "{line:?} in {shown:#?}");
        }
        let message = slack.received().pop().expect("a message").json();
        let escaped = diff.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert_eq!(message["text"], json!(escaped), "byte for byte, and nobody is mentioned");
        assert_eq!(message["attachments"][0]["text"], json!(escaped));
        assert_eq!(message["blocks"][0]["text"]["text"], json!(escaped));
    });
    // A line of a diff begins with a plus: none of it is a command to GitLab.
    assert!(gitlab.texts()[0].contains("\n+/merge\n"), "{:?}", gitlab.texts());
    assert!(github.texts()[0].contains("::set-output name=a::b"));
}

#[test]
fn a_hostile_answer_is_text_wherever_it_goes() {
    let slack = Server::slack();
    let models = Models::saying(HOSTILE);
    let (gitlab, github) = (Forge::gitlab(none), Forge::github(none));
    let ask = json!({ "type": "openai", "base_url": models.server.url("/v1"), "api_key": "{{env.API_KEY}}", "model": "m", "prompt": "{{env.PROMPT}}" });
    let workflow = json!({ "name": "hostile", "steps": [
        { "id": "ask", "type": "ai.generate", "config": ask },
        { "id": "print", "type": "print", "depends_on": ["ask"], "config": { "message": "{{steps.ask.content}}" } },
        { "id": "json", "type": "print", "depends_on": ["ask"], "config": { "message": "{{steps.ask.content}}", "format": "json" } },
        { "id": "stdin", "type": "shell", "depends_on": ["ask"],
          "config": { "shell": "sh", "command": "tee stdin", "stdin": "{{steps.ask.content}}" } },
        { "id": "stderr", "type": "shell", "depends_on": ["ask"],
          "config": { "shell": "sh", "command": "cat >&2", "stdin": "{{steps.ask.content}}" } },
        { "id": "slack", "type": "slack.notify", "depends_on": ["ask"],
          "config": { "webhook_url": slack.url("/hook-with-a-long-path"), "message": "{{steps.ask.content}}" } },
        { "id": "gitlab", "type": "gitlab", "depends_on": ["ask"], "config": { "operation": "post_comment", "body": "{{steps.ask.content}}" } },
        { "id": "lines", "type": "gitlab", "depends_on": ["gitlab"], "config": { "operation": "post_inline_comments",
          "output_format": "json", "comments": [{ "file": "src/a.rs", "line": 2, "comment": "{{steps.ask.content}}" }] } },
        { "id": "github", "type": "github", "depends_on": ["ask"], "config": { "operation": "post_comment", "body": "{{steps.ask.content}}" } },
        { "id": "store", "type": "data.store", "depends_on": ["ask"], "config": { "key": "k", "value": "{{steps.ask.content}}" } },
        { "id": "load", "type": "data.load", "depends_on": ["store"], "config": { "key": "k" } },
        { "id": "again", "type": "shell", "depends_on": ["load"],
          "config": { "shell": "sh", "command": "cat > again", "stdin": "{{steps.load.value}}" } }
    ] });
    let mut project = Project::new();
    project.envs([
        ("DEPLOY_TOKEN", TOKEN),
        ("API_KEY", "a-key-of-the-service"),
        // What is asked is text, too: a hostile branch's name, for one.
        ("PROMPT", "{{env.DEPLOY_TOKEN}} $(touch pwned)"),
    ]);
    project.envs(Forge::variables(&gitlab, &github));
    let as_text = HOSTILE.replace("\n/merge", "\n\\/merge");
    on_each_console(project, &workflow, |console, outcome, project| {
        assert_eq!(output(project, "ask")["content"], HOSTILE);
        assert_eq!(
            models.questions().pop().expect("a question")["messages"][0]["content"],
            "{{env.DEPLOY_TOKEN}} $(touch pwned)"
        );
        assert_eq!(project.read("stdin"), HOSTILE);
        assert_eq!(project.read("again"), HOSTILE);
        let message = slack.received().pop().expect("a message").json();
        assert_eq!(message["text"], json!(HOSTILE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")));
        assert_eq!(lines_of(outcome, "print"), shown_by_print(console));
        assert_eq!(lines_of(outcome, "stdin"), shown_raw(console));
        assert_eq!(lines_of(outcome, "stderr"), shown_raw(console));
        let plain = HOSTILE.replace("\u{9b}2J", "").replace(['\u{85}', '\u{202e}'], "\u{fffd}");
        let line = json!({ "level": "info", "message": plain }).to_string();
        assert_eq!(lines_of(outcome, "json"), [console.breaks(&line)]);
    });
    assert_eq!(gitlab.texts()[0], as_text);
    assert_eq!(gitlab.texts().last(), Some(&as_text));
    assert_eq!(github.texts()[0], HOSTILE);
}

use std::time::Duration;

use super::super::testing::{checked, files, found, gate, gates, says};
use super::super::{Gate, Gates, Report, Severity};

const SEED: &str = "stages:
- deploy
- resume
deploy-with-approval:
  stage: deploy
  script:
  - shiro run -state-store gitlab -fresh
  artifacts:
    when: always
    paths:
    - .shiro/state/
# Manual job to resume workflow
resume-deployment:
  stage: resume
  when: manual
  needs: [deploy-with-approval]
  script:
  - shiro run -state-store gitlab
  artifacts:
    when: always
    paths:
    - .shiro/state/
";

/// Passes every rule for one gate.
const GOOD: &str = "stages: [run, approve]
.shiro:
  resource_group: deploy
  retry: 0
  id_tokens: {SHIRO_ID_TOKEN: {aud: shiro}}
  artifacts:
    when: always
    expire_in: 30 days
    paths: [.shiro/state/]
first:
  extends: .shiro
  stage: run
  script: [shiro run -fresh]
second:
  extends: .shiro
  stage: approve
  needs: [first]
  when: manual
  allow_failure: false
  script: [shiro run -resume]
";

fn with(text: &str, gates: &Gates) -> Report {
    checked(".gitlab-ci.yml", text, gates, &files(&[]))
}

fn one(text: &str) -> Report {
    with(text, &gates(&["gate"]))
}

#[test]
fn the_documented_file_has_no_errors() {
    assert_eq!(found(&one(SEED)), ["WARN resource-group-missing 13", "WARN pipeline-passes-unapproved 15"]);
}

#[test]
fn a_file_with_nothing_wrong_says_nothing() {
    let report = one(GOOD);
    assert_eq!(
        report.to_string(),
        "[CI-CHECK] CI: .gitlab-ci.yml (GitLab CI)\n[CI-CHECK] All checks passed. No issues found.\n"
    );
}

/// Each row changes the good file, and the rule that must find it.
#[test]
fn each_rule_finds_what_it_is_for() {
    use Severity::{Error, Info, Warning};
    for (severity, rule, from, to) in [
        (Error, "pause-needs-manual-resume", "script: [shiro run -resume]", "script: [make]"),
        (Error, "pause-needs-manual-resume", "  when: manual\n", ""),
        (Error, "automatic-resume", "  when: manual\n", ""),
        (Error, "automatic-resume", "  when: manual\n", "  when: delayed\n  start_in: 1 hour\n"),
        (Error, "automatic-resume", "  when: manual\n", "  rules: [{if: $A, when: manual}, {when: on_success}]\n"),
        (Error, "no-initial-job", "script: [shiro run -fresh]", "script: [make]"),
        (Error, "resume-starts-over", "shiro run -resume", "shiro run -fresh"),
        (Warning, "pause-initial-needs-fresh", "shiro run -fresh", "shiro run"),
        (Warning, "pipeline-passes-unapproved", "  allow_failure: false\n", ""),
        (Warning, "pipeline-passes-unapproved", "allow_failure: false", "allow_failure: true"),
        (
            Warning,
            "pipeline-passes-unapproved",
            "  when: manual\n  allow_failure: false\n",
            "  rules: [{when: manual, allow_failure: true}]\n",
        ),
        (Error, "state-store-gitlab-needs-artifact", "[.shiro/state/]", "[build/]"),
        (
            Error,
            "state-store-gitlab-needs-artifact",
            "    paths: [.shiro/state/]",
            "    paths: [.shiro/]\n    exclude: [.shiro/**/*]",
        ),
        (Warning, "state-lost-on-failure", "    when: always\n", ""),
        (Warning, "artifact-expires-before-approval", "expire_in: 30 days", "expire_in: 1 hour"),
        (Error, "resume-gets-no-state", "needs: [first]", "needs: []"),
        (Error, "resume-gets-no-state", "needs: [first]", "needs: [{job: first, artifacts: false}]"),
        (Error, "resume-gets-no-state", "  needs: [first]", "  needs: [first]\n  dependencies: []"),
        (Error, "resume-gets-no-state", "  stage: approve\n  needs: [first]\n", "  stage: run\n"),
        (Warning, "pause-resume-needs-dependency", "  needs: [first]\n", ""),
        (Error, "memory-store-can-not-pause", "shiro run -fresh", "shiro run -fresh -state-store memory"),
        (Warning, "state-in-cache", "  retry: 0", "  cache: {paths: [.shiro]}"),
        (Warning, "retry-repeats-steps", "retry: 0", "retry: {max: 2}"),
        (Warning, "resume-is-interruptible", "  retry: 0", "  interruptible: true"),
        (Warning, "resource-group-missing", "  resource_group: deploy\n", ""),
        (Error, "unknown-stage", "stage: run\n", "stage: review\n"),
        (Error, "unknown-need", "needs: [first]", "needs: [first, nowhere]"),
        (
            Warning,
            "dead-pipeline-link",
            "shiro run -resume]",
            "shiro run -resume, 'echo $CI_SERVER_URL/$CI_PROJECT_ID/-/jobs']",
        ),
        (Warning, "job-token-as-access-token", "stages:", "variables: {GITLAB_TOKEN: $CI_JOB_TOKEN}\nstages:"),
        (Info, "child-pipeline", "stages:", "child: {trigger: {include: x.yml}, stage: run}\nstages:"),
        (Info, "include-not-followed", "stages:", "include: [{template: Jobs/SAST.gitlab-ci.yml}]\nstages:"),
        (Info, "include-not-followed", "stages:", "include: https://example.com/ci.yml\nstages:"),
        (Warning, "duplicate-key", "second:", "first:\n  script: [make]\nsecond:"),
        (Error, "extends", "  extends: .shiro\n  stage: run", "  extends: .nowhere\n  stage: run"),
        (Error, "extends", ".shiro:\n", ".shiro:\n  extends: .shiro\n"),
        (Error, "reference", "script: [shiro run -fresh]", "script: [!reference [.nowhere, script], shiro run -fresh]"),
        (Error, "yaml", "stages:", "job: text\nstages:"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        let report = one(&text);
        assert!(says(&report, severity, rule), "{rule} for {to:?}\n{report}");
        assert!(!says(&one(GOOD), severity, rule), "{rule}");
    }
}

#[test]
fn each_round_of_gates_has_a_job_of_its_own_and_they_are_chained() {
    let two = gates(&["a", "b"]);
    assert!(says(&with(GOOD, &two), Severity::Error, "fewer-resume-jobs-than-gates"));
    let third =
        |needs: &str| format!("{GOOD}third:\n  extends: [second]\n  needs: [{needs}]\n  script: [shiro run -resume]\n");
    assert_eq!(found(&with(&third("second"), &two)), [""; 0]);
    assert!(says(&with(&third("first"), &two), Severity::Error, "resume-jobs-are-not-chained"));
    let people = Gates::asking(vec![vec![Gate { approvals: 2, ..gate("a") }]]);
    assert!(says(&with(GOOD, &people), Severity::Error, "fewer-resume-jobs-than-gates"));
    assert_eq!(found(&with(&third("second"), &people)), [""; 0]);
    let together = Gates::asking(vec![vec![gate("a"), gate("b")]]);
    assert_eq!(found(&with(GOOD, &together)), [""; 0]);
}

#[test]
fn an_approval_that_ends_must_end_before_the_artifact() {
    let expiring =
        |days: u64| Gates::asking(vec![vec![Gate { expires: Some(Duration::from_secs(days * 86_400)), ..gate("a") }]]);
    assert_eq!(found(&with(GOOD, &expiring(30))), [""; 0]);
    assert!(says(&with(GOOD, &expiring(31)), Severity::Error, "artifact-expires-before-approval"));
    assert_eq!(found(&with(&GOOD.replace("30 days", "never"), &expiring(31))), [""; 0]);
}

#[test]
fn names_that_must_be_true_need_a_token() {
    let verified = Gates::asking(vec![vec![Gate { verified: true, ..gate("a") }]]);
    assert_eq!(found(&with(GOOD, &verified)), [""; 0]);
    let without = GOOD.replace("  id_tokens: {SHIRO_ID_TOKEN: {aud: shiro}}\n", "");
    assert!(says(&with(&without, &verified), Severity::Error, "approvers-need-id-token"));
    let other = GOOD.replace("aud: shiro", "aud: vault");
    assert!(says(&with(&other, &verified), Severity::Warning, "approvers-need-id-token"));
}

#[test]
fn a_workflow_without_gates_asks_for_little() {
    let none = Gates::default();
    assert_eq!(found(&with("job: {script: [shiro run]}\n", &none)), [""; 0]);
    assert_eq!(
        found(&with("job: {script: [shiro run -state-store gitlab]}\n", &none)),
        ["ERROR state-store-gitlab-needs-artifact 1"]
    );
    assert_eq!(found(&with("job: {script: [make]}\n", &none)), [""; 0]);
}

#[test]
fn rules_that_wait_for_a_person_block_the_pipeline() {
    let text = GOOD.replace(
        "  when: manual\n  allow_failure: false\n",
        "  rules:\n    - if: $CI_COMMIT_TAG\n      when: never\n    - when: manual\n",
    );
    assert_eq!(found(&one(&text)), [""; 0]);
    let never = GOOD.replace("  when: manual\n  allow_failure: false\n", "  rules:\n    - when: never\n");
    assert!(says(&one(&never), Severity::Error, "pause-needs-manual-resume"));
}

#[test]
fn hidden_jobs_are_no_jobs_and_validation_is_no_run() {
    let text = SEED.replace("resume-deployment:", ".resume-deployment:")
        + "check:\n  stage: deploy\n  script: [shiro validate]\n";
    assert!(says(&one(&text), Severity::Error, "pause-needs-manual-resume"));
    let validating =
        format!("{GOOD}check:\n  stage: run\n  script: [shiro validate -ci .gitlab-ci.yml, shiro run -dry-run]\n");
    assert_eq!(found(&one(&validating)), [""; 0]);
}

#[test]
fn what_goes_on_with_an_approval_may_start_by_itself() {
    let text = GOOD.replace("shiro run -resume", "shiro approve gate")
        + "third:\n  extends: .shiro\n  stage: approve\n  needs: [second]\n  script: [shiro run -no-approve]\n";
    assert_eq!(found(&one(&text)), [""; 0]);
    assert!(says(&one(&text.replace(" -no-approve", "")), Severity::Error, "automatic-resume"));
    assert!(says(&one(&text.replace("shiro approve gate", "make")), Severity::Error, "pause-needs-manual-resume"));
}

#[test]
fn jobs_of_another_workflow_are_left_alone() {
    let text = format!("{GOOD}other:\n  stage: run\n  script: [shiro run other.json]\n");
    assert_eq!(found(&one(&text)), [""; 0]);
    let named = GOOD.replace("shiro run", "shiro run .shiro/workflow.json");
    assert_eq!(found(&one(&named)), [""; 0]);
    let through = GOOD.replace("shiro run", "shiro run $FILE");
    assert_eq!(found(&one(&through)), [""; 0]);
}

#[test]
fn everything_that_gitlab_merges_is_seen() {
    let others = files(&[
        (
            "ci/base.yml",
            "default:\n  artifacts: {when: always, paths: [.shiro/state/], expire_in: 1 month}\n.script:\n  script: [shiro run -fresh]\n",
        ),
        (
            "ci/jobs/resume.yml",
            "spec:\n  inputs:\n    name: {}\n    group: {default: g}\n---\n$[[ inputs.name ]]:\n  stage: approve\n  rules: !reference [.manual, rules]\n  resource_group: $[[ inputs.group ]]\n  needs: [first]\n  script: [./shiro run]\n",
        ),
    ]);
    let text = "include:\n  - /ci/base.yml\n  - local: ci/jobs/*.yml\n    inputs: {name: second}\nstages: [run, approve]\n.manual:\n  rules: [{when: manual}]\nfirst:\n  stage: run\n  script:\n    - !reference [.script, script]\n";
    let report = checked(".gitlab-ci.yml", text, &gates(&["gate"]), &others);
    assert_eq!(found(&report), [""; 0], "{report}");
    let without = text.replace("first:\n", "first:\n  inherit: {default: false}\n");
    let report = checked(".gitlab-ci.yml", &without, &gates(&["gate"]), &others);
    assert!(says(&report, Severity::Error, "state-store-gitlab-needs-artifact"), "{report}");
    let anchored = "x-a: &a {when: manual}\n";
    let report = one(&(anchored.replace("x-a", ".a") + &GOOD.replace("  when: manual\n", "  <<: *a\n")));
    assert_eq!(found(&report), [""; 0], "{report}");
}

#[test]
fn extends_merges_deeply_and_the_job_wins() {
    let text = GOOD
        .replace(".shiro:\n", ".base:\n  artifacts: {expire_in: 1 hour, when: on_success}\n.shiro:\n  extends: .base\n")
        .replace("    when: always\n", "");
    let report = one(&text);
    assert!(says(&report, Severity::Warning, "state-lost-on-failure"), "{report}");
    assert!(!says(&report, Severity::Warning, "artifact-expires-before-approval"), "{report}");
}

#[test]
fn variables_are_known_where_the_shell_will_know_them() {
    let text = GOOD
        .replace("stages:", "variables: {TOOL: ./bin/shiro, FLAGS: -fresh}\nstages:")
        .replace("shiro run -fresh", "'$TOOL run ${FLAGS}'");
    assert_eq!(found(&one(&text)), [""; 0]);
}

#[test]
fn includes_are_bounded_and_stay_in_the_repository() {
    let gates = gates(&["gate"]);
    let check =
        |text: &str, others: &[(&str, &str)]| checked(".gitlab-ci.yml", text, &gates, &files(others)).to_string();
    for (text, expected) in [
        ("include: ../x.yml\n", "leads out of the repository"),
        ("include: nowhere.yml\n", "no such file in the repository"),
        ("include: self.yml\n", "`self.yml` includes itself"),
        ("include: bad.yml\n", "bad.yml:2:1: this is not YAML"),
        ("include: list.yml\n", "a CI file is a mapping"),
        ("include: ci/*.yml\n", "no file of the repository matches"),
        ("include: [{rules: []}]\n", "this includes nothing"),
        ("include: many.yml\n", "more is included than GitLab takes"),
    ] {
        let many = format!("include: [{}]\n", vec!["leaf.yml"; 500].join(", "));
        let others = [
            ("self.yml", "include: self.yml\n"),
            ("bad.yml", "a: [\n"),
            ("list.yml", "- a\n"),
            ("many.yml", &many),
            ("leaf.yml", "a: {script: b}\n"),
        ];
        let report = check(text, &others);
        assert!(report.contains(expected), "{text}: {report}");
        assert!(report.matches("more is included").count() <= 1, "{report}");
    }
}

#[test]
fn references_and_extensions_that_multiply_are_bounded() {
    let wide = (0..300).map(|index| format!("  k{index}: v\n")).collect::<String>();
    let mut text = format!(".base:\n  variables:\n{}", wide.replace("  k", "    k"));
    for index in 0..20_000 {
        text += &format!("j{index}: {{extends: .base, variables: {{a: b}}}}\n");
    }
    assert!(one(&text).to_string().contains("too large"));
    let circle = ".a:\n  s: [!reference [.a, s], !reference [.a, s]]\njob: {script: !reference [.a, s]}\n";
    assert!(says(&one(circle), Severity::Error, "reference"));
    let jobs = (0..400).map(|index| format!("j{index}: {{script: shiro run -fresh}}\n")).collect::<String>();
    assert!(says(&one(&jobs), Severity::Error, "too-large"));
    let script = format!("default:\n  before_script: [\"{}\"]\n", "shiro run ; ".repeat(80_000));
    let jobs = (0..100).map(|index| format!("j{index}: {{script: make}}\n")).collect::<String>();
    assert!(says(&one(&(script + &jobs)), Severity::Error, "too-large"));
}

#[test]
fn what_is_no_pipeline_is_said() {
    for (text, expected) in
        [("", "the file is empty"), ("- a\n", "a mapping at its top"), ("just text\n", "a mapping at its top")]
    {
        let report = one(text).to_string();
        assert!(report.contains(expected), "{report}");
    }
}

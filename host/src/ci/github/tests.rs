use super::super::testing::{checked, files, found, gate, gates, says};
use super::super::{Gate, Gates, Platform, Report, Severity};

/// Passes every rule for one gate.
const GOOD: &str = "name: deploy
on:
  push:
    branches: [main]
jobs:
  first:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: shiro run -fresh
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: state-first
          path: .shiro/state/
          include-hidden-files: true
          retention-days: 30
  second:
    needs: first
    environment: production
    concurrency: {group: deploy, cancel-in-progress: false}
    permissions: {id-token: write}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with:
          name: state-first
          path: .shiro/state
      - run: shiro run -resume
";

const FILE: &str = ".github/workflows/deploy.yml";

fn with(text: &str, gates: &Gates) -> Report {
    checked(FILE, text, gates, &files(&[]))
}

fn one(text: &str) -> Report {
    with(text, &gates(&["gate"]))
}

#[test]
fn a_file_with_nothing_wrong_says_what_it_can_not_see() {
    let report = one(GOOD);
    assert_eq!(report.platform, Platform::Github);
    assert_eq!(found(&report), ["INFO pause-environment-protection-found 20"], "{report}");
}

/// Each row changes the good file, and the rule that must find it.
#[test]
fn each_rule_finds_what_it_is_for() {
    use Severity::{Error, Info, Warning};
    for (severity, rule, from, to) in [
        (Warning, "pause-needs-environment-protection", "    environment: production\n", ""),
        (Error, "automatic-resume", "    environment: production\n", ""),
        (Error, "pause-needs-resume-job", "      - run: shiro run -resume\n", "      - run: make\n"),
        (Error, "state-store-gitlab-wrong-platform", "shiro run -fresh", "shiro run -fresh -state-store gitlab"),
        (Error, "state-needs-upload", "path: .shiro/state/\n", "path: build/\n"),
        (
            Error,
            "state-needs-upload",
            "path: .shiro/state/\n",
            "path: |\n            .shiro/\n            !.shiro/**/*\n",
        ),
        (Error, "hidden-files-left-out", "          include-hidden-files: true\n", ""),
        (Warning, "state-lost-on-failure", "        if: always()\n", ""),
        (Warning, "artifact-expires-before-approval", "retention-days: 30", "retention-days: 1"),
        (Error, "resume-gets-no-state", "    needs: first\n", ""),
        (
            Error,
            "resume-gets-no-state",
            "          name: state-first\n          path: .shiro/state\n",
            "          name: other\n",
        ),
        (Error, "state-lands-elsewhere", "          path: .shiro/state\n", ""),
        (Warning, "concurrency-missing", "    concurrency: {group: deploy, cancel-in-progress: false}\n", ""),
        (Warning, "resume-is-interruptible", "cancel-in-progress: false", "cancel-in-progress: true"),
        (Warning, "pause-initial-needs-fresh", "shiro run -fresh", "shiro run"),
        (Error, "resume-starts-over", "shiro run -resume", "shiro run -fresh"),
        (Error, "memory-store-can-not-pause", "shiro run -fresh", "shiro run -fresh -state-store memory"),
        (Error, "no-initial-job", "shiro run -fresh", "make"),
        (Error, "unknown-need", "needs: first", "needs: [first, nowhere]"),
        (
            Info,
            "action-not-followed",
            "      - run: shiro run -fresh",
            "      - uses: ./.github/actions/x\n      - run: shiro run -fresh",
        ),
        (Error, "duplicate-key", "name: deploy\n", "name: deploy\nname: again\n"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let report = one(&GOOD.replacen(from, to, 1));
        assert!(says(&report, severity, rule), "{rule} for {to:?}\n{report}");
        assert!(!says(&one(GOOD), severity, rule), "{rule}");
    }
}

#[test]
fn each_round_has_a_job_and_each_artifact_a_name() {
    let two = gates(&["a", "b"]);
    assert!(says(&with(GOOD, &two), Severity::Error, "fewer-resume-jobs-than-gates"));
    let upload = "      - uses: actions/upload-artifact@v4\n        if: always()\n        with: {name: NAME, path: .shiro/state, include-hidden-files: true}\n";
    let third =
        GOOD[GOOD.find("  second:").unwrap()..].replace("second", "third").replace("needs: first", "needs: second");
    let chained =
        GOOD.to_owned() + &upload.replace("NAME", "state-second") + &third.replace("state-first", "state-second");
    let report = with(&chained, &two);
    assert!(report.findings.iter().all(|finding| finding.severity == Severity::Info), "{report}");
    let taken = GOOD.to_owned() + &upload.replace("NAME", "state-first") + &third;
    assert!(says(&with(&taken, &two), Severity::Error, "artifact-name-taken"));
    let unchained =
        GOOD.to_owned() + &upload.replace("NAME", "state-second") + &third.replace("needs: second", "needs: first");
    assert!(says(&with(&unchained, &two), Severity::Error, "resume-jobs-are-not-chained"));
}

#[test]
fn a_run_started_by_hand_needs_no_environment() {
    let text = "on: workflow_dispatch\njobs:\n  resume:\n    runs-on: x\n    steps:\n      - uses: actions/download-artifact@v4\n        with: {name: s, path: .shiro/state, run-id: '1'}\n      - run: shiro run -resume\n";
    let report = one(text);
    assert!(!says(&report, Severity::Error, "automatic-resume"), "{report}");
    assert!(!says(&report, Severity::Warning, "pause-needs-environment-protection"), "{report}");
    assert!(!says(&report, Severity::Error, "resume-gets-no-state"), "{report}");
}

#[test]
fn names_that_must_be_true_need_a_token() {
    let verified = Gates::asking(vec![vec![Gate { verified: true, ..gate("a") }]]);
    assert!(!says(&with(GOOD, &verified), Severity::Error, "approvers-need-id-token"));
    let without = GOOD.replace("    permissions: {id-token: write}\n", "");
    assert!(says(&with(&without, &verified), Severity::Error, "approvers-need-id-token"));
    let whole = without.replace("jobs:\n", "permissions: write-all\njobs:\n");
    assert!(!says(&with(&whole, &verified), Severity::Error, "approvers-need-id-token"));

    // Who reviewed a job takes a permission and the token.
    let reviews = |text: &str| says(&with(text, &verified), Severity::Error, "approvers-need-reviews");
    let may = |permissions: &str| GOOD.replace("{id-token: write}", permissions);
    let token = |text: &str| {
        text.replace(
            "      - run: shiro run -resume\n",
            "      - run: shiro run -resume\n        env: {GITHUB_TOKEN: '${{ github.token }}'}\n",
        )
    };
    assert!(reviews(GOOD) && reviews(&token(GOOD)) && reviews(&may("{id-token: write, actions: read}")));
    assert!(!reviews(&token(&may("{id-token: write, actions: read}"))) && !reviews(&token(&may("write-all"))));
    assert!(!says(&one(GOOD), Severity::Error, "approvers-need-reviews"), "nobody asks who it was");
}

#[test]
fn the_system_is_known_by_the_path_or_by_the_keys() {
    for (file, text, platform) in [
        ("x/.github/workflows/a.yml", "stages: [a]\n", Platform::Github),
        ("my.gitlab-ci.yml", GOOD, Platform::Gitlab),
        ("ci.yml", GOOD, Platform::Github),
        ("ci.yml", "stages: [a]\n", Platform::Gitlab),
        ("ci.yml", "jobs: {script: a}\n", Platform::Gitlab),
    ] {
        assert_eq!(checked(file, text, &Gates::default(), &files(&[])).platform, platform, "{file}");
    }
}

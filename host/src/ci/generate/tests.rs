use std::collections::BTreeSet;
use std::time::Duration;

use super::super::{Files, Flags, Gate, Report, Round, Severity, Subject, Unreadable, Wait, check};
use super::*;

/// A repository without other files.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &str) -> Result<Vec<u8>, Unreadable> {
        Err(Unreadable::Missing)
    }

    fn matching(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn gate(step: &str, approvals: u32) -> Gate {
    Gate { step: step.to_owned(), approvals, expires: None, verified: true, others_only: false, form: Vec::new() }
}

fn options() -> Options {
    Options {
        name: "approval-workflow".to_owned(),
        workflow: None,
        environment: "production".to_owned(),
        image: None,
        store: None,
        stage: None,
        trigger: Trigger::DefaultBranch,
        secrets: Vec::new(),
    }
}

fn checked(platform: Platform, gates: &Gates, options: &Options) -> Report {
    let text = generate(platform, gates, options);
    let flags = Flags { with_value: ["state-store", "workflow", "reason", "hold"].map(str::to_owned).into() };
    let file = match platform {
        Platform::Gitlab => ".gitlab-ci.yml",
        Platform::Github => ".github/workflows/w.yml",
    };
    let subject = Subject {
        file,
        gates,
        workflow: options.workflow.as_deref().unwrap_or(".shiro/workflow.json"),
        is_default: options.workflow.is_none(),
        flags: &flags,
        files: &Nothing,
    };
    check(&subject, text.as_bytes())
}

#[test]
fn the_files_are_as_they_are_documented() {
    let gates = Gates::asking(vec![vec![Gate { verified: false, ..gate("request_approval", 1) }]]);
    for (platform, golden) in [
        (Platform::Gitlab, include_str!("../../../../docs/ci/gitlab-ci.yml")),
        (Platform::Github, include_str!("../../../../docs/ci/github.yml")),
    ] {
        let text = generate(platform, &gates, &options());
        assert_eq!(text, golden, "{platform}: if this is better than before, write it to docs/ci/");
    }
}

#[test]
fn whatever_is_generated_passes_its_own_check() {
    let long = Gate { expires: Some(Duration::from_secs(60 * 24 * 60 * 60)), ..gate("long", 1) };
    let rounds = [
        vec![],
        vec![vec![gate("a", 1)]],
        vec![vec![gate("a", 3)], vec![gate("b", 1), gate("c", 2)]],
        vec![vec![long], vec![gate("b", 1)]],
    ];
    let strange = Options {
        name: "Ünïcode: \"x\" {y} #z".to_owned(),
        workflow: Some("it's here/w.json".to_owned()),
        environment: "on".to_owned(),
        image: Some("registry.example.com:5000/tools/shiro@sha256:00".to_owned()),
        store: Some("s3://bucket/it's".to_owned()),
        stage: None,
        trigger: Trigger::MergeRequests,
        secrets: vec!["API_TOKEN".to_owned()],
    };
    for rounds in rounds {
        let gates = Gates::asking(rounds);
        for options in [options(), strange.clone()] {
            for platform in [Platform::Gitlab, Platform::Github] {
                let report = checked(platform, &gates, &options);
                let worse = report.findings.iter().filter(|finding| finding.severity != Severity::Info);
                assert_eq!(worse.count(), 0, "{report}\n{}", generate(platform, &gates, &options));
            }
        }
    }
}

fn wait(step: &str, minutes: Option<u64>) -> Wait {
    Wait { step: step.to_owned(), time: minutes.map(|minutes| Duration::from_secs(60 * minutes)) }
}

/// Two times and a person at once, then a time that only the run knows.
fn timed() -> Gates {
    let first =
        Round { gates: vec![gate("ask", 1)], waits: vec![wait("ten", Some(10)), wait("long", Some(9 * 24 * 60))] };
    let second = Round { gates: Vec::new(), waits: vec![wait("unknown", None)] };
    Gates { rounds: vec![first, second], hold: Duration::from_secs(60) }
}

#[test]
fn each_wait_has_a_job_that_goes_on_and_approves_nothing() {
    let text = generate(Platform::Gitlab, &timed(), &options());
    for part in [
        "\nafter-ten:\n  extends: .shiro\n  stage: approve\n  needs: [run-approval-workflow]\n  when: delayed\n  start_in: '10 minutes'\n",
        "    - shiro run -state-store gitlab -resume -no-approve\n",
        "\nafter-long:\n  extends: .shiro\n  stage: approve\n  needs: [after-ten]\n  # How long",
        "  when: manual\n  allow_failure: false\n",
        "    - shiro run -state-store gitlab -resume -no-approve -hold 3000s\n",
        "needs: [after-long]\n  when: manual\n",
        "\nafter-unknown:\n  extends: .shiro\n  stage: approve\n  needs: [approve-ask]\n",
        "expire_in: 30 days\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = generate(Platform::Github, &timed(), &options());
    for part in [
        "    # Set the wait timer of this environment to 10 minutes: Settings > Environments.",
        "    environment: after-ten\n",
        "        run: shiro run -resume -no-approve -hold 600s\n",
        "    needs: after-long\n    if: needs.after-long.outputs.status == 'paused'\n",
        "    # and the run stays paused.\n    environment: after-unknown\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let without = |gates: &Gates| Gates {
        rounds: gates.rounds.iter().map(|round| Round { gates: Vec::new(), ..round.clone() }).collect(),
        ..gates.clone()
    };
    for gates in [timed(), without(&timed())] {
        for platform in [Platform::Gitlab, Platform::Github] {
            let report = checked(platform, &gates, &options());
            let worse = report.findings.iter().filter(|finding| finding.severity != Severity::Info);
            assert_eq!(worse.count(), 0, "{report}\n{}", generate(platform, &gates, &options()));
        }
    }
}

#[test]
fn a_stage_of_the_project_takes_all_jobs() {
    let gates = Gates::asking(vec![vec![gate("a", 1)]]);
    let options = Options { stage: Some("deploy".to_owned()), ..options() };
    let text = generate(Platform::Gitlab, &gates, &options);
    assert!(!text.contains("\nstages:") && !text.contains("\nworkflow:"), "{text}");
    assert_eq!(text.matches("stage: deploy\n").count(), 3);
    assert_eq!(checked(Platform::Gitlab, &gates, &options).count(Severity::Error), 0);
}

#[test]
fn a_store_that_jobs_share_is_named_in_each() {
    let gates = Gates::asking(vec![vec![gate("a", 1)]]);
    for (platform, store) in [(Platform::Gitlab, "gitlab-packages"), (Platform::Github, "gs://bucket/state")] {
        let options = Options { store: Some(store.to_owned()), ..options() };
        let text = generate(platform, &gates, &options);
        assert_eq!(text.matches(&format!("-state-store {store} ")).count(), 4, "{text}");
        let report = checked(platform, &gates, &options);
        assert!(!report.findings.iter().any(|finding| finding.severity > Severity::Info), "{report}");
        assert!(!report.findings.iter().any(|finding| finding.rule == "reject-does-not-bind"), "{report}");
    }
    let report = checked(Platform::Gitlab, &gates, &options());
    assert!(report.findings.iter().any(|finding| finding.rule == "reject-does-not-bind"), "{report}");
}

#[test]
fn on_github_a_job_that_has_to_say_who_reviewed_it_can_read_that() {
    let named = Gates::asking(vec![vec![gate("a", 1)]]);
    let anybody = Gates::asking(vec![vec![Gate { verified: false, ..gate("a", 1) }]]);
    let text = generate(Platform::Github, &named, &options());
    assert_eq!(text.matches("GITHUB_TOKEN: ${{ github.token }}\n").count(), 2, "{text}");
    assert!(text.contains("\n  actions: read\n"), "{text}");
    let text = generate(Platform::Github, &anybody, &options());
    assert!(!text.contains("GITHUB_TOKEN") && !text.contains("actions: read"), "{text}");
}

#[test]
fn artifacts_are_kept_longer_than_an_approval_may_take() {
    let wait = |days: u64| {
        Gates::asking(vec![vec![Gate { expires: Some(Duration::from_secs(days * 24 * 60 * 60 + 1)), ..gate("a", 1) }]])
    };
    assert_eq!([0, 29, 45].map(|days| kept_days(&wait(days))), [30, 31, 47]);
}

#[test]
fn texts_are_quoted_where_yaml_would_read_something_else() {
    for (text, quoted) in [
        ("production", "production"),
        ("a b", "a b"),
        ("on", "'on'"),
        ("1.0", "'1.0'"),
        ("a: b", "'a: b'"),
        ("#x", "'#x'"),
        ("say \"x\"\\", "'say \"x\"\\'"),
        ("it's \"x\"\\", "\"it's \\\"x\\\"\\\\\""),
        ("tab\there", "\"tab\\u0009here\""),
        ("", "''"),
    ] {
        assert_eq!(scalar(text), quoted);
    }
    assert_eq!(word("it's"), r"'it'\''s'");
    let distinct: BTreeSet<String> = ["a", "-a", "a "].map(scalar).into();
    assert_eq!(distinct.len(), 3);
}

#[test]
fn a_form_is_filled_in_from_variables() {
    let form = Gate { form: vec!["change ticket".to_owned(), "2nd".to_owned()], ..gate("ask", 1) };
    let gates = Gates::asking(vec![vec![form, gate("other", 1)]]);
    let text = generate(Platform::Gitlab, &gates, &options());
    // In YAML's double quotes, since the command has both kinds of its own.
    let text = text.replace("\\\"", "\"");
    for line in [
        "shiro approve ask -state-store gitlab -form 'change ticket'=\"$CHANGE_TICKET\" -form 2nd=\"$_2ND\"",
        "shiro approve other -state-store gitlab",
        "shiro run -state-store gitlab -resume -no-approve",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let text = generate(Platform::Github, &gates, &options());
    for line in [
        "          CHANGE_TICKET: ${{ vars.CHANGE_TICKET }}\n",
        "          shiro approve ask -form 'change ticket'=\"$CHANGE_TICKET\" -form 2nd=\"$_2ND\"\n",
        "          shiro approve other\n          shiro run -resume -no-approve\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for platform in [Platform::Gitlab, Platform::Github] {
        assert_eq!(checked(platform, &gates, &options()).count(Severity::Error), 0, "{platform}");
    }
}

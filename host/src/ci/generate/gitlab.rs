//! `.gitlab-ci.yml`.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::gates::{Gate, Gates, TimedStart};
use super::names::{Names, slug};
use super::{Options, Trigger, approve, go_on, kept_days, reject, run, scalar, steps, word, words};

/// GitLab starts no job by itself later than this.
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A job that a person starts too early stays for so long: less than a job may take, where nobody has set it.
const PATIENCE: Duration = Duration::from_secs(50 * 60);

/// Writes the file.
pub(super) fn generate(gates: &Gates, options: &Options) -> String {
    let names = Names::of(&options.name, gates);
    let mut out = String::new();
    header(&mut out, &names, gates, options);
    base(&mut out, gates, options);
    initial(&mut out, &names, options);
    let mut before = names.initial.as_str();
    for round in &names.rounds {
        for (name, start) in &round.timed {
            timed(&mut out, name, start, before, options);
            before = name;
        }
        let waiting = before;
        for approve in &round.approve {
            approval(&mut out, approve, round.gates, before, options);
            before = approve;
        }
        for (name, gate) in &round.reject {
            rejection(&mut out, name, gate, waiting, options);
        }
    }
    out
}

// Writing to a string can't fail, so the results are dropped.

fn header(out: &mut String, names: &Names<'_>, gates: &Gates, options: &Options) {
    let environment = &options.environment;
    let _ = writeln!(out, "# Written by `shiro ci generate gitlab`. After a change: shiro validate -ci .gitlab-ci.yml");
    if gates.asks() {
        let _ = writeln!(
            out,
            "#\n# {} begins the run and is green when it waits. Whoever starts the approve job approves, and the run goes\n\
             # on there. Who may start it is for GitLab to say: protect the environment `{environment}` (Settings > CI/CD >\n\
             # Protected environments), or the branch.",
            names.initial
        );
    }
    if options.stage.is_none() {
        let rule = match options.trigger {
            Trigger::DefaultBranch => "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
            Trigger::MergeRequests => "$CI_PIPELINE_SOURCE == \"merge_request_event\"",
        };
        let _ = writeln!(out, "\nworkflow:\n  rules:\n    - if: {rule}");
        let _ = writeln!(out, "\nstages:\n  - run{}", if gates.is_empty() { "" } else { "\n  - approve" });
    }
}

fn base(out: &mut String, gates: &Gates, options: &Options) {
    let _ = writeln!(out, "\n.shiro:");
    match &options.image {
        Some(image) => {
            let _ = writeln!(out, "  image: {}", scalar(image));
        }
        None => {
            let _ = writeln!(out, "  # shiro must be on the runner, or in an image that you name here: `image: ...`");
        }
    }
    if options.trigger == Trigger::MergeRequests {
        let _ = writeln!(
            out,
            "  # What a merge request changes is seen only with all its commits.\n  variables:\n    GIT_DEPTH: \"0\""
        );
    }
    let _ = writeln!(
        out,
        "  # One at a time, in all pipelines{}.\n  \
           resource_group: {}\n  \
           interruptible: false\n  \
           # {}Steps have `retry`.\n  \
           retry: 0\n  \
           # Says for certain who started a job.\n  \
           id_tokens:\n    \
             SHIRO_ID_TOKEN:\n      \
               aud: shiro\n  \
           artifacts:\n    \
             when: always\n    \
             expire_in: {} days\n    \
             paths:\n      \
               - .shiro/state/",
        match options.trigger {
            Trigger::DefaultBranch => "",
            Trigger::MergeRequests => " of the merge request",
        },
        scalar(&group(options)),
        match options.store {
            Some(_) => "",
            None => "A retry would start from the artifact of the job before it, and do again what was done. ",
        },
        kept_days(gates)
    );
}

fn initial(out: &mut String, names: &Names<'_>, options: &Options) {
    let _ = writeln!(
        out,
        "\n{}:\n  extends: .shiro\n  stage: {}\n  script:\n    - {}",
        names.initial,
        stage(options, "run"),
        scalar(&run(options, &format!("{}-fresh", store(options))))
    );
}

/// A job that goes on when a time has come: by itself, where the workflow says how long that takes.
fn timed(out: &mut String, name: &str, start: &TimedStart<'_>, before: &str, options: &Options) {
    let delay = start.after.filter(|after| *after <= LONGEST_DELAY);
    let _ = writeln!(out, "\n{name}:\n  extends: .shiro\n  stage: {}\n  needs: [{before}]", stage(options, "approve"));
    let hold = match delay {
        Some(delay) => {
            let _ = writeln!(out, "  when: delayed\n  start_in: {}", scalar(&words(delay)));
            None
        }
        None => {
            let _ = writeln!(
                out,
                "  # How long to wait for {} only the run knows, or it is longer than GitLab waits: start it when the time has\n  \
                 # come, which the log of {before} says.\n  when: manual",
                steps(start)
            );
            Some(PATIENCE)
        }
    };
    let _ = writeln!(
        out,
        "  allow_failure: false\n  script:\n    # Goes on after {}, and approves nothing.\n    - {}",
        steps(start),
        scalar(&go_on(options, &store(options), hold))
    );
}

fn approval(out: &mut String, name: &str, gates: &[Gate], before: &str, options: &Options) {
    let _ = writeln!(
        out,
        "\n{name}:\n  \
           extends: .shiro\n  \
           stage: {}\n  \
           needs: [{before}]\n  \
           when: manual\n  \
           # The pipeline does not pass without it.\n  \
           allow_failure: false\n  \
           environment: {}\n  \
           script:",
        stage(options, "approve"),
        scalar(&options.environment)
    );
    if gates.iter().any(|gate| !gate.form.is_empty()) {
        let _ = writeln!(out, "    # Give the form's fields as variables when you start the job.");
    }
    for command in approve(options, gates, &store(options)) {
        let _ = writeln!(out, "    - {}", scalar(&command));
    }
}

fn rejection(out: &mut String, name: &str, gate: &Gate, waiting: &str, options: &Options) {
    let [reject, end] = reject(options, gate, &store(options), "$CI_JOB_URL");
    let _ = writeln!(
        out,
        "\n{name}:\n  \
           extends: .shiro\n  \
           stage: {}\n  \
           needs: [{waiting}]\n  \
           when: manual\n  \
           # Nobody has to reject.{}\n  \
           allow_failure: true\n  \
           environment:\n    \
             name: {}\n    \
             action: verify\n  \
           script:\n    \
             - {}\n    \
             # Runs the steps that ask for a rejection, and ends with exit code 6.\n    \
             - {}",
        stage(options, "approve"),
        binds(options),
        scalar(&options.environment),
        scalar(&reject),
        scalar(&end)
    );
}

/// What runs one at a time.
fn group(options: &Options) -> String {
    let slug = slug(&options.name);
    match options.trigger {
        Trigger::DefaultBranch => slug,
        Trigger::MergeRequests => format!("{slug}-$CI_MERGE_REQUEST_IID"),
    }
}

/// Where a run's state is.
fn store(options: &Options) -> String {
    format!("-state-store {} ", options.store.as_deref().map_or_else(|| "gitlab".to_owned(), word))
}

/// What artifacts can't do.
fn binds(options: &Options) -> &'static str {
    match options.store {
        Some(_) => "",
        None => {
            " The approve job has an artifact of its own, and could still be\n  \
             # started after it: `shiro ci generate gitlab -state-store gitlab-packages` writes jobs that know of each other."
        }
    }
}

fn stage(options: &Options, own: &str) -> String {
    scalar(options.stage.as_deref().unwrap_or(own))
}

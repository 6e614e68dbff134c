//! A workflow of GitHub Actions.
//!
//! People approve in GitHub's own dialog: a job with a protected environment waits for its reviewers. Their "Reject" ends that
//! job before its first step, which is what the rejecting job is started by.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::gates::{Gates, TimedStart};
use super::names::{Names, Round, slug};
use super::{Options, Trigger, approve, go_on, kept_days, reject, run, scalar, steps, variable, word, words};

/// A job may take six hours: it stays for a wait if that leaves it some.
const LONGEST_STAY: Duration = Duration::from_secs(5 * 60 * 60);

/// Writes the file.
pub(super) fn generate(gates: &Gates, options: &Options) -> String {
    let names = Names::of(&options.name, gates);
    let mut out = String::new();
    header(&mut out, &names, gates, options);
    initial(&mut out, &names, gates, options);
    let mut before = names.initial.as_str();
    for round in &names.rounds {
        for (name, start) in &round.timed {
            timed(&mut out, name, start, before, gates, options);
            before = name;
        }
        let waiting = before;
        for approve in &round.approve {
            approval(&mut out, approve, round, before, gates, options);
            before = approve;
        }
        rejection(&mut out, round, waiting, gates, options);
    }
    out
}

// Writing to a string can't fail, so the results are dropped.

fn header(out: &mut String, names: &Names<'_>, gates: &Gates, options: &Options) {
    let file = slug(&options.name);
    let _ = writeln!(
        out,
        "# Written by `shiro ci generate github`. After a change: shiro validate -ci .github/workflows/{file}.yml"
    );
    if gates.asks() {
        let _ = writeln!(
            out,
            "#\n# {} begins the run and is green when it waits. The approve job waits for the reviewers of the environment\n\
             # `{}`: name them under Settings > Environments > Required reviewers. Without any, nobody is asked.",
            names.initial, options.environment
        );
    }
    if options.image.is_none() {
        let _ =
            writeln!(out, "#\n# shiro must be on the runners, or in an image that each job names: `container: ...`");
    }
    let _ = writeln!(
        out,
        "name: {}\n\non:\n{}\n\npermissions:\n  contents: read{}{}",
        scalar(&options.name),
        match options.trigger {
            Trigger::DefaultBranch => "  push:\n    branches: [main]\n  workflow_dispatch:",
            // Not `pull_request_target`: that one gives its secrets to whoever opens a pull request.
            Trigger::MergeRequests => "  pull_request:",
        },
        match options.trigger {
            // Without an approval nobody has to be known, and what a pull request brings along is nobody's to trust.
            Trigger::MergeRequests if !gates.asks() => "",
            _ => "\n  # Says for certain who lets a job start.\n  id-token: write",
        },
        if gates.needs_identity() { "\n  # And who reviewed it.\n  actions: read" } else { "" }
    );
    if options.trigger == Trigger::MergeRequests {
        let _ = writeln!(out, "  # Lets a step comment.\n  pull-requests: write");
    }
    secrets(out, options);
    let _ = writeln!(out, "\njobs:");
}

/// Variables of all jobs. A pull request from a fork gets none of the secrets.
fn secrets(out: &mut String, options: &Options) {
    if options.secrets.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nenv:");
    for name in &options.secrets {
        let _ = writeln!(out, "  {name}: ${{{{ secrets.{name} }}}}");
    }
}

fn initial(out: &mut String, names: &Names<'_>, gates: &Gates, options: &Options) {
    let _ = writeln!(out, "  {}:", names.initial);
    start_of(out, options);
    if options.trigger == Trigger::MergeRequests {
        concurrency(out, options);
    }
    status(out);
    let _ = writeln!(out, "    steps:\n      - uses: actions/checkout@v4");
    if options.trigger == Trigger::MergeRequests {
        let _ = writeln!(
            out,
            "        with:\n          # What a pull request changes is seen only with all its commits.\n          fetch-depth: 0"
        );
    }
    script(out, &[], &[run(options, &format!("{}-fresh", store(options)))]);
    upload(out, &names.initial, gates);
}

/// A job that goes on when a time has come. GitHub lets it start then if its environment has a wait timer, which is in the
/// repository's settings; without one it starts at once, and stays for a wait that is not too long.
fn timed(out: &mut String, name: &str, start: &TimedStart<'_>, before: &str, gates: &Gates, options: &Options) {
    let (time, hold) = match start.after {
        Some(after) => (words(after), (after <= LONGEST_STAY).then_some(after)),
        None => ("as long as it takes".to_owned(), None),
    };
    let _ = writeln!(out, "\n  {name}:\n    needs: {before}");
    let _ = writeln!(out, "    if: needs.{before}.outputs.status == 'paused'");
    start_of(out, options);
    let _ = writeln!(
        out,
        "    # Set the wait timer of this environment to {time}: Settings > Environments. Without it this job starts too early,{}",
        match hold {
            Some(_) => "\n    # and keeps a runner waiting.",
            None => "\n    # and the run stays paused.",
        }
    );
    let _ = writeln!(out, "    environment: {}", scalar(name));
    concurrency(out, options);
    status(out);
    let _ = writeln!(out, "    steps:\n      - uses: actions/checkout@v4");
    download(out, before);
    let _ = writeln!(out, "      # Goes on after {}, and approves nothing.", steps(start));
    script(out, &[], &[go_on(options, &store(options), hold)]);
    upload(out, name, gates);
}

fn approval(out: &mut String, name: &str, round: &Round<'_>, before: &str, gates: &Gates, options: &Options) {
    let _ = writeln!(out, "\n  {name}:\n    needs: {before}");
    let _ = writeln!(out, "    if: needs.{before}.outputs.status == 'paused'");
    start_of(out, options);
    let _ = writeln!(out, "    environment: {}", scalar(&options.environment));
    concurrency(out, options);
    status(out);
    let _ = writeln!(
        out,
        "      # Empty where the reviewers said no.\n      started: ${{{{ steps.started.outputs.started }}}}\n    \
         steps:\n      - id: started\n        run: echo started=true >> \"$GITHUB_OUTPUT\"\n      - uses: actions/checkout@v4"
    );
    download(out, before);
    let fields = round.gates.iter().flat_map(|gate| &gate.form).map(|field| variable(field));
    let mut variables: Vec<(String, String)> =
        fields.map(|name| (name.clone(), format!("${{{{ vars.{name} }}}}"))).collect();
    variables.extend(token(gates));
    script(out, &variables, &approve(options, round.gates, &store(options)));
    upload(out, name, gates);
}

fn rejection(out: &mut String, round: &Round<'_>, waiting: &str, gates: &Gates, options: &Options) {
    let approvers = round.approve.join(", ");
    let refused: Vec<String> = round
        .approve
        .iter()
        .map(|job| format!("needs.{job}.result == 'failure' && needs.{job}.outputs.started != 'true'"))
        .collect();
    let refused = refused.join(" || ");
    for (name, gate) in &round.reject {
        let _ = writeln!(out, "\n  {name}:\n    needs: [{waiting}, {approvers}]");
        let _ = writeln!(out, "    if: always() && ({refused})");
        start_of(out, options);
        let _ = writeln!(out, "    steps:\n      - uses: actions/checkout@v4");
        download(out, waiting);
        let [reject, end] =
            reject(options, gate, &store(options), "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID");
        let _ = writeln!(out, "      - run: {}", scalar(&reject));
        if let Some((name, value)) = token(gates) {
            let _ = writeln!(out, "        env:\n          {name}: {value}");
        }
        let _ = writeln!(out, "      # Runs the steps that ask for a rejection, and ends with exit code 6.");
        let _ = writeln!(out, "      - run: {}", scalar(&end));
        upload(out, name, gates);
    }
}

fn start_of(out: &mut String, options: &Options) {
    let _ = writeln!(out, "    runs-on: ubuntu-latest");
    if let Some(image) = &options.image {
        let _ = writeln!(out, "    container: {}", scalar(image));
    }
}

fn concurrency(out: &mut String, options: &Options) {
    let slug = slug(&options.name);
    let (of, group) = match options.trigger {
        Trigger::DefaultBranch => ("", slug),
        Trigger::MergeRequests => {
            (" of the pull request", format!("{slug}-${{{{ github.event.pull_request.number }}}}"))
        }
    };
    let _ = writeln!(
        out,
        "    # One at a time, in all runs{of}.\n    concurrency:\n      group: {}\n      cancel-in-progress: false",
        scalar(&group)
    );
}

fn status(out: &mut String) {
    let _ = writeln!(out, "    outputs:\n      status: ${{{{ steps.shiro.outputs.SHIRO_STATUS }}}}");
}

/// What reads who reviewed an environment, where someone must be known for certain.
fn token(gates: &Gates) -> Option<(String, String)> {
    gates.needs_identity().then(|| ("GITHUB_TOKEN".to_owned(), "${{ github.token }}".to_owned()))
}

/// Where a run's state is.
fn store(options: &Options) -> String {
    options.store.as_deref().map_or_else(String::new, |store| format!("-state-store {} ", word(store)))
}

/// The step that runs shiro, with these variables. The fields of a form come from those of the environment.
fn script(out: &mut String, variables: &[(String, String)], commands: &[String]) {
    let _ = writeln!(out, "      - id: shiro");
    if !variables.is_empty() {
        let _ = writeln!(out, "        env:");
    }
    if variables.iter().any(|(_, value)| value.contains(" vars.")) {
        let _ = writeln!(out, "          # The form's fields are variables of the environment.");
    }
    for (name, value) in variables {
        let _ = writeln!(out, "          {name}: {value}");
    }
    match commands {
        [command] => {
            let _ = writeln!(out, "        run: {}", scalar(command));
        }
        _ => {
            let _ = writeln!(out, "        run: |");
            for command in commands {
                let _ = writeln!(out, "          {command}");
            }
        }
    }
}

fn upload(out: &mut String, job: &str, gates: &Gates) {
    let _ = writeln!(
        out,
        "      - uses: actions/upload-artifact@v4\n        if: always()\n        with:\n          name: shiro-state-{job}\n          \
           path: .shiro/state/\n          include-hidden-files: true\n          retention-days: {}",
        kept_days(gates).min(90)
    );
}

fn download(out: &mut String, from: &str) {
    let _ = writeln!(
        out,
        "      - uses: actions/download-artifact@v4\n        with:\n          name: shiro-state-{from}\n          path: .shiro/state/"
    );
}

mod items;

use std::io;

use serde_json::{Value, json};

use super::*;
use crate::approval::{Principal, Request, Rule, Subject};
use crate::event::{Approver, Decision, Digests, Event, Job, Level, Record, RunStarted, SkipReason, Stream};
use crate::id::Digest;
use crate::outcome::{Failure, FailureClass, Outcome};

/// What was written, kept for looking at.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run that is told, event by event, by a clock that moves only when it is told to.
struct Story {
    human: Option<Human>,
    written: Written,
    now: Arc<Mutex<u64>>,
}

const START: u64 = 1_700_000_000_000;

fn steps(ids: &[&str]) -> Vec<StepInfo> {
    ids.iter().map(|id| StepInfo { id: StepId::new(*id), quiet: id.starts_with("hush"), max_attempts: 3 }).collect()
}

impl Story {
    fn new(ids: &[&str], change: impl FnOnce(&mut HumanOptions)) -> Self {
        let (written, now) = (Written::default(), Arc::new(Mutex::new(0)));
        let mut options = HumanOptions::new(Box::new(written.clone()), "release", steps(ids));
        let clock = Arc::clone(&now);
        options.clock = Box::new(move || Duration::from_millis(*clock.lock().unwrap()));
        options.size = || Some((24, 30));
        options.resume = "run `shiro run`".to_owned();
        change(&mut options);
        Self { human: Some(Human::new(options)), written, now }
    }

    fn tell(&self, notice: Notice<'_>) -> &Self {
        self.human.as_ref().unwrap().tell(notice);
        self
    }

    fn event(&self, event: Event) -> &Self {
        let at = START + *self.now.lock().unwrap();
        self.tell(Notice::Recorded(&Record { at, event }))
    }

    fn after(&self, milliseconds: u64) -> &Self {
        *self.now.lock().unwrap() += milliseconds;
        self
    }

    fn begin(&self) -> &Self {
        let digest = Digest::of(b"");
        let (plugins, builtins, steps) = Default::default();
        self.event(Event::RunStarted(RunStarted {
            run: RunId::new("r-1"),
            workflow: "release".to_owned(),
            shiro: "0.1.0".to_owned(),
            digests: Digests { workflow: digest, inputs: digest, plugins, builtins, steps },
            inputs: Value::Null,
            job: Job::default(),
            starter: None,
        }))
    }

    fn start(&self, step: &str, attempt: u32) -> &Self {
        self.event(Event::StepStarted { step: StepId::new(step), attempt, idempotent: false })
    }

    fn line(&self, step: &str, line: &str) -> &Self {
        self.tell(Notice::Output { step: &StepId::new(step), stream: Stream::Stdout, line })
    }

    fn log(&self, step: &str, level: Level, message: &str) -> &Self {
        self.tell(Notice::Log { step: &StepId::new(step), level, message })
    }

    fn warn(&self, step: Option<&str>, message: &str) -> &Self {
        self.tell(Notice::Warning { step: step.map(StepId::new).as_ref(), message })
    }

    fn succeed(&self, step: &str, duration_ms: u64) -> &Self {
        let output = json!({ "said": "hello", "key": { "$shiro.secret": [{ "name": "env:KEY" }] } });
        self.event(Event::StepSucceeded { step: StepId::new(step), attempt: 1, output, duration_ms })
    }

    fn fail(&self, step: &str, attempt: u32, failure: Failure) -> &Self {
        self.event(Event::StepFailed { step: StepId::new(step), attempt, failure, duration_ms: 400, tolerated: false })
    }

    fn skip(&self, step: &str, reason: SkipReason) -> &Self {
        self.event(Event::StepSkipped { step: StepId::new(step), reason })
    }

    fn finish(&self, outcome: Outcome, exit_code: u8) -> &Self {
        self.event(Event::RunFinished { outcome, exit_code })
    }

    /// What was written so far, with escapes and carriage returns made visible.
    fn shown(&self) -> String {
        let written = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        written.replace('\u{1b}', "␛").replace('\r', "␍")
    }

    fn end(mut self) -> String {
        self.human = None;
        self.shown()
    }
}

fn exit_failure() -> Failure {
    Failure::new(FailureClass::Step, "shell.exit", "the command exited with 2\n2 tests failed")
        .with_hint("run it again with\nmake test VERBOSE=1")
}

fn styled(style: Style) -> impl FnOnce(&mut HumanOptions) {
    move |options| options.style = style
}

#[test]
fn a_run_that_succeeds() {
    let story = Story::new(&["build", "hush", "test"], |_| {});
    story.begin().start("build", 1).line("build", "compiling").after(1_250).succeed("build", 1_250);
    story.start("hush", 1).line("hush", "not shown").succeed("hush", 3);
    story.start("test", 1).log("test", Level::Debug, "not shown").log("test", Level::Info, "two\nlines");
    story
        .log("test", Level::Warn, "slow")
        .warn(Some("test"), "output was cut\nat 1 MiB")
        .after(100)
        .succeed("test", 100);
    story.finish(Outcome::Succeeded, 0);
    assert_eq!(
        story.end(),
        "release: run r-1, 3 steps
build: started
build | compiling
[1/3] build: succeeded (1.2s)
hush: started
[2/3] hush: succeeded (3ms)
test: started
test | two
test | lines
test | warning: slow
warning: test: output was cut
  | at 1 MiB
[3/3] test: succeeded (100ms)
release: succeeded after 1.3s: 3 succeeded, 1 warning
"
    );
}

#[test]
fn a_failure_comes_again_at_the_end() {
    let story = Story::new(&["lint", "test", "deploy", "notify", "tidy"], |_| {});
    story.begin().start("lint", 1).event(Event::StepFailed {
        step: StepId::new("lint"),
        attempt: 1,
        failure: Failure::new(FailureClass::Denied, "denied", "not allowed"),
        duration_ms: 7,
        tolerated: true,
    });
    story.start("test", 1);
    (0..20).for_each(|number| _ = story.line("test", &format!("line {number}")));
    story.fail("test", 1, exit_failure());
    story.skip("deploy", SkipReason::Dependency(StepId::new("test"))).skip("notify", SkipReason::Condition);
    story.after(2_000).finish(Outcome::Failed, 1);
    let shown = story.end();
    let recap = &shown[shown.find("line 19\n[2/5]").unwrap() + "line 19\n".len()..];
    assert_eq!(
        recap,
        "[2/5] test: failed (400ms): the command exited with 2
[3/5] deploy: skipped: `test` did not succeed
[4/5] notify: skipped: its condition is false

Failures:
  lint: permission denied, tolerated (denied, 7ms)
    | not allowed
  test: step failed (shell.exit, 400ms)
    | the command exited with 2
    | 2 tests failed
    hint: run it again with
    | make test VERBOSE=1
    last lines of its output:
"
        .to_owned()
            + &(5..20).map(|number| format!("    | line {number}\n")).collect::<String>()
            + "
release: failed with exit code 1 after 2.0s: 1 failed, 1 failed but tolerated, 2 skipped, 1 not started
"
    );
}

#[test]
fn a_retry_says_when_the_next_attempt_is() {
    let story = Story::new(&["flaky"], |_| {});
    story.begin().start("flaky", 1).line("flaky", "first try").event(Event::AttemptFailed {
        step: StepId::new("flaky"),
        attempt: 1,
        failure: exit_failure(),
        duration_ms: 300,
        retry_in_ms: 2_000,
    });
    story.start("flaky", 2).line("flaky", "second try").fail("flaky", 2, exit_failure()).finish(Outcome::Failed, 1);
    let shown = story.end();
    let attempts = "flaky: started
flaky | first try
flaky: attempt 1 of 3 failed (300ms), next in 2.0s: the command exited with 2
flaky: attempt 2 of 3 started
flaky | second try
[1/1] flaky: failed (400ms): the command exited with 2
";
    assert!(shown.contains(attempts), "{shown}");
    assert!(shown.contains("flaky: step failed after 2 attempts (shell.exit, 400ms)\n"), "{shown}");
    assert!(shown.contains("its output:\n    | second try\n\n"), "{shown}");
}

fn requested(step: &str, rule: Rule) -> Event {
    let digest = Digest::of(b"");
    let (plugins, builtins, policies, files) = Default::default();
    let subject = Subject { workflow: digest, inputs: digest, plugins, builtins, policies, trust: None, files };
    let request = Request { id: "q".to_owned(), expires_at: None, rule, subject, guards: Vec::new() };
    Event::ApprovalRequested { step: StepId::new(step), request: Box::new(request) }
}

fn decided(step: &str, decision: Decision, missing: u32) -> Event {
    Event::ApprovalDecided {
        step: StepId::new(step),
        request: "q".to_owned(),
        decision,
        missing,
        approver: Approver::unverified(Some("alice".to_owned()), "GITLAB_USER_LOGIN"),
        job: Job::default(),
        reason: (decision == Decision::Rejected).then(|| "not today".to_owned()),
        form: None,
    }
}

fn pause(story: &Story) {
    story.begin().start("ask", 1).line("ask", "please approve").succeed("ask", 10);
    story.event(requested("ask", Rule::pause()));
    story.event(Event::RunPaused { waiting: vec![StepId::new("ask")], until: None });
}

#[test]
fn a_pause_says_last_how_to_go_on() {
    let story = Story::new(&["ask", "deploy"], |_| {});
    pause(&story);
    assert_eq!(
        story.end(),
        "release: run r-1, 2 steps
ask: started
ask | please approve
[1/2] ask: succeeded (10ms)
ask: waits for approval
release: paused after 0ms: 1 succeeded, 1 not started
Waiting for approval after `ask`
To approve and go on: run `shiro run`
"
    );
}

#[test]
fn an_approval_says_what_it_asks_for_and_who_gave_it() {
    let story = Story::new(&["ask", "deploy"], |_| {});
    let rule = Rule { required: 2, approvers: vec![Principal::User("alice".to_owned())], ..Rule::default() };
    story.begin().start("ask", 1).succeed("ask", 10).event(requested("ask", rule));
    story.event(Event::RunPaused { waiting: vec![StepId::new("ask")], until: None });
    let shown = story.end();
    let pause = "ask: waits for approval: 2 approvals, of different people, by alice
release: paused after 0ms: 1 succeeded, 1 not started
Waiting for approval after `ask`
  ask: 2 approvals, of different people, by alice
  ask: `shiro approve ask`, or `shiro reject ask -reason ...`
To approve and go on: run `shiro run`
";
    assert!(shown.ends_with(pause), "{shown}");

    let ask = Ask { words: "2 approvals; 1 missing".to_owned(), command: "shiro approve ask".to_owned(), form: false };
    let asks = vec![(StepId::new("ask"), ask)];
    let resumed = Resumed { run: RunId::new("r-1"), done: 1, asks, items: Vec::new(), waits: Vec::new() };
    let story = Story::new(&["ask", "deploy"], |options| options.resumed = Some(resumed));
    story.event(Event::RunResumed { job: Job::default(), shiro: "0.1.0".to_owned() });
    story.event(decided("ask", Decision::Approved, 1));
    story.event(Event::RunPaused { waiting: vec![StepId::new("ask")], until: None });
    let shown = story.end();
    assert!(
        shown.contains("approved by alice (unverified, from GITLAB_USER_LOGIN); one more approval is missing\n"),
        "{shown}"
    );
    assert!(shown.contains("  ask: 2 approvals; 1 missing\n"), "{shown}");
}

#[test]
fn a_form_is_not_filled_in_by_a_start() {
    let form = json!({ "type": "object", "required": ["ticket"], "properties": { "ticket": { "type": "string" } } });
    let rule = Rule { form: Some(form), ..Rule::default() };
    let paused = |others: &[&str]| {
        let story = Story::new(&["ask", "other"], |_| {});
        story.begin().start("ask", 1).succeed("ask", 10).event(requested("ask", rule.clone()));
        let waiting: Vec<&str> = ["ask"].iter().chain(others).copied().collect();
        story.event(Event::RunPaused { waiting: waiting.into_iter().map(StepId::new).collect(), until: None });
        story.end()
    };
    let shown = paused(&[]);
    assert!(shown.contains("  ask: `shiro approve ask -form ticket=...`, or `shiro reject ask"), "{shown}");
    assert!(shown.ends_with("To go on once it is approved: run `shiro run`\n"), "{shown}");
    // A start approves the other one, which needs no form.
    assert!(paused(&["other"]).ends_with("To approve and go on: run `shiro run`\n"));
}

#[test]
fn a_wait_says_until_when_and_how_to_go_on() {
    let step = StepId::new("cool-down");
    let until = START + 720_000;
    let story = Story::new(&["cool-down", "deploy"], |options| {
        options.resume_later = "run `shiro run -no-approve`".to_owned();
    });
    story.begin().start("cool-down", 1).succeed("cool-down", 10);
    story.event(Event::WaitStarted { step: step.clone(), until, guards: Vec::new() });
    story.event(requested("ask", Rule::pause()));
    story.event(Event::RunPaused { waiting: vec![StepId::new("ask")], until: Some(until) });
    let shown = story.end();
    let pause = "cool-down: waits until 2023-11-14T22:25:20Z (12m 00s)
ask: waits for approval
release: paused after 0ms: 1 succeeded, 1 not started
Waiting until 2023-11-14T22:25:20Z (12m 00s) after `cool-down`
To go on then: run `shiro run -no-approve`
Waiting for approval after `ask`
To approve and go on: run `shiro run`
";
    assert!(shown.ends_with(pause), "{shown}");

    let waits = vec![(step.clone(), until)];
    let resumed = Resumed { run: RunId::new("r-1"), done: 1, asks: Vec::new(), items: Vec::new(), waits };
    let story = Story::new(&["cool-down", "deploy"], |options| options.resumed = Some(resumed));
    story.event(Event::RunResumed { job: Job::default(), shiro: "0.1.0".to_owned() });
    story.event(Event::WaitEnded { step, skipped_by: Some(Approver::unverified(Some("bob".to_owned()), "USER")) });
    let shown = story.end();
    assert!(shown.contains("cool-down: waits until 2023-11-14T22:25:20Z (12m 00s)\n"), "{shown}");
    assert!(shown.contains("cool-down: the wait is over early, says bob (unverified, from USER)\n"), "{shown}");
}

#[test]
fn a_refusal_is_told() {
    for (event, outcome, said, summary) in [
        (
            decided("ask", Decision::Rejected, 1),
            Outcome::Rejected,
            "ask: rejected by alice (unverified, from GITLAB_USER_LOGIN): not today",
            "rejected after",
        ),
        (
            Event::ApprovalExpired { step: StepId::new("ask"), request: "q".to_owned() },
            Outcome::Expired,
            "ask: the approval expired: nobody decided in time",
            "expired without an approval after",
        ),
    ] {
        let story = Story::new(&["ask", "deploy"], |_| {});
        story.begin().event(event);
        story
            .event(Event::StepSkipped { step: StepId::new("deploy"), reason: SkipReason::Refused(StepId::new("ask")) });
        story.finish(outcome, 6);
        let shown = story.end();
        for text in [said, "deploy: skipped: the approval after `ask` was refused", summary] {
            assert!(shown.contains(text), "{text}: {shown}");
        }
    }
}

#[test]
fn a_run_goes_on() {
    let resumed = Resumed { run: RunId::new("r-1"), done: 1, asks: Vec::new(), items: Vec::new(), waits: Vec::new() };
    let story = Story::new(&["ask", "deploy", "lost"], |options| options.resumed = Some(resumed));
    story.event(Event::RunResumed { job: Job::default(), shiro: "0.1.0".to_owned() });
    let approver = Approver::unverified(Some("alice".to_owned()), "GITLAB_USER_LOGIN");
    story.event(decided("ask", Decision::Approved, 0));
    story.event(Event::InterruptionResolved { step: StepId::new("lost"), rerun: true, approver });
    story.start("deploy", 1).succeed("deploy", 20).start("lost", 2);
    story.event(Event::StepInterrupted { step: StepId::new("lost"), attempt: 2 });
    story.event(Event::RunInterrupted { signal: "SIGTERM".to_owned() });
    assert_eq!(
        story.end(),
        "release: going on with run r-1, 1 of 3 steps done before
ask: approved by alice (unverified, from GITLAB_USER_LOGIN)
lost: runs again after the interruption, says alice (unverified, from GITLAB_USER_LOGIN)
deploy: started
[2/3] deploy: succeeded (20ms)
lost: attempt 2 of 3 started
lost: interrupted in attempt 2
release: interrupted by SIGTERM after 0ms: 1 done before, 1 succeeded, 1 interrupted
State is saved. To go on: run `shiro run`
"
    );
}

#[test]
fn quiet_hides_progress_only() {
    let quiet = |options: &mut HumanOptions| options.quiet = true;
    let story = Story::new(&["ask", "deploy"], quiet);
    pause(&story);
    let notice = "release: paused after 0ms: 1 succeeded, 1 not started
Waiting for approval after `ask`
To approve and go on: run `shiro run`
";
    assert_eq!(story.end(), notice);

    let story = Story::new(&["test"], quiet);
    story.begin().start("test", 1).line("test", "why").warn(None, "no cache").log("test", Level::Error, "bad");
    story.fail("test", 1, Failure::new(FailureClass::Limit, "timeout", "too slow")).finish(Outcome::Failed, 5);
    assert_eq!(
        story.end(),
        "warning: no cache
test | error: bad
[1/1] test: failed (400ms): too slow

Failures:
  test: limit reached (timeout, 400ms)
    | too slow
    its output:
    | why
    | bad

release: failed with exit code 5 after 0ms: 1 failed, 1 warning
"
    );

    let story = Story::new(&["test"], quiet);
    story.begin().start("test", 1).line("test", "hello").succeed("test", 1).finish(Outcome::Succeeded, 0);
    assert_eq!(story.end(), "");
}

/// `a` is alone, then runs beside `b` and `c`; `c` fails; `a` is alone again.
fn overlap(story: &Story) {
    story.begin().start("a", 1).line("a", "a1").after(1_000).start("b", 1).start("c", 1);
    story.line("b", "b1").line("a", "a2").line("c", "c1").line("b", "b2").after(1_000).succeed("b", 1_000);
    story.line("a", "a3").fail("c", 1, Failure::new(FailureClass::Step, "no", "no")).line("a", "a4");
    story.after(1_000).succeed("a", 3_000).finish(Outcome::Failed, 1);
}

#[test]
fn plain_lines_of_parallel_steps_alternate() {
    let story = Story::new(&["a", "b", "c"], |_| {});
    overlap(&story);
    let lines = "a | a1\nb: started\nc: started\nb | b1\na | a2\nc | c1\nb | b2\n[1/3] b: succeeded (1.0s)\na | a3\n";
    assert!(story.end().contains(lines));
}

#[test]
fn gitlab_sections_hold_one_step_each() {
    let story = Story::new(&["a", "b", "c"], styled(Style::Gitlab));
    overlap(&story);
    let shown = story.end();
    let (log, _) = shown.split_once("\nFailures:").unwrap();
    assert_eq!(
        log,
        "release: run r-1, 3 steps
a: started
␛[0Ksection_start:1700000000:step_1_a␍␛[0Ka: output
a | a1
b: started
c: started
a | a2
␛[0Ksection_end:1700000002:step_1_a␍␛[0K
␛[0Ksection_start:1700000001:step_2_b[collapsed=true]␍␛[0Kb: output
b | b1
b | b2
␛[0Ksection_end:1700000002:step_2_b␍␛[0K
[1/3] b: succeeded (1.0s)
␛[0Ksection_start:1700000001:step_3_c␍␛[0Kc: output
c | c1
␛[0Ksection_end:1700000002:step_3_c␍␛[0K
[2/3] c: failed (400ms): no
␛[0Ksection_start:1700000000:step_4_a␍␛[0Ka: output (continued)
a | a3
a | a4
␛[0Ksection_end:1700000003:step_4_a␍␛[0K
[3/3] a: succeeded (3.0s)
"
    );
}

#[test]
fn github_groups_hold_one_step_each() {
    let story = Story::new(&["a", "b", "c"], styled(Style::Github));
    overlap(&story);
    let shown = story.end();
    let groups = "::endgroup::
::group::b: output
b | b1
b | b2
::endgroup::
[1/3] b: succeeded (1.0s)
::group::c: output
c | c1
::endgroup::
[2/3] c: failed (400ms): no
::group::a: output (continued)
a | a3
";
    assert!(shown.contains(groups), "{shown}");
    assert_eq!(shown.matches("::group::").count(), shown.matches("::endgroup::").count());
}

#[test]
fn what_is_collected_is_bounded() {
    let story = Story::new(&["a", "b"], styled(Style::Gitlab));
    story.begin().start("a", 1).line("a", "a1").start("b", 1);
    let line = "x".repeat(1_000);
    (0..1_000).for_each(|_| _ = story.line("b", &line));
    story.succeed("b", 1).succeed("a", 1).finish(Outcome::Succeeded, 0);
    let shown = story.end();
    assert_eq!(shown.matches(&line).count(), 1_000);
    assert_eq!(shown.matches("_b[collapsed=true]").count(), 4, "in pieces of 256 KiB");
    assert_eq!(shown.matches("b: output (continued)").count(), 3);
}

const HOSTILE: [&str; 7] = [
    "\u{1b}[2J\u{1b}]0;pwned\u{7}cleared",
    "::set-output name=x::y",
    "::endgroup::",
    "##[error]forged",
    "\u{1b}[0Ksection_end:1:step_1_evil\r\u{1b}[0K",
    "[1/1] evil: failed\r[1/1] evil: succeeded",
    "\u{202e}desrever\u{1b}[31m red",
];

#[test]
fn a_step_cannot_act_on_the_log() {
    let hostile = HOSTILE.join("\n");
    for style in [Style::Plain, Style::Gitlab, Style::Github, Style::Terminal] {
        let story = Story::new(&["evil", "::evil\u{1b}[2J"], |options| {
            options.style = style;
            options.workflow = "::name\r\u{1b}[2J".to_owned();
            options.outputs = Some(Outputs::Json);
        });
        story.begin().start("evil", 1);
        HOSTILE.iter().for_each(|line| _ = story.line("evil", line).log("evil", Level::Error, line));
        story.warn(None, &hostile).event(Event::StepSucceeded {
            step: StepId::new("evil"),
            attempt: 1,
            output: json!(HOSTILE),
            duration_ms: 1,
        });
        story.fail("::evil\u{1b}[2J", 1, Failure::new(FailureClass::Step, &*hostile, &*hostile).with_hint(&*hostile));
        story.finish(Outcome::Failed, 1);
        let shown = story.end();
        for line in shown.lines() {
            let line = line.strip_prefix("␛[1A␛[J").unwrap_or(line);
            let own = line.starts_with("␛[0Ksection_") || ["::group::evil: output", "::endgroup::"].contains(&line);
            let text = if own { "" } else { line };
            assert!(!text.contains(['␛', '␍', '\u{202e}', '\u{7}']), "{style:?}: {line}");
            if style == Style::Github {
                assert!(!text.trim_start().starts_with("::"), "{line}");
                assert!(!text.contains("##["), "{line}");
            }
        }
        let groups = shown.lines().filter(|line| *line == "::endgroup::").count();
        assert_eq!(groups, usize::from(style == Style::Github), "{shown}");
    }
}

#[test]
fn colours_of_a_step_end_with_its_line() {
    let story = Story::new(&["a"], |options| options.color = true);
    story.begin().start("a", 1).line("a", "\u{1b}[32mgreen").line("a", "plain").succeed("a", 1);
    let shown = story.end();
    assert!(shown.contains("␛[36ma |␛[0m ␛[32mgreen␛[0m\n␛[36ma |␛[0m plain\n"), "{shown}");
    assert!(shown.ends_with("[1/1] a: ␛[32msucceeded␛[0m (1ms)\n"), "{shown}");
}

#[test]
fn a_terminal_shows_what_runs_below_the_lines() {
    let story = Story::new(&["a", "a-step-with-quite-a-long-name"], styled(Style::Terminal));
    story.begin().start("a", 1).after(65_000).start("a-step-with-quite-a-long-name", 1);
    story.after(5_000).warn(None, "look").succeed("a", 70_000).warn(None, "again");
    let shown = story.shown();
    let area = "> a 1m 10s\n> a-step-with-quite-a-long-n…\n␛[2A␛[J[1/2] a: succeeded (1m 10s)\n";
    assert!(shown.contains(&format!("warning: look\n{area}")), "{shown}");
    assert!(shown.ends_with("warning: again\n> a-step-with-quite-a-long-n…\n"), "{shown}");
    assert!(story.end().ends_with("␛[1A␛[J"), "the area is gone at the end");
}

#[test]
fn outputs_are_shown_without_secrets() {
    let story = Story::new(&["a"], |options| options.outputs = Some(Outputs::Text));
    story.begin().start("a", 1).succeed("a", 1).finish(Outcome::Succeeded, 0);
    let shown = story.end();
    let outputs = "Outputs:\n  a:\n    | {\n    |   \"said\": \"hello\",\n    |   \"key\": \"***\"\n    | }\n";
    assert!(shown.contains(outputs), "{shown}");
}

#[test]
fn a_reader_that_has_gone_is_no_trouble() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let story = Story::new(&["a"], |options| options.out = Box::new(Gone));
    story.begin().start("a", 1).line("a", "x").fail("a", 1, exit_failure()).finish(Outcome::Failed, 1);
}

#[test]
fn a_line_before_a_silence_is_written_soon() {
    let story = Story::new(&["a"], |_| {});
    story.begin().start("a", 1).line("a", "last words");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !story.shown().contains("last words") {
        assert!(Instant::now() < deadline, "never written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn many_steps_cost_few_writes() {
    struct Counting(Arc<Mutex<usize>>);
    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.0.lock().unwrap() += 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writes = Arc::new(Mutex::new(0));
    let counting = Counting(Arc::clone(&writes));
    let story = Story::new(&["a"], |options| options.out = Box::new(counting));
    let start = Instant::now();
    story.begin();
    for number in 0..10_000 {
        let step = format!("s{number}");
        story.start(&step, 1).line(&step, "hello").succeed(&step, 1);
    }
    story.finish(Outcome::Succeeded, 0);
    let by_time = start.elapsed().as_millis() as usize / LATENCY.as_millis() as usize;
    let by_size = 10_000 * 60 / (64 * 1024);
    assert!(*writes.lock().unwrap() <= 2 * by_time + by_size + 10, "{} writes", writes.lock().unwrap());
}

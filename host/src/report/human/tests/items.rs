//! Steps that are run for each item of a list.

use super::*;

fn item(step: &str, index: u32) -> StepId {
    StepId::new(step).item(index)
}

impl Story {
    fn expand(&self, step: &str, items: usize) -> &Self {
        self.event(Event::StepExpanded { step: StepId::new(step), items: vec![json!(1); items].into() })
    }

    fn item(&self, step: &str, index: u32) -> &Self {
        let id = item(step, index);
        self.start(id.as_str(), 1).line(id.as_str(), "working").succeed(id.as_str(), 20)
    }
}

#[test]
fn a_few_items_are_told_of_one_by_one() {
    let story = Story::new(&["build", "last"], |_| {});
    story.begin().expand("build", 2).start("build[0]", 1).start("build[1]", 1);
    story.line("build[1]", "hello").succeed("build[1]", 20).line("build[0]", "there");
    story.succeed("build[0]", 30).succeed("build", 50);
    assert_eq!(
        story.end().lines().skip(1).collect::<Vec<_>>(),
        [
            "build: started for 2 items",
            "build[1] | hello",
            "build[1]: succeeded (20ms)",
            "build[0] | there",
            "build[0]: succeeded (30ms)",
            "[1/2] build: succeeded (50ms, 2 of 2 items)",
        ]
    );
}

#[test]
fn of_many_items_a_tenth_at_a_time_is_told() {
    let story = Story::new(&["build"], |_| {});
    story.begin().expand("build", 1000);
    for index in 0..1000 {
        let id = item("build", index);
        story.start(id.as_str(), 1).succeed(id.as_str(), 1);
    }
    story.succeed("build", 50);
    let text = story.end();
    assert_eq!(text.lines().count(), 1 + 1 + 9 + 1, "{text}");
    assert!(text.contains("\nbuild: 300 of 1000 items done\n"), "{text}");
}

#[test]
fn a_failed_item_is_told_of_once_with_its_last_lines() {
    let story = Story::new(&["build", "last"], |_| {});
    story.begin().expand("build", 3).start("build[0]", 1).start("build[1]", 1).line("build[1]", "oh no");
    let failure = Failure::new(FailureClass::Step, "exit", "exited with code 4");
    let whole = Failure::new(FailureClass::Step, "exit", "one of 3 items failed, `build[1]`: exited with code 4");
    story.fail("build[1]", 1, failure).succeed("build[0]", 9).fail("build", 1, whole).finish(Outcome::Failed, 1);
    let text = story.end();
    assert!(text.contains("\nbuild[1]: failed (400ms): exited with code 4\n"), "{text}");
    assert!(text.contains("\n[1/2] build: failed (400ms): one of 3 items failed, `build[1]`: exited with code 4\n"));
    let recap = &text[text.find("Failures:").expect("a recap")..];
    assert_eq!(recap.matches("exited with code 4").count(), 1, "{text}");
    assert!(recap.contains("\n  build[1]: "), "{text}");
    assert!(recap.contains("| oh no") && recap.contains("1 failed, 1 not started"), "{text}");
}

#[test]
fn a_step_s_items_share_its_section() {
    let story = Story::new(&["build", "other"], |options| options.style = Style::Github);
    story.begin().start("other", 1).line("other", "first").expand("build", 2).item("build", 0).item("build", 1);
    story.succeed("build", 50).succeed("other", 60);
    let text = story.end();
    assert_eq!(text.matches("::group::build: output\n").count(), 1, "{text}");
    assert!(!text.contains("::group::build["), "{text}");
    let section = &text[text.find("::group::build").expect("a section")..];
    let section = &section[..section.find("::endgroup::").expect("an end")];
    assert_eq!(section, "::group::build: output\nbuild[0] | working\nbuild[1] | working\n");
}

#[test]
fn the_live_area_has_one_row_for_all_items() {
    let story = Story::new(&["build"], |options| options.style = Style::Terminal);
    story.begin().expand("build", 3).item("build", 0).start("build[1]", 1).start("build[2]", 1).after(3000);
    let text = story.warn(None, "look").shown();
    assert!(text.ends_with("warning: look\n> build 3.0s, 1 of 3 items\n"), "{text:?}");
}

#[test]
fn what_an_earlier_process_did_counts() {
    let items = vec![ItemsBefore { step: StepId::new("build"), total: 4, done: 2 }];
    let story = Story::new(&["build", "last"], |options| {
        options.resumed = Some(Resumed { run: RunId::new("r-1"), done: 0, asks: Vec::new(), items, waits: Vec::new() });
    });
    story.event(Event::RunResumed { job: Job::default(), shiro: "0".to_owned() });
    story.event(Event::StepInterrupted { step: item("build", 2), attempt: 1 });
    story.item("build", 2);
    story.skip("build", SkipReason::EarlierFailure);
    let text = story.end();
    assert!(text.contains("build[2]: interrupted in attempt 1\nbuild[2] | working\n"), "{text}");
    assert!(
        text.contains("] build: skipped: another step had failed (-keep-going runs it), 3 of 4 items done\n"),
        "{text}"
    );
}

#[test]
fn outputs_of_items_are_shown_as_a_list() {
    let story = Story::new(&["build"], |options| options.outputs = Some(Outputs::Json));
    story.begin().expand("build", 3).item("build", 0).item("build", 2);
    let step = StepId::new("build");
    story.event(Event::StepSucceeded { step, attempt: 1, output: Value::Null, duration_ms: 1 });
    story.finish(Outcome::Succeeded, 0);
    let text = story.end();
    let json: String = text[text.find("\n{").expect("outputs")..].split_whitespace().collect();
    assert!(json.starts_with(r#"{"build":[{"said":"hello","key":"***"},null,{"said""#), "{text}");
}

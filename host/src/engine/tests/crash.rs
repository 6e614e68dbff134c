//! Random graphs, with a crash after or before any batch: what was recorded as completed never runs again, and the run ends
//! as if nothing had happened.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Debug)]
struct RandomStep {
    depends_on: Vec<prop::sample::Index>,
    fails: bool,
    tolerated: bool,
    pause: bool,
    condition: Option<&'static str>,
    finally: bool,
    ms: u64,
    transient_failures: u64,
    pure: bool,
    /// How many items it has, and at most how many at once.
    items: Option<(usize, usize)>,
}

fn random_step() -> impl Strategy<Value = RandomStep> {
    let condition = prop_oneof![
        8 => Just(None),
        1 => Just(Some("always()")),
        1 => Just(Some("failure()")),
        1 => Just(Some("inputs.colour == 'blue'")),
        1 => Just(Some("inputs.colour == 'red'")),
    ];
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.15),
        (condition, prop::bool::weighted(0.2)),
        0_u64..4,
        prop_oneof![4 => Just(0_u64), 1 => 1_u64..3],
        any::<bool>(),
        prop::option::weighted(0.3, (0_usize..4, 1_usize..3)),
    )
        .prop_map(
            |(depends_on, fails, tolerated, pause, (condition, finally), ms, transient_failures, pure, items)| {
                RandomStep {
                    depends_on,
                    fails,
                    tolerated,
                    pause,
                    condition,
                    finally,
                    ms,
                    transient_failures,
                    pure,
                    items,
                }
            },
        )
}

fn steps(random: &[RandomStep]) -> Value {
    // Not all of them.
    let is_finally = |position: usize| position > 0 && random[position].finally;
    let step = |(position, step): (usize, &RandomStep)| {
        let finally = is_finally(position);
        let earlier: Vec<usize> = (0..position).filter(|earlier| is_finally(*earlier) == finally).collect();
        let depends_on: HashSet<_> = match earlier.len() {
            0 => HashSet::new(),
            count => step.depends_on.iter().map(|index| format!("s{}", earlier[index.index(count)])).collect(),
        };
        let mut config = json!({ "ms": step.ms });
        if step.fails {
            config["fail"] = json!({});
        } else if step.transient_failures > 0 {
            config["fail"] = json!({ "transient": true });
            config["failures"] = step.transient_failures.into();
        }
        let items = step.items;
        let mut step = json!({
            "id": format!("s{position}"), "type": if step.pure { "pure" } else { "fake" }, "depends_on": depends_on, "continue_on_error": step.tolerated,
            "pause": step.pause && !finally,
            "retry": { "max_attempts": 3, "delay": "1ms" }, "config": config,
            "if": step.condition.unwrap_or("true"), "idempotent": true,
        });
        if step["if"] == "true" {
            step.as_object_mut().unwrap().remove("if");
        }
        if finally {
            step["finally"] = true.into();
        }
        if let Some((items, at_once)) = items {
            step["foreach"] = (0..items).collect();
            step["max_parallel"] = at_once.into();
            step["config"]["item"] = "{{item}}".into();
        }
        step
    };
    random.iter().enumerate().map(step).collect()
}

/// The same steps, with others in a file that a step between the first and the rest runs.
fn nested(random: &[RandomStep], inner: &[RandomStep], tolerated: bool, condition: Option<&str>) -> Plan {
    let lists = |random: &[RandomStep]| {
        let Value::Array(steps) = steps(random) else { unreachable!() };
        let (mut finally, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.get("finally").is_some());
        finally.iter_mut().for_each(|step| drop(step.as_object_mut().unwrap().remove("finally")));
        (steps, finally)
    };
    let (mut steps, finally) = lists(random);
    let mut sub = json!({
        "id": "sub", "type": "workflow", "depends_on": ["s0"], "continue_on_error": tolerated,
        "config": { "file": "inner", "inputs": { "colour": "{{ inputs.colour }}", "from": "{{ steps.s0 | default('none') }}" } },
    });
    if let Some(condition) = condition {
        sub["if"] = condition.into();
    }
    steps.insert(1, sub);
    steps.push(json!({ "id": "after", "idempotent": true, "depends_on": ["sub"], "config": { "x": "{{ steps.sub | default('') }}" } }));
    let (inner, inner_finally) = lists(inner);
    let inner =
        json!({ "name": "inner", "inputs": { "colour": "", "from": "" }, "steps": inner, "finally": inner_finally });
    let outer = json!({ "name": "test", "inputs": { "colour": "" }, "steps": steps, "finally": finally });
    crate::plan::testing::nested(outer, &[("inner", inner)])
}

/// Runs to the end, over pauses and crashes. A crash comes after so many batches of a process; then the next one counts.
async fn to_the_end(world: &mut World, crashes: &[(usize, bool)]) -> Finish {
    let mut crashes = crashes.iter();
    for _ in 0..200 {
        world.full_after = crashes.next().copied();
        match world.process().await {
            Ok(Finish::Paused { .. }) | Err(EngineError::Record(_)) => match world.state().end() {
                Some(End::Finished { outcome: Outcome::Succeeded, .. }) => return Finish::Succeeded,
                Some(End::Finished { exit_code, .. }) => return Finish::Failed { exit_code: *exit_code },
                _ => {}
            },
            Ok(finish) => return finish,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never ends: {:?}", world.statuses());
}

/// What must hold of any journal: the fold accepts it, a step starts only when all before it is settled (for one of `finally`,
/// all others), and nothing starts behind a gate that nobody has opened.
pub(super) fn check_journal(world: &World) -> Result<(), TestCaseError> {
    let plan = &world.plan;
    let mut state = RunState::for_plan(Arc::clone(plan));
    for record in world.records() {
        if let Event::StepStarted { step, .. } = &record.event {
            let step = StepId::split_item(step.as_str()).map_or(step.as_str(), |(step, _)| step);
            let step = plan.find(step).unwrap();
            let mut before = plan.dependencies(step).to_vec();
            let is_early = |other: &StepIndex| plan.group(*other) == plan.group(step) && !plan.is_finally(*other);
            let all = plan.steps().filter(|other| plan.is_finally(step) && is_early(other));
            for other in before.iter().copied().chain(all).collect::<Vec<_>>().iter() {
                let status = state.at(*other).status();
                prop_assert!(
                    !matches!(status, Status::Pending | Status::Running { .. } | Status::Retrying | Status::Expanded),
                    "{:?} started while {:?} {}",
                    plan.step(step).id,
                    plan.step(*other).id,
                    status
                );
            }
            while let Some(other) = before.pop() {
                prop_assert!(state.at(other).gate() != Gate::Waiting, "{:?} passed a gate", plan.step(step).id);
                before.extend(plan.dependencies(other));
            }
        }
        state.apply(&record).map_err(|error| TestCaseError::fail(error.to_string()))?;
        check_items(plan, &state)?;
    }
    Ok(())
}

/// No more of a step's items are begun and not ended than it says, and of a step that is done all are.
fn check_items(plan: &Plan, state: &RunState) -> Result<(), TestCaseError> {
    for step in plan.steps() {
        let Some(items) = state.items_at(step) else { continue };
        let most = plan.step(step).fan_out.as_ref().and_then(|fan_out| fan_out.max_parallel).unwrap_or(usize::MAX);
        let begun = items.iter().filter(|(_, item)| matches!(item.status(), Status::Running { .. } | Status::Retrying));
        prop_assert!(begun.count() <= most, "more than {most} items of {:?}", plan.step(step).id);
        // What a step stands in may tolerate its failure, and then items are left.
        let failed_within =
            matches!(state.at(step).status(), Status::Failed { .. }) && !plan.step(step).continue_on_error;
        prop_assert!(failed_within || !state.at(step).is_done() || items.done() == items.len());
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_changes_nothing_in_the_end(
        random in prop::collection::vec(random_step(), 1..14),
        crashes in prop::collection::vec((0_usize..6, any::<bool>()), 0..8),
        jobs in 1_usize..5,
    ) {
        let new_world = || {
            let mut world = World::new(steps(&random));
            // Without it, which of several independent steps start before a failure is a matter of time.
            world.options = Options { jobs, keep_going: true, ..Options::default() };
            world
        };
        let mut calm = new_world();
        let finish = block_on(to_the_end(&mut calm, &[]));
        check_journal(&calm)?;
        let mut world = new_world();
        prop_assert_eq!(block_on(to_the_end(&mut world, &crashes)), finish);
        check_journal(&world)?;
        prop_assert_eq!(world.statuses(), calm.statuses());
        prop_assert!(world.runner.most_at_once.load(Ordering::SeqCst) <= jobs);
    }

    #[test]
    fn without_keep_going_the_journal_is_sound_all_the_same(
        random in prop::collection::vec(random_step(), 1..14),
        crashes in prop::collection::vec((0_usize..6, any::<bool>()), 0..8),
        jobs in 1_usize..5,
    ) {
        let mut world = World::new(steps(&random));
        world.options.jobs = jobs;
        block_on(to_the_end(&mut world, &crashes));
        check_journal(&world)?;
        // Of a step that failed, items may be left.
        let is_left = |status: &String| status.ends_with("pending") && !status.contains('[');
        let ended = world.statuses().iter().all(|status| !is_left(status) && !status.ends_with("running"));
        prop_assert!(ended, "{:?}", world.statuses());
    }

    #[test]
    fn a_crash_in_a_workflow_within_changes_nothing_either(
        random in prop::collection::vec(random_step(), 1..8),
        inner in prop::collection::vec(random_step(), 1..8),
        tolerated in any::<bool>(),
        condition in prop_oneof![4 => Just(None), 1 => Just(Some("always()")), 1 => Just(Some("failure()"))],
        crashes in prop::collection::vec((0_usize..6, any::<bool>()), 0..8),
        jobs in 1_usize..5,
        keep_going in any::<bool>(),
    ) {
        let new_world = || {
            let mut world = World::of(nested(&random, &inner, tolerated, condition));
            world.options = Options { jobs, keep_going, ..Options::default() };
            world
        };
        let mut calm = new_world();
        let finish = block_on(to_the_end(&mut calm, &[]));
        check_journal(&calm)?;
        let mut world = new_world();
        let again = block_on(to_the_end(&mut world, &crashes));
        check_journal(&world)?;
        let is_left = |status: &String| status.ends_with("pending") && !status.contains('[');
        let ended = world.statuses().iter().all(|status| !is_left(status) && !status.ends_with("running"));
        prop_assert!(ended, "{:?}", world.statuses());
        if keep_going {
            prop_assert_eq!(again, finish);
            prop_assert_eq!(world.statuses(), calm.statuses());
        }
    }
}

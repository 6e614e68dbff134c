//! How time and memory grow with the number of steps. Says so, and asserts nothing: run it with
//! `cargo test --release -- --ignored --nocapture --test-threads 1 engine::tests::scale`.

use std::fmt::Write as _;
use std::io::Write as _;

use super::*;
use crate::workflow::{Source, parse};

/// Takes 50 µs of CPU time, as a small component does.
struct Spin;

impl StepRunner for Spin {
    async fn run(&self, request: StepRequest) -> Result<StepSuccess, Failure> {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(50) {
            std::hint::spin_loop();
        }
        Ok(StepSuccess { output: json!({ "printed": true, "message": request.config["message"], "level": "info" }) })
    }

    fn is_pure(&self, _: &StepType) -> bool {
        true
    }
}

struct Silence;

impl Tell for Silence {
    fn tell(&self, _: Notice<'_>) {}
}

fn wide(_: usize) -> Vec<usize> {
    Vec::new()
}

fn chain(step: usize) -> Vec<usize> {
    step.checked_sub(1).into_iter().collect()
}

/// Layers of a hundred; each step depends on ten of the layer before.
fn layered(step: usize) -> Vec<usize> {
    if step < 100 {
        Vec::new()
    } else {
        (0..10).map(|offset| (step / 100 - 1) * 100 + (step + offset * 7) % 100).collect()
    }
}

fn measure(shape: &str, dependencies: fn(usize) -> Vec<usize>, count: usize, jobs: usize, sync: bool) {
    let before = memory("VmRSS");
    let plan = Arc::new(build(dependencies, count));
    let journal = tempfile::NamedTempFile::new().unwrap();
    let mut file = journal.reopen().unwrap();
    let mut batches = 0;
    let batches_seen = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&batches_seen);
    let record: RecordFn = Box::new(move |records| {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        if sync {
            file.sync_data()?;
        }
        batches += 1;
        seen.store(batches, Ordering::Relaxed);
        Ok(())
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = World::new(json!([{ "id": "a" }]));
    let setup = Setup {
        state: RunState::for_plan(Arc::clone(&plan)),
        plan,
        begin: vec![world.run_started()],
        runner: Arc::new(Spin),
        record,
        tell: Arc::new(Silence),
        secrets: Arc::default(),
        env: Arc::default(),
        types: Arc::default(),
        options: Options { jobs, ..Options::default() },
        stop: mpsc::unbounded_channel().1,
    };
    let began = std::time::Instant::now();
    assert_eq!(runtime.block_on(run(setup)).unwrap(), Finish::Succeeded);
    let took = began.elapsed();
    println!(
        "{shape:8} {count:7} steps, {jobs} jobs, sync {sync:5}: {took:9.1?}, {:5.1} us a step, {:6} batches, RSS {before} -> {} kB, peak {} kB",
        took.as_secs_f64() * 1e6 / count as f64,
        batches_seen.load(Ordering::Relaxed),
        memory("VmRSS"),
        memory("VmHWM"),
    );
}

fn build(dependencies: fn(usize) -> Vec<usize>, count: usize) -> Plan {
    let mut text = String::from(r#"{ "name": "scale", "steps": ["#);
    for step in 0..count {
        let ids: Vec<_> = dependencies(step).iter().map(|other| format!("\"s{other}\"")).collect();
        let comma = if step == 0 { "" } else { "," };
        let ids = ids.join(",");
        write!(
            text,
            r#"{comma}{{"id":"s{step}","type":"print","config":{{"message":"step {step}"}},"depends_on":[{ids}]}}"#
        )
        .unwrap();
    }
    text.push_str("] }");
    let began = std::time::Instant::now();
    let (workflow, problems) = parse(&Source::from_text("scale.json", text));
    assert!(problems.is_empty(), "{problems:?}");
    let parsed = began.elapsed();
    let plan = Plan::build(workflow.unwrap()).unwrap();
    println!("         parsed in {parsed:.1?}, planned in {:.1?}", began.elapsed() - parsed);
    plan
}

fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "a measurement"]
fn grows_with_the_number_of_steps() {
    for (shape, dependencies) in [("wide", wide as fn(usize) -> _), ("chain", chain), ("layered", layered)] {
        for count in [10_000, 100_000] {
            measure(shape, dependencies, count, 4, false);
        }
        measure(shape, dependencies, 10_000, 4, true);
    }
    build(|step| (step.saturating_sub(20)..step.saturating_sub(10)).collect(), 100_000);
}

mod builtins;
mod sandbox;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::id::{RunId, StepId};
use crate::plugin::Catalog;
use crate::plugin::testing::{Component as Text, Recorder};

/// A runner and what it takes to ask it.
struct Bench {
    runner: SandboxRunner,
    recorder: Arc<Recorder>,
    cancel: watch::Sender<bool>,
    _dir: TempDir,
}

impl Bench {
    /// With this component as the type `test`.
    fn new(component: &Text) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("test.wasm"), component.build()).unwrap();
        Self::with_types(dir, &["test"])
    }

    fn with_types(dir: TempDir, names: &[&str]) -> Self {
        let catalog = Catalog::new(vec![dir.path().to_owned()]);
        let types: Vec<LoadedType> = names.iter().map(|name| catalog.load(&StepType::new(*name)).unwrap()).collect();
        let options = RunnerOptions {
            project_dir: dir.path().to_owned(),
            job_env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
            secrets: Default::default(),
            policies: Arc::default(),
            learned: None,
            data: Arc::new(crate::data::Data::in_memory(Arc::default())),
            grace: Duration::from_millis(200),
        };
        let runner = SandboxRunner::new(types, options);
        Self { runner, recorder: Recorder::new(), cancel: watch::channel(false).0, _dir: dir }
    }

    fn request(&self, step_type: &str, config: Value) -> StepRequest {
        StepRequest {
            workflow: "w".into(),
            run: RunId::new("r"),
            step: StepId::new("s"),
            step_type: StepType::new(step_type),
            attempt: 1,
            config,
            bindings: vec![],
            derived: vec![],
            permissions: Vec::new(),
            timeout: None,
            terminal: false,
            sink: Arc::clone(&self.recorder) as Arc<dyn crate::step::StepSink>,
            cancel: self.cancel.subscribe(),
        }
    }

    async fn run(&self) -> Result<StepSuccess, Failure> {
        self.runner.run(self.request("test", json!({}))).await
    }

    async fn failure(&self) -> Failure {
        self.run().await.unwrap_err()
    }
}

fn class_and_code(failure: &Failure) -> (FailureClass, &str) {
    (failure.class, failure.code.as_str())
}

/// Imports of `shiro:step/log`, as `(import "host" "log")` of the module.
fn logging() -> Text {
    Text {
        imports: r#"
            (import "shiro:step/log@0.1.0" (instance $log
              (type $level' (enum "debug" "info" "warn" "error"))
              (export "level" (type $level (eq $level')))
              (export "log" (func (param "level" $level) (param "message" string) (param "fields" string)))))
            (core func $log (canon lower (func $log "log") (memory (core memory $libc "memory"))))"#
            .into(),
        with: r#"(with "host" (instance (export "log" (func $log))))"#.into(),
        module: r#"(import "host" "log" (func $log (param i32 i32 i32 i32 i32)))"#.into(),
        ..Text::default()
    }
}

#[tokio::test]
async fn a_step_that_succeeds() {
    let bench = Bench::new(&Text { output: r#"{"a":[1,"é"]}"#.into(), ..Text::default() });
    assert_eq!(bench.run().await.unwrap().output, json!({ "a": [1, "é"] }));
    assert!(bench.recorder.warnings().is_empty());
}

#[tokio::test]
async fn a_step_that_says_no() {
    for (kind, class, transient) in
        [(0, FailureClass::Config, false), (1, FailureClass::Step, false), (2, FailureClass::Step, true)]
    {
        let body = format!("(call $fail (i32.const {kind}) (i32.const 3000) (i32.const 7))");
        let text = Text { module: r#"(data (i32.const 3000) "test.no")"#.into(), ..Text::running(&body) };
        let failure = Bench::new(&text).failure().await;
        assert_eq!(class_and_code(&failure), (class, "test.no"));
        assert_eq!((failure.transient, failure.message.as_str()), (transient, "test.no"));
    }
}

#[tokio::test]
async fn output_that_breaks_the_steps_own_contract() {
    let failure = Bench::new(&Text { output: "{".into(), ..Text::default() }).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "bad-output"));
    assert!(failure.message.contains("not JSON"), "{}", failure.message);

    let description = r#"{"name":"test","version":"1","summary":"s",
        "output_schema":{"type":"object","required":["url"]}}"#;
    let failure = Bench::new(&Text { description: description.into(), ..Text::default() }).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "bad-output"));
    assert!(failure.message.contains("url"), "{}", failure.message);
}

#[tokio::test]
async fn a_config_that_turns_out_wrong() {
    let description = r#"{"name":"test","version":"1","summary":"s",
        "config_schema":{"properties":{"port":{"type":"integer"}}}}"#;
    let bench = Bench::new(&Text { description: description.into(), ..Text::default() });
    let failure = bench.runner.run(bench.request("test", json!({ "port": "hunter2" }))).await.unwrap_err();
    assert_eq!(class_and_code(&failure), (FailureClass::Config, "config-schema"));
    assert!(failure.message.contains("`/port`") && !failure.message.contains("hunter2"), "{}", failure.message);
    assert!(bench.runner.run(bench.request("test", json!({ "port": 1 }))).await.is_ok());
}

#[tokio::test]
async fn traps_say_which_and_where() {
    for (body, cause) in [
        ("unreachable", "`unreachable` instruction executed"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero"),
        ("(i32.load (i32.const -4))", "out of bounds memory access"),
        ("(call_indirect (result i32) (i32.const 0))", "uninitialized element"),
        ("(call $run (i32.const 0) (i32.const 0))", "call stack exhausted"),
    ] {
        let text = Text { module: "(table 1 funcref)".into(), ..Text::running(body) };
        let failure = Bench::new(&text).failure().await;
        assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "trap"), "{body}");
        assert!(failure.message.contains(cause), "{body}: {}", failure.message);
        assert!(failure.message.contains("\n  at run"), "{body}: {}", failure.message);
        assert!(failure.message.lines().count() <= 22, "{}", failure.message);
        assert!(failure.hint.is_some());
    }
}

#[tokio::test]
async fn a_result_outside_of_memory_is_a_trap() {
    for body in ["(i32.const -8)", "(i32.store8 (i32.const 32) (i32.const 9)) (i32.const 32)"] {
        let failure = Bench::new(&Text::running(body)).failure().await;
        assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "trap"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_loop_ends_with_its_time() {
    let bench = Bench::new(&Text::running("(loop (br 0)) unreachable"));
    let started = Instant::now();
    let request = StepRequest { timeout: Some(Duration::from_millis(200)), ..bench.request("test", json!({})) };
    let failure = bench.runner.run(request).await.unwrap_err();
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "timeout"));
    assert!(failure.transient);
    assert_eq!(failure.message, "timed out after 200ms");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_sleeping_guest_ends_with_its_time() {
    let text = Text {
        imports: r#"
            (import "wasi:io/poll@0.2.0" (instance $poll
              (export "pollable" (type $pollable (sub resource)))
              (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
              (alias outer 1 $pollable (type $pollable'))
              (export "pollable" (type $pollable (eq $pollable')))
              (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
            (core func $block (canon lower (func $poll "[method]pollable.block")))
            (core func $sleep (canon lower (func $clock "subscribe-duration")))"#
            .into(),
        with: r#"(with "host" (instance (export "block" (func $block)) (export "sleep" (func $sleep))))"#.into(),
        module: r#"
            (import "host" "block" (func $block (param i32)))
            (import "host" "sleep" (func $sleep (param i64) (result i32)))"#
            .into(),
        ..Text::running("(call $block (call $sleep (i64.const -1))) unreachable")
    };
    let bench = Bench::new(&text);
    let request = StepRequest { timeout: Some(Duration::from_millis(100)), ..bench.request("test", json!({})) };
    let failure = bench.runner.run(request).await.unwrap_err();
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "timeout"));
}

#[tokio::test]
async fn a_cancelled_step_ends() {
    let bench = Bench::new(&Text::running("(loop (br 0)) unreachable"));
    let request = bench.request("test", json!({}));
    let stop = async {
        tokio::task::yield_now().await;
        bench.cancel.send_replace(true);
    };
    let (result, ()) = tokio::join!(bench.runner.run(request), stop);
    assert_eq!(result.unwrap_err().code, "cancelled");
}

#[tokio::test]
async fn memory_has_a_bound() {
    // Takes 16 MiB at a time and touches it, like an allocator that believes in itself.
    let grow = "(loop $again
        (br_if $again (i32.ne (memory.grow (i32.const 256)) (i32.const -1))))
        unreachable";
    for text in [
        Text::running(grow),
        Text::running("(loop $again (drop (memory.grow (i32.const 256))) (br $again)) unreachable"),
    ] {
        let failure = Bench::new(&text).failure().await;
        assert_eq!(class_and_code(&failure), (FailureClass::Limit, "memory"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_guest_that_copes_with_less_memory_succeeds() {
    let bench = Bench::new(&Text::running("(drop (memory.grow (i32.const 60000))) (call $succeed)"));
    assert!(bench.run().await.is_ok());
}

#[tokio::test]
async fn tables_have_a_bound() {
    let text = Text {
        module: "(table $t 1 funcref)".into(),
        ..Text::running("(drop (table.grow $t (ref.null func) (i32.const 10000000))) unreachable")
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "tables"));
}

#[tokio::test]
async fn a_giant_answer_is_not_copied() {
    let body = "(drop (memory.grow (i32.const 1000)))
        (i32.store8 (i32.const 32) (i32.const 0))
        (i32.store (i32.const 40) (i32.const 0))
        (i32.store (i32.const 44) (i32.const 50000000))
        (i32.const 32)";
    let failure = Bench::new(&Text::running(body)).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "call-size"), "{}", failure.message);
}

#[tokio::test]
async fn messages_reach_the_log() {
    let text = Text {
        module: format!("{} (data (i32.const 3000) \"hello\")", logging().module),
        run: Some(
            "(call $log (i32.const 2) (i32.const 3000) (i32.const 5) (i32.const 0) (i32.const 0)) (call $succeed)"
                .into(),
        ),
        ..logging()
    };
    let bench = Bench::new(&text);
    bench.run().await.unwrap();
    assert_eq!(bench.recorder.logs(), [(crate::event::Level::Warn, "hello".to_owned())]);
}

#[tokio::test]
async fn a_flood_of_messages_ends() {
    for length in [0, 65_000] {
        let call = format!("(call $log (i32.const 1) (i32.const 0) (i32.const {length}) (i32.const 0) (i32.const 0))");
        let text = Text { run: Some(format!("(loop $again {call} (br $again)) unreachable")), ..logging() };
        let bench = Bench::new(&text);
        let failure = bench.failure().await;
        assert_eq!(class_and_code(&failure), (FailureClass::Limit, "output"), "{}", failure.message);
        assert_eq!(bench.recorder.warnings().len(), 1);
    }
}

#[tokio::test]
async fn handles_and_resources_have_a_bound() {
    let text = Text {
        imports: r#"
            (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
            (alias export $poll "pollable" (type $pollable))
            (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
              (alias outer 1 $pollable (type $pollable'))
              (export "pollable" (type $pollable (eq $pollable')))
              (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
            (core func $sleep (canon lower (func $clock "subscribe-duration")))"#
            .into(),
        with: r#"(with "host" (instance (export "sleep" (func $sleep))))"#.into(),
        module: r#"(import "host" "sleep" (func $sleep (param i64) (result i32)))"#.into(),
        ..Text::running("(loop $again (drop (call $sleep (i64.const 0))) (br $again)) unreachable")
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "handles"), "{}", failure.message);
}

#[tokio::test]
async fn a_components_own_resources_have_a_bound() {
    let text = Text {
        imports: "(type $own (resource (rep i32))) (core func $new (canon resource.new $own))".into(),
        with: r#"(with "host" (instance (export "new" (func $new))))"#.into(),
        module: r#"(import "host" "new" (func $new (param i32) (result i32)))"#.into(),
        ..Text::running("(loop $again (drop (call $new (i32.const 0))) (br $again)) unreachable")
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "handles"), "{}", failure.message);
}

#[tokio::test]
async fn http_headers_have_a_bound() {
    let text = Text {
        imports: r#"
            (import "wasi:http/types@0.2.0" (instance $http
              (export "fields" (type $fields (sub resource)))
              (type $error' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
              (export "header-error" (type $error (eq $error')))
              (export "[constructor]fields" (func (result (own $fields))))
              (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string)
                (param "value" (list u8)) (result (result (error $error)))))))
            (core func $fields (canon lower (func $http "[constructor]fields")))
            (core func $append (canon lower (func $http "[method]fields.append") (memory (core memory $libc "memory"))))"#
            .into(),
        with: r#"(with "host" (instance (export "fields" (func $fields)) (export "append" (func $append))))"#.into(),
        module: r#"
            (import "host" "fields" (func $fields (result i32)))
            (import "host" "append" (func $append (param i32 i32 i32 i32 i32 i32)))
            (data (i32.const 3000) "x-header")"#
            .into(),
        ..Text::running(
            "(local $fields i32) (local.set $fields (call $fields))
             (loop $again
               (call $append (local.get $fields) (i32.const 3000) (i32.const 8) (i32.const 3000) (i32.const 8)
                 (i32.const 100))
               (br $again))
             unreachable",
        )
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "http-fields"), "{}", failure.message);
}

#[tokio::test]
async fn too_much_randomness_is_a_trap() {
    let text = Text {
        imports: r#"
            (import "wasi:random/random@0.2.0" (instance $random
              (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
            (core func $random (canon lower (func $random "get-random-bytes")
              (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#
            .into(),
        with: r#"(with "host" (instance (export "random" (func $random))))"#.into(),
        module: r#"(import "host" "random" (func $random (param i64 i32)))"#.into(),
        ..Text::running("(call $random (i64.const -1) (i32.const 100)) unreachable")
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "trap"));
    assert!(failure.message.contains("exceeds limit"), "{}", failure.message);
}

#[tokio::test]
async fn exit_is_no_answer() {
    let text = Text {
        imports: r#"
            (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
            (core func $exit (canon lower (func $exit "exit")))"#
            .into(),
        with: r#"(with "host" (instance (export "exit" (func $exit))))"#.into(),
        module: r#"(import "host" "exit" (func $exit (param i32)))"#.into(),
        ..Text::running("(call $exit (i32.const 0)) unreachable")
    };
    let failure = Bench::new(&text).failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "exit"));
}

/// Calls `process.run` with an empty command, whose program's name is `$name`, and ends by `then`.
fn running_a_program(then: &str) -> Text {
    Text {
        imports: r#"
            (import "shiro:step/process@0.1.0" (instance $process
              (type $command' (record (field "program" string) (field "args" (list string))
                (field "env" (list (tuple string string))) (field "working-dir" (option string))
                (field "stdin" (option (list u8))) (field "capture-bytes" u32) (field "timeout-ms" (option u64))))
              (export "command" (type $command (eq $command')))
              (type $status' (variant (case "exited" u8) (case "signaled" u8)))
              (export "status" (type $status (eq $status')))
              (type $captured' (record (field "head" (list u8)) (field "tail" (list u8)) (field "total" u64)))
              (export "captured" (type $captured (eq $captured')))
              (type $completed' (record (field "status" $status) (field "stdout" $captured)
                (field "stderr" $captured) (field "duration-ms" u64)))
              (export "completed" (type $completed (eq $completed')))
              (type $error' (variant (case "denied" string) (case "not-found") (case "not-started" string)
                (case "timed-out" $completed) (case "invalid" string)))
              (export "error" (type $error (eq $error')))
              (export "run" (func (param "command" $command) (result (result $completed (error $error)))))))
            (core func $process (canon lower (func $process "run")
              (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#
            .into(),
        with: r#"(with "host" (instance (export "run" (func $process))))"#.into(),
        module: r#"
            (import "host" "run" (func $process
              (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))
            (data (i32.const 3000) "git")"#
            .into(),
        ..Text::running(&format!(
            "(call $process (i32.const 3000) (i32.const 3) {} (i64.const 0) (i32.const 5000)) {then}",
            "(i32.const 0) ".repeat(12)
        ))
    }
}

#[tokio::test]
async fn a_denied_program_makes_a_failure_one_of_denial() {
    let fail = "(call $fail (i32.const 2) (i32.const 3000) (i32.const 3))";
    for then in [fail, "unreachable"] {
        let bench = Bench::new(&running_a_program(then));
        let failure = bench.failure().await;
        assert_eq!(failure.class, FailureClass::Denied, "{failure:?}");
        assert!(!failure.transient);
        assert!(failure.message.ends_with("it was not allowed to run the program `git`"), "{}", failure.message);
        assert!(failure.hint.unwrap().contains("does not ask for it"));
    }
}

#[tokio::test]
async fn a_step_that_does_without_what_it_was_denied_succeeds_with_a_warning() {
    let bench = Bench::new(&running_a_program("(call $succeed)"));
    assert!(bench.run().await.is_ok());
    let warnings = bench.recorder.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("run the program `git`"), "{warnings:?}");
}

#[tokio::test]
async fn attempts_share_nothing() {
    let text = Text {
        module: "(global $calls (mut i32) (i32.const 0))".into(),
        ..Text::running(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))
             (call $succeed)",
        )
    };
    let bench = Bench::new(&text);
    for _ in 0..3 {
        assert!(bench.run().await.is_ok());
    }
}

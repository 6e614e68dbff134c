//! What a guest can see and reach: nothing.

use super::*;

/// A component that imports functions of the host: `imports` is component text that defines a lowered function for each of
/// `functions`, which are names with their core types.
fn importing(imports: &str, functions: &[(&str, &str)], run: &str) -> Text {
    let exports: String = functions.iter().map(|(name, _)| format!("(export \"{name}\" (func ${name})) ")).collect();
    let import = |(name, of_type): &(&str, &str)| format!("(import \"host\" \"{name}\" (func ${name} {of_type}))\n");
    Text {
        imports: imports.into(),
        with: format!("(with \"host\" (instance {exports}))"),
        module: functions.iter().map(import).collect(),
        ..Text::running(run)
    }
}

const LOWERED: &str = "(memory (core memory $libc \"memory\")) (realloc (core func $libc \"realloc\"))";

#[tokio::test]
async fn a_loop_at_the_start_of_a_module_ends_too() {
    let mut text = importing(
        r#"(import "shiro:step/context@0.1.0" (instance $context (export "attempt" (func (result u32)))))
           (core func $attempt (canon lower (func $context "attempt")))"#,
        &[("attempt", "(result i32)")],
        "(call $succeed)",
    );
    // Attempt 0 is `describe`, which has to get through.
    text.module.push_str("(func $start (if (call $attempt) (then (loop (br 0))))) (start $start)");
    let bench = Bench::new(&text);
    let request = StepRequest { timeout: Some(Duration::from_millis(100)), ..bench.request("test", json!({})) };
    let failure = bench.runner.run(request).await.unwrap_err();
    assert_eq!(class_and_code(&failure), (FailureClass::Limit, "timeout"));
}

#[tokio::test]
async fn there_are_no_variables_arguments_or_directories() {
    let imports = format!(
        r#"
        (import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type $descriptor (sub resource)))))
        (alias export $files "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
          (alias outer 1 $descriptor (type $descriptor'))
          (export "descriptor" (type $descriptor'' (eq $descriptor')))
          (export "get-directories" (func (result (list (tuple (own $descriptor'') string)))))))
        (import "wasi:cli/environment@0.2.0" (instance $environment
          (export "get-environment" (func (result (list (tuple string string)))))
          (export "get-arguments" (func (result (list string))))))
        (core func $directories (canon lower (func $preopens "get-directories") {LOWERED}))
        (core func $variables (canon lower (func $environment "get-environment") {LOWERED}))
        (core func $arguments (canon lower (func $environment "get-arguments") {LOWERED}))"#
    );
    // The answer is an address and a length.
    let check =
        |name: &str| format!("(call ${name} (i32.const 100)) (if (i32.load (i32.const 104)) (then unreachable))");
    let names = ["directories", "variables", "arguments"];
    let run = format!("{} (call $succeed)", names.map(check).concat());
    let bench = Bench::new(&importing(&imports, &names.map(|name| (name, "(param i32)")), &run));
    bench.run().await.unwrap();
}

#[tokio::test]
async fn there_are_no_sockets() {
    let imports = format!(
        r#"
        (import "wasi:sockets/network@0.2.0" (instance $network
          (type $error' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
            "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
            "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
            "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
            "permanent-resolver-failure"))
          (export "error-code" (type (eq $error')))
          (type $family' (enum "ipv4" "ipv6"))
          (export "ip-address-family" (type (eq $family')))))
        (alias export $network "error-code" (type $error))
        (alias export $network "ip-address-family" (type $family))
        (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
        (alias export $tcp "tcp-socket" (type $socket))
        (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $creates
          (alias outer 1 $error (type $error'))
          (export "error-code" (type $error'' (eq $error')))
          (alias outer 1 $family (type $family'))
          (export "ip-address-family" (type $family'' (eq $family')))
          (alias outer 1 $socket (type $socket'))
          (export "tcp-socket" (type $socket'' (eq $socket')))
          (export "create-tcp-socket"
            (func (param "address-family" $family'') (result (result (own $socket'') (error $error'')))))))
        (core func $create (canon lower (func $creates "create-tcp-socket") {LOWERED}))"#
    );
    // 1 is the error case, and in it 1 is `access-denied`.
    let run = "(call $create (i32.const 0) (i32.const 100))
        (if (i32.ne (i32.load8_u (i32.const 100)) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 104)) (i32.const 1)) (then unreachable))
        (call $succeed)";
    let bench = Bench::new(&importing(&imports, &[("create", "(param i32 i32)")], run));
    bench.run().await.unwrap();
}

#[tokio::test]
async fn the_last_words_before_a_trap_are_in_its_message() {
    let imports = format!(
        r#"
        (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
        (alias export $errors "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
          (export "output-stream" (type $stream (sub resource)))
          (alias outer 1 $error (type $error'))
          (export "error" (type $error'' (eq $error')))
          (type $failure' (variant (case "last-operation-failed" (own $error'')) (case "closed")))
          (export "stream-error" (type $failure (eq $failure')))
          (export "[method]output-stream.blocking-write-and-flush"
            (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $failure)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stderr@0.2.0" (instance $stderrs
          (alias outer 1 $stream (type $stream'))
          (export "output-stream" (type $stream'' (eq $stream')))
          (export "get-stderr" (func (result (own $stream''))))))
        (core func $stderr (canon lower (func $stderrs "get-stderr")))
        (core func $write
          (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") {LOWERED}))"#
    );
    let words = "panicked at src/lib.rs:7:5:\nno such thing\nnote: run with `RUST_BACKTRACE=1`\n";
    let run = format!(
        "(call $write (call $stderr) (i32.const 3000) (i32.const {}) (i32.const 100)) unreachable",
        words.len()
    );
    let mut text = importing(&imports, &[("stderr", "(result i32)"), ("write", "(param i32 i32 i32 i32)")], &run);
    text.module.push_str(&format!("(data (i32.const 3000) {words:?})"));
    let bench = Bench::new(&text);
    let failure = bench.failure().await;
    assert_eq!(class_and_code(&failure), (FailureClass::Plugin, "trap"));
    let expected = "\n  panicked at src/lib.rs:7:5:\n  no such thing\n  at run";
    assert!(failure.message.contains(expected), "{}", failure.message);
    assert_eq!(bench.recorder.stderr(), words);
}

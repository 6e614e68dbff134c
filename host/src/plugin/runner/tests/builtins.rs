//! The built-in types, run as they are.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::capability::Variables;

fn bench() -> Bench {
    Bench::with_types(tempfile::tempdir().unwrap(), &["print", "shell", "slack.notify"])
}

#[tokio::test]
async fn only_what_asks_for_nothing_is_pure() {
    let bench = bench();
    assert!(bench.runner.is_pure(&StepType::new("print")));
    assert!(!bench.runner.is_pure(&StepType::new("shell")));
    assert!(!bench.runner.is_pure(&StepType::new("slack.notify")));
    let third_party = Text {
        description: r#"{"name":"t","version":"1","summary":"s","permissions":{"process":[{"program":"*"}]}}"#.into(),
        ..Text::default()
    };
    assert!(Bench::new(&third_party).runner.is_pure(&StepType::new("test")), "it is given nothing");
}

#[tokio::test]
async fn a_type_that_was_not_loaded() {
    let bench = bench();
    let failure = bench.runner.run(bench.request("missing", json!({}))).await.unwrap_err();
    assert_eq!(class_and_code(&failure), (FailureClass::Internal, "not-loaded"));
}

#[tokio::test]
async fn print_prints_in_colour_only_to_a_terminal() {
    for terminal in [false, true] {
        let bench = bench();
        let request = StepRequest { terminal, ..bench.request("print", json!({ "message": "hello there" })) };
        assert!(bench.runner.run(request).await.unwrap().output.is_object());
        let printed = bench.recorder.stdout();
        assert!(printed.contains("hello there"), "{printed:?}");
        assert_eq!(printed.contains('\x1b'), terminal, "{printed:?}");
    }
}

#[tokio::test]
async fn shell_runs_a_command() {
    let bench = bench();
    let success = bench.runner.run(bench.request("shell", json!({ "command": "echo from the shell" }))).await.unwrap();
    assert_eq!(success.output["exit_code"], 0, "{:?}", success.output);
    assert!(bench.recorder.stdout().contains("from the shell"));
}

#[tokio::test]
async fn shell_gets_the_variables_that_its_script_refers_to() {
    let bench = bench();
    let request = StepRequest {
        bindings: vec![("SHIRO_VALUE_1".into(), "it's; rm -rf /".into())],
        ..bench.request("shell", json!({ "command": "printf '<%s>' \"$SHIRO_VALUE_1\"" }))
    };
    let success = bench.runner.run(request).await.unwrap();
    assert_eq!(success.output["stdout"], "<it's; rm -rf />");
}

#[tokio::test]
async fn what_shell_started_ends_with_its_time_and_with_the_run() {
    for cancelled in [false, true] {
        let bench = bench();
        let timeout = (!cancelled).then_some(Duration::from_millis(300));
        let request =
            StepRequest { timeout, ..bench.request("shell", json!({ "command": "echo started; sleep 1000" })) };
        let stop = async {
            while cancelled && !bench.recorder.stdout().contains("started") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bench.cancel.send_replace(cancelled);
        };
        let started = Instant::now();
        let (result, ()) = tokio::join!(bench.runner.run(request), stop);
        let code = result.unwrap_err().code;
        assert_eq!(code, if cancelled { "cancelled" } else { "timeout" });
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

/// A server on loopback that gives one answer, and the request it got.
async fn server(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains("the message") {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(bytes).unwrap()
    });
    (port, request)
}

#[tokio::test]
async fn slack_posts_to_the_host_of_its_webhook() {
    let (port, request) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let bench = bench();
    let config = json!({ "webhook_url": format!("http://127.0.0.1:{port}/services/T/B/X"), "message": "the message" });
    let success = bench.runner.run(bench.request("slack.notify", config)).await.unwrap();
    assert_eq!(success.output["status"], 200, "{:?}", success.output);
    let request = request.await.unwrap();
    assert!(request.starts_with("POST /services/T/B/X HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn slack_does_not_post_to_a_private_address_that_came_out_of_an_output() {
    let bench = bench();
    let config = json!({ "webhook_url": "http://127.0.0.1:9/services/T/B/secret", "message": "the message" });
    let request = StepRequest { derived: vec!["/webhook_url".into()], ..bench.request("slack.notify", config) };
    let failure = bench.runner.run(request).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied, "{failure:?}");
    assert!(failure.message.contains("127.0.0.1 is a private address"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
}

#[tokio::test]
async fn slack_that_is_not_there_may_be_tried_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let bench = bench();
    let config = json!({ "webhook_url": format!("http://127.0.0.1:{port}/secret"), "message": "the message" });
    let failure = bench.runner.run(bench.request("slack.notify", config)).await.unwrap_err();
    assert_eq!((failure.class, failure.transient), (FailureClass::Step, true), "{failure:?}");
    assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
}

#[test]
fn the_plan_shows_a_host_and_no_secret() {
    let catalog = Catalog::new(vec![]);
    let slack = catalog.load(&StepType::new("slack.notify")).unwrap();
    let config = json!({ "webhook_url": "https://hooks.slack.com/services/T/B/secret", "message": "m" });
    let granted_with = |loaded: &LoadedType, config: &Value| {
        let values = Values { config, derived: &[], variables: &Variables::new() };
        grants_for(loaded, &Policies::default(), &[], &values)
    };
    let plan = granted_with(&slack, &config);
    assert_eq!(plan.granted, ["network requests to https://hooks.slack.com:443"]);
    assert!(plan.refused.is_empty());
    let shell = catalog.load(&StepType::new("shell")).unwrap();
    let granted = granted_with(&shell, &json!({})).granted;
    assert_eq!(granted, ["process any program, in any directory, with the job's environment"]);
}

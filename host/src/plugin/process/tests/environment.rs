//! Which variables a program gets.

use super::*;

fn parse(env: &str) -> HashMap<String, String> {
    env.lines().filter_map(|line| line.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
}

fn print_env(env: &[(&str, &str)]) -> Command {
    let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Command { program: "env".into(), env, capture_bytes: 1 << 16, ..Command::default() }
}

#[tokio::test]
async fn inherited_without_the_settings_of_shiro() {
    let job = Job::with(&[("SHIRO_STATE", "x"), ("LD_LIBRARY_PATH", "/nowhere"), ("LANG", "C")], None);
    let command = print_env(&[("LANG", "de"), ("GIT_DIR", "/g"), ("TWICE", "1"), ("TWICE", "2")]);
    let completed = job.run_with(command, true, &[("BOUND", "$(id)")]).await.unwrap();
    let env = parse(&lossy(&completed.stdout.head));
    assert_eq!(env.get("SHIRO_STATE"), None);
    let expected =
        [("LANG", "de"), ("GIT_DIR", "/g"), ("LD_LIBRARY_PATH", "/nowhere"), ("TWICE", "2"), ("BOUND", "$(id)")];
    for (name, value) in expected {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn nobody_replaces_a_binding_or_the_mark() {
    let job = Job::new();
    let command = print_env(&[("BOUND", "mine"), (mark::VARIABLE, "mine")]);
    let completed = job.run_with(command, true, &[("BOUND", "theirs")]).await.unwrap();
    let env = parse(&lossy(&completed.stdout.head));
    assert_eq!(env["BOUND"], "theirs");
    assert!(env[mark::VARIABLE].starts_with(mark::of_this_process()));
}

#[tokio::test]
async fn a_clean_one_has_nothing_that_makes_a_program_run_another() {
    let job = Job::with(&[("SECRET", "x")], None);
    let injected =
        ["LD_PRELOAD", "BASH_ENV", "ENV", "PYTHONSTARTUP", "NODE_OPTIONS", "GIT_SSH_COMMAND", "PATH", "IFS", "SHIRO_X"];
    let mut variables: Vec<_> = injected.iter().map(|name| (*name, "/evil")).collect();
    variables.push(("FINE", "yes"));
    let completed = job.run_with(print_env(&variables), false, &[("BOUND", "b")]).await.unwrap();
    let mut env = parse(&lossy(&completed.stdout.head));
    assert!(!env.remove("PATH").unwrap().contains("evil"));
    assert!(env.remove(mark::VARIABLE).is_some());
    assert_eq!(env, HashMap::from([("FINE", "yes"), ("BOUND", "b")].map(|(a, b)| (a.into(), b.into()))));
    assert_eq!(job.heard.warnings.lock().unwrap().len(), injected.len());
}

#[tokio::test]
async fn a_setting_by_name_is_for_built_in_types_alone_and_never_the_job_s() {
    let job = Job::with(&[("GIT_CONFIG_GLOBAL", "/of/the/job")], None);
    for (trusted, named, passed) in [(true, true, true), (true, false, false), (false, true, false)] {
        let environment = if named { vec!["GIT_CONFIG_GLOBAL".to_owned()] } else { vec!["*".to_owned()] };
        let permission = ProcessPermission { environment, ..ProcessPermission::default() };
        let grant = ProcessGrant::of(ProcessPermission { program: "env".into(), ..permission });
        let permit = Permit { grant, trusted, secrets: Arc::default() };
        let attempt = job.host.attempt();
        let set = attempt.run(print_env(&[("GIT_CONFIG_GLOBAL", "/dev/null")]), &permit, &[], &job.sink).await.unwrap();
        let inherited = attempt.run(print_env(&[]), &permit, &[], &job.sink).await.unwrap();
        attempt.end(Duration::ZERO).await;
        let value = |completed: &Completed| parse(&lossy(&completed.stdout.head)).remove("GIT_CONFIG_GLOBAL");
        assert_eq!(value(&set), passed.then(|| "/dev/null".to_owned()), "trusted {trusted}, named {named}");
        assert_eq!(value(&inherited), None);
    }
}

#[tokio::test]
async fn a_clean_one_can_not_shadow_a_program() {
    let job = Job::new();
    let file = job.dir.path().join("env");
    fs::write(&file, "#!/bin/sh\necho evil\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = job.dir.path().to_str().unwrap();
    let clean = job.run_with(print_env(&[("PATH", path)]), false, &[]).await.unwrap();
    assert!(!lossy(&clean.stdout.head).contains("evil"));
    let inherited = job.run_with(print_env(&[("PATH", path)]), true, &[]).await.unwrap();
    assert_eq!(lossy(&inherited.stdout.head), "evil\n");
}

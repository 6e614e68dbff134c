//! Finding and pinning: components go to a real registry and come from it, the lock file holds them to the byte, and
//! whatever was tampered with is refused with exit code 3 and a reason.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::guests::guest;
use crate::support::http::{Answer, Server};
use crate::support::minisign::KeyPair;
use crate::support::registry::{Registry, USER};
use crate::support::{Outcome, Project};

/// A workflow of one step, whose type is `hello`.
fn project() -> Project {
    Project::with_workflow(&json!({ "name": "pinned", "steps": [
        { "id": "greet", "type": "hello", "config": { "name": "World" } },
        { "id": "say", "type": "print", "depends_on": ["greet"], "config": { "message": "{{steps.greet.greeting}}" } }
    ] }))
}

#[must_use = "say which exit code is expected: `.exits(0)`"]
fn publish(project: &Project, guest_name: &str, reference: &str) -> Outcome {
    let file = guest(guest_name).display().to_string();
    project.shiro(&format!("plugin publish {file} {reference}"))
}

/// Publishes over what is there.
#[must_use = "say which exit code is expected: `.exits(0)`"]
fn replace(project: &Project, guest_name: &str, reference: &str) -> Outcome {
    let file = guest(guest_name).display().to_string();
    project.shiro(&format!("plugin publish -replace {file} {reference}"))
}

/// A project that has `hello` from a registry.
fn added(registry: &Registry) -> Project {
    let project = project();
    let reference = registry.reference("team/greet:1");
    publish(&project, "greet", &reference).exits(0).says("published").says(&format!("plugin add {reference}"));
    project.shiro(&format!("plugin add {reference} -as hello")).exits(0).says("asks for nothing").says("pinned in");
    project
}

fn lock(project: &Project) -> Value {
    serde_json::from_str(&project.read(".shiro/shiro.lock")).expect("the lock file is JSON")
}

fn change_lock(project: &Project, change: impl FnOnce(&mut Value)) {
    let mut lock = lock(project);
    change(&mut lock);
    project.write(".shiro/shiro.lock", &lock.to_string());
}

/// The fetched component of `hello`.
fn stored(project: &Project) -> PathBuf {
    let digest = lock(project)["plugins"]["hello"]["component"].as_str().expect("a digest").to_owned();
    project.join(format!(".shiro/store/{}.wasm", digest.trim_start_matches("sha256:")))
}

#[test]
fn a_step_type_is_published_added_and_runs_without_the_registry() {
    let registry = Registry::start();
    let project = added(&registry);
    let entry = lock(&project)["plugins"]["hello"].clone();
    assert_eq!(entry["source"], json!(registry.reference("team/greet:1")));
    assert_eq!((&entry["interface"], &entry["permissions"]), (&json!("shiro:step@0.1.0"), &json!({})));
    assert!(entry["manifest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")));
    project.shiro("plugin list").exits(0).says("hello").says("pinned").says("built in");
    project.shiro("plugin verify").exits(0).says("hello: OK");
    project.shiro("plugin update").exits(0).says("hello: nothing newer");

    drop(registry);
    project.shiro("plugin fetch").exits(0).says("hello: there");
    project.shiro("plugin verify").exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
    project.shiro("plugin update").exits(3).says("hint");
}

#[test]
fn what_is_fetched_for_a_job_is_enough_to_run_offline() {
    let registry = Registry::start();
    let project = added(&registry);
    // As in a fresh clone of a repository that keeps the lock file and not the store.
    fs::remove_dir_all(project.join(".shiro/store")).expect("remove the store");
    project.shiro("run").exits(3).says("is not there").says("shiro plugin fetch");
    project.shiro("plugin list").exits(0).says("pinned, not fetched");
    project.shiro("plugin fetch").exits(0).says("hello: fetched");
    drop(registry);
    project.shiro("run").exits(0).says("Hello, World!");
    fs::remove_dir_all(project.join(".shiro/store")).expect("remove the store");
    project.shiro("plugin fetch").exits(3).says("could not be fetched").says("hint");
}

#[test]
fn with_nothing_to_verify_verify_says_so() {
    let project = Project::new();
    project.shiro("plugin verify").exits(0).says("nothing to verify: .shiro/shiro.lock pins nothing");
    project.install_guest("greet", "hello");
    project.shiro("plugin verify").exits(0).says("hello: not pinned").does_not_say("nothing to verify");
}

#[test]
fn a_component_can_be_looked_at_before_it_is_added() {
    let registry = Registry::start();
    let project = Project::new();
    let reference = registry.reference("team/forbidden:1");
    publish(&project, "forbidden", &reference).exits(0);
    project.shiro(&format!("plugin inspect {reference}")).exits(0).says("asks for\n").says("is not granted\n");
    // It goes by the name that it would be pinned under, and not by that of its place.
    let granted = json!({ "version": 1, "types": { "forbidden": { "network": [{ "url": "*" }] } } });
    project.write(".shiro/policy.json", &granted.to_string());
    let elsewhere = registry.reference("team/another:1");
    publish(&project, "forbidden", &elsewhere).exits(0);
    project.shiro(&format!("plugin inspect {elsewhere}")).exits(0).says("forbidden ").says("is granted\n");
    project.shiro(&format!("plugin add {reference} -dry-run")).exits(0).says("asks for\n").says("nothing was changed");
    assert!(!project.join(".shiro/shiro.lock").exists() && !project.join(".shiro/store").exists());
    project.shiro(&format!("plugin inspect {}", registry.reference("team/none:1"))).exits(3).says("404");
}

#[test]
fn a_component_that_was_tampered_with_is_refused() {
    let registry = Registry::start();
    let project = added(&registry);
    let file = stored(&project);
    let mut bytes = fs::read(&file).expect("read the component");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).expect("change the component");
    for verb in ["run", "validate", "plugin verify"] {
        project.shiro(verb).exits(3).says("not the component that shiro.lock pins").says("shiro plugin fetch");
    }
    project.shiro("plugin fetch").exits(0).says("hello: fetched");
    project.shiro("run").exits(0).says("Hello, World!");
    // Another component under the same name.
    fs::copy(guest("echo"), &file).expect("replace the component");
    project.shiro("run").exits(3).says("not the component that shiro.lock pins").does_not_say("Hello");
    fs::remove_file(&file).expect("remove it");
    std::os::unix::fs::symlink(guest("greet"), &file).expect("link it");
    project.shiro("run").exits(3).says("symbolic link");
}

#[test]
fn a_lock_file_that_was_tampered_with_is_refused() {
    let registry = Registry::start();
    let project = added(&registry);
    let good = lock(&project);
    let refused = |reason: &str, change: &dyn Fn(&mut Value)| {
        project.write(".shiro/shiro.lock", &good.to_string());
        change_lock(&project, |lock| change(&mut lock["plugins"]["hello"]));
        project.shiro("run").exits(3).says(reason).says("hint").does_not_say("Hello");
    };
    let other = format!("sha256:{}", "0".repeat(64));
    refused("is not there", &|hello| hello["component"] = json!(other));
    refused("shiro.lock says shiro:step@0.9.0", &|hello| hello["interface"] = json!("shiro:step@0.9.0"));
    refused("unknown field", &|hello| hello["more"] = json!(1));
    refused("not a digest", &|hello| hello["component"] = json!("sha256:12"));
    refused("names no component", &|hello| hello["source"] = json!("oci://example.com/../x:1"));
    project.write(".shiro/shiro.lock", "{\"version\": 1,");
    project.shiro("run").exits(3).says("shiro.lock: is not a lock file").says("hint");
    project.write(".shiro/shiro.lock", "<<<<<<< HEAD\n{}\n");
    project.shiro("run").exits(3).says("merge conflicts");
    project.write(".shiro/shiro.lock", &good.to_string());
    change_lock(&project, |lock| {
        let entry = lock["plugins"]["hello"].clone();
        lock["plugins"]["shell"] = entry;
    });
    project.shiro("run").exits(3).says("`shell` is a built-in step type");
}

#[test]
fn a_request_that_is_wider_than_the_lock_file_is_refused() {
    let registry = Registry::start();
    let project = Project::with_workflow(&json!({ "name": "wide", "steps": [
        { "id": "guest", "type": "forbidden", "config": {} }
    ] }));
    let reference = registry.reference("team/forbidden:1");
    publish(&project, "forbidden", &reference).exits(0);
    project.shiro(&format!("plugin add {reference}")).exits(0);
    change_lock(&project, |lock| lock["plugins"]["forbidden"]["permissions"] = json!({}));
    for verb in ["run", "plugin verify"] {
        project.shiro(verb).exits(3).says("asks for more than shiro.lock says").says("shiro plugin update forbidden");
    }
}

#[test]
fn an_update_shows_what_changes_and_asks_before_more_is_asked_for() {
    let registry = Registry::start();
    let project = added(&registry);
    let before = project.read(".shiro/shiro.lock");
    replace(&project, "forbidden", &registry.reference("team/greet:1")).exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
    let shown =
        project.shiro("plugin update hello -dry-run").exits(0).says("asks for more").says("nothing was changed");
    let place = |text: &str| shown.stdout.find(text).unwrap_or_else(|| panic!("{text}\n{}", shown.all()));
    assert!(place("asks for more") < place("component"), "capabilities first\n{}", shown.all());
    project.shiro("plugin update").exits(3).says("it asks for more than before").says("-yes");
    assert_eq!(project.read(".shiro/shiro.lock"), before);
    let old = stored(&project);
    project.shiro("plugin update -yes").exits(0).says("->");
    assert_ne!(project.read(".shiro/shiro.lock"), before);
    assert!(!old.exists() && stored(&project).exists(), "what nothing pins is not kept");

    // Less needs nobody's word.
    replace(&project, "greet", &registry.reference("team/greet:1")).exits(0);
    project.shiro("plugin update hello").exits(0).says("no longer asks for");
    project.shiro("run -fresh").exits(0).says("Hello, World!");
    project.shiro("plugin update missing").exits(3).says("hello");
}

#[test]
fn a_registry_that_serves_other_bytes_is_refused() {
    let registry = Registry::start();
    let project = added(&registry);
    let digest = lock(&project)["plugins"]["hello"]["component"].as_str().expect("a digest").to_owned();
    fs::remove_dir_all(project.join(".shiro/store")).expect("remove the store");
    let blob = registry.blob(&digest);
    let component = fs::read(&blob).expect("the registry's copy");
    let mut other = component.clone();
    other[100] ^= 1;
    for (bytes, reason) in [
        (&other[..], "is not what it should be"),
        (&component[..component.len() / 2], "cut off"),
        (b"<html>", "cut off"),
    ] {
        fs::write(&blob, bytes).expect("change the registry's copy");
        project.shiro("plugin fetch").exits(3).says(reason).says("hint");
        assert!(!stored(&project).exists());
    }
    fs::write(&blob, component).expect("restore the registry's copy");
    project.shiro("plugin fetch").exits(0);
}

#[test]
fn a_tag_that_moves_changes_nothing_that_is_pinned() {
    let registry = Registry::start();
    let project = added(&registry);
    replace(&project, "echo", &registry.reference("team/greet:1")).exits(0);
    fs::remove_dir_all(project.join(".shiro/store")).expect("remove the store");
    project.shiro("plugin fetch").exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
}

#[test]
fn what_is_no_registry_is_said() {
    let project = project();
    let html = Server::start(|_, _| Answer::new(200, "<!DOCTYPE html><title>Welcome</title>"));
    project
        .shiro(&format!("plugin add oci://127.0.0.1:{}/a:1", html.port()))
        .exits(3)
        .says("an HTML page")
        .says("hint");
    let image = json!({ "schemaVersion": 2, "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": "sha256:0", "size": 1 }, "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": "sha256:0", "size": 1 }] });
    let images = Server::start(move |_, _| Answer::new(200, image.to_string()));
    let refused = project.shiro(&format!("plugin add oci://127.0.0.1:{}/a:1", images.port())).exits(3);
    refused.says("not a WebAssembly component").says("vnd.oci.image.layer.v1.tar+gzip");
    project.shiro("plugin add oci://127.0.0.1:1/a:1").exits(3).says("127.0.0.1:1").says("hint");
    project.shiro("plugin add oci://127.0.0.1:1/a").exits(2).says("neither a tag nor a digest");
    project.shiro("plugin add missing.wasm").exits(3).says("missing.wasm");
    assert!(!project.join(".shiro/shiro.lock").exists());
}

#[test]
fn a_registry_that_answers_a_gigabyte_is_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let port = listener.local_addr().expect("it has an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 4096]);
        let mut sent = 0;
        let part = vec![b' '; 1 << 20];
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut write = |bytes: &[u8]| stream.write_all(bytes);
        if write(head.as_bytes()).is_ok() {
            while sent < 1024 && write(b"100000\r\n").and_then(|()| write(&part)).and_then(|()| write(b"\r\n")).is_ok()
            {
                sent += 1;
            }
        }
        sent
    });
    let project = project();
    project.shiro(&format!("plugin add oci://127.0.0.1:{port}/a:1")).exits(3).says("larger than").says("hint");
    assert!(server.join().expect("it ended") < 64, "it was hung up on early");
}

#[test]
fn a_registry_that_wants_a_login_gets_docker_s() {
    let registry = Registry::with_login();
    let mut project = project();
    let reference = registry.reference("team/greet:1");
    publish(&project, "greet", &reference).exits(3).says("401").says(&format!("docker login {}", registry.host()));
    let (user, password) = USER;
    let auth = json!({ "auths": { registry.host(): { "username": user, "password": password } } });
    project.write("docker/config.json", &auth.to_string());
    project.env("DOCKER_CONFIG", project.join("docker").display().to_string());
    publish(&project, "greet", &reference).exits(0);
    project.shiro(&format!("plugin add {reference} -as hello")).exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
    // A program that knows them, as `docker login` leaves it on most machines.
    let helper = format!(
        "#!/bin/sh\nread server\ntest \"$server\" = {} && echo '{{\"Username\":\"{user}\",\"Secret\":\"{password}\"}}'\n",
        registry.host()
    );
    project.write_program("docker-credential-test", &helper);
    project.write("docker/config.json", &json!({ "credsStore": "test" }).to_string());
    project.shiro("plugin update").exits(0).says("nothing newer");
    project.write_program("docker-credential-test", "#!/bin/sh\nread server\necho top-secret; exit 1\n");
    project.shiro("plugin update").exits(3).says("docker-credential-test failed").does_not_say("top-secret");
    let wrong = json!({ "auths": { registry.host(): { "username": user, "password": "the-wrong-one" } } });
    project.write("docker/config.json", &wrong.to_string());
    project.shiro("plugin update").exits(3).says("401").does_not_say("the-wrong-one");
}

#[test]
fn a_file_is_added_pinned_and_watched() {
    let project = project();
    let file = guest("greet").display().to_string();
    project.shiro(&format!("plugin add {file} -as shell")).exits(2).says("built-in");
    project.shiro(&format!("plugin add {file} -as Hello")).exits(2).says("name of a step type");
    project.shiro(&format!("plugin add {file} -as hello")).exits(0);
    assert_eq!(lock(&project)["plugins"]["hello"]["source"], "plugins/hello.wasm");
    project.shiro("run").exits(0).says("Hello, World!");

    project.install_guest("echo", "hello");
    for verb in ["run", "plugin verify"] {
        project.shiro(verb).exits(3).says("not the component that shiro.lock pins").says("shiro plugin update hello");
    }
    project.shiro("plugin list").exits(0).says("not what is there");
    project.shiro("plugin update hello").exits(0).says("->");
    project.shiro("plugin verify").exits(0);

    project.shiro("plugin remove hello").exits(0).says("plugins/hello.wasm is removed too");
    assert!(!project.join(".shiro/plugins/hello.wasm").exists());
    project.shiro("run -fresh").exits(2).says("hello");
    project.shiro("plugin remove hello").exits(3).says("nothing");
}

#[test]
fn what_is_in_plugins_comes_first_and_is_nobody_s_to_replace() {
    let registry = Registry::start();
    let project = project();
    let reference = registry.reference("team/greet:1");
    publish(&project, "greet", &reference).exits(0);
    project.install_guest("echo", "hello");
    project.shiro("plugin list").exits(0).says("not pinned");
    project.shiro(&format!("plugin add {reference} -as hello")).exits(3).says("in the way").says("-as");
    fs::remove_file(project.join(".shiro/plugins/hello.wasm")).expect("remove it");
    project.shiro(&format!("plugin add {reference} -as hello")).exits(0);
    // Whatever lies there later must be what is pinned, wherever it was found.
    project.install_guest("echo", "hello");
    project.shiro("run").exits(3).says("not the component that shiro.lock pins");
    project.install_guest("greet", "hello");
    project.shiro("run").exits(0).says("Hello, World!");
    fs::remove_dir_all(project.join(".shiro/plugins")).expect("remove it");
    fs::create_dir(project.join("more")).expect("make a directory");
    fs::copy(guest("echo"), project.join("more/hello.wasm")).expect("put it there");
    project.shiro("run -fresh -plugin-dir more").exits(3).says("not the component that shiro.lock pins");
}

#[test]
fn a_signature_is_checked_when_it_is_added_and_ever_after() {
    let registry = Registry::start();
    let project = project();
    let (ours, other) = (KeyPair::new(), KeyPair::new());
    fs::copy(guest("greet"), project.join("greet.wasm")).expect("copy the component");
    let component = fs::read(project.join("greet.wasm")).expect("read it");
    let reference = registry.reference("team/greet:1");
    let publish = format!("plugin publish greet.wasm {reference}");
    let add = |key: &KeyPair| project.shiro(&format!("plugin add {reference} -as hello -key {}", key.public()));

    project.shiro(&format!("{publish} -key {}", ours.public())).exits(3).says("minisign -Sm greet.wasm");
    project.shiro(&publish).exits(0).says("not signed");
    add(&ours).exits(3).says("it has no signature");

    project.write("greet.wasm.minisig", &ours.sign(&component));
    project.shiro(&format!("{publish} -key {}", other.public())).exits(3).says("another key");
    project.shiro(&format!("{publish} -key {}", ours.public())).exits(0);
    add(&other).exits(3).says("another key");
    assert!(!project.join(".shiro/shiro.lock").exists());
    project.shiro(&format!("plugin add {reference} -as hello")).exits(0).says("-key KEY checks it");
    add(&ours).exits(0).says("signed by");
    project.shiro("plugin verify").exits(0).says(&ours.public());
    project.shiro("run").exits(0).says("Hello, World!");

    change_lock(&project, |lock| lock["plugins"]["hello"]["signature"]["key"] = json!(other.public()));
    project.shiro("run").exits(3).says("another key");
    change_lock(&project, |lock| {
        lock["plugins"]["hello"]["signature"] =
            json!({ "key": ours.public(), "minisign": ours.sign(b"something else") });
    });
    for verb in ["run", "plugin verify"] {
        project.shiro(verb).exits(3).says("it is not what was signed");
    }
    change_lock(&project, |lock| lock["plugins"]["hello"]["signature"]["minisign"] = json!("cut off"));
    for verb in ["run", "plugin verify"] {
        project.shiro(verb).exits(3).says("its signature can't be read").says("hint: ").says("-key");
    }
}

/// A policy that requires a signature by this key of what comes from there.
fn requiring(source: &str, key: &KeyPair) -> String {
    json!({ "version": 1, "types": {}, "signatures": [{ "source": source, "signers": [key.public()] }] }).to_string()
}

#[test]
fn a_policy_says_whose_signatures_are_required() {
    let registry = Registry::start();
    let project = project();
    let (ours, other) = (KeyPair::new(), KeyPair::new());
    fs::copy(guest("greet"), project.join("greet.wasm")).expect("copy the component");
    let component = fs::read(project.join("greet.wasm")).expect("read it");
    let reference = registry.reference("team/greet:1");
    project.write(".shiro/policy.json", &requiring(&registry.reference("team/*"), &ours));
    let publish = format!("plugin publish greet.wasm {reference} -replace");
    project.shiro(&publish).exits(0);
    let add = format!("plugin add {reference} -as hello");
    project.shiro(&add).exits(3).says("it has no signature, and .shiro/policy.json requires one").says("minisign -Sm");
    project.write("greet.wasm.minisig", &other.sign(&component));
    project.shiro(&publish).exits(0);
    project.shiro(&add).exits(3).says("another key");
    project.shiro(&format!("{add} -key {}", other.public())).exits(3).says("policy.json requires").says(&ours.public());
    project.write("greet.wasm.minisig", &ours.sign(&component));
    project.shiro(&publish).exits(0);
    project.shiro(&add).exits(0).says(&ours.public());
    project.shiro("run").exits(0).says("Hello, World!");

    change_lock(&project, |lock| drop(lock["plugins"]["hello"].as_object_mut().expect("an entry").remove("signature")));
    for verb in ["run", "validate", "plugin verify", "plugin fetch"] {
        project
            .shiro(verb)
            .exits(3)
            .says("policy.json requires a signature by")
            .says(&format!("plugin add {reference}"));
    }
    project.shiro("plugin list").exits(0).says("pinned, not signed as required");
    // A file that nothing pins is refused too, where everything must be signed.
    fs::remove_file(project.join(".shiro/shiro.lock")).expect("remove the lock file");
    project.install_guest("greet", "hello");
    project.shiro("run -fresh").exits(0);
    project.write(".shiro/policy.json", &requiring("*", &ours));
    for verb in ["run -fresh", "plugin verify"] {
        project.shiro(verb).exits(3).says("requires a signature").says("shiro plugin add FILE");
    }
    project.write(".shiro/policy.json", r#"{ "version": 1, "types": {}, "signatures": [{ "signers": ["RWx"] }] }"#);
    project.shiro("run -fresh").exits(2).says("policy.json:1:").says("not a minisign public key");
}

#[test]
fn an_operator_can_require_signatures_that_the_repository_does_not() {
    let mut project = project();
    let (ours, other) = (KeyPair::new(), KeyPair::new());
    let component = fs::read(guest("greet")).expect("read the component");
    fs::write(project.join("greet.wasm"), &component).expect("copy it");
    project.write("greet.wasm.minisig", &ours.sign(&component));
    project.shiro(&format!("plugin add greet.wasm -as hello -key {}", ours.public())).exits(0);
    project.write("operator.json", &requiring("*", &ours));
    project.shiro("run -fresh -policy operator.json").exits(0).says("Hello, World!");
    project.shiro("plugin verify -policy operator.json").exits(0).says("hello: OK");

    // Both must be satisfied, and neither takes anything away from the other.
    project.write(".shiro/policy.json", &requiring("plugins/*", &other));
    project.shiro("run -fresh").exits(3).says("policy.json requires").says(&other.public());
    let both = project.shiro("run -fresh -policy operator.json").exits(3);
    both.says(".shiro/policy.json and operator.json: no signer satisfies all");
    fs::remove_file(project.join(".shiro/policy.json")).expect("remove the repository's");

    project.env("SHIRO_POLICY", "operator.json");
    change_lock(&project, |lock| drop(lock["plugins"]["hello"].as_object_mut().expect("an entry").remove("signature")));
    project.shiro("run -fresh").exits(3).says("operator.json requires a signature by");
    let unsigned = "plugin add other.wasm -as second";
    fs::copy(guest("echo"), project.join("other.wasm")).expect("copy another");
    project.shiro(unsigned).exits(3).says("it has no signature, and operator.json requires one");
    assert!(!project.read(".shiro/shiro.lock").contains("second"));
}

#[test]
fn a_tag_is_not_taken_over_by_accident() {
    let registry = Registry::start();
    let project = project();
    let reference = registry.reference("team/greet:1");
    publish(&project, "greet", &reference).exits(0);
    let there = publish(&project, "echo", &reference).exits(3).says("is there already, with another component");
    there.says("-replace").says("another tag");
    project.shiro(&format!("plugin add {reference} -as hello")).exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
    publish(&project, "greet", &reference).exits(0).says("published already");

    // A signature may come to a component that has none, and does not get lost by accident.
    let key = KeyPair::new();
    let component = fs::read(guest("greet")).expect("read the component");
    fs::write(project.join("greet.wasm"), &component).expect("copy it");
    project.write("greet.wasm.minisig", &key.sign(&component));
    project.shiro(&format!("plugin publish greet.wasm {reference}")).exits(0).says("published");
    project.shiro(&format!("plugin inspect {reference}")).exits(0);
    publish(&project, "greet", &reference).exits(3).says("it is signed there, and this is not").says("-replace");
    replace(&project, "echo", &reference).exits(0).says("published");
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let registry = Registry::start();
    let project = project();
    let reference = registry.reference("team/greet:1");
    publish(&project, "greet", &reference).exits(0);
    let address = format!("http://{}", registry.host());
    // Sends on to the registry, but for every other request.
    let busy = Server::start(move |number, request| match number % 2 {
        0 => Answer::new(if number % 4 == 0 { 503 } else { 429 }, "").header("retry-after", "0"),
        _ => Answer::new(307, "").header("location", format!("{address}{}", request.path)),
    });
    project.shiro(&format!("plugin add oci://127.0.0.1:{}/team/greet:1 -as hello", busy.port())).exits(0);
    project.shiro("run").exits(0).says("Hello, World!");
    assert!(busy.received().len() >= 4);

    let never = Server::start(|_, _| Answer::new(429, "").header("retry-after", "3600"));
    let refused = project.shiro(&format!("plugin add oci://127.0.0.1:{}/a:1", never.port())).exits(3);
    refused.says("429").says("in 3600 s");
    assert_eq!(never.received().len(), 1, "an hour is not waited for");
}

#[test]
fn what_is_published_follows_the_layout_and_can_be_reproduced() {
    let registry = Registry::start();
    let mut project = project();
    project.env("SOURCE_DATE_EPOCH", "1700000000");
    let reference = registry.reference("team/greet:1");
    let first = publish(&project, "greet", &reference).exits(0);
    assert_eq!(replace(&project, "greet", &reference).exits(0).stdout, first.stdout);
    let digest = |title: &str| {
        let line = first.stdout.lines().find(|line| line.trim_start().starts_with(title));
        line.and_then(|line| line.split_whitespace().last()).expect("a digest").to_owned()
    };
    let manifest = fs::read(registry.blob(&digest("manifest"))).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().expect("layers").len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], json!(digest("component")));
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "greet");
    let config = fs::read(registry.blob(manifest["config"]["digest"].as_str().expect("a digest"))).expect("the config");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["component"]["exports"], json!(["shiro:step/step@0.1.0"]));
    project.write("no.wasm", "no component");
    project.shiro(&format!("plugin publish no.wasm {reference}")).exits(3).says("not WebAssembly");
}

#[test]
fn what_is_hashed_is_what_is_compiled() {
    let project = project();
    project.shiro(&format!("plugin add {} -as hello", guest("greet").display())).exits(0);
    let file = project.join(".shiro/plugins/hello.wasm");
    let (good, bad) = (project.join("good"), project.join("bad"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when an assertion fails.
        let _stop = Stop(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (from, copy) in [(guest("greet"), &good), (guest("echo"), &bad)] {
                    fs::copy(from, copy).expect("copy a component");
                    fs::rename(copy, &file).expect("swap it in");
                }
            }
        });
        for _ in 0..12 {
            let outcome = project.shiro("run -fresh");
            match outcome.code {
                Some(0) => drop(outcome.says("Hello, World!")),
                _ => drop(outcome.exits(3).says("not the component that shiro.lock pins")),
            }
        }
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_policy_that_the_documentation_shows_is_valid() {
    let documentation = fs::read_to_string(crate::support::repository().join("docs/plugins.md")).expect("read it");
    let shown = documentation.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let policy = shown.into_iter().find(|text| text.contains("\"signatures\"")).expect("it shows one");
    let project = project();
    project.write(".shiro/policy.json", policy);
    project.shiro("plugin list").exits(0);
}

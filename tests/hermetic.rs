//! The main job where there is next to nothing: no network but loopback, no HOME, a root that can't be written to except for
//! the project directory and /tmp.

use std::path::PathBuf;

use crate::support::{Project, SHIRO, repository};

/// Makes the namespace's loopback work, its root read-only, /tmp empty, the project writable, and then runs both jobs there
/// with a receiver that plays Slack.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
root=$(mktemp -d)
mount --rbind / "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$PROJECT"
mount --bind "$PROJECT" "$root$PROJECT"
exec chroot "$root" /bin/sh -euc '
    cd "$PROJECT"
    if touch /writable 2>/dev/null; then echo "the root can be written to" >&2; exit 99; fi
    "$RECEIVER" "$PROJECT/url" > receiver.log &
    receiver=$!
    tries=0
    while ! test -s url; do tries=$((tries + 1)); test "$tries" -lt 200; sleep 0.05; done
    SLACK_WEBHOOK_URL=$(cat url)
    export SLACK_WEBHOOK_URL
    CI_JOB_NAME=deploy-with-approval "$SHIRO" run -state-store gitlab -fresh
    test ! -e effects
    CI_JOB_NAME=resume-deployment "$SHIRO" run -state-store gitlab
    kill "$receiver"
'
"#;

#[test]
fn the_main_job_needs_no_network_no_home_and_no_writable_root() {
    let mut project = Project::new();
    let workflow = repository().join("examples/approval/workflow.json");
    project.write(".shiro/workflow.json", &std::fs::read_to_string(workflow).expect("read the example"));
    project.write_program("kubectl", "#!/bin/sh\necho \"kubectl $*\" >> \"$PROJECT/effects\"\n");
    // The build may lie below /tmp, which is empty in there.
    let built: PathBuf = PathBuf::from(SHIRO).with_file_name("examples").join("slack-receiver");
    let (shiro, receiver) = (project.join("bin/shiro"), project.join("bin/slack-receiver"));
    std::fs::copy(SHIRO, &shiro).expect("copy shiro");
    std::fs::copy(built, &receiver).expect("copy the receiver");
    let dir = project.path().display().to_string();
    project
        .env("PROJECT", &dir)
        .env("CI_PROJECT_DIR", &dir)
        .env("RECEIVER", receiver.display().to_string())
        .env("SHIRO", shiro.display().to_string())
        .env("CI_COMMIT_REF_NAME", "main")
        .env("CI_SERVER_URL", "https://gitlab.example.com")
        .env("CI_PROJECT_ID", "1")
        .env("CI_PIPELINE_ID", "2");
    let Some(outcome) = project.unshared("-U -r -n -m", SCRIPT) else { return };
    outcome.exits(0);
    assert_eq!(project.read("effects"), "kubectl apply -f k8s/production.yaml\n");
    let shown = project.read("receiver.log");
    assert!(shown.contains("Ready to deploy main. Please review."), "{shown}");
    assert!(shown.contains("Deployment completed!"), "{shown}");
}

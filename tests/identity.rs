//! Who approves, by proof: tokens of a stand-in GitLab and GitHub on loopback, good ones and all kinds of bad ones.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::github::Github;
use crate::support::gitlab::{ALICE, BOB, Gitlab, MALLORY, Mood, PIPELINE, PROJECT, User};
use crate::support::tokens::{Signer, now, unsigned};
use crate::support::{Outcome, Project, repository};

/// A workflow whose second step needs this approval, in a project whose policy is this.
fn project(approval: &Value, policy: &Value) -> Project {
    let mut project = Project::with_workflow(&json!({ "name": "release", "steps": [
        { "id": "ask", "type": "print", "config": { "message": "please look" }, "approval": approval },
        { "id": "deploy", "type": "shell", "depends_on": ["ask"],
          "config": { "command": "echo \"deployed by {{approval.ask.by}}, ${SHIRO_ID_TOKEN:-no token}\" >> \"$EFFECTS\"" } }
    ] }));
    project.write(".shiro/policy.json", &policy.to_string());
    let effects = project.join("effects").display().to_string();
    project.env("EFFECTS", effects);
    project
}

/// A pipeline at the stand-in GitLab.
struct Pipeline {
    project: Project,
    gitlab: Gitlab,
}

impl Pipeline {
    fn new(approval: &Value) -> Self {
        Self::at(Gitlab::start(), approval)
    }

    fn at(gitlab: Gitlab, approval: &Value) -> Self {
        Self { project: project(approval, &gitlab.policy()), gitlab }
    }

    /// The same, after its first job has asked for the approval.
    fn paused(approval: &Value) -> Self {
        let mut pipeline = Self::new(approval);
        pipeline.ask();
        pipeline
    }

    fn ask(&mut self) {
        self.job("deploy", 301, None).shiro("run").exits(0).says("please look");
    }

    /// In this job, with this ID token. The environment says that it is alice, whoever it is.
    fn job(&mut self, name: &str, id: u64, token: Option<&str>) -> &Project {
        self.project
            .env("GITLAB_CI", "true")
            .env("CI_PROJECT_PATH", PROJECT)
            .env("CI_PIPELINE_ID", PIPELINE)
            .env("CI_SERVER_URL", self.gitlab.url())
            .env("CI_JOB_NAME", name)
            .env("CI_JOB_ID", id.to_string())
            .env("CI_JOB_MANUAL", if name == "deploy" { "" } else { "true" })
            .env("GITLAB_USER_LOGIN", "alice")
            .env("GITLAB_USER_ID", "5")
            .env("SHIRO_ID_TOKEN", token.unwrap_or_default());
        &self.project
    }

    /// A start of the resume job with this token.
    fn resume(&mut self, token: &str) -> Outcome {
        self.job("resume", 302, Some(token)).shiro("run")
    }

    /// A token of alice's job 302 with one claim changed.
    fn token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.gitlab.claims(&ALICE, 302);
        claims[name] = value;
        self.gitlab.sign(&claims)
    }

    fn effects(&self) -> String {
        self.project.read("effects")
    }

    fn approvals(&mut self) -> Value {
        let name = format!("release-pipeline-{PIPELINE}");
        let status = self.project.shiro_args(["status", "-json", &name]).exits(0);
        serde_json::from_str::<Value>(&status.stdout).expect("JSON")["approvals"].clone()
    }
}

fn by_alice() -> Value {
    json!({ "approvers": ["alice"] })
}

#[test]
fn a_token_of_gitlab_proves_who_approves() {
    let mut pipeline = Pipeline::paused(&by_alice());
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    let outcome = pipeline.resume(&token).exits(0);
    assert_eq!(pipeline.effects(), "deployed by alice, no token\n");
    let approval = &pipeline.approvals()[0];
    assert_eq!((&approval["by"], &approval["verified"]), (&json!("alice"), &json!(true)));
    assert_eq!(approval["source"], "GitLab ID token");
    // The record says how that is known, and holds nothing that opens a door.
    let journal = pipeline.project.journals().into_values().collect::<String>();
    assert!(journal.contains("\"key-1\"") && journal.contains("\"user_id\":\"5\""), "{journal}");
    for part in token.split('.') {
        assert!(!journal.contains(part) && !outcome.all().contains(part));
    }
}

#[test]
fn forged_and_foreign_tokens_approve_nothing_and_each_says_why() {
    let mut pipeline = Pipeline::paused(&by_alice());
    let claims = pipeline.gitlab.claims(&ALICE, 302);
    let signer = pipeline.gitlab.signer();
    let key = |kid: &str| signer.token_with(&json!({ "alg": "RS256", "kid": kid }), &claims);
    let time = now();
    let cases = [
        ("unsigned", unsigned(&claims), "not signed"),
        ("wrong algorithm", signer.hs256_by_public_key(&claims), "says that it is signed with HS256"),
        ("another algorithm", Signer::ec("key-1").token(&claims), "says that it is signed with ES256"),
        ("wrong key", Signer::stranger("key-1").token(&claims), "signature is not by the key `key-1`"),
        ("unknown key", key("key-2"), "signed with the key `key-2`, which the issuer does not have"),
        (
            "wrong audience",
            pipeline.token_with("aud", json!("https://vault.example.com")),
            "is for `https://vault.example.com`",
        ),
        (
            "wrong issuer",
            pipeline.token_with("iss", json!("https://gitlab.com")),
            "https://gitlab.com, which no policy trusts",
        ),
        ("expired", pipeline.token_with("exp", json!(time - 60)), "expired at"),
        ("not yet valid", pipeline.token_with("nbf", json!(time + 600)), "is valid from"),
        ("from before", pipeline.token_with("iat", json!(time - 120)), "before the decision was asked for"),
        ("without expiry", pipeline.token_with("exp", Value::Null), "does not have the claim `exp`"),
        ("other pipeline", pipeline.token_with("pipeline_id", json!("4712")), "of the pipeline 4712"),
        ("other project", pipeline.token_with("project_path", json!("group/other")), "of the project group/other"),
        ("the job that asked", pipeline.token_with("job_id", json!("301")), "the job that asked for the decision"),
        ("not an approver", pipeline.gitlab.id_token(&MALLORY, 302), "mallory is none of its approvers"),
        ("no token", "hunter2-hunter2".to_owned(), "no JSON Web Token"),
    ];
    for (what, token, why) in cases {
        let outcome = pipeline.resume(&token);
        assert_eq!(outcome.code, Some(6), "{what}\n{}", outcome.all());
        outcome.exits(6).says(why).says("hint: ").does_not_say(&token);
        assert_eq!(pipeline.effects(), "", "{what}");
    }
    // None of it has spoilt anything.
    let good = pipeline.gitlab.id_token(&ALICE, 302);
    pipeline.resume(&good).exits(0);
    assert_eq!(pipeline.effects(), "deployed by alice, no token\n");
}

#[test]
fn the_environment_proves_nothing() {
    let mut pipeline = Pipeline::paused(&by_alice());
    pipeline.job("resume", 302, None).shiro("run").exits(6).says("GITLAB_USER_LOGIN").says("id_tokens");
    // Nor does it say where the run began: its journal does.
    let token = pipeline.token_with("pipeline_id", json!("1"));
    let journal = pipeline.project.journals().into_iter().next().expect("a journal");
    pipeline.project.write(format!(".shiro/state/{}", journal.0.replace(PIPELINE, "1")), &journal.1);
    let project = pipeline.job("resume", 302, Some(&token));
    let mut command = project.command(crate::support::SHIRO);
    let output = command.arg("run").env("CI_PIPELINE_ID", "1").output().expect("shiro starts");
    Outcome::of(output).exits(6);
    assert_eq!(pipeline.effects(), "");
}

#[test]
fn a_job_that_starts_by_itself_decides_nothing() {
    let mut pipeline = Pipeline::paused(&by_alice());
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    pipeline.job("resume", 302, Some(&token));
    pipeline.project.env("CI_JOB_MANUAL", "");
    pipeline.project.shiro("run").exits(6).says("nobody has started this job").says("when: manual");
    assert_eq!(pipeline.effects(), "");
}

#[test]
fn a_policy_has_to_say_whom_to_trust() {
    let mut pipeline = Pipeline::new(&by_alice());
    pipeline.project.write(".shiro/policy.json", &json!({ "version": 1, "types": {} }).to_string());
    pipeline.ask();
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    let line = format!("\"identity\": {{ \"issuers\": [{{\"url\":\"{}\"}}] }}", pipeline.gitlab.url());
    pipeline.resume(&token).exits(6).says("which no policy trusts").says(&line);
    assert!(pipeline.gitlab.received().is_empty(), "who is not trusted is not asked either");
}

#[test]
fn a_token_is_no_hindrance_where_nobody_asks_for_a_proof() {
    let mut pipeline = Pipeline::new(&json!({}));
    pipeline.project.write(".shiro/policy.json", &json!({ "version": 1, "types": {} }).to_string());
    pipeline.ask();
    let token = pipeline.gitlab.id_token(&BOB, 302);
    pipeline.resume(&token).exits(0);
    let approval = &pipeline.approvals()[0];
    assert_eq!((&approval["verified"], &approval["source"]), (&json!(false), &json!("GITLAB_USER_LOGIN")));
    // With a policy, it is looked at all the same.
    let mut pipeline = Pipeline::paused(&json!({}));
    let foreign = pipeline.token_with("iss", json!("https://gitlab.com"));
    pipeline.resume(&foreign).exits(6).says("https://gitlab.com, which no policy trusts");
    let token = pipeline.gitlab.id_token(&BOB, 302);
    pipeline.resume(&token).exits(0);
    assert_eq!(pipeline.effects(), "deployed by bob, no token\n");
}

#[test]
fn an_operator_s_policy_bounds_whom_to_believe() {
    let mut pipeline = Pipeline::new(&by_alice());
    let operator =
        |issuer: Value| json!({ "version": 1, "types": {}, "identity": { "issuers": [issuer] } }).to_string();
    let url = pipeline.gitlab.url();
    pipeline.project.write("op.json", &operator(json!({ "url": url, "project": PROJECT })));
    pipeline.project.write("other.json", &operator(json!({ "url": "https://gitlab.example.com" })));
    pipeline.job("deploy", 301, None).shiro("run -policy op.json").exits(0);
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    pipeline.job("resume", 302, Some(&token)).shiro("run -policy op.json").exits(0);
    pipeline.job("deploy", 301, None).shiro("run -fresh -policy other.json").exits(0);
    pipeline
        .job("resume", 302, Some(&token))
        .shiro("run -policy other.json")
        .exits(6)
        .says("other.json does not allow tokens");
}

#[test]
fn a_proof_counts_once_and_a_person_too() {
    let mut pipeline = Pipeline::paused(&json!({ "required": 2, "approvers": ["alice", "bob"] }));
    let (first, again, second) = (
        pipeline.gitlab.id_token(&ALICE, 302),
        pipeline.gitlab.id_token(&ALICE, 303),
        pipeline.gitlab.id_token(&BOB, 304),
    );
    pipeline.job("approve-1", 302, Some(&first)).shiro("approve ask").exits(0);
    pipeline.job("approve-2", 303, Some(&first)).shiro("approve ask").exits(6).says("used before");
    pipeline.job("approve-2", 303, Some(&again)).shiro("approve ask").exits(6).says("alice has approved already");
    // With a login of another name, it is still the same account.
    let renamed = User { login: "bob", ..ALICE };
    let renamed = pipeline.gitlab.id_token(&renamed, 305);
    pipeline.job("approve-2", 305, Some(&renamed)).shiro("approve ask").exits(6).says("has approved already");
    assert_eq!(pipeline.effects(), "");
    pipeline.job("approve-2", 304, Some(&second)).shiro("approve ask").exits(0);
    // Who decided is as good as the journal that says so.
    pipeline.job("resume", 306, None).shiro("run").exits(0).says("a journal that has no state key");
    assert!(pipeline.effects().starts_with("deployed by"), "{}", pipeline.effects());
    let approvals = pipeline.approvals();
    let by: Vec<&str> = approvals.as_array().expect("a list").iter().filter_map(|one| one["by"].as_str()).collect();
    assert_eq!(by, ["alice", "bob"]);
}

/// A run that alice started, for someone else to approve. Carol made its commit.
fn started_by_alice() -> Pipeline {
    let mut pipeline = Pipeline::new(&json!({ "self": false }));
    let start = pipeline.gitlab.id_token(&ALICE, 301);
    pipeline.job("deploy", 301, Some(&start)).shiro("run").exits(0);
    pipeline
}

impl Pipeline {
    /// A start of the resume job by this user, with both of the job's tokens.
    fn resume_as(&mut self, user: &User, job: u64) -> Outcome {
        let (id, token) = (self.gitlab.id_token(user, job), self.gitlab.job_token(user, job));
        self.job("resume", job, Some(&id));
        self.project.env("CI_JOB_TOKEN", token);
        self.project.shiro("run")
    }
}

#[test]
fn nobody_approves_what_they_have_started() {
    let mut pipeline = started_by_alice();
    pipeline.resume_as(&ALICE, 302).exits(6).says("alice started the run, and nobody approves their own");
    assert_eq!(pipeline.effects(), "");
    pipeline.resume_as(&BOB, 303).exits(0);
    assert_eq!(pipeline.effects(), "deployed by bob, no token\n");
    pipeline.project.shiro("audit").exits(0).says("somebody else made the commit");
    pipeline.project.shiro("audit verify").exits(0);
    let journal = pipeline.project.journals().into_values().collect::<String>();
    assert!(!journal.contains("@example.com"), "addresses are compared, and not kept: {journal}");

    // Whoever hides who they are when they start it gets nowhere either.
    let mut pipeline = Pipeline::paused(&json!({ "self": false }));
    pipeline.resume_as(&BOB, 303).exits(6).says("nothing proves who started the run");
    assert_eq!(pipeline.effects(), "");
}

#[test]
fn nobody_approves_their_own_commit() {
    let mut pipeline = started_by_alice();
    let (id, own) = (pipeline.gitlab.id_token(&BOB, 302), pipeline.gitlab.job_token(&BOB, 302));
    for (field, value) in [
        ("author_email", "bob@example.com"),
        ("author_email", "BOB@Example.com"),
        ("author_email", "6-bob@users.noreply.gitlab.example.com"),
        ("author_name", "Bob"),
    ] {
        let before = pipeline.gitlab.job_token(&BOB, 302);
        pipeline.gitlab.change_job(&before, |job| job["commit"][field] = value.into());
        pipeline.job("resume", 302, Some(&id));
        pipeline.project.env("CI_JOB_TOKEN", &own);
        for verb in ["run", "approve ask"] {
            pipeline.project.shiro(verb).exits(6).says("bob made the commit (its author has their").does_not_say(&own);
        }
        assert_eq!(pipeline.effects(), "", "{field} {value}");
    }
    pipeline.resume_as(&MALLORY, 304).exits(0);
    assert_eq!(pipeline.effects(), "deployed by mallory, no token\n");
}

#[test]
fn where_nobody_can_say_who_made_the_commit_nobody_approves() {
    let mut pipeline = started_by_alice();
    let id = pipeline.gitlab.id_token(&BOB, 302);
    let (of_this_job, of_another) = (pipeline.gitlab.job_token(&BOB, 302), pipeline.gitlab.job_token(&MALLORY, 309));
    pipeline.job("resume", 302, Some(&id));
    for (token, why) in [
        ("", "there is no CI_JOB_TOKEN"),
        ("glcbt-64_nobody-nobody", "401 Unauthorized"),
        (&of_another, "about another job than the ID token"),
    ] {
        pipeline.project.env("CI_JOB_TOKEN", token);
        pipeline
            .project
            .shiro("run")
            .exits(6)
            .says("nothing says who made the commit")
            .says(why)
            .says("contents: read");
    }
    pipeline.project.env("CI_JOB_TOKEN", &of_this_job);
    pipeline.gitlab.change_job(&of_this_job, |job| job["commit"]["id"] = "0".repeat(40).into());
    pipeline.project.shiro("run").exits(6).says("about another commit than the ID token");
    // The job API alone does not say which address bob has.
    pipeline.job("resume", 302, None).shiro("run").exits(6).says("nothing says which address the approver has");
    assert_eq!(pipeline.effects(), "");
    // To say no takes nobody else.
    let outcome = pipeline.job("reject", 302, Some(&id)).shiro_args(["reject", "ask", "-reason", "no"]);
    outcome.exits(0).says("rejected by bob");
}

#[test]
fn with_names_on_trust_the_environment_says_whose_commit_it_is() {
    let mut pipeline = Pipeline::paused(&json!({ "self": false, "allow_unverified": true }));
    pipeline.job("resume", 302, None);
    let author = |project: &mut Project, name: &str| {
        project
            .env("GITLAB_USER_LOGIN", "bob")
            .env("GITLAB_USER_EMAIL", "bob@example.com")
            .env("CI_COMMIT_AUTHOR", format!("{name} <{name}@example.com>"));
    };
    author(&mut pipeline.project, "bob");
    pipeline.project.shiro("run").exits(6).says("bob made the commit");
    author(&mut pipeline.project, "carol");
    pipeline.project.shiro("run").exits(0);
    assert_eq!(pipeline.effects(), "deployed by bob, no token\n");
}

#[test]
fn a_run_begins_where_its_token_says() {
    let mut pipeline = Pipeline::new(&json!({ "self": false }));
    let elsewhere = pipeline.token_with("pipeline_id", json!("4712"));
    pipeline.job("deploy", 302, Some(&elsewhere)).shiro("run").exits(6).says("of the pipeline 4712");
    assert!(pipeline.project.journals().is_empty(), "nothing was started");
}

#[test]
fn a_group_is_known_from_the_token() {
    let mut pipeline = Pipeline::paused(&json!({ "approvers": ["group:group/sre"] }));
    let (member, other) = (pipeline.gitlab.id_token(&ALICE, 302), pipeline.gitlab.id_token(&BOB, 302));
    pipeline.resume(&other).exits(6).says("bob is none of its approvers: group:group/sre");
    pipeline.resume(&member).exits(0);
}

#[test]
fn the_job_api_is_the_other_way() {
    let mut pipeline = Pipeline::paused(&by_alice());
    let (good, other, mallory) = (
        pipeline.gitlab.job_token(&ALICE, 302),
        pipeline.gitlab.job_token(&ALICE, 303),
        pipeline.gitlab.job_token(&MALLORY, 304),
    );
    pipeline.gitlab.change_job(&other, |job| job["pipeline"]["id"] = 4712.into());
    let over = pipeline.gitlab.job_token(&ALICE, 305);
    pipeline.gitlab.change_job(&over, |job| job["status"] = "success".into());
    let asking = pipeline.gitlab.job_token(&ALICE, 301);
    for (token, why) in [
        (mallory.as_str(), "mallory is none of its approvers"),
        (other.as_str(), "of the pipeline 4712"),
        (over.as_str(), "success, not running"),
        (asking.as_str(), "the job that asked for the decision"),
        ("glcbt-64_nobody-nobody", "401 Unauthorized"),
    ] {
        pipeline.job("resume", 302, None);
        pipeline.project.env("CI_JOB_TOKEN", token);
        pipeline.project.shiro("run").exits(6).says(why).does_not_say(token);
        assert_eq!(pipeline.effects(), "");
    }
    pipeline.project.env("CI_JOB_TOKEN", &good);
    pipeline.project.shiro("run").exits(0).does_not_say(&good);
    assert_eq!(pipeline.effects(), "deployed by alice, no token\n");
    assert_eq!(pipeline.approvals()[0]["source"], "GitLab job API");
    let journal = pipeline.project.journals().into_values().collect::<String>();
    assert!(!journal.contains(&good));
}

#[test]
fn keys_that_do_not_come_are_not_waited_for() {
    let mut pipeline = Pipeline::paused(&by_alice());
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    for (mood, why) in [
        (Mood::Down, "503 Service Unavailable"),
        (Mood::Huge, "more than 262144 bytes"),
        (Mood::Elsewhere, "302 Found"),
        (Mood::Page, "no discovery document"),
        (Mood::Silent, "has not answered within 6 seconds"),
    ] {
        pipeline.gitlab.becomes(mood);
        let start = Instant::now();
        pipeline.resume(&token).exits(6).says(why);
        assert!(start.elapsed() < Duration::from_secs(10), "{mood:?}: {:?}", start.elapsed());
        assert_eq!(pipeline.effects(), "", "{mood:?}");
    }
    let paths: Vec<String> = pipeline.gitlab.received().iter().map(|request| request.path.clone()).collect();
    assert!(!paths.iter().any(|path| path.contains("again")), "redirects are not followed: {paths:?}");
    pipeline.gitlab.becomes(Mood::Well);
    pipeline.resume(&token).exits(0);
}

#[test]
fn keys_can_be_given_where_there_is_no_network() {
    let gitlab = Gitlab::start();
    let keys: Value = serde_json::from_str(&gitlab.signer().key_set()).expect("JSON");
    let mut policy = gitlab.policy();
    policy["identity"]["issuers"][0]["jwks"] = keys.clone();
    let mut pipeline = Pipeline { project: project(&by_alice(), &policy), gitlab };
    pipeline.ask();
    pipeline.gitlab.becomes(Mood::Down);
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    let forged = Signer::stranger("key-1").token(&pipeline.gitlab.claims(&ALICE, 302));
    pipeline.resume(&forged).exits(6).says("signature is not by");
    pipeline.resume(&token).exits(0);
    assert!(pipeline.gitlab.received().is_empty(), "nobody is asked");

    // The same from a file outside of the project.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), keys.to_string()).expect("write the keys");
    policy["identity"]["issuers"][0]["jwks"] = file.path().display().to_string().into();
    pipeline.project.write(".shiro/policy.json", &policy.to_string());
    pipeline.job("deploy", 301, None).shiro("run -fresh").exits(0);
    pipeline.resume(&token).exits(0);
}

#[test]
fn only_the_policy_s_certificates_count() {
    let mut pipeline = Pipeline::at(Gitlab::start_tls(), &by_alice());
    pipeline.ask();
    let token = pipeline.gitlab.id_token(&ALICE, 302);
    pipeline.resume(&token).exits(0);

    // Without them the server is a stranger, whatever the job's variables say.
    let policy = json!({ "version": 1, "types": {}, "identity": { "issuers": [{ "url": pipeline.gitlab.url() }] } });
    pipeline.project.write(".shiro/policy.json", &policy.to_string());
    let certificate = pipeline.gitlab.certificate().expect("it speaks TLS").to_owned();
    pipeline.project.write("ca.pem", &certificate);
    let file = pipeline.project.join("ca.pem").display().to_string();
    pipeline.project.env("SSL_CERT_FILE", &file).env("CI_SERVER_TLS_CA_FILE", &file);
    pipeline.job("deploy", 301, None).shiro("run -fresh").exits(0);
    pipeline.resume(&token).exits(6).says("can't be asked");
    assert_eq!(pipeline.effects(), "deployed by alice, no token\n", "once");
}

#[test]
fn what_the_policy_wants_protected_has_to_be() {
    let gitlab = Gitlab::start();
    let mut policy = gitlab.policy();
    policy["identity"]["require_protected"] = json!(["environment"]);
    let mut pipeline = Pipeline { project: project(&by_alice(), &policy), gitlab };
    pipeline.ask();
    let without = pipeline.gitlab.id_token(&ALICE, 302);
    pipeline.resume(&without).exits(6).says("wants a protected environment");
    let mut claims = pipeline.gitlab.claims(&ALICE, 302);
    claims["environment"] = "production".into();
    claims["environment_protected"] = "false".into();
    let unprotected = pipeline.gitlab.sign(&claims);
    pipeline.resume(&unprotected).exits(6).says("says that `production` is not");
    let job = pipeline.gitlab.job_token(&ALICE, 302);
    pipeline.job("resume", 302, None);
    pipeline.project.env("CI_JOB_TOKEN", &job);
    pipeline.project.shiro("run").exits(6).says("does not say so");
    claims["environment_protected"] = "true".into();
    let protected = pipeline.gitlab.sign(&claims);
    pipeline.resume(&protected).exits(0);
}

/// Runs a job of the stand-in GitHub's run.
fn github_job(project: &mut Project, github: &Github, name: &str) -> Outcome {
    for (name, value) in github.variables() {
        project.env(name, value);
    }
    project
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_REPOSITORY", PROJECT)
        .env("GITHUB_RUN_ID", "99")
        .env("GITHUB_ACTOR", "bob")
        .env("GITHUB_JOB", name);
    project.shiro("run")
}

#[test]
fn on_github_whoever_reviewed_the_environment_approves() {
    let github = Github::start(&ALICE);
    let mut project = project(&json!({ "self": false, "approvers": ["alice", "bob"] }), &github.policy());
    github_job(&mut project, &github, "deploy").exits(0);
    // Its token names who started the run, which is no decision.
    github_job(&mut project, &github, "resume").exits(6).says("nobody has approved this run for the environment");
    github.review("staging", "approved", &BOB);
    github_job(&mut project, &github, "resume").exits(6).says("nobody has approved");
    github.review("production", "rejected", &BOB);
    github_job(&mut project, &github, "resume").exits(6).says("nobody has approved");
    github.review("production", "approved", &MALLORY);
    github_job(&mut project, &github, "resume").exits(6).says("mallory is none of its approvers");
    github.review("production", "approved", &ALICE);
    github_job(&mut project, &github, "resume").exits(6).says("nobody approves their own");
    github.review("production", "approved", &BOB);
    // Nor has bob made the commit.
    github.author(json!({ "login": "bob", "id": 6 }));
    github_job(&mut project, &github, "resume").exits(6).says("bob made the commit (its author is this account)");
    github.author(Value::Null);
    github_job(&mut project, &github, "resume").exits(6).says("no GitHub account has the address of its author");
    github.author(json!({ "login": "carol", "id": 9 }));
    github.claims(|claims| claims["run_id"] = "98".into());
    github_job(&mut project, &github, "resume").exits(6).says("404");
    github.claims(|claims| claims["run_id"] = "99".into());
    github.claims(|claims| claims["environment"] = Value::Null);
    github_job(&mut project, &github, "resume").exits(6).says("in no environment");
    github.claims(|claims| claims["environment"] = "production".into());
    assert_eq!(project.read("effects"), "");
    github_job(&mut project, &github, "resume").exits(0).does_not_say("request-token-of-this-job");
    assert_eq!(project.read("effects"), "deployed by bob, no token\n");
}

#[test]
fn on_github_each_review_counts_once_and_a_no_counts_without_an_environment() {
    let two = json!({ "required": 2, "approvers": ["alice", "bob"] });
    let github = Github::start(&MALLORY);
    let mut waiting = project(&two, &github.policy());
    github_job(&mut waiting, &github, "deploy").exits(0);
    github.review("production", "approved", &ALICE);
    github_job(&mut waiting, &github, "approve-1").exits(0).says("one more approval is missing");
    // A job that nobody has reviewed anew, and one that the same person has.
    github_job(&mut waiting, &github, "approve-2").exits(6).says("used before");
    github.review("production", "approved", &ALICE);
    github_job(&mut waiting, &github, "approve-2").exits(6).says("alice has approved already");
    github.review("production", "approved", &BOB);
    github_job(&mut waiting, &github, "approve-2").exits(0);
    assert!(waiting.read("effects").starts_with("deployed by"));

    // Whoever says no in GitHub's dialog keeps the job from starting; another one, in no environment, records that.
    let github = Github::start(&MALLORY);
    let mut refused = project(&two, &github.policy());
    github_job(&mut refused, &github, "deploy").exits(0);
    github.claims(|claims| claims["environment"] = Value::Null);
    let reject = ["reject", "ask", "-reason", "no"];
    refused.shiro_args(reject).exits(6).says("in no environment");
    github.review("production", "rejected", &MALLORY);
    refused.shiro_args(reject).exits(6).says("mallory is none of its approvers");
    github.review("production", "rejected", &BOB);
    // Which is no way to approve.
    github_job(&mut refused, &github, "resume").exits(6).says("in no environment");
    refused.shiro_args(reject).exits(0).says("rejected by bob (verified, from GitHub review)");
    refused.shiro("run").exits(6);
    assert_eq!(refused.read("effects"), "");
}

/// A job of the documented pipeline in an emulator of GitLab's runner, which has no tokens of its own.
fn emulated(project: &Project, job: &str, id_token: &str, job_token: &str) -> Outcome {
    let mut command = project.command(crate::gitlab::emulator());
    command.args(["--shell-isolation", job]);
    let effects = project.join("effects.log").display().to_string();
    for (name, value) in [
        ("CI_PIPELINE_ID", PIPELINE),
        ("CI_PROJECT_PATH", PROJECT),
        ("CI_PROJECT_ID", "20"),
        ("EFFECTS", &effects),
        ("SHIRO_ID_TOKEN", id_token),
        ("CI_JOB_TOKEN", job_token),
    ] {
        command.arg("--variable").arg(format!("{name}={value}"));
    }
    Outcome::of(command.output().expect("the emulator starts"))
}

#[test]
fn the_documented_jobs_take_two_people() {
    let gitlab = Gitlab::start();
    let mut project =
        project(&json!({ "required": 2, "self": false, "approvers": ["alice", "bob"] }), &gitlab.policy());
    let documentation = std::fs::read_to_string(repository().join("docs/identity.md")).expect("read the documentation");
    let jobs = documentation.split("```").find_map(|block| block.strip_prefix("yaml\n")).expect("a block of YAML");
    let first = "stages: [deploy, approve, resume]\ndeploy-with-approval:\n  stage: deploy\n  script:\n  - shiro run -state-store gitlab -fresh\n  artifacts:\n    paths: [.shiro/state/]\n";
    project.write(".gitlab-ci.yml", &format!("{first}{}", jobs.replace("request_approval", "ask")));
    crate::gitlab::prepare(&mut project);
    let tokens = |user: &User, job: u64| (gitlab.id_token(user, job), gitlab.job_token(user, job));
    let start = |name: &str, (id, job): &(String, String)| emulated(&project, name, id, job);

    start("deploy-with-approval", &tokens(&MALLORY, 301)).exits(0).says("please look");
    let first = tokens(&ALICE, 302);
    start("approve-1", &first).exits(0).does_not_say(&first.0).does_not_say(&first.1);
    for (tokens, why) in [(first, "used before"), (tokens(&ALICE, 303), "alice has approved already")] {
        let outcome = start("approve-2", &tokens).says(why);
        assert_ne!(outcome.code, Some(0), "{}", outcome.all());
    }
    start("approve-2", &tokens(&BOB, 303)).exits(0);
    assert_eq!(project.read("effects.log"), "");
    emulated(&project, "resume-deployment", "", "").exits(0);
    assert!(project.read("effects.log").starts_with("deployed by"), "{}", project.read("effects.log"));
}

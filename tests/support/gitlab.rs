//! A stand-in GitLab on loopback: real HTTP (and TLS), and of its API what is documented and asked for here.
//!
//! ```text
//! GET /.well-known/openid-configuration, /oauth/discovery/keys   what ID tokens are verified with
//! GET /api/v4/job                                                 the job that a job token belongs to
//! ```
//!
//! More endpoints go into [`Gitlab::with`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Answer, Received, Server};
use super::tokens::{Signer, gitlab_claims};

/// The project that jobs are of.
pub(crate) const PROJECT: &str = "group/name";
/// The pipeline that they are of.
pub(crate) const PIPELINE: &str = "4711";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// An answer, as documented.
    #[default]
    Well,
    /// 503.
    Down,
    /// No answer within any patience.
    Silent,
    /// A megabyte and a half of JSON.
    Huge,
    /// A redirect to this very server.
    Elsewhere,
    /// A web page.
    Page,
}

#[derive(Default)]
struct State {
    url: String,
    mood: Mood,
    key_set: String,
    /// By job token.
    jobs: BTreeMap<String, Value>,
}

/// The stand-in. Dropping it ends it.
pub(crate) struct Gitlab {
    server: Server,
    signer: Signer,
    state: Arc<Mutex<State>>,
}

impl Gitlab {
    /// One that speaks HTTP.
    pub(crate) fn start() -> Self {
        Self::with(false, |_| None)
    }

    /// One that speaks HTTPS, with a certificate that nobody knows.
    pub(crate) fn start_tls() -> Self {
        Self::with(true, |_| None)
    }

    /// One that also answers what `more` answers, before anything else.
    pub(crate) fn with(tls: bool, more: impl Fn(&Received) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let signer = Signer::rsa("key-1");
        let state = Arc::new(Mutex::new(State { key_set: signer.key_set(), ..State::default() }));
        let shared = Arc::clone(&state);
        let answer = move |_: usize, request: &Received| {
            let state = lock(&shared);
            mood(&state, request).or_else(|| more(request)).unwrap_or_else(|| route(&state, request))
        };
        let server = if tls { Server::start_tls(answer) } else { Server::start(answer) };
        lock(&state).url = server.url("");
        Self { server, signer, state }
    }

    /// Its address: the issuer of its tokens.
    pub(crate) fn url(&self) -> String {
        self.server.url("")
    }

    /// The certificate to trust, if it speaks TLS.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.server.certificate()
    }

    /// What it was asked.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// From now on it answers like this.
    pub(crate) fn becomes(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// A policy that trusts it.
    pub(crate) fn policy(&self) -> Value {
        let mut issuer = json!({ "url": self.url() });
        if let Some(certificate) = self.certificate() {
            issuer["ca"] = certificate.into();
        }
        json!({ "version": 1, "types": {}, "identity": { "issuers": [issuer] } })
    }

    /// The claims of the token that a job gets which this user starts.
    pub(crate) fn claims(&self, user: &User, job: u64) -> Value {
        let mut claims = gitlab_claims(&self.url());
        claims["user_login"] = user.login.into();
        claims["user_id"] = user.id.to_string().into();
        claims["user_email"] = format!("{}@example.com", user.login).into();
        claims["groups_direct"] = json!(user.groups);
        claims["job_id"] = job.to_string().into();
        claims["pipeline_id"] = PIPELINE.into();
        claims["project_path"] = PROJECT.into();
        claims
    }

    /// A token with these claims, signed.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.signer.token(claims)
    }

    /// Who signs.
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The ID token of a job that this user starts.
    pub(crate) fn id_token(&self, user: &User, job: u64) -> String {
        self.sign(&self.claims(user, job))
    }

    /// The job token of a running job that this user has started.
    pub(crate) fn job_token(&self, user: &User, job: u64) -> String {
        let token = format!("glcbt-64_{}{job}", user.login.repeat(4));
        let web_url = format!("{}/{PROJECT}/-/jobs/{job}", self.url());
        let pipeline: u64 = PIPELINE.parse().expect("a number");
        let answer = json!({
            "id": job, "name": "a job", "stage": "deploy", "status": "running", "ref": "main", "tag": false,
            "allow_failure": false, "web_url": web_url, "artifacts": [], "runner": null,
            "commit": { "id": "714a629c0b401fdce83e847fc9589983fc6f46bc", "author_name": "Carol", "author_email": "carol@example.com" },
            "pipeline": { "id": pipeline, "project_id": 20, "ref": "main", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "status": "running" },
            "project": { "ci_job_token_scope_enabled": true },
            "user": { "id": user.id, "username": user.login, "name": user.login, "state": "active", "public_email": "" },
        });
        lock(&self.state).jobs.insert(token.clone(), answer);
        token
    }

    /// Changes what the job API says of a job token's job.
    pub(crate) fn change_job(&self, token: &str, change: impl FnOnce(&mut Value)) {
        change(lock(&self.state).jobs.get_mut(token).expect("a token that it gave"));
    }
}

/// An account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) login: &'static str,
    pub(crate) id: u64,
    pub(crate) groups: &'static [&'static str],
}

/// One of two who approve.
pub(crate) const ALICE: User = User { login: "alice", id: 5, groups: &["group/sre", "group"] };
/// The other.
pub(crate) const BOB: User = User { login: "bob", id: 6, groups: &["group"] };
/// Somebody else.
pub(crate) const MALLORY: User = User { login: "mallory", id: 7, groups: &[] };

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request handler panicked")
}

fn mood(state: &State, request: &Received) -> Option<Answer> {
    match state.mood {
        Mood::Well => None,
        Mood::Down => Some(Answer::new(503, "{\"message\":\"503 Service Unavailable\"}")),
        Mood::Silent => Some(Answer::new(200, "{}").after(Duration::from_secs(3600))),
        Mood::Huge => Some(Answer::new(200, format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(3 << 19)))),
        Mood::Elsewhere => {
            Some(Answer::new(302, "").header("location", format!("{}{}?again", state.url, request.path)))
        }
        Mood::Page => Some(Answer::new(200, "<!DOCTYPE html><title>Sign in</title>")),
    }
}

fn route(state: &State, request: &Received) -> Answer {
    let json = |value: Value| Answer::new(200, value.to_string()).header("content-type", "application/json");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/.well-known/openid-configuration") => json(json!({
            "issuer": state.url,
            "authorization_endpoint": format!("{}/oauth/authorize", state.url),
            "jwks_uri": format!("{}/oauth/discovery/keys", state.url),
            "id_token_signing_alg_values_supported": ["RS256"],
        })),
        ("GET", "/oauth/discovery/keys") => Answer::new(200, state.key_set.as_str()),
        ("GET", "/api/v4/job") => match request.headers.get("job-token").and_then(|token| state.jobs.get(token)) {
            Some(job) => json(job.clone()),
            None => Answer::new(401, "{\"message\":\"401 Unauthorized\"}"),
        },
        _ => Answer::new(404, "{\"error\":\"404 Not Found\"}"),
    }
}

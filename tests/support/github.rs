//! A stand-in GitHub on loopback: its issuer, the endpoint that gives tokens to jobs, the reviews of a run and its commit, as
//! documented.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::gitlab::User;
use super::http::{Answer, Received, Server};
use super::tokens::{Signer, now};

/// What a job shows to be given a token.
const REQUEST_TOKEN: &str = "request-token-of-this-job";
/// What a job shows to read the reviews of its run, and the repository.
const API_TOKEN: &str = "ghs_apitokenofthisjob";

struct State {
    url: String,
    signer: Signer,
    claims: Value,
    reviews: Vec<Value>,
    /// The account with the commit's author's address.
    author: Value,
}

/// The stand-in. Dropping it ends it.
pub(crate) struct Github {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Github {
    /// One with a run `99` of `group/name`, started by this user, whose jobs are in the environment `production`.
    pub(crate) fn start(actor: &User) -> Self {
        let claims = json!({
            "repository": "group/name", "repository_id": "20", "repository_owner": "group",
            "run_id": "99", "run_number": "10", "run_attempt": "1", "actor": actor.login, "actor_id": actor.id.to_string(),
            "workflow": "deploy", "event_name": "push", "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
            "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "environment": "production",
            "job_workflow_ref": "group/name/.github/workflows/deploy.yml@refs/heads/main",
            "runner_environment": "github-hosted", "sub": "repo:group/name:environment:production",
        });
        let state = State {
            url: String::new(),
            signer: Signer::rsa("github-1"),
            claims,
            reviews: Vec::new(),
            author: json!({ "login": "carol", "id": 9 }),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(move |number, request| route(&lock(&shared), number, request));
        lock(&state).url = server.url("");
        Self { server, state }
    }

    /// A policy that trusts it.
    pub(crate) fn policy(&self) -> Value {
        let (url, api) = (self.server.url(""), self.server.url("/api"));
        json!({ "version": 1, "types": {}, "identity": { "issuers": [{ "url": url, "provider": "github", "api": api }] } })
    }

    /// The variables of a job that may ask for tokens (`id-token: write`) and reviews (`actions: read`).
    pub(crate) fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", self.server.url("/token?api-version=2.0")),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN.to_owned()),
            ("GITHUB_TOKEN", API_TOKEN.to_owned()),
        ]
    }

    /// Changes what its tokens say.
    pub(crate) fn claims(&self, change: impl FnOnce(&mut Value)) {
        change(&mut lock(&self.state).claims);
    }

    /// Changes who made its commit: an account, or `null`.
    pub(crate) fn author(&self, author: Value) {
        lock(&self.state).author = author;
    }

    /// A review of an environment, `approved` or `rejected`.
    pub(crate) fn review(&self, environment: &str, state: &str, user: &User) {
        lock(&self.state).reviews.push(json!({
            "state": state, "comment": "", "environments": [{ "id": 1, "name": environment }],
            "user": { "login": user.login, "id": user.id, "type": "User" },
        }));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no request handler panicked")
}

fn route(state: &State, number: usize, request: &Received) -> Answer {
    let authorization = request.headers.get("authorization").map_or("", String::as_str);
    let refused = || Answer::new(401, "{\"message\":\"Bad credentials\"}");
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match path {
        "/.well-known/openid-configuration" => {
            let keys = format!("{}/.well-known/jwks", state.url);
            Answer::new(200, json!({ "issuer": state.url, "jwks_uri": keys }).to_string())
        }
        "/.well-known/jwks" => Answer::new(200, state.signer.key_set()),
        "/token" if authorization == format!("Bearer {REQUEST_TOKEN}") => {
            let audience =
                query.split('&').find_map(|pair| pair.strip_prefix("audience=")).unwrap_or("https://github.com/group");
            let mut claims = state.claims.clone();
            claims["aud"] = audience.into();
            claims["iss"] = state.url.as_str().into();
            claims["jti"] = format!("jti-{number}").into();
            let now = now();
            (claims["iat"], claims["nbf"], claims["exp"]) = (now.into(), (now - 300).into(), (now + 300).into());
            Answer::new(200, json!({ "count": 1, "value": state.signer.token(&claims) }).to_string())
        }
        "/api/repos/group/name/actions/runs/99/approvals" if authorization == format!("Bearer {API_TOKEN}") => {
            Answer::new(200, Value::from(state.reviews.clone()).to_string())
        }
        "/api/repos/group/name/commits" if authorization == format!("Bearer {API_TOKEN}") => {
            let sha = query.split('&').find_map(|pair| pair.strip_prefix("sha=")).unwrap_or("0");
            let commit = json!({ "author": { "name": "Carol", "email": "carol@example.com" }, "message": "Change it" });
            Answer::new(200, json!([{ "sha": sha, "commit": commit, "author": state.author }]).to_string())
        }
        "/token" | "/api/repos/group/name/commits" | "/api/repos/group/name/actions/runs/99/approvals" => refused(),
        _ => Answer::new(404, "{\"message\":\"Not Found\"}"),
    }
}

//! A stand-in for GitLab's API on loopback: the generic package registry of one project, as its documentation has it, and the
//! job that a token belongs to (<https://docs.gitlab.com/api/packages/>, <https://docs.gitlab.com/api/jobs/>).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{Answer, Received, Server};

/// What `CI_JOB_TOKEN` has to be.
const TOKEN: &str = "glcbt-64_of-the-job";

/// The stand-in. Dropping it closes it.
pub(crate) struct GitLab {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: Vec<File>,
    job_created_at: String,
    /// How many files a page has: GitLab has at most 100.
    page: usize,
    /// A file that somebody else writes just before the next one that is sent.
    rival: Option<(String, String)>,
}

struct File {
    version: String,
    name: String,
    content: String,
}

impl GitLab {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State { page: 100, ..State::default() }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |_, request| shared.lock().expect("no handler panicked").answer(request));
        Self { server, state }
    }

    /// What a job of the project has.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CI_API_V4_URL", self.server.url("/api/v4")),
            ("CI_PROJECT_ID", "42".to_owned()),
            ("CI_JOB_TOKEN", TOKEN.to_owned()),
        ]
    }

    /// When the job was created that asks.
    pub(crate) fn job_created_at(&self, time: &str) {
        self.state().job_created_at = time.to_owned();
    }

    /// Lists have pages of this length.
    pub(crate) fn pages_of(&self, length: usize) {
        self.state().page = length;
    }

    /// Writes a file under this name, just before the next one that is sent.
    pub(crate) fn rival_writes(&self, name: &str, content: &str) {
        self.state().rival = Some((name.to_owned(), content.to_owned()));
    }

    /// The names of all files, in the order in which they came.
    pub(crate) fn files(&self) -> Vec<String> {
        self.state().files.iter().map(|file| file.name.clone()).collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no handler panicked")
    }
}

impl State {
    fn answer(&mut self, request: &Received) -> Answer {
        if request.headers.get("job-token").map(String::as_str) != Some(TOKEN) {
            return Answer::new(401, r#"{"message":"401 Unauthorized"}"#);
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = path.strip_prefix("/api/v4/").unwrap_or_default();
        if path == "job" {
            return Answer::new(200, json!({ "id": 7, "created_at": self.job_created_at }).to_string());
        }
        let parts: Vec<&str> = path.strip_prefix("projects/42/").unwrap_or_default().split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["packages"]) => self.list(query, self.packages()),
            ("GET", ["packages", package, "package_files"]) => self.list(query, self.package_files(package)),
            ("GET", ["packages", "generic", "shiro-state", version, name]) => {
                match self.files.iter().rfind(|file| file.version == **version && file.name == **name) {
                    Some(file) => Answer::new(200, file.content.clone()),
                    None => Answer::new(404, r#"{"message":"404 Not Found"}"#),
                }
            }
            ("PUT", ["packages", "generic", "shiro-state", version, name]) => self.upload(version, name, &request.body),
            _ => Answer::new(404, r#"{"error":"404 Not Found"}"#),
        }
    }

    fn upload(&mut self, version: &str, name: &str, body: &str) -> Answer {
        if let Some((name, content)) = self.rival.take() {
            self.files.push(File { version: version.to_owned(), name, content });
        }
        self.files.push(File { version: version.to_owned(), name: name.to_owned(), content: body.to_owned() });
        let id = self.files.len();
        let answer = json!({ "id": id, "package_id": self.package(version), "file_name": name });
        Answer::new(201, answer.to_string())
    }

    /// A package's number: that of its first file.
    fn package(&self, version: &str) -> usize {
        self.files.iter().position(|file| file.version == version).map_or(0, |index| index + 1)
    }

    fn packages(&self) -> Vec<Value> {
        let first = |(index, file): &(usize, &File)| self.package(&file.version) == index + 1;
        let packages = self.files.iter().enumerate().filter(first).map(|(index, file)| {
            json!({ "id": index + 1, "name": "shiro-state", "version": file.version, "package_type": "generic" })
        });
        // Names are only searched for.
        let other = json!({ "id": 9000, "name": "not-shiro-state", "version": "1", "package_type": "generic" });
        packages.chain([other]).rev().collect()
    }

    fn package_files(&self, package: &str) -> Vec<Value> {
        let of_package = |(_, file): &(usize, &File)| self.package(&file.version).to_string() == package;
        self.files
            .iter()
            .enumerate()
            .filter(of_package)
            .map(|(index, file)| {
                json!({ "id": index + 1, "package_id": self.package(&file.version), "file_name": file.name })
            })
            .collect()
    }

    fn list(&self, query: &str, entries: Vec<Value>) -> Answer {
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let (page, length) = (parameter("page").unwrap_or(1), parameter("per_page").unwrap_or(20).min(self.page));
        let shown: Vec<&Value> = entries.iter().skip((page - 1) * length).take(length).collect();
        let next = if page * length < entries.len() { (page + 1).to_string() } else { String::new() };
        Answer::new(200, json!(shown).to_string()).header("X-Next-Page", next)
    }
}

//! What a step type asks for.

use serde::Serialize;

/// What a step type asks for; nothing to begin with. What it gets is for whoever runs the workflow to decide.
///
/// ```
/// use shiro_step::Permissions;
///
/// let permissions = Permissions::default().network("{config.webhook_url}").program("git");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Permissions {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network: Vec<Network>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    process: Vec<Process>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Directory>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    store: Vec<Keys>,
    #[serde(skip_serializing_if = "Limits::is_empty")]
    limits: Limits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Network {
    url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_prefix: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Process {
    program: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    inherit_environment: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Directory {
    path: String,
    access: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Keys {
    scope: String,
    keys: String,
    access: &'static str,
}

/// Limits of one attempt that a step would like raised; `None` where the usual ones do. They are for a policy to set: this
/// says what the step is likely to need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Memory, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Time in which it computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u32>,
    /// Time in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<u32>,
    /// What it returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_mib: Option<u32>,
    /// What it writes to its log, stdout and stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_mib: Option<u32>,
    /// What it writes to files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_mib: Option<u32>,
    /// HTTP bodies in each direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_mib: Option<u32>,
    /// What it stores in the shared data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_mib: Option<u32>,
    /// HTTP requests in flight at once; more wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_requests: Option<u32>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Permissions {
    /// HTTP requests to the scheme, host and port of a URL. `{config.key}` stands for what the user configured, so the
    /// step gets that host and no other; `{env.NAME}` for a variable of the job; `{config.key|env.NAME|https://a.example}`
    /// for the first of these that there is.
    pub fn network(mut self, url: impl Into<String>) -> Self {
        self.network.push(Network { url: url.into(), methods: Vec::new(), path_prefix: None });
        self
    }

    /// The same, but only with these methods (in upper case; none means any), and only to paths below a prefix such as
    /// `/v1/`.
    pub fn requests(mut self, methods: &[&str], url: impl Into<String>, path_prefix: impl Into<String>) -> Self {
        let methods = methods.iter().map(|&method| method.to_owned()).collect();
        self.network.push(Network { url: url.into(), methods, path_prefix: Some(path_prefix.into()) });
        self
    }

    /// Running a program, or any with `*`. It sees only the environment variables that the call names.
    pub fn program(mut self, name: impl Into<String>) -> Self {
        self.process.push(Process { program: name.into(), ..Process::default() });
        self
    }

    /// The same, but only with these arguments: a text is itself, `*` any one argument, `**` at the end any further ones.
    pub fn program_with_args(mut self, name: impl Into<String>, args: &[&str]) -> Self {
        let args = Some(args.iter().map(|&arg| arg.to_owned()).collect());
        self.process.push(Process { program: name.into(), args, ..Process::default() });
        self
    }

    /// Running a program, or any with `*`, that inherits the job's environment: with every secret in it.
    pub fn program_with_environment(mut self, name: impl Into<String>) -> Self {
        self.process.push(Process { program: name.into(), inherit_environment: true, ..Process::default() });
        self
    }

    /// The program asked for last may also run in this directory and below it: relative to the project's, or `/` for
    /// anywhere.
    pub fn in_dir(mut self, dir: impl Into<String>) -> Self {
        if let Some(last) = self.process.last_mut() {
            last.working_dir = Some(dir.into());
        }
        self
    }

    /// The program asked for last inherits this variable of the job: a name, or the beginning of one and `*`.
    pub fn inheriting(mut self, variable: impl Into<String>) -> Self {
        if let Some(last) = self.process.last_mut() {
            last.environment.push(variable.into());
        }
        self
    }

    /// Seeing a variable of the job, e.g. with `std::env::var`: a name, or the beginning of one and `*`. Never a secret.
    pub fn variable(mut self, name: impl Into<String>) -> Self {
        self.environment.push(name.into());
        self
    }

    /// Seeing a secret variable of the job. Its value is masked wherever it would show.
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.secrets.push(name.into());
        self
    }

    /// Reading the files of a directory, relative to the project's or absolute: `std::fs` finds it under this name.
    /// `{env.NAME}/..` is the directory of the file that a variable names.
    pub fn read(mut self, dir: impl Into<String>) -> Self {
        self.files.push(Directory { path: dir.into(), access: "read" });
        self
    }

    /// Reading and writing the files of a directory.
    pub fn read_write(mut self, dir: impl Into<String>) -> Self {
        self.files.push(Directory { path: dir.into(), access: "read-write" });
        self
    }

    /// Reading shared data: in a scope (`run`, `pipeline`, `branch`, `project`, or `*` for each of them) a key, or with a `*`
    /// behind it all keys that begin so.
    pub fn load(mut self, scope: impl Into<String>, keys: impl Into<String>) -> Self {
        self.store.push(Keys { scope: scope.into(), keys: keys.into(), access: "read" });
        self
    }

    /// Reading, storing and deleting shared data.
    pub fn store(mut self, scope: impl Into<String>, keys: impl Into<String>) -> Self {
        self.store.push(Keys { scope: scope.into(), keys: keys.into(), access: "read-write" });
        self
    }

    /// More memory than the usual 256 MiB.
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.limits.memory_mib = Some(mib);
        self
    }

    /// Other limits than the usual ones.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_document_that_the_schema_describes() {
        let permissions = Permissions::default()
            .requests(&["GET"], "https://a.example", "/v1/")
            .program_with_args("git", &["diff", "**"])
            .in_dir("src")
            .inheriting("HOME")
            .variable("CI_*")
            .secret("TOKEN")
            .read("in")
            .read_write("out")
            .load("run", "a")
            .store("project", "deploy/*")
            .limits(Limits { log_mib: Some(8), ..Limits::default() })
            .memory_mib(512);
        assert_eq!(
            serde_json::to_value(permissions).unwrap(),
            serde_json::json!({
                "network": [{ "url": "https://a.example", "methods": ["GET"], "path_prefix": "/v1/" }],
                "process": [{ "program": "git", "args": ["diff", "**"], "working_dir": "src", "environment": ["HOME"] }],
                "environment": ["CI_*"],
                "secrets": ["TOKEN"],
                "files": [{ "path": "in", "access": "read" }, { "path": "out", "access": "read-write" }],
                "store": [
                    { "scope": "run", "keys": "a", "access": "read" },
                    { "scope": "project", "keys": "deploy/*", "access": "read-write" }
                ],
                "limits": { "memory_mib": 512, "log_mib": 8 },
            })
        );
        assert!(Permissions::default().is_empty());
    }
}

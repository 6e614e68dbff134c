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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Network {
    url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Process {
    program: String,
    inherit_environment: bool,
}

impl Permissions {
    /// HTTP requests to the scheme, host and port of a URL. `{config.key}` stands for what the user configured, so the
    /// step gets that host and no other.
    pub fn network(mut self, url: impl Into<String>) -> Self {
        self.network.push(Network { url: url.into() });
        self
    }

    /// Running a program, or any with `*`. It sees only the environment variables that the call names.
    pub fn program(mut self, name: impl Into<String>) -> Self {
        self.process.push(Process { program: name.into(), inherit_environment: false });
        self
    }

    /// Running a program, or any with `*`, that inherits the job's environment: with every secret in it.
    pub fn program_with_environment(mut self, name: impl Into<String>) -> Self {
        self.process.push(Process { program: name.into(), inherit_environment: true });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.network.is_empty() && self.process.is_empty()
    }
}

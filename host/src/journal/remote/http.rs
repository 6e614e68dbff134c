//! Gives object stores the HTTP client that everything here has.

use std::ffi::OsString;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{ClientConfigKey, HttpClient, HttpConnector};

use crate::net::http::client;

/// How long a request and its answer may take, from end to end.
pub(super) const TOTAL: Duration = Duration::from_secs(60);

/// Makes the clients of object stores.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) job_env: Vec<(OsString, OsString)>,
    pub(super) loopback: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let client = client(&self.job_env, self.loopback, plain, TOTAL)
            .map_err(|what| object_store::Error::Generic { store: "HTTP", source: what.into() })?;
        Ok(HttpClient::new(client))
    }
}

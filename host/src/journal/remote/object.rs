//! A log in object storage: S3 and what speaks its protocol, Google's, Azure's, or a directory that machines share.
//!
//! ```text
//! PREFIX/PROJECT/RUN/log/0000000001.jsonl      made with a condition: only if it is not there
//! PREFIX/PROJECT/RUN/lease/0000000001.json     who has the run
//! ```

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use url::Url;
use uuid::Uuid;

use super::super::error::JournalError;
use super::http::Connector;
use super::lease::{Lease, NotHeld, Pace, WaitingFn};
use super::wait::Waiter;
use super::{Log, RemoteError, Segment};
use crate::net::http::chain;
use crate::net::is_loopback_name;

/// How many requests are under way at once.
const AT_ONCE: usize = 32;

/// The metadata that names the process that made a segment.
const WRITER: &str = "shiro-writer";

/// Variables that may name the address of an S3-compatible service.
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// Journals in object storage.
pub(in super::super) struct ObjectLog {
    store: Arc<dyn ObjectStore>,
    waiter: Arc<Waiter>,
    /// As the user wrote it.
    url: String,
    prefix: Path,
    /// Tells this process's segments from others'. `None` where nothing is ever sent twice, and nothing could hold it.
    writer: Option<String>,
    pace: Pace,
}

impl fmt::Debug for ObjectLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectLog").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ObjectLog {
    /// The log at this URL, within it that of a project if there is one. Credentials are the environment's.
    pub(in super::super) fn open(
        url: &Url,
        project: Option<&str>,
        job_env: &[(OsString, OsString)],
    ) -> Result<Self, JournalError> {
        let place = url.to_string();
        let failed =
            |what: String, hint: &str| RemoteError { doing: "open", what, hint: hint.to_owned() }.at(place.clone());
        let (store, path) = connect(url, job_env).map_err(|error| {
            let error = remote("open", url.scheme(), &error);
            error.at(place.clone())
        })?;
        let prefix = Path::from_url_path(path.trim_matches('/'));
        let mut prefix = prefix.map_err(|error| failed(error.to_string(), "write it as s3://BUCKET/PREFIX"))?;
        if let Some(project) = project {
            prefix = prefix.join(project);
        }
        let waiter = Waiter::new().map_err(|error| failed(error.to_string(), "the system refuses threads"))?;
        let writer = (url.scheme() != "file").then(|| Uuid::now_v7().to_string());
        Ok(Self { store, waiter: Arc::new(waiter), url: place, prefix, writer, pace: Pace::default() })
    }

    /// A log in this storage.
    #[cfg(test)]
    pub(super) fn over(store: Arc<dyn ObjectStore>, pace: Pace) -> Self {
        let waiter = Arc::new(Waiter::new().expect("threads"));
        let writer = Some(Uuid::now_v7().to_string());
        Self { store, waiter, url: "s3://bucket/prefix".to_owned(), prefix: Path::from("prefix"), writer, pace }
    }

    fn directory(&self, stem: &str, what: &'static str) -> Path {
        self.prefix.clone().join(stem).join(what)
    }

    /// Waits for a request.
    fn wait<T: Send + 'static>(
        &self,
        doing: &'static str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let panicked = || RemoteError {
            doing,
            what: "the request broke off".to_owned(),
            hint: "run again: what was recorded before is kept".to_owned(),
        };
        let result = self.waiter.wait(request).ok_or_else(panicked)?;
        result.map_err(|error| remote(doing, self.scheme(), &error))
    }

    fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap_or_default()
    }
}

/// The storage that a URL names, and the path in it.
fn connect(url: &Url, job_env: &[(OsString, OsString)]) -> object_store::Result<(Arc<dyn ObjectStore>, String)> {
    let bucket = url.host_str().unwrap_or_default();
    let variable = |name: &str| job_env.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.to_str());
    let is_loopback =
        |endpoint: &str| Url::parse(endpoint).is_ok_and(|url| url.host_str().is_some_and(is_loopback_name));
    let connector = |loopback| Connector { job_env: job_env.to_vec(), loopback };
    let path = url.path().to_owned();
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "s3" => {
            let loopback = S3_ENDPOINTS.iter().filter_map(|name| variable(name)).any(is_loopback);
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
            if loopback {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.with_http_connector(connector(loopback)).build()?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            Arc::new(builder.with_http_connector(connector(false)).build()?)
        }
        "az" => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
            Arc::new(builder.with_http_connector(connector(false)).build()?)
        }
        _ => {
            let directory = url.to_file_path().map_err(|()| object_store::Error::Generic {
                store: "LocalFileSystem",
                source: "the URL has no path of this machine: file:///SHARED/DIRECTORY".into(),
            })?;
            return Ok((Arc::new(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true)), String::new()));
        }
    };
    Ok((store, path))
}

impl Log for ObjectLog {
    fn place(&self, stem: &str) -> String {
        format!("{}/{stem}", self.url.trim_end_matches('/'))
    }

    fn stems(&self) -> Result<Vec<String>, RemoteError> {
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        let found = self.wait("list", async move { store.list_with_delimiter(Some(&prefix)).await })?;
        Ok(found.common_prefixes.iter().filter_map(|path| Some(path.filename()?.to_owned())).collect())
    }

    fn segments(&self, stem: &str) -> Result<Vec<Segment>, RemoteError> {
        let (store, directory) = (Arc::clone(&self.store), self.directory(stem, "log"));
        let mut segments: Vec<Segment> = self.wait("list", async move {
            let segments = store.list(Some(&directory)).try_filter_map(|meta| {
                let segment = meta.location.filename().and_then(segment);
                async move { Ok(segment) }
            });
            segments.try_collect().await
        })?;
        segments.sort_unstable_by_key(|segment| segment.index);
        Ok(segments)
    }

    fn fetch(&self, stem: &str, segments: &[Segment]) -> Result<Vec<Vec<u8>>, RemoteError> {
        let (store, directory) = (Arc::clone(&self.store), self.directory(stem, "log"));
        let names: Vec<Path> = segments.iter().map(|segment| directory.clone().join(segment.name.as_str())).collect();
        self.wait("read", async move {
            let fetched = stream::iter(names).map(|path| {
                let store = Arc::clone(&store);
                async move { Ok(store.get(&path).await?.bytes().await?.to_vec()) }
            });
            fetched.buffered(AT_ONCE).try_collect().await
        })
    }

    fn claim(&self, stem: &str, index: u64, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        let (store, path) = (Arc::clone(&self.store), self.directory(stem, "log").join(name(index)));
        let writer = self.writer.clone();
        self.wait("write", async move {
            let mut options = PutOptions::from(PutMode::Create);
            if let Some(writer) = &writer {
                let tag = (Attribute::Metadata(WRITER.into()), writer.clone());
                options.attributes = Attributes::from_iter([tag]);
            }
            match store.put_opts(&path, bytes.into(), options).await {
                Ok(_) => Ok(true),
                // A request that was sent again, since its answer was lost, finds what it made itself.
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    let Some(writer) = writer else { return Ok(false) };
                    let found = store.get(&path).await?;
                    let tag = found.attributes.get(&Attribute::Metadata(WRITER.into()));
                    Ok(tag.is_some_and(|tag| tag.as_ref() == writer))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn hold(&self, stem: &str, waiting: WaitingFn) -> Result<Option<Lease>, JournalError> {
        let (store, waiter, directory) =
            (Arc::clone(&self.store), Arc::clone(&self.waiter), self.directory(stem, "lease"));
        let pace = self.pace;
        let lease = self.waiter.wait(Lease::acquire(store, waiter, directory, pace, waiting));
        match lease {
            Some(Ok(lease)) => Ok(Some(lease)),
            Some(Err(NotHeld::By(holder))) => Err(JournalError::Held { path: self.place(stem).into(), holder }),
            Some(Err(NotHeld::Unconditional)) => Err(RemoteError {
                doing: "lock",
                what: "the storage overwrites an object that was only to be made if it was not there".to_owned(),
                hint: "it has no conditional writes (If-None-Match), so it can't keep two jobs apart: use another one, or \
                       `-state-store gitlab`"
                    .to_owned(),
            }
            .at(self.place(stem))),
            Some(Err(NotHeld::Store(error))) => Err(remote("lock", self.scheme(), &error).at(self.place(stem))),
            None => Err(RemoteError {
                doing: "lock",
                what: "the request broke off".to_owned(),
                hint: "run again".to_owned(),
            }
            .at(self.place(stem))),
        }
    }
}

/// How the segment with this number is called.
fn name(index: u64) -> String {
    format!("{index:010}.jsonl")
}

fn segment(name: &str) -> Option<Segment> {
    let index = name.strip_suffix(".jsonl")?.parse().ok()?;
    Some(Segment { index, name: name.to_owned() })
}

fn remote(doing: &'static str, scheme: &str, error: &object_store::Error) -> RemoteError {
    use object_store::Error;
    let variables = match scheme {
        "s3" => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL or the role's variables",
        "gs" => "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS",
        "az" => "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, a SAS token or a federated token",
        _ => "the directory's owner and mode",
    };
    let hint = match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            format!("check the credentials and what they may do (read, write, list, delete): {variables}")
        }
        Error::NotFound { .. } => "make the bucket (or directory) first, or correct its name".to_owned(),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            "this storage lacks what keeps two jobs apart: use another one".to_owned()
        }
        _ => format!("check the address, the network and the credentials: {variables}"),
    };
    RemoteError { doing, what: chain(error), hint }
}

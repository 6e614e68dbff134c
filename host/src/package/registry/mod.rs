//! Fetches components from OCI registries and publishes them there, after the OCI distribution specification
//! (<https://github.com/opencontainers/distribution-spec>).
//!
//! ```text
//! artifact      what a component looks like there
//! http          bounded requests and answers, sent again where that may help
//! route         which addresses they go to
//! auth          logging in; credentials: what docker login left
//! ```

mod artifact;
mod auth;
mod credentials;
mod http;
mod route;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use reqwest::Response;
use url::Url;

use self::artifact::{ANY_MANIFEST, MANIFEST, MANIFEST_BYTES, Upload};
pub use self::artifact::{Artifact, Contents};
use self::http::{Call, Http, Patience, check_step, failure, read};
use super::error::PackageError;
use super::reference::Reference;
use crate::id::Digest;

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Speak HTTP without TLS. On loopback that is what is spoken anyway.
    pub plain_http: bool,
    /// The job's environment: its proxies, certificates and Docker config hold.
    pub job_env: Vec<(OsString, OsString)>,
}

/// What is to be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Fetch.
    Pull,
    /// Publish.
    Push,
}

/// How publishing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was published.
    Now(Artifact),
    /// It was there already.
    Already(Artifact),
}

/// One repository of a registry.
pub struct Registry {
    reference: Reference,
    base: Url,
    scope: String,
    http: Http,
    job_env: Vec<(OsString, OsString)>,
    authorization: Option<HeaderValue>,
}

impl Registry {
    /// The repository that this reference names. Nothing is sent before it is asked for.
    pub fn open(reference: &Reference, access: Access, options: &Options) -> Result<Self, PackageError> {
        let plain = options.plain_http || reference.is_loopback();
        Self::with(reference, access, plain, options.job_env.clone(), Patience::default())
    }

    fn with(
        reference: &Reference,
        access: Access,
        plain: bool,
        job_env: Vec<(OsString, OsString)>,
        patience: Patience,
    ) -> Result<Self, PackageError> {
        let scheme = if plain { "http" } else { "https" };
        // Docker's own registry is served under another name than it is called.
        let host = if reference.host() == "docker.io" { "registry-1.docker.io" } else { reference.host() };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{}/", reference.path()))
            .map_err(|error| PackageError::usage("bad-reference", format!("{reference}: {error}")))?;
        let actions = if access == Access::Push { "pull,push" } else { "pull" };
        Ok(Self {
            http: Http::new(&base, &job_env, reference.is_loopback(), patience)?,
            scope: format!("repository:{}:{actions}", reference.path()),
            reference: reference.clone(),
            authorization: None,
            base,
            job_env,
        })
    }

    /// What the reference means now: the manifest with its digest, else the one that its tag stands for.
    pub async fn resolve(&mut self) -> Result<Artifact, PackageError> {
        match self.reference.digest() {
            Some(digest) => self.resolve_digest(digest).await,
            None => {
                let tag = self.reference.tag().unwrap_or_default().to_owned();
                self.manifest(&tag, None).await
            }
        }
    }

    /// The manifest with this digest.
    pub async fn resolve_digest(&mut self, digest: Digest) -> Result<Artifact, PackageError> {
        self.manifest(&digest.to_string(), Some(digest)).await
    }

    async fn manifest(&mut self, wanted: &str, digest: Option<Digest>) -> Result<Artifact, PackageError> {
        let name = self.reference.to_string();
        let mut call = Call::new(Method::GET, self.url(&format!("manifests/{wanted}"))?);
        call.headers.insert(ACCEPT, HeaderValue::from_static(MANIFEST));
        let response = self.call(call).await?;
        if response.status() != StatusCode::OK {
            return Err(failure(response, &format!("no manifest of {name}")).await);
        }
        let said = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let said = said.and_then(|value| value.parse::<Digest>().ok());
        let bytes = read(response, MANIFEST_BYTES, "the manifest").await?;
        let artifact = Artifact::read(&bytes, &name)?;
        for expected in [digest, said].into_iter().flatten() {
            if artifact.manifest != expected {
                return Err(wrong_digest(&name, "the manifest", artifact.manifest, expected));
            }
        }
        Ok(artifact)
    }

    /// The component's bytes, checked against the manifest.
    pub async fn fetch(&mut self, artifact: &Artifact) -> Result<Vec<u8>, PackageError> {
        let name = self.reference.to_string();
        let call = Call::new(Method::GET, self.url(&format!("blobs/{}", artifact.component))?);
        let response = self.call(call).await?;
        if response.status() != StatusCode::OK {
            return Err(failure(response, &format!("no component of {name}")).await);
        }
        let bytes = read(response, artifact.size, "the component").await?;
        if (bytes.len() as u64) < artifact.size {
            let message = format!("{name}: the component is cut off: {} of {} bytes", bytes.len(), artifact.size);
            return Err(PackageError::refused("truncated", message).hint("try again"));
        }
        let found = Digest::of(&bytes);
        if found != artifact.component {
            return Err(wrong_digest(&name, "the component", found, artifact.component));
        }
        Ok(bytes)
    }

    /// Publishes a component under the reference's tag. Where that stands for another one, or for a signed one that would
    /// not be signed any more, only if `replace` says so.
    pub async fn publish(
        &mut self,
        component: Vec<u8>,
        contents: &Contents,
        minisign: Option<&str>,
        replace: bool,
    ) -> Result<Published, PackageError> {
        let name = self.reference.to_string();
        let (Some(tag), None) = (self.reference.tag(), self.reference.digest()) else {
            let error =
                PackageError::usage("bad-reference", format!("{name}: what is published has a tag and no digest"));
            return Err(error.hint("name it like oci://registry.example.com/team/name:1.0.0"));
        };
        let url = self.url(&format!("manifests/{tag}"))?;
        let upload = Upload::new(&component, contents, minisign);
        let artifact = Artifact::read(&upload.manifest, &name)?;
        if !replace && let Some(there) = self.standing(&url, &name).await? {
            if there.component == artifact.component && there.minisign == artifact.minisign {
                return Ok(Published::Already(there));
            }
            check_place(&there, &artifact, &name)?;
        }
        self.upload(upload.config.into()).await?;
        self.upload(component.into()).await?;
        let mut call = Call::new(Method::PUT, url);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MANIFEST));
        call.body = upload.manifest.into();
        let response = self.call(call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::OK => Ok(Published::Now(artifact)),
            _ => Err(failure(response, &format!("{name} was not taken")).await),
        }
    }

    /// The component that the tag with this manifest's address stands for; `None` if it is free.
    async fn standing(&mut self, url: &Url, name: &str) -> Result<Option<Artifact>, PackageError> {
        let mut call = Call::new(Method::GET, url.clone());
        call.headers.insert(ACCEPT, HeaderValue::from_static(ANY_MANIFEST));
        let response = self.call(call).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let bytes = read(response, MANIFEST_BYTES, "the manifest that is there").await?;
                Artifact::read(&bytes, name).map(Some).map_err(|_| taken(name, "and is no component"))
            }
            _ => Err(failure(response, &format!("whether {name} is there is not known")).await),
        }
    }

    /// Uploads a blob, unless it is there: once more from the beginning where the registry says that it may work later, since
    /// what was begun may be gone.
    async fn upload(&mut self, blob: Bytes) -> Result<(), PackageError> {
        let mut retry = self.http.retry();
        loop {
            let Some(response) = self.upload_once(blob.clone()).await? else { return Ok(()) };
            if response.status() == StatusCode::CREATED {
                return Ok(());
            }
            if !retry.again(&response).await {
                return Err(failure(response, "an upload was not taken").await);
            }
        }
    }

    /// The answer to an upload; `None` if the blob is there already.
    async fn upload_once(&mut self, blob: Bytes) -> Result<Option<Response>, PackageError> {
        let digest = Digest::of(&blob);
        let there = self.call(Call::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?)).await?;
        if there.status() == StatusCode::OK {
            return Ok(None);
        }
        let mut call = Call::new(Method::POST, self.url("blobs/uploads/")?);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let begun = self.call(call.clone()).await?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(failure(begun, "it takes no upload").await);
        }
        let location = begun.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| call.url.join(location).ok());
        let mut location = location.ok_or_else(|| {
            PackageError::refused("registry", format!("{}: it does not say where to upload to", self.reference.host()))
        })?;
        check_step(&call.url, &location)?;
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut call = Call::new(Method::PUT, location);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.body = blob;
        call.once = true;
        self.call(call).await.map(Some)
    }

    fn url(&self, rest: &str) -> Result<Url, PackageError> {
        self.base
            .join(rest)
            .map_err(|error| PackageError::usage("bad-reference", format!("{}: {error}", self.reference)))
    }

    /// Sends a request, and logs in if the registry wants that. Only the registry itself is told who we are.
    async fn call(&mut self, call: Call) -> Result<Response, PackageError> {
        let response = self.send(call.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(response);
        }
        let host = self.reference.host();
        let said: &HeaderMap = response.headers();
        let answer = auth::answer(&self.http, &self.base, host, said, &self.scope, &self.job_env).await?;
        if answer.is_none() {
            return Ok(response);
        }
        self.authorization = answer;
        self.send(call).await
    }

    async fn send(&self, mut call: Call) -> Result<Response, PackageError> {
        if let Some(authorization) = self.authorization.as_ref().filter(|_| call.url.origin() == self.base.origin()) {
            call.headers.insert(AUTHORIZATION, authorization.clone());
        }
        match call.method {
            Method::GET | Method::HEAD => self.http.follow(call).await,
            _ if call.once => self.http.once(call).await,
            _ => self.http.send(call).await,
        }
    }
}

/// Whether a component may take the place of another one without a word.
fn check_place(there: &Artifact, artifact: &Artifact, name: &str) -> Result<(), PackageError> {
    if there.component != artifact.component {
        Err(taken(name, &format!("with another component ({})", there.component)))
    } else if there.minisign.is_some() {
        let what =
            if artifact.minisign.is_some() { "with another signature" } else { "it is signed there, and this is not" };
        Err(taken(name, what))
    } else {
        Ok(())
    }
}

fn taken(name: &str, what: &str) -> PackageError {
    PackageError::refused("tag-taken", format!("{name} is there already, {what}: nothing was published"))
        .hint("publish it under another tag; -replace moves the tag for all who use it without a lock file")
}

fn wrong_digest(name: &str, what: &str, found: Digest, expected: Digest) -> PackageError {
    PackageError::refused("wrong-digest", format!("{name}: {what} is not what it should be: {found}, not {expected}"))
        .hint("don't use it; tell whoever runs the registry")
}

//! A log in the generic package registry of a GitLab project, reached with the job's own token
//! (<https://docs.gitlab.com/user/packages/generic_packages/>, <https://docs.gitlab.com/api/packages/>).
//!
//! A run is one version of the package `shiro-state`, and a segment a file in it, `0000000001.WRITER.jsonl`.
//!
//! The registry has no conditional write. So each process writes under a name of its own, and then looks who else has
//! written a file for that segment. Whoever finds nobody has it; whoever finds another says that it has lost (`.lost`) and
//! stops. Of two that write at once, the one whose file came second finds the first: never do both have it. It can happen that
//! both lose; then neither started anything, and the next start goes on. There is no lease: nobody but the holder could say
//! whether the holder lives.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use super::super::error::JournalError;
use super::http::TOTAL;
use super::lease::{Lease, WaitingFn};
use super::wait::Waiter;
use super::{Log, RemoteError, Segment};
use crate::net::http::{chain, client};
use crate::net::is_loopback_name;

/// The package that holds all runs.
const PACKAGE: &str = "shiro-state";
/// How many entries a page of a list has at most.
const PAGE: usize = 100;
/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// How often a request is sent, if the server is too busy or can't be reached.
const TRIES: u32 = 4;
/// How often an answer may point elsewhere.
const REDIRECTS: usize = 3;

/// Journals in a project's package registry.
#[derive(Clone)]
pub(in super::super) struct PackagesLog {
    waiter: Arc<Waiter>,
    api: Arc<Api>,
    /// Tells this process's files from others'.
    writer: String,
    /// What is known of the runs that were looked at.
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl fmt::Debug for PackagesLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackagesLog").field("project", &self.api.project.as_str()).finish_non_exhaustive()
    }
}

/// What is known of a run's package.
#[derive(Clone, Copy, Debug)]
struct Known {
    package: u64,
    /// How many files it had when it was last looked at.
    files: usize,
    /// The number of the last segment's file.
    last: u64,
}

/// The API of one project.
struct Api {
    client: reqwest::Client,
    /// `.../api/v4/projects/ID`.
    project: Url,
    token: (HeaderName, HeaderValue),
}

#[derive(Deserialize)]
struct Package {
    id: u64,
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct PackageFile {
    id: u64,
    #[serde(default)]
    package_id: u64,
    file_name: String,
}

impl PackageFile {
    /// The segment, the writer, and whether that is what the writer lost.
    fn claim(&self) -> Option<(u64, &str, bool)> {
        let (index, rest) = self.file_name.split_once('.')?;
        let (writer, ending) = rest.split_once('.')?;
        let lost = match ending {
            "jsonl" => false,
            "lost" => true,
            _ => return None,
        };
        Some((index.parse().ok()?, writer, lost))
    }
}

impl PackagesLog {
    /// The log of the project that this job, or the environment, names.
    pub(in super::super) fn open(job_env: &[(OsString, OsString)]) -> Result<Self, JournalError> {
        let place = "GitLab's package registry";
        let failed =
            |what: String, hint: &str| RemoteError { doing: "open", what, hint: hint.to_owned() }.at(place.to_owned());
        let variable = |name: &str| {
            let found = job_env.iter().find(|(key, value)| key == name && !value.is_empty());
            found.and_then(|(_, value)| OsStr::to_str(value))
        };
        let needed = |name: &str| {
            variable(name).ok_or_else(|| {
                failed(format!("the variable {name} is not set"), "in a GitLab job it is; elsewhere set it as there")
            })
        };
        let (api, id) = (needed("CI_API_V4_URL")?, needed("CI_PROJECT_ID")?);
        let project = Url::parse(&format!("{}/projects/{id}/", api.trim_end_matches('/')))
            .map_err(|error| failed(format!("CI_API_V4_URL is no address: {error}"), "set it as GitLab does"))?;
        let (header, token) = match (variable("CI_JOB_TOKEN"), variable("GITLAB_TOKEN")) {
            (Some(token), _) => ("job-token", token),
            (None, Some(token)) => ("private-token", token),
            (None, None) => {
                let hint =
                    "in a GitLab job it is; elsewhere set GITLAB_TOKEN to a token that may read and write packages";
                return Err(failed("the variable CI_JOB_TOKEN is not set".to_owned(), hint));
            }
        };
        let mut token = HeaderValue::try_from(token)
            .map_err(|_| failed("the token is none".to_owned(), "set it as GitLab does"))?;
        token.set_sensitive(true);
        let loopback = project.host_str().is_some_and(is_loopback_name);
        // A GitLab that is reached without TLS is reached so by the runner, too.
        let client = client(job_env, loopback, project.scheme() == "http", TOTAL)
            .map_err(|what| failed(what, "see to the certificates that the job has"))?;
        let waiter = Waiter::new().map_err(|error| failed(error.to_string(), "the system refuses threads"))?;
        Ok(Self {
            waiter: Arc::new(waiter),
            api: Arc::new(Api { client, project, token: (HeaderName::from_static(header), token) }),
            writer: Uuid::now_v7().simple().to_string(),
            known: Arc::default(),
        })
    }

    /// Waits for a request.
    fn wait<T: Send + 'static>(
        &self,
        doing: &'static str,
        request: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, RemoteError> {
        let broken = || Refusal { status: None, what: "the request broke off".to_owned() };
        let result = self.waiter.wait(request).unwrap_or_else(|| Err(broken()));
        result.map_err(|refusal| refusal.while_doing(doing))
    }

    fn know(&self, stem: &str, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(stem.to_owned(), known);
    }

    fn known(&self, stem: &str) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(stem).copied()
    }
}

impl Log for PackagesLog {
    fn place(&self, stem: &str) -> String {
        format!("{}packages/generic/{PACKAGE}/{stem}", self.api.project)
    }

    fn stems(&self) -> Result<Vec<String>, RemoteError> {
        let api = Arc::clone(&self.api);
        let packages = self.wait("list", async move { api.packages(None).await })?;
        Ok(packages.into_iter().map(|package| package.version).collect())
    }

    fn segments(&self, stem: &str) -> Result<Vec<Segment>, RemoteError> {
        let (api, version) = (Arc::clone(&self.api), stem.to_owned());
        let found = self.wait("list", async move {
            match api.packages(Some(&version)).await?.first() {
                None => Ok(None),
                Some(package) => Ok(Some((package.id, api.all_files(package.id).await?))),
            }
        })?;
        let Some((package, files)) = found else { return Ok(Vec::new()) };
        let mut segments = Vec::new();
        let mut last = 0;
        for (index, claims) in claims(&files) {
            let file = decided(&files, index, &claims).ok_or_else(|| undecided(index))?;
            last = file.id;
            segments.push(Segment { index, name: file.file_name.clone() });
        }
        self.know(stem, Known { package, files: files.len(), last });
        Ok(segments)
    }

    fn fetch(&self, stem: &str, segments: &[Segment]) -> Result<Vec<Vec<u8>>, RemoteError> {
        let (api, stem) = (Arc::clone(&self.api), stem.to_owned());
        let names: Vec<String> = segments.iter().map(|segment| segment.name.clone()).collect();
        self.wait("read", async move {
            let fetched = stream::iter(names).map(|name| {
                let (api, path) = (Arc::clone(&api), file_path(&stem, &name));
                async move { api.download(&path).await }
            });
            fetched.buffered(AT_ONCE).try_collect().await
        })
    }

    fn claim(&self, stem: &str, index: u64, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        let (api, known) = (Arc::clone(&self.api), self.known(stem));
        let name = |ending: &str| format!("{index:010}.{}.{ending}", self.writer);
        let (path, lost) = (file_path(stem, &name("jsonl")), file_path(stem, &name("lost")));
        let writer = self.writer.clone();
        let (won, known) = self.wait("write", async move {
            let own = api.upload(&path, bytes).await?;
            let before = known.filter(|known| known.package == own.package_id);
            let files = api.last_files(own.package_id, before).await?;
            let claims = claims(&files).remove(&index).unwrap_or_default();
            let is_own = |file: &PackageFile| file.claim().is_some_and(|(_, by, _)| by == writer);
            if !claims.iter().any(|file| is_own(file)) {
                return Err(Refusal::odd("the file that was written is not in the registry's list"));
            }
            let won = claims.iter().all(|file| is_own(file));
            if !won {
                api.upload(&lost, b"lost\n".to_vec()).await?;
            }
            let files = before.map_or(0, |known| known.files) + 1;
            Ok((won, Known { package: own.package_id, files, last: own.id }))
        })?;
        self.know(stem, known);
        Ok(won)
    }

    /// There is no lease here.
    fn hold(&self, _stem: &str, _waiting: WaitingFn) -> Result<Option<Lease>, JournalError> {
        Ok(None)
    }
}

/// For each segment the files that were written for it by processes that have not lost it.
fn claims(files: &[PackageFile]) -> BTreeMap<u64, Vec<&PackageFile>> {
    let lost: HashSet<(u64, &str)> =
        files.iter().filter_map(PackageFile::claim).filter(|claim| claim.2).map(|claim| (claim.0, claim.1)).collect();
    let mut claims: BTreeMap<u64, Vec<&PackageFile>> = BTreeMap::new();
    for file in files {
        if let Some((index, writer, false)) = file.claim()
            && !lost.contains(&(index, writer))
        {
            claims.entry(index).or_default().push(file);
        }
    }
    claims
}

/// The file that counts: the only one; or that of the process that went on, since who loses stops.
fn decided<'a>(files: &[PackageFile], index: u64, claims: &[&'a PackageFile]) -> Option<&'a PackageFile> {
    let writer = |file: &PackageFile| file.claim().map(|(_, writer, _)| writer.to_owned());
    let mut writers: Vec<_> = claims.iter().map(|file| writer(file)).collect();
    writers.dedup();
    if writers.len() == 1 {
        return claims.first().copied();
    }
    let went_on = |by: &str| files.iter().any(|file| file.claim().is_some_and(|(at, who, _)| at > index && who == by));
    claims.iter().copied().find(|file| writer(file).is_some_and(|by| went_on(&by)))
}

fn undecided(index: u64) -> RemoteError {
    RemoteError {
        doing: "read",
        what: format!("two processes wrote segment {index} at once, and none has stepped back yet"),
        hint: "wait until they have ended and run again; `resource_group` keeps jobs apart. If one was killed in that moment, \
               delete its file from the package"
            .to_owned(),
    }
}

fn file_path(stem: &str, name: &str) -> String {
    format!("packages/generic/{PACKAGE}/{stem}/{name}")
}

impl Api {
    /// The packages that hold runs, the newest first; only that of one run if its name is given.
    async fn packages(&self, stem: Option<&str>) -> Result<Vec<Package>, Refusal> {
        let query = format!("packages?package_type=generic&package_name={PACKAGE}&order_by=created_at&sort=desc");
        // Where the registry does not know this filter, it is not heeded.
        let query = stem.map_or_else(|| query.clone(), |stem| format!("{query}&package_version={stem}"));
        let mut found = Vec::new();
        let mut page = 1;
        loop {
            let (packages, next) = self.list::<Package>(&query, page).await?;
            // Names are searched for, not compared.
            let own = |package: &Package| package.name == PACKAGE && stem.is_none_or(|stem| package.version == stem);
            found.extend(packages.into_iter().filter(own));
            match next {
                Some(next) if stem.is_none() || found.is_empty() => page = next,
                _ => return Ok(found),
            }
        }
    }

    async fn all_files(&self, package: u64) -> Result<Vec<PackageFile>, Refusal> {
        self.files_from(package, 1).await
    }

    async fn files_from(&self, package: u64, mut page: usize) -> Result<Vec<PackageFile>, Refusal> {
        let mut files = Vec::new();
        loop {
            let (more, next) = self.list(&format!("packages/{package}/package_files?"), page).await?;
            files.extend(more);
            match next {
                Some(next) => page = next,
                None => return Ok(files),
            }
        }
    }

    /// At least the files that came after the last segment that is known.
    async fn last_files(&self, package: u64, known: Option<Known>) -> Result<Vec<PackageFile>, Refusal> {
        let mut page = known.map_or(1, |known| known.files / PAGE + 1);
        loop {
            let files = self.files_from(package, page).await?;
            let reaches_back = known.is_some_and(|known| files.iter().any(|file| file.id <= known.last));
            if page == 1 || reaches_back {
                return Ok(files);
            }
            page -= 1;
        }
    }

    /// One page of a list, and the number of the next one if there is one. The registry sorts by number.
    async fn list<T: DeserializeOwned>(&self, query: &str, page: usize) -> Result<(Vec<T>, Option<usize>), Refusal> {
        let path = format!("{query}&per_page={PAGE}&page={page}");
        let response = self.send(Method::GET, &path, Vec::new()).await?;
        let next = response.headers().get("x-next-page").and_then(|next| next.to_str().ok()?.parse().ok());
        Ok((json(response).await?, next))
    }

    async fn upload(&self, path: &str, bytes: Vec<u8>) -> Result<PackageFile, Refusal> {
        json(self.send(Method::PUT, &format!("{path}?select=package_file"), bytes).await?).await
    }

    async fn download(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let response = self.send(Method::GET, path, Vec::new()).await?;
        Ok(response.bytes().await.map_err(Refusal::network)?.to_vec())
    }

    /// Sends a request, again if the server was too busy, and follows where its answer points, without the token.
    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response, Refusal> {
        let url = self.project.join(path).map_err(|error| Refusal::odd(&error.to_string()))?;
        let mut tries = 1;
        let mut response = loop {
            let (name, token) = &self.token;
            let request = self.client.request(method.clone(), url.clone()).header(name, token).body(body.clone());
            let refusal = match request.send().await {
                Ok(response) if !is_busy(response.status()) => break response,
                Ok(response) => Refusal::of(response).await,
                Err(error) => Refusal::network(error),
            };
            if tries == TRIES {
                return Err(refusal);
            }
            tokio::time::sleep(std::time::Duration::from_millis(250) * 4_u32.pow(tries - 1)).await;
            tries += 1;
        };
        for _ in 0..REDIRECTS {
            let Some(location) = response.headers().get(LOCATION).filter(|_| response.status().is_redirection()) else {
                break;
            };
            let next = location.to_str().ok().and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| Refusal::odd("the registry sends on to somewhere that is no address"))?;
            response = self.client.get(next).send().await.map_err(Refusal::network)?;
        }
        if response.status().is_success() { Ok(response) } else { Err(Refusal::of(response).await) }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || matches!(status.as_u16(), 500 | 502..=504)
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, Refusal> {
    let bytes = response.bytes().await.map_err(Refusal::network)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::odd(&format!("the answer is not what it should be: {error}")))
}

/// Why a request had no good answer.
#[derive(Debug)]
struct Refusal {
    status: Option<StatusCode>,
    what: String,
}

impl Refusal {
    fn odd(what: &str) -> Self {
        Self { status: None, what: what.to_owned() }
    }

    fn network(error: reqwest::Error) -> Self {
        Self { status: None, what: chain(&error.without_url()) }
    }

    async fn of(response: Response) -> Self {
        /// As much of what the server says as fits on a line.
        const SHOWN: usize = 200;
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        let said: String = body.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        Self { status: Some(status), what: format!("{status}: {}", said.trim()) }
    }

    fn while_doing(self, doing: &'static str) -> RemoteError {
        let hint = match self.status.map(|status| status.as_u16()) {
            Some(401 | 403 | 404) => {
                "the package registry of the project must be on (Settings > General > Package registry), and the user who \
                started the job be a Developer or more; with fine-grained job tokens it takes the permission for packages"
            }
            Some(413) => "the step's output is too large for this GitLab: set `save_output` to false",
            _ => "check the network and whether GitLab is up, and run again: what was recorded before is kept",
        };
        RemoteError { doing, what: self.what, hint: hint.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u64, name: &str) -> PackageFile {
        PackageFile { id, package_id: 1, file_name: name.to_owned() }
    }

    #[test]
    fn who_lost_a_segment_does_not_count() {
        let files = [
            file(11, "0000000001.a.jsonl"),
            file(13, "0000000002.b.jsonl"),
            file(14, "0000000002.a.jsonl"),
            file(15, "0000000002.b.lost"),
            file(16, "notes.txt"),
            file(17, "x.y.jsonl"),
        ];
        let claims = claims(&files);
        let ids: Vec<_> = claims.iter().map(|(index, files)| (*index, files.len(), files[0].id)).collect();
        assert_eq!(ids, [(1, 1, 11), (2, 1, 14)]);
    }

    #[test]
    fn of_two_the_one_that_went_on_counts() {
        let mut files = vec![file(1, "0000000001.a.jsonl"), file(2, "0000000001.b.jsonl")];
        let of = |files: &[PackageFile]| decided(files, 1, &claims(files)[&1]).map(|file| file.id);
        assert_eq!(of(&files), None);
        files.push(file(3, "0000000002.b.jsonl"));
        assert_eq!(of(&files), Some(2));
        // One that was sent twice, since an answer was lost, is one.
        assert_eq!(of(&[file(1, "0000000001.a.jsonl"), file(2, "0000000001.a.jsonl")]), Some(1));
    }
}

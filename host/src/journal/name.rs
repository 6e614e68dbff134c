//! Which run a journal belongs to, and the name of its files.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::event::{Job, RunStarted};
use crate::id::RunId;

/// The longest name and pipeline id that a file name carries as they are, in bytes.
const NAME_MAX: usize = 100;
const PIPELINE_MAX: usize = 40;
/// Stands between a name and a pipeline, so a plain name must not contain it.
const PIPELINE: &str = "-pipeline-";

/// Which run: at most one journal for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunKey {
    /// The workflow's name, whatever the user wrote.
    pub workflow: String,
    /// The CI pipeline, where each pipeline has its own run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

/// Where a run began: its header says so, and a journal of another project, pipeline or run is never taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The run.
    pub run: RunId,
    /// The CI project it began in, e.g. `group/name`; `None` outside of CI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// That project's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The CI pipeline it began in.
    #[serde(default, rename = "began_in", skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

impl Origin {
    /// That of a run with this start.
    pub(super) fn of(started: &RunStarted) -> Self {
        let Job { project, project_id, pipeline, .. } = started.job.clone();
        Self { run: started.run.clone(), project, project_id, pipeline }
    }
}

impl RunKey {
    /// The name of the run's files without an ending: a single path component of 1 to 200 bytes of `[a-z0-9._-]` with no dot in
    /// front, different for every key, on file systems that ignore case too.
    ///
    /// A key that is made of plain names is readable in it. Any other gets a hash, behind a dot, which no plain name contains.
    pub fn stem(&self) -> String {
        let plain = is_plain_name(&self.workflow) && self.pipeline.as_deref().is_none_or(is_plain_id);
        let mut stem = readable(&self.workflow, NAME_MAX);
        if let Some(pipeline) = &self.pipeline {
            stem += PIPELINE;
            stem += &readable(pipeline, PIPELINE_MAX);
        }
        if !plain {
            stem += ".";
            stem += &self.hash();
        }
        stem
    }

    /// 64 bits in hexadecimal. Lengths go in first, so that no two keys are the same bytes.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update((self.workflow.len() as u64).to_le_bytes());
        hasher.update(&self.workflow);
        if let Some(pipeline) = &self.pipeline {
            hasher.update(b"/");
            hasher.update(pipeline);
        }
        hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workflow {:?}", self.workflow)?;
        self.pipeline.as_ref().map_or(Ok(()), |pipeline| write!(f, " in pipeline {pipeline:?}"))
    }
}

fn is_plain_name(name: &str) -> bool {
    readable(name, NAME_MAX) == name && !name.contains(PIPELINE)
}

/// Digits only: with them, the last `-pipeline-` of a stem is always the one that was put there.
fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= PIPELINE_MAX && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text with everything replaced that some file system, shell or archive takes amiss. Never empty.
pub(crate) fn readable(text: &str, max: usize) -> String {
    let mut out: String = text
        .chars()
        .take(max)
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
            _ => '-',
        })
        .collect();
    if out.is_empty() || out.starts_with('-') || is_device(&out) {
        out.insert(0, '_');
        out.truncate(max);
    }
    out
}

/// Names that Windows keeps for devices, whatever the ending: artifacts are unpacked there too.
fn is_device(name: &str) -> bool {
    matches!(name, "con" | "prn" | "aux" | "nul")
        || name
            .strip_prefix("com")
            .or(name.strip_prefix("lpt"))
            .is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn stem(workflow: &str, pipeline: Option<&str>) -> String {
        RunKey { workflow: workflow.to_owned(), pipeline: pipeline.map(str::to_owned) }.stem()
    }

    #[test]
    fn plain_keys_are_readable() {
        assert_eq!(stem("deploy_prod-2", None), "deploy_prod-2");
        assert_eq!(stem("deploy", Some("1234")), "deploy-pipeline-1234");
    }

    #[test]
    fn others_get_a_hash_and_stay_readable() {
        let stem = stem("Déploy / Prod", Some("12"));
        assert!(stem.starts_with("d-ploy---prod-pipeline-12."), "{stem}");
        assert_eq!(stem.len(), "d-ploy---prod-pipeline-12.".len() + 16);
    }

    #[test]
    fn names_that_look_alike_get_different_files() {
        let long = "a".repeat(300);
        let longer = "a".repeat(301);
        let keys = [
            ("deploy", None),
            ("Deploy", None),
            ("DEPLOY", None),
            ("d\u{e9}ploy", None),
            ("de\u{301}ploy", None),
            ("a/b", None),
            ("a-b", None),
            ("a b", None),
            ("a\\b", None),
            ("../a", None),
            ("..", None),
            (".", None),
            ("", None),
            ("-", None),
            ("_", None),
            ("_-", None),
            ("con", None),
            ("_con", None),
            ("CON", None),
            ("com1", None),
            ("x.previous", None),
            ("x.lock", None),
            ("x\0", None),
            ("x", None),
            (&*long, None),
            (&*longer, None),
            ("a", Some("1")),
            ("a-pipeline-1", None),
            ("a-pipeline", Some("1")),
            ("a", Some("pipeline-1")),
            ("a", Some("")),
            ("a", Some("-")),
            ("a", Some("1/2")),
            ("a/1", Some("2")),
            ("a-pipeline-", None),
            ("a-pipeline--pipeline-", None),
            ("a", Some("1 ")),
        ];
        let mut seen = HashMap::new();
        for (workflow, pipeline) in keys {
            let stem = stem(workflow, pipeline);
            if let Some(other) = seen.insert(stem.clone(), (workflow, pipeline)) {
                panic!("{other:?} and {:?} are both {stem}", (workflow, pipeline));
            }
        }
    }

    #[test]
    fn no_name_is_that_of_a_device() {
        for name in ["con", "NUL", "com1", "LPT9"] {
            assert!(stem(name, None).starts_with('_'), "{name}");
        }
        assert_eq!(stem("console", None), "console");
    }

    /// Short texts over an alphabet that is likely to collide.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[abAB1/.é -]{0,4}", "(-?pipeline-?|a|1|\\.|/){0,5}", ".{0,12}", "\\PC{0,300}"]
    }

    proptest! {
        #[test]
        fn every_stem_is_one_safe_path_component(workflow in text(), pipeline in proptest::option::of(text())) {
            let stem = RunKey { workflow, pipeline }.stem();
            prop_assert!((1..=200).contains(&stem.len()), "{}", stem);
            prop_assert!(!stem.starts_with(['.', '-']), "{}", stem);
            prop_assert!(stem.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')), "{}", stem);
            prop_assert!(!stem.ends_with(".previous"), "{}", stem);
        }

        #[test]
        fn different_keys_have_different_stems(
            a in (text(), proptest::option::of(text())),
            b in (text(), proptest::option::of(text())),
        ) {
            let key = |(workflow, pipeline)| RunKey { workflow, pipeline };
            let (a, b) = (key(a), key(b));
            prop_assert_eq!(a == b, a.stem() == b.stem(), "{:?} {:?} {}", a, b, a.stem());
        }
    }
}

//! Limits of one attempt, as a plugin wishes or a policy sets them.

use serde::{Deserialize, Serialize};

/// Limits of one attempt. What is not given stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Time in which it computes, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u32>,
    /// Time in all, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<u32>,
    /// What it returns, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_mib: Option<u32>,
    /// What it writes to its log, stdout and stderr, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_mib: Option<u32>,
    /// What it writes to files, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_mib: Option<u32>,
    /// HTTP bodies in each direction, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_mib: Option<u32>,
    /// What it stores in the workflow's shared data, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_mib: Option<u32>,
    /// HTTP requests in flight at once; more wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_requests: Option<u32>,
}

/// The names of the limits, in the order of [`Limits::values`].
pub const NAMES: [&str; 9] = [
    "memory_mib",
    "cpu_seconds",
    "wall_seconds",
    "output_mib",
    "log_mib",
    "files_mib",
    "http_mib",
    "store_mib",
    "open_requests",
];

impl Limits {
    /// None is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each limit by its name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, Option<u32>)> {
        let values = [
            self.memory_mib,
            self.cpu_seconds,
            self.wall_seconds,
            self.output_mib,
            self.log_mib,
            self.files_mib,
            self.http_mib,
            self.store_mib,
            self.open_requests,
        ];
        NAMES.into_iter().zip(values)
    }

    /// The limit with this name, to be set.
    pub fn named(&mut self, name: &str) -> Option<&mut Option<u32>> {
        Some(match name {
            "memory_mib" => &mut self.memory_mib,
            "cpu_seconds" => &mut self.cpu_seconds,
            "wall_seconds" => &mut self.wall_seconds,
            "output_mib" => &mut self.output_mib,
            "log_mib" => &mut self.log_mib,
            "files_mib" => &mut self.files_mib,
            "http_mib" => &mut self.http_mib,
            "store_mib" => &mut self.store_mib,
            "open_requests" => &mut self.open_requests,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_name() {
        for (index, name) in NAMES.iter().enumerate() {
            let mut limits = Limits::default();
            *limits.named(name).unwrap() = Some(7);
            assert_eq!(limits.values().nth(index), Some((*name, Some(7))));
            assert_eq!(serde_json::to_value(limits).unwrap(), serde_json::json!({ *name: 7 }));
        }
        assert_eq!(Limits::default().named("disk"), None);
    }
}

//! The step type `semver.bump`: the version that comes after this one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::{Failure, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A version such as `1.4.2` or `v1.4.2`.
    version: String,
    /// Which part goes up.
    part: Part,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    Major,
    Minor,
    Patch,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The next version, without a `v`.
    version: String,
}

struct Bump;

impl Step for Bump {
    const NAME: &'static str = "semver.bump";
    const SUMMARY: &'static str = "Computes the next semantic version.";
    type Config = Config;
    type Output = Output;

    fn run(config: Config) -> Result<Output, Failure> {
        let text = config.version.trim().trim_start_matches('v');
        let old = semver::Version::parse(text).map_err(|error| {
            Failure::permanent("invalid_version", format!("`{text}` is no semantic version: {error}"))
        })?;
        let next = match config.part {
            Part::Major => semver::Version::new(old.major + 1, 0, 0),
            Part::Minor => semver::Version::new(old.major, old.minor + 1, 0),
            // 1.4.2-rc.1 comes before 1.4.2.
            Part::Patch => semver::Version::new(old.major, old.minor, old.patch + u64::from(old.pre.is_empty())),
        };
        Ok(Output { version: next.to_string() })
    }
}

shiro_step::export!(Bump);

#[cfg(test)]
mod tests {
    use super::*;

    fn bump(version: &str, part: Part) -> Result<String, Failure> {
        Bump::run(Config { version: version.to_owned(), part }).map(|output| output.version)
    }

    #[test]
    fn bumps_each_part() {
        assert_eq!(bump("v1.4.2", Part::Major).unwrap(), "2.0.0");
        assert_eq!(bump("1.4.2", Part::Minor).unwrap(), "1.5.0");
        assert_eq!(bump("1.4.2", Part::Patch).unwrap(), "1.4.3");
        assert_eq!(bump("1.4.2-rc.1", Part::Patch).unwrap(), "1.4.2");
        assert!(bump("one", Part::Patch).is_err());
    }
}

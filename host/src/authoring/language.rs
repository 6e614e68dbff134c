//! The languages, and which one a folder is in.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::AuthoringError;

/// The file that says what a folder is built with. Without it, the folder's files do.
pub(super) const MANIFEST: &str = "shiro-plugin.json";

/// A language that there is an SDK for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, for wasm32-wasip2.
    Rust,
    /// JavaScript.
    Js,
    /// TypeScript.
    Ts,
    /// Python.
    Python,
    /// C.
    C,
    /// Go.
    Go,
}

/// What runs JavaScript in the component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Small and quick to start: 2 MB. The language, without the web's interfaces.
    #[default]
    QuickJs,
    /// Firefox's engine: 17 MB, with `fetch`, `URL`, timers and async functions.
    StarlingMonkey,
}

impl Language {
    /// JavaScript or TypeScript: an engine has to be chosen.
    pub fn has_engine(self) -> bool {
        matches!(self, Self::Js | Self::Ts)
    }

    /// The name of its folders: of the template, and of the SDK.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        })
    }
}

/// What a folder is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) language: Language,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) engine: Option<Engine>,
}

impl Manifest {
    /// Reads the folder's manifest, or looks at its files.
    pub(super) fn of(dir: &Path) -> Result<Self, AuthoringError> {
        let path = dir.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::by_files(dir),
            Err(error) => return Err(AuthoringError::usage(format!("{}: can't be read: {error}", path.display()))),
        };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| {
            AuthoringError::usage(format!("{}: {error}", path.display())).with_hint(
                r#"it says what the plugin is built with, e.g. { "language": "js", "engine": "quickjs" }; the languages are rust, js, ts, python, c and go"#,
            )
        })?;
        if manifest.engine.is_some() && !manifest.language.has_engine() {
            let message = format!("{}: {} has no `engine` to choose", path.display(), manifest.language);
            return Err(AuthoringError::usage(message).with_hint("leave `engine` out"));
        }
        Ok(manifest)
    }

    fn by_files(dir: &Path) -> Result<Self, AuthoringError> {
        if dir.extension().is_some_and(|extension| extension == "wasm") && !dir.exists() {
            return Err(AuthoringError::usage(format!("{}: there is no such file", dir.display()))
                .with_hint("a core module is what a compiler leaves, e.g. of `zig build-exe`"));
        }
        if !dir.is_dir() {
            return Err(AuthoringError::usage(format!("{}: there is no such folder", dir.display()))
                .with_hint("shiro plugin new NAME -lang js makes one"));
        }
        let files = [
            ("Cargo.toml", Language::Rust),
            ("go.mod", Language::Go),
            ("plugin.ts", Language::Ts),
            ("plugin.js", Language::Js),
            ("plugin.py", Language::Python),
            ("plugin.c", Language::C),
        ];
        match files.iter().find(|(file, _)| dir.join(file).exists()) {
            Some(&(_, language)) => Ok(Self { language, engine: None }),
            None => {
                let names: Vec<&str> = files.iter().map(|(file, _)| *file).collect();
                let message =
                    format!("{}: no plugin: there is neither {MANIFEST} nor {}", dir.display(), names.join(", "));
                Err(AuthoringError::usage(message)
                    .with_hint("shiro plugin new NAME -lang js makes a folder to start from"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    #[test]
    fn files_tell_the_language() {
        for (file, language) in
            [("Cargo.toml", Language::Rust), ("plugin.py", Language::Python), ("go.mod", Language::Go)]
        {
            let manifest = Manifest::of(folder(&[(file, "")]).path()).unwrap();
            assert_eq!(manifest, Manifest { language, engine: None });
        }
    }

    #[test]
    fn the_manifest_wins() {
        let dir = folder(&[("Cargo.toml", ""), (MANIFEST, r#"{ "language": "ts", "engine": "starlingmonkey" }"#)]);
        let manifest = Manifest::of(dir.path()).unwrap();
        assert_eq!(manifest, Manifest { language: Language::Ts, engine: Some(Engine::StarlingMonkey) });
    }

    #[test]
    fn what_can_t_be_used_is_said() {
        for (manifest, expected) in [
            (r#"{ "language": "cobol" }"#, "unknown variant `cobol`"),
            (r#"{ "language": "go", "engine": "quickjs" }"#, "Go has no `engine`"),
            (r#"{ "language": "go", "engin": "x" }"#, "unknown field `engin`"),
        ] {
            let error = Manifest::of(folder(&[(MANIFEST, manifest)]).path()).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
            assert!(error.hint.is_some());
        }
        assert!(Manifest::of(folder(&[]).path()).unwrap_err().message.contains("no plugin"));
        assert!(Manifest::of(Path::new("/nonexistent")).unwrap_err().message.contains("no such folder"));
        assert!(Manifest::of(Path::new("/nonexistent.wasm")).unwrap_err().message.contains("no such file"));
    }
}

//! `shiro plugin new`: a folder that builds and passes its tests.

use std::fs;
use std::io;
use std::path::Path;

use super::error::AuthoringError;
use super::files;
use super::language::{Engine, Language, MANIFEST, Manifest};

/// What the templates are called. Words that stand for nothing else, so that they can be replaced anywhere.
const NAME: &str = "example.check";
const PACKAGE: &str = "example-check";

/// Writes a new folder, named as the step type that is written in it. Never touches one that is there.
///
/// `name` can be a step type's. An engine is for JavaScript and TypeScript only.
pub fn create(name: &str, language: Language, engine: Option<Engine>, parent: &Path) -> Result<(), AuthoringError> {
    if engine.is_some() && !language.has_engine() {
        return Err(AuthoringError::usage(format!("{language} has no engine to choose"))
            .with_hint("-engine goes with -lang js and -lang ts"));
    }
    let dir = parent.join(name);
    fs::create_dir(&dir).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => AuthoringError::usage(format!("{} is there already", dir.display()))
            .with_hint("choose another name, or go to another folder: nothing is overwritten"),
        _ => AuthoringError::usage(format!("can't make the folder {}: {error}", dir.display())),
    })?;
    write(name, language, engine, &dir)
        .map_err(|error| AuthoringError::usage(format!("can't write to {}: {error}", dir.display())))
}

fn write(name: &str, language: Language, engine: Option<Engine>, dir: &Path) -> io::Result<()> {
    let engine = language.has_engine().then(|| engine.unwrap_or_default());
    let mut folders = vec!["templates/common".to_owned(), format!("templates/{}", language.folder())];
    if engine == Some(Engine::StarlingMonkey) {
        folders.push("templates/starlingmonkey".to_owned());
        // Not every language has one.
        folders.push(format!("templates/{}-starlingmonkey", language.folder()));
    }
    for folder in folders {
        for (path, content) in files::folder(&folder) {
            let content = String::from_utf8_lossy(content).replace(NAME, name).replace(PACKAGE, &package(name));
            files::write(&dir.join(file_name(path)), content.as_bytes())?;
        }
    }
    let manifest = serde_json::to_string_pretty(&Manifest { language, engine }).unwrap_or_default();
    files::write(&dir.join(MANIFEST), format!("{manifest}\n").as_bytes())?;
    write_sdk(language, &dir.join("sdk"))
}

/// What a template's file is called in a plugin: names that tools would take for something in this repository end in `.in`.
fn file_name(path: &str) -> String {
    let path = path.strip_suffix(".in").unwrap_or(path);
    if path == "gitignore" { ".gitignore".to_owned() } else { path.to_owned() }
}

/// The step type's name as tool chains allow it for a package.
fn package(name: &str) -> String {
    name.replace(['.', '_'], "-")
}

fn write_sdk(language: Language, dir: &Path) -> io::Result<()> {
    let name = if language == Language::Ts { "js" } else { language.folder() };
    for (path, content) in files::folder(&format!("sdk/{name}")) {
        match (language, path) {
            (Language::Rust, "Cargo.toml") => {
                files::write(&dir.join(path), standalone(&String::from_utf8_lossy(content)).as_bytes())?;
            }
            // About the SDK's place in its own repository.
            (Language::Rust, "README.md") => {}
            _ => files::write(&dir.join(path), content)?,
        }
    }
    if language == Language::Rust {
        files::write_wit(&dir.join("wit"), str::to_owned)?;
    }
    Ok(())
}

/// The manifest of the Rust SDK without its workspace.
fn standalone(manifest: &str) -> String {
    let mut text = String::new();
    for line in manifest.lines().filter(|line| !line.starts_with("readme")) {
        let value = match line.strip_suffix(".workspace = true") {
            Some("version") => env!("CARGO_PKG_VERSION"),
            Some("edition") => "2024",
            Some("rust-version") => env!("CARGO_PKG_RUST_VERSION"),
            Some("license") => env!("CARGO_PKG_LICENSE"),
            _ => {
                text.push_str(line);
                text.push('\n');
                continue;
            }
        };
        let key = line.trim_end_matches(".workspace = true");
        text.push_str(&format!("{key} = \"{value}\"\n"));
    }
    text.replace("[lints]\nworkspace = true\n\n", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Language; 6] =
        [Language::Rust, Language::Js, Language::Ts, Language::Python, Language::C, Language::Go];

    fn files_of(dir: &Path) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files_of(&path)) } else { found.push(path) }
        }
        found
    }

    #[test]
    fn every_language_gets_a_folder_with_everything_in_it() {
        for language in ALL {
            let parent = tempfile::tempdir().unwrap();
            create("acme.probe", language, None, parent.path()).unwrap();
            let dir = parent.path().join("acme.probe");
            for file in ["README.md", "Makefile", ".gitignore", "tests/down.json", "shiro-plugin.json", "sdk"] {
                assert!(dir.join(file).exists(), "{language}: {file}");
            }
            assert_eq!(Manifest::of(&dir).unwrap().language, language);
            for file in files_of(&dir) {
                let text = String::from_utf8(fs::read(&file).unwrap()).unwrap();
                assert!(!text.contains(NAME) && !text.contains(PACKAGE), "{}", file.display());
                assert!(!file.to_string_lossy().ends_with(".in"), "{}", file.display());
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("acme.probe")).unwrap();
        let error = create("acme.probe", Language::Go, None, parent.path()).unwrap_err();
        assert!(error.message.contains("is there already"), "{error}");
        assert!(files_of(&parent.path().join("acme.probe")).is_empty());
    }

    #[test]
    fn engines_are_for_scripts() {
        let parent = tempfile::tempdir().unwrap();
        assert!(create("a.b", Language::C, Some(Engine::QuickJs), parent.path()).is_err());
        create("a.b", Language::Js, Some(Engine::StarlingMonkey), parent.path()).unwrap();
        let package = fs::read_to_string(parent.path().join("a.b/package.json")).unwrap();
        assert!(package.contains("jco") && !package.contains("componentize-qjs"), "{package}");
    }

    #[test]
    fn the_rust_sdk_stands_alone() {
        let parent = tempfile::tempdir().unwrap();
        create("a.b", Language::Rust, None, parent.path()).unwrap();
        let manifest = fs::read_to_string(parent.path().join("a.b/sdk/Cargo.toml")).unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(parent.path().join("a.b/sdk/wit/deps/http.wit").exists());
    }
}

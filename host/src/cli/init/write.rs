//! Writing files without surprise: what is there is overwritten only by someone who was asked.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use super::super::error::{CliError, USAGE};

/// A file to write.
pub(super) struct Planned {
    /// Where.
    pub(super) path: PathBuf,
    /// What.
    pub(super) text: String,
}

/// Who decides about files that are there.
pub(super) enum Overwrite<'a> {
    /// They are overwritten.
    Always,
    /// A person at a terminal says for each.
    Ask(&'a mut dyn BufRead),
    /// Nothing is written at all.
    Never,
}

/// Writes the files, and says of each what became of it. Returns those that are there now as planned.
pub(super) fn write(
    files: &[Planned],
    mut overwrite: Overwrite<'_>,
    out: &mut dyn Write,
) -> Result<Vec<PathBuf>, CliError> {
    let mut differ = Vec::new();
    for file in files {
        if differs(file).map_err(|error| failed(&file.path, &error))? {
            differ.push(file.path.display().to_string());
        }
    }
    if matches!(overwrite, Overwrite::Never) && !differ.is_empty() {
        let are = if differ.len() == 1 { "is" } else { "are" };
        return Err(CliError::new(USAGE, format!("{} {are} there already: nothing was written", differ.join(" and ")))
            .hint("shiro init -force overwrites; in a terminal, shiro init asks for each file")
            .hint("-ci none leaves the CI file alone: `shiro ci generate` shows what to put into it"));
    }
    let mut present = Vec::new();
    for file in files {
        let shown = file.path.display();
        let what = if !file.path.exists() {
            "written"
        } else if !differ.contains(&shown.to_string()) {
            present.push(file.path.clone());
            writeln!(out, "  {shown}: as it was")?;
            continue;
        } else {
            let wanted = match &mut overwrite {
                Overwrite::Always => true,
                Overwrite::Ask(answers) => ask(&format!("{shown} is there. Overwrite it?"), *answers, out)?,
                Overwrite::Never => false,
            };
            if !wanted {
                writeln!(out, "  {shown}: kept")?;
                continue;
            }
            "overwritten"
        };
        put(file).map_err(|error| failed(&file.path, &error))?;
        writeln!(out, "  {shown}: {what}")?;
        present.push(file.path.clone());
    }
    Ok(present)
}

/// Another content is there.
fn differs(file: &Planned) -> io::Result<bool> {
    match fs::read(&file.path) {
        Ok(content) => Ok(content != file.text.as_bytes()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

fn put(file: &Planned) -> io::Result<()> {
    if let Some(parent) = file.path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&file.path, &file.text)
}

/// Anything but a yes is a no.
fn ask(question: &str, answers: &mut dyn BufRead, out: &mut dyn Write) -> Result<bool, CliError> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer).map_err(|error| CliError::new(USAGE, format!("can't read the answer: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::new(USAGE, format!("can't write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(dir: &Path, name: &str, text: &str) -> Planned {
        Planned { path: dir.join(name), text: text.to_owned() }
    }

    #[test]
    fn a_person_says_for_each_file() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), "old").unwrap();
        }
        fs::write(dir.path().join("same"), "new").unwrap();
        let files: Vec<Planned> =
            ["a", "b", "c", "same", "sub/d"].iter().map(|name| planned(dir.path(), name, "new")).collect();
        let mut out = Vec::new();
        let present = write(&files, Overwrite::Ask(&mut &b"y\nno\n\n"[..]), &mut out).unwrap();
        let content = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(["a", "b", "c", "same", "sub/d"].map(content), ["new", "old", "old", "new", "new"]);
        assert_eq!(present.len(), 3);
        assert_eq!(String::from_utf8(out).unwrap().matches("[y/N]").count(), 3);
    }

    #[test]
    fn without_a_person_nothing_is_written_if_anything_is_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "old").unwrap();
        let files = [planned(dir.path(), "a", "new"), planned(dir.path(), "b", "new")];
        let error = write(&files, Overwrite::Never, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("-force"), "{error}");
        assert!(!dir.path().join("a").exists());
        write(&files, Overwrite::Always, &mut Vec::new()).unwrap();
        write(&files, Overwrite::Never, &mut Vec::new()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("b")).unwrap(), "new");
    }
}

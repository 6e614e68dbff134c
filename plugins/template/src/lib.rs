//! The step type `template`: renders a text, or a file, from a template and values.

mod render;

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shiro_step::{Failure, Permissions, Step};

/// In the keys that may be left out, an empty string counts as left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The template's text, in Jinja's language (<https://docs.rs/minijinja>). shiro's own templates are filled in before:
    /// write Jinja's as `\{{ name }}`, or put the template into a file. This or `file`.
    template: Option<String>,
    /// The template's file, in `dir`.
    file: Option<String>,
    /// What the template knows, by name.
    #[serde(default)]
    values: Map<String, Value>,
    /// Where the text goes: a file in `dir`. Without it, it is only in the step's output.
    output: Option<String>,
    /// The directory of `file` and `output`, relative to the project's.
    dir: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The text.
    content: String,
    /// The file it was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// How many bytes it has.
    bytes: usize,
}

struct Template;

impl Step for Template {
    const NAME: &'static str = "template";
    const SUMMARY: &'static str = "Renders a text or a file from a template and values.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().read_write("{config.dir}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let dir = filled(config.dir);
        let (name, template) = match (filled(config.template), filled(config.file)) {
            (Some(template), None) => ("the template".to_owned(), template),
            (None, Some(file)) => {
                let path = place(dir.as_deref(), &file)?;
                let text = fs::read_to_string(&path).map_err(|error| io("read", &path, &error))?;
                (path, text)
            }
            (Some(_), Some(_)) => {
                return Err(Failure::invalid_config("`template` and `file` are two templates: give one"));
            }
            (None, None) => return Err(Failure::invalid_config("there is no template: give `template` or `file`")),
        };
        let content = render::render(&name, &template, &config.values)?;
        let path = match filled(config.output) {
            Some(output) => Some(write(&place(dir.as_deref(), &output)?, &content)?),
            None => None,
        };
        Ok(Output { bytes: content.len(), content, path })
    }
}

/// A file's path in the directory.
fn place(dir: Option<&str>, file: &str) -> Result<String, Failure> {
    let dir = dir
        .ok_or_else(|| Failure::invalid_config("`dir` is missing: the directory in the project that the file is in"))?;
    Ok(format!("{}/{file}", dir.trim_end_matches('/')))
}

/// Writes the whole text or nothing.
fn write(path: &str, content: &str) -> Result<String, Failure> {
    let new = format!("{path}.new");
    let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    parent
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&new, content))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| {
            // What is left of it must not be taken for anything.
            let _ = fs::remove_file(&new);
            io("write", path, &error)
        })?;
    Ok(path.to_owned())
}

fn io(verb: &str, path: &str, error: &std::io::Error) -> Failure {
    Failure::permanent("file", format!("can't {verb} {path}: {error}"))
}

shiro_step::export!(Template);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(config: Value) -> Result<Output, Failure> {
        Template::run(serde_json::from_value(config).expect("a config"))
    }

    #[test]
    fn one_template_is_wanted() {
        for (config, said) in [
            (json!({}), "no template"),
            (json!({ "template": "a", "file": "b" }), "two templates"),
            (json!({ "file": "b" }), "`dir`"),
            (json!({ "template": "a", "output": "b" }), "`dir`"),
        ] {
            let failure = run(config).map(|_| ()).unwrap_err();
            assert!(failure.message().contains(said), "{failure}");
        }
        let output = run(json!({ "template": "Hello {{ name }}", "values": { "name": "é" } })).unwrap();
        assert_eq!((&*output.content, output.bytes, output.path), ("Hello é", 8, None));
    }

    #[test]
    fn asks_for_its_directory_only() {
        let permissions = serde_json::to_value(Template::permissions()).unwrap();
        assert_eq!(permissions, json!({ "files": [{ "path": "{config.dir}", "access": "read-write" }] }));
    }
}

//! `docs/steps/`: a page for each built-in type, with the reference that `shiro types TYPE -markdown` prints below what people
//! wrote. `make docs` writes it: this test, with `SHIRO_WRITE_DOCS=1`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Project, repository};

/// What stands below it is generated.
const MARKER: &str = "<!-- generated: make docs -->\n";

fn pages() -> PathBuf {
    repository().join("docs/steps")
}

/// The built-in types, without their other names.
fn types(project: &Project) -> BTreeSet<String> {
    let listed: Value = serde_json::from_str(&project.shiro("types -json").exits(0).stdout).expect("JSON");
    let own = |one: &&Value| one.get("alias_of").is_none();
    let types = listed["types"].as_array().expect("types").iter().filter(own);
    types.map(|one| one["type"].as_str().expect("a name").to_owned()).collect()
}

/// A page as it has to be: what people wrote, or the title and summary where nobody did, and the reference.
fn page(title_and_reference: &str, present: Option<&str>) -> String {
    let (title, reference) = title_and_reference.split_once("\n## Config\n").expect("a reference");
    let prose = present.map_or(title, |text| text.split(MARKER).next().unwrap_or_default());
    format!("{}\n\n{MARKER}\n## Config\n{reference}", prose.trim_end())
}

#[test]
fn every_step_type_has_its_page_and_each_is_true() {
    let project = Project::new();
    let types = types(&project);
    assert!(types.contains("print") && types.contains("http") && !types.contains("shell.exec"), "{types:?}");
    let write = std::env::var_os("SHIRO_WRITE_DOCS").is_some();
    let mut expected: Vec<(String, String)> = Vec::new();
    for name in &types {
        let generated = project.shiro(&format!("types {name} -markdown")).exits(0).stdout;
        let present = fs::read_to_string(pages().join(format!("{name}.md"))).ok();
        expected.push((format!("{name}.md"), page(&generated, present.as_deref())));
    }
    let list = project.shiro("types -markdown").exits(0).stdout;
    expected.push(("README.md".to_owned(), format!("# The built-in step types\n\n{MARKER}\n{list}")));
    for (file, expected) in &expected {
        let path = pages().join(file);
        if write {
            fs::write(&path, expected).expect("write a page");
        }
        let present = fs::read_to_string(&path).unwrap_or_default();
        assert!(present == *expected, "docs/steps/{file} is missing or not what its type says: run `make docs`");
        assert!(present.starts_with("# "), "docs/steps/{file} has no title");
    }
    for entry in fs::read_dir(pages()).expect("read docs/steps/") {
        let file = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(expected.iter().any(|(name, _)| *name == file), "docs/steps/{file} is of no built-in type: remove it");
    }
}

#[test]
fn what_people_wrote_stays_and_the_rest_follows_the_type() {
    let generated = "# `a`\n\nDoes a.\n\n## Config\n\nAnything.\n";
    let new = page(generated, None);
    assert_eq!(new, format!("# `a`\n\nDoes a.\n\n{MARKER}\n## Config\n\nAnything.\n"));
    let prose = "# `a`\n\nIts story.\n";
    let kept = page(generated, Some(prose));
    assert_eq!(kept, format!("{prose}\n{MARKER}\n## Config\n\nAnything.\n"));
    assert_eq!(page(generated, Some(&kept.replace("Anything.", "Something."))), kept);
}

//! `shiro graph`: a valid workflow as a picture.

use std::fs;

use crate::support::{Project, repository};

#[test]
fn the_documented_workflow_has_a_picture_in_both_languages() {
    let project = Project::new();
    let example = repository().join("examples/approval/workflow.json");
    project.write(".shiro/workflow.json", &fs::read_to_string(example).expect("read the example"));
    let mermaid = project.shiro("graph").exits(0).stdout;
    assert!(mermaid.starts_with("flowchart TD\n") && mermaid.contains("request_approval"), "{mermaid}");
    assert_eq!(mermaid.matches("-->").count(), 3, "{mermaid}");
    let dot = project.shiro("graph -format dot .shiro/workflow.json").exits(0).stdout;
    assert!(dot.starts_with("digraph") && dot.ends_with("}\n") && dot.contains("hexagon"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 3, "{dot}");
}

#[test]
fn a_workflow_that_is_not_valid_has_none() {
    let project = Project::new();
    project.write(".shiro/workflow.json", "{ \"name\": \"x\", \"steps\": [] }");
    assert_eq!(project.shiro("graph").exits(2).stdout, "");
}

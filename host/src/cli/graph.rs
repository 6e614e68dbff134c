//! `shiro graph`: the workflow as a picture.

use std::io::Write;

use super::Exit;
use super::args::graph::{GraphArgs, GraphFormat};
use super::project::Project;
use crate::plan::Diagram;

/// Writes the picture of a valid workflow.
pub(super) fn graph(args: &GraphArgs, out: &mut dyn Write) -> Exit {
    let project = Project::load(&args.workflow, None)?;
    let language = match args.format {
        GraphFormat::Mermaid => Diagram::Mermaid,
        GraphFormat::Dot => Diagram::Dot,
    };
    out.write_all(project.plan.diagram(language).as_bytes())?;
    Ok(0)
}

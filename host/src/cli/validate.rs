//! `shiro validate`.

use std::io::Write;

use super::args::ValidateArgs;
use super::project::Project;
use super::{Exit, ci_files};

/// Checks a workflow; every problem is in the error. Then its CI file, if one is named.
pub(super) fn validate(args: &ValidateArgs, out: &mut dyn Write) -> Exit {
    let project = Project::load(&args.workflow, None)?;
    for warning in &project.warnings {
        writeln!(out, "{warning}")?;
    }
    // A workflow that runs as a step counts once, not where it begins and where it ends.
    let steps = project.plan.steps().filter(|step| project.plan.begins(*step).is_none()).count();
    let types = project.types.len();
    writeln!(
        out,
        "{}: OK ({steps} {}, {types} step {})",
        project.source.name(),
        if steps == 1 { "step" } else { "steps" },
        if types == 1 { "type" } else { "types" },
    )?;
    match &args.ci {
        Some(file) => ci_files::check(file, &args.workflow, &project, out),
        None => Ok(0),
    }
}

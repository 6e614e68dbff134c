//! Commits.

use shiro_step::Failure;

use crate::base::Range;
use crate::config::Config;
use crate::git::Git;
use crate::output::{Commit, Output};

/// One commit: fields that each end in a NUL, which no commit's text can hold.
const FORMAT: &str = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%aI%x00%s%x00%b%x00";
const FIELDS: usize = 7;

/// The commits that `target` has and `base` has not.
pub(crate) fn log(git: &Git, config: &Config, range: Range) -> Result<Output, Failure> {
    let Range { base, target, from } = range;
    let Some(target) = target else {
        return Err(Failure::invalid_config("`log` shows commits: it can't look at the working tree"));
    };
    let commits = match &base {
        Some(base) => format!("{base}..{target}"),
        None => target.clone(),
    };
    // One more, to know whether there are more.
    let count = format!("--max-count={}", config.max_count + 1);
    let mut args =
        vec!["--no-color", "--no-ext-diff", "--encoding=UTF-8", FORMAT, &count, "--end-of-options", &commits, "--"];
    args.extend(config.paths.iter().map(String::as_str));
    let written = git.output("log", &args)?;
    let cut = written.omitted() > 0;
    let mut commits = parse(&String::from_utf8_lossy(&written.head));
    let more = commits.len() > config.max_count as usize;
    commits.truncate(config.max_count as usize);
    let note = match (more, cut) {
        (true, _) => format!("there are more than {} commits: the older ones are left out", config.max_count),
        (false, true) => "the commits' messages are too long to show them all: older commits are left out".to_owned(),
        (false, false) => String::new(),
    };
    Ok(Output {
        count: Some(commits.len()),
        commits: Some(commits),
        truncated: more || cut,
        note,
        ..Output::of(base.unwrap_or_default(), target, from)
    })
}

/// Whole commits; what was cut is left out.
fn parse(text: &str) -> Vec<Commit> {
    let mut fields: Vec<&str> = text.split('\0').collect();
    // What comes after the last NUL: a line's end, or the beginning of a field.
    fields.pop();
    let text = |field: &str| field.to_owned();
    fields
        .chunks_exact(FIELDS)
        .map(|fields| Commit {
            sha: text(fields[0].trim_start_matches('\n')),
            parents: fields[1].split_whitespace().map(str::to_owned).collect(),
            author: text(fields[2]),
            email: text(fields[3]),
            date: text(fields[4]),
            subject: text(fields[5]),
            body: text(fields[6].trim_end()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_told_apart_whatever_their_messages_hold() {
        let text = "h1\0p1 p2\0An\0a@x\0date\0subject $(id)\0body\n\n{{env.TOKEN}}\n\0\n\
                    h2\0\0Bo\0b@x\0d\0s\0\0\n";
        let commits = parse(text);
        assert_eq!(commits.len(), 2);
        assert_eq!(commits[0].parents, ["p1", "p2"]);
        assert_eq!((commits[0].subject.as_str(), commits[0].body.as_str()), ("subject $(id)", "body\n\n{{env.TOKEN}}"));
        assert_eq!((commits[1].sha.as_str(), commits[1].parents.len()), ("h2", 0));
    }

    #[test]
    fn a_commit_that_was_cut_is_left_out() {
        assert_eq!(parse("h1\0\0a\0e\0d\0s\0b\0\nh2\0\0a\0e\0d\0subj").len(), 1);
        assert_eq!(parse("").len(), 0);
    }
}

//! Names of environment variables: a name, `PREFIX_*`, or `*`.

/// Whether one of the patterns is about this variable.
pub fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    })
}

/// Every variable of `others` is one of `own`.
pub(super) fn cover(own: &[String], others: &[String]) -> bool {
    others.iter().all(|other| covers_one(own, other))
}

/// Every variable of this pattern is one of `own`.
pub fn covers_one(own: &[String], other: &str) -> bool {
    own.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => other.starts_with(prefix),
        None => pattern == other,
    })
}

/// Some variable is one of both.
pub fn overlap(own: &[String], other: &str) -> bool {
    matches(own, other.trim_end_matches('*'))
        || other.strip_suffix('*').is_some_and(|prefix| own.iter().any(|pattern| pattern.starts_with(prefix)))
}

/// What is wrong with the first that is no pattern.
pub(super) fn problem(patterns: &[String]) -> Option<String> {
    let wrong = patterns.iter().find(|pattern| {
        let name = pattern.strip_suffix('*').unwrap_or(pattern);
        pattern.is_empty() || name.contains(['*', '=', '\0'])
    })?;
    Some(format!("`{}` is neither a variable's name nor the beginning of one and `*`", wrong.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_star_is_any_ending() {
        let patterns = texts(&["HOME", "CI_*"]);
        for (name, expected) in [("HOME", true), ("HOMES", false), ("CI_", true), ("CI_JOB_ID", true), ("CI", false)] {
            assert_eq!(matches(&patterns, name), expected, "{name}");
        }
        assert!(matches(&texts(&["*"]), "X"));
    }

    #[test]
    fn wider_patterns_cover_and_overlap() {
        assert!(cover(&texts(&["CI_*"]), &texts(&["CI_JOB_*", "CI_X"])));
        assert!(!cover(&texts(&["CI_X"]), &texts(&["CI_*"])));
        assert!(overlap(&texts(&["CI_X"]), "CI_*"));
        assert!(overlap(&texts(&["CI_*"]), "CI_X"));
        assert!(!overlap(&texts(&["CI_X"]), "HOME"));
    }

    #[test]
    fn what_is_no_name_is_found() {
        assert_eq!(problem(&texts(&["A", "B_*", "*"])), None);
        for wrong in ["", "A*B", "A=b", "**"] {
            assert!(problem(&texts(&[wrong])).is_some(), "{wrong:?}");
        }
    }
}

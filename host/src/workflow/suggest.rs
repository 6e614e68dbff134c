//! "Did you mean": the nearest of the names that exist.

/// Names from other systems, and what they are called here.
const ALIASES: &[(&str, &str)] = &[
    ("needs", "depends_on"),
    ("depends", "depends_on"),
    ("dependencies", "depends_on"),
    ("after", "depends_on"),
    ("when", "if"),
    ("condition", "if"),
    ("with", "config"),
    ("uses", "type"),
    ("params", "config"),
    ("initial_delay", "delay"),
    ("attempts", "max_attempts"),
    ("max_retries", "max_attempts"),
    ("retries", "retry"),
    ("allow_failure", "continue_on_error"),
    ("timeout_seconds", "timeout"),
    ("tasks", "steps"),
    ("jobs", "steps"),
    ("concurrency", "jobs"),
    ("max_parallel", "jobs"),
];

/// The candidate that was most likely meant by `name`, if one is near enough to be worth a word.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = squash(name);
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let score = similarity(&plain, &squash(candidate));
        if score >= 0.7 && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The field that was most likely meant by `name`: the nearest, or the one of that meaning.
pub fn nearest_field<'a>(name: &str, fields: &[&'a str]) -> Option<&'a str> {
    let plain = squash(name);
    let exact = fields.iter().find(|field| squash(field) == plain);
    let alias = || {
        let (_, target) = ALIASES.iter().find(|(alias, _)| squash(alias) == plain)?;
        fields.iter().find(|field| *field == target)
    };
    exact.or_else(alias).copied().or_else(|| nearest(name, fields.iter().copied()))
}

/// `a`, `b` or `c`: at most `limit` of them, then how many more there are.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let shown: Vec<_> = names.iter().take(limit).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(limit) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Two names are the same to a reader when they differ only in case and in how their words are joined.
fn squash(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).collect()
}

/// From 0 to 1. One edit in a short word counts as near; in a long word, up to three.
fn similarity(a: &str, b: &str) -> f64 {
    let longest = a.chars().count().max(b.chars().count());
    if longest == 0 {
        return 0.0;
    }
    // A cheap bound first: there may be a hundred thousand candidates.
    let shortest = a.chars().count().min(b.chars().count());
    if longest - shortest > 3 {
        return 0.0;
    }
    match strsim::damerau_levenshtein(a, b) {
        0 => 1.0,
        1 if longest >= 3 => 0.99 - 1.0 / (10 * longest) as f64,
        edits if edits <= 3 => 1.0 - edits as f64 / longest as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        let steps = ["prepare", "request_approval", "deploy", "notify-complete"];
        for (name, expected) in [
            ("prepair", Some("prepare")),
            ("reqest_approval", Some("request_approval")),
            ("request-approval", Some("request_approval")),
            ("Deploy", Some("deploy")),
            ("notify_complete", Some("notify-complete")),
            ("build", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, steps), expected, "{name}");
        }
        assert_eq!(nearest("job", ["jobs", "mob"]), Some("jobs"));
    }

    #[test]
    fn knows_what_other_systems_call_a_field() {
        let fields = ["id", "type", "config", "depends_on", "if", "timeout"];
        for (name, expected) in [
            ("dependsOn", Some("depends_on")),
            ("depends-on", Some("depends_on")),
            ("needs", Some("depends_on")),
            ("when", Some("if")),
            ("confg", Some("config")),
            ("tpye", Some("type")),
            ("colour", None),
        ] {
            assert_eq!(nearest_field(name, &fields), expected, "{name}");
        }
        assert_eq!(nearest_field("initial_delay", &["max_attempts", "delay", "max_delay"]), Some("delay"));
    }

    #[test]
    fn lists_names_up_to_a_limit() {
        assert_eq!(list(["a", "b"], 3), "`a`, `b`");
        assert_eq!(list(["a", "b", "c", "d"], 2), "`a`, `b` and 2 more");
    }
}

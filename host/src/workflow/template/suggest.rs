//! "Did you mean": the nearest name, and a list of those there are.

/// At most this many names are listed.
const LISTED: usize = 12;

/// The candidate nearest to `name`, if one is near enough to be a slip.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    let folded = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean X? what: A, B, C`, as far as there is something to say.
pub(super) fn hint(name: &str, what: &str, candidates: &[&str]) -> Option<String> {
    let mut hint = nearest(name, candidates.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    if !candidates.is_empty() {
        let hint = hint.get_or_insert_default();
        if !hint.is_empty() {
            hint.push(' ');
        }
        hint.push_str(what);
        hint.push_str(": ");
        hint.push_str(&list(candidates));
    }
    hint
}

fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("verson", ["version", "stdout"]), Some("version"));
        assert_eq!(nearest("VERSION", ["version"]), Some("version"));
        assert_eq!(nearest("abc", ["xyz"]), None);
        assert_eq!(hint("x", "it has", &[]), None);
        assert_eq!(hint("stdot", "it has", &["stdout"]).unwrap(), "did you mean `stdout`? it has: `stdout`");
    }
}

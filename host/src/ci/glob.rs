//! Patterns of paths, as both CI systems take them: `*` and `?` within a name, `**` over directories, `[...]` for one of
//! several characters. Hidden files match too.

/// Whether a path fits a pattern. Both are relative, with `/` between names. Time is bounded by the product of the lengths.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // What is left of the pattern after `row` parts fits what is left of the path after `column` parts.
    let mut fits = vec![false; path.len() + 1];
    fits[path.len()] = true;
    for part in pattern.iter().rev() {
        let mut next = vec![false; path.len() + 1];
        for column in (0..=path.len()).rev() {
            next[column] = match *part {
                "**" => fits[column] || (column < path.len() && next[column + 1]),
                part => column < path.len() && fits[column + 1] && fits_name(part.as_bytes(), path[column].as_bytes()),
            };
        }
        fits = next;
    }
    fits[0]
}

/// A pattern has a character that stands for others.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// One name. Backs up to the last `*` only, so it is never worse than quadratic.
fn fits_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => class(&pattern[p..], name[n]).map(|length| p + length),
            Some(byte) => (*byte == name[n]).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The length of a class in brackets that holds the byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = 2 + pattern.get(2..)?.iter().position(|c| *c == b']')?;
    let (negated, set) = match pattern.get(1)? {
        b'!' | b'^' => (true, &pattern[2..end]),
        _ => (false, &pattern[1..end]),
    };
    let mut found = false;
    let mut rest = set;
    while let [first, more @ ..] = rest {
        if let [b'-', last, after @ ..] = more {
            found |= (*first..=*last).contains(&byte);
            rest = after;
        } else {
            found |= *first == byte;
            rest = more;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_runners_do() {
        for (pattern, path, expected) in [
            ("a.yml", "a.yml", true),
            ("a.yml", "b/a.yml", false),
            ("*.yml", "a.yml", true),
            ("*.yml", "a/b.yml", false),
            ("**/*.yml", "a.yml", true),
            ("**/*.yml", "a/b/c.yml", true),
            (".shiro/**", ".shiro/state/x", true),
            ("**", ".shiro/state/x", true),
            ("ci/?.yml", "ci/a.yml", true),
            ("ci/[a-c].yml", "ci/b.yml", true),
            ("ci/[!a-c].yml", "ci/b.yml", false),
            ("ci/[ab.yml", "ci/[ab.yml", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("/ci//x.yml", "ci/x.yml", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let name = "a".repeat(5_000);
        assert!(!matches(&format!("{}b", "*a".repeat(200)), &name));
        assert!(!matches(&format!("{}b", "**/".repeat(200)), &"a/".repeat(2_000)));
    }
}

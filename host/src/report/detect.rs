//! How to write for whoever reads: a terminal, a CI system's log, or a file.

use super::human::Style;

/// The style for a stream. `variable` looks up an environment variable; `is_terminal` is about the stream.
pub fn style(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> Style {
    let is_true = |name| variable(name).is_some_and(|value| value == "true");
    if is_true("GITLAB_CI") {
        Style::Gitlab
    } else if is_true("GITHUB_ACTIONS") {
        Style::Github
    } else if is_terminal && variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb") {
        Style::Terminal
    } else {
        Style::Plain
    }
}

/// Whether to use colours: `NO_COLOR` says no, `CLICOLOR_FORCE` and `FORCE_COLOR` say yes, `CLICOLOR=0` says no; without any
/// of these, where they show.
pub fn color(variable: impl Fn(&str) -> Option<String>, style: Style) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if ["CLICOLOR_FORCE", "FORCE_COLOR"].into_iter().any(|name| set(name).is_some_and(|value| value != "0")) {
        return true;
    }
    set("CLICOLOR").is_none_or(|value| value != "0") && style != Style::Plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_style_is_that_of_the_reader() {
        for (variables, is_terminal, expected) in [
            (&[][..], false, Style::Plain),
            (&[], true, Style::Plain),
            (&[("TERM", "dumb")], true, Style::Plain),
            (&[("TERM", "xterm-256color")], true, Style::Terminal),
            (&[("TERM", "xterm-256color")], false, Style::Plain),
            (&[("GITLAB_CI", "true"), ("TERM", "xterm")], true, Style::Gitlab),
            (&[("GITLAB_CI", "false")], false, Style::Plain),
            (&[("GITHUB_ACTIONS", "true")], false, Style::Github),
        ] {
            assert_eq!(style(environment(variables), is_terminal), expected, "{variables:?}");
        }
    }

    #[test]
    fn colours_follow_the_conventions() {
        for (variables, style, expected) in [
            (&[][..], Style::Plain, false),
            (&[], Style::Terminal, true),
            (&[], Style::Gitlab, true),
            (&[("NO_COLOR", "1")], Style::Terminal, false),
            (&[("NO_COLOR", "")], Style::Terminal, true),
            (&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], Style::Terminal, false),
            (&[("CLICOLOR", "0")], Style::Terminal, false),
            (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], Style::Plain, true),
            (&[("FORCE_COLOR", "0")], Style::Plain, false),
        ] {
            assert_eq!(color(environment(variables), style), expected, "{variables:?}");
        }
    }
}

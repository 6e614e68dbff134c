//! Runs what comes out in the shells that are there: every value must arrive byte for byte, and none may run.

use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

use super::super::RenderErrorKind;
use super::{Fixture, check, render, script};

/// A script, and what it prints, `V` being the value.
struct Case(&'static str, &'static str);

/// Right in every shell.
const EVERYWHERE: &[Case] = &[
    Case("printf %s {{inputs.v}}", "V"),
    Case("printf %s a{{inputs.v}}b'c'\"d\"", "aVbcd"),
    Case("printf %s {{inputs.v}}#x", "V#x"),
    Case("printf %s \"a{{inputs.v}}b\"", "aVb"),
    Case("printf %s 'a{{inputs.v}}b'", "aVb"),
    Case("printf %s 'a\"$(x)`{{inputs.v}}\\'", "a\"$(x)`V\\"),
    Case("printf %s \"it's {{inputs.v}}\"", "it's V"),
    Case("printf %s \"\\\"{{inputs.v}}\\\\\"", "\"V\\"),
    Case("printf %s \\\"{{inputs.v}}\\'", "\"V'"),
    Case("printf %s \"\\${{inputs.v}}\"", "$V"),
    Case("# it's {{inputs.v}} $(touch MARK)\nprintf %s ok", "ok"),
    Case("printf %s ok # \"{{inputs.v}}", "ok"),
    Case("A={{inputs.v}}; printf %s \"$A\"", "V"),
    Case("A=x{{inputs.v}} B={{inputs.v}} sh -c 'printf %s \"$A$B\"'", "xVV"),
    Case("export A={{inputs.v}}; sh -c 'printf %s \"$A\"'", "V"),
    Case("export \"A={{inputs.v}}\"; sh -c 'printf %s \"$A\"'", "V"),
    Case("cat <<EOF\n{{inputs.v}}\nEOF\nprintf %s '{{inputs.v}}'", "V\nV"),
    Case("cat <<-EOF\n\t'{{inputs.v}}' \"{{inputs.v}}\" \\$\n\tEOF\n", "'V' \"V\" $\n"),
    Case("cat <<A; cat <<'B'\n{{inputs.v}}\nA\n$(touch MARK)`\nB\nprintf %s {{inputs.v}}", "V\n$(touch MARK)`\nV"),
    Case("cat <<EOF\n$(printf '%s.' '{{inputs.v}}')${x:-{{inputs.v}}}\nEOF\n", "V.V\n"),
    Case("cat <<EOF | sed p -n\n{{inputs.v}}\nEOF\n", "V\n"),
    Case("printf %s \"$(printf %s \"$(printf '%s.' '{{inputs.v}}')\")\"", "V."),
    Case("printf %s $(: {{inputs.v}})\"$(printf '%s.' {{inputs.v}})\"", "V."),
    Case("printf %s ${x:-{{inputs.v}}}", "V"),
    Case("printf %s \"${x:-a{{inputs.v}}b}\"", "aVb"),
    Case("printf %s ${x:-'a{{inputs.v}}'\"{{inputs.v}}\"}", "aVV"),
    Case("printf %s \"${x-$(printf '%s.' \"{{inputs.v}}\")}\"", "V."),
    Case("x=y; printf %s ${x:+{{inputs.v}}}", "V"),
    Case("printf %s \"${x:={{inputs.v}}}\"", "V"),
    Case("x=a{{inputs.v}}; printf %s \"${x%{{inputs.v}}}\"", "a"),
    Case("x={{inputs.v}}a; printf %s \"${x#{{inputs.v}}}\"", "a"),
    Case("x={{inputs.v}}a; printf %s ${x#{{inputs.v}}}", "a"),
    Case("case {{inputs.v}} in {{inputs.v}}) printf %s {{inputs.v}};; *) printf no;; esac", "V"),
    Case("case x{{inputs.v}} in (a|b) ;; x'{{inputs.v}}') printf %s \"{{inputs.v}}\" ;; esac", "V"),
    Case("printf %s $(case x in x) printf y;; (z) esac; : {{inputs.v}})'{{inputs.v}}'", "yV"),
    Case(
        "if [ {{inputs.v}} = {{inputs.v}} ] && [ ! x{{inputs.v}} = '{{inputs.v}}' ]; then printf %s {{inputs.v}}; fi",
        "V",
    ),
    Case("[ -n x{{inputs.v}} ] && test x{{inputs.v}} != y && printf %s {{inputs.v}}", "V"),
    Case("for x in {{inputs.v}} b; do printf '%s,' \"$x\"; done", "V,b,"),
    Case("for x\nin {{inputs.v}}\ndo printf %s \"$x\"\ndone", "V"),
    Case("f() { printf %s \"$1\" {{inputs.v}}; }; f {{inputs.v}}", "VV"),
    Case("f () (printf %s \"$1\")\nf '{{inputs.v}}'", "V"),
    Case("set -- {{inputs.v}} {{inputs.v}}; printf %s \"$1$#\"", "V2"),
    Case("{ printf %s {{inputs.v}}; } | cat", "V"),
    Case("(printf %s {{inputs.v}}) 2>/dev/null; ! false && printf %s \\\n'{{inputs.v}}'", "VV"),
    Case("while :; do printf %s {{inputs.v}}; break; done >&1 2>&1", "V"),
    Case("cd out && printf %s {{inputs.v}} >f{{inputs.n}} && cat <\"f{{inputs.n}}\" f'{{inputs.n}}' 2>&-", "V"),
    Case("cd out && printf %s {{inputs.v}} >f && cat ./f", "V"),
    Case("printf %s \"$((1 + $((2)) ))\" {{inputs.v}} `printf %s x`", "3Vx"),
    Case("printf %s \"$#$?{{inputs.v}}\"", "00V"),
    Case("printf %s ~{{inputs.v}}", "~V"),
    Case("printf '%s\\n' {{inputs.l | args}}", "V\n2\n"),
    Case("printf '%s|' a {{inputs.e | args}} b", "a|b|"),
    Case("x=1 && printf %s \\\n  {{inputs.v}} # end", "V"),
];

/// Right in bash only (or in shells like it).
const BASH: &[Case] = &[
    Case("printf %s $'a\\t{{inputs.v}}b'", "a\tVb"),
    Case("printf %s $'it\\'s {{inputs.v}}'", "it's V"),
    Case("cat <<< {{inputs.v}}", "V\n"),
    Case("cat <<< \"a{{inputs.v}}\"", "aV\n"),
    Case("[[ {{inputs.v}} == {{inputs.v}} && x'{{inputs.v}}' != {{inputs.v}} ]] && printf %s {{inputs.v}}", "V"),
    Case("[[ x{{inputs.v}} =~ ^x{{inputs.v}}$ ]] && printf %s {{inputs.v}}", "V"),
    Case("[[ ab =~ ^(a|b)+$ || -f {{inputs.v}} ]]; printf %s {{inputs.v}}", "V"),
    Case(
        "a=({{inputs.v}} \"x{{inputs.v}}\" # '\n {{inputs.l | args}}); printf '%s,' \"${a[@]}\" ${#a[@]}",
        "V,xV,V,2,4,",
    ),
    Case("a=(); a+=({{inputs.v}}); a[1]={{inputs.v}}; printf %s \"${a[0]}${a[1]}\"", "VV"),
    Case("declare -A m=([k]={{inputs.v}}); printf %s \"${m[k]}\"", "V"),
    Case("declare -r x={{inputs.v}}; printf %s \"$x\"", "V"),
    Case("f() { local x={{inputs.v}}; printf %s \"$x\"; }; f", "V"),
    Case("function f { printf %s {{inputs.v}}; }; f", "V"),
    Case("function f () { printf %s {{inputs.v}}; }; f &>/dev/stdout", "V"),
    Case("cat <(printf %s {{inputs.v}})", "V"),
    Case("IFS= read -r -d '' x < <(printf '%s\\0' {{inputs.v}}); printf %s \"$x\"", "V"),
    Case("(( 1 << 2 )) && for ((i = 0; i < 1; i++)); do printf %s {{inputs.v}}; done", "V"),
    Case("printf -v x %s {{inputs.v}}; printf %s \"$x\"", "V"),
    Case("case x in x) printf %s {{inputs.v}};;& y) ;; esac", "V"),
    Case("x=ab; printf %s \"${x/a/b}${x:1}${x^^}${x@Q}\" {{inputs.v}}", "bbbAB'ab'V"),
    Case("[ {{inputs.n}} -eq 7 ] && [ 3 -lt \"{{inputs.n}}\" ] && printf %s {{inputs.v}}", "V"),
    Case("printf '%s' ${x[0]:-{{inputs.v}}}", "V"),
];

/// Values that would do something if a shell ever parsed them. `MARK` would appear.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        "-rf",
        "-e",
        "~",
        "~root",
        "=",
        "!",
        "#",
        "(",
        "*",
        "{a,b}",
        "\\",
        " lead trail ",
        "$(touch MARK)",
        "`touch MARK`",
        "a[$(touch MARK)]",
        "'; touch MARK; '",
        "\"; touch MARK; \"",
        "\nEOF\ntouch MARK\nA\nB\n",
    ]
    .map(str::to_owned)
    .into();
    values.push(
        [
            "'\"'\"'",
            "'$(touch MARK)'",
            "\"$(touch MARK)\"",
            "${IFS}",
            "$IFS",
            "$HOME",
            "!!",
            ")",
            "?",
            "[a-z]",
            "\\\\",
            "\\n",
            "%s%n",
            "\t  ",
            "x[$(touch MARK)]=1",
            "&",
            "; touch MARK",
            "| touch MARK",
            "&& touch MARK",
            "${x:-$(touch MARK)}",
            "\u{201c}quoted\u{201d} \u{2019}",
            "日本語 🚀",
            "}",
            "]]",
            "esac",
            "<(touch MARK)",
            ">MARK",
            "$((1+1))",
            "\r\n",
            "{{env.TOKEN}}",
            "$'x'",
            "\u{7f}\u{1b}[31m",
            "\\",
        ]
        .concat(),
    );
    values.push("x".repeat(30_000));
    values
}

fn fixture(value: &str) -> Fixture {
    Fixture { inputs: json!({ "v": value, "l": [value, 2], "e": [], "n": 7 }), ..Fixture::new() }
}

/// What the script prints, its templates filled in, and what it says on standard error. Nothing may be executed.
fn run(shell: &[&str], name: &str, text: &str, value: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let config = json!({ "command": text, "shell": name });
    let rendered = render(&config, &fixture(value)).unwrap_or_else(|error| panic!("{name}: {text}: {error:?}"));
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-c")
        .arg(rendered.value["command"].as_str().unwrap())
        .current_dir(directory.path())
        .envs(rendered.bindings)
        .env("FUNCNEST", "20")
        .env_remove("x")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    for place in [directory.path(), &out] {
        assert!(!place.join("MARK").exists(), "{name}: {value:?} ran in {text}");
    }
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs all cases, each in a subshell, in one process for each value.
fn differential<'c>(shell: &[&str], name: &str, cases: impl IntoIterator<Item = &'c Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    let script: String = cases.iter().map(|Case(text, _)| format!("(\n{text}\n)\nprintf '\\n=====\\n'\n")).collect();
    for value in hostile() {
        let (stdout, stderr) = run(shell, name, &script, &value);
        let mut pieces = stdout.split("\n=====\n");
        for Case(text, prints) in &cases {
            let piece = pieces.next().unwrap_or("nothing");
            let expected = prints.replace('V', &value);
            assert!(piece == expected, "{name}: {text}\nvalue {value:.80?}\nprints {piece:.80?}\nstderr {stderr:.400}");
        }
    }
}

fn installed(shell: &str) -> bool {
    Command::new(shell).args(["-c", ":"]).output().is_ok()
}

#[test]
fn values_arrive_as_they_are_in_bash() {
    differential(&["bash"], "bash", EVERYWHERE.iter().chain(BASH));
}

#[test]
fn values_arrive_as_they_are_in_sh() {
    differential(&["sh"], "sh", EVERYWHERE);
}

#[test]
fn values_arrive_as_they_are_in_other_shells() {
    for (command, name) in
        [(&["busybox", "sh"][..], "busybox"), (&["mksh"], "mksh"), (&["ksh93"], "ksh"), (&["zsh", "-f"], "zsh")]
    {
        if installed(command[0]) {
            let accepted = |Case(text, _): &&Case| check(&json!({ "command": text, "shell": name })).is_empty();
            let refused = EVERYWHERE.iter().filter(|case| !accepted(case)).count();
            assert!(refused <= 3, "{name} refuses {refused}");
            differential(command, name, EVERYWHERE.iter().filter(accepted));
        }
    }
}

#[test]
fn references_are_written_as_the_quotes_demand() {
    for (text, written) in [
        ("echo {{inputs.v}}", "echo \"${SHIRO_VALUE_1}\""),
        ("echo \"{{inputs.v}}\"", "echo \"${SHIRO_VALUE_1}\""),
        ("echo 'a {{inputs.v}}'", "echo 'a '\"${SHIRO_VALUE_1}\"''"),
        ("echo $'{{inputs.v}}'", "echo $''\"${SHIRO_VALUE_1}\"$''"),
        ("cat <<E\n{{inputs.v}}\nE", "cat <<E\n${SHIRO_VALUE_1}\nE"),
        ("# {{inputs.v}}", "# ${SHIRO_VALUE_1}"),
        (
            "echo {{inputs.v}}{{ inputs['v'] }}{{inputs.v|trim}}",
            "echo \"${SHIRO_VALUE_1}\"\"${SHIRO_VALUE_1}\"\"${SHIRO_VALUE_2}\"",
        ),
        (r"docker ps --format '\{{.Names}}' {{inputs.v|raw}}", "docker ps --format '{{.Names}}' v"),
    ] {
        assert_eq!(script(text, None), written);
    }
    let lines = json!({ "script": ["echo '", "{{inputs.v}}'", 3, "x"] });
    assert_eq!(render(&lines, &Fixture::of("v")).unwrap_err().kind, RenderErrorKind::Type);
    let lines = json!({ "script": ["echo '", "{{inputs.v}}'"] });
    assert_eq!(
        render(&lines, &Fixture::of(json!([1]))).unwrap().value,
        json!({ "script": ["echo '", "'\"${SHIRO_VALUE_1}\"''"] })
    );
}

/// A word whose text is known: the script's text, and what the shell makes of it.
#[derive(Clone, Debug)]
struct Known(String, String);

fn join(parts: Vec<Known>) -> Known {
    Known(parts.iter().map(|part| part.0.as_str()).collect(), parts.iter().map(|part| part.1.as_str()).collect())
}

fn known(script: &str, text: &str) -> Known {
    Known(script.into(), text.into())
}

/// Pieces of a word outside quotes, quotes nested in substitutions nested in quotes.
fn known_word(depth: u32) -> BoxedStrategy<Known> {
    let hole = prop_oneof![Just(known("{{inputs.v}}", "V")), Just(known("{{ inputs.v | trim }}", "V"))];
    let plain = prop_oneof![
        Just(known("a", "a")),
        Just(known("\\\"", "\"")),
        Just(known("\\'", "'")),
        Just(known("\\\\y", "\\y")),
        Just(known("\\$", "$")),
        Just(known("b#c", "b#c")),
        Just(known("\\\n", "")),
        Just(known("''", "")),
    ];
    let single = prop::collection::vec(
        prop_oneof![
            hole.clone(),
            Just(known("\"", "\"")),
            Just(known("$(x", "$(x")),
            Just(known("\\x", "\\x")),
            Just(known("`", "`"))
        ],
        0..4,
    )
    .prop_map(|parts| join([vec![known("'", "")], parts, vec![known("'", "")]].concat()));
    if depth == 0 {
        return prop_oneof![hole, plain, single].boxed();
    }
    let word = || prop::collection::vec(known_word(depth - 1), 1..3).prop_map(join);
    let command = prop_oneof![
        word().prop_map(|Known(script, text)| known(&format!("$(printf '%s.' {script})"), &format!("{text}."))),
        word().prop_map(|Known(script, text)| known(
            &format!("$(# it's )\n printf '%s.' \\\n{script} # `)\n)"),
            &format!("{text}.")
        )),
        word().prop_map(|Known(script, text)| known(
            // A word that is only a continued line is none: then `in` would be the word.
            &format!("$(case ''{script} in (q) ;; *) printf %s. \"$(printf %s. {script})\" ;; esac)"),
            &format!("{text}..")
        )),
        word().prop_map(|Known(script, text)| known(
            &format!("$(f() {{ printf '%s.' \"$1\"; }}; f {script})"),
            &format!("{text}.")
        )),
        prop::collection::vec(known_word(0), 1..3).prop_map(join).prop_map(|Known(script, text)| known(
            &format!("$(cat <<'E'; cat <<-F\n'$(\"`\nE\n\t$(printf '%s.' {script})\n\tF\n)"),
            &format!("'$(\"`\n{text}.")
        )),
        Just(known("$((1 + $(printf 2)))", "3")),
        Just(known("${#}", "0")),
    ];
    let inside = prop::collection::vec(
        prop_oneof![
            hole.clone(),
            command.clone(),
            Just(known("'", "'")),
            Just(known("\\\"", "\"")),
            Just(known("#", "#")),
            Just(known("\\`", "`")),
            Just(known("${x:-{{inputs.v}}}", "V")),
        ],
        0..4,
    );
    let double = inside.prop_map(|parts| join([vec![known("\"", "")], parts, vec![known("\"", "")]].concat()));
    let default = word().prop_map(|Known(script, text)| known(&format!("${{x:-{script}}}"), &text));
    prop_oneof![2 => hole, 1 => plain, 1 => single, 3 => double, 2 => default].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nested_quotes_are_read_as_the_shell_reads_them(words in prop::collection::vec(known_word(3), 30)) {
        let value = "a'\"\\$(touch MARK)`touch MARK`*!#~";
        let text: String = words.iter().map(|Known(script, _)| format!("printf '%s\\n=====\\n' {script}\n")).collect();
        for shell in ["bash", "sh"] {
            let (stdout, stderr) = run(&[shell], shell, &text, value);
            let mut pieces = stdout.split("\n=====\n");
            for Known(script, prints) in &words {
                let expected = prints.replace('V', value);
                prop_assert_eq!(pieces.next().unwrap_or_default(), expected, "{}: {}\n{}", shell, script, stderr);
            }
        }
    }
}

const TOKENS: &[&str] = &[
    "{{inputs.v}}",
    "{{inputs.v}}",
    "{{inputs.l|args}}",
    "'",
    "'",
    "\"",
    "\"",
    "`",
    "$(",
    ")",
    "$((",
    "))",
    "${x",
    "${x:-",
    "${x[",
    "]",
    "}",
    "(",
    "((",
    "[[ ",
    " ]]",
    "[ ",
    " ]",
    " -eq ",
    " -v ",
    "==",
    "=~",
    "<<E\n",
    "\nE\n",
    "<<'E'\n",
    "<<<",
    "<(",
    "\n",
    " ",
    " ",
    ";",
    ";;",
    "&&",
    "||",
    "|",
    "\\",
    "\\\n",
    "#",
    "$",
    "$'",
    "$\"",
    "{",
    "case ",
    " in ",
    "esac",
    "a)",
    "if ",
    "then ",
    "fi",
    "for ",
    "x",
    "x=",
    "x=(",
    "a[",
    "declare ",
    "declare -i ",
    "export ",
    "let ",
    "read ",
    "printf ",
    "%s ",
    "-v ",
    "test ",
    "unset ",
    "!",
    "1",
    "+",
    "=",
    "~",
    "*",
    "?",
    "@(",
    "é",
    "function ",
    "()",
    "do ",
    "done",
    ">&2",
    "2>",
    "in ",
    ":",
    "true ",
    "local ",
];

fn soup(length: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(TOKENS), 1..length).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_agrees_with_rendering(text in soup(40), shell in prop::sample::select(&["bash", "sh", "zsh", "ksh"][..])) {
        let config = json!({ "command": text, "shell": shell });
        let refused = check(&config).iter().any(|problem| problem.severity == crate::diagnostic::Severity::Error);
        prop_assert_eq!(render(&config, &fixture("v")).is_err(), refused);
    }

    #[test]
    fn text_of_any_kind_never_panics(text in ".{0,60}") {
        let _ = check(&json!({ "command": format!("{text}{{{{inputs.v}}}}{text}") }));
        let _ = check(&json!({ "url": text }));
    }
}

/// Whatever a script does with a value, short of what is warned of, the value is not executed.
#[test]
fn no_accepted_script_executes_a_value() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut tried, mut ran) = (0, 0);
    while ran < 120 && tried < 60_000 {
        tried += 1;
        let text = soup(14).new_tree(&mut runner).unwrap().current();
        let accepted = text.contains("{{") && check(&json!({ "command": text, "shell": "bash" })).is_empty();
        let parses = || {
            let rendered = render(&json!({ "command": text, "shell": "bash" }), &fixture("v")).unwrap();
            rendered.value["command"].as_str().is_some_and(|script| script.contains("SHIRO"))
        };
        if accepted && parses() {
            ran += 1;
            run(&["bash"], "bash", &format!("a=1; {text}"), "a[$(touch MARK)]");
        }
    }
    assert!(ran >= 100, "{ran} of {tried}");
}

#[test]
fn reading_takes_time_in_proportion_to_the_length() {
    for piece in [
        "$(",
        "\"$(",
        "${x:-",
        "{{inputs.v}} ",
        "case x in a) ",
        "(",
        "cat <<E\n{{inputs.v}}\nE\n",
        "'a' \"b\" ",
        "let $(",
    ] {
        let text = format!("{{{{inputs.v}}}}; {}", piece.repeat(20_000));
        let start = std::time::Instant::now();
        let problems = check(&json!({ "command": text }));
        assert!(start.elapsed().as_secs() < 5, "{piece}: {:?}, {} problems", start.elapsed(), problems.len());
    }
}

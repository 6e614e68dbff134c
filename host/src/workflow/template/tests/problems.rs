//! Places in scripts where no template may stand, and where one is worth a warning.

use serde_json::{Value, json};

use super::super::{RenderErrorKind, TemplateProblem};
use super::{Fixture, check, render, script};
use crate::diagnostic::Severity;

fn problems(text: &str, shell: Option<&str>) -> Vec<TemplateProblem> {
    let mut config = json!({ "command": text });
    if let Some(shell) = shell {
        config["shell"] = shell.into();
    }
    check(&config)
}

/// The codes of what is wrong, for every shell or for one.
fn errors(text: &str, shell: Option<&str>) -> Vec<&'static str> {
    let errors = problems(text, shell).into_iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.code).collect()
}

const UNSAFE: [&str; 1] = ["template-unsafe"];
const UNCERTAIN: [&str; 1] = ["template-uncertain"];

#[test]
fn refuses_where_the_shell_evaluates_text() {
    for text in [
        "echo $(( {{inputs.v}} + 1 ))",
        "echo \"$(( 1 + $(( {{inputs.v}} )) ))\"",
        "echo $(( $(echo {{inputs.v}}) ))",
        "(( x = {{inputs.v}} ))",
        "for (( i = 0; i < {{inputs.v}}; i++ )); do echo; done",
        "let x={{inputs.v}}",
        "command let \"x={{inputs.v}}\"",
        "let \"x=$(echo {{inputs.v}})\"",
        "a[{{inputs.v}}]=1",
        "a=([{{inputs.v}}]=1)",
        "echo ${a[{{inputs.v}}]}",
        "echo \"${a[{{inputs.v}}]:-x}\"",
        "echo ${x:{{inputs.v}}}",
        "echo ${x:1:{{inputs.v}}}",
        "echo ${x/a/{{inputs.v}}}",
        "echo ${x^{{inputs.v}}}",
        "echo ${ {{inputs.v}}}",
        "echo ${x{{inputs.v}}}",
        "echo ${!{{inputs.v}}}",
        "echo ${x:={{inputs.v}}}",
        "[[ {{inputs.v}} -eq 1 ]]",
        "[[ 1 -lt {{inputs.v}} && a == b ]]",
        "[[ $(cat {{inputs.v}}) -gt 3 ]]",
        "if [[ -v {{inputs.v}} ]]; then :; fi",
        "[ -v {{inputs.v}} ]",
        "test {{inputs.v}} x",
        "[ {{inputs.v}} = a -a -n b ]",
        "declare {{inputs.v}}",
        "declare \"{{inputs.v}}=1\"",
        "declare -a \"x={{inputs.v}}\"",
        "export \"{{inputs.v}}\"",
        "local x{{inputs.v}}=1",
        "readonly {{inputs.v}}",
        "unset {{inputs.v}}",
        "read {{inputs.v}}",
        "read -r \"a[{{inputs.v}}]\"",
        "printf -v {{inputs.v}} x",
        "printf {{inputs.v}} x",
        "printf \"$(echo {{inputs.v}})\" x",
        "getopts ab {{inputs.v}}",
        "mapfile -C {{inputs.v}} a",
        "RANDOM={{inputs.v}}",
        "export PS4={{inputs.v}}",
        "for RANDOM in {{inputs.v}}; do :; done",
        "for {{inputs.v}} in a; do :; done",
        "{{inputs.v}}=1",
        "$1declare {{inputs.v}}",
        "$SUDO let {{inputs.v}}",
        "echo >&{{inputs.v}}",
        "exec 3<&\"x{{inputs.v}}\"",
        "set {{inputs.v}}",
        "echo `echo {{inputs.v}}`",
        "echo \"`echo '{{inputs.v}}'`\"",
        "cat <<'EOF'\n{{inputs.v}}\nEOF\n",
        "cat <<\\EOF\n{{inputs.v}}\nEOF\n",
        "echo {a,{{inputs.v}}}",
        "echo {\"a\":{{inputs.v}}}",
        "echo $\"{{inputs.v}}\"",
        "echo ${{inputs.v}}",
        "echo \"${{inputs.v}}\"",
        "echo {{inputs.v|args}}x",
        "echo \"{{inputs.v|args}}\"",
        "{{inputs.v|args}}",
        "echo > {{inputs.v|args}}",
        "case {{inputs.v|args}} in a) ;; esac",
    ] {
        let found = errors(text, Some("bash"));
        assert!(found == UNSAFE || found == UNCERTAIN, "{text}: {found:?}");
        assert!(render(&json!({ "command": text, "shell": "bash" }), &Fixture::of("v")).is_err(), "{text}");
        let hints = problems(text, None).into_iter().filter_map(|problem| problem.hint).collect::<String>();
        assert!(hints.contains('`'), "{text}: {hints}");
    }
}

#[test]
fn refuses_what_only_some_shells_evaluate() {
    for (text, shell) in [
        ("[ {{inputs.v}} -eq 1 ]", "ksh"),
        ("test 1 -gt {{inputs.v}}", "zsh"),
        ("[ {{inputs.v}} \"$op\" 1 ]", "bash"),
        ("exit {{inputs.v}}", "zsh"),
        ("printf '%d' {{inputs.v}}", "zsh"),
        ("logout {{inputs.v}}", "zsh"),
        ("print -P {{inputs.v}}", "zsh"),
        ("set -A x {{inputs.v}}; set -A {{inputs.v}}", "ksh"),
        ("echo $x[{{inputs.v}}]", "zsh"),
        ("echo \"$x[{{inputs.v}}]\"", "zsh"),
        ("[[ a =~ {{inputs.v}} ]]", "zsh"),
        ("x=({{inputs.v}})", "ksh"),
        ("setopt ksharrays; echo {{inputs.v}}", "zsh"),
        ("echo $'{{inputs.v}}'", "sh"),
        ("((x)); echo {{inputs.v}}", "sh"),
        ("[[ x ]] && echo {{inputs.v}}", "dash"),
        ("echo $'it\\'s' {{inputs.v}}", "/bin/sh"),
    ] {
        assert_eq!(errors(text, Some(shell)).len(), 1, "{shell}: {text}");
    }
}

#[test]
fn refuses_what_it_can_not_read_for_certain() {
    for text in [
        "echo {{inputs.v}} 'no end",
        "echo {{inputs.v}} \"no end",
        "echo {{inputs.v}} $(no end",
        "echo {{inputs.v}} ${no end",
        "echo {{inputs.v}} `no end",
        "echo {{inputs.v}} )",
        "(echo {{inputs.v}}",
        "case x in a) echo {{inputs.v}}",
        "case x in a) echo {{inputs.v}};; esac esac",
        "cat <<EOF {{inputs.v}}\nno end\n",
        "cat <<EOF\n{{inputs.v}} $(cat <<X\nX\n)\nEOF\n",
        "x=$(cat <<EOF\n{{inputs.v}}\nEOF)\nEOF\n)",
        "cat <<EOF\n{{inputs.v}}\\\nEOF\nEOF\n",
        "cat <<{{inputs.v}}\nx\nEOF\n",
        "cat <<EOF $(\nx)\nEOF\necho {{inputs.v}}",
        "echo @(a|{{inputs.v}})",
        "echo $[1] {{inputs.v}}",
        "echo $((1) + (2)) {{inputs.v}}",
        "echo ${ echo; } {{inputs.v}}",
        "echo \"${x:-'a'}\" {{inputs.v}}",
        "alias e=eval\ne {{inputs.v}}",
        "declare -i n\nn={{inputs.v}}",
        "local -n n\nn={{inputs.v}}",
        "coproc cat; echo {{inputs.v}}",
        "[[ (a == b)]] && echo {{inputs.v}}",
        "echo $\\\n(date) {{inputs.v}}",
        "if x; then y; fi z {{inputs.v}}",
        "echo \u{1} {{inputs.v}}",
    ] {
        let found = errors(text, None);
        assert!(found.contains(&"template-uncertain"), "{text}: {found:?}");
        assert!(render(&json!({ "command": text }), &Fixture::of("v")).is_err(), "{text}");
        let untouched = text.replace("{{inputs.v}}", "x");
        assert!(check(&json!({ "command": untouched })).is_empty(), "without a template anything goes: {text}");
    }
}

#[test]
fn warns_where_another_interpreter_reads_the_text() {
    for (text, code) in [
        ("eval echo {{inputs.v}}", "template-nested"),
        ("eval \"$(make {{inputs.v}})\"", "template-nested"),
        ("bash -c 'echo {{inputs.v}}'", "template-nested"),
        ("sudo -u x /bin/sh -ec \"echo {{inputs.v}}\"", "template-nested"),
        ("find . -exec sh -c 'echo {{inputs.v}}' ';'", "template-nested"),
        ("xargs -n1 sh -c 'echo {{inputs.v}}'", "template-nested"),
        ("ssh host \"rm {{inputs.v}}\"", "template-nested"),
        ("su -c {{inputs.v}} bob", "template-nested"),
        ("python3 -c 'print(\"{{inputs.v}}\")'", "template-nested"),
        ("awk -F: '/{{inputs.v}}/ { print }' file", "template-nested"),
        ("sed -i \"s/x/{{inputs.v}}/\" file", "template-nested"),
        ("sed -e s/x/{{inputs.v}}/ file", "template-nested"),
        ("psql -c \"select '{{inputs.v}}'\"", "template-nested"),
        ("psql --command=\"select '{{inputs.v}}'\"", "template-nested"),
        ("jq --arg x y '.a == \"{{inputs.v}}\"'", "template-nested"),
        ("trap 'rm {{inputs.v}}' EXIT", "template-nested"),
        ("source <(echo {{inputs.v}})", "template-nested"),
        ("bash <<EOF\necho {{inputs.v}}\nEOF\n", "template-nested"),
        ("cat <<EOF | ssh host\necho {{inputs.v}}\nEOF\n", "template-nested"),
        ("echo {{inputs.v}} | sudo bash -s", "template-nested"),
        ("bash <<< {{inputs.v}}", "template-nested"),
        ("{{inputs.v}} --version", "template-command"),
        ("printf \"to {{inputs.v}}\\n\"", "template-format"),
    ] {
        let found = problems(text, None);
        assert_eq!(found.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code], "{text}");
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].hint.is_some());
    }
    for text in [
        "bash -c 'echo \"$1\"' bash {{inputs.v}}",
        "python3 script.py {{inputs.v}}",
        "awk -v x={{inputs.v}} '{ print x }'",
        "jq --arg x {{inputs.v}} '.a == $x'",
        "bash script.sh <<EOF\n{{inputs.v}}\nEOF\n",
        "cat <<EOF | kubectl apply -f -\n{{inputs.v}}\nEOF\n",
        "apt-get install sed {{inputs.v}}",
        "printf 'to %s\\n' {{inputs.v}}",
    ] {
        assert_eq!(problems(text, None), [], "{text}");
    }
}

#[test]
fn other_languages_take_values_from_outside() {
    for shell in ["python3", "/usr/bin/node", "ruby", "pwsh", "{{inputs.v}}"] {
        let found = problems("print({{inputs.v}})", Some(shell));
        assert_eq!(found[0].code, "template-language", "{shell}");
        assert!(found[0].hint.as_ref().unwrap().contains("\"env\": { \"V\": \"{{inputs.v}}\" }"), "{found:?}");
    }
    assert_eq!(script("print({{inputs.v | raw}})", Some("python3")), "print(v)");
    let found = problems("print({{env.TAG}})", Some("python3"));
    assert!(found[0].hint.as_ref().unwrap().contains("os.environ[\"TAG\"]"));
}

#[test]
fn reports_all_problems_at_the_right_lines() {
    let config = json!({
        "script": ["echo '{{inputs.v}}", "x'", "echo $(({{inputs.v}}))", "echo `{{inputs.v}}`"],
        "url": "{{ nope }}",
        "{{env.A}}": "x",
    });
    let found = check(&config);
    let places: Vec<_> = found.iter().map(|problem| (problem.pointer.as_str(), problem.offset, problem.code)).collect();
    assert_eq!(
        places,
        [
            ("/script/2", 8, "template-unsafe"),
            ("/script/3", 6, "template-unsafe"),
            ("/url", 3, "template-syntax"),
            ("/{{env.A}}", 0, "template-key"),
        ]
    );
    let diagnostic = found[0].clone().into_diagnostic("/steps/0/config");
    assert_eq!(diagnostic.place.pointer, "/steps/0/config/script/2");
}

#[test]
fn a_program_with_arguments_is_no_script_while_its_arguments_are_there() {
    let config = json!({ "command": "{{inputs.v}}", "args": ["`{{inputs.v}}`"] });
    assert_eq!(check(&config), []);
    let rendered = render(&config, &Fixture::of("a b")).unwrap();
    assert_eq!(rendered.value, json!({ "command": "a b", "args": ["`a b`"] }));
    let vanishing = json!({ "command": "echo {{inputs.v}}", "args": "{{inputs.nope | default(null)}}" });
    assert_eq!(render(&vanishing, &Fixture::of("$(id)")).unwrap_err().kind, RenderErrorKind::Type);
    let absent = json!({ "command": "echo {{inputs.v}}", "args": null });
    assert_eq!(render(&absent, &Fixture::of("x")).unwrap().value["command"], "echo \"${SHIRO_VALUE_1}\"");
}

#[test]
fn values_that_no_variable_can_carry_are_sent_to_standard_input() {
    let render = |value: Value| render(&json!({ "command": "cat {{inputs.v}}" }), &Fixture::of(value));
    for value in ["a\0b".to_owned(), "x".repeat(128 * 1024)] {
        let error = render(json!(value)).unwrap_err();
        assert_eq!(error.kind, RenderErrorKind::Unportable);
        assert!(error.hint.unwrap().contains("\"stdin\": \"{{inputs.v}}\""));
        assert!(error.message.len() < 200);
    }
    assert!(render(json!("x".repeat(128 * 1024 - 1 - "SHIRO_VALUE_1=".len()))).is_ok());
}

#[test]
fn pasted_text_counts_as_what_it_is() {
    let config = json!({ "command": "{{inputs.v | raw}} {{run.id}}" });
    assert_eq!(check(&config), []);
    let text = |value: &str| render(&config, &Fixture::of(value)).map(|rendered| rendered.value["command"].clone());
    assert_eq!(text("echo").unwrap(), "echo \"${SHIRO_VALUE_1}\"");
    assert_eq!(text("echo '").unwrap_err().kind, RenderErrorKind::Script);
    assert_eq!(text("echo {{env.TOKEN}} ").unwrap(), "echo {{env.TOKEN}}  \"${SHIRO_VALUE_1}\"");
    assert_eq!(text("echo $((1)) ;").unwrap(), "echo $((1)) ; \"${SHIRO_VALUE_1}\"");
    assert_eq!(text("let").unwrap_err().kind, RenderErrorKind::Script);
}

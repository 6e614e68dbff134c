//! Running a jq filter: <https://docs.rs/jaq-core>. It sees its input and its variables: no files, no modules, and no
//! environment.

use std::collections::BTreeMap;

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, compile, data};
use jaq_json::Val;
use serde_json::Value;
use shiro_step::{Failure, FailureKind};

/// More values than this are a mistake in the filter.
const MOST_VALUES: usize = 1_000_000;

/// All that the filter gives. `key` is what the config calls it, for messages.
///
/// # Errors
///
/// It is no filter, it failed, or it gives what is not JSON or too much of it.
pub fn run(key: &str, query: &str, input: Value, variables: BTreeMap<String, Value>) -> Result<Vec<Value>, Failure> {
    for name in variables.keys() {
        let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Failure::invalid_config(format!(
                "`{name}` is no name for a variable: letters, digits and `_`"
            )));
        }
    }
    let names: Vec<String> = variables.keys().map(|name| format!("${name}")).collect();
    let values = variables.into_values().map(from_json).collect::<Result<Vec<_>, _>>()?;
    let input = from_json(input)?;

    let arena = Arena::default();
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = Loader::new(defs).load(&arena, File { code: query, path: () });
    let modules =
        modules.map_err(|errors| wrong(key, query, errors.iter().flat_map(|(_, error)| not_loaded(error))))?;
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let compiler = Compiler::default().with_funs(funs).with_global_vars(names.iter().map(String::as_str));
    let filter = compiler.compile(modules).map_err(|errors| {
        wrong(key, query, errors.iter().flat_map(|(_, errors)| errors.iter().map(not_compiled).collect::<Vec<_>>()))
    })?;

    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new(values));
    let mut given = Vec::new();
    for value in filter.id.run((context, input)) {
        if given.len() == MOST_VALUES {
            let message = format!("the filter gives more than {MOST_VALUES} values");
            return Err(Failure::permanent("too_many_values", message));
        }
        match value {
            Ok(value) => given.push(to_json(&value)?),
            Err(exception) => match exception.get_err() {
                Ok(error) => return Err(Failure::permanent("query_failed", format!("the filter failed: {error}"))),
                // `halt` ends the filter, well or with an exit code.
                Err(exception) => match exception.get_halt() {
                    Ok(0) => break,
                    code => {
                        let code = code.unwrap_or(1);
                        return Err(Failure::permanent("query_failed", format!("the filter halted with {code}")));
                    }
                },
            },
        }
    }
    Ok(given)
}

/// Whether it is a filter that needs no variables.
///
/// # Errors
///
/// It is none.
pub fn check(key: &str, query: &str) -> Result<(), Failure> {
    match run(key, query, Value::Null, BTreeMap::new()) {
        Err(failure) if failure.kind() == FailureKind::InvalidConfig => Err(failure),
        // What it makes of `null` says nothing.
        _ => Ok(()),
    }
}

fn from_json(value: Value) -> Result<Val, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure::permanent("not_json", format!("a value can't be read: {error}")))
}

/// jq's values are more than JSON's: numbers that are none, keys that are no strings.
fn to_json(value: &Val) -> Result<Value, Failure> {
    let text = value.to_string();
    serde_json::from_str(&text).map_err(|_| {
        let shown: String = text.chars().take(100).collect();
        Failure::permanent("not_json", format!("the filter gives a value that is not JSON: {shown}"))
    })
}

/// Where in the filter, and what.
type Problem<'a> = (&'a str, String);

fn not_loaded<'a>(error: &load::Error<&'a str>) -> Vec<Problem<'a>> {
    match error {
        load::Error::Io(modules) => {
            modules.iter().map(|(place, _)| (*place, "there are no modules here".to_owned())).collect()
        }
        load::Error::Lex(errors) => {
            errors.iter().map(|(expected, found)| (*found, format!("expected {}", expected.as_str()))).collect()
        }
        load::Error::Parse(errors) => {
            errors.iter().map(|(expected, found)| (*found, format!("expected {}", expected.as_str()))).collect()
        }
    }
}

fn not_compiled<'a>((place, undefined): &(&'a str, compile::Undefined)) -> Problem<'a> {
    let arity = match undefined {
        compile::Undefined::Filter(arity) if *arity > 0 => format!(" with {arity} arguments"),
        _ => String::new(),
    };
    (*place, format!("there is no {} `{place}`{arity}", undefined.as_str()))
}

fn wrong<'a>(key: &str, query: &str, problems: impl Iterator<Item = Problem<'a>>) -> Failure {
    let problems = problems.map(|(place, what)| {
        let offset = load::span(query, place).start.min(query.len());
        let column = query.get(..offset).map_or(0, |before| before.chars().count()) + 1;
        format!("at character {column}, {what}")
    });
    let problems: Vec<String> = problems.take(5).collect();
    Failure::invalid_config(format!("`{key}` is no jq filter: {}", problems.join("; ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(query: &str, input: Value) -> Value {
        run("query", query, input, BTreeMap::new()).expect(query).remove(0)
    }

    #[test]
    fn is_jq() {
        let input = json!({ "items": [{ "n": "a", "v": 2 }, { "n": "b", "v": 10 }], "big": 9_007_199_254_740_993_u64 });
        assert_eq!(first("[.items[] | select(.v > 5) | .n]", input.clone()), json!(["b"]));
        assert_eq!(first(".items | map({(.n): .v}) | add", input.clone()), json!({ "a": 2, "b": 10 }));
        assert_eq!(first(".items | sort_by(-.v) | first.n | ascii_upcase", input.clone()), json!("B"));
        assert_eq!(first(".big", input.clone()), json!(9_007_199_254_740_993_u64));
        assert_eq!(first("[.items[].n] | join(\",\") | test(\"^a,\")", input.clone()), json!(true));
        assert_eq!(first(".items[0].v as $x | try error(\"no\") catch ($x | tostring)", input), json!("2"));
    }

    #[test]
    fn a_wrong_filter_says_where() {
        for (query, said) in [
            (".a |", "expected"),
            (".a | nope", "at character 6, there is no filter `nope`"),
            ("$x", "there is no variable `$x`"),
            ("[.a", "expected closing bracket"),
            ("import \"m\" as m; .", "modules"),
        ] {
            let failure = run("query", query, json!({}), BTreeMap::new()).unwrap_err();
            assert!(failure.message().contains(said), "{query}: {failure}");
        }
    }

    #[test]
    fn what_goes_wrong_while_it_runs_is_said() {
        for (query, said) in [
            (".a.b", "cannot index"),
            ("error(\"boom\")", "boom"),
            ("nan", "not JSON"),
            ("halt_error", "halted"),
            ("range(0; 2000000)", "more than"),
        ] {
            let failure = run("query", query, json!({ "a": 1 }), BTreeMap::new()).unwrap_err();
            assert!(failure.message().contains(said), "{query}: {failure}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_filter_is_known_before_there_is_anything_to_run_it_on() {
        assert!(check("query", ".a | length").is_ok());
        assert_eq!(check("query", ".a |").unwrap_err().kind(), shiro_step::FailureKind::InvalidConfig);
    }

    #[test]
    fn a_variable_is_a_value_and_no_code() {
        let variables = BTreeMap::from([("x".to_owned(), json!("\") | error"))]);
        assert_eq!(run("query", "$x", json!(null), variables).unwrap(), [json!("\") | error")]);
        let failure = run("query", ".", json!(null), BTreeMap::from([("a b".to_owned(), json!(1))])).unwrap_err();
        assert!(failure.message().contains("a b"));
    }
}

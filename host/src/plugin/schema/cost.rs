//! What a schema costs whoever checks with it: a component writes it, and the host does the work.
//!
//! Forty definitions, each of which is twice the next one, are a kilobyte as text and a trillion checks. So references are
//! followed here, as a validator would, and counted.

use std::collections::HashMap;

use serde_json::Value;

/// What checking one value takes at most: a schema for a large API has some thousands.
const CHECKS: u64 = 10_000;
/// A pattern counts as so many checks, for what it takes when it is compiled.
const PATTERN: u64 = 100;
/// Ways to name a schema other than by its place: no tool that makes schemas from types uses them.
const NAMES: [&str; 6] = ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];
/// What is not checked with.
const IDLE: [&str; 7] = ["$defs", "definitions", "default", "examples", "description", "title", "$comment"];

/// What a schema costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Checks for one value, once references are followed.
    pub(super) checks: u64,
    /// Places in which the schema holds itself: each level of a value may be checked as often.
    pub(super) loops: u64,
}

/// Counts. The error says why a schema is not used.
pub(super) fn cost(schema: &Value) -> Result<Cost, String> {
    let mut count = Count { root: schema, known: HashMap::new(), open: Vec::new() };
    let cost = count.of(schema, true)?;
    if cost.checks > CHECKS { Err(too_much()) } else { Ok(cost) }
}

fn too_much() -> String {
    format!("it takes more than {CHECKS} checks, its references followed")
}

struct Count<'a> {
    root: &'a Value,
    /// What the targets of references cost, by their address.
    known: HashMap<*const Value, Cost>,
    /// The targets that are being counted.
    open: Vec<*const Value>,
}

impl<'a> Count<'a> {
    fn of(&mut self, schema: &'a Value, is_root: bool) -> Result<Cost, String> {
        let mut cost = Cost { checks: 1, loops: 0 };
        match schema {
            Value::Array(items) => {
                for item in items {
                    cost.add(self.of(item, false)?)?;
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    if IDLE.contains(&name.as_str()) {
                        continue;
                    }
                    match value {
                        Value::String(to) if name == "$ref" => cost.add(self.target(to)?)?,
                        Value::String(_) if NAMES.contains(&name.as_str()) && !(is_root && name == "$id") => {
                            return Err(format!("it has `{name}`: refer to parts of it as `#/$defs/NAME`"));
                        }
                        Value::String(_) if name == "pattern" => cost.add(Cost { checks: PATTERN, loops: 0 })?,
                        value => cost.add(self.of(value, false)?)?,
                    }
                    if name == "patternProperties" {
                        let patterns = value.as_object().map_or(0, serde_json::Map::len) as u64;
                        cost.add(Cost { checks: patterns * PATTERN, loops: 0 })?;
                    }
                }
            }
            _ => {}
        }
        Ok(cost)
    }

    fn target(&mut self, reference: &str) -> Result<Cost, String> {
        let target = match reference.strip_prefix('#') {
            Some("") => Some(self.root),
            Some(pointer) if pointer.starts_with('/') => self.root.pointer(&decoded(pointer)),
            _ => return Err(format!("`$ref` is `{reference}`: refer to parts of it as `#/$defs/NAME`")),
        };
        let Some(target) = target else { return Err(format!("`$ref` is `{reference}`, which is not there")) };
        let address: *const Value = target;
        if self.open.contains(&address) {
            return Ok(Cost { checks: 0, loops: 1 });
        }
        if let Some(known) = self.known.get(&address) {
            return Ok(*known);
        }
        self.open.push(address);
        let cost = self.of(target, std::ptr::eq(address, self.root))?;
        self.open.pop();
        self.known.insert(address, cost);
        Ok(cost)
    }
}

impl Cost {
    fn add(&mut self, other: Self) -> Result<(), String> {
        self.checks = self.checks.saturating_add(other.checks);
        self.loops = self.loops.saturating_add(other.loops);
        if self.checks > CHECKS { Err(too_much()) } else { Ok(()) }
    }
}

/// A pointer in a URL's fragment may have its special characters escaped.
fn decoded(pointer: &str) -> String {
    percent_encoding::percent_decode_str(pointer).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_followed() {
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string" }, "b": { "type": "null" } } });
        assert_eq!(cost(&schema), Ok(Cost { checks: 3, loops: 0 }));
        assert_eq!(cost(&json!(true)), Ok(Cost { checks: 1, loops: 0 }));
        let escaped = json!({ "$ref": "#/$defs/a~1b%20c", "$defs": { "a/b c": true } });
        assert!(cost(&escaped).is_ok());
    }

    #[test]
    fn what_doubles_at_each_level_costs_too_much() {
        let mut definitions = json!({ "d40": { "type": "object" } });
        for level in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            definitions[format!("d{level}")] = json!({ "allOf": [next, next] });
        }
        let error = cost(&json!({ "$ref": "#/$defs/d0", "$defs": definitions })).unwrap_err();
        assert!(error.contains("10000 checks"), "{error}");
        assert!(cost(&json!({ "allOf": vec![json!({ "pattern": "x" }); 200] })).is_err());
    }

    #[test]
    fn a_schema_may_hold_itself() {
        let tree = json!({ "properties": { "children": { "items": { "$ref": "#" } } } });
        assert_eq!(cost(&tree).unwrap().loops, 1);
        let both =
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#" }] } } });
        assert!(cost(&both).unwrap().loops >= 2);
    }

    #[test]
    fn a_reference_names_a_place() {
        for (schema, why) in [
            (json!({ "$ref": "https://example.com/x" }), "#/$defs/NAME"),
            (json!({ "$ref": "#name", "$defs": { "a": { "$anchor": "name" } } }), "#/$defs/NAME"),
            (json!({ "$ref": "#/$defs/missing" }), "not there"),
            (json!({ "items": { "$id": "x" } }), "$id"),
            (json!({ "$dynamicRef": "#a" }), "$dynamicRef"),
        ] {
            let error = cost(&schema).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(
            cost(&json!({ "$id": "https://example.com/schema", "properties": { "$ref": { "type": "string" } } }))
                .is_ok()
        );
    }
}

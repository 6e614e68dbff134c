//! Sets of HTTP statuses, as users write them.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Some statuses: numbers, classes (`2xx`), ranges (`200-204`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Of these texts. What is none is left out: for texts that are written here.
    pub fn parse(texts: &[&str]) -> Self {
        Self(texts.iter().filter_map(|text| range(text)).collect())
    }

    /// It is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// For people: `2xx, 404`.
    pub fn shown(&self) -> String {
        self.0.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let text = text.trim().to_ascii_lowercase();
    let (first, last) = match (text.strip_suffix("xx"), text.split_once('-')) {
        (Some(class), _) => {
            let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
            (class * 100, class * 100 + 99)
        }
        (None, Some((first, last))) => (first.trim().parse().ok()?, last.trim().parse().ok()?),
        (None, None) => (text.parse().ok()?, text.parse().ok()?),
    };
    (100 <= first && first <= last && last <= 599).then_some(first..=last)
}

fn text(range: &RangeInclusive<u16>) -> String {
    let (first, last) = (*range.start(), *range.end());
    match first {
        _ if first == last => first.to_string(),
        _ if first % 100 == 0 && last == first + 99 => format!("{}xx", first / 100),
        _ => format!("{first}-{last}"),
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let items = match &value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let one = |item: &Value| match item {
            Value::String(text) => range(text),
            Value::Number(number) => range(&number.to_string()),
            _ => None,
        };
        let ranges = items.into_iter().map(|item| {
            one(item).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{item} is no status: use a number, `2xx`, or a range such as `200-204`"
                ))
            })
        });
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for range in &self.0 {
            match range.start() == range.end() {
                true => list.serialize_element(range.start())?,
                false => list.serialize_element(&text(range))?,
            }
        }
        list.end()
    }
}

impl JsonSchema for Statuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*([1-5][xX][xX]|[1-5][0-9]{2}(\s*-\s*[1-5][0-9]{2})?)\s*$";
        json_schema!({
            "type": ["array", "integer", "string"],
            "items": { "type": ["integer", "string"], "pattern": pattern, "minimum": 100, "maximum": 599 },
            "minItems": 1,
            "pattern": pattern,
            "minimum": 100,
            "maximum": 599
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statuses(value: Value) -> Result<Statuses, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn numbers_classes_and_ranges() {
        let some = statuses(json!([200, "404", "5xx", "301 - 303"])).unwrap();
        for status in [200, 404, 500, 599, 301, 302, 303] {
            assert!(some.contains(status), "{status}");
        }
        for status in [201, 300, 304, 400, 499] {
            assert!(!some.contains(status), "{status}");
        }
        assert_eq!(some.shown(), "200, 404, 5xx, 301-303");
        assert_eq!(serde_json::to_value(&some).unwrap(), json!([200, 404, "5xx", "301-303"]));
        assert!(statuses(json!("2XX")).unwrap().contains(204));
        assert!(statuses(json!(204)).unwrap().contains(204));
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for value in [
            json!("6xx"),
            json!("xx"),
            json!(99),
            json!(600),
            json!("204-200"),
            json!([null]),
            json!(200.5),
            json!("-"),
        ] {
            assert!(statuses(value.clone()).is_err(), "{value}");
        }
    }
}

//! What a component returns, from JSON to a value: as large and as deep as the host is willing to hold, and no more.
//!
//! A number in `[0,0,0]` is two bytes as text and seventy as a value: text alone is no measure of what it takes.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How often an answer may take as a value what it may have as text.
const SPREAD: usize = 4;
/// Levels of lists and objects: the journal holds them within some of its own, and reads back 127.
const DEPTH: usize = 100;
/// What a value takes, besides its text.
const VALUE_BYTES: usize = size_of::<Value>();
/// What a member takes besides its name and its value: the name's place, its hash, its place in the index.
const MEMBER_BYTES: usize = size_of::<String>() + 2 * size_of::<usize>();

/// Why there is no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It takes more than was allowed.
    Large,
    /// It is not JSON, or too deep: what is wrong.
    Wrong(String),
}

/// Reads a JSON document of at most so many bytes, which takes no more than some times that as a value.
pub(super) fn parse(json: &str, bytes: usize) -> Result<Value, Unusable> {
    if json.len() > bytes {
        return Err(Unusable::Large);
    }
    let mut room = Room { left: bytes.saturating_mul(SPREAD), over: false };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = Reader { room: &mut room, depth: 0 }.deserialize(&mut deserializer);
    let whole = value.and_then(|value| deserializer.end().map(|()| value));
    match whole {
        Ok(value) => Ok(value),
        Err(_) if room.over => Err(Unusable::Large),
        Err(error) => Err(Unusable::Wrong(error.to_string())),
    }
}

/// What may still be taken.
struct Room {
    left: usize,
    over: bool,
}

impl Room {
    fn take<E: de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.over = true;
                return Err(E::custom("it is too large"));
            }
        }
        Ok(())
    }
}

/// Reads one value.
struct Reader<'a> {
    room: &'a mut Room,
    /// Lists and objects around it.
    depth: usize,
}

impl Reader<'_> {
    fn inner<E: de::Error>(&mut self) -> Result<Reader<'_>, E> {
        if self.depth == DEPTH {
            return Err(E::custom(format_args!("it is more than {DEPTH} levels deep")));
        }
        Ok(Reader { room: &mut *self.room, depth: self.depth + 1 })
    }

    fn text<E: de::Error>(self, text: String) -> Result<Value, E> {
        self.room.take(text.len())?;
        Ok(Value::String(text))
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.room.take(VALUE_BYTES)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.room.take(MEMBER_BYTES + name.len())?;
            let value = members.next_value_seed(self.inner()?)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_is() {
        for json in
            [r#"{"a":[1,-2,2.5,1e300,null,true,"\u00e9\n"],"b":{},"":[[]]}"#, "18446744073709551615", "\"x\"", "[]"]
        {
            let expected: Value = serde_json::from_str(json).unwrap();
            assert_eq!(parse(json, 1000), Ok(expected), "{json}");
        }
        for json in ["", "{", "[1,]", "{}x", "nul", r#""\ud800""#, "1e999"] {
            assert!(matches!(parse(json, 1000), Err(Unusable::Wrong(_))), "{json}");
        }
    }

    #[test]
    fn what_counts_is_what_it_takes() {
        let text = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(parse(&text(998), 1000).is_ok());
        assert_eq!(parse(&text(999), 1000), Err(Unusable::Large));
        for one in ["0", "[]", "{}"] {
            let dense = format!("[{}]", vec![one; 100].join(","));
            assert_eq!(parse(&dense, 1000), Err(Unusable::Large), "{dense}");
            assert!(parse(&dense, 101 * VALUE_BYTES).is_ok());
        }
        let members: Vec<String> = (0..100).map(|number| format!("\"{number}\":0")).collect();
        assert_eq!(parse(&format!("{{{}}}", members.join(",")), 1000), Err(Unusable::Large));
    }

    #[test]
    fn what_the_journal_could_not_read_back_is_too_deep() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(DEPTH), 1 << 20).is_ok());
        for levels in [DEPTH + 1, 200, 100_000] {
            let error = parse(&nested(levels), 1 << 20).unwrap_err();
            assert!(matches!(&error, Unusable::Wrong(what) if what.contains("deep")), "{error:?}");
        }
    }
}

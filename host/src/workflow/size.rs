//! How long values are as JSON, without writing them anywhere.

use std::io;

use serde_json::Value;

/// How many bytes a value's JSON text has.
pub fn length(value: &Value) -> usize {
    let mut count = Count { bytes: 0, limit: usize::MAX };
    // The limit can't be reached by what fits into memory.
    let _ = serde_json::to_writer(&mut count, value);
    count.bytes
}

/// The same, or `None` if it has more than so many: no more of it is looked at.
pub fn length_within(value: &Value, limit: usize) -> Option<usize> {
    let mut count = Count { bytes: 0, limit };
    serde_json::to_writer(&mut count, value).ok()?;
    Some(count.bytes)
}

struct Count {
    bytes: usize,
    limit: usize,
}

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        if self.bytes > self.limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_as_long_as_its_json() {
        let value = json!({ "a": ["\n", 1] });
        let text = value.to_string().len();
        assert_eq!(length(&value), text);
        assert_eq!(length_within(&value, text), Some(text));
        assert_eq!(length_within(&value, text - 1), None);
    }
}

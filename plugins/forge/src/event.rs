//! What started a job on GitHub: the webhook's payload, which the runner leaves in a file.
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use std::fs::File;
use std::io::Read as _;

use serde_json::Value;

/// The directory of the file, as a permission names it.
pub const DIRECTORY: &str = "{env.GITHUB_EVENT_PATH}/..";

/// The variable that names the file. To be asked for as well.
pub const VARIABLE: &str = "GITHUB_EVENT_PATH";

/// More than GitHub sends: a payload has at most 25 MB.
const MAX_BYTES: u64 = 25 << 20;

/// The payload; `null` where there is none, or none that can be read. All that is in it was written by others.
pub fn read() -> Value {
    let Some(path) = crate::variable(VARIABLE) else { return Value::Null };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

//! The mark: a variable in the environment of every process a step starts, which its descendants inherit. It says which
//! run of a program they come from, also when they have left their process group and lost their parent.
//!
//! Its value is a list, separated by commas: a shiro that runs inside a step of another adds its own item to those it
//! inherits, so that either knows what it has to end.

use std::ffi::{OsStr, OsString};
use std::sync::LazyLock;

use uuid::Uuid;

/// The variable's name. Not `SHIRO_*`, which is configuration.
pub(super) const VARIABLE: &str = "_SHIRO_PROCESS";

static THIS_PROCESS: LazyLock<String> = LazyLock::new(|| Uuid::now_v7().simple().to_string());

/// What the items of every run that this process starts begin with, up to a dot.
pub(super) fn of_this_process() -> &'static str {
    &THIS_PROCESS
}

/// A new item: `<this process>.<run>`.
pub(super) fn new_item() -> String {
    format!("{}.{}", of_this_process(), Uuid::now_v7().simple())
}

/// The variable's value for a run, given the one that this process inherited.
pub(super) fn value(inherited: Option<&OsStr>, item: &str) -> OsString {
    let mut value = OsString::new();
    if let Some(inherited) = inherited.filter(|text| !text.is_empty()) {
        value.push(inherited);
        value.push(",");
    }
    value.push(item);
    value
}

/// The items of `process` (see [`of_this_process`]) in an environment as the kernel shows it: `NAME=value`, each ended
/// by a NUL.
#[cfg(target_os = "linux")]
pub(super) fn items<'a>(environ: &'a [u8], process: &'a str) -> impl Iterator<Item = &'a str> {
    environ
        .split(|byte| *byte == 0)
        .filter_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|item| std::str::from_utf8(item).ok())
        .filter(move |item| item.strip_prefix(process).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_nested_shiro_adds_to_what_it_inherits() {
        assert_eq!(value(None, "b.1"), "b.1");
        assert_eq!(value(Some(OsStr::new("")), "b.1"), "b.1");
        let both = value(Some(OsStr::new("a.1")), "b.1");
        assert_eq!(both, "a.1,b.1");

        let environ = format!("HOME=/\0{VARIABLE}={}\0X=b.2\0", both.to_str().unwrap());
        assert_eq!(items(environ.as_bytes(), "a").collect::<Vec<_>>(), ["a.1"]);
        assert_eq!(items(environ.as_bytes(), "b").collect::<Vec<_>>(), ["b.1"]);
        assert_eq!(items(environ.as_bytes(), "c").count(), 0);
    }

    #[test]
    fn an_item_is_of_a_process_only_up_to_the_dot() {
        let environ = format!("{VARIABLE}=ab.1,a\0");
        assert_eq!(items(environ.as_bytes(), "a").count(), 0);
        assert_ne!(new_item(), new_item());
        assert!(new_item().starts_with(of_this_process()));
    }
}

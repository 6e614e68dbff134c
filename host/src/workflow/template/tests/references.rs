//! What a config refers to.

use serde_json::json;

use super::super::{Path, references};

#[test]
fn lists_the_uses_of_values_but_not_names_of_members() {
    let value = json!({ "a": ["x {{env.A}} {{ steps.s.k | default(1) }}"], "{{env.KEY}}": 1, "bad": "{{env." });
    let found: Vec<_> = references(&value).collect();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].pointer.as_str(), found[0].offset, found[0].has_default), ("/a/0", 2, false));
    assert_eq!(found[0].path, Path::Env("A".into()));
    assert!(found[1].has_default);
    assert_eq!(found[1].path.to_string(), "steps.s.k");
}

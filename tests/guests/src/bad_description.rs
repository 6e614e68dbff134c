//! Describes itself with something that is no description.

use shiro_step::component::{Guest, WireFailure};

struct BadDescription;

impl Guest for BadDescription {
    fn describe() -> String {
        r#"{"name":["bad-description"],"config_schema":{"type":"nonsense"}"#.to_owned()
    }

    fn run(_: String) -> Result<String, WireFailure> {
        Ok("{}".to_owned())
    }
}

shiro_step::export_guest!(BadDescription);

//! Templates: `{{ path | filter }}` in the strings of a config.
//!
//! ```text
//! text --grammar--> Template (text and expressions)
//!                     |  in a plain string                |  in a shell script
//!                     v                                   v
//!                   render: values into text            script: values into environment variables,
//!                   or, alone, a typed value            quoted references into the text
//! ```
//!
//! Templates are expanded exactly once: text that came out of a value is never looked at again.

mod check;
mod expression;
mod grammar;
mod render;
mod scope;
mod script;
mod suggest;

#[cfg(test)]
mod tests;

pub use check::{Reference, TemplateProblem, check, references};
pub use expression::{Expression, Filter, Key, Path};
pub use grammar::{Part, Template, TemplateError};
pub use render::{RenderError, RenderErrorKind, Rendered, render, render_value};
pub use scope::{Item, Scope, StepLookup};

/// Whether the text has anything for this module to do: a template, or an escaped `\{{`.
pub fn has_templates(text: &str) -> bool {
    text.contains("{{")
}

/// The JSON Pointer of a member or an element of the value at `pointer`.
fn child(pointer: &str, token: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", token.to_string().replace('~', "~0").replace('/', "~1"))
}

//! What stands between the trait and the component's exports. For the macro only: not part of the interface.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::bindings::shiro::step::types::FailureKind as WireKind;
use crate::{Failure, FailureKind, Permissions, Settings, Step};

pub use crate::bindings;
pub use crate::bindings::export_component;
pub use crate::bindings::exports::shiro::step::step::{Failure as WireFailure, Guest};

/// Exports a [`Step`](crate::Step) as this crate's component. Once, at the top of a crate of type `cdylib`.
#[macro_export]
macro_rules! export {
    ($step:ty) => {
        const _: () = {
            struct Component;

            impl $crate::component::Guest for Component {
                fn describe() -> ::std::string::String {
                    $crate::component::describe::<$step>(::std::env!("CARGO_PKG_VERSION"))
                }

                fn run(
                    config: ::std::string::String,
                ) -> ::std::result::Result<::std::string::String, $crate::component::WireFailure> {
                    $crate::component::run::<$step>(&config)
                }
            }

            $crate::export_guest!(Component);
        };
    };
}

/// Exports a type with both functions written by hand. Native linkers refuse the exports' names: there, the type only counts
/// as used.
#[doc(hidden)]
#[macro_export]
macro_rules! export_guest {
    ($guest:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::component::export_component!($guest with_types_in $crate::component::bindings);

        #[cfg(not(target_family = "wasm"))]
        const _: (fn() -> ::std::string::String, $crate::component::Run) =
            (<$guest as $crate::component::Guest>::describe, <$guest as $crate::component::Guest>::run);
    };
}

/// The type of the exported `run`.
pub type Run = fn(String) -> Result<String, WireFailure>;

#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    version: &'a str,
    summary: &'a str,
    config_schema: Schema,
    output_schema: Schema,
    #[serde(skip_serializing_if = "Permissions::is_empty")]
    permissions: Permissions,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
}

/// The description document of a step type.
pub fn describe<S: Step>(version: &str) -> String {
    show_panics();
    let settings = || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let description = Description {
        name: S::NAME,
        version,
        summary: S::SUMMARY,
        config_schema: schema::<S::Config>(settings().into_generator()),
        output_schema: schema::<S::Output>(settings().for_serialize().into_generator()),
        permissions: S::permissions(),
        idempotent: S::IDEMPOTENT,
        settings: S::settings(),
    };
    serde_json::to_string(&description).expect("the keys of a description are strings")
}

/// The schema without its title: the name of a Rust type says nothing to a user.
fn schema<T: JsonSchema>(generator: SchemaGenerator) -> Schema {
    let mut schema = generator.into_root_schema_for::<T>();
    schema.remove("title");
    schema
}

/// Runs one attempt.
pub fn run<S: Step>(config: &str) -> Result<String, WireFailure> {
    show_panics();
    attempt::<S>(config).map_err(|failure| wire(failure, S::NAME))
}

fn attempt<S: Step>(config: &str) -> Result<String, Failure> {
    let config = serde_json::from_str(config).map_err(|error| Failure::invalid_config(format!("config: {error}")))?;
    let output = S::run(config)?;
    serde_json::to_string(&output)
        .map_err(|error| Failure::permanent("invalid_output", format!("the output does not fit into JSON: {error}")))
}

fn wire(failure: Failure, step_type: &str) -> WireFailure {
    WireFailure {
        kind: match failure.kind() {
            FailureKind::InvalidConfig => WireKind::InvalidConfig,
            FailureKind::Permanent => WireKind::Permanent,
            FailureKind::Transient => WireKind::Transient,
        },
        code: failure.qualified_code(step_type),
        message: failure.message().to_owned(),
        retry_after_ms: failure.wait().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        output: failure.shown().map(ToString::to_string),
    }
}

/// A panic traps. The standard message ends in advice about an environment variable that users of a step can't set.
#[cfg(target_family = "wasm")]
#[expect(clippy::print_stderr, reason = "stderr is the step's log")]
fn show_panics() {
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
}

#[cfg(not(target_family = "wasm"))]
fn show_panics() {}

#[cfg(test)]
mod tests;

//! What wit-bindgen makes of the world `plugin`. Nothing outside this crate names it but the macro that exports a step.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "shiro_step::component::bindings",
});

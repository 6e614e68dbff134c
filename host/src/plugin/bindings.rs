//! Bindings of this project's own interfaces, made from `wit/`. WASI's come from wasmtime.

#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package shiro:host;

        /// What a plugin uses and gives beyond WASI.
        world guest {
            import shiro:step/context@0.1.0;
            import shiro:step/log@0.1.0;
            import shiro:step/process@0.1.0;
            import shiro:step/store@0.1.0;
            export shiro:step/step@0.1.0;
        }
    ",
    world: "shiro:host/guest",
    imports: {
        "shiro:step/log.log": trappable,
        "shiro:step/process.run": async,
        "shiro:step/process.run-quietly": async,
        "shiro:step/store.get": async,
        "shiro:step/store.exists": async,
        "shiro:step/store.set": async,
        "shiro:step/store.delete": async,
        "shiro:step/store.list": async,
        "shiro:step/store.expires-at-ms": async,
    },
    exports: { default: async },
});

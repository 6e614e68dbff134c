//! What the tests of several files need.

use std::sync::{Arc, Mutex};

use crate::capability::{Grants, Layer, Named, NetworkPermission, Origin, Permissions};
use crate::event::{Level, Stream};
use crate::step::StepSink;

/// A sink that remembers.
#[derive(Default)]
pub(super) struct Recorder {
    heard: Mutex<Vec<Heard>>,
}

enum Heard {
    Output(Stream, Vec<u8>),
    Log(Level, String),
    Warning(String),
}

impl Recorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn stdout(&self) -> String {
        self.stream(Stream::Stdout)
    }

    pub(super) fn stderr(&self) -> String {
        self.stream(Stream::Stderr)
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let warning = |heard: &Heard| match heard {
            Heard::Warning(message) => Some(message.clone()),
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(warning).collect()
    }

    pub(super) fn logs(&self) -> Vec<(Level, String)> {
        let log = |heard: &Heard| match heard {
            Heard::Log(level, message) => Some((*level, message.clone())),
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(log).collect()
    }

    fn stream(&self, wanted: Stream) -> String {
        let mut bytes = Vec::new();
        for heard in self.heard.lock().unwrap().iter() {
            match heard {
                Heard::Output(stream, part) if *stream == wanted => bytes.extend_from_slice(part),
                _ => {}
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}

impl StepSink for Recorder {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        self.heard.lock().unwrap().push(Heard::Output(stream, bytes.to_vec()));
    }

    fn log(&self, level: Level, message: &str) {
        self.heard.lock().unwrap().push(Heard::Log(level, message.to_owned()));
    }

    fn warn(&self, message: &str) {
        self.heard.lock().unwrap().push(Heard::Warning(message.to_owned()));
    }
}

/// A component in text, to be varied by what matters to a test. By default it describes itself as `test`, takes anything
/// and returns `{}`.
pub(super) struct Component {
    /// The JSON that `describe` returns.
    pub(super) description: String,
    /// The body of `describe`, in place of one that returns the description.
    pub(super) describe: Option<String>,
    /// The JSON that `run` returns.
    pub(super) output: String,
    /// The body of `run`, in place of one that returns the output: it has the config's address and length as parameters
    /// and gives the address of a result. `$succeed` makes one.
    pub(super) run: Option<String>,
    /// Pages of memory at the start.
    pub(super) pages: u32,
    /// Further parts of the component, before its module: imports and what lowers them. `$libc` has its memory.
    pub(super) imports: String,
    /// What the module gets to import: `(with "name" (instance ...))`.
    pub(super) with: String,
    /// Further parts of the module, before its functions.
    pub(super) module: String,
    /// The exported interface.
    pub(super) export: String,
}

impl Default for Component {
    fn default() -> Self {
        Self {
            description: r#"{"name":"test","version":"1.0.0","summary":"Tests."}"#.into(),
            describe: None,
            output: "{}".into(),
            run: None,
            pages: 2,
            imports: String::new(),
            with: String::new(),
            module: String::new(),
            export: "shiro:step/step@0.1.0".into(),
        }
    }
}

impl Component {
    /// One whose `run` has this body.
    pub(super) fn running(body: &str) -> Self {
        Self { run: Some(body.into()), ..Self::default() }
    }

    /// The component's bytes.
    pub(super) fn build(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap()
    }

    fn text(&self) -> String {
        let describe = self.describe.clone().unwrap_or_else(|| {
            format!(
                "(i32.store (i32.const 16) (i32.const 1024))
                 (i32.store (i32.const 20) (i32.const {}))
                 (i32.const 16)",
                self.description.len()
            )
        });
        format!(
            r#"(component
              (import "shiro:step/types@0.1.0" (instance $types
                (type $kind' (enum "invalid-config" "permanent" "transient"))
                (export "failure-kind" (type $kind (eq $kind')))
                (type $failure' (record (field "kind" $kind) (field "code" string) (field "message" string)
                  (field "retry-after-ms" (option u64)) (field "output" (option string))))
                (export "failure" (type (eq $failure')))))
              (alias export $types "failure" (type $failure))
              (core module $libc
                (memory (export "memory") {pages})
                (global $free (mut i32) (i32.const 65536))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                  (local $at i32)
                  (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                  (global.set $free (i32.add (local.get $at) (local.get 3)))
                  (block $enough
                    (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                    (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536))))))
                  (local.get $at)))
              (core instance $libc (instantiate $libc))
              {imports}
              (core module $m
                (import "libc" "memory" (memory 1))
                {module}
                (data (i32.const 1024) {description:?})
                (data (i32.const 32768) {output:?})
                (func $succeed (result i32)
                  (i32.store8 (i32.const 32) (i32.const 0))
                  (i32.store (i32.const 40) (i32.const 32768))
                  (i32.store (i32.const 44) (i32.const {output_length}))
                  (i32.const 32))
                (func $fail (param $kind i32) (param $message i32) (param $length i32) (result i32)
                  (i32.store8 (i32.const 32) (i32.const 1))
                  (i32.store8 (i32.const 40) (local.get $kind))
                  (i32.store (i32.const 44) (local.get $message))
                  (i32.store (i32.const 48) (local.get $length))
                  (i32.store (i32.const 52) (local.get $message))
                  (i32.store (i32.const 56) (local.get $length))
                  (i32.const 32))
                (func $describe (export "describe") (result i32) {describe})
                (func $run (export "run") (param $config i32) (param $length i32) (result i32) {run}))
              (core instance $i (instantiate $m (with "libc" (instance $libc)) {with}))
              (type $result (result string (error $failure)))
              (func $describe (result string)
                (canon lift (core func $i "describe") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
              (func $run (param "config" string) (result $result)
                (canon lift (core func $i "run") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
              (instance $step (export "describe" (func $describe)) (export "run" (func $run)))
              (export {export:?} (instance $step)))"#,
            pages = self.pages,
            imports = self.imports,
            module = self.module,
            description = Text(&self.description),
            output = Text(&self.output),
            output_length = self.output.len(),
            run = self.run.as_deref().unwrap_or("(call $succeed)"),
            with = self.with,
            export = self.export,
        )
    }
}

/// A string literal of WebAssembly text.
struct Text<'a>(&'a str);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"")?;
        self.0.bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
        f.write_str("\"")
    }
}

/// Grants of these `scheme://host:port`, each with whether its host may have a private address.
pub(super) fn network(entries: impl Iterator<Item = (String, bool)>) -> Grants {
    let (urls, named): (Vec<_>, Vec<_>) =
        entries.map(|(url, named)| (url, if named { Named::Config } else { Named::No })).unzip();
    let network = urls.into_iter().map(|url| NetworkPermission { url, ..NetworkPermission::default() }).collect();
    let permissions = Permissions { network, ..Permissions::default() };
    Grants { layers: vec![Layer { origin: Origin::Asked, permissions, named, open: false }] }
}

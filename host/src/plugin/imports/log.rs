//! `shiro:step/log`: messages for whoever reads the job's log.

use crate::event;
use crate::plugin::attempt::Attempt;
use crate::plugin::bindings::shiro::step::log::{Host, Level};

impl Host for Attempt {
    fn log(&mut self, level: Level, message: String, fields: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => event::Level::Debug,
            Level::Info => event::Level::Info,
            Level::Warn => event::Level::Warn,
            Level::Error => event::Level::Error,
        };
        self.output.log(level, &message, &fields).map_err(wasmtime::Error::new)
    }
}

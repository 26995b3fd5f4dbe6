//! `bulla:kernel/log`

use bulla_engine::{CallState, LogVerdict, schedule::host};
use serde_json::json;

use crate::state::{HostState, LogLine};
use crate::world::bulla::kernel::log::{Host, Level};

/// A longer line is cut.
const MAX_LINE: usize = 4_096;

impl Host for HostState {
    fn write(&mut self, level: Level, mut message: String) -> wasmtime::Result<()> {
        self.meter().charge(&host::LOG_WRITE, message.len())?;
        message.truncate(message.floor_char_boundary(MAX_LINE));
        match self.meter().log(message.len()) {
            LogVerdict::Keep => self.lines.push(LogLine { level: level_name(level), message }),
            LogVerdict::FirstDropped => self.call.observe("call.limited", "log", json!({})),
            LogVerdict::Dropped => {}
        }
        Ok(())
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

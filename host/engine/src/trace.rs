//! The guest's stack at a trap, with the names that its author wrote.

use std::fmt;

use wasmtime::{FrameInfo, WasmBacktrace};

/// One function on the guest's stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Demangled; `function 12` when the component carries no names.
    pub function: String,
    /// The core module's name, where it has one.
    pub module: Option<String>,
    /// From the component's debug information, where it carries any.
    pub file: Option<String>,
    pub line: Option<u32>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// The frames of an error, innermost first; inlined functions are frames of their own.
pub(crate) fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    error
        .downcast_ref::<WasmBacktrace>()
        .map_or_else(Vec::new, |trace| trace.frames().iter().flat_map(frames).collect())
}

fn frames(info: &FrameInfo) -> Vec<Frame> {
    let module = info.module().name().map(str::to_owned);
    let named = |name: Option<&str>| match name.or(info.func_name()) {
        Some(name) => demangle(name),
        None => format!("function {}", info.func_index()),
    };
    let inlined: Vec<Frame> = info
        .symbols()
        .iter()
        .map(|symbol| Frame {
            function: named(symbol.name()),
            module: module.clone(),
            file: symbol.file().map(str::to_owned),
            line: symbol.line(),
        })
        .collect();
    if inlined.is_empty() {
        return vec![Frame {
            function: named(None),
            module,
            file: None,
            line: None,
        }];
    }
    inlined
}

/// Without the hash that Rust puts at a name's end.
fn demangle(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(name) => format!("{name:#}"),
        Err(_) => name.to_owned(),
    }
}

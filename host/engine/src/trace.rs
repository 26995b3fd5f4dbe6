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
    /// From the component's debug information, where it carries any and the engine reads it.
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

/// Frames that are told. The names are the author's: megabytes of them would be a weapon against the host's log.
const MAX_FRAMES: usize = 100;
/// A longer name is cut, in bytes.
const MAX_NAME: usize = 500;
/// Errors that are told of those that led to one.
const MAX_CAUSES: usize = 8;
/// The longest text of one of them, in bytes.
const MAX_CAUSE: usize = 1_024;

/// The frames of an error, innermost first; inlined functions are frames of their own.
pub(crate) fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    error
        .downcast_ref::<WasmBacktrace>()
        .map_or_else(Vec::new, |trace| trace.frames().iter().flat_map(frames).take(MAX_FRAMES).collect())
}

/// How the text of the guest's stack begins.
const STACK: &str = "error while executing at wasm backtrace:";

/// The errors that led here, outermost first. wasmtime counts the stack among them: that is told as [`backtrace`].
pub(crate) fn detail(error: &wasmtime::Error) -> String {
    let is_stack = |cause: &dyn std::error::Error| limited(&cause, STACK.len()) == STACK;
    let causes = error.chain().take(MAX_CAUSES).filter(|cause| !is_stack(*cause));
    causes.map(|cause| limited(&cause, MAX_CAUSE)).collect::<Vec<_>>().join(": ")
}

/// What `shown` writes, up to `most` bytes: the rest is not even made.
fn limited(shown: &dyn fmt::Display, most: usize) -> String {
    let mut limited = Limited { text: String::new(), most };
    // An error says that it is full.
    let _ = fmt::Write::write_fmt(&mut limited, format_args!("{shown:#}"));
    limited.text
}

struct Limited {
    text: String,
    most: usize,
}

impl fmt::Write for Limited {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.most.saturating_sub(self.text.len());
        self.text.push_str(cut(more, room));
        if more.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

fn frames(info: &FrameInfo) -> Vec<Frame> {
    let module = info.module().name().map(named_shortly);
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
            file: symbol.file().map(named_shortly),
            line: symbol.line(),
        })
        .collect();
    if inlined.is_empty() {
        return vec![Frame { function: named(None), module, file: None, line: None }];
    }
    inlined
}

fn named_shortly(name: &str) -> String {
    cut(name, MAX_NAME).to_owned()
}

/// Without the hash that Rust puts at a name's end. A name can grow when it is demangled: both ends are bounded.
fn demangle(name: &str) -> String {
    match rustc_demangle::try_demangle(cut(name, 8 * MAX_NAME)) {
        Ok(name) => limited(&name, MAX_NAME),
        Err(_) => named_shortly(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_whatever_the_author_wrote() {
        assert_eq!(demangle("_ZN4demo5place17h0123456789abcdefE"), "demo::place");
        assert_eq!(demangle(&"ä".repeat(1 << 20)).len(), MAX_NAME);
        let long = format!("_ZN{}{}17h0123456789abcdefE", 3_000, "a".repeat(3_000));
        assert_eq!(demangle(&long).len(), MAX_NAME);
    }

    #[test]
    fn the_text_of_an_error_ends() {
        let error = wasmtime::Error::msg("x".repeat(1 << 20)).context("outer");
        let text = detail(&error);
        assert!(text.starts_with("outer: xxx") && text.len() == 7 + MAX_CAUSE, "{}", text.len());
    }
}

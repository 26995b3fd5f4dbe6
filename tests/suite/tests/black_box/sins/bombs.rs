//! Components that pass every count and are hard to compile: each costs its own compilation, and that has an end.

use bulla_suite::Component;
use bulla_suite::component::DONE;

use super::Sin;

/// For a stage on which a compilation may take little.
pub const CONFIG: &str = "[engine]\ncompile-deadline = '10s'\ncompile-memory = '700MiB'\n";

pub const BOMBS: &[Sin] = &[
    Sin {
        does: "takes minutes to compile",
        guest: "component",
        ends: "limit (did not compile within 10 s)",
        commit: |stage| stage.offer(&long_in_compiling()),
    },
    Sin {
        does: "takes gigabytes to compile",
        guest: "component",
        ends: "limit (does not compile in 700MiB of memory)",
        commit: |stage| stage.offer(&large_in_compiling()),
    },
];

/// Minutes of compilation in 1.75 MB: branches in blocks, where wasmtime's time grows with their square.
pub fn long_in_compiling() -> Component {
    let branches = "block local.get 0 br_if 0 end ".repeat(250_000);
    Component { fields: format!("(func (param i32) {branches})"), ..Component::with_body(DONE) }
}

/// Gigabytes of memory in 2 MB: a function of calls.
fn large_in_compiling() -> Component {
    let calls = "call $nothing ".repeat(1_000_000);
    Component { fields: format!("(func $nothing) (func {calls})"), ..Component::with_body(DONE) }
}

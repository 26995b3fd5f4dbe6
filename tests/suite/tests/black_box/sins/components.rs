//! Sins of components that no compiler makes, written as text.

use bulla_suite::component::DONE;
use bulla_suite::{Component, Reply, Tenant};

use super::Sin;
use super::stage::Stage;

/// A component that installs, and sins when it is called.
macro_rules! runs {
    ($does:literal, $ends:literal, $fields:expr, $body:expr) => {
        Sin {
            does: $does,
            guest: "component",
            ends: $ends,
            commit: |stage| stage.run(&Component { fields: $fields.into(), ..Component::with_body($body) }),
        }
    };
}

/// A component that is not even installed.
macro_rules! offered {
    ($does:literal, $ends:literal, $component:expr) => {
        Sin { does: $does, guest: "component", ends: $ends, commit: |stage| stage.offer(&$component) }
    };
}

pub const COMPONENTS: &[Sin] = &[
    // When it runs.
    runs!(
        "grows its table for ever",
        "limit (table-elements)",
        "(table $t 1 funcref)",
        "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable"
    ),
    Sin {
        does: "looks for another call's functions in its table",
        guest: "component",
        ends: "ok",
        commit: fresh_table,
    },
    runs!(
        "answers with a list of 2 GiB",
        "trap (list pointer/length out of bounds)",
        "",
        "(call $ok (i32.const 64) (i32.const 0x7fffffff))"
    ),
    runs!(
        "answers with a list beyond 4 GiB",
        "trap (list pointer/length out of bounds)",
        "",
        "(call $ok (i32.const -8) (i32.const 64))"
    ),
    runs!("answers at a place outside its memory", "trap (pointer out of bounds)", "", "(i32.const -4)"),
    runs!(
        "answers neither ok nor err",
        "trap (invalid expected discriminant)",
        "",
        "(i32.store8 (i32.const 16) (i32.const 7)) (i32.const 16)"
    ),
    Sin {
        does: "gives the host memory that it has not",
        guest: "component",
        ends: "trap (beyond end of memory)",
        commit: |stage| {
            stage.run(&Component { realloc: "(i32.const -16)".into(), ..Component::with_body(DONE) })
        },
    },
    Sin {
        does: "spins for ever where the host asks it for memory",
        guest: "component",
        ends: "fuel-exhausted",
        commit: |stage| {
            let realloc = "(loop $l (br $l)) (unreachable)".into();
            stage.run(&Component { realloc, ..Component::with_body(DONE) })
        },
    },
    runs!(
        "spins for ever in its start function",
        "fuel-exhausted",
        "(func $s (loop $l (br $l))) (start $s)",
        DONE
    ),
    runs!("traps in its start function", "trap (unreachable)", "(func $s unreachable) (start $s)", DONE),
    runs!(
        "recurses through its table for ever",
        "limit (stack)",
        "(table 1 funcref) (type $v (func)) (func $f (call_indirect (type $v) (i32.const 0))) (elem (i32.const 0) $f)",
        "(call $f) (unreachable)"
    ),
    runs!("divides by zero", "trap (integer divide by zero)", "", "(i32.div_u (i32.const 1) (i32.const 0))"),
    runs!(
        "fills memory beyond its end",
        "trap (out of bounds memory access)",
        "",
        "(memory.fill (i32.const 100000) (i32.const 1) (i32.const 100000)) (unreachable)"
    ),
    runs!(
        "fills more memory than it has fuel for",
        "fuel-exhausted",
        "",
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (unreachable)"
    ),
    runs!(
        "copies memory for ever",
        "fuel-exhausted",
        "",
        "(loop $l (memory.copy (i32.const 0) (i32.const 8) (i32.const 60000)) (br $l)) (unreachable)"
    ),
    // When it is offered.
    offered!("has shared memory", "incompatible", of_fields("(memory $shared 1 2 shared)")),
    offered!("has memory of 64 bits", "incompatible", of_fields("(memory $wide i64 1)")),
    offered!(
        "has a memory that starts beyond every limit",
        "limit (memory)",
        of_fields("(memory $large 65536)")
    ),
    offered!(
        "imports an interface of nobody's",
        "denied (other:world/api)",
        Component {
            outer: "(import \"other:world/api@1.0.0\" (instance))".into(),
            ..Component::with_body(DONE)
        }
    ),
    offered!(
        "imports sockets",
        "denied (wasi:sockets/tcp)",
        Component {
            outer: "(import \"wasi:sockets/tcp@0.2.0\" (instance))".into(),
            ..Component::with_body(DONE)
        }
    ),
    offered!("is a core module", "package-invalid", Component { core: true, ..Component::with_body(DONE) }),
];

fn of_fields(fields: &str) -> Component {
    Component { fields: fields.to_owned(), ..Component::with_body(DONE) }
}

/// In one tenant, then in another, then in the first again.
fn fresh_table(stage: &Stage) -> Reply {
    let component = Component::filling_its_table();
    let run = |tenant: &Tenant| {
        let reply = stage.run_in(tenant, &component);
        assert_eq!(reply.data(), "fresh");
        reply
    };
    run(&stage.acme);
    run(&stage.wide);
    run(&stage.acme)
}

//! Components written as text: what no compiler of a decent language makes.

use bulla_signing::{Contract, EntryContract};
use serde_json::json;

/// A component of one action `go`, whatever its input and output.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// Fields of the component itself, before its main module.
    pub outer: String,
    /// Fields of the main module.
    pub fields: String,
    /// The body of its allocator, where it is not the one that is right: parameters 0 to 3, result a place. It never frees.
    pub realloc: String,
    /// Its main module alone, which is no component.
    pub core: bool,
    /// The body of `run`: a pointer to the answer is wanted. `$ok` makes one of a pointer and a length.
    pub body: String,
}

/// The manifest of such a component.
pub const MANIFEST: &str = r#"
[addon]
name = "raw"
version = "0.1.0"
description = "Written as text."
kernel = "0.1"
[actions.go]
"#;

/// A table longer than what the host clears of one in place, and how many of its elements are null.
const TABLE: &str = r#"
(table $t 1001 funcref) (func $f) (elem declare func $f)
(data (i32.const 80) "\"left\"\"none\"\"fresh\"")
(func $nulls (result i32) (local $at i32) (local $nulls i32)
    (loop $next
        (local.set $nulls (i32.add (local.get $nulls) (ref.is_null (table.get $t (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 1001))))
    (local.get $nulls))"#;

const LOOK_AND_LEAVE: &str = r#"
(if (i32.ne (call $nulls) (i32.const 1001)) (then (return (call $ok (i32.const 80) (i32.const 6)))))
(table.fill $t (i32.const 0) (ref.func $f) (i32.const 1001))
(if (call $nulls) (then (return (call $ok (i32.const 86) (i32.const 6)))))
(call $ok (i32.const 92) (i32.const 7))"#;

/// The answer `{}`.
pub const DONE: &str = "(call $ok (i32.const 64) (i32.const 2))";

impl Component {
    pub fn with_body(body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::default() }
    }

    /// Looks for functions in its new table, then fills it and leaves it so. Answers `"left"` where it found any, `"none"` where it
    /// does not even find its own, else `"fresh"`.
    pub fn filling_its_table() -> Self {
        Self { fields: TABLE.to_owned(), ..Self::with_body(LOOK_AND_LEAVE) }
    }

    /// The bytes, with the contract in them; a core module takes none.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = wat::parse_str(self.text()).unwrap();
        if self.core {
            return bytes;
        }
        let go = EntryContract {
            name: "go".parse().unwrap(),
            doc: String::new(),
            input: json!(true),
            output: json!(true),
        };
        Contract { actions: vec![go], jobs: Vec::new() }.write(&bytes).unwrap()
    }

    /// With more fields of the main module.
    pub fn and_fields(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    fn text(&self) -> String {
        let Self { outer, fields, body, realloc, core } = self;
        let realloc = if realloc.is_empty() { ALLOCATE } else { realloc };
        let module = format!("{fields} {ANSWER} {REALLOC} {realloc}) {RUN} {body})");
        match core {
            true => format!("(module {module})"),
            false => format!("(component {TYPES} {outer} (core module $main {module}) {EXPORTS})"),
        }
    }
}

const TYPES: &str = r#"
(import "bulla:addon/types@0.1.0" (instance $types
    (type $r (record (field "code" string) (field "message" string) (field "details" (list u8))))
    (export "failure" (type (eq $r)))))
(alias export $types "failure" (type $failure))"#;

/// Memory, and how an answer is laid out at 16.
const ANSWER: &str = r#"
(memory (export "memory") 2)
(data (i32.const 64) "{}")
(global $top (mut i32) (i32.const 4096))
(func $ok (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $ptr))
    (i32.store (i32.const 24) (local.get $len))
    (i32.const 16))
(func (export "describe") (result i32)
    (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 2)) (i32.const 16))"#;

const REALLOC: &str =
    r#"(func (export "realloc") (param i32 i32 i32) (param $new i32) (result i32) (local $at i32)"#;

const ALLOCATE: &str = r#"
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $new)))
    (local.get $at)"#;

const RUN: &str = r#"(func $run (export "run") (param i32 i32 i32 i32) (result i32)"#;

const EXPORTS: &str = r#"
(core instance $main (instantiate $main))
(alias core export $main "memory" (core memory $memory))
(alias core export $main "realloc" (core func $realloc))
(func $run (param "action" string) (param "input" (list u8)) (result (result (list u8) (error $failure)))
    (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))
(func $describe (result (list u8)) (canon lift (core func $main "describe") (memory $memory)))
(instance $actions (export "describe" (func $describe)) (export "run" (func $run)))
(export "bulla:addon/actions@0.1.0" (instance $actions))"#;

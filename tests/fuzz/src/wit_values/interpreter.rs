//! The component that calls what its input lists.
//!
//! The input is copied to [`BASE`]. It starts with two numbers of 32 bits, how many calls and where they stand, counted from
//! `BASE`; then whatever the calls point to. A call is [`CALL`] bytes: the import's number, and a slot of 16 bytes for each of at
//! most [`SLOTS`] core parameters: a flag and, at 8, a value of 64 bits. Under the flag 1 the value is a place where 32 bits
//! stand that are the parameter: so a call can take what an earlier one was answered. The answer of `run` is all of
//! the return areas.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::world::{Import, World, core_type};

pub const BASE: u32 = 0x2_0000;
pub const RETURNS: u32 = 0x18_0000;
/// The bytes of one call's return area.
pub const RETURN: u32 = 64;
pub const SLOTS: usize = 17;
pub const CALL: usize = 8 + SLOTS * 16;
pub const MAX_CALLS: usize = 64;

pub fn component(world: &World) -> Vec<u8> {
    let mut module = wat::parse_str(text(world)).unwrap();
    embed_component_metadata(&mut module, &world.resolve, world.id, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn text(world: &World) -> String {
    let imports = world.import_fields();
    let mut cases = String::new();
    for (at, import) in world.imports.iter().enumerate() {
        writeln!(cases, "(if (i32.eq (local.get $f) (i32.const {at})) (then {}))", call(at, import)).unwrap();
    }
    let returns = RETURN * MAX_CALLS as u32;
    format!(
        r#"(module {imports}
        (memory (export "memory") 64)
        (global $top (mut i32) (i32.const 0x200000))
        (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $new i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
            (global.set $top (i32.add (local.get $at) (local.get $new)))
            (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
                (then (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then (unreachable)))))
            (local.get $at))
        (func $slot (param $p i32) (result i64)
            (if (result i64) (i32.eq (i32.load (local.get $p)) (i32.const 1))
                (then (i64.extend_i32_u (i32.load (i32.wrap_i64 (i64.load offset=8 (local.get $p))))))
                (else (i64.load offset=8 (local.get $p)))))
        (func $call (param $f i32) (param $p i32) {cases})
        (func (export "bulla:addon/actions@0.1.0#run") (param i32 i32 i32 i32) (result i32) (local $n i32) (local $p i32)
            (memory.copy (i32.const {BASE}) (local.get 2) (local.get 3))
            (local.set $n (i32.load (i32.const {BASE})))
            (local.set $p (i32.add (i32.const {BASE}) (i32.load offset=4 (i32.const {BASE}))))
            (block $done (loop $more
                (br_if $done (i32.eqz (local.get $n)))
                (call $call (i32.load (local.get $p)) (local.get $p))
                (local.set $p (i32.add (local.get $p) (i32.const {CALL})))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br $more)))
            (i32.store8 (i32.const 16) (i32.const 0))
            (i32.store (i32.const 20) (i32.const {RETURNS}))
            (i32.store (i32.const 24) (i32.const {returns}))
            (i32.const 16))
        (func (export "bulla:addon/actions@0.1.0#describe") (result i32)
            (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 0)) (i32.const 16)))"#
    )
}

fn call(at: usize, import: &Import) -> String {
    assert!(import.params.len() <= SLOTS, "{}", import.name);
    let arguments: String = (import.params.iter().enumerate())
        .map(|(slot, kind)| {
            let value = format!("(call $slot (i32.add (local.get $p) (i32.const {})))", 8 + slot * 16);
            match core_type(kind) {
                "i64" => value,
                "i32" => format!("(i32.wrap_i64 {value})"),
                other => panic!("no parameter of the kernel is of type {other}"),
            }
        })
        .collect();
    let drops = "(drop)".repeat(import.results.len());
    format!("(call $f{at} {arguments}) {drops}")
}

//! The golden test of fuel schedule `v1`. A number that moves here is a new schedule, not a new number.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::schedule::{self, host};

/// SHA-256 of the written table.
const GOLDEN_TABLE: &str = "91647258351643500d89f87b77f7f067da6caef81923ccc5132b387ec5b9e1f9";

const SUM: &str = "(func $sum (param $n i32) (result i32) (local $s i32)
    (loop $more
        (local.set $s (i32.add (local.get $s) (local.get $n)))
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))";

#[tokio::test]
async fn every_program_costs_what_it_always_did() {
    let programs = [
        ("nothing", "", "(call $done)", 68),
        ("nop", "", "(nop) (block (nop)) (call $done)", 68),
        ("add", "", "(drop (i32.add (i32.const 1) (i32.const 2))) (call $done)", 71),
        ("divide", "", "(drop (i32.div_u (local.get $len) (i32.const 3))) (call $done)", 74),
        ("divide-64", "", "(drop (i64.rem_s (i64.const 7) (i64.const 3))) (call $done)", 76),
        ("root", "", "(drop (f64.sqrt (f64.const 2))) (call $done)", 75),
        ("loop", SUM, "(drop (call $sum (i32.const 1000))) (call $done)", 9073),
        ("grow", "", "(drop (memory.grow (i32.const 4))) (call $done)", 1169),
        ("fill", "", "(memory.fill (i32.const 1000) (i32.const 1) (i32.const 500)) (call $done)", 572),
        ("copy", "", "(memory.copy (i32.const 1000) (i32.const 64) (i32.const 300)) (call $done)", 372),
        ("host", HOST_FIELDS, "(call $take (i32.const 64) (i32.const 10)) (call $done)", 1092),
    ];
    let engine = engine();
    let mut moved = Vec::new();
    for (name, fields, body, golden) in programs {
        let guest = match name {
            "host" => with_host(body),
            _ => Guest { fields, body, ..Guest::default() },
        };
        let loaded = load(&engine, &guest).await.unwrap();
        let ran = call(&engine, &loaded, &limits()).await;
        assert_eq!((ran.output(), ran.usage.schedule), (b"{}".as_slice(), "v1"));
        if ran.usage.fuel.0 != golden {
            moved.push((name, golden, ran.usage.fuel.0));
        }
    }
    assert!(moved.is_empty(), "(program, v1, now): {moved:?}");
}

#[test]
fn the_whole_table_is_what_it_always_was() {
    let written = format!("{:?} {:?}", schedule::INSTRUCTIONS, host::ALL);
    assert_eq!(hex::encode(Sha256::digest(written)), GOLDEN_TABLE);
}

/// A host function without a price would be free work.
#[test]
fn every_function_of_the_kernel_has_a_price() {
    let mut resolve = wit_parser::Resolve::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/kernel-0.1.0");
    let (package, _) = resolve.push_dir(folder).unwrap();
    let mut functions: Vec<String> = resolve.packages[package]
        .interfaces
        .iter()
        .flat_map(|(interface, id)| {
            resolve.interfaces[*id].functions.keys().map(move |name| (interface, name))
        })
        .map(|(interface, name)| {
            format!("{interface}.{}", name.split_once(']').map_or(name.as_str(), |(_, rest)| rest))
        })
        .collect();
    functions.push(host::WASI.name.to_owned());
    let mut priced: Vec<_> = host::ALL.iter().map(|price| price.name.to_owned()).collect();
    functions.sort();
    priced.sort();
    assert_eq!(functions, priced);
}

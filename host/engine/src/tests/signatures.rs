//! How large the functions' signatures are is counted before wasmtime writes them out: it takes a quarter of an hour for what is refused
//! here at once.

use super::*;
use crate::inspect::inspect;

/// A core function of one result to lift, with what lifting needs.
const LIFTED: &str = r#"
    (core module $m
        (memory (export "m") 1)
        (func (export "f") (result i32) (i32.const 0))
        (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
    (core instance $i (instantiate $m))
    (alias core export $i "f" (core func $f))
    (alias core export $i "m" (core memory $memory))
    (alias core export $i "r" (core func $r))"#;
const OPTIONS: &str = "(memory $memory) (realloc $r)";

/// Pairs of pairs, 2^18 bytes in all.
fn pairs() -> String {
    let pair = |at: u32| format!("(type $p{at} (tuple $p{0} $p{0}))", at - 1);
    "(type $p0 (tuple u8 u8))".to_owned() + &(1..=17).map(pair).collect::<String>()
}

/// Lifts a function of such a result.
fn lift(types: &str, result: &str, then: &str) -> String {
    let function = format!("(func $lifted (result {result}) (canon lift (core func $f) {OPTIONS}))");
    format!("(component {types} {LIFTED} {function} {then})")
}

fn size(text: &str) -> u64 {
    let none = StaticLimits { signatures: 0, ..StaticLimits::default() };
    match inspect(&wat::parse_str(text).unwrap(), &none) {
        Err(InspectError::TooMuch { what: "signatures", have, .. }) => have,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_type_counts_with_all_that_it_is_made_of() {
    let of = |types: &str, result: &str| size(&lift(types, result, ""));
    assert_eq!(of("", "u8"), 1);
    assert_eq!(of("", "string"), 1);
    assert_eq!(of("", "(list u8)"), 2);
    assert_eq!(of("", "(option (list u8))"), 3);
    assert_eq!(of("", "(tuple u8 u8 (tuple u8))"), 5);
    assert_eq!(of("", "(result u8 (error string))"), 3);
    assert_eq!(
        of("(type $r (record (field \"a\" u8) (field \"b\" (list u8)))) (export $e \"e\" (type $r))", "$e"),
        6
    );
    assert_eq!(of("(type $v (variant (case \"a\") (case \"b\" u8))) (export $e \"e\" (type $v))", "$e"), 5);
    assert_eq!(of("(type $n (enum \"a\" \"b\" \"c\")) (export $e \"e\" (type $n))", "$e"), 4);
    assert_eq!(of("(type $n (flags \"a\" \"b\")) (export $e \"e\" (type $n))", "$e"), 3);
    assert_eq!(of("(type $s (resource (rep i32))) (export $e \"e\" (type $s))", "(own $e)"), 1);
    let long = format!("(type $n (enum \"{}\")) (export $e \"e\" (type $n))", "a".repeat(1_280));
    assert_eq!(of(&long, "$e"), 12, "a name of 1,280 bytes takes as long as eleven");
    assert_eq!(of(&pairs(), "$p17"), (1 << 19) - 1);
}

#[test]
fn signatures_are_counted_as_often_as_they_are_written_out() {
    let too_much = |text: &str| match inspect(&wat::parse_str(text).unwrap(), &StaticLimits::default()) {
        Err(InspectError::TooMuch { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let lower = format!("(core func (canon lower (func $lifted) {OPTIONS}))");
    assert!(inspect(&wat::parse_str(lift(&pairs(), "$p17", "")).unwrap(), &StaticLimits::default()).is_ok());
    assert_eq!(too_much(&lift(&pairs(), "$p17", &lower)), "signatures");
    let small = lift(&pairs(), "$p13", &lower).replacen("(component", "(component $c", 1);
    let often = "(instance (instantiate $c))".repeat(100);
    assert_eq!(too_much(&format!("(component {small} {often})")), "signatures");
}

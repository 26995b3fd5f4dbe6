//! Each limit of a call fires, with its exact kind.

use bulla_base::{Bytes, Fuel, Limits, Millis};

use super::*;

const SPIN: &str = "(func $spin (loop $again (br $again)))";
const RECURSE: &str = "(func $recurse (param i64 i64) (call $recurse (local.get 0) (local.get 1)))";

#[tokio::test]
async fn an_endless_loop_uses_up_its_fuel() {
    let guest = Guest { fields: SPIN, body: "(call $spin) (unreachable)", ..Guest::default() };
    let ran = once(&guest, &Limits { fuel: Fuel(100_000), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::FuelExhausted);
    assert_eq!(ran.usage.fuel, Fuel(100_000));
    assert_eq!(ran.failure().backtrace[0].function, "spin");
}

#[tokio::test]
async fn with_fuel_to_burn_the_deadline_ends_it() {
    let guest = Guest { fields: SPIN, body: "(call $spin) (unreachable)", ..Guest::default() };
    let ran = once(&guest, &Limits { fuel: Fuel(u64::MAX / 2), deadline: Millis(500), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::Deadline);
    assert_eq!(ran.failure().backtrace[0].function, "spin");
    assert!(ran.usage.elapsed >= Duration::from_millis(500), "{:?}", ran.usage.elapsed);
    assert!(ran.usage.elapsed < Duration::from_secs(10), "{:?}", ran.usage.elapsed);
}

#[tokio::test]
async fn endless_recursion_ends_at_the_stack() {
    let body = "(call $recurse (i64.const 1) (i64.const 2)) (unreachable)";
    let guest = Guest { fields: RECURSE, body, ..Guest::default() };
    let ran = once(&guest, &Limits { fuel: Fuel(1_000_000_000), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::Limit("stack"));
}

#[tokio::test]
async fn a_stack_in_memory_that_grows_below_zero_is_a_limit_and_other_places_outside_are_traps() {
    let store = |place: &str| format!("(i32.store offset=4 (i32.const {place}) (i32.const 1)) (call $done)");
    for (place, kind) in [
        ("-4", FailureKind::Limit("stack")),
        ("-100000", FailureKind::Limit("stack")),
        ("-2000000", FailureKind::Trap),
        ("0x10000", FailureKind::Trap),
        ("0x7fffffff", FailureKind::Trap),
    ] {
        let ran = once(&Guest { body: &store(place), ..Guest::default() }, &limits()).await;
        assert_eq!(ran.kind(), kind, "{place}");
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_and_named() {
    let limits = Limits { memory: Bytes(1 << 20), ..limits() };
    let dies = "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable))) (call $done)";
    let ran = once(&Guest { body: dies, ..Guest::default() }, &limits).await;
    assert_eq!(ran.kind(), FailureKind::Memory);
    assert_eq!(ran.usage.memory_peak, Bytes(64 << 10));

    let lives = "(drop (memory.grow (i32.const 100))) (drop (memory.grow (i32.const 3))) (call $done)";
    let ran = once(&Guest { body: lives, ..Guest::default() }, &limits).await;
    assert_eq!(ran.output(), b"{}");
    assert_eq!(ran.usage.memory_peak, Bytes(256 << 10));
}

#[tokio::test]
async fn a_component_that_starts_too_large_is_a_memory_failure_too() {
    let guest = Guest { body: "(call $done)", pages: 32, ..Guest::default() };
    let ran = once(&guest, &Limits { memory: Bytes(1 << 20), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::Memory);
}

#[tokio::test]
async fn all_memories_count_together() {
    let fields = "(memory $second 1)";
    let body = "(if (i32.eq (memory.grow $second (i32.const 12)) (i32.const -1)) (then (unreachable)))
        (if (i32.eq (memory.grow (i32.const 12)) (i32.const -1)) (then (unreachable))) (call $done)";
    let guest = Guest { fields, body, ..Guest::default() };
    let both = Limits { memory: Bytes(26 * (64 << 10)), ..limits() };
    assert_eq!(once(&guest, &both).await.output(), b"{}");
    let ran = once(&guest, &Limits { memory: Bytes(25 * (64 << 10)), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::Memory);
}

#[tokio::test]
async fn a_pool_slot_caps_the_memory_limit() {
    let config = EngineConfig { memory_slot: Bytes(1 << 20), ..small() };
    let engine = Engine::new(config, None, clock(), None).unwrap();
    let body = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (call $done)";
    let loaded = load(&engine, &Guest { body, ..Guest::default() }).await.unwrap();
    let ran = call(&engine, &loaded, &limits()).await;
    assert_eq!(ran.kind(), FailureKind::Memory);
    assert_eq!(ran.usage.limits.memory, Bytes(1 << 20));
}

#[tokio::test]
async fn tables_are_bounded() {
    let fields = "(table $t 10 funcref)";
    let body = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 991)) (i32.const -1)) (then (unreachable))) (call $done)";
    let guest = Guest { fields, body, ..Guest::default() };
    let ran = once(&guest, &Limits { table_elements: 1_000, ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::Limit("table-elements"));
    let ran = once(&guest, &Limits { table_elements: 1_001, ..limits() }).await;
    assert_eq!(ran.usage.table_elements_peak, 1_001);
}

#[tokio::test]
async fn an_output_is_bounded() {
    let guest = |size: u32| {
        format!(
            "(call $ok (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const {size})) (i32.const {size}))"
        )
    };
    let limits = Limits { output: Bytes(1_000), host_call: Bytes(1_000), ..limits() };
    for (size, fits) in [(1_000, true), (1_001, false), (500_000, false)] {
        let ran = once(&Guest { body: &guest(size), ..Guest::default() }, &limits).await;
        if fits {
            assert_eq!(ran.usage.output, Bytes(1_000));
        } else {
            assert_eq!(ran.kind(), FailureKind::Limit("output"), "{size}");
        }
    }
}

#[tokio::test]
async fn an_input_is_bounded_before_anything_runs() {
    let engine = engine();
    let loaded = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await.unwrap();
    let limits = Limits { input: Bytes(10), ..limits() };
    let ran = call_with(&engine, &loaded, &limits, vec![b' '; 11], State::default()).await;
    assert_eq!(ran.kind(), FailureKind::Limit("input"));
    assert_eq!((ran.usage.fuel, ran.usage.input), (Fuel(0), Bytes(11)));
    let ran = call_with(&engine, &loaded, &limits, vec![b' '; 10], State::default()).await;
    assert_eq!(ran.output(), b"{}");
}

#[tokio::test]
async fn every_failure_has_its_code() {
    use FailureKind::*;
    let all = [
        (GuestError, "guest-error"),
        (Denied, "denied"),
        (InvalidInput, "invalid-input"),
        (InvalidOutput, "invalid-output"),
        (FuelExhausted, "fuel-exhausted"),
        (Deadline, "deadline"),
        (Memory, "memory"),
        (Limit("stack"), "limit"),
        (Busy, "busy"),
        (Trap, "trap"),
        (Incompatible, "incompatible"),
    ];
    for (kind, code) in all {
        assert_eq!(kind.code().name, code);
    }
}

//! How calls live beside and after each other.

use std::time::Instant;

use bulla_base::{Fuel, Limits, Millis};

use super::*;

#[tokio::test]
async fn nothing_is_kept_from_one_call_to_the_next() {
    let fields = "(global $count (mut i32) (i32.const 48))";
    let body = "(global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store8 (i32.const 100) (i32.add (global.get $count) (i32.load8_u (i32.const 100))))
        (call $ok (i32.const 100) (i32.const 1))";
    let engine = engine();
    assert_eq!(engine.allocation(), Allocation::Pooled);
    let loaded = load(&engine, &Guest { fields, body, ..Guest::default() }).await.unwrap();
    let first = call(&engine, &loaded, &limits()).await;
    for _ in 0..20 {
        let ran = call(&engine, &loaded, &limits()).await;
        assert_eq!(ran.output(), b"1");
        assert_eq!(ran.usage.fuel, first.usage.fuel);
    }
}

#[tokio::test]
async fn not_a_number_has_one_form() {
    let body = "(f32.store (i32.const 100) (f32.div (f32.const 0) (f32.const 0)))
        (f64.store (i32.const 104) (f64.sqrt (f64.const -1)))
        (call $ok (i32.const 100) (i32.const 12))";
    let ran = once(&Guest { body, ..Guest::default() }, &limits()).await;
    assert_eq!(ran.output(), [0, 0, 0xc0, 0x7f, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);
}

#[tokio::test]
async fn a_refusal_is_the_guests_own() {
    let body = "(call $err (i32.const 66) (i32.const 4) (i32.const 70) (i32.const 5))";
    let ran = once(&Guest { body, ..Guest::default() }, &limits()).await;
    let expected =
        GuestError { code: "code".to_owned(), message: "wrong".to_owned(), details: b"{}".to_vec() };
    assert_eq!(ran.outcome, Outcome::GuestError(expected));
}

#[tokio::test]
async fn a_malformed_refusal_is_an_invalid_output() {
    for (code, message) in [(0, 5), (64, 5), (4, 4_097)] {
        let body =
            format!("(call $err (i32.const 66) (i32.const {code}) (i32.const 70) (i32.const {message}))");
        let ran = once(&Guest { body: &body, ..Guest::default() }, &limits()).await;
        assert_eq!(ran.kind(), FailureKind::InvalidOutput, "{code} {message}");
    }
}

#[tokio::test]
async fn a_trap_names_the_guests_functions() {
    let fields = "(func $totals.sum_lines (unreachable))
        (func $_ZN8einvoice5issue17h0123456789abcdefE (call $totals.sum_lines))";
    let body = "(call $_ZN8einvoice5issue17h0123456789abcdefE) (call $done)";
    let ran = once(&Guest { fields, body, ..Guest::default() }, &limits()).await;
    assert_eq!(ran.kind(), FailureKind::Trap);
    let names: Vec<_> = ran.failure().backtrace.iter().map(|frame| frame.function.as_str()).collect();
    assert_eq!(names, ["totals.sum_lines", "einvoice::issue", "run"]);
    assert!(ran.failure().detail.contains("unreachable"), "{}", ran.failure().detail);
    assert!(!ran.failure().message.contains("einvoice"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_spinning_guests_do_not_hold_up_a_third() {
    let engine = engine();
    let spin = Guest {
        fields: "(func $spin (loop $again (br $again)))",
        body: "(call $spin) (unreachable)",
        ..Guest::default()
    };
    let spin = load(&engine, &spin).await.unwrap();
    let quick = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await.unwrap();
    let long = Limits { fuel: Fuel(u64::MAX / 2), deadline: Millis(3_000), ..limits() };
    let spinners = [(); 2].map(|()| {
        let (engine, spin) = (engine.clone(), spin.clone());
        tokio::spawn(async move { call(&engine, &spin, &long).await })
    });
    tokio::time::sleep(Duration::from_millis(50)).await;

    let task = tokio::spawn(async move { call(&engine, &quick, &limits()).await });
    assert_eq!(task.await.unwrap().output(), b"{}");
    assert!(spinners.iter().all(|spinner| !spinner.is_finished()), "the third call waited for the spinners");
    for spinner in spinners {
        assert_eq!(spinner.await.unwrap().kind(), FailureKind::Deadline);
    }
}

#[tokio::test]
async fn without_address_space_calls_are_allocated_on_demand() {
    let config = EngineConfig { instances: 50_000, ..small() };
    let engine = Engine::new(config, None, clock(), None).unwrap();
    assert_eq!(engine.allocation(), Allocation::OnDemand);
    let loaded = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await.unwrap();
    assert_eq!(call(&engine, &loaded, &limits()).await.output(), b"{}");
}

#[tokio::test]
async fn every_call_that_is_let_in_has_its_memories_and_tables() {
    let config = EngineConfig { instances: 130, ..EngineConfig::default() };
    let calls = config.instances;
    let engine = Engine::new(config, None, clock(), None).unwrap();
    // With the memory of its allocator, as many as a component may have.
    let both =
        "(core instance (instantiate $both))".repeat(3) + &"(core instance (instantiate $table))".repeat(13);
    let modules = "(core module $both (memory 1) (table 1 funcref)) (core module $table (table 1 funcref))";
    let imports = format!("{HOST} {modules} {both}");
    let waits = Guest { imports: &imports, ..with_host("(call $wait) (call $done)") };
    let waits = load(&engine, &waits).await.unwrap();
    let short = Limits { deadline: Millis(2_000), ..limits() };
    let at_once = (0..calls).map(|_| {
        let (engine, waits) = (engine.clone(), waits.clone());
        tokio::spawn(async move { call(&engine, &waits, &short).await.kind() })
    });
    for kind in at_once.collect::<Vec<_>>() {
        assert_eq!(kind.await.unwrap(), FailureKind::Deadline);
    }
}

#[tokio::test]
async fn an_addon_without_jobs_has_none_to_run() {
    let engine = engine();
    let loaded = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await.unwrap();
    assert!(!loaded.has_jobs());
    let (outcome, _, _) = run(&engine, &loaded, Entry::Job, "go", &[], &limits(), State::default()).await;
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::Incompatible);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "measures the engine itself")]
async fn a_dropped_call_ends_at_once() {
    let engine = engine();
    let waits = load(&engine, &with_host("(call $hang) (call $done)")).await.unwrap();
    let started = Instant::now();
    let dropped = tokio::time::timeout(Duration::from_millis(20), call(&engine, &waits, &limits())).await;
    assert!(dropped.is_err() && started.elapsed() < Duration::from_secs(2));
}

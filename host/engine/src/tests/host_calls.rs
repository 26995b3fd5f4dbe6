//! What goes through the host's functions: bytes, handles, fuel, waiting.

use bulla_base::{Bytes, Fuel, Limits, Millis};

use super::*;

fn take(times: u32, bytes: u32) -> String {
    format!(
        "(local $n i32) (local.set $n (i32.const {times}))
         (drop (memory.grow (i32.const 16)))
         (loop $more (call $take (i32.const 64) (i32.const {bytes}))
             (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $done)"
    )
}

#[tokio::test]
async fn one_host_call_is_bounded() {
    let limits = Limits { host_call: Bytes(1_000), output: Bytes(1_000), ..limits() };
    // The second is stopped by wasmtime before our function runs, the first by our function's charge.
    for (bytes, fits) in [(1_000, true), (1_001, false), (500_000, false)] {
        let ran = once(&with_host(&take(1, bytes)), &limits).await;
        if fits {
            assert_eq!(ran.usage.host_bytes_in, Bytes(1_000));
        } else {
            assert_eq!(ran.kind(), FailureKind::Limit("host-call"), "{bytes}");
            assert_eq!(ran.effects, 0);
        }
    }
}

#[tokio::test]
async fn all_host_calls_together_are_bounded() {
    let limits = Limits { host_calls: Bytes(1_000), ..limits() };
    let ran = once(&with_host(&take(10, 100)), &limits).await;
    assert_eq!(ran.output(), b"{}");
    let ran = once(&with_host(&take(11, 100)), &limits).await;
    assert_eq!((ran.kind(), ran.effects), (FailureKind::Limit("host-calls"), 10));
    assert_eq!(ran.usage.calls["log.take"], 11);
}

#[tokio::test]
async fn handles_are_bounded() {
    let body = |times| {
        format!(
            "(local $n i32) (local.set $n (i32.const {times}))
             (loop $more (drop (call $make)) (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (call $done)"
        )
    };
    let limits = Limits { handles: 10, ..limits() };
    assert_eq!(once(&with_host(&body(10)), &limits).await.output(), b"{}");
    assert_eq!(once(&with_host(&body(11)), &limits).await.kind(), FailureKind::Limit("handles"));
}

#[tokio::test]
async fn fuel_is_taken_before_the_effect() {
    // One call costs 1,000 and 2 for each of its 100 bytes.
    let free = once(&with_host(&take(1, 0)), &limits()).await.usage.fuel.0;
    let paid = once(&with_host(&take(1, 100)), &limits()).await.usage.fuel.0;
    assert_eq!(paid - free, 200);

    let body = take(3, 100);
    let whole = once(&with_host(&body), &limits()).await;
    assert_eq!(whole.effects, 3);
    let ran = once(&with_host(&body), &Limits { fuel: Fuel(whole.usage.fuel.0 - 1_000), ..limits() }).await;
    assert_eq!((ran.kind(), ran.effects), (FailureKind::FuelExhausted, 2));
    assert_eq!(ran.usage.fuel, ran.usage.limits.fuel);
}

/// What a guest's allocator asks of the engine comes between a host function and its end.
#[tokio::test]
async fn the_price_is_taken_where_the_allocator_grows_the_memory_as_well() {
    let body = |length| format!("(call $give (i32.const {length}) (i32.const 128)) (call $done)");
    for length in [10, 60_000, 600_000] {
        let ran = once(&with_host(&body(length)), &limits()).await;
        assert_eq!((ran.output(), ran.usage.calls["log.give"]), (b"{}".as_slice(), 1));
        assert!(ran.usage.fuel.0 >= GIVE.flat, "{length} bytes for {} of fuel", ran.usage.fuel.0);
    }
    // And before the allocator runs: it does not live on what is owed.
    let poor = Limits { fuel: Fuel(GIVE.flat + 40), ..limits() };
    assert_eq!(once(&with_host(&body(600_000)), &poor).await.kind(), FailureKind::FuelExhausted);
}

#[tokio::test]
async fn a_waiting_host_function_races_the_deadline() {
    let limits = Limits { deadline: Millis(700), ..limits() };
    let raced = once(&with_host("(call $wait) (call $done)"), &limits).await;
    assert_eq!(raced.kind(), FailureKind::Deadline);
    assert_eq!(raced.failure().backtrace[0].function, "run");

    // One that does not race is dropped a little later, and the guest's stack with it.
    let hung = once(&with_host("(call $hang) (call $done)"), &limits).await;
    assert_eq!(hung.kind(), FailureKind::Deadline);
    assert!(hung.failure().backtrace.is_empty());
    assert!(hung.usage.elapsed < Duration::from_secs(10));
}

#[tokio::test]
async fn without_a_free_instance_the_call_is_busy() {
    let engine = Engine::new(EngineConfig { instances: 1, ..small() }, None, clock(), None).unwrap();
    let waits = load(&engine, &with_host("(call $wait) (call $done)")).await.unwrap();
    let long = Limits { deadline: Millis(3_000), ..limits() };
    let short = Limits { deadline: Millis(300), ..limits() };
    let (first, second) = tokio::join!(call(&engine, &waits, &long), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        call(&engine, &waits, &short).await
    });
    assert_eq!(first.kind(), FailureKind::Deadline);
    assert_eq!(second.kind(), FailureKind::Busy);
    assert!(second.failure().failure().retry_after.is_some());
    let third = call(&engine, &waits, &short).await;
    assert_eq!(third.kind(), FailureKind::Deadline, "the slot is free again");
}

#[test]
fn log_lines_are_dropped_beyond_the_limit_and_the_drop_is_told_once() {
    let mut meter = Meter::new();
    meter.start(Limits { log: Bytes(10), ..limits() }, clock());
    let verdicts = [6, 4, 1, 1].map(|bytes| meter.log(bytes));
    assert_eq!(verdicts, [LogVerdict::Keep, LogVerdict::Keep, LogVerdict::FirstDropped, LogVerdict::Dropped]);
    assert_eq!(meter.usage(0).log, Bytes(10));
}

#[test]
fn what_the_host_gives_counts_as_well() {
    let mut meter = Meter::new();
    meter.start(Limits { host_call: Bytes(10), host_calls: Bytes(15), ..limits() }, clock());
    assert_eq!(meter.give(11), Err(LimitFired { name: "host-call", limit: 10 }));
    meter.start(Limits { host_call: Bytes(10), host_calls: Bytes(15), ..limits() }, clock());
    assert_eq!(meter.give(10), Ok(()));
    assert_eq!(meter.give(6), Err(LimitFired { name: "host-calls", limit: 15 }));
}

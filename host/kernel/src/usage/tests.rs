use bulla_base::{Bytes, Fuel, Millis, codes};

use super::model::Counters;
use super::*;
use crate::ports::Usage;

fn usage(fuel: u64, elapsed: u64, memory: u64) -> Usage {
    Usage {
        fuel: Fuel(fuel),
        memory_peak: Bytes(memory),
        elapsed: Millis(elapsed),
        host_bytes: Bytes(0),
        log_bytes: Bytes(0),
    }
}

#[test]
fn a_budget_is_exceeded_by_more_than_itself() {
    let budget = Budget { fuel: Some(Fuel(1_000)), time: Some(Millis(200)), memory: Some(Bytes(1 << 20)) };
    assert_eq!(over_budget(&budget, &usage(1_000, 200, 1 << 20)), None);
    assert_eq!(over_budget(&Budget::default(), &usage(u64::MAX, u64::MAX, u64::MAX)), None);
    let warning = over_budget(&budget, &usage(1_001, 200, 2 << 20)).unwrap();
    assert_eq!(warning.to_string(), "fuel 1001 over 1k, memory 2MiB over 1MiB");
    let slow = over_budget(&budget, &usage(0, 201, 0)).unwrap();
    assert_eq!(
        serde_json::to_value(&slow).unwrap(),
        serde_json::json!({"exceeded": [{"what": "time", "budget": "200ms", "used": "201ms"}]})
    );
}

#[test]
fn counters_add_up_and_stop_at_their_end() {
    let mut counters = Counters::default();
    counters.count(&usage(5, 2, 100), Ok(()), false, 50);
    counters.count(&usage(7, 3, 80), Err(codes::TRAP), true, 60);
    counters.count(&usage(u64::MAX, 1, 0), Err(codes::TRAP), false, 70);
    assert_eq!((counters.calls, counters.ok, counters.over_budget), (3, 1, 1));
    assert_eq!(counters.failed, [("trap".to_owned(), 2)].into());
    assert_eq!((counters.fuel, counters.elapsed_ms, counters.memory_peak), (i64::MAX, 6, 100));
    assert_eq!((counters.first_ms, counters.last_ms), (50, 70));
    let mut total = Counters::default();
    total.add(&counters);
    assert_eq!(total, counters);
}

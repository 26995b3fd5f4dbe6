//! Jobs: in the call's transaction, at least once, retried, then a dead letter.

use bulla_suite::{Bench, Tenant, until};
use serde_json::{Value, json};

fn nuisance(bench: &Bench, id: &str) -> Tenant {
    let tenant = bench.tenant(id);
    tenant.install(&bench.publisher.package("nuisance"), None).ok();
    tenant
}

fn enqueue(tenant: &Tenant, job: &str, more: Value) -> String {
    let mut order = json!({ "job": job });
    for (name, value) in more.as_object().into_iter().flatten() {
        order[name] = value.clone();
    }
    tenant.call("nuisance/enqueue", &order).data().as_str().unwrap().to_owned()
}

/// Entries of work that was done, but for the job that ticks by itself.
fn worked(tenant: &Tenant, label: &str) -> usize {
    tenant.audit(&format!("event=addon.worked&object=task/{label}")).len()
}

#[test]
fn a_job_runs_as_its_caller_under_its_callers_trace() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let reply = acme.call("nuisance/enqueue", &json!({"job": "work", "payload": {"label": "a"}}));
    let id = reply.data().as_str().unwrap().to_owned();
    let job = acme.job_becomes(&id, "succeeded");
    assert_eq!(
        (&job["attempt"], &job["subject"], &job["trace"]),
        (&json!(1), &json!("clerk"), &json!(reply.trace()))
    );
    let entry = acme.audit("event=addon.worked&object=task/a").remove(0);
    assert_eq!((&entry["trace"], &entry["subject"]), (&json!(reply.trace()), &json!("clerk")));
}

#[test]
fn a_job_that_always_fails_becomes_a_dead_letter_and_an_operator_may_try_again() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let id = enqueue(&acme, "fail", json!({"payload": {"label": "f"}}));
    let dead = acme.job_becomes(&id, "dead");
    assert_eq!((&dead["attempt"], &dead["max-attempts"]), (&json!(3), &json!(3)), "two retries: {dead}");
    assert_eq!(dead["error-code"], "guest-error");
    assert_eq!(worked(&acme, "f"), 0, "a failed attempt leaves nothing");
    assert_eq!(acme.jobs("dead").len(), 1);
    acme.admin.poke(&acme.path(&format!("/jobs/{id}/retry"))).ok();
    until("another attempt", || Some(acme.job(&id)).filter(|job| job["attempt"].as_u64() > Some(3)));
    acme.job_becomes(&id, "dead");
    acme.admin.post(&acme.path(&format!("/jobs/{id}/cancel")), &json!({"reason": "given up"})).ok();
    assert_eq!(acme.job(&id)["state"], "cancelled");
    acme.admin.poke(&acme.path(&format!("/jobs/{id}/retry"))).refused("conflict");
}

#[test]
fn a_job_that_fails_twice_is_done_once() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let id = enqueue(&acme, "flaky", json!({"payload": {"label": "l", "failures": 2}}));
    let done = acme.job_becomes(&id, "succeeded");
    assert_eq!((&done["attempt"], &done["result"]), (&json!(3), &json!(3)), "{done}");
    assert_eq!(worked(&acme, "l"), 1);
}

#[test]
fn a_job_that_spins_ends_with_its_fuel() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let id = enqueue(&acme, "spin", json!({}));
    assert_eq!(acme.job_becomes(&id, "dead")["error-code"], "fuel-exhausted");
    let id = enqueue(&acme, "work", json!({}));
    acme.job_becomes(&id, "succeeded");
}

#[test]
fn a_call_that_fails_enqueues_nothing() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let count = |count: u32| json!({ "count": count });
    acme.call("nuisance/enqueue_and_trap", &count(10)).refused("trap");
    let reply = acme.call("nuisance/enqueue_many", &count(1_001));
    assert!(reply.guest_refused("limit").to_string().contains("jobs"), "{}", reply.text);
    acme.call("nuisance/enqueue_for_ever", &json!({})).refused("fuel-exhausted");
    acme.call("nuisance/enqueue", &json!({"job": "unlisted"})).guest_refused("not-found");
    acme.call("nuisance/enqueue", &json!({"job": "work", "delay-ms": 40_000_000_000u64}))
        .guest_refused("invalid");
    // The job that ticks by itself is the host's.
    let by_the_guest = |entry: &Value| entry["subject"] == "clerk";
    assert!(!acme.audit("event=job.enqueued").iter().any(by_the_guest));
    // As many as a call may.
    acme.call("nuisance/enqueue_many", &count(100)).ok();
    until("all of them", || (worked(&acme, "") == 100).then_some(()));
}

#[test]
fn a_unique_key_names_the_job_that_waits_and_a_cancelled_one_never_runs() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    let order = json!({"delay-ms": 3_600_000, "unique-key": "once", "payload": {"label": "u"}});
    let first = enqueue(&acme, "work", order.clone());
    assert_eq!(enqueue(&acme, "work", order.clone()), first);
    let job = acme.job(&first);
    assert_eq!(job["state"], "waiting");
    assert!(job["due-ms"].as_i64().unwrap() - job["created-ms"].as_i64().unwrap() >= 3_600_000, "{job}");
    acme.admin.post(&acme.path(&format!("/jobs/{first}/cancel")), &json!({"reason": "not needed"})).ok();
    assert_eq!(acme.job(&first)["state"], "cancelled");
    assert_ne!(enqueue(&acme, "work", order), first);
    assert_eq!(worked(&acme, "u"), 0);
}

#[test]
fn an_interval_runs_by_itself_until_the_addon_is_disabled() {
    let bench = Bench::start();
    let acme = nuisance(&bench, "acme");
    until("three ticks", || (worked(&acme, "tick") >= 3).then_some(()));
    acme.admin.poke(&acme.path("/addons/nuisance/disable")).ok();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let count = worked(&acme, "tick");
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert!(worked(&acme, "tick") <= count + 1);
}

#[test]
fn jobs_that_wait_survive_a_kill() {
    let mut bench = Bench::start();
    let mut acme = nuisance(&bench, "acme");
    let id = enqueue(&acme, "work", json!({"delay-ms": 1_500, "payload": {"label": "k"}}));
    bench.server.kill();
    bench.server.start_again();
    bench.follow(&mut [&mut acme]);
    acme.job_becomes(&id, "succeeded");
    assert_eq!(worked(&acme, "k"), 1);
}

#[test]
fn a_tenants_jobs_are_its_own() {
    let bench = Bench::start();
    let (acme, rival) = (nuisance(&bench, "acme"), nuisance(&bench, "rival"));
    let id = enqueue(&acme, "work", json!({"delay-ms": 3_600_000}));
    rival.admin.get(&rival.path(&format!("/jobs/{id}"))).refused("not-found");
    rival.admin.get(&acme.path(&format!("/jobs/{id}"))).refused("forbidden");
    assert!(rival.jobs("waiting").iter().all(|job| job["id"] != id));
}

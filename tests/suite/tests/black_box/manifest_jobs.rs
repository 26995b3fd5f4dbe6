//! The fields of the manifest's jobs, for `every_manifest_field_is_read`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulla_base::{Clock as _, SystemClock};
use bulla_suite::addons::{all_of, edited, guest, of_next_version};
use bulla_suite::invoices::{numbered, submit};
use bulla_suite::{Answer, Bench, Receiver, Tenant, manifest, until, within};
use serde_json::{Value, json};

use crate::manifest::{Proof, install, tenant, unlike_the_contract};

pub const FIELDS: &[Proof] = &[
    ("jobs", jobs),
    ("jobs.schedule", schedule),
    ("jobs.every", every),
    ("jobs.lock-key", lock_key),
    ("jobs.fairness", fairness),
    ("jobs.retries", retries),
    ("jobs.backoff", backoff),
    ("jobs.circuit.failures", |bench| circuit(bench, "failures")),
    ("jobs.circuit.pause", |bench| circuit(bench, "pause")),
    ("jobs.budget", budget),
];

fn enqueue(tenant: &Tenant, job: &str) -> String {
    let order = json!({"job": job, "payload": {"label": job}});
    tenant.call("nuisance/enqueue", &order).data().as_str().unwrap().to_owned()
}

fn ticks(tenant: &Tenant) -> usize {
    tenant.audit("event=addon.worked&object=task/tick").len()
}

fn jobs(bench: &Bench) {
    let fewer = edited(&manifest("nuisance"), "jobs.work", None);
    let more = edited(&manifest("nuisance"), "jobs.rest", Some(toml::Table::new().into()));
    unlike_the_contract(bench, "nuisance", &[(fewer, "work"), (more, "rest")]);
}

fn schedule(bench: &Bench) {
    let text = edited(&manifest("nuisance"), "jobs.tick.every", None);
    let never = tenant(bench, "jobs-no-schedule");
    never.install(&bench.publisher.seal(&text, &guest("nuisance")), None).ok();
    let wrong = edited(&text, "jobs.tick.schedule", Some("99 * * * *".into()));
    match bench.publisher.try_seal(&wrong, &guest("nuisance")) {
        Ok(package) => drop(never.install(&package, None).refused("manifest-invalid")),
        Err(error) => assert!(error.contains("schedule"), "{error}"),
    }
    let minutely = tenant(bench, "jobs-schedule");
    let cron = edited(&text, "jobs.tick.schedule", Some("* * * * *".into()));
    minutely.install(&bench.publisher.seal(&cron, &guest("nuisance")), None).ok();
    within(Duration::from_secs(75), || (ticks(&minutely) > 0).then_some(())).unwrap();
    assert_eq!(ticks(&never), 0);
}

fn every(bench: &Bench) {
    let rare = tenant(bench, "jobs-every-hour");
    install(bench, &rare, "nuisance", "jobs.tick.every", "1h", "");
    let often = tenant(bench, "jobs-every-second");
    install(bench, &often, "nuisance", "jobs.tick.every", "1s", "");
    until("three ticks", || (ticks(&often) >= 3).then_some(()));
    assert!(ticks(&rare) <= 1);
}

/// Two deliveries at once, or one after the other.
fn lock_key(bench: &Bench) {
    let most_at_once = |field: Option<&str>| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (inside, peak) = (now.clone(), most.clone());
        let receiver = Receiver::start(move |_| {
            peak.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(700));
            inside.fetch_sub(1, Ordering::SeqCst);
            Answer::status(200)
        });
        let id = field.unwrap_or("none");
        let tenant = bulla_suite::invoices::tenant(bench, &format!("lock-{id}"), &receiver.origin());
        let text = edited(
            &of_next_version(&manifest("einvoice")),
            "jobs.deliver.lock-key",
            field.map(toml::Value::from),
        );
        let package = bench.publisher.seal(&text, &guest("einvoice"));
        tenant.reinstall("einvoice", &package, Some(&all_of(&text, &receiver.origin()))).ok();
        std::thread::scope(|scope| {
            for turn in 0..3 {
                let (tenant, to) = (&tenant, receiver.url("/"));
                scope.spawn(move || {
                    let document = numbered("standard", &format!("L-{turn}"));
                    submit(tenant, &format!("k{turn}"), &document, &to).ok();
                });
            }
        });
        receiver.wait_for(3);
        until("the last answer", || (now.load(Ordering::SeqCst) == 0).then_some(()));
        most.load(Ordering::SeqCst)
    };
    assert_eq!(most_at_once(Some("deliver")), 1);
    assert!(most_at_once(None) > 1);
}

/// Many bulk jobs and one interactive one fall due together: it does not wait for all of them.
fn fairness(bench: &Bench) {
    let tenant = tenant(bench, "jobs-fairness");
    let text = edited(&manifest("nuisance"), "jobs.work.fairness", Some("bulk".into()));
    let text = edited(&text, "jobs.flaky.fairness", Some("interactive".into()));
    tenant.install(&bench.publisher.seal(&text, &guest("nuisance")), None).ok();
    // All due at one moment, however long it takes to enqueue them.
    let clock = SystemClock::new();
    let due = Duration::from_secs(15);
    let later = |job: &str| {
        let delay = due.saturating_sub(clock.monotonic()).as_millis() as u64;
        let order = json!({"job": job, "delay-ms": delay, "payload": {"label": "fair"}});
        tenant.call("nuisance/enqueue", &order).data().as_str().unwrap().to_owned()
    };
    let bulk: Vec<_> = (0..60).map(|_| later("work")).collect();
    let urgent = later("flaky");
    assert_eq!(tenant.job(&urgent)["fairness"], "interactive");
    assert_eq!(tenant.job(&bulk[0])["fairness"], "bulk");
    let finished = |id: &str| tenant.job_becomes(id, "succeeded")["finished-ms"].as_i64().unwrap();
    let urgent = finished(&urgent);
    let before = bulk.iter().filter(|id| finished(id) < urgent).count();
    assert!(before < 40, "{before} of 60 bulk jobs went first");
}

fn retries(bench: &Bench) {
    let tenant = tenant(bench, "jobs-retries");
    install(bench, &tenant, "nuisance", "jobs.fail.retries", 0, "");
    let dead = tenant.job_becomes(&enqueue(&tenant, "fail"), "dead");
    assert_eq!((&dead["attempt"], &dead["max-attempts"]), (&json!(1), &json!(1)));
}

fn backoff(bench: &Bench) {
    let tenant = tenant(bench, "jobs-backoff");
    install(bench, &tenant, "nuisance", "jobs.fail.backoff", "1h", "");
    let id = enqueue(&tenant, "fail");
    let waiting = until("the first failure", || {
        Some(tenant.job(&id)).filter(|job| job["attempt"] == 1 && job["state"] == "waiting")
    });
    let wait = waiting["due-ms"].as_i64().unwrap() - waiting["created-ms"].as_i64().unwrap();
    assert!(wait > 20 * 60 * 1_000, "{waiting}");
}

/// After one failure the job pauses: for an hour, or for a second.
fn circuit(bench: &Bench, field: &str) {
    let start = |id: &str, failures: i64, pause: &str, patience: u64| -> (Tenant, Value) {
        let tenant = tenant(bench, &format!("circuit-{field}-{id}"));
        let circuit = toml::Table::from_iter([
            ("failures".to_owned(), failures.into()),
            ("pause".to_owned(), toml::Value::from(pause)),
        ]);
        let text = edited(&manifest("nuisance"), "jobs.fail.circuit", Some(circuit.into()));
        let text = edited(&text, "jobs.fail.retries", Some(0.into()));
        tenant.install(&bench.publisher.seal(&text, &guest("nuisance")), None).ok();
        let first = enqueue(&tenant, "fail");
        tenant.job_becomes(&first, "dead");
        let second = enqueue(&tenant, "fail");
        let dead = within(Duration::from_secs(patience), || {
            Some(tenant.job(&second)).filter(|job| job["state"] == "dead")
        });
        (tenant, dead.unwrap_or_default())
    };
    let (paused, second) = start("paused", 1, "1h", 6);
    assert!(second.is_null(), "it ran during the pause: {second}");
    assert!(
        paused.audit("limit=1000").iter().any(|entry| entry["event"].as_str().unwrap().contains("circuit"))
    );
    let (_, second) = match field {
        "failures" => start("patient", 5, "1h", 30),
        _ => start("brief", 1, "1s", 30),
    };
    assert_eq!(second["state"], "dead");
}

fn budget(bench: &Bench) {
    let tenant = tenant(bench, "jobs-budget");
    install(bench, &tenant, "nuisance", "jobs.work.budget.fuel", "10", "");
    tenant.job_becomes(&enqueue(&tenant, "work"), "succeeded");
    assert_eq!(tenant.audit("event=call.over-budget&object=nuisance/work").len(), 1);
}

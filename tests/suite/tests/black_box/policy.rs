//! Policies change while calls run: in one step, and only to something valid.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulla_suite::patience::RaisedOnDrop;
use bulla_suite::{Bench, Tenant};
use serde_json::{Value, json};

fn glutton(bench: &Bench) -> Tenant {
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    acme
}

fn quotas(bench: &Bench, more: &str) {
    let defaults =
        std::fs::read_to_string(bulla_suite::cli::repository().join("policies/quotas.toml")).unwrap();
    bench.server.data().write_policy("quotas.toml", &format!("{defaults}\n{more}\n"));
}

fn limit(tenant: &Tenant, name: &str) -> Value {
    let explained = tenant.admin.get(&tenant.path("/policy/glutton")).data();
    let all = explained["limits"].as_array().unwrap();
    all.iter().find(|limit| limit["limit"] == name).unwrap_or_else(|| panic!("{explained}")).clone()
}

#[test]
fn the_least_wins_and_explain_says_whose_it_was() {
    let bench = Bench::start();
    let acme = glutton(&bench);
    assert_eq!(limit(&acme, "fuel")["value"], "50M");
    assert_eq!(limit(&acme, "log")["value"], "16KiB", "the manifest's is stricter than the tier's");
    assert!(limit(&acme, "log")["source"].as_str().unwrap().contains("manifest"));
    quotas(&bench, "[tenant.acme]\noverride.fuel = \"2M\"\n[tenant.acme.addon.glutton]\nfuel = \"1M\"");
    bench.operator.poke("/v1/policy/reload").ok();
    let fuel = limit(&acme, "fuel");
    assert_eq!(fuel["value"], "1M");
    assert!(!fuel["beaten"].as_array().unwrap().is_empty(), "{fuel}");
    let reply = acme.call("glutton/spin", &json!({}));
    assert!(reply.refused("fuel-exhausted")["detail"].as_str().unwrap().contains('1'), "{}", reply.text);
}

#[test]
fn an_invalid_policy_leaves_the_old_one_in_force() {
    let bench = Bench::start();
    let acme = glutton(&bench);
    let version = |acme: &Tenant| acme.admin.get(&acme.path("/policy/glutton")).data()["version"].clone();
    let before = version(&acme);
    for wrong in ["[tenant.acme]\ntier = \"none\"", "[tier.x]\nfuel = 5", "[", "[tier.y]\nspeed = \"1\""] {
        quotas(&bench, wrong);
        bench.operator.poke("/v1/policy/reload").refused("policy-invalid");
        assert_eq!(version(&acme), before);
        acme.call("glutton/noop", &json!({})).ok();
    }
    quotas(&bench, "");
    bench.server.data().write_policy("extra.cedar", "permit (principal, action, resource");
    bench.operator.poke("/v1/policy/reload").refused("policy-invalid");
    acme.auditor.get(&acme.path("/keys")).refused("forbidden");
    std::fs::remove_file(bench.server.data().policy("extra.cedar")).unwrap();
    bench.operator.poke("/v1/policy/reload").ok();
}

#[test]
fn a_role_that_was_taken_away_passes_no_more_though_its_decision_was_remembered() {
    let bench = Bench::start();
    let acme = glutton(&bench);
    for _ in 0..5 {
        acme.call("glutton/noop", &json!({})).ok();
    }
    let file = bench.server.data().policy("caller.cedar");
    let text = std::fs::read_to_string(&file).unwrap();
    bench.server.data().write_policy("caller.cedar", &text.replace("Action::\"action:call\", ", ""));
    let reloaded = bench.operator.poke("/v1/policy/reload").data();
    acme.call("glutton/noop", &json!({})).refused("forbidden");
    bench.server.data().write_policy("caller.cedar", &text);
    let back = bench.operator.poke("/v1/policy/reload").data();
    assert_ne!(reloaded["version"], back["version"]);
    let reply = acme.call("glutton/flood_audit", &json!({"count": 1}));
    reply.ok();
    let entry = acme.audit(&format!("trace={}", reply.trace())).remove(0);
    assert_eq!(entry["policy"], back["version"], "the version that decided is in the audit: {entry}");
}

#[test]
fn policies_are_reloaded_under_load_without_a_wrong_answer() {
    let bench = Bench::start();
    let acme = glutton(&bench);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut calls = 0;
                    while !stop.load(Ordering::Relaxed) {
                        // Below the tenant's own rate.
                        std::thread::sleep(Duration::from_millis(30));
                        acme.call("glutton/noop", &json!({})).ok();
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        let raised = RaisedOnDrop(&stop);
        for turn in 0..20 {
            std::thread::sleep(Duration::from_millis(20));
            quotas(&bench, &format!("[tenant.acme]\noverride.fuel = \"{}M\"", 10 + turn % 2));
            bench.operator.poke("/v1/policy/reload").ok();
        }
        drop(raised);
        assert!(callers.into_iter().map(|caller| caller.join().unwrap()).sum::<u32>() > 20);
    });
}

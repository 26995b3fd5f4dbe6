//! What is not granted is denied: before any effect, and the audit log says so.

use bulla_suite::trespasser::{draw, grants, outgoing, tenant};
use bulla_suite::{Answer, Bench, Gate, Receiver, Reply, Tenant, until};
use serde_json::{Value, json};

/// Entries that stand for an effect; a denied call has none under its trace.
fn effects(tenant: &Tenant, trace: &str) -> Vec<Value> {
    let mut entries = tenant.audit(&format!("trace={trace}"));
    let observations =
        ["call.denied", "call.failed", "call.limited", "secret.used", "secret.answered", "key.used"];
    entries.retain(|entry| !observations.contains(&entry["event"].as_str().unwrap()));
    entries
}

fn denials(tenant: &Tenant, trace: &str) -> Vec<Value> {
    let mut entries = tenant.audit(&format!("trace={trace}"));
    entries.retain(|entry| entry["event"] == "call.denied");
    entries
}

#[test]
fn what_is_not_granted_is_denied_and_the_log_says_so() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let used = |alias: &str, purpose: &str| json!({"alias": alias, "purpose": purpose});
    let asked = |scope: &str| json!({"scope": scope, "total": "500"});
    let sent = |alias: &str, url: &str| json!({"url": url, "alias": alias, "purpose": "delivery"});
    let here = receiver.url("/");
    let cases = [
        // Asked for and withheld; not even asked for.
        ("draw", draw("withheld", 1), "withheld"),
        ("draw", draw("unasked", 1), "unasked"),
        ("peek", json!("withheld"), "withheld"),
        ("sign", used("withheld", "invoice"), "withheld"),
        ("sign", used("unasked", "invoice"), "unasked"),
        ("sign", used("granted", "delivery"), "granted"),
        ("open_secret", used("withheld", "delivery"), "withheld"),
        ("open_secret", used("unasked", "delivery"), "unasked"),
        ("open_secret", used("granted", "invoice"), "granted"),
        ("evaluate", asked("withheld"), "withheld"),
        ("ask", asked("unasked"), "unasked"),
        ("send", sent("withheld", &here), "withheld"),
        ("send", sent("granted", "http://127.0.0.1:9/"), "127.0.0.1:9"),
        ("send", sent("granted", "https://receiver.example/"), "receiver.example"),
    ];
    for (action, input, named) in cases {
        let reply = acme.call(&format!("trespasser/{action}"), &input);
        assert_eq!(reply.body["details"]["code"], "denied", "{action} {input}: {}", reply.text);
        reply.guest_refused("denied");
        let denied = denials(&acme, &reply.trace());
        assert_eq!(denied.len(), 1, "{action} {input}");
        assert!(denied[0].to_string().contains(named), "{named}: {}", denied[0]);
        assert_eq!(denied[0]["subject"], "clerk");
        assert_eq!(effects(&acme, &reply.trace()), Vec::<Value>::new());
    }
    for key in ["granted", "withheld", "unasked"] {
        assert!(acme.numbers(key).is_empty());
    }
    assert!(receiver.requests().is_empty());
    assert!(acme.admin.get(&acme.path("/approvals")).data().as_array().unwrap().is_empty());
}

#[test]
fn what_is_granted_works() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    assert_eq!(
        acme.call("trespasser/draw", &draw("granted", 2)).data()["numbers"],
        json!(["G-2026-00001", "G-2026-00002"])
    );
    acme.call("trespasser/sign", &json!({"alias": "granted", "purpose": "invoice"})).ok();
    acme.call("trespasser/evaluate", &json!({"scope": "granted", "total": "500"})).ok();
    assert_eq!(acme.call("trespasser/send", &outgoing(&receiver.url("/"))).data()["status"], 200);
    // Granted, and the tenant does not have it.
    acme.call("trespasser/draw", &draw("absent", 1)).guest_refused("not-found");
}

#[test]
fn a_denial_is_repeated_in_one_row_of_the_log() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let before = acme.audit_size();
    for _ in 0..5 {
        acme.call("trespasser/draw", &draw("withheld", 1)).guest_refused("denied");
    }
    // A denial and a failure each.
    assert_eq!(acme.audit_size() - before, 10);
}

#[test]
fn an_interface_without_any_grant_is_denied_before_the_guest_runs() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/peek", &json!("granted")).ok();
    for missing in ["sequences", "approvals", "secrets", "keys"] {
        let mut some = grants("https://receiver.example");
        some.as_object_mut().unwrap().remove(missing);
        acme.grant("trespasser", &some).ok();
        let reply = acme.call("trespasser/peek", &json!("granted"));
        let problem = reply.refused("denied").clone();
        assert!(problem["detail"].as_str().unwrap().contains(missing), "{problem}");
        assert_eq!(denials(&acme, &reply.trace()).len(), 1, "{missing}");
        assert_eq!(effects(&acme, &reply.trace()), Vec::<Value>::new());
    }
    acme.grant("trespasser", &grants("https://receiver.example")).ok();
    acme.call("trespasser/peek", &json!("granted")).ok();
}

#[test]
fn a_grant_taken_away_counts_from_the_next_call_on() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let uses: [(&str, &str, Value); 5] = [
        ("/sequences", "draw", draw("granted", 1)),
        ("/approvals", "evaluate", json!({"scope": "granted", "total": "1"})),
        ("/secrets", "send", outgoing(&receiver.url("/"))),
        ("/keys", "sign", json!({"alias": "granted", "purpose": "invoice"})),
        ("/secrets/granted/destinations", "send", outgoing(&receiver.url("/"))),
    ];
    for (place, action, input) in uses {
        let action = format!("trespasser/{action}");
        // Several times, so that whatever can be remembered is remembered.
        for _ in 0..3 {
            acme.call(&action, &input).ok();
        }
        let (numbers, sent) = (acme.numbers("granted").len(), receiver.requests().len());
        acme.grant("trespasser", &without(place)).ok();
        let reply = acme.call(&action, &input);
        reply.guest_refused("denied");
        assert_eq!(denials(&acme, &reply.trace()).len(), 1, "{place}");
        assert_eq!((acme.numbers("granted").len(), receiver.requests().len()), (numbers, sent), "{place}");
        acme.grant("trespasser", &grants(&receiver.origin())).ok();
        acme.call(&action, &input).ok();
    }
}

/// The usual grants without the names in this place; the interface itself stays granted by another name.
fn without(place: &str) -> Value {
    let mut grants = grants("https://elsewhere.example");
    let (other, purpose) = ("withheld", json!({"purpose": "invoice"}));
    match place {
        "/sequences" => grants["sequences"] = json!([other]),
        "/approvals" => grants["approvals"] = json!([other]),
        "/keys" => grants["keys"] = json!({other: purpose}),
        "/secrets" => grants["secrets"] = json!({other: {"purpose": "delivery", "destinations": []}}),
        _ => {}
    }
    grants
}

/// A receiver that answers once the gate is open.
fn gated() -> (Gate, Receiver) {
    let gate = Gate::default();
    let held = gate.clone();
    let receiver = Receiver::start(move |_| {
        held.pass();
        Answer::status(200)
    });
    (gate, receiver)
}

#[test]
fn a_grant_taken_away_counts_inside_a_running_call() {
    let (gate, receiver) = gated();
    let bench = Bench::start();
    bench.patient("acme");
    let acme = tenant(&bench, "acme", &receiver.origin());
    let input = json!({"send": outgoing(&receiver.url("/")), "draw": draw("granted", 1)});
    let reply = std::thread::scope(|scope| {
        let call = scope.spawn(|| acme.call("trespasser/send_then_draw", &input));
        receiver.wait_for(1);
        let mut less = grants(&receiver.origin());
        less["sequences"] = json!(["loose"]);
        acme.grant("trespasser", &less).ok();
        gate.open();
        call.join().unwrap()
    });
    reply.guest_refused("denied");
    assert!(denials(&acme, &reply.trace())[0].to_string().contains("granted"));
    assert_eq!(effects(&acme, &reply.trace()), Vec::<Value>::new());
    assert!(acme.numbers("granted").is_empty());
}

#[test]
fn a_call_of_an_addon_that_was_disabled_or_removed_is_refused() {
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", "https://receiver.example");
    acme.call("trespasser/peek", &json!("granted")).ok();
    acme.admin.poke(&acme.path("/addons/trespasser/disable")).ok();
    acme.call("trespasser/peek", &json!("granted")).refused("conflict");
    acme.admin.poke(&acme.path("/addons/trespasser/enable")).ok();
    acme.call("trespasser/peek", &json!("granted")).ok();
    acme.operator.delete(&acme.path("/addons/trespasser")).ok();
    acme.call("trespasser/peek", &json!("granted")).refused("not-found");
}

/// While one call of the tenant is held another one waits for its place; meanwhile this happens.
fn while_it_waits(bench: &Bench, acme: &Tenant, meanwhile: impl FnOnce()) -> Reply {
    let (gate, receiver) = gated();
    acme.grant("trespasser", &grants(&receiver.origin())).ok();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| acme.call("trespasser/send", &outgoing(&receiver.url("/"))));
        receiver.wait_for(1);
        let second = scope.spawn(|| acme.call("trespasser/peek", &json!("granted")));
        until("the second call to wait", || {
            let told = bench.operator.get("/diagz").data();
            let waits =
                told["admission"]["tenants"].as_array().unwrap().iter().any(|one| one["waiting"] == 1);
            waits.then_some(())
        });
        meanwhile();
        gate.open();
        first.join().unwrap().ok();
        second.join().unwrap()
    })
}

#[test]
fn a_call_that_waits_for_its_place_does_not_run_what_was_stopped_meanwhile() {
    let bench = Bench::start();
    bench.quotas("[tenant.acme]\ntier = \"large\"\noverride.concurrency = 1");
    let acme = tenant(&bench, "acme", "https://receiver.example");
    while_it_waits(&bench, &acme, || {}).ok();
    let disable = || {
        acme.admin.poke(&acme.path("/addons/trespasser/disable")).ok();
    };
    while_it_waits(&bench, &acme, disable).refused("conflict");
    acme.admin.poke(&acme.path("/addons/trespasser/enable")).ok();
    let revoke = || {
        let path = format!("/v1/trust/{}/revoke", bench.publisher.key_id());
        bench.operator.post(&path, &json!({"reason": "the key was stolen"})).ok();
    };
    while_it_waits(&bench, &acme, revoke).refused("publisher-untrusted");
}

#[test]
fn a_component_that_imports_what_its_manifest_does_not_name_is_not_installed() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.sequence("orders", "O-{YYYY}-{000}", "gapless");
    // Whatever the operator grants: the manifest does not ask for it.
    let mut all = grants("https://receiver.example");
    all["sequences"] = json!(["orders"]);
    let reply = acme.install(&bench.publisher.package("greedy-imports"), Some(&all));
    let problem = reply.refused("denied");
    assert!(problem["detail"].as_str().unwrap().contains("bulla:kernel/"), "{problem}");
    assert!(acme.operator.get(&acme.path("/addons")).data().as_array().unwrap().is_empty());
    acme.call("greedy-imports/peep", &json!({})).refused("not-found");
}

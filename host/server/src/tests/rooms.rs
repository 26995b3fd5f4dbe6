//! One walk through every route, over the real rooms. Each response is held against `/openapi.json`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Bytes, Failure, Fuel, Millis, codes};
use bulla_kernel::approvals::{Fact, Outcome, SubjectRef, Then};
use bulla_kernel::grants::Grants;
use bulla_kernel::jobs::Enqueue;
use bulla_kernel::ports::Usage;
use serde_json::{Value, json};

use super::bench::{Bench, acme, rules};

#[tokio::test]
async fn every_route_answers() {
    let bench = Bench::new().await;
    tenants_and_tokens(&bench).await;
    trust(&bench).await;
    addons(&bench).await;
    sequences(&bench).await;
    approvals(&bench).await;
    jobs(&bench).await;
    secrets_and_keys(&bench).await;
    policy_and_calls(&bench).await;
    audit(&bench).await;
    for path in ["/healthz", "/readyz", "/openapi.json", "/diagz", "/metrics"] {
        bench.get(&bench.operator, path).await;
    }
    let answered = bench.answered.lock();
    let all = crate::api::routes();
    let missing: Vec<_> = all
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .filter(|route| !answered.contains(route))
        .collect();
    assert!(missing.is_empty(), "no success seen: {missing:#?}");
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

async fn tenants_and_tokens(bench: &Bench) {
    let root = &bench.operator;
    let new = json!({"id": "initech", "display-name": "Initech", "time-zone": "europe/berlin"});
    let made = bench.post(root, "/v1/tenants", new.clone()).await;
    assert_eq!(made.data()["time-zone"], "Europe/Berlin");
    assert_eq!(bench.post(root, "/v1/tenants", new).await.code(), "conflict");
    assert_eq!(
        bench.post(root, "/v1/tenants", json!({"id": "system", "display-name": "x"})).await.code(),
        "invalid"
    );
    assert_eq!(ids(bench.get(root, "/v1/tenants").await.data(), "id"), ["acme", "globex", "initech"]);
    assert_eq!(bench.get(root, "/v1/tenants/initech").await.data()["display-name"], "Initech");

    for base in ["/v1/tokens", "/v1/tenants/initech/tokens"] {
        let made = bench.post(root, base, json!({"subject": "zoe", "roles": ["admin"]})).await;
        let text = made.data()["text"].as_str().unwrap().to_owned();
        assert_eq!(bench.get(&text, "/v1/tenants/initech/keys").await.status, 200);
        let list = bench.get(root, base).await;
        assert!(!String::from_utf8_lossy(&list.bytes).contains(&text));
        let id = made.data()["token"]["id"].as_str().unwrap();
        // A token is ended where it belongs only.
        assert_eq!(bench.delete(root, &format!("/v1/tenants/acme/tokens/{id}")).await.code(), "not-found");
        assert!(bench.delete(root, &format!("{base}/{id}")).await.data()["revoked-ms"].is_i64());
        assert_eq!(bench.get(&text, "/v1/tenants/initech/keys").await.status, 401);
    }
    let far = json!({"subject": "zoe", "expires-in": "9999999999999d"});
    assert_eq!(bench.post(root, "/v1/tokens", far).await.code(), "invalid");
}

async fn trust(bench: &Bench) {
    let root = &bench.operator;
    let key =
        json!({"public-key": "ed25519:AAAA", "owner": "Acme", "purposes": ["addon"], "names": ["acme-*"]});
    let made = bench.post(root, "/v1/trust", key.clone()).await;
    let id = made.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.post(root, "/v1/trust", key.clone()).await.code(), "conflict");
    let rotation = json!({"key": key, "overlap": "7d"});
    let next = bench.post(root, &format!("/v1/trust/{id}/rotate"), rotation).await;
    let next = next.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(root, "/v1/trust").await.data()["keys"][0]["rotated-by"], next.as_str());
    assert_eq!(bench.delete(root, &format!("/v1/trust/{next}")).await.data(), &Value::Null);
    bench.post(root, &format!("/v1/trust/{id}/revoke"), json!({"reason": "lost"})).await.data();
    let list = bench.get(root, "/v1/trust").await;
    assert_eq!(list.data()["keys"][0]["revoked-reason"], "lost");
    assert_eq!(bench.delete(root, &format!("/v1/trust/{id}")).await.data(), &Value::Null);
    assert_eq!(bench.delete(root, &format!("/v1/trust/{id}")).await.code(), "not-found");
    assert_eq!(bench.get(root, "/v1/trust").await.data()["keys"], json!([]));
}

async fn addons(bench: &Bench) {
    let (ada, base) = (&bench.ada, "/v1/tenants/acme/addons");
    let package = |version: &str, grants: Value| {
        let mut body = json!({"package": STANDARD.encode(version)});
        if !grants.is_null() {
            body["grants"] = grants;
        }
        body
    };
    assert_eq!(bench.post(ada, base, json!({"package": "no base64!"})).await.code(), "invalid");
    assert_eq!(bench.post(ada, base, package("1.0.0", json!({"sequence": []}))).await.code(), "invalid");
    let granted = json!({"sequences": ["invoice"]});
    bench.post(ada, base, package("1.0.0", granted)).await.data();
    let up = bench.post(ada, base, package("1.1.0", Value::Null)).await;
    assert_eq!(up.data()["version"], "1.1.0");
    let one = bench.get(ada, &format!("{base}/einvoice")).await;
    assert_eq!(one.data()["addon"]["granted"]["sequences"], json!(["invoice"]));
    assert_eq!(one.data()["history"].as_array().unwrap().len(), 2);
    let back = bench.post(ada, &format!("{base}/einvoice/rollback"), Value::Null).await;
    assert_eq!(back.data()["version"], "1.0.0");
    let off = bench.post(ada, &format!("{base}/einvoice/disable"), Value::Null).await;
    assert_eq!(off.data()["enabled"], false);
    let on = bench.post(ada, &format!("{base}/einvoice/enable"), Value::Null).await;
    assert_eq!(on.data()["enabled"], true);
    let none = bench.put(ada, &format!("{base}/einvoice/grants"), json!({})).await;
    assert_eq!(none.data()["granted"]["sequences"], json!([]));
    let beyond = json!({"sequences": ["other"]});
    assert_eq!(bench.put(ada, &format!("{base}/einvoice/grants"), beyond).await.code(), "invalid");
    assert_eq!(ids(bench.get(ada, base).await.data(), "name"), ["einvoice"]);
    assert_eq!(bench.get(&bench.bob, "/v1/tenants/globex/addons").await.data(), &json!([]));
    assert_eq!(bench.delete(ada, &format!("{base}/einvoice")).await.data(), &Value::Null);
    assert_eq!(bench.get(ada, &format!("{base}/einvoice")).await.code(), "not-found");
}

async fn sequences(bench: &Bench) {
    let (ada, base) = (&bench.ada, "/v1/tenants/acme/sequences");
    let definition = json!({"format": "INV-{YYYY}-{00000}", "reset": "year", "gaps": "gapless"});
    let made = bench.put(ada, &format!("{base}/invoice"), definition.clone()).await;
    assert_eq!(made.data()["definition"]["time-zone"], "UTC");
    let repeating = json!({"format": "INV-{00000}", "reset": "year", "gaps": "gapless"});
    assert_eq!(bench.put(ada, &format!("{base}/other"), repeating.clone()).await.code(), "invalid");
    assert_eq!(ids(bench.get(ada, base).await.data(), "key"), ["invoice"]);
    let preview = bench.get(ada, &format!("{base}/invoice/preview?date=2026-03-31")).await;
    assert_eq!(preview.data(), &json!({"number": "INV-2026-00001"}));
    assert_eq!(bench.get(ada, &format!("{base}/invoice/preview")).await.code(), "invalid");

    let key = "invoice".parse().unwrap();
    let mut call = bench.call(Grants { sequences: [key].into(), ..Default::default() });
    let drawn =
        bench.services.sequences.reserve(&mut call, &"invoice".parse().unwrap(), "2026-03-31", None).await;
    let reservation = drawn.unwrap().id.to_string();
    bench.commit(&mut call).await;
    bench.services.sequences.settle(&mut call);
    let void = json!({"reservation": reservation, "reason": "a test"});
    assert_eq!(bench.post(ada, &format!("{base}/invoice/void"), void).await.data(), &Value::Null);
    let numbers = bench.get(ada, &format!("{base}/invoice/numbers?limit=1")).await;
    assert_eq!(
        (&numbers.data()[0]["state"], &numbers.data()[0]["reason"]),
        (&json!("void"), &json!("a test"))
    );
    let other = json!({"format": "R-{YYYY}-{00000}", "reset": "year", "gaps": "gapless"});
    assert_eq!(bench.put(ada, &format!("{base}/invoice"), other).await.code(), "conflict");
    assert_eq!(bench.get(ada, &format!("{base}/nothing/numbers")).await.code(), "not-found");
}

async fn approvals(bench: &Bench) {
    let (ada, base) = (&bench.ada, "/v1/tenants/acme/approvals");
    let at = "/v1/tenants/acme/approval-rules/invoice.issue";
    assert_eq!(bench.put(ada, at, rules()).await.data(), &json!({"scope": "invoice.issue", "version": 1}));
    assert_eq!(bench.put(ada, "/v1/tenants/acme/approval-rules/other", rules()).await.code(), "invalid");
    assert_eq!(bench.get(ada, at).await.data()[0]["document"]["rule"][0]["name"], "large");

    let mut waiting = Vec::new();
    for object in ["invoice/1", "invoice/2"] {
        waiting.push(ask(bench, object).await);
    }
    let list = bench.get(ada, &format!("{base}?status=waiting&limit=10")).await;
    assert_eq!(list.data().as_array().unwrap().len(), 2);
    let one = bench.get(ada, &format!("{base}/{}", waiting[0])).await;
    assert_eq!(one.data()["payload"], json!({"id": 4_711}));

    let decision = format!("{base}/{}/decision", waiting[0]);
    let eve = bench.token("eve", Some("acme"), "admin").await;
    assert_eq!(bench.post(&eve, &decision, json!({"answer": "approve"})).await.code(), "forbidden");
    assert_eq!(bench.post(ada, &decision, json!({"answer": "maybe"})).await.code(), "invalid");
    let decided = bench.post(ada, &decision, json!({"answer": "approve"})).await;
    assert_eq!((&decided.data()["status"], &decided.data()["decider"]), (&json!("approved"), &json!("ada")));
    assert!(decided.data()["job"].is_string());
    let cancel = format!("{base}/{}/cancel", waiting[1]);
    let cancelled = bench.post(ada, &cancel, json!({"reason": "not needed"})).await;
    assert_eq!(cancelled.data()["status"], "cancelled");
    assert_eq!(bench.post(ada, &cancel, json!({"reason": "again"})).await.code(), "conflict");
}

/// `carl` asks for an approval in a call.
async fn ask(bench: &Bench, object: &str) -> String {
    let scope = "invoice.issue".parse().unwrap();
    let mut call = bench.call(Grants { approvals: [scope].into(), ..Default::default() });
    let facts = vec![("total".to_owned(), Fact::Decimal("250".into()))];
    let subject = SubjectRef { object: object.parse().unwrap(), digest: "a".repeat(64) };
    let then = Then { action: "issue".into(), payload: br#"{"id": 4711}"#.to_vec() };
    let scope = "invoice.issue".parse().unwrap();
    let outcome = bench.services.approvals.request(&mut call, &scope, facts, subject, then).await.unwrap();
    bench.commit(&mut call).await;
    match outcome {
        Outcome::Waiting(id) => id.to_string(),
        Outcome::NotRequired => panic!("an approval is required"),
    }
}

async fn jobs(bench: &Bench) {
    let (ada, base) = (&bench.ada, "/v1/tenants/acme/jobs");
    let jobs = &bench.services.jobs;
    let mut call = bench.call(Grants::default());
    let id = jobs.enqueue(&mut call, "deliver", b"{}".to_vec(), Enqueue::default()).await.unwrap();
    bench.commit(&mut call).await;
    assert_eq!(bench.post(ada, &format!("{base}/{id}/retry"), Value::Null).await.code(), "conflict");
    for claimed in jobs.claim(10).await.unwrap() {
        let failure = Failure::new(codes::GUEST_ERROR, "the receiver said no");
        jobs.failed(&claimed, &failure).await.unwrap();
    }
    let dead = bench.get(ada, &format!("{base}?state=dead")).await;
    assert_eq!(ids(dead.data(), "id"), [id.as_str()]);
    let one = bench.get(ada, &format!("{base}/{id}")).await;
    assert_eq!((&one.data()["error-code"], &one.data()["payload"]), (&json!("guest-error"), &json!({})));
    let again = bench.post(ada, &format!("{base}/{id}/retry"), Value::Null).await;
    assert_eq!(again.data()["state"], "waiting");
    assert_eq!(bench.post(ada, &format!("{base}/{id}/cancel"), json!({})).await.code(), "invalid");
    let over = bench.post(ada, &format!("{base}/{id}/cancel"), json!({"reason": "enough"})).await;
    assert_eq!(over.data()["state"], "cancelled");
    assert_eq!(bench.get(&bench.bob, &format!("/v1/tenants/globex/jobs/{id}")).await.code(), "not-found");
}

async fn secrets_and_keys(bench: &Bench) {
    let (ada, base) = (&bench.ada, "/v1/tenants/acme/secrets");
    let value = "correct horse battery";
    bench.put(ada, &format!("{base}/receiver_token"), json!({"value": value})).await.data();
    assert_eq!(
        bench.put(ada, &format!("{base}/receiver_token"), json!({"value": "short"})).await.code(),
        "invalid"
    );
    let list = bench.get(ada, base).await;
    assert_eq!(list.data()[0]["version"], 1);
    assert!(!String::from_utf8_lossy(&list.bytes).contains(value));
    assert_eq!(bench.delete(ada, &format!("{base}/receiver_token")).await.data(), &Value::Null);
    assert_eq!(bench.delete(ada, &format!("{base}/receiver_token")).await.code(), "not-found");

    let base = "/v1/tenants/acme/keys";
    let made = bench.post(ada, base, json!({"alias": "einvoice_signing"})).await;
    assert_eq!(made.data()["versions"][0]["public-key"].as_str().unwrap().len(), 64);
    assert_eq!(bench.post(ada, base, json!({"alias": "einvoice_signing"})).await.code(), "conflict");
    let rotated = bench.post(ada, &format!("{base}/einvoice_signing/rotate"), Value::Null).await;
    assert_eq!(rotated.data()["versions"].as_array().unwrap().len(), 2);
    assert_eq!(ids(bench.get(ada, base).await.data(), "alias"), ["einvoice_signing"]);
}

async fn policy_and_calls(bench: &Bench) {
    let explained = bench.get(&bench.ada, "/v1/tenants/acme/policy/einvoice").await;
    assert_eq!(explained.data()["limits"][0]["value"], "20M");
    assert_eq!(bench.get(&bench.ada, "/v1/tenants/acme/policy/nothing").await.code(), "not-found");
    assert_eq!(
        bench.post(&bench.operator, "/v1/policy/reload", Value::Null).await.data()["version"],
        "policy-2"
    );
    *bench.script.answer.lock() = Some(Ok(b"[]".to_vec()));
    bench.post(&bench.ada, "/v1/tenants/acme/actions/einvoice/submit", json!({})).await.data();

    let usage = Usage {
        fuel: Fuel(1_234),
        memory_peak: Bytes(65_536),
        elapsed: Millis(3),
        host_bytes: Bytes(10),
        log_bytes: Bytes(0),
    };
    let call = bench.call(Grants::default());
    bench.services.usage.count(&call, &usage, Err(codes::TRAP), None);
    bench.services.usage.flush(&call.origin).await.unwrap();
    let used = bench.get(&bench.ada, "/v1/tenants/acme/usage").await;
    assert_eq!((&used.data()[0]["fuel"], &used.data()[0]["failed"]["trap"]), (&json!(1_234), &json!(1)));
    assert_eq!(bench.get(&bench.bob, "/v1/tenants/globex/usage").await.data(), &json!([]));
}

async fn audit(bench: &Bench) {
    bench.services.audit.checkpoint_once().await.unwrap();
    let root = &bench.operator;
    for base in ["/v1/tenants/acme/audit", "/v1/system/audit"] {
        let all = bench.get(root, base).await;
        let size = all.data()["size"].as_u64().unwrap();
        assert_eq!(all.data()["entries"].as_array().unwrap().len() as u64, size);
        let page = bench.get(root, &format!("{base}?from=1&to=3&limit=1")).await;
        assert_eq!(page.data()["entries"][0]["index"], 1);
        assert_eq!(bench.get(root, &format!("{base}?limit=0")).await.code(), "invalid");

        let report = bench.get(root, &format!("{base}/verify")).await;
        assert_eq!((&report.data()["published"], &report.data()["fault"]), (&json!(size), &Value::Null));
        let keep = bench.get(root, &format!("{base}/keys")).await.data().clone();
        let against = json!({"kept": [keep["checkpoint"]], "keys": [keep["keys"][0]["vkey"]]});
        let report = bench.post(root, &format!("{base}/verify"), against).await;
        assert_eq!(report.data()["keys"], "given");

        let bundle = bench.get(root, &format!("{base}/export")).await;
        assert_eq!(
            (bundle.status.as_u16(), &bundle.headers["content-type"]),
            (200, &"application/jsonl".parse().unwrap())
        );
        let vkey = keep["keys"][0]["vkey"].as_str().unwrap();
        let proven = bulla_kernel::audit::verify_bundle(&bundle.bytes, &[vkey]).unwrap();
        assert_eq!(proven.to, size);
    }
    // What an auditor kept of another log does not fit this one.
    let other = bench.get(root, "/v1/system/audit/keys").await.data()["keys"][0]["vkey"].clone();
    let wrong = bench.post(root, "/v1/tenants/acme/audit/verify", json!({"keys": [other]})).await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (500, "audit-tampered"));
    assert_eq!(wrong.json["details"]["log"], acme().as_str());
}

//! Calls of actions.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bulla_base::{Failure, Millis, codes};
use bulla_kernel::ports::Cause;
use http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, request};

const SUBMIT: &str = "/v1/tenants/acme/actions/einvoice/submit";

#[tokio::test]
async fn the_output_goes_out_as_it_is_with_what_was_used() {
    let bench = Bench::new().await;
    // Numbers that a parser would round, and an order of fields that it could lose.
    let output = r#"{"z": 1.10, "a": 12345678901234567890.12345678901234567890}"#;
    *bench.script.answer.lock() = Some(Ok(output.into()));
    let caller = bench.token("carl", Some("acme"), "caller").await;
    let answer = bench.post(&caller, SUBMIT, json!({"total": "1.10"})).await;
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert!(text.starts_with(&format!(r#"{{"data":{output},"trace":"#)), "{text}");
    assert_eq!(answer.json["usage"]["fuel"], "1234");
    assert_eq!(answer.json["usage"]["memory-peak"], "64KiB");
    assert_eq!(answer.json["usage"]["limits"]["fuel"], "50M");
    assert_eq!(answer.json["fuel-schedule"], "v1");
    assert_eq!(answer.json["replayed"], false);

    let asked = bench.script.asked.lock().remove(0);
    assert_eq!(asked.tenant.as_str(), "acme");
    assert_eq!((asked.addon.as_str(), asked.entry.as_str()), ("einvoice", "submit"));
    assert_eq!(asked.principal.subject.as_str(), "carl");
    assert_eq!(serde_json::from_slice::<Value>(&asked.input).unwrap(), json!({"total": "1.10"}));
    assert_eq!(asked.cause, Cause::Request { idempotency_key: None });
    assert_eq!(&*asked.policy_version, "policy-1");
    assert_eq!(answer.json["trace"], asked.trace.as_str());
    // One who may call may not do the rest.
    assert_eq!(bench.get(&caller, "/v1/tenants/acme/keys").await.code(), "forbidden");
    assert_eq!(
        bench.post(&caller, "/v1/tenants/globex/actions/einvoice/submit", json!({})).await.code(),
        "forbidden"
    );
}

#[tokio::test]
async fn a_failed_call_is_a_problem() {
    let bench = Bench::new().await;
    let findings = json!([{"rule": "BR-CO-10"}]);
    let failure =
        Failure::new(codes::GUEST_ERROR, "2 findings").details(findings.clone()).internal("secret place");
    *bench.script.answer.lock() = Some(Err(failure));
    let answer = bench.post(&bench.ada, SUBMIT, json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (422, "guest-error"));
    assert_eq!(answer.json["details"], findings);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret place"));

    let busy = Failure::new(codes::BUSY, "busy").retry_after(Millis(20)).hint("wait");
    *bench.script.answer.lock() = Some(Err(busy));
    let answer = bench.post(&bench.ada, SUBMIT, json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!((&answer.json["retry-after-ms"], &answer.json["hint"]), (&json!(20), &json!("wait")));

    // What a guest may never give goes nowhere.
    *bench.script.answer.lock() = Some(Ok(b"{\"a\":".to_vec()));
    assert_eq!(bench.post(&bench.ada, SUBMIT, json!({})).await.code(), "internal");
}

#[tokio::test]
async fn a_panic_is_internal_and_has_a_trace() {
    let bench = Bench::new().await;
    let answer = bench.post(&bench.ada, SUBMIT, json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (500, "internal"));
    assert_eq!(answer.json["detail"], codes::INTERNAL.title);
    assert_eq!(bench.get(&bench.ada, "/v1/tenants/acme/keys").await.status, 200);
}

#[tokio::test]
async fn an_idempotency_key_is_one_visible_text() {
    let bench = Bench::new().await;
    *bench.script.answer.lock() = Some(Ok(b"null".to_vec()));
    let send = async |keys: &[&[u8]]| {
        let mut call = request(Method::POST, SUBMIT, &bench.ada, Some(json!({})));
        for key in keys {
            call.headers_mut().append("idempotency-key", http::HeaderValue::from_bytes(key).unwrap());
        }
        bench.send(call).await
    };
    for wrong in [&[b"".as_slice()] as &[&[u8]], &[b"a b"], &[b"\xff"], &[&[b'k'; 256]], &[b"a", b"b"]] {
        assert_eq!(send(wrong).await.code(), "invalid", "{wrong:?}");
    }
    assert!(bench.script.asked.lock().is_empty());
    assert_eq!(send(&[&[b'k'; 255]]).await.status, 200);
    let asked = bench.script.asked.lock().remove(0);
    assert_eq!(asked.cause, Cause::Request { idempotency_key: Some("k".repeat(255)) });
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_call() {
    let bench = Bench::new().await;
    *bench.script.answer.lock() = Some(Ok(b"null".to_vec()));
    *bench.script.takes.lock() = Duration::from_millis(100);
    let call = request(Method::POST, SUBMIT, &bench.ada, Some(json!({})));
    let gone = tokio::time::timeout(Duration::from_millis(30), bench.send(call)).await;
    assert!(gone.is_err());
    assert_eq!(bench.script.ended.load(Ordering::SeqCst), 0);
    let ends = async {
        while bench.script.ended.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ends).await.expect("the call goes on");
}

//! What every request goes through: token, authorization, trace, envelope, strictness.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use bulla_base::Bytes;
use http::{Method, Request};
use serde_json::json;

use super::bench::{Bench, acme, request};
use crate::ServerConfig;

#[tokio::test]
async fn what_is_wrong_with_a_token_is_not_told() {
    let bench = Bench::new().await;
    let list = bench.get(&bench.ada, "/v1/tenants/acme/tokens").await;
    let id = list.data()[0]["id"].as_str().unwrap().to_owned();
    let expiring = json!({"subject": "eve", "roles": ["admin"], "expires-in": "1h"});
    let eve = bench.post(&bench.ada, "/v1/tenants/acme/tokens", expiring).await;
    let eve = eve.data()["text"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&eve, "/v1/tenants/acme/keys").await.status, 200);
    bench.clock.advance(Duration::from_secs(3_600));
    let revoked = bench.ada.clone();
    assert_eq!(bench.delete(&bench.operator, &format!("/v1/tenants/acme/tokens/{id}")).await.status, 200);

    let mut texts = Vec::new();
    let unknown = format!("bulla_{}", "a".repeat(43));
    for token in ["", "x", &unknown, &eve, &revoked] {
        let answer = bench.get(token, "/v1/tenants/acme/keys").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated"));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        texts.push(answer.json["detail"].clone());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");

    let operator = &bench.operator;
    for header in [format!("Basic {operator}"), operator.clone(), format!("Bearer {operator} x")] {
        let mut wrong = request(Method::GET, "/v1/tenants", "", None);
        wrong.headers_mut().insert("authorization", header.parse().unwrap());
        assert_eq!(bench.send(wrong).await.status, 401);
    }
    let mut twice = request(Method::GET, "/v1/tenants", operator, None);
    twice.headers_mut().append("authorization", format!("Bearer {operator}").parse().unwrap());
    assert_eq!(bench.send(twice).await.status, 401);
    let mut lower = request(Method::GET, "/v1/tenants", "", None);
    lower.headers_mut().insert("authorization", format!("bearer {operator}").parse().unwrap());
    assert_eq!(bench.send(lower).await.status, 200);
}

#[tokio::test]
async fn another_tenants_things_are_not_told_from_nothing() {
    let bench = Bench::new().await;
    let mut details = Vec::new();
    for tenant in ["globex", "nobody"] {
        let answer = bench.get(&bench.ada, &format!("/v1/tenants/{tenant}/secrets")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"));
        details.push(answer.json["detail"].clone());
    }
    assert_eq!(details[0], details[1]);
    // An operator, who may see all tenants, is told.
    assert_eq!(bench.get(&bench.operator, "/v1/tenants/nobody/secrets").await.code(), "not-found");
    // Policies that allow it do not open another tenant either.
    let traitor = bench.token("mallory", Some("acme"), "traitor").await;
    assert_eq!(bench.get(&traitor, "/v1/tenants/acme/secrets").await.status, 200);
    assert_eq!(bench.get(&traitor, "/v1/tenants/globex/secrets").await.code(), "forbidden");
    assert_eq!(bench.get(&bench.ada, "/v1/tenants").await.code(), "forbidden");
    assert_eq!(bench.get(&bench.ada, "/v1/system/audit").await.code(), "forbidden");
}

#[tokio::test]
async fn a_trace_goes_through_to_the_audit() {
    let bench = Bench::new().await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut create = request(Method::POST, "/v1/tenants/acme/keys", &bench.ada, Some(json!({"alias": "k"})));
    create.headers_mut().insert("traceparent", format!("00-{id}-00f067aa0ba902b7-01").parse().unwrap());
    let answer = bench.send(create).await;
    assert_eq!(answer.json["trace"], id);
    let out = answer.headers["traceparent"].to_str().unwrap();
    assert!(out.starts_with(&format!("00-{id}-")) && !out.contains("00f067aa0ba902b7"), "{out}");
    let entries = bench.get(&bench.ada, &format!("/v1/tenants/acme/audit?trace={id}")).await;
    let body = &entries.data()["entries"][0]["body"];
    assert_eq!(
        (&body["event"], &body["trace"], &body["policy"]),
        (&json!("key.created"), &json!(id), &json!("policy-1"))
    );

    let mut wrong = request(Method::GET, "/healthz", "", None);
    wrong.headers_mut().insert("traceparent", "00-nonsense".parse().unwrap());
    let answer = bench.send(wrong).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["trace"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn what_is_not_asked_for_is_refused() {
    let bench = Bench::new().await;
    let keys = "/v1/tenants/acme/keys";
    let ada = &bench.ada;
    for body in [
        json!({"alias": "k", "color": "red"}),
        json!({}),
        json!({"alias": 7}),
        json!({"alias": "../k"}),
        json!(["k"]),
        json!("k"),
    ] {
        let answer = bench.post(ada, keys, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid"), "{body}");
    }
    assert!(
        bench.post(ada, keys, json!({"alias": "k", "color": 1})).await.json["detail"]
            .as_str()
            .unwrap()
            .contains("color")
    );
    let raw = |text: String| {
        let mut raw = request(Method::POST, keys, ada, None);
        raw.headers_mut().insert("content-type", "application/json".parse().unwrap());
        *raw.body_mut() = Body::from(text);
        raw
    };
    for text in ["", "{", r#"{"alias":"k"} x"#, r#"{"alias":"k","alias":"l"}"#, "\u{1}"] {
        assert_eq!(bench.send(raw(text.into())).await.code(), "invalid", "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(bench.send(raw(deep.clone())).await.code(), "invalid");
    let rules = format!(r#"{{"scope":"a","rule":[{{"name":"r","approvers":[],"when":{deep}}}]}}"#);
    let mut nested = raw(rules);
    *nested.method_mut() = Method::PUT;
    *nested.uri_mut() = "/v1/tenants/acme/approval-rules/a".parse().unwrap();
    assert_eq!(bench.send(nested).await.code(), "invalid");

    for path in [
        "/v1/tenants/acme/keys?x=1",
        "/v1/tenants/acme/jobs?x=1",
        "/v1/tenants/acme/jobs?limit=-1",
        "/v1/tenants/acme/jobs?limit=1&limit=2",
        "/v1/tenants/acme/jobs/nope",
        "/v1/tenants/Acme/jobs",
        "/v1/tenants/%ff/jobs",
        "/v1/tenants/acme/audit?trace=x",
    ] {
        assert_eq!(bench.get(ada, path).await.code(), "invalid", "{path}");
    }
    assert_eq!(bench.get(ada, "/v1/nothing").await.code(), "not-found");
    let delete = bench.delete(ada, keys).await;
    assert_eq!((delete.status.as_u16(), delete.code()), (405, "method-not-allowed"));
    let allow = delete.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(bench.get(ada, keys).await.data(), &json!([]));
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let bench = Bench::new().await;
    let send = async |content_type: Option<&str>| {
        let mut post =
            Request::post("/v1/tenants/acme/keys").header("authorization", format!("Bearer {}", bench.ada));
        if let Some(content_type) = content_type {
            post = post.header("content-type", content_type);
        }
        let alias = format!(r#"{{"alias":"k{}"}}"#, content_type.map_or(0, str::len));
        bench.send(post.body(Body::from(alias)).unwrap()).await
    };
    for wrong in [
        None,
        Some("text/plain"),
        Some("application/json; charset=latin1"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let answer = send(wrong).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (415, "unsupported-media-type"), "{wrong:?}");
    }
    for right in ["application/json", "Application/JSON; charset=UTF-8"] {
        assert_eq!(send(Some(right)).await.status, 201, "{right}");
    }
}

#[tokio::test]
async fn a_body_has_a_size() {
    let config =
        ServerConfig { max_body: Bytes(1_000), max_package_body: Bytes(4_000), ..Default::default() };
    let bench = Bench::with(config).await;
    let long = json!({"alias": "k".repeat(1_000)});
    let answer = bench.post(&bench.ada, "/v1/tenants/acme/keys", long.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (413, "too-large"));
    // Without a length that tells it beforehand.
    let pieces = futures::stream::iter((0..100).map(|_| Ok::<_, std::convert::Infallible>("\"0123456789\"")));
    let mut chunked = request(Method::POST, "/v1/tenants/acme/keys", &bench.ada, Some(json!({})));
    *chunked.body_mut() = Body::from_stream(pieces);
    assert_eq!(bench.send(chunked).await.code(), "too-large");
    // Who may not do it is told so before anything is read.
    assert_eq!(bench.post(&bench.bob, "/v1/tenants/acme/keys", long).await.code(), "forbidden");
    // A package has its own limit.
    let package = |bytes: usize| json!({"package": "A".repeat(bytes), "grants": {}});
    assert_eq!(bench.post(&bench.ada, "/v1/tenants/acme/addons", package(3_000)).await.code(), "invalid");
    assert_eq!(bench.post(&bench.ada, "/v1/tenants/acme/addons", package(4_000)).await.code(), "too-large");
}

#[tokio::test]
async fn health_is_open_and_the_rest_is_not() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("", "/healthz").await.data(), &json!({"status": "ok"}));
    assert_eq!(bench.get("", "/readyz").await.data(), &json!({"status": "ready"}));
    bench.node.ready.store(false, Ordering::SeqCst);
    let answer = bench.get("", "/readyz").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable"));
    assert_eq!(answer.headers["retry-after"], "2");
    let document = bench.get("", "/openapi.json").await;
    assert_eq!(document.json["openapi"], "3.1.0");

    for path in ["/diagz", "/metrics"] {
        assert_eq!(bench.get("", path).await.status, 401);
        assert_eq!(bench.get(&bench.ada, path).await.status, 403);
    }
    assert_eq!(bench.get(&bench.operator, "/diagz").await.data()["pools"]["readers"], 2);
    let scraper = bench.token("prometheus", Some("acme"), "scraper").await;
    let metrics = bench.get(&scraper, "/metrics").await;
    assert_eq!(metrics.headers["content-type"], crate::metrics::CONTENT_TYPE);
    let text = String::from_utf8(metrics.bytes).unwrap();
    for line in [
        r#"bulla_http_requests_total{method="GET",route="/readyz",status="503"} 1"#,
        r#"bulla_http_forbidden_total{operation="host:metrics"} 1"#,
        "bulla_http_unauthenticated_total 2",
        "bulla_http_requests_running 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(bench.get(&scraper, "/diagz").await.status, 403);
    assert_eq!(bench.services.tenants.get(&acme()).unwrap().id, acme());
}

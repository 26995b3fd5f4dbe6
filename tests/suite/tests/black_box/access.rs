//! Who may do what: every route wants a token, and a tenant's token opens nothing of another tenant.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bulla_suite::client::Method;
use bulla_suite::{Bench, Client, Tenant, until};
use serde_json::json;

/// The routes that anyone may ask.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

/// Every method and path of the API, with names of things that do not exist.
fn routes(client: &Client, tenant: &str) -> Vec<(Method, String)> {
    let document = client.get("/openapi.json").body;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let mut path = path.replace("{tenant}", tenant);
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, "nothing");
        }
        for method in operations.as_object().unwrap().keys() {
            if let Ok(method) = method.to_uppercase().parse::<Method>() {
                routes.push((method, path.clone()));
            }
        }
    }
    assert!(routes.len() > 50, "{routes:?}");
    routes
}

fn ask(client: &Client, method: &Method, path: &str) -> bulla_suite::Reply {
    client.finish(client.request(method.clone(), path))
}

#[test]
fn every_route_wants_a_token() {
    let bench = Bench::start();
    let nobody = bench.operator.with_token(None);
    let operators = bench.operator.token().unwrap().to_owned();
    let almost = format!("{}x", &operators[..operators.len() - 1]);
    for (method, path) in routes(&nobody, "acme") {
        if OPEN.contains(&path.as_str()) {
            assert_eq!(ask(&nobody, &method, &path).status, 200, "{path}");
            continue;
        }
        for token in [None, Some("nonsense"), Some("bulla_nonsense"), Some(almost.as_str()), Some("")] {
            let reply = ask(&bench.operator.with_token(token), &method, &path);
            assert_eq!(reply.body["code"], "unauthenticated", "{method} {path} {token:?}: {}", reply.text);
            reply.refused("unauthenticated");
        }
    }
    assert!(!bench.server.log().contains(&operators), "a token is never logged");
    assert!(!bench.server.log().contains(&almost));
}

#[test]
fn a_tenants_token_opens_nothing_of_another_tenant_or_of_the_host() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    bench.tenant("rival");
    let roles = ["tenant-admin", "caller", "approver", "auditor", "operator"];
    let everything = acme.token("mallory", &roles[..4]);
    for tenant in ["rival", "nowhere"] {
        for (method, path) in routes(&everything, tenant) {
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let reply = ask(&everything, &method, &path);
            assert_eq!(reply.body["code"], "forbidden", "{method} {path}: {}", reply.text);
        }
    }
    // The role of the host's operators is worth nothing inside a tenant.
    let body = json!({"subject": "mallory", "roles": ["operator"]});
    let created = acme.operator.post(&acme.path("/tokens"), &body);
    if created.status == 201 {
        let mallory = acme.operator.with_token(created.data()["text"].as_str());
        mallory.post("/v1/tenants", &json!({"id": "mine", "display-name": "Mine"})).refused("forbidden");
        mallory.get(&acme.path("/addons")).refused("forbidden");
    }
}

#[test]
fn a_role_may_do_its_own_things_only() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    let noop = |client: &Client| client.call("acme", "glutton/noop", &json!({}));
    noop(&acme.caller).ok();
    for client in [&acme.admin, &acme.auditor, &acme.operator] {
        noop(client).refused("forbidden");
    }
    let key = json!({"alias": "k"});
    for client in [&acme.caller, &acme.auditor] {
        client.post(&acme.path("/keys"), &key).refused("forbidden");
    }
    acme.admin.post(&acme.path("/keys"), &key).ok();
    acme.caller.get(&acme.path("/audit")).refused("forbidden");
    acme.auditor.get(&acme.path("/audit")).ok();
    acme.admin.delete(&acme.path("/addons/glutton")).refused("forbidden");
    let package = bulla_suite::addons::installation(&bench.publisher.package("glutton"), None);
    acme.admin.post(&acme.path("/addons"), &package).refused("forbidden");
    assert!(refusals(&acme, "clerk") > 0, "refusals are in the audit log");
}

fn refusals(tenant: &Tenant, subject: &str) -> usize {
    tenant.audit("event=request.forbidden").iter().filter(|entry| entry["subject"] == subject).count()
}

#[test]
fn a_token_that_was_revoked_or_is_over_opens_nothing() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    let short = json!({"subject": "brief", "roles": ["caller"], "expires-in": "2s"});
    let created = acme.admin.post(&acme.path("/tokens"), &short).data();
    let brief = acme.operator.with_token(created["text"].as_str());
    let call = |client: &Client| client.call("acme", "glutton/noop", &json!({}));
    call(&brief).ok();
    let created =
        acme.admin.post(&acme.path("/tokens"), &json!({"subject": "temp", "roles": ["caller"]})).data();
    let temp = acme.operator.with_token(created["text"].as_str());
    // Several times: a decision that is remembered must not outlive the token.
    for _ in 0..5 {
        call(&temp).ok();
    }
    let id = created["token"]["id"].as_str().unwrap();
    acme.admin.delete(&acme.path(&format!("/tokens/{id}"))).ok();
    call(&temp).refused("unauthenticated");
    let listed = acme.admin.get(&acme.path("/tokens")).text;
    assert!(listed.contains(id) && !listed.contains(created["text"].as_str().unwrap()));
    until("the short token's end", || (call(&brief).status == 401).then_some(()));
    call(&brief).refused("unauthenticated");
}

#[test]
fn malformed_requests_are_refused_by_what_is_wrong() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    let path = acme.path("/actions/glutton/echo");
    let raw = |content_type: &str, body: Vec<u8>| {
        let request =
            acme.caller.request(Method::POST, &path).header("content-type", content_type).body(body);
        acme.caller.finish(request)
    };
    raw("text/plain", b"{}".to_vec()).refused("unsupported-media-type");
    raw("application/json", b"{".to_vec()).refused("invalid-input");
    raw("application/json", vec![0xff]).refused("invalid-input");
    assert!(answer_to_a_large_body(&acme.caller, &path).contains("too-large"));
    ask(&acme.caller, &Method::PATCH, &path).refused("method-not-allowed");
    acme.admin.get("/v1/nowhere").refused("not-found");
    acme.admin.get(&acme.path("/jobs?stat=dead")).refused("invalid");
    acme.admin.get(&acme.path("/jobs?state=odd")).refused("invalid");
    acme.admin.post(&acme.path("/keys"), &json!({"alias": "k", "more": 1})).refused("invalid");
    acme.operator.post("/v1/tenants", &json!({"id": "Acme", "display-name": "x"})).refused("invalid");
    acme.operator.post("/v1/tenants", &json!({"id": "acme", "display-name": "x"})).refused("conflict");
    acme.call("glutton/unlisted", &json!({})).refused("not-found");
    acme.call("unlisted/noop", &json!({})).refused("not-found");
}

/// What is said to a client that only announces its body: the server need not read it.
fn answer_to_a_large_body(caller: &Client, path: &str) -> String {
    let mut stream = TcpStream::connect(caller.url().trim_start_matches("http://")).unwrap();
    let length = 9 << 20;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bulla\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n",
        caller.token().unwrap()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    answer
}

#[test]
fn a_callers_trace_is_gone_on_with() {
    let bench = Bench::start();
    let acme = bench.tenant("acme");
    acme.install(&bench.publisher.package("glutton"), None).ok();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = acme
        .caller
        .request(Method::POST, &acme.path("/actions/glutton/flood_audit"))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body("{\"count\": 1}");
    assert_eq!(acme.caller.finish(request).trace(), trace);
    assert_eq!(acme.audit(&format!("trace={trace}&event=addon.flood")).len(), 1);
}

//! The one way out: where a request may go, what it carries, what comes back.

use std::time::Duration;

use bulla_suite::patience::timed;
use bulla_suite::trespasser::{SECRET, draw, grants, outgoing, tenant};
use bulla_suite::{Answer, Bench, Data, Receiver, Server};
use serde_json::json;

use crate::sins::stage::loopback_name;

#[test]
fn a_guest_cannot_read_its_secret_back_from_a_receiver_that_echoes() {
    let (bench, receiver) = (Bench::start(), Receiver::start(Answer::echo));
    let acme = tenant(&bench, "acme", &receiver.origin());
    let mut input = outgoing(&receiver.url("/echo"));
    for (placement, seen) in [("bearer", "authorization"), ("x-api-key", "x-api-key")] {
        input["placement"] = json!(placement);
        let answer = acme.call("trespasser/send", &input).data();
        assert!(!answer.to_string().contains(SECRET), "{answer}");
        assert!(answer["body"].as_str().unwrap().contains("[secret]"), "{answer}");
        let requests = receiver.requests();
        assert!(requests.last().unwrap().header(seen).unwrap().contains(SECRET));
    }
}

#[test]
fn a_call_cannot_send_while_it_holds_an_uncommitted_number() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let both = |key: &str| json!({"send": outgoing(&receiver.url("/")), "draw": draw(key, 1)});
    // A sequence that may have gaps is no exception: what left the host must not be issued again.
    for key in ["granted", "loose"] {
        acme.call("trespasser/send_holding", &both(key)).guest_refused("conflict");
        assert!(receiver.requests().is_empty() && acme.numbers(key).is_empty(), "{key}");
    }
}

#[test]
fn places_inside_the_network_are_reached_by_an_exact_grant_only() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", "https://receiver.example");
    let port = receiver.origin().rsplit_once(':').unwrap().1.to_owned();
    let destinations = [
        receiver.origin(),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        format!("http://2130706433:{port}"),
        "http://169.254.169.254".into(),
        "http://169.254.1.1".into(),
        "http://10.0.0.1".into(),
        "http://192.168.1.1".into(),
        "http://[fe80::1]".into(),
        "http://metadata.google.internal".into(),
    ];
    for destination in &destinations {
        acme.call("trespasser/send", &outgoing(&format!("{destination}/"))).guest_refused("denied");
    }
    // Granted, an address that is never connected to, or a name that means this machine, is refused all the same.
    let mut granted = vec![
        "http://169.254.169.254:80".to_owned(),
        "http://[fe80::1]:80".to_owned(),
        format!("http://0.0.0.0:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
    ];
    match loopback_name() {
        Some(name) => granted.push(format!("http://{name}:{port}")),
        None => eprintln!("not tried: /etc/hosts has no name for this machine but `localhost`"),
    }
    for destination in &granted {
        acme.grant("trespasser", &grants(destination)).ok();
        acme.call("trespasser/send", &outgoing(&format!("{destination}/latest"))).guest_refused("denied");
    }
    assert!(receiver.requests().is_empty());
    acme.grant("trespasser", &grants(&receiver.origin())).ok();
    acme.call("trespasser/send", &outgoing(&receiver.url("/"))).ok();
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let (proxy, receiver) = (Receiver::willing(), Receiver::willing());
    let mut data = Data::init();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        data.env(name, proxy.origin());
        data.env(&name.to_lowercase(), proxy.origin());
    }
    // What the machine excepts would not go to the proxy in any case.
    data.env("NO_PROXY", "");
    data.env("no_proxy", "");
    let bench = Bench::on(Server::on(data));
    let acme = tenant(&bench, "acme", &receiver.origin());
    acme.call("trespasser/send", &outgoing(&receiver.url("/"))).ok();
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::willing();
    let target = elsewhere.url("/stolen");
    let receiver = Receiver::start(move |_| Answer::status(307).header("location", &target));
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", &receiver.origin());
    let answer = acme.call("trespasser/send", &outgoing(&receiver.url("/"))).data();
    assert_eq!(answer["status"], 307);
    assert_eq!(receiver.requests().len(), 1);
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_receiver_that_does_not_answer_leaves_the_guest_a_moment_to_say_so() {
    let receiver = Receiver::start(|_| {
        std::thread::sleep(Duration::from_secs(20));
        Answer::status(200)
    });
    let bench = Bench::start();
    bench.patient("acme");
    let acme = tenant(&bench, "acme", &receiver.origin());
    let both = json!({"send": outgoing(&receiver.url("/")), "draw": draw("granted", 1)});
    let (reply, took) = timed(|| acme.call("trespasser/send_then_draw", &both));
    reply.guest_refused("unavailable");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(acme.numbers("granted").is_empty());
}

#[test]
fn a_guest_that_sleeps_in_host_calls_ends_at_its_deadline() {
    let receiver = Receiver::start(|_| {
        std::thread::sleep(Duration::from_secs(20));
        Answer::status(200)
    });
    let bench = Bench::start();
    bench.quotas("[tier.wide]\nfuel = \"100G\"\ndeadline = \"1s\"\n[tenant.acme]\ntier = \"wide\"");
    let acme = tenant(&bench, "acme", &receiver.origin());
    let (reply, took) = timed(|| acme.call("trespasser/send_for_ever", &outgoing(&receiver.url("/"))));
    reply.refused("deadline");
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(
        acme.audit(&format!("trace={}", reply.trace()))
            .iter()
            .any(|entry| entry["detail"]["code"] == "deadline")
    );
}

#[test]
fn headers_that_are_the_hosts_are_not_the_guests() {
    let (bench, receiver) = (Bench::start(), Receiver::willing());
    let acme = tenant(&bench, "acme", &receiver.origin());
    let names = [
        "host",
        "authorization",
        "proxy-authorization",
        "cookie",
        "content-length",
        "transfer-encoding",
        "connection",
        "idempotency-key",
        "bad name",
        "x-line\nbreak",
    ];
    for name in names {
        let mut input = outgoing(&receiver.url("/"));
        input["headers"] = json!([[name, "a"]]);
        acme.call("trespasser/send", &input).guest_refused("invalid");
    }
    let mut input = outgoing(&receiver.url("/"));
    input["headers"] = json!([["x-own", "a"]]);
    acme.call("trespasser/send", &input).ok();
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(receiver.requests()[0].header("x-own"), Some("a"));
}

#[test]
fn a_response_that_is_too_large_is_refused() {
    let receiver = Receiver::start(|_| Answer::status(200).body(vec![b'x'; 3 << 20]));
    let bench = Bench::start();
    let acme = tenant(&bench, "acme", &receiver.origin());
    let reply = acme.call("trespasser/send", &outgoing(&receiver.url("/")));
    let problem = reply.guest_refused("limit");
    assert!(problem.to_string().contains("response-body"), "{problem}");
}

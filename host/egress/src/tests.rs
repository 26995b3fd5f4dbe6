use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Bytes, Millis, SeededRng, TraceId};
use bulla_kernel::ports::{Egress, EgressError, OutboundRequest, OutboundResponse, Placement, Plaintext};
use zeroize::Zeroizing;

use crate::{EgressConfig, HttpEgress, Lookup};

mod receiver;
use receiver::response;

const SECRET: &str = "tok+4711/geheim";

struct Fixed(Vec<IpAddr>);

#[async_trait]
impl Lookup for Fixed {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn egress() -> HttpEgress {
    HttpEgress::new(&EgressConfig::default(), Arc::new(SeededRng::new(1))).unwrap()
}

fn resolving(addresses: &[&str]) -> HttpEgress {
    let lookup = Fixed(addresses.iter().map(|text| text.parse().unwrap()).collect());
    HttpEgress::with_lookup(&EgressConfig::default(), Arc::new(SeededRng::new(1)), Arc::new(lookup)).unwrap()
}

/// A request to `url` under a grant of `destination`.
fn request(url: &str, destination: &str) -> OutboundRequest {
    OutboundRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("content-type".into(), "text/plain".into())],
        body: b"the document".to_vec(),
        placement: Placement::Bearer,
        secret: Plaintext(Zeroizing::new(SECRET.as_bytes().to_vec())),
        destinations: vec![destination.into()],
        idempotency_key: Some("bulla-job_1".into()),
        trace: TraceId::draw(&SeededRng::new(2)),
        timeout: Millis(5_000),
        max_response: Bytes(1 << 16),
    }
}

fn to(receiver: &receiver::Receiver) -> OutboundRequest {
    let origin = format!("http://{}", receiver.address);
    request(&format!("{origin}/in?a=b"), &origin)
}

fn is_denied(result: &Result<OutboundResponse, EgressError>) -> bool {
    matches!(result, Err(EgressError::Denied { .. }))
}

fn is_unavailable(result: &Result<OutboundResponse, EgressError>) -> bool {
    matches!(result, Err(EgressError::Unavailable { .. }))
}

#[tokio::test]
async fn the_receiver_gets_the_request_and_the_hosts_headers() {
    let receiver = receiver::plain(|_| async { response(201, "x-id: 7\r\n", "stored") }).await;
    let mut outbound = to(&receiver);
    outbound.headers.push(("x-many".into(), "1".into()));
    outbound.headers.push(("X-Many".into(), "2".into()));
    let trace = outbound.trace.clone();
    let answer = egress().send(outbound).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, b"stored".as_slice()));
    assert_eq!(answer.headers, [("x-id".to_owned(), "7".to_owned())]);
    let seen = receiver.seen.all().await.remove(0).replace("\r\n", "\n");
    let (head, body) = seen.split_once("\n\n").unwrap();
    assert_eq!(body, "the document");
    assert!(head.starts_with("POST /in?a=b HTTP/1.1\n"), "{head}");
    for line in [
        format!("authorization: Bearer {SECRET}"),
        format!("host: {}", receiver.address),
        "content-length: 12".into(),
        "content-type: text/plain".into(),
        "idempotency-key: bulla-job_1".into(),
        "accept-encoding: identity".into(),
        "x-many: 1".into(),
        "x-many: 2".into(),
    ] {
        assert!(head.lines().any(|got| got == line), "{line} is not in\n{head}");
    }
    let traceparent = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
    assert!(traceparent.starts_with(&format!("00-{trace}-")) && traceparent.len() == 55, "{traceparent}");
}

#[tokio::test]
async fn each_placement_puts_the_secret_in_its_place() {
    let receiver = receiver::plain(|_| async { response(204, "", "") }).await;
    let basic = STANDARD.encode(format!("ada:{SECRET}"));
    for (placement, line) in [
        (Placement::Bearer, format!("authorization: Bearer {SECRET}")),
        (Placement::Basic { user: "ada".into() }, format!("authorization: Basic {basic}")),
        (Placement::Header { name: "X-Api-Key".into() }, format!("x-api-key: {SECRET}")),
    ] {
        egress().send(OutboundRequest { placement, ..to(&receiver) }).await.unwrap();
        let seen = receiver.seen.all().await.pop().unwrap();
        assert!(seen.lines().any(|got| got == line), "{line} is not in\n{seen}");
    }
}

#[tokio::test]
async fn a_receiver_that_echoes_does_not_reveal_the_secret() {
    let echo = |sent: String| async move {
        let pair = STANDARD.encode(format!("ada:{SECRET}"));
        let percent = "tok%2B4711%2fgeheim";
        let json = r"tok\u002B4711\/geheim";
        let alone = STANDARD.encode(SECRET);
        let headers =
            format!("x-echo: {SECRET}; {pair}\r\nset-cookie: session=1\r\nx-{}: 1\r\n", hex::encode(SECRET));
        response(200, &headers, &format!("{sent}\n{pair}\n{percent}\n{json}\n{alone}\n{SECRET}{SECRET}"))
    };
    let receiver = receiver::plain(echo).await;
    for placement in [
        Placement::Bearer,
        Placement::Basic { user: "ada".into() },
        Placement::Header { name: "x-key".into() },
    ] {
        let answer = egress().send(OutboundRequest { placement, ..to(&receiver) }).await.unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        let all = format!("{:?}{body}", answer.headers);
        for form in [SECRET.to_owned(), STANDARD.encode(SECRET), hex::encode(SECRET)] {
            assert!(!all.contains(form.trim_end_matches('=')), "{form} is in\n{all}");
        }
        assert!(!all.contains("tok%2B") && !all.contains(r"tok\u002B"), "{all}");
        assert!(!all.contains(STANDARD.encode(format!("ada:{SECRET}")).trim_end_matches('=')), "{all}");
        assert!(body.contains("the document") && body.ends_with("[secret][secret]"), "{body}");
        assert!(!all.contains("session"), "cookies are dropped");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_searched_in_time_is_not_given() {
    let (secret, body) = ("a".repeat(1_000) + "b", "a".repeat(10_000));
    let receiver = receiver::plain(move |_| {
        let answer = response(200, "", &body);
        async { answer }
    })
    .await;
    let secret = Plaintext(Zeroizing::new(secret.into_bytes()));
    let result = egress().send(OutboundRequest { secret, ..to(&receiver) }).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(receiver.seen.all().await.len(), 1);
}

#[tokio::test]
async fn a_compressed_answer_is_not_taken() {
    let receiver = receiver::plain(|_| async { response(200, "content-encoding: gzip\r\n", "x") }).await;
    assert!(is_unavailable(&egress().send(to(&receiver)).await));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = receiver::plain(|_| async { response(200, "", "reached") }).await;
    let location = format!("location: http://{}/\r\n", target.address);
    let receiver = receiver::plain(move |_| {
        let location = location.clone();
        async move { response(307, &location, "") }
    })
    .await;
    let mut outbound = to(&receiver);
    outbound.destinations.push(format!("http://{}", target.address));
    assert_eq!(egress().send(outbound).await.unwrap().status, 307);
    assert!(target.seen.all().await.is_empty());
}

#[tokio::test]
async fn what_is_not_granted_is_not_connected_to() {
    let receiver = receiver::plain(|_| async { response(200, "", "") }).await;
    let port = receiver.address.port();
    for (url, grant) in [
        (format!("http://127.0.0.1:{port}/"), format!("https://127.0.0.1:{port}")),
        (format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}")),
        (format!("http://localhost:{port}/"), format!("http://127.0.0.1:{port}")),
        (format!("http://127.0.0.1:{port}/"), "http://127.0.0.1:1".to_owned()),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), format!("http://[::ffff:127.0.0.1]:{port}")),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "http://169.254.169.254:80".to_owned()),
        ("http://localhost/".to_owned(), "http://localhost".to_owned()),
    ] {
        let outbound = request(&url, &grant);
        assert!(matches!(egress().check(&outbound), Err(EgressError::Denied { .. })), "{url} under {grant}");
        assert!(is_denied(&egress().send(outbound).await), "{url} under {grant}");
    }
    assert!(receiver.seen.all().await.is_empty());
    let granted = format!("http://localhost:{port}");
    assert_eq!(
        egress().send(request(&granted, &granted)).await.unwrap().status,
        200,
        "localhost with its port"
    );
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_denied() {
    let receiver = receiver::plain(|_| async { response(200, "", "") }).await;
    let origin = format!("http://receiver.example:{}", receiver.address.port());
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["10.0.0.1", "192.168.0.1"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["::ffff:127.0.0.1"],
        &["0.0.0.0"],
        &["100.64.0.1"],
        &["fe80::1"],
        &["224.0.0.1"],
    ] {
        let result = resolving(addresses).send(request(&origin, &origin)).await;
        assert!(is_denied(&result), "{addresses:?}: {result:?}");
    }
    assert!(is_unavailable(&resolving(&[]).send(request(&origin, &origin)).await));
    assert!(receiver.seen.all().await.is_empty());
}

/// Names a public address first, where nothing is, and this machine from then on.
#[derive(Default)]
struct Rebinding(AtomicUsize);

#[async_trait]
impl Lookup for Rebinding {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        // Global unicast, and assigned to nobody.
        Ok(vec![if first { "3fff:ffff::1".parse().unwrap() } else { Ipv4Addr::LOCALHOST.into() }])
    }
}

/// DNS rebinding: between the check and the connection the name must not be asked for again, here or of the machine's resolver.
#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    let receiver = receiver::plain(|_| async { response(200, "", "") }).await;
    let lookup = Arc::new(Rebinding::default());
    let rng = Arc::new(SeededRng::new(1));
    let egress = HttpEgress::with_lookup(&EgressConfig::default(), rng, lookup.clone()).unwrap();
    let origin = format!("http://{}:{}", loopback_name(), receiver.address.port());
    let outbound = || OutboundRequest { timeout: Millis(500), ..request(&origin, &origin) };
    let result = egress.send(outbound()).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert_eq!(lookup.0.load(Ordering::Relaxed), 1, "the name is resolved once for one connection");
    // The next connection is checked anew.
    let result = egress.send(outbound()).await;
    assert!(is_denied(&result), "{result:?}");
    assert!(receiver.seen.all().await.is_empty());
}

/// A name that the machine itself takes for this one, and that is not `localhost`; without one, any name.
fn loopback_name() -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts.lines().filter_map(|line| line.strip_prefix("127.0.0.1")?.split_whitespace().next());
    names.into_iter().find(|name| *name != "localhost").unwrap_or("receiver.example").to_owned()
}

#[tokio::test]
async fn an_answer_over_the_limit_is_cut_off() {
    let announced = receiver::plain(|_| async { response(200, "", &"x".repeat(1_001)) }).await;
    // An endless answer without a length: it must be cut off while it streams.
    let endless = receiver::plain(|_| async {
        let head = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
        [head, vec![b'x'; 4 << 20]].concat()
    })
    .await;
    for receiver in [&announced, &endless] {
        let outbound = OutboundRequest { max_response: Bytes(1_000), ..to(receiver) };
        assert_eq!(egress().send(outbound).await.unwrap_err(), EgressError::Limit("response-body"));
    }
    let outbound = OutboundRequest { max_response: Bytes(1_001), ..to(&announced) };
    assert_eq!(egress().send(outbound).await.unwrap().body.len(), 1_001);
    let headers =
        receiver::plain(|_| async { response(200, &format!("x: {}\r\n", "y".repeat(40_000)), "") }).await;
    assert_eq!(egress().send(to(&headers)).await.unwrap_err(), EgressError::Limit("response-body"));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_unavailable() {
    let silent = receiver::plain(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Vec::new()
    })
    .await;
    let outbound = OutboundRequest { timeout: Millis(200), ..to(&silent) };
    let result = egress().send(outbound).await;
    assert!(is_unavailable(&result), "{result:?}");
    // Half an answer is none.
    let torn =
        receiver::plain(|_| async { b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf".to_vec() }).await;
    assert!(is_unavailable(&egress().send(to(&torn)).await));
    // Taken, and nobody listens.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusing = bound.local_addr().unwrap();
    let origin = format!("http://{refusing}");
    let result = egress().send(request(&origin, &origin)).await;
    let Err(EgressError::Unavailable { reason, .. }) = result else { panic!("{result:?}") };
    assert!(!reason.contains(SECRET), "{reason}");
}

#[tokio::test]
async fn the_hosts_headers_are_not_the_guests() {
    let receiver = receiver::plain(|_| async { response(200, "", "") }).await;
    for name in [
        "Host",
        "authorization",
        "Cookie",
        "proxy-authorization",
        "Transfer-Encoding",
        "Content-Length",
        "Connection",
    ] {
        let mut outbound = to(&receiver);
        outbound.headers.push((name.into(), "x".into()));
        let result = egress().send(outbound).await;
        assert!(matches!(result, Err(EgressError::Invalid(_))), "{name}: {result:?}");
    }
    let unopened = OutboundRequest { secret: Plaintext(Zeroizing::default()), ..to(&receiver) };
    assert!(matches!(egress().send(unopened).await, Err(EgressError::Invalid(_))));
    assert!(receiver.seen.all().await.is_empty());
}

#[tokio::test]
async fn a_certificate_is_verified_against_known_roots() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let receiver = receiver::tls(|_| async { response(200, "", "ok") }, Arc::new(config).into()).await;
    let origin = format!("https://{}", receiver.address);
    assert!(is_unavailable(&egress().send(request(&origin, &origin)).await), "an unknown issuer");
    assert!(receiver.seen.all().await.is_empty());

    let config = EgressConfig { extra_roots_pem: Some(made.cert.pem().into_bytes()) };
    let trusting = HttpEgress::new(&config, Arc::new(SeededRng::new(1))).unwrap();
    assert_eq!(trusting.send(request(&origin, &origin)).await.unwrap().body, b"ok");
    let other = format!("https://localhost:{}", receiver.address.port());
    assert!(
        is_unavailable(&trusting.send(request(&other, &other)).await),
        "another name than the certificate's"
    );

    let broken = EgressConfig {
        extra_roots_pem: Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()),
    };
    assert!(HttpEgress::new(&broken, Arc::new(SeededRng::new(1))).is_err());
}

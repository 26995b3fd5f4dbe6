//! Where a request may go: what the guest writes against what the operator granted, a line each.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use bulla_base::{Bytes, Millis, SeededRng, TraceId};
use bulla_egress::{EgressConfig, HttpEgress};
use bulla_kernel::ports::{Egress, OutboundRequest, Placement, Plaintext};
use bulla_kernel::secrets::{Destination, check};
use url::Url;

pub const WORDS: &[&str] = &[
    "https://",
    "http://",
    "receiver.example",
    ":443",
    ":80",
    ":8080",
    "@",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0x7f.1",
    "2130706433",
    "169.254.169.254",
    "\\",
    "#",
    "?",
    "/..",
    "%2e",
    "xn--",
    "\u{212b}",
    "\u{3002}",
    ".",
    "\t",
    "\n",
];

static WAY_OUT: LazyLock<HttpEgress> =
    LazyLock::new(|| HttpEgress::new(&EgressConfig::default(), Arc::new(SeededRng::new(1))).unwrap());

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (url, grant) = text.split_once('\n').unwrap_or((&text, "https://receiver.example"));
    one_spelling(grant);
    let request = OutboundRequest {
        method: "POST".into(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        placement: Placement::Bearer,
        secret: Plaintext(Default::default()),
        destinations: vec![grant.to_owned()],
        idempotency_key: None,
        trace: TraceId::draw(&SeededRng::new(1)),
        timeout: Millis(1),
        max_response: Bytes(1),
    };
    let Ok(granted) = check(&request) else { return };
    let named = Destination::parse(grant).unwrap();
    assert!(granted.destination.is(&named), "`{url}` is let through by `{grant}`");
    // What will be connected to is read from the URL once more, by the client.
    let again = Url::parse(granted.url.as_str()).unwrap();
    assert_eq!(
        (again.host_str(), again.port_or_known_default()),
        (granted.url.host_str(), granted.url.port_or_known_default())
    );
    assert!(again.username().is_empty() && again.password().is_none(), "{again}");
    assert!(matches!(again.scheme(), "https" | "http"));
    assert_eq!(Destination::of_url(&again).unwrap().to_string(), named.to_string());
    if WAY_OUT.check(&request).is_ok() {
        let address = named.address();
        assert!(!address.is_some_and(never), "`{grant}` opens {address:?}");
        assert!(
            named.has_explicit_port() || !address.is_some_and(|address| address.is_loopback()),
            "{grant}"
        );
    }
}

/// A grant, a manifest's destination and the written form of each mean the same place.
fn one_spelling(text: &str) {
    if let Ok(granted) = Destination::parse(text) {
        assert!(
            Destination::parse(&granted.to_string()).unwrap().is(&granted),
            "`{text}` is written `{granted}`"
        );
    }
    // A manifest's names are not decoded: one that is no Punycode (RFC 3492) asks for a place that nobody can grant.
    let plain =
        |asked: &bulla_signing::Destination| !asked.host().split('.').any(|label| label.starts_with("xn--"));
    if let Some(asked) = text.parse::<bulla_signing::Destination>().ok().filter(plain) {
        let granted = Destination::parse(&asked.to_string());
        let granted = granted.unwrap_or_else(|error| panic!("a manifest asks for `{asked}`: {error:?}"));
        let scheme = match asked.scheme() {
            bulla_signing::manifest::Scheme::Https => "https",
            bulla_signing::manifest::Scheme::Http => "http",
        };
        let place = format!("{scheme}://{}:{}", asked.host(), asked.port());
        assert!(granted.is(&Destination::parse(&place).unwrap()), "`{asked}` is `{granted}`");
    }
}

/// What no grant opens.
fn never(address: IpAddr) -> bool {
    let own = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.to_ipv4_mapped().is_some(),
    };
    own || address.is_unspecified() || address.is_multicast()
}

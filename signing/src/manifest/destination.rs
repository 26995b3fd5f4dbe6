//! Where a secret may be sent: scheme, host and port, compared exactly.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Written `scheme://host[:port]` and nothing else: no user, path, query, wildcard or trailing dot.
///
/// The host is a lower-case DNS name, an IPv4 address in dotted decimals, or an IPv6 address in brackets in its shortest form
/// (RFC 5952). A name is compared as a name: what it resolves to is the outbound client's to check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    scheme: Scheme,
    host: String,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a destination: {rule}")]
pub struct InvalidDestination {
    pub rule: &'static str,
    /// The offending text, cut at 80 characters.
    pub text: String,
}

impl Destination {
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// As it is written: an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port in effect: the scheme's own where none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether a request with these parts goes here. Case does not count; an IPv6 address may come with or without brackets.
    pub fn matches(&self, scheme: &str, host: &str, port: u16) -> bool {
        let bare = |host: &str| host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).map(str::to_owned);
        let own = bare(&self.host);
        let same_host = match own {
            Some(own) => bare(host).as_deref().unwrap_or(host).eq_ignore_ascii_case(&own),
            None => self.host.eq_ignore_ascii_case(host),
        };
        same_host && self.port == port && self.scheme.as_str().eq_ignore_ascii_case(scheme)
    }
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Destination {
    type Err = InvalidDestination;
    fn from_str(text: &str) -> Result<Self, InvalidDestination> {
        parse(text).map_err(|rule| InvalidDestination { rule, text: text.chars().take(80).collect() })
    }
}

fn parse(text: &str) -> Result<Destination, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("it is written `scheme://host[:port]`")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("the scheme is `http` or `https`, in lower case"),
    };
    if rest.contains(['/', '?', '#', '@', '*']) {
        return Err("nothing but `scheme://host[:port]` may stand there");
    }
    // The last colon outside of brackets starts the port.
    let (host, port) = match rest.rfind(':').filter(|at| !rest[*at..].contains(']')) {
        Some(at) => (&rest[..at], parse_port(&rest[at + 1..])?),
        None => (rest, scheme.default_port()),
    };
    if !is_host(host) {
        return Err("the host is a lower-case name, an IPv4 address, or an IPv6 address in brackets");
    }
    Ok(Destination { scheme, host: host.to_owned(), port })
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let port = text.parse().ok().filter(|port: &u16| *port > 0 && port.to_string() == text);
    port.ok_or("the port is a number from 1 to 65535")
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    // URL parsers take a name that ends in a number for an IPv4 address, in many notations: here it has one.
    if last.starts_with(|c: char| c.is_ascii_digit()) && is_number(last) {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_number(text: &str) -> bool {
    match text.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => text.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// A label of a host name (RFC 1123, section 2.1), in lower case.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl TryFrom<String> for Destination {
    type Error = InvalidDestination;
    fn try_from(text: String) -> Result<Self, InvalidDestination> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn the_port_in_effect_counts() {
        let named = destination("https://receiver.example");
        assert_eq!((named.scheme(), named.host(), named.port()), (Scheme::Https, "receiver.example", 443));
        assert_eq!(named, destination("https://receiver.example:443"));
        assert_eq!(named.to_string(), "https://receiver.example");
        assert_eq!(destination("http://127.0.0.1:8080").to_string(), "http://127.0.0.1:8080");
        assert_eq!(destination("http://[::1]").port(), 80);
        assert_eq!(destination("http://[::1]:443").to_string(), "http://[::1]:443");
    }

    #[test]
    fn only_the_very_destination_matches() {
        let own = destination("https://receiver.example");
        assert!(own.matches("https", "Receiver.example", 443));
        assert!(!own.matches("http", "receiver.example", 443));
        assert!(!own.matches("https", "receiver.example", 8443));
        for host in [
            "receiver.example.",
            "a.receiver.example",
            "example",
            "receiver.example.evil",
            "[receiver.example]",
            "",
        ] {
            assert!(!own.matches("https", host, 443), "{host}");
        }
        let six = destination("http://[fe80::1]:9");
        assert!(six.matches("http", "[fe80::1]", 9) && six.matches("http", "FE80::1", 9));
        assert!(!six.matches("http", "[fe80::2]", 9));
    }

    #[test]
    fn what_is_not_a_destination_says_why() {
        let shape = "it is written `scheme://host[:port]`";
        let scheme = "the scheme is `http` or `https`, in lower case";
        let rest = "nothing but `scheme://host[:port]` may stand there";
        let port = "the port is a number from 1 to 65535";
        let host = "the host is a lower-case name, an IPv4 address, or an IPv6 address in brackets";
        let long = format!("https://{}", "a".repeat(64));
        for (text, rule) in [
            ("", shape),
            ("receiver.example", shape),
            ("https:receiver", shape),
            ("ftp://a.example", scheme),
            ("HTTPS://a.example", scheme),
            (" https://a.example", scheme),
            ("https://a.example/", rest),
            ("https://a.example?x", rest),
            ("https://a.example#x", rest),
            ("https://user@a.example", rest),
            ("https://*.example", rest),
            ("https://a.example:", port),
            ("https://a.example:0", port),
            ("https://a.example:065", port),
            ("https://a.example:65536", port),
            ("https://a.example:+1", port),
            ("https://[::1]:x", port),
            ("https://", host),
            ("https://A.example", host),
            ("https://a.example.", host),
            ("https://a..b", host),
            ("https://-a.example", host),
            ("https://a_b.example", host),
            ("https://bücher.example", host),
            ("https://127.1", host),
            ("https://256.0.0.1", host),
            ("https://0x7f000001", host),
            ("https://127.0.0.01", host),
            ("https://[::0:1]", host),
            ("https://[FE80::1]", host),
            ("https://[::1", host),
            ("https://[127.0.0.1]", host),
            ("https://a b.example", host),
            ("https://a.example\n", host),
            (long.as_str(), host),
        ] {
            assert_eq!(
                text.parse::<Destination>(),
                Err(InvalidDestination { rule, text: text.to_owned() }),
                "{text}"
            );
        }
    }
}

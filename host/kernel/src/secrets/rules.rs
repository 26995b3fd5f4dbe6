//! What an outbound request must look like. Pure: the kernel asks before it opens the secret, and the way out asks again.

use url::Url;

use super::destination::Destination;
use crate::ports::{EgressError, OutboundRequest, Placement};

pub const MAX_HEADERS: usize = 64;
/// Names and values together.
pub const MAX_HEADER_BYTES: usize = 8_192;
pub const MAX_URL_BYTES: usize = 8_192;
const MAX_USER_BYTES: usize = 256;
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Header names that only the host sets. Framing would let a guest smuggle a second request (RFC 9112, section 6); the
/// content codings and ranges would let a receiver's echo pass the scrubbing in another form or in pieces.
const HOST_CONTROLLED: &[&str] = &[
    "accept-charset",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "if-range",
    "keep-alive",
    "range",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// True for a header name that a guest may not set, in any case.
pub fn is_host_controlled(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HOST_CONTROLLED.contains(&name.as_str()) || name.starts_with("proxy-") || name.starts_with("x-forwarded-")
}

/// Where the request goes, and the grant that allows it; the rest of the request is well-formed too.
///
/// Errors, in this order: `Invalid` (URL), `Denied`, `Invalid` (method, headers, placement).
pub fn check(request: &OutboundRequest) -> Result<Granted, EgressError> {
    let granted = destination(&request.url, &request.destinations)?;
    if !METHODS.contains(&request.method.as_str()) {
        return Err(invalid("the method is one of GET, POST, PUT, PATCH, DELETE"));
    }
    if request.method == "GET" && !request.body.is_empty() {
        return Err(invalid("a GET request has no body"));
    }
    headers(&request.headers)?;
    placement(request)?;
    Ok(granted)
}

/// A request's destination and the grant that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub url: Url,
    pub destination: Destination,
    pub grant: Destination,
}

pub(super) fn destination<'a>(
    url: &str,
    grants: impl IntoIterator<Item = &'a String>,
) -> Result<Granted, EgressError> {
    if url.len() > MAX_URL_BYTES {
        return Err(invalid("the URL is longer than 8,192 bytes"));
    }
    let url = Url::parse(url).map_err(|error| EgressError::Invalid(format!("the URL: {error}")))?;
    let destination = Destination::of_url(&url).map_err(invalid)?;
    match destination.granted_by(grants) {
        Some(grant) => Ok(Granted { url, destination, grant }),
        None => Err(EgressError::Denied { destination: destination.to_string() }),
    }
}

fn headers(headers: &[(String, String)]) -> Result<(), EgressError> {
    if headers.len() > MAX_HEADERS {
        return Err(invalid("a request has at most 64 headers"));
    }
    if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(invalid("the headers are longer than 8,192 bytes together"));
    }
    for (name, value) in headers {
        if !is_token(name) {
            return Err(invalid("a header's name is a token (RFC 9110, section 5.6.2)"));
        }
        if is_host_controlled(name) {
            return Err(EgressError::Invalid(format!("the header `{name}` is the host's to set")));
        }
        if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(EgressError::Invalid(format!("the header `{name}` holds more than visible ASCII")));
        }
    }
    Ok(())
}

fn placement(request: &OutboundRequest) -> Result<(), EgressError> {
    match &request.placement {
        Placement::Bearer => Ok(()),
        // RFC 7617, section 2: the user's name ends at the first colon.
        Placement::Basic { user } => {
            let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b':';
            if user.is_empty() || user.len() > MAX_USER_BYTES || !user.bytes().all(plain) {
                return Err(invalid("the user is 1 to 256 visible ASCII characters without `:`"));
            }
            Ok(())
        }
        Placement::Header { name } => {
            let authorization = name.eq_ignore_ascii_case("authorization");
            if !is_token(name) || (is_host_controlled(name) && !authorization) {
                return Err(invalid("the secret cannot go into this header"));
            }
            if request.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(invalid("the secret's header is set by the request as well"));
            }
            Ok(())
        }
    }
}

fn is_token(name: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

fn invalid(text: &'static str) -> EgressError {
    EgressError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    use bulla_base::{Bytes, Millis, SeededRng, TraceId};

    use super::*;
    use crate::ports::Plaintext;

    #[test]
    fn a_request_is_checked_before_it_leaves() {
        let check_with = |change: &dyn Fn(&mut OutboundRequest)| {
            let mut outbound = OutboundRequest {
                method: "POST".into(),
                url: "https://receiver.example/a".into(),
                headers: Vec::new(),
                body: Vec::new(),
                placement: Placement::Bearer,
                secret: Plaintext(Default::default()),
                destinations: vec!["https://receiver.example".into()],
                idempotency_key: None,
                trace: TraceId::draw(&SeededRng::new(1)),
                timeout: Millis(1),
                max_response: Bytes(1),
            };
            change(&mut outbound);
            check(&outbound)
        };
        assert!(check_with(&|_| ()).is_ok());
        let header = |name: &'static str, text: &'static str| {
            check_with(&move |outbound: &mut OutboundRequest| {
                outbound.headers.push((name.into(), text.into()))
            })
        };
        assert!(header("x-request-id", "7\t8").is_ok());
        for name in [
            "Host",
            "AUTHORIZATION",
            "Cookie",
            "Proxy-Authorization",
            "proxy-connection",
            "Transfer-Encoding",
            "content-length",
            "Connection",
            "Idempotency-Key",
            "traceparent",
            "Range",
            "accept-encoding",
            "upgrade",
            "",
            "a b",
            "a:",
            "ä",
            "a\r\nb",
        ] {
            assert!(matches!(header(name, "x"), Err(EgressError::Invalid(_))), "{name}");
        }
        for text in ["a\r\nhost: b", "a\nb", "a\0", "ä", "\u{7f}"] {
            assert!(matches!(header("x-a", text), Err(EgressError::Invalid(_))), "{text:?}");
        }
        for method in ["TRACE", "CONNECT", "post", "", "GET /x"] {
            let refused = check_with(&|outbound| outbound.method = method.into());
            assert!(matches!(refused, Err(EgressError::Invalid(_))), "{method}");
        }
        for url in [
            "",
            "/a",
            "https://",
            "https://u:p@receiver.example/",
            "ftp://receiver.example/",
            "file:///etc/passwd",
        ] {
            let refused = check_with(&|outbound| outbound.url = url.into());
            assert!(matches!(refused, Err(EgressError::Invalid(_))), "{url}");
        }
        for placement in [
            Placement::Header { name: "host".into() },
            Placement::Header { name: "x y".into() },
            Placement::Header { name: "cookie".into() },
            Placement::Basic { user: "a:b".into() },
            Placement::Basic { user: String::new() },
        ] {
            let refused = check_with(&|outbound| outbound.placement = placement.clone());
            assert!(matches!(refused, Err(EgressError::Invalid(_))), "{placement:?}");
        }
        let many = |count: usize, size: usize| {
            check_with(&move |outbound| outbound.headers = vec![("x".into(), "y".repeat(size)); count])
        };
        assert!(many(MAX_HEADERS, 1).is_ok() && many(1, MAX_HEADER_BYTES - 1).is_ok());
        assert!(many(MAX_HEADERS + 1, 1).is_err() && many(1, MAX_HEADER_BYTES).is_err());
        let long = check_with(&|outbound| {
            outbound.url = format!("https://receiver.example/{}", "a".repeat(MAX_URL_BYTES))
        });
        assert!(matches!(long, Err(EgressError::Invalid(_))));
    }
}

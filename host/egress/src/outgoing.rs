//! The request as it goes over the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_base::{Rng, TraceId};
use bulla_kernel::ports::{EgressError, OutboundRequest, Placement};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use zeroize::Zeroizing;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("bulla/", env!("CARGO_PKG_VERSION")));

/// The guest's headers, then the host's.
pub fn headers(request: &OutboundRequest, rng: &dyn Rng) -> Result<HeaderMap, EgressError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(header_name(name)?, header_value(value.as_bytes())?);
    }
    headers.entry(USER_AGENT).or_insert(AGENT);
    // A compressed echo of the secret could not be found in the answer.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert("traceparent", header_value(traceparent(&request.trace, rng).as_bytes())?);
    if let Some(key) = &request.idempotency_key {
        headers.insert("idempotency-key", header_value(key.as_bytes())?);
    }
    let (name, mut value) = credential(request)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

/// `user:secret` where the placement is basic.
pub fn user_and_secret(request: &OutboundRequest) -> Option<Zeroizing<Vec<u8>>> {
    match &request.placement {
        Placement::Basic { user } => {
            Some(Zeroizing::new([user.as_bytes(), b":", request.secret.0.as_slice()].concat()))
        }
        _ => None,
    }
}

fn credential(request: &OutboundRequest) -> Result<(HeaderName, HeaderValue), EgressError> {
    let secret = request.secret.0.as_slice();
    if secret.is_empty() {
        return Err(EgressError::Invalid("the secret was not opened".into()));
    }
    match &request.placement {
        Placement::Bearer => {
            let text = Zeroizing::new([b"Bearer ", secret].concat());
            Ok((AUTHORIZATION, header_value(&text)?))
        }
        Placement::Basic { .. } => {
            let pair = user_and_secret(request).unwrap_or_default();
            let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_slice())));
            Ok((AUTHORIZATION, header_value(text.as_bytes())?))
        }
        Placement::Header { name } => Ok((header_name(name)?, header_value(secret)?)),
    }
}

/// W3C Trace Context, section 3.2: this request is a span of its own in the call's trace.
fn traceparent(trace: &TraceId, rng: &dyn Rng) -> String {
    let mut span = [0u8; 8];
    rng.fill(&mut span);
    span[7] |= 1; // a span id of zeros is invalid
    format!("00-{trace}-{}-01", hex::encode(span))
}

fn header_name(name: &str) -> Result<HeaderName, EgressError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| EgressError::Invalid("a header's name is malformed".into()))
}

/// The error holds nothing of the value: it may be the secret.
fn header_value(value: &[u8]) -> Result<HeaderValue, EgressError> {
    HeaderValue::from_bytes(value).map_err(|_| EgressError::Invalid("a header's value is malformed".into()))
}

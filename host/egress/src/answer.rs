//! Reading an answer: within its limit, and without the secret.

use bulla_base::{Bytes, Millis};
use bulla_kernel::ports::{EgressError, OutboundResponse};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use crate::client::unavailable;
use crate::scrub::Scrubber;

/// All header names and values of an answer together.
const MAX_HEADER_BYTES: usize = 32 << 10;
const TOO_LARGE: EgressError = EgressError::Limit("response-body");
/// Cookies are a state that guests do not share; the rest describes the bytes on the wire, which are not those the guest gets.
const DROPPED: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "trailer",
    "upgrade",
];

pub async fn read(
    mut response: Response,
    max: Bytes,
    scrubber: &Scrubber,
) -> Result<OutboundResponse, EgressError> {
    let max = usize::try_from(max.0).unwrap_or(usize::MAX);
    plain(response.headers())?;
    let headers = headers(response.headers(), scrubber)?;
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(TOO_LARGE);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > max {
            return Err(TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(OutboundResponse { status: response.status().as_u16(), headers, body: scrubber.replace(&body) })
}

/// The request asked for no coding; the secret could hide in one.
fn plain(headers: &HeaderMap) -> Result<(), EgressError> {
    let coded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded {
        let reason = "the answer is compressed, though the request asked for plain bytes".to_owned();
        return Err(EgressError::Unavailable { reason, retry_after: Millis(60_000) });
    }
    Ok(())
}

fn headers(headers: &HeaderMap, scrubber: &Scrubber) -> Result<Vec<(String, String)>, EgressError> {
    if headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES
    {
        return Err(TOO_LARGE);
    }
    let kept = headers
        .iter()
        .filter(|(name, _)| !DROPPED.contains(&name.as_str()) && !scrubber.finds(name.as_str().as_bytes()));
    Ok(kept
        .map(|(name, value)| {
            let value = scrubber.replace(value.as_bytes());
            (name.as_str().to_owned(), String::from_utf8_lossy(&value).into_owned())
        })
        .collect())
}

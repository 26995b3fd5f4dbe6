//! Reading an answer: within its limit, and without the secret.

use bulla_base::{Bytes, Millis};
use bulla_kernel::ports::{EgressError, OutboundResponse};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use crate::client::unavailable;
use crate::scrub::{Scrubber, TooCostly};

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
    scrubber: Scrubber,
) -> Result<OutboundResponse, EgressError> {
    let max = usize::try_from(max.0).unwrap_or(usize::MAX);
    plain(response.headers())?;
    let headers = headers(response.headers(), &scrubber)?;
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
    // A long answer keeps a thread busy for a while: not one that calls wait for.
    let searched = tokio::task::spawn_blocking(move || scrubber.replace(&body)).await;
    let body = searched.unwrap_or(Err(TooCostly)).map_err(unsearched)?;
    Ok(OutboundResponse { status: response.status().as_u16(), headers, body })
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
    let mut clean = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.as_str();
        if DROPPED.contains(&name)
            || scrubber.replace(name.as_bytes()).map_err(unsearched)? != name.as_bytes()
        {
            continue;
        }
        let value = scrubber.replace(value.as_bytes()).map_err(unsearched)?;
        clean.push((name.to_owned(), String::from_utf8_lossy(&value).into_owned()));
    }
    Ok(clean)
}

/// Not given unsearched: the secret could stand in it.
fn unsearched(_: TooCostly) -> EgressError {
    let reason = "the answer and the secret repeat themselves too often for a search in time".to_owned();
    EgressError::Unavailable { reason, retry_after: Millis(60_000) }
}

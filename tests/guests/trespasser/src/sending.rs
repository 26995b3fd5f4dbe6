//! Requests to where it may send, and where it may not.

use bulla::prelude::*;

use crate::numbers::{Draw, draw};

/// Where to, with which secret in which place.
#[data]
pub struct Outgoing {
    url: String,
    alias: String,
    purpose: String,
    /// `bearer`, or the name of a header.
    #[serde(default)]
    placement: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// What came back, as the guest sees it.
#[data]
pub struct Incoming {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Sends at once. A destination that is not granted: the addon's code `denied`. A receiver that is slower than the call's
/// deadline: `deadline`. What came back has `[secret]` where the secret stood.
#[action]
pub fn send(call: &Call, outgoing: Outgoing) -> Result<Incoming> {
    let secret = call.secret(&outgoing.alias, &outgoing.purpose)?;
    let mut request = Request::post(outgoing.url).body(outgoing.body);
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    if let Some(place) = outgoing.placement.filter(|place| place != "bearer") {
        request = request.secret_in_header(place);
    }
    let response = secret.send(request)?;
    Ok(Incoming { status: response.status, body: response.text()?.to_owned(), headers: response.headers })
}

/// A sending beside a drawing.
#[data]
pub struct Both {
    send: Outgoing,
    draw: Draw,
}

/// Draws, then sends while it holds the numbers. Of a gapless sequence: the addon's code `conflict`.
#[action]
pub fn send_holding(call: &Call, both: Both) -> Result<Incoming> {
    draw(call, both.draw)?;
    send(call, both.send)
}

/// Sends, which may take its time, and draws after it: `denied` where the grant was taken away in between.
#[action]
pub fn send_then_draw(call: &Call, both: Both) -> Result<Vec<String>> {
    send(call, both.send)?;
    Ok(draw(call, both.draw)?.numbers)
}

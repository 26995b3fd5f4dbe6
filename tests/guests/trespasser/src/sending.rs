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

impl Outgoing {
    fn into_request(self) -> Request {
        let request = Request::post(self.url).body(self.body);
        let headers = self.headers.into_iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        match self.placement.filter(|place| place != "bearer") {
            Some(place) => request.secret_in_header(place),
            None => request,
        }
    }
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
    let response = secret.send(outgoing.into_request())?;
    Ok(Incoming { status: response.status, body: response.text()?.to_owned(), headers: response.headers })
}

/// Sends again and again, whatever is said to it: `deadline`, and no sooner for waiting inside the host.
#[action]
pub fn send_for_ever(call: &Call, outgoing: Outgoing) -> Result<()> {
    let secret = call.secret(&outgoing.alias, &outgoing.purpose)?;
    loop {
        let _refused = secret.send(outgoing.clone().into_request());
    }
}

/// A sending beside a drawing.
#[data]
pub struct Both {
    send: Outgoing,
    draw: Draw,
}

/// Draws, then sends while it holds the numbers: the addon's code `conflict`.
#[action]
pub fn send_holding(call: &Call, both: Both) -> Result<Incoming> {
    draw(call, both.draw)?;
    send(call, both.send)
}

/// Writes an entry, which is an effect of this call, then sends, which may take its time.
#[action]
pub fn note_then_send(call: &Call, outgoing: Outgoing) -> Result<Incoming> {
    call.audit("noted", "thing/noted", &[])?;
    send(call, outgoing)
}

/// Sends, which may take its time, and draws after it: `denied` where the grant was taken away in between.
#[action]
pub fn send_then_draw(call: &Call, both: Both) -> Result<Vec<String>> {
    send(call, both.send)?;
    Ok(draw(call, both.draw)?.numbers)
}

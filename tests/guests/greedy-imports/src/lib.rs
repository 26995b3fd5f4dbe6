//! Imports what its manifest does not name: `denied` at install, by whatever grant.

use bulla::prelude::*;

/// Would sign with a key and send with a secret, had it been loaded.
#[action]
fn peep(call: &Call) -> Result<String> {
    let number = call.sequence("orders")?.preview("2026-03-31")?;
    let signature = call.key("einvoice_signing", "invoice")?.sign(number.as_bytes())?;
    let request = Request::post("https://receiver.example").json(&signature);
    call.secret("receiver_token", "delivery")?.send(request)?;
    Ok(number)
}

bulla::addon!(peep);

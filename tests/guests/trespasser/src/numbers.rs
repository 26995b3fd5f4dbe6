//! Document numbers, drawn and misused.

use bulla::prelude::*;

/// How many numbers of which sequence.
#[data]
pub struct Draw {
    pub key: String,
    pub count: u32,
}

/// The numbers, with the reservations behind them.
#[data]
pub struct Drawn {
    pub numbers: Vec<String>,
    pub reservations: Vec<String>,
}

const DATE: &str = "2026-03-31";

/// Draws, and binds nothing: `ok`, the numbers are reserved. More than the limit `reservations`: the addon's code `limit`.
#[action]
pub fn draw(call: &Call, draw: Draw) -> Result<Drawn> {
    let sequence = call.sequence(&draw.key)?;
    let mut drawn = Drawn { numbers: Vec::new(), reservations: Vec::new() };
    for _ in 0..draw.count {
        let number = sequence.reserve_on(DATE)?;
        drawn.numbers.push(number.text().to_owned());
        drawn.reservations.push(number.id().to_owned());
    }
    Ok(drawn)
}

/// What the next number would be.
#[action]
pub fn peek(call: &Call, key: String) -> Result<String> {
    call.sequence(&key)?.preview(DATE)
}

/// A reservation of an earlier call.
#[data]
pub struct Reserved {
    key: String,
    reservation: String,
}

/// Binds a reservation to `thing/<reservation>`; another tenant's is `not-found`.
#[action]
pub fn commit_for(call: &Call, reserved: Reserved) -> Result<()> {
    let object = format!("thing/{}", reserved.reservation);
    call.sequence(&reserved.key)?.commit(&reserved.reservation, object)
}

/// Gives a reservation back; another tenant's is `not-found`.
#[action]
pub fn cancel_for(call: &Call, reserved: Reserved) -> Result<()> {
    call.sequence(&reserved.key)?.cancel(&reserved.reservation, "not wanted any more")
}

/// Draws, and traps: `trap`, and the numbers are free again.
#[action]
pub fn draw_and_trap(call: &Call, amount: Draw) -> Result<()> {
    draw(call, amount)?;
    core::arch::wasm32::unreachable()
}

/// Draws one, and refuses with its number in the text: `guest-error`; the host marks the number as uncommitted.
#[action]
pub fn draw_and_tell(call: &Call, key: String) -> Result<()> {
    let number = call.sequence(&key)?.reserve_on(DATE)?;
    let details = bulla::serde_json::json!({ "number": number.text() });
    Err(Error::new("told", format!("you may have {}", number.text())).with_details(details))
}

//! Takes more than it is given. Each action names the error it must end with.
//!
//! It imports nothing that has to be granted.

mod resources;
mod state;

use bulla::prelude::*;
use bulla::serde_json::{Value, json};

use resources::*;
use state::*;

/// How much of it.
#[data]
pub struct Amount {
    pub count: u32,
}

/// Does nothing: `ok`.
#[action]
fn noop(_call: &Call) -> Result<()> {
    Ok(())
}

/// Gives back what came in, whatever it is: `ok`.
#[action]
fn echo(_call: &Call, input: Value) -> Result<Value> {
    Ok(input)
}

/// What its schema allows: at most 10.
#[data]
struct Bounded {
    #[schemars(range(max = 10))]
    value: u32,
}

/// Answers what its schema forbids: `invalid-output` from 11 on.
#[action]
fn bad_output(_call: &Call, amount: Amount) -> Result<Bounded> {
    Ok(Bounded { value: amount.count })
}

/// As many levels of arrays as asked for. Beyond the 128 levels that the host reads: `invalid-output`.
#[action]
fn deep_output(_call: &Call, amount: Amount) -> Result<Value> {
    let mut value = json!(0);
    for _ in 0..amount.count {
        value = Value::Array(vec![value]);
    }
    Ok(value)
}

/// As many elements as asked for: `ok` while they are within the limit `output`.
#[action]
fn wide_output(_call: &Call, amount: Amount) -> Result<Vec<u32>> {
    Ok(vec![7; amount.count as usize])
}

/// As many bytes as asked for. More than the limit `output`: `limit`. More than its memory: `memory`.
#[action]
fn big_output(_call: &Call, amount: Amount) -> Result<String> {
    Ok("x".repeat(amount.count as usize))
}

/// Refuses in the proper way, with details: `guest-error`.
#[action]
fn refuse(_call: &Call) -> Result<()> {
    Err(Error::new("not-today", "the glutton is full").with_details(json!({ "courses": 7 })))
}

/// Refuses with a code that is none, or with a message of this length: `invalid-output`.
#[action]
fn malformed_refusal(_call: &Call, amount: Amount) -> Result<()> {
    match amount.count {
        0 => Err(Error::new("No Code", "a text")),
        length => Err(Error::new("long", "x".repeat(length as usize))),
    }
}

bulla::addon!(
    noop,
    echo,
    spin,
    recurse,
    grow_memory,
    flood_host_calls,
    carry,
    flood_log,
    flood_audit,
    big_output,
    bad_output,
    deep_output,
    wide_output,
    trap,
    panic,
    refuse,
    malformed_refusal,
    keep_state,
    leave_bytes,
    find_bytes,
    leave_and_find_bytes,
    lie_about_length,
    lie_about_elements,
    carry_nothing
);

//! Uses what it was granted, and tries what it was not. A denial is a value: it reaches the caller as `guest-error` with the
//! addon's code `denied`, because each action passes it on.

mod handles;
mod numbers;
mod sending;

use bulla::prelude::*;

use handles::*;
use numbers::*;
use sending::*;

/// A secret or key, and what it is for.
#[data]
pub struct Use {
    pub alias: String,
    pub purpose: String,
}

/// Signs a fixed text with the key.
#[action]
fn sign(call: &Call, with: Use) -> Result<u32> {
    Ok(call.key(&with.alias, &with.purpose)?.sign(b"trespasser")?.key_version)
}

/// Opens the secret, and does nothing with it.
#[action]
fn open_secret(call: &Call, secret: Use) -> Result<()> {
    call.secret(&secret.alias, &secret.purpose).map(drop)
}

/// An approval's scope and its one fact.
#[data]
struct Question {
    scope: String,
    total: String,
}

/// Asks the rules of a scope; no effect.
#[action]
fn evaluate(call: &Call, question: Question) -> Result<bool> {
    let facts = facts! { total: Decimal(question.total) };
    Ok(call.approvals(&question.scope)?.evaluate(facts)?.required)
}

/// Asks for an approval of `thing/<total>`.
#[action]
fn ask(call: &Call, question: Question) -> Result<Approval> {
    let object = format!("thing/{}", question.total);
    let subject = Subject::of(&object, &question.total);
    let facts = facts! { total: Decimal(&question.total) };
    call.approvals(&question.scope)?.request(facts, subject, then("evaluate", &question))
}

/// A request for approval by its id.
#[data]
struct Lookup {
    scope: String,
    id: String,
}

/// How a request stands; another tenant's is `not-found`.
#[action]
fn look_up(call: &Call, lookup: Lookup) -> Result<String> {
    Ok(format!("{:?}", call.approvals(&lookup.scope)?.state(&lookup.id)?))
}

bulla::addon!(
    draw,
    peek,
    commit_for,
    cancel_for,
    draw_and_trap,
    draw_and_tell,
    sign,
    open_secret,
    evaluate,
    ask,
    look_up,
    send,
    send_holding,
    note_then_send,
    send_then_draw,
    send_for_ever,
    forged_handle,
    dropped_handle,
    tell_handle,
    borrow_handle,
    disguised_handle,
    hoard_handles
);

//! One call, from a fresh instance to its end.

use bulla_base::{Bytes, Limits};
use wasmtime::component::{ComponentExportIndex, ComponentType, InstancePre, Lift};
use wasmtime::{AsContextMut, Store};

use crate::engine::Engine;
use crate::load::Loaded;
use crate::meter::{CallState, LimitFired, Usage};
use crate::outcome::{CallFailure, FailureKind, GuestError, Outcome, classify};

/// What of the addon is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Action,
    Job,
}

/// The parameters of `run`: the name of the action or job, and its input.
pub(crate) type Request<'a> = (&'a str, &'a [u8]);
/// The result of `run`.
pub(crate) type Answer = (Result<Vec<u8>, GuestFailure>,);
/// The result of `describe`.
pub(crate) type DescribeAnswer = (Vec<u8>,);

/// `bulla:addon/types.failure`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct GuestFailure {
    code: String,
    message: String,
    details: Vec<u8>,
}

/// The bounds of [`GuestFailure`], as its WIT states them.
const CODE_BYTES: usize = 63;
const MESSAGE_BYTES: usize = 4_096;
const DETAILS_BYTES: usize = 64 << 10;
/// A whole refusal.
pub(crate) const GUEST_ERROR_BYTES: u64 = (CODE_BYTES + MESSAGE_BYTES + DETAILS_BYTES) as u64;

/// Runs one action or job on a fresh instance, and gives `state` back when nothing of the instance is left.
///
/// `limits` are those in force for the call. `input` is JSON, checked by the caller against the contract, as is the
/// output after it. Dropping the future ends the call at once and takes `state` with it.
pub async fn run<T: CallState>(
    engine: &Engine,
    loaded: &Loaded<T>,
    entry: Entry,
    name: &str,
    input: &[u8],
    limits: &Limits,
    state: T,
) -> (Outcome, Usage, T) {
    let size = Bytes(input.len() as u64);
    let export = match entry {
        Entry::Action => Some(loaded.run_action()),
        Entry::Job => loaded.run_job(),
    };
    let (ended, mut usage, state) = match export {
        _ if size > limits.input => refuse(engine, limits, state, too_big("input", limits.input)),
        None => refuse(engine, limits, state, no_jobs()),
        Some(export) => {
            let invocation = Invocation::Run { export, name, input };
            execute(engine, loaded.pre(), invocation, limits, state).await
        }
    };
    usage.input = size;
    usage.output = Bytes(ended.as_ref().map_or(0, |answer| answer.as_ref().map_or(0, Vec::len) as u64));
    let outcome = match ended {
        Ok(answer) => bounded(answer, limits),
        Err(failure) => Outcome::Failed(Box::new(failure)),
    };
    (outcome, usage, state)
}

/// What is called on a fresh instance.
#[derive(Clone, Copy)]
pub(crate) enum Invocation<'a> {
    Run { export: ComponentExportIndex, name: &'a str, input: &'a [u8] },
    Describe { export: ComponentExportIndex },
}

pub(crate) type Ended = Result<Result<Vec<u8>, GuestFailure>, CallFailure>;

/// Store, instance, call, and the store's end. The guest's memory is free again when this returns.
pub(crate) async fn execute<T: CallState>(
    engine: &Engine,
    pre: &InstancePre<T>,
    invocation: Invocation<'_>,
    limits: &Limits,
    mut state: T,
) -> (Ended, Usage, T) {
    let limits = engine.within_slots(limits);
    state.meter().start(limits, engine.clock().clone());
    let mut store = Store::new(engine.wasmtime(), state);
    if let Err(error) = engine.arm(&mut store, &limits) {
        let failure = classify(&error, None, &limits, engine.config().stack.0);
        let mut state = store.into_data();
        let usage = state.meter().usage(limits.fuel.0);
        return (Err(failure), usage, state);
    }

    // The last resort, for a host function that waits without a race of its own: dropping the call loses the backtrace.
    let patience = limits.deadline.duration().saturating_add(engine.config().grace);
    let result = tokio::time::timeout(patience, invoke(&mut store, pre, invocation)).await;

    let fuel_left = store.get_fuel().unwrap_or(0);
    let mut state = store.into_data();
    let ended = match result {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(classify(&error, state.meter().fired(), &limits, engine.config().stack.0)),
        Err(_) => Err(CallFailure::deadline(&limits)),
    };
    let usage = state.meter().usage(fuel_left);
    (ended, usage, state)
}

async fn invoke<T: CallState>(
    store: &mut Store<T>,
    pre: &InstancePre<T>,
    invocation: Invocation<'_>,
) -> wasmtime::Result<Result<Vec<u8>, GuestFailure>> {
    let instance = pre.instantiate_async(store.as_context_mut()).await?;
    match invocation {
        Invocation::Run { export, name, input } => {
            let run = instance.get_typed_func::<Request<'_>, Answer>(store.as_context_mut(), export)?;
            let (answer,) = run.call_async(store.as_context_mut(), (name, input)).await?;
            Ok(answer)
        }
        Invocation::Describe { export } => {
            let describe = instance.get_typed_func::<(), DescribeAnswer>(store.as_context_mut(), export)?;
            let (contract,) = describe.call_async(store.as_context_mut(), ()).await?;
            Ok(Ok(contract))
        }
    }
}

/// An answer within its limits.
fn bounded(answer: Result<Vec<u8>, GuestFailure>, limits: &Limits) -> Outcome {
    match answer {
        Ok(output) if output.len() as u64 > limits.output.0 => {
            Outcome::Failed(Box::new(too_big("output", limits.output)))
        }
        Ok(output) => Outcome::Ok(output),
        Err(refusal) => match checked(refusal) {
            Ok(refusal) => Outcome::GuestError(refusal),
            Err(failure) => Outcome::Failed(Box::new(failure)),
        },
    }
}

/// A refusal that keeps to its WIT; else the addon's answer is invalid.
fn checked(refusal: GuestFailure) -> Result<GuestError, CallFailure> {
    let GuestFailure { code, message, details } = refusal;
    let wrong = if !is_code(&code) {
        "`code` is not 1 to 63 characters `a-z 0-9 _ . -`".to_owned()
    } else if message.len() > MESSAGE_BYTES {
        format!("`message` has {} bytes, the limit is {MESSAGE_BYTES}", message.len())
    } else if details.len() > DETAILS_BYTES {
        format!("`details` has {} bytes, the limit is {DETAILS_BYTES}", details.len())
    } else {
        return Ok(GuestError { code, message, details });
    };
    Err(CallFailure::new(FailureKind::InvalidOutput, "the addon's refusal is malformed", wrong))
}

fn is_code(code: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
    (1..=CODE_BYTES).contains(&code.len()) && code.bytes().all(allowed)
}

fn too_big(name: &'static str, limit: Bytes) -> CallFailure {
    CallFailure::limit(LimitFired { name, limit: limit.0 })
}

fn no_jobs() -> CallFailure {
    CallFailure::new(
        FailureKind::Incompatible,
        "the addon has no jobs",
        "the component does not export `bulla:addon/jobs`",
    )
}

/// A call that ends before it starts.
fn refuse<T: CallState>(
    engine: &Engine,
    limits: &Limits,
    mut state: T,
    failure: CallFailure,
) -> (Ended, Usage, T) {
    state.meter().start(*limits, engine.clock().clone());
    let usage = state.meter().usage(limits.fuel.0);
    (Err(failure), usage, state)
}

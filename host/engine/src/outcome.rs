//! How a call ended, and how an error of wasmtime is read.

use bulla_base::{Code, Failure, Fuel, Limits, Millis, codes};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::meter::{BUSY_RETRY, DeadlineReached, LimitFired};
use crate::trace::{Frame, backtrace, detail};

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The addon's answer, as JSON that nobody has checked yet.
    Ok(Vec<u8>),
    /// The addon refused.
    GuestError(GuestError),
    /// The call did not come to an end of its own.
    Failed(Box<CallFailure>),
}

/// The addon's own refusal, within the bounds of `bulla:addon/types.failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestError {
    pub code: String,
    pub message: String,
    /// JSON that nobody has checked yet; empty means none.
    pub details: Vec<u8>,
}

/// Why a call failed. The names are those of the error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    GuestError,
    Denied,
    InvalidInput,
    InvalidOutput,
    FuelExhausted,
    Deadline,
    Memory,
    /// Which limit, as manifests write it.
    Limit(&'static str),
    Busy,
    /// The system gave the host no memory or no file for the call.
    Unavailable,
    Trap,
    Incompatible,
}

impl FailureKind {
    pub fn code(self) -> Code {
        match self {
            Self::GuestError => codes::GUEST_ERROR,
            Self::Denied => codes::DENIED,
            Self::InvalidInput => codes::INVALID_INPUT,
            Self::InvalidOutput => codes::INVALID_OUTPUT,
            Self::FuelExhausted => codes::FUEL_EXHAUSTED,
            Self::Deadline => codes::DEADLINE,
            Self::Memory => codes::MEMORY,
            Self::Limit(_) => codes::LIMIT,
            Self::Busy => codes::BUSY,
            Self::Unavailable => codes::UNAVAILABLE,
            Self::Trap => codes::TRAP,
            Self::Incompatible => codes::INCOMPATIBLE,
        }
    }
}

/// A call that failed: a text for the caller, and all there is to know for the author and the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    pub kind: FailureKind,
    /// For the caller: no internals.
    pub message: String,
    /// For the operator: the errors that led here, outermost first.
    pub detail: String,
    /// The guest's stack, innermost frame first. Empty when no guest code was running.
    pub backtrace: Vec<Frame>,
    /// When a retry is sensible.
    pub retry_after: Option<Millis>,
}

impl CallFailure {
    pub fn new(kind: FailureKind, message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: detail.into(),
            backtrace: Vec::new(),
            retry_after: None,
        }
    }

    /// As it leaves the host.
    pub fn failure(&self) -> Failure {
        let mut failure = Failure::new(self.kind.code(), self.message.clone()).internal(self.detail.clone());
        failure.retry_after = self.retry_after;
        failure
    }

    pub(crate) fn limit(fired: LimitFired) -> Self {
        let kind = if fired.name == "memory" { FailureKind::Memory } else { FailureKind::Limit(fired.name) };
        Self::new(kind, fired.to_string(), fired.to_string())
    }

    pub(crate) fn deadline(limits: &Limits) -> Self {
        let message = format!("the call ran past its deadline of {}", limits.deadline);
        Self::new(FailureKind::Deadline, message.clone(), message)
    }
}

/// When the system may have again what it refused.
const UNAVAILABLE_RETRY: Millis = Millis(1_000);

/// Reads an error of wasmtime. `fired`: the first limit that the call's memories and tables ran into.
pub(crate) fn classify(
    error: &wasmtime::Error,
    fired: Option<LimitFired>,
    limits: &Limits,
    stack: u64,
) -> CallFailure {
    let mut failure = read(error, fired, limits, stack);
    failure.detail = detail(error);
    failure.backtrace = backtrace(error);
    failure
}

fn read(error: &wasmtime::Error, fired: Option<LimitFired>, limits: &Limits, stack: u64) -> CallFailure {
    if let Some(fired) = error.downcast_ref::<LimitFired>() {
        return CallFailure::limit(*fired);
    }
    if error.is::<DeadlineReached>() {
        return CallFailure::deadline(limits);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let mut busy = CallFailure::new(FailureKind::Busy, "the server runs as many calls as it can", "");
        busy.retry_after = Some(BUSY_RETRY);
        return busy;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return out_of_fuel(limits.fuel),
        Some(Trap::Interrupt) => return CallFailure::deadline(limits),
        Some(Trap::StackOverflow) => {
            return CallFailure::limit(LimitFired { name: "stack", limit: stack });
        }
        Some(Trap::MemoryOutOfBounds) if is_below_zero(error) => {
            let message = "the addon ran over the end of the stack in its memory, whose size its build sets";
            return CallFailure::new(FailureKind::Limit("stack"), message, "");
        }
        _ => {}
    }
    if let Some(fired) = limit_by_text(error, limits).or(fired) {
        return CallFailure::limit(fired);
    }
    if is_of_the_system(error) {
        let mut failed = CallFailure::new(FailureKind::Unavailable, "the host cannot run the addon now", "");
        failed.retry_after = Some(UNAVAILABLE_RETRY);
        return failed;
    }
    CallFailure::new(FailureKind::Trap, "the addon stopped at a trap", "")
}

/// The system refused the host something: no fault of the addon's. (What WASI is refused reaches the guest as an answer.)
fn is_of_the_system(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>())
}

/// Compilers lay a guest's stack at the bottom of its memory, growing downwards (`wasm-ld --stack-first`): one that is used up goes on
/// below zero, which is the end of the 32-bit address space. wasmtime gives the address no type, only a text.
fn is_below_zero(error: &wasmtime::Error) -> bool {
    const NEAR: u64 = 1 << 20;
    const END: u64 = 1 << 32;
    let address = error.chain().find_map(|cause| {
        let text = cause.to_string();
        let hex = text.strip_prefix("memory fault at wasm address 0x")?.split(' ').next()?;
        u64::from_str_radix(hex, 16).ok()
    });
    address.is_some_and(|address| (END - NEAR..END + NEAR).contains(&address))
}

fn out_of_fuel(fuel: Fuel) -> CallFailure {
    CallFailure::new(FailureKind::FuelExhausted, format!("the call used up its fuel of {fuel}"), "")
}

/// wasmtime gives these limits no type, only a text. `tests::limits` holds the texts to the version in use.
fn limit_by_text(error: &wasmtime::Error, limits: &Limits) -> Option<LimitFired> {
    let text = error.root_cause().to_string();
    let in_guest = !backtrace(error).is_empty();
    let fired = |name, limit| Some(LimitFired { name, limit });
    if text.ends_with("store handle limit exceeded") {
        fired("handles", u64::from(limits.handles))
    } else if text.ends_with("fuel allocated for hostcalls has been exhausted") {
        // The same bound guards the arguments of a host call and the result of the call itself. A result is read when no
        // guest code runs any more.
        if in_guest { fired("host-call", limits.host_call.0) } else { fired("output", limits.output.0) }
    } else if text.ends_with("resource table has no free keys") {
        fired("wasi-resources", crate::wasi::RESOURCES as u64)
    } else {
        None
    }
}

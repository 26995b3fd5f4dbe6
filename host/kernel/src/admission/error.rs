use bulla_base::{Code, Coded, Failure, Millis, codes};

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The tenant's queue is full, or it may run nothing at all.
    Queue,
    /// The tenant's rate is used up.
    Rate,
    /// The call waited as long as it would.
    Wait,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Rate => "rate",
            Self::Wait => "wait",
        }
    }
}

/// A call was not let in; nothing of it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .reason {
    Reason::Queue => "too many calls of this tenant wait already",
    Reason::Rate => "the tenant's rate is used up",
    Reason::Wait => "the call waited too long for its turn",
})]
pub struct Busy {
    pub reason: Reason,
    /// When a new try makes sense; at least 1 ms.
    pub retry_after: Millis,
}

impl Coded for Busy {
    fn code(&self) -> Code {
        codes::BUSY
    }

    fn failure(&self) -> Failure {
        Failure::new(self.code(), self.to_string()).retry_after(self.retry_after)
    }
}

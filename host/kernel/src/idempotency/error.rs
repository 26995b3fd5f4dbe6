use bulla_base::{Code, Coded, Failure, Millis, codes};
use bulla_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    #[error("an `Idempotency-Key` has 1 to 255 visible ASCII characters")]
    Key,
    #[error("the `Idempotency-Key` was used before, with another input")]
    Mismatch,
    #[error("the first call with this `Idempotency-Key` still runs")]
    InFlight,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for IdempotencyError {
    fn code(&self) -> Code {
        match self {
            Self::Key => codes::INVALID,
            Self::Mismatch => codes::IDEMPOTENCY_MISMATCH,
            Self::InFlight => codes::IDEMPOTENCY_IN_FLIGHT,
            Self::Store(error) => error.code(),
        }
    }

    fn public(&self) -> String {
        match self {
            Self::Store(error) => error.public(),
            other => other.to_string(),
        }
    }

    fn failure(&self) -> Failure {
        let failure = Failure::new(self.code(), self.public());
        match self {
            Self::InFlight => failure.retry_after(Millis(1_000)),
            Self::Store(error) => failure.internal(error.to_string()),
            _ => failure,
        }
    }
}

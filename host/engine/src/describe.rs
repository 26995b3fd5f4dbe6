//! Asks a component for its contract.

use bulla_base::{Bytes, Code, Coded, Fuel, Limits, Millis, codes};
use wasmtime::component::Linker;

use crate::call::{Invocation, execute};
use crate::compile;
use crate::engine::Engine;
use crate::load::{LoadError, describe_export, incompatible};
use crate::meter::{CallState, Meter};
use crate::outcome::CallFailure;

/// Why a component has no contract to tell.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("`describe` failed: {}", .0.message)]
    Failed(Box<CallFailure>),
}

impl Coded for DescribeError {
    fn code(&self) -> Code {
        match self {
            Self::Load(error) => error.code(),
            Self::Failed(failure) if failure.kind.code() == codes::TRAP => codes::INVALID_OUTPUT,
            Self::Failed(failure) => failure.kind.code(),
        }
    }
}

struct Nothing(Meter);

impl CallState for Nothing {
    fn meter(&mut self) -> &mut Meter {
        &mut self.0
    }
}

impl Engine {
    /// Runs `describe` of a component that was just built, for `bulla build`.
    ///
    /// It takes bytes that nobody signed, and is no second door for all that: every import is a trap, so the code can reach
    /// neither the kernel nor WASI, it runs once on an instance of its own under limits that no caller can widen, and nothing
    /// of it is cached or kept. All that comes out are bytes.
    pub async fn describe_own_build(&self, component: &[u8]) -> Result<Vec<u8>, DescribeError> {
        self.inspect(component)?;
        let compiled = compile::uncached(self, component).await?;
        let mut linker: Linker<Nothing> = self.linker();
        linker
            .define_unknown_imports_as_traps(&compiled)
            .map_err(incompatible)?;
        let pre = linker.instantiate_pre(&compiled).map_err(incompatible)?;
        let invocation = Invocation::Describe {
            export: describe_export(&pre)?,
        };
        let (ended, _, _) = execute(self, &pre, invocation, &limits(), Nothing(Meter::new())).await;
        match ended {
            Ok(contract) => Ok(contract.unwrap_or_default()),
            Err(failure) => Err(DescribeError::Failed(Box::new(failure))),
        }
    }
}

/// Wide enough for an interpreter that starts up.
fn limits() -> Limits {
    Limits {
        fuel: Fuel(5_000_000_000),
        deadline: Millis(30_000),
        memory: Bytes(256 << 20),
        output: Bytes(4 << 20),
        ..Limits::default()
    }
}

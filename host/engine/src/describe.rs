//! Asks a component for its contract.

use bulla_base::{Bytes, Code, Coded, Fuel, Limits, Millis, codes};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use crate::call::{Invocation, execute};
use crate::compile;
use crate::engine::Engine;
use crate::load::{LoadError, describe_export, incompatible, interface};
use crate::meter::{CallState, Meter};
use crate::outcome::CallFailure;
use crate::wasi::{self, WasiCallState, WasiState};

/// Why a component has no contract to tell.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The text is the author's: it names the functions that led there.
    #[error("`describe` failed: {}: {}", .0.message, .0.detail)]
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

    fn public(&self) -> String {
        match self {
            Self::Load(error) => error.public(),
            Self::Failed(failure) => format!("`describe` failed: {}", failure.message),
        }
    }
}

/// The state of a `describe`: its WASI has no directory, no environment, and a clock that stands still.
struct Nothing {
    meter: Meter,
    wasi: WasiState,
}

impl CallState for Nothing {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl WasiCallState for Nothing {
    fn wasi(&mut self) -> &mut WasiState {
        &mut self.wasi
    }
}

impl Engine {
    /// Runs `describe` of a component that was just built, for `bulla build`.
    ///
    /// It takes bytes that nobody signed, and is no second door for all that: every import is a trap but WASI's, behind which
    /// there is nothing (an interpreter, and any program with a C library, asks for its environment before its first line
    /// runs). It runs once on an instance of its own under limits that no caller can widen, and nothing of it is cached or
    /// kept. All that comes out are bytes.
    pub async fn describe_own_build(&self, component: &[u8]) -> Result<Vec<u8>, DescribeError> {
        let compiled = compile::uncached(self, component.into()).await?;
        let mut linker: Linker<Nothing> = self.linker();
        link_nothing(self, &mut linker, &compiled).map_err(incompatible)?;
        let pre = linker.instantiate_pre(&compiled).map_err(incompatible)?;
        let invocation = Invocation::Describe { export: describe_export(&pre)? };
        let nothing = Nothing { meter: Meter::new(), wasi: WasiState::default() };
        let (ended, _, _) = execute(self, &pre, invocation, &limits(), nothing).await;
        match ended {
            Ok(contract) => Ok(contract.unwrap_or_default()),
            Err(failure) => Err(DescribeError::Failed(Box::new(failure))),
        }
    }
}

/// WASI with nothing behind it, and a trap for every other import. wasmtime's own traps for unknown imports will not do: they
/// go by the exact version, and would hide the WASI of another patch version.
fn link_nothing(
    engine: &Engine,
    linker: &mut Linker<Nothing>,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, item) in component.component_type().imports(engine.wasmtime()) {
        match item.ty {
            _ if wasi::SUPPORTED.contains(&interface(name)) => wasi::link(linker, interface(name))?,
            ComponentItem::ComponentInstance(instance) => {
                let mut stubs = linker.instance(name)?;
                for (export, item) in instance.exports(engine.wasmtime()) {
                    stub(&mut stubs, export, &item.ty)?;
                }
            }
            item => stub(&mut linker.root(), name, &item)?,
        }
    }
    Ok(())
}

/// Types need no stub; what is neither function nor resource fails as the import that it is.
fn stub(linker: &mut LinkerInstance<'_, Nothing>, name: &str, item: &ComponentItem) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let asked = name.to_owned();
            linker
                .func_new(name, move |_, _, _, _| Err(wasmtime::format_err!("`describe` asks for `{asked}`")))
        }
        ComponentItem::Resource(_) => linker.resource(name, ResourceType::host::<()>(), |_, _| Ok(())),
        _ => Ok(()),
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

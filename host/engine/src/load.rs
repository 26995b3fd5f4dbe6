//! From a verified addon to something that can be called.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Bytes, Code, Coded, codes};
use bulla_signing::VerifiedAddon;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
};

use crate::cache::CodeSource;
use crate::call::{Answer, DescribeAnswer, Request};
use crate::compile;
use crate::engine::Engine;
use crate::inspect::{InspectError, Inspected, inspect};
use crate::requested::{is_free, requested};
use crate::wasi::{self, WasiCallState};

/// The exports of `bulla:addon` this host calls.
const ACTIONS: &str = "bulla:addon/actions@0.1.0";
const JOBS: &str = "bulla:addon/jobs@0.1.0";

/// The line of `bulla:kernel` this host offers.
const KERNEL_LINE: (u16, u16) = (0, 1);

/// The interfaces an operator granted to an addon, by name without version, such as `bulla:kernel/sequences` or
/// `wasi:clocks/wall-clock`.
pub type Granted = BTreeSet<String>;

/// Why an addon cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("the component imports `{import}`, which {by} does not allow")]
    Denied { import: String, by: DeniedBy },
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It needs something this host has not, or exports something this host cannot call.
    #[error("the component does not fit this host: {0}")]
    Incompatible(String),
    #[error("the component does not compile: {0}")]
    Compile(String),
    #[error("the component did not compile within {} s", after.as_secs_f32())]
    CompileTimeout { after: Duration },
    #[error("the component does not compile in {limit} of memory")]
    CompileMemory { limit: Bytes },
    #[error("the process that compiles did not start: {0}")]
    NoCompiler(String),
    #[error("other components were loaded for {} s without a break", after.as_secs_f32())]
    NoPlace { after: Duration },
}

impl LoadError {
    /// True where another try may end differently: the machine was busy.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::CompileTimeout { .. } | Self::NoCompiler(_) | Self::NoPlace { .. })
    }
}

/// Who does not allow an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBy {
    Manifest,
    Operator,
}

impl std::fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Manifest => "its manifest",
            Self::Operator => "the operator's grant",
        })
    }
}

impl Coded for LoadError {
    fn code(&self) -> Code {
        match self {
            Self::Denied { .. } => codes::DENIED,
            Self::Inspect(InspectError::TooMuch { .. } | InspectError::Uncounted { .. })
            | Self::CompileTimeout { .. }
            | Self::CompileMemory { .. } => codes::LIMIT,
            Self::NoCompiler(_) | Self::NoPlace { .. } => codes::UNAVAILABLE,
            Self::Inspect(_) | Self::Incompatible(_) | Self::Compile(_) => codes::INCOMPATIBLE,
        }
    }
}

/// An addon ready to be called, any number of times at once. Cheap to clone.
pub struct Loaded<T: 'static> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: 'static> {
    pre: InstancePre<T>,
    run_action: ComponentExportIndex,
    run_job: Option<ComponentExportIndex>,
    imports: Vec<String>,
    source: CodeSource,
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Loaded<T> {
    /// The component's imports, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Whether it imports anything of WASI: its calls then need a [`crate::WasiState`] of their own.
    pub fn uses_wasi(&self) -> bool {
        self.inner.imports.iter().any(|import| import.starts_with("wasi:"))
    }

    /// Whether it exports `jobs`.
    pub fn has_jobs(&self) -> bool {
        self.inner.run_job.is_some()
    }

    /// Whether its code was compiled now or came from the cache.
    pub fn source(&self) -> CodeSource {
        self.inner.source
    }

    pub(crate) fn pre(&self) -> &InstancePre<T> {
        &self.inner.pre
    }

    pub(crate) fn run_action(&self) -> ComponentExportIndex {
        self.inner.run_action
    }

    pub(crate) fn run_job(&self) -> Option<ComponentExportIndex> {
        self.inner.run_job
    }
}

/// What is to be loaded, with what its manifest asks for.
pub(crate) struct Candidate<'a> {
    pub component: &'a [u8],
    pub digest: [u8; 32],
    pub requested: BTreeSet<String>,
}

impl Engine {
    /// The one way to code that runs with the kernel's interfaces: only a verified addon comes in.
    ///
    /// `linker` carries the kernel's interfaces; the granted ones of WASI are added to a copy of it. Errors in order:
    /// kernel line, static limits, `denied` by manifest, then by grant, compilation, `incompatible`.
    pub async fn load<T: WasiCallState>(
        &self,
        addon: &VerifiedAddon,
        linker: &Linker<T>,
        granted: &Granted,
    ) -> Result<Loaded<T>, LoadError> {
        let line = addon.manifest().kernel();
        if (line.major, line.minor) != KERNEL_LINE {
            return Err(LoadError::Incompatible(format!("it needs the kernel line {line}")));
        }
        let candidate = Candidate {
            component: addon.component(),
            digest: *addon.component_digest().as_bytes(),
            requested: requested(addon.manifest()),
        };
        self.load_candidate(&candidate, linker, granted).await
    }

    pub(crate) async fn load_candidate<T: WasiCallState>(
        &self,
        candidate: &Candidate<'_>,
        linker: &Linker<T>,
        granted: &Granted,
    ) -> Result<Loaded<T>, LoadError> {
        let allow = |inspected: &Inspected| allowed(inspected, &candidate.requested, granted);
        let (component, source, inspected) =
            compile::cached(self, candidate.component.into(), &candidate.digest, allow).await?;

        same_imports(self, &component, &inspected)?;
        let mut linker = linker.clone();
        for import in inspected.imports.iter().filter(|import| import.starts_with("wasi:")) {
            wasi::link(&mut linker, interface(import)).map_err(incompatible)?;
        }
        let pre = linker.instantiate_pre(&component).map_err(incompatible)?;
        let run_action = export::<T, Request<'_>, Answer>(&pre, ACTIONS, "run")?
            .ok_or_else(|| LoadError::Incompatible(format!("it does not export `{ACTIONS}`")))?;
        let run_job = export::<T, Request<'_>, Answer>(&pre, JOBS, "run")?;
        let imports = inspected.imports;
        Ok(Loaded { inner: Arc::new(Inner { pre, run_action, run_job, imports, source }) })
    }

    pub(crate) fn inspect(&self, component: &[u8]) -> Result<Inspected, LoadError> {
        let inspected = inspect(component, &self.config().component)?;
        let slot = self.config().memory_slot.0;
        if inspected.memory > slot {
            return Err(InspectError::TooMuch { what: "memory", have: inspected.memory, limit: slot }.into());
        }
        Ok(inspected)
    }
}

/// `describe` of a component's actions, with the same checks as for a load.
pub(crate) fn describe_export<T>(pre: &InstancePre<T>) -> Result<ComponentExportIndex, LoadError> {
    export::<T, (), DescribeAnswer>(pre, ACTIONS, "describe")?
        .ok_or_else(|| LoadError::Incompatible(format!("it does not export `{ACTIONS}`")))
}

/// The imports that were judged are those that wasmtime found: two readers of one file could differ.
fn same_imports(engine: &Engine, component: &Component, inspected: &Inspected) -> Result<(), LoadError> {
    let kind = component.component_type();
    let unseen = kind
        .imports(engine.wasmtime())
        .find(|(name, _)| !inspected.imports.iter().any(|import| import == name));
    match unseen {
        None => Ok(()),
        Some((name, _)) => Err(LoadError::Incompatible(format!("its import `{name}` was not seen before"))),
    }
}

/// Every import must be asked for by the manifest and granted by the operator.
fn allowed(inspected: &Inspected, requested: &BTreeSet<String>, granted: &Granted) -> Result<(), LoadError> {
    for (set, by) in [(requested, DeniedBy::Manifest), (granted, DeniedBy::Operator)] {
        let missing = inspected.imports.iter().find(|import| {
            let interface = interface(import);
            !is_free(interface) && !set.contains(interface)
        });
        if let Some(import) = missing {
            return Err(LoadError::Denied { import: import.clone(), by });
        }
    }
    Ok(())
}

/// The name of an import without its version.
pub(crate) fn interface(import: &str) -> &str {
    import.split_once('@').map_or(import, |(name, _)| name)
}

pub(crate) fn incompatible(error: wasmtime::Error) -> LoadError {
    LoadError::Incompatible(format!("{error:#}"))
}

/// The index of a function of an exported interface; `None` without the interface.
fn export<T, P, R>(
    pre: &InstancePre<T>,
    interface: &str,
    function: &str,
) -> Result<Option<ComponentExportIndex>, LoadError>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let component: &Component = pre.component();
    let Some(instance) = component.get_export_index(None, interface) else {
        return Ok(None);
    };
    let named = || format!("`{interface}` has no function `{function}` as this host calls it");
    match component.get_export(Some(&instance), function) {
        Some((ComponentItem::ComponentFunc(found), index)) => {
            let typed = found.typecheck::<P, R>(&pre.instance_type());
            typed.map_err(|error| LoadError::Incompatible(format!("{}: {error:#}", named())))?;
            Ok(Some(index))
        }
        _ => Err(LoadError::Incompatible(named())),
    }
}

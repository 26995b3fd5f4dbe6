//! WASI 0.2 for components of other toolchains: one interface at a time, each only when manifest and operator both name it.
//!
//! What is not granted is not linked, so a component that imports it does not load. There is no network here: sockets
//! are in no list, and sending is the business of `bulla:kernel/secrets`. Standard input is empty, standard output and error lead
//! nowhere, there are no arguments and no environment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Clock, Rng};
use bulla_signing::manifest::DirectoryAccess;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{
    Deterministic, FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::meter::CallState;

/// The interfaces that can be granted, by name without version.
pub const SUPPORTED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The largest `len` of one request for random bytes.
const RANDOM_BYTES: u64 = 64 << 10;

/// What one call may hold open of WASI at a time: files, streams, waits. An open file is one of the whole process, so this
/// stays below the limit `handles`.
pub(crate) const RESOURCES: usize = 256;

/// The state of a call that may use WASI.
pub trait WasiCallState: CallState {
    fn wasi(&mut self) -> &mut WasiState;
}

/// WASI's part of one call. The default has nothing: for the calls of addons that import none of it.
#[derive(Default)]
pub struct WasiState {
    context: Option<WasiCtx>,
    table: ResourceTable,
}

impl WasiState {
    /// Clock and insecure randomness are the host's parameters, so that a replay gives the same; `wasi:random/random` is always
    /// the system's, because guests make keys from it. `directory` becomes `/` in the guest, and cannot be left.
    ///
    /// Errors: the directory cannot be opened.
    pub fn new(
        clock: &Arc<dyn Clock>,
        rng: &dyn Rng,
        directory: Option<(&Path, DirectoryAccess)>,
    ) -> std::io::Result<Self> {
        let mut insecure = vec![0; 1_024];
        rng.fill(&mut insecure);
        let mut seed = [0; 16];
        rng.fill(&mut seed);
        let mut builder = WasiCtxBuilder::new();
        builder
            .wall_clock(HostClock(Arc::clone(clock)))
            .monotonic_clock(HostClock(Arc::clone(clock)))
            .insecure_random(Deterministic::new(insecure))
            .insecure_random_seed(u128::from_le_bytes(seed))
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        if let Some((path, access)) = directory {
            let permissions = match access {
                DirectoryAccess::ReadOnly => FsPerms::ReadOnly,
                DirectoryAccess::ReadWrite => FsPerms::ReadWrite,
            };
            builder
                .preopened_dir(path, "/", permissions)
                .map_err(|error| std::io::Error::other(error.to_string()))?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Ok(Self { context: Some(builder.build()), table })
    }
}

impl WasiView for WasiState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.context.get_or_insert_with(nothing), table: &mut self.table }
    }
}

/// No directory, and a clock that stands at zero.
fn nothing() -> WasiCtx {
    WasiCtxBuilder::new().wall_clock(Stopped).monotonic_clock(Stopped).max_random_size(RANDOM_BYTES).build()
}

/// Adds one interface. Errors: this host does not have it.
pub(crate) fn link<T: WasiCallState>(linker: &mut Linker<T>, interface: &str) -> wasmtime::Result<()> {
    match interface {
        "wasi:io/error" => io::error::add_to_linker::<T, Table>(linker, |state| enter(state).ctx().table),
        "wasi:io/poll" => io::poll::add_to_linker::<T, Table>(linker, |state| enter(state).ctx().table),
        "wasi:io/streams" => io::streams::add_to_linker::<T, Table>(linker, |state| enter(state).ctx().table),
        "wasi:clocks/wall-clock" => {
            clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, |state| enter(state).clocks())
        }
        "wasi:clocks/monotonic-clock" => {
            clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(linker, |state| enter(state).clocks())
        }
        "wasi:random/random" => {
            random::random::add_to_linker::<T, WasiRandom>(linker, |state| enter(state).ctx().ctx.random())
        }
        "wasi:random/insecure" => {
            random::insecure::add_to_linker::<T, WasiRandom>(linker, |state| enter(state).ctx().ctx.random())
        }
        "wasi:random/insecure-seed" => {
            random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, |state| {
                enter(state).ctx().ctx.random()
            })
        }
        "wasi:filesystem/types" => {
            filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, |state| enter(state).filesystem())
        }
        "wasi:filesystem/preopens" => {
            filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, |state| {
                enter(state).filesystem()
            })
        }
        _ => link_cli(linker, interface),
    }
}

fn link_cli<T: WasiCallState>(linker: &mut Linker<T>, interface: &str) -> wasmtime::Result<()> {
    macro_rules! add {
        ($module:ident) => {
            cli::$module::add_to_linker::<T, WasiCli>(linker, |state| enter(state).cli())
        };
    }
    match interface {
        "wasi:cli/environment" => add!(environment),
        "wasi:cli/exit" => add!(exit),
        "wasi:cli/stdin" => add!(stdin),
        "wasi:cli/stdout" => add!(stdout),
        "wasi:cli/stderr" => add!(stderr),
        "wasi:cli/terminal-input" => add!(terminal_input),
        "wasi:cli/terminal-output" => add!(terminal_output),
        "wasi:cli/terminal-stdin" => add!(terminal_stdin),
        "wasi:cli/terminal-stdout" => add!(terminal_stdout),
        "wasi:cli/terminal-stderr" => add!(terminal_stderr),
        _ => Err(wasmtime::format_err!("this host has no `{interface}`")),
    }
}

/// Each WASI call passes here, and is charged.
fn enter<T: WasiCallState>(state: &mut T) -> &mut WasiState {
    state.meter().charge_wasi();
    state.wasi()
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

struct HostClock(Arc<dyn Clock>);

impl HostWallClock for HostClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// Zero before 1970: WASI's clock knows no earlier time.
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now_ms()).unwrap_or(0))
    }
}

impl HostMonotonicClock for HostClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

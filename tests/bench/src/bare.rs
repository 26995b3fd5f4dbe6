//! The peer of every call: wasmtime by itself, on the same configuration, with the same component. A fresh store and instance for
//! each call, fuel and epoch set because the configuration asks for them; no tenant, limit, transaction or audit.

use anyhow::{Context as _, Result, anyhow};
use bulla_engine::{Allocation, EngineConfig};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, HasSelf, InstancePre, Lift, Linker,
};
use wasmtime::{Config, Engine, Store};

use crate::drive::Caller;

mod world {
    wasmtime::component::bindgen!({
        world: "bulla:addon/imports",
        path: ["../../wit/kernel-0.1.0", "../../wit/addon-0.1.0"],
    });
}

use world::bulla::kernel::context;

/// More than any call here uses.
const FUEL: u64 = 1 << 40;

/// A component ready to be instantiated.
#[derive(Clone)]
pub struct Bare {
    engine: Engine,
    pre: InstancePre<State>,
    run: ComponentExportIndex,
    fueled: bool,
    action: &'static str,
    input: Vec<u8>,
}

/// What a call's store holds: what the guest is told about its call.
struct State;

impl context::Host for State {
    fn current(&mut self) -> context::Info {
        context::Info {
            call_id: "0198f0a0c0de7000800000000000000a".into(),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
            subject: "metronome".into(),
            now_ms: 1_780_000_000_000,
            entry: "noop".into(),
            job: None,
            approval: None,
        }
    }
}

/// `bulla:addon/types.failure`
#[derive(ComponentType, Lift)]
#[component(record)]
struct Failure {
    code: String,
    message: String,
    details: Vec<u8>,
}

type Request<'a> = (&'a str, &'a [u8]);
type Answer = (Result<Vec<u8>, Failure>,);

impl Bare {
    /// On the configuration that the host runs with by default.
    pub fn like_the_host(component: &[u8]) -> Result<Self> {
        Self::on(&EngineConfig::default().wasmtime(Allocation::Pooled), component, true)
    }

    /// On any configuration; `fueled` says whether it meters fuel.
    pub fn on(config: &Config, component: &[u8], fueled: bool) -> Result<Self> {
        Self::prepared(config, component, fueled).map_err(told)?.context("the component has no `run`")
    }

    fn prepared(config: &Config, component: &[u8], fueled: bool) -> wasmtime::Result<Option<Self>> {
        let engine = Engine::new(config)?;
        let component = Component::from_binary(&engine, component)?;
        let mut linker = Linker::<State>::new(&engine);
        context::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        linker.define_unknown_imports_as_traps(&component)?;
        let actions = component.get_export_index(None, "bulla:addon/actions@0.1.0");
        let run = actions.and_then(|actions| component.get_export_index(Some(&actions), "run"));
        let pre = linker.instantiate_pre(&component)?;
        Ok(run.map(|run| Self { engine, pre, run, fueled, action: "noop", input: b"{}".to_vec() }))
    }

    /// Another action than `noop`.
    pub fn action(mut self, action: &'static str, input: impl Into<Vec<u8>>) -> Self {
        (self.action, self.input) = (action, input.into());
        self
    }
}

impl Caller for Bare {
    type Session = ();

    async fn open(&self) -> Result<()> {
        Ok(())
    }

    async fn call(&self, (): &mut ()) -> Result<()> {
        let (answer,) = self.once().await.map_err(told)?;
        answer
            .map(drop)
            .map_err(|failure| anyhow!("{}: {} {:?}", failure.code, failure.message, failure.details))
    }
}

impl Bare {
    async fn once(&self) -> wasmtime::Result<Answer> {
        let mut store = Store::new(&self.engine, State);
        if self.fueled {
            store.set_fuel(FUEL)?;
        }
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<Request<'_>, Answer>(&mut store, &self.run)?;
        run.call_async(&mut store, (self.action, &self.input)).await
    }
}

fn told(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

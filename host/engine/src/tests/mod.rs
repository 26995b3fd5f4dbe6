//! Guests are written here as component text: small, and each wrong in one way only.

mod cache;
mod fuel;
mod host_calls;
mod inspect;
mod life;
mod limits;
mod load;
mod signatures;
mod unfold;
mod wasi;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bulla_base::{Clock, Entropy, Fuel, Limits, Millis, SystemClock};
use bulla_signing::{Contract, EntryContract, Package, PublisherKey, TrustEntry, TrustStore, VerifiedAddon};
use wasmtime::component::{Linker, Resource, ResourceType};

use crate::*;

/// The state of a test's call: what the host functions did.
#[derive(Default)]
pub struct State {
    meter: Meter,
    wasi: WasiState,
    effects: u32,
}

impl CallState for State {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl WasiCallState for State {
    fn wasi(&mut self) -> &mut WasiState {
        &mut self.wasi
    }
}

/// A guest of one action `go`.
#[derive(Default)]
pub struct Guest<'a> {
    /// Component imports, and what lowers them to core functions.
    pub imports: &'a str,
    /// `(with …)` of the main module.
    pub with: &'a str,
    /// Fields of the main module: imports first.
    pub fields: &'a str,
    /// The body of `run`: parameters `$name $nlen $in $len`, result: a pointer to the answer.
    pub body: &'a str,
    /// Pages of its memory at the start; 1 when unset.
    pub pages: u32,
}

impl Guest<'_> {
    pub fn component(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap()
    }

    fn text(&self) -> String {
        let Self { imports, with, fields, body, pages } = self;
        let mut text = String::new();
        write!(text, "(component {TYPES}").unwrap();
        write!(text, "(core module $libc (memory (export \"memory\") {}) {REALLOC})", (*pages).max(1))
            .unwrap();
        write!(text, "{LIBC} {imports}").unwrap();
        write!(text, "(core module $main {LIBC_IMPORTS} {fields} {ANSWERS}").unwrap();
        write!(
            text,
            "(func $run (export \"run\") (param $name i32) (param $nlen i32) (param $in i32) (param $len i32) (result i32) \
             {body}))"
        )
        .unwrap();
        write!(
            text,
            "(core instance $main (instantiate $main (with \"libc\" (instance $libc)) {with})) {EXPORTS})"
        )
        .unwrap();
        text
    }
}

const TYPES: &str = r#"
(import "bulla:addon/types@0.1.0" (instance $types
    (type $r (record (field "code" string) (field "message" string) (field "details" (list u8))))
    (export "failure" (type (eq $r)))))
(alias export $types "failure" (type $failure))"#;

const REALLOC: &str = r#"
(global $top (mut i32) (i32.const 4096))
(func (export "realloc") (param i32 i32 i32) (param $new i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $p) (local.get $new)))
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (memory.grow (i32.add (i32.div_u (local.get $new) (i32.const 65536)) (i32.const 1))) (i32.const -1))
            (then (unreachable)))))
    (local.get $p))"#;

const LIBC: &str = r#"
(core instance $libc (instantiate $libc))
(alias core export $libc "memory" (core memory $memory))
(alias core export $libc "realloc" (core func $realloc))"#;

const LIBC_IMPORTS: &str = r#"
(import "libc" "memory" (memory 1))
(import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))"#;

/// `ok` and `err` lay an answer out at 16.
const ANSWERS: &str = r#"
(data (i32.const 64) "{}codewrong")
(func $ok (param $ptr i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $ptr)) (i32.store (i32.const 24) (local.get $len))
    (i32.const 16))
(func $err (param $code i32) (param $clen i32) (param $message i32) (param $mlen i32) (result i32)
    (i32.store8 (i32.const 16) (i32.const 1))
    (i32.store (i32.const 20) (local.get $code)) (i32.store (i32.const 24) (local.get $clen))
    (i32.store (i32.const 28) (local.get $message)) (i32.store (i32.const 32) (local.get $mlen))
    (i32.store (i32.const 36) (i32.const 64)) (i32.store (i32.const 40) (i32.const 2))
    (i32.const 16))
(func $done (result i32) (call $ok (i32.const 64) (i32.const 2)))
(func (export "describe") (result i32)
    (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 2)) (i32.const 16))"#;

const EXPORTS: &str = r#"
(func $run (param "action" string) (param "input" (list u8)) (result (result (list u8) (error $failure)))
    (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))
(func $describe (result (list u8)) (canon lift (core func $main "describe") (memory $memory)))
(instance $actions (export "describe" (func $describe)) (export "run" (func $run)))
(export "bulla:addon/actions@0.1.0" (instance $actions))"#;

/// The test's own `bulla:kernel/log`: functions that charge, wait, count, and make handles.
pub const HOST: &str = r#"
(import "bulla:kernel/log@0.1.0" (instance $host
    (export "thing" (type $thing (sub resource)))
    (export "take" (func (param "bytes" (list u8))))
    (export "make" (func (result (own $thing))))
    (export "give" (func (param "length" u32) (result (list u8))))
    (export "wait" (func))
    (export "hang" (func))))
(core func $take (canon lower (func $host "take") (memory $memory)))
(core func $make (canon lower (func $host "make")))
(core func $give (canon lower (func $host "give") (memory $memory) (realloc $realloc)))
(core func $wait (canon lower (func $host "wait")))
(core func $hang (canon lower (func $host "hang")))"#;

pub const WITH_HOST: &str = r#"
(with "host" (instance
    (export "take" (func $take)) (export "make" (func $make)) (export "give" (func $give)) (export "wait" (func $wait)) (export "hang" (func $hang))))"#;

pub const HOST_FIELDS: &str = r#"
(import "host" "take" (func $take (param i32 i32)))
(import "host" "make" (func $make (result i32)))
(import "host" "give" (func $give (param i32 i32)))
(import "host" "wait" (func $wait))
(import "host" "hang" (func $hang))"#;

pub const TAKE: HostPrice = HostPrice { name: "log.take", flat: 1_000, per_byte: 2 };
pub const GIVE: HostPrice = HostPrice { name: "log.give", flat: 100_000, per_byte: 0 };

struct Thing;

/// A guest with the test's host functions.
pub fn with_host(body: &str) -> Guest<'_> {
    Guest { imports: HOST, with: WITH_HOST, fields: HOST_FIELDS, body, pages: 1 }
}

pub fn linker(engine: &Engine) -> Linker<State> {
    let mut linker: Linker<State> = engine.linker();
    let mut host = linker.instance("bulla:kernel/log@0.1.0").unwrap();
    host.resource("thing", ResourceType::host::<Thing>(), |_, _| Ok(())).unwrap();
    host.func_wrap("take", |mut store: wasmtime::StoreContextMut<'_, State>, (bytes,): (Vec<u8>,)| {
        store.data_mut().meter().charge(&TAKE, bytes.len())?;
        store.data_mut().effects += 1;
        Ok(())
    })
    .unwrap();
    host.func_wrap("give", |mut store: wasmtime::StoreContextMut<'_, State>, (length,): (u32,)| {
        store.data_mut().meter().charge(&GIVE, 0)?;
        Ok((vec![b'x'; length as usize],))
    })
    .unwrap();
    host.func_wrap("make", |_, (): ()| Ok((Resource::<Thing>::new_own(1),))).unwrap();
    host.func_wrap_async("wait", |mut store: wasmtime::StoreContextMut<'_, State>, (): ()| {
        let remaining = store.data_mut().meter().remaining();
        Box::new(
            async move { Ok(race_deadline(remaining, tokio::time::sleep(Duration::from_secs(30))).await?) },
        )
    })
    .unwrap();
    host.func_wrap_async("hang", |_, (): ()| {
        Box::new(async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Ok(())
        })
    })
    .unwrap();
    linker
}

pub fn small() -> EngineConfig {
    EngineConfig { instances: 8, ..EngineConfig::default() }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub fn engine() -> Engine {
    Engine::new(small(), None, clock(), None).unwrap()
}

pub fn limits() -> Limits {
    Limits { fuel: Fuel(10_000_000), deadline: Millis(10_000), ..Limits::default() }
}

/// Packs, signs and verifies, as `bulla test` does. `capabilities`: lines of the manifest.
pub fn verified(component: &[u8], capabilities: &str) -> VerifiedAddon {
    let manifest = format!(
        "[addon]\nname = \"guest\"\nversion = \"0.1.0\"\ndescription = \"A guest.\"\nkernel = \"0.1\"\n\
         [actions.go]\n{capabilities}"
    );
    let entry = EntryContract {
        name: "go".parse().unwrap(),
        doc: String::new(),
        input: true.into(),
        output: true.into(),
    };
    let component = Contract { actions: vec![entry], jobs: vec![] }.write(component).unwrap();
    let key = PublisherKey::generate(&Entropy);
    let trust = TrustStore::from_entries([TrustEntry::for_addons(key.public(), "ACME")]).unwrap();
    let now = clock().now();
    let package = Package::seal(manifest.as_bytes(), &component, &key, now).unwrap();
    VerifiedAddon::verify(package.into_bytes(), &trust, now).unwrap()
}

pub async fn load(engine: &Engine, guest: &Guest<'_>) -> Result<Loaded<State>, LoadError> {
    let addon = verified(&guest.component(), "");
    engine.load(&addon, &linker(engine), &Granted::new()).await
}

pub struct Ran {
    pub outcome: Outcome,
    pub usage: Usage,
    pub effects: u32,
}

impl Ran {
    pub fn failure(&self) -> &CallFailure {
        match &self.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("the call did not fail: {other:?}"),
        }
    }

    pub fn kind(&self) -> FailureKind {
        self.failure().kind
    }

    pub fn output(&self) -> &[u8] {
        match &self.outcome {
            Outcome::Ok(output) => output,
            other => panic!("the call failed: {other:?}"),
        }
    }
}

pub async fn call(engine: &Engine, loaded: &Loaded<State>, limits: &Limits) -> Ran {
    call_with(engine, loaded, limits, b"{}".to_vec(), State::default()).await
}

pub async fn call_with(
    engine: &Engine,
    loaded: &Loaded<State>,
    limits: &Limits,
    input: Vec<u8>,
    state: State,
) -> Ran {
    let (outcome, usage, state) = run(engine, loaded, Entry::Action, "go", &input, limits, state).await;
    Ran { outcome, usage, effects: state.effects }
}

/// Loads a guest and calls it once.
pub async fn once(guest: &Guest<'_>, limits: &Limits) -> Ran {
    let engine = engine();
    let loaded = load(&engine, guest).await.unwrap();
    call(&engine, &loaded, limits).await
}

//! WASI, one interface at a time.

use std::fs;
use std::path::Path;

use bulla_base::{ManualClock, SeededRng, SystemRng, Timestamp};
use bulla_signing::manifest::DirectoryAccess;

use super::*;

const CLOCK: &str = r#"
(import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $d (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $d)))
    (export "now" (func (result $datetime)))))
(core func $now (canon lower (func $clock "now") (memory $memory)))"#;
const RANDOM: &str = r#"
(import "wasi:random/insecure@0.2.0" (instance $random (export "get-insecure-random-u64" (func (result u64)))))
(core func $random (canon lower (func $random "get-insecure-random-u64")))"#;

fn clock_guest() -> Vec<u8> {
    Guest {
        imports: CLOCK,
        with: r#"(with "clock" (instance (export "now" (func $now))))"#,
        fields: r#"(import "clock" "now" (func $now (param i32)))"#,
        body: "(call $now (i32.const 104)) (call $ok (i32.const 104) (i32.const 8))",
        pages: 1,
    }
    .component()
}

fn asks(interfaces: &[&str]) -> String {
    format!("[capabilities.wasi]\nimports = {interfaces:?}\n")
}

fn grant(interfaces: &[&str]) -> Granted {
    interfaces.iter().map(|&interface| interface.to_owned()).collect()
}

async fn load_wasi(
    engine: &Engine,
    component: &[u8],
    asked: &[&str],
    granted: &[&str],
) -> Result<Loaded<State>, LoadError> {
    let addon = verified(component, &asks(asked));
    engine.load(&addon, &linker(engine), &grant(granted)).await
}

#[tokio::test]
async fn an_import_is_denied_until_both_name_it() {
    let engine = engine();
    let guest = clock_guest();
    let (clock, random) = ("wasi:clocks/wall-clock", "wasi:random/random");
    let import = || "wasi:clocks/wall-clock@0.2.0".to_owned();
    for (asked, granted, by) in [
        (vec![], vec![], DeniedBy::Manifest),
        (vec![random], vec![random, clock], DeniedBy::Manifest),
        (vec![clock], vec![random], DeniedBy::Operator),
    ] {
        let Err(error) = load_wasi(&engine, &guest, &asked, &granted).await else { panic!() };
        assert_eq!(error, LoadError::Denied { import: import(), by });
    }
    assert!(load_wasi(&engine, &guest, &[clock], &[clock]).await.unwrap().uses_wasi());
}

#[tokio::test]
async fn the_clock_is_the_hosts_parameter() {
    let engine = engine();
    let loaded = load_wasi(&engine, &clock_guest(), &["wasi:clocks/wall-clock"], &["wasi:clocks/wall-clock"])
        .await
        .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
    let state = State { wasi: WasiState::new(&clock, &SystemRng, None).unwrap(), ..State::default() };
    let ran = call_with(&engine, &loaded, &limits(), vec![], state).await;
    assert_eq!(ran.output(), 1_700_000_000u64.to_le_bytes());
    assert_eq!(ran.usage.calls["wasi"], 1);
    assert!(ran.usage.fuel.0 >= 2_000, "a WASI call has its price");
    // Without a state of its own the guest sees a clock that stands still.
    assert_eq!(call(&engine, &loaded, &limits()).await.output(), 0u64.to_le_bytes());
}

#[tokio::test]
async fn insecure_randomness_replays() {
    let guest = Guest {
        imports: RANDOM,
        with: r#"(with "random" (instance (export "get" (func $random))))"#,
        fields: r#"(import "random" "get" (func $random (result i64)))"#,
        body: "(i64.store (i32.const 104) (call $random)) (call $ok (i32.const 104) (i32.const 8))",
        pages: 1,
    };
    let engine = engine();
    let names = ["wasi:random/insecure"];
    let loaded = load_wasi(&engine, &guest.component(), &names, &names).await.unwrap();
    let mut outputs = Vec::new();
    for seed in [7, 7, 8] {
        let state = State {
            wasi: WasiState::new(&clock(), &SeededRng::new(seed), None).unwrap(),
            ..State::default()
        };
        outputs.push(call_with(&engine, &loaded, &limits(), vec![], state).await.output().to_vec());
    }
    assert_eq!(outputs[0], outputs[1]);
    assert_ne!(outputs[0], outputs[2]);
}

#[tokio::test]
async fn wasi_calls_use_up_fuel() {
    let guest = Guest {
        imports: CLOCK,
        with: r#"(with "clock" (instance (export "now" (func $now))))"#,
        fields: r#"(import "clock" "now" (func $now (param i32)))"#,
        body: "(loop $more (call $now (i32.const 104)) (br $more)) (unreachable)",
        pages: 1,
    };
    let engine = engine();
    let names = ["wasi:clocks/wall-clock"];
    let loaded = load_wasi(&engine, &guest.component(), &names, &names).await.unwrap();
    let ran = call(&engine, &loaded, &Limits { fuel: Fuel(100_000), ..limits() }).await;
    assert_eq!(ran.kind(), FailureKind::FuelExhausted);
    assert!(ran.usage.calls["wasi"] <= 50, "{:?}", ran.usage.calls);
}

#[tokio::test]
async fn sockets_are_not_to_be_had() {
    let imports = r#"(import "wasi:sockets/instance-network@0.2.0" (instance))"#;
    let guest = Guest { imports, body: "(call $done)", ..Guest::default() }.component();
    let names = ["wasi:sockets/instance-network"];
    let Err(error) = load_wasi(&engine(), &guest, &names, &names).await else { panic!() };
    assert!(matches!(&error, LoadError::Incompatible(text) if text.contains(names[0])), "{error}");
}

#[tokio::test]
async fn every_supported_interface_links() {
    let engine = engine();
    let mut linker: Linker<State> = engine.linker();
    for interface in crate::wasi::SUPPORTED {
        crate::wasi::link(&mut linker, interface).unwrap();
    }
}

/// Opens the first preopened directory, and makes a directory in it: answers `y` or `n`; `0` without a directory.
fn directory_guest() -> Vec<u8> {
    let imports = format!(
        r#"
(import "wasi:filesystem/types@0.2.0" (instance $fs
    (export "descriptor" (type $descriptor (sub resource)))
    (type $codes (enum {ERROR_CODES}))
    (export "error-code" (type $error-code (eq $codes)))
    (export "[method]descriptor.create-directory-at"
        (func (param "self" (borrow $descriptor)) (param "path" string) (result (result (error $error-code)))))))
(alias export $fs "descriptor" (type $descriptor))
(import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $d (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $d) string)))))))
(core func $list (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
(core func $create (canon lower (func $fs "[method]descriptor.create-directory-at") (memory $memory)))"#
    );
    Guest {
        imports: &imports,
        with: r#"(with "fs" (instance (export "list" (func $list)) (export "create" (func $create))))"#,
        fields: r#"
            (import "fs" "list" (func $list (param i32)))
            (import "fs" "create" (func $create (param i32 i32 i32 i32)))
            (data (i32.const 200) "sub../out0yn")"#,
        body: "(call $list (i32.const 104))
            (if (i32.eqz (i32.load (i32.const 108))) (then (return (call $ok (i32.const 209) (i32.const 1)))))
            (call $create (i32.load (i32.load (i32.const 104))) (i32.const 203) (i32.const 6) (i32.const 120))
            (if (i32.eqz (i32.load8_u (i32.const 120))) (then (unreachable)))
            (call $create (i32.load (i32.load (i32.const 104))) (i32.const 200) (i32.const 3) (i32.const 120))
            (call $ok (i32.add (i32.const 210) (i32.load8_u (i32.const 120))) (i32.const 1))",
        pages: 1,
    }
    .component()
}

const ERROR_CODES: &str = r#""access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large"
"illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links" "message-size"
"name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty"
"not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe" "read-only" "invalid-seek"
"text-file-busy" "cross-device""#;

#[tokio::test]
async fn one_directory_can_be_given_and_not_left() {
    let engine = engine();
    let names = ["wasi:filesystem/types", "wasi:filesystem/preopens"];
    let guest = directory_guest();
    assert!(load_wasi(&engine, &guest, &names, &names[..1]).await.is_err(), "each interface by itself");
    let loaded = load_wasi(&engine, &guest, &names, &names).await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let own = parent.path().join("own");
    fs::create_dir(&own).unwrap();
    let made = |path: &Path| path.join("sub").exists();
    for (directory, answer, exists) in [
        (None, b"0", false),
        (Some((own.as_path(), DirectoryAccess::ReadOnly)), b"n", false),
        (Some((own.as_path(), DirectoryAccess::ReadWrite)), b"y", true),
    ] {
        let state =
            State { wasi: WasiState::new(&clock(), &SystemRng, directory).unwrap(), ..State::default() };
        let ran = call_with(&engine, &loaded, &limits(), vec![], state).await;
        assert_eq!((ran.output(), made(&own)), (answer.as_slice(), exists));
        assert!(!parent.path().join("out").exists());
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let missing = Path::new("/nonexistent/bulla");
    assert!(WasiState::new(&clock(), &SystemRng, Some((missing, DirectoryAccess::ReadOnly))).is_err());
}

const WAITS: &str = r#"
(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $own (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
(core func $wait (canon lower (func $clock "subscribe-duration")))"#;

#[tokio::test]
async fn a_call_holds_a_bounded_number_of_wasi_resources() {
    let interfaces = ["wasi:io/poll", "wasi:clocks/monotonic-clock"];
    let engine = engine();
    let waits = async |count: u32| {
        let body = format!(
            "(local $i i32) (loop $l (drop (call $wait (i64.const 1))) (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (i32.const {count})))) (call $done)"
        );
        let guest = Guest {
            imports: WAITS,
            with: r#"(with "clock" (instance (export "wait" (func $wait))))"#,
            fields: r#"(import "clock" "wait" (func $wait (param i64) (result i32)))"#,
            body: &body,
            pages: 1,
        };
        let loaded = load_wasi(&engine, &guest.component(), &interfaces, &interfaces).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let wasi = WasiState::new(&clock, &SystemRng, None).unwrap();
        let state = State { wasi, ..State::default() };
        call_with(&engine, &loaded, &limits(), vec![], state).await
    };
    assert_eq!(waits(100).await.output(), b"{}");
    let ran = waits(200).await;
    assert_eq!(ran.failure().kind, FailureKind::Limit("wasi-resources"));
}

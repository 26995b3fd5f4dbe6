//! What a component unfolds to is counted before wasmtime unfolds it. Each of these takes wasmtime gigabytes, or hours.

use std::time::Instant;

use bulla_base::Coded as _;

use super::*;
use crate::inspect::inspect;

fn refused(text: &str) -> InspectError {
    let bytes = wat::parse_str(text).unwrap();
    inspect(&bytes, &StaticLimits::default()).unwrap_err()
}

fn too_much(text: &str) -> &'static str {
    match refused(text) {
        InspectError::TooMuch { what, .. } => what,
        other => panic!("{other}"),
    }
}

fn uncounted(text: &str) -> &'static str {
    match refused(text) {
        InspectError::Uncounted { what } => what,
        other => panic!("{other}"),
    }
}

const MODULE: &str = "(core module $m) (core instance (instantiate $m))";

/// Sixteen components, each of which reaches the one before over `alias outer` and does `each` with it.
fn chain(first: &str, each: &str) -> String {
    let mut text = format!("(component $root (component $c0 {first})");
    for at in 1..=16 {
        let before = format!("(alias outer $root $c{} (component $before))", at - 1);
        write!(text, "(component $c{at} {before} {each})").unwrap();
    }
    text + "(instance (instantiate $c16)))"
}

/// Six components in each other, each of which instantiates the one in it 40 times.
fn nest(innermost: &str) -> String {
    let around = |inner: String, at: u32| {
        let name = if at < 6 { format!("$c{at}") } else { String::new() };
        format!("(component {name} {inner} {})", format!("(instance (instantiate $c{}))", at - 1).repeat(40))
    };
    (1..=6).fold(format!("(component $c0 {innermost})"), around)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "measures the engine itself")]
async fn what_unfolds_to_thousands_of_millions_is_refused_at_once() {
    let engine = engine();
    let started = Instant::now();
    for first in [MODULE, ""] {
        let four = "(instance (instantiate $before))".repeat(4);
        for text in [chain(first, &four), nest(first)] {
            let bytes = wat::parse_str(text).unwrap();
            let Err(error) = engine.inspect(&bytes) else { panic!("{first}") };
            assert_eq!(error.code().name, "limit");
            assert!(error.to_string().contains("instances"), "{error}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn instances_are_counted_as_often_as_they_come_about() {
    assert_eq!(too_much(&nest(MODULE)), "core-instances");
    assert_eq!(too_much(&nest("")), "instances");
    let drops = "(core func (canon resource.drop $r))".repeat(100);
    let resources = format!("(type $r (resource (rep i32))) {drops}");
    let often = "(instance (instantiate $c))".repeat(250);
    assert_eq!(too_much(&format!("(component (component $c {resources}) {often})")), "canonicals");
    let types = "(type (tuple u8))".repeat(500);
    assert_eq!(too_much(&format!("(component (component $c {types}) {often})")), "items");
}

#[test]
fn instances_in_instances_are_counted_as_often_as_they_are_copied() {
    // By type each of them is empty.
    let twice = "(component $twice (import \"x\" (instance $x)) (export \"a\" (instance $x)) (export \"b\" (instance $x)))";
    let mut text = format!("(component (component $none) {twice} (instance $i0 (instantiate $none))");
    let mut bundles = "(component (instance $i0)".to_owned();
    for at in 1..=60 {
        let before = at - 1;
        write!(text, "(instance $i{at} (instantiate $twice (with \"x\" (instance $i{before}))))").unwrap();
        let both = format!("(export \"a\" (instance $i{before})) (export \"b\" (instance $i{before}))");
        write!(bundles, "(instance $i{at} {both})").unwrap();
    }
    assert_eq!(too_much(&format!("{text})")), "items");
    assert_eq!(too_much(&format!("{bundles})")), "items");

    let exports: String = (0..1_000).map(|at| format!("(export \"f{at}\" (func))")).collect();
    let import = format!("(type $t (instance {exports})) (import \"a:b/c\" (instance $x (type $t)))");
    let copies = "(instance (export \"x\" (instance $x)))".repeat(100);
    assert_eq!(too_much(&format!("(component {import} {copies})")), "items");
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let component = "a component that is used outside the one it stands in";
    let module = "a core module that is used outside the component it stands in";
    for (text, what) in [
        ("(component $c (component $d) (component (alias outer $c $d (component))))", component),
        ("(component (import \"c\" (component)))", component),
        ("(component (component $c) (export \"c\" (component $c)))", component),
        ("(component (component $c) (instance (export \"c\" (component $c))))", component),
        (
            "(component (type (instance (export \"c\" (component)))))",
            "an instance type with an instance in it",
        ),
        ("(component (import \"m\" (core module)))", module),
        ("(component (core module $m) (export \"m\" (core module $m)))", module),
        ("(component (core module $m) (instance (export \"m\" (core module $m))))", module),
        (
            "(component (type (instance (type $t (instance)) (export \"i\" (instance (type $t))))))",
            "an instance type with an instance in it",
        ),
    ] {
        assert_eq!(uncounted(text), what, "{text}");
    }
}

/// As `wac` writes it around components of `wasm-tools component new`: each of those holds one more for every interface that it
/// exports, and is instantiated with what another exports. The guest stands in a composition that stands in a composition.
#[tokio::test]
async fn a_composition_runs() {
    let part = |name: &str, import: &str| {
        format!(
            "(component ${name} {import}
                (core module $m (func (export \"f\"))) (core instance $m (instantiate $m))
                (func $f (canon lift (core func $m \"f\")))
                (component $shim (import \"f\" (func $f)) (export \"g\" (func $f)))
                (instance $i (instantiate $shim (with \"f\" (func $f))))
                (export \"a:b/part\" (instance $i)))"
        )
    };
    let import = "(import \"a:b/part\" (instance (export \"g\" (func))))";
    let export = |at| format!("(alias export $p{at} \"a:b/part\" (instance $e{at}))");
    let mut parts = part("first", "") + &part("next", import);
    write!(parts, "(instance $p0 (instantiate $first)) {}", export(0)).unwrap();
    for at in 1..=6 {
        let with = format!("(with \"a:b/part\" (instance $e{}))", at - 1);
        write!(parts, "(instance $p{at} (instantiate $next {with})) {}", export(at)).unwrap();
    }
    let guest = Guest { body: "(call $done)", ..Guest::default() }.text();
    let composed = |name: &str, inner: &str| {
        format!(
            "(component ${name} {TYPES} {parts} {inner}
                (instance $g (instantiate $guest (with \"bulla:addon/types@0.1.0\" (instance $types))))
                (alias export $g \"bulla:addon/actions@0.1.0\" (instance $actions))
                (export \"bulla:addon/actions@0.1.0\" (instance $actions)))"
        )
    };
    let twice = composed("both", &composed("guest", &guest.replacen("(component", "(component $guest", 1)));
    let engine = engine();
    let addon = verified(&wat::parse_str(twice).unwrap(), "");
    let loaded = engine.load(&addon, &linker(&engine), &Granted::new()).await.unwrap();
    assert_eq!(call(&engine, &loaded, &limits()).await.output(), b"{}");
}

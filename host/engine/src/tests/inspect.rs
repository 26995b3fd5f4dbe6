//! What a component may hold, before it is compiled.

use bulla_base::Bytes;

use super::*;

#[tokio::test]
async fn every_static_count_has_a_limit() {
    let text = r#"(component
        (import "bulla:addon/types@0.1.0" (instance (export "a" (func))))
        (component $inner)
        (type $r (resource (rep i32))) (core func (canon resource.drop $r))
        (instance $one (instantiate $inner))
        (core module $m
            (import "x" "y" (func))
            (memory 1) (table 1 funcref) (global i32 (i32.const 0))
            (func (export "f") (drop (i32.const 1)))
            (data (i32.const 0) "x"))
        (core instance (instantiate $m (with "x" (instance (export "y" (func $none))))))
        (func (canon lift (core func $none))))"#
        .replace("(core module $m", "(core module $n (func (export \"none\"))) (core instance $n (instantiate $n)) (alias core export $n \"none\" (core func $none)) (core module $m");
    let bytes = wat::parse_str(text).unwrap();
    let wide = StaticLimits::default();
    assert!(crate::inspect::inspect(&bytes, &wide).is_ok());
    let narrow: [(&str, StaticLimits); 19] = [
        ("size", StaticLimits { size: Bytes(10), ..wide.clone() }),
        ("functions", StaticLimits { functions: 1, ..wide.clone() }),
        ("function-size", StaticLimits { function_size: Bytes(2), ..wide.clone() }),
        ("imports", StaticLimits { imports: 1, ..wide.clone() }),
        ("exports", StaticLimits { exports: 1, ..wide.clone() }),
        ("types", StaticLimits { types: 1, ..wide.clone() }),
        ("memories", StaticLimits { memories: 0, ..wide.clone() }),
        ("tables", StaticLimits { tables: 0, ..wide.clone() }),
        ("globals", StaticLimits { globals: 0, ..wide.clone() }),
        ("segments", StaticLimits { segments: 0, ..wide.clone() }),
        ("core-instances", StaticLimits { core_instances: 1, ..wide.clone() }),
        ("instances", StaticLimits { instances: 0, ..wide.clone() }),
        ("canonicals", StaticLimits { canonicals: 0, ..wide.clone() }),
        ("signatures", StaticLimits { signatures: 0, ..wide.clone() }),
        ("items", StaticLimits { items: 3, ..wide.clone() }),
        ("modules", StaticLimits { modules: 1, ..wide.clone() }),
        ("components", StaticLimits { components: 0, ..wide.clone() }),
        ("depth", StaticLimits { depth: 1, ..wide.clone() }),
        ("custom-sections", StaticLimits { custom_sections: 0, ..wide.clone() }),
    ];
    for (name, limits) in narrow {
        match crate::inspect::inspect(&bytes, &limits) {
            Err(InspectError::TooMuch { what, .. }) => assert_eq!(what, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let custom = crate::inspect::inspect(&bytes, &StaticLimits { custom: Bytes(1), ..wide });
    assert!(matches!(custom, Err(InspectError::TooMuch { what: "custom", .. })));
}

#[tokio::test]
async fn the_static_limits_stand_before_compilation() {
    let config =
        EngineConfig { component: StaticLimits { functions: 2, ..StaticLimits::default() }, ..small() };
    let engine = Engine::new(config, None, clock(), None).unwrap();
    let Err(error) = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await else {
        panic!()
    };
    assert!(matches!(error, LoadError::Inspect(InspectError::TooMuch { what: "functions", .. })), "{error}");

    let config = EngineConfig { memory_slot: Bytes(1 << 20), ..small() };
    let engine = Engine::new(config, None, clock(), None).unwrap();
    let Err(error) = load(&engine, &Guest { body: "(call $done)", pages: 17, ..Guest::default() }).await
    else {
        panic!()
    };
    assert!(matches!(error, LoadError::Inspect(InspectError::TooMuch { what: "memory", .. })), "{error}");
}

#[test]
fn what_is_no_component_is_told_apart() {
    let limits = StaticLimits::default();
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(crate::inspect::inspect(&module, &limits), Err(InspectError::NotAComponent));
    for garbage in [&b""[..], b"\0asm", b"not wasm at all"] {
        assert!(
            matches!(crate::inspect::inspect(garbage, &limits), Err(InspectError::Malformed(_))),
            "{garbage:?}"
        );
    }
}

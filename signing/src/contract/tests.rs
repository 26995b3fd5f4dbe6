use super::*;
use crate::fixtures::{EMPTY_COMPONENT, MANIFEST, contract, entry};

fn name(text: &str) -> EntryName {
    text.parse().unwrap()
}

fn with_section(component: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    wasm_encoder::CustomSection { name: SECTION.into(), data: data.into() }.append_to_component(&mut bytes);
    bytes
}

#[test]
fn what_is_written_is_read() {
    let full = Contract { actions: vec![entry("a"), entry("b")], jobs: vec![entry("a")] };
    let component = full.write(EMPTY_COMPONENT).unwrap();
    assert!(component.starts_with(EMPTY_COMPONENT));
    assert_eq!(Contract::read(&component).unwrap(), full);
    assert_eq!((full.action("b"), full.job("b")), (Some(&full.actions[1]), None));
    wasmparser::Validator::new().validate_all(&component).map(|_| ()).unwrap();
}

#[test]
fn integers_of_a_schema_are_kept_exactly() {
    let mut wide = contract();
    wide.actions[0].input = serde_json::json!({"type": "integer", "maximum": u64::MAX});
    assert_eq!(Contract::read(&wide.write(EMPTY_COMPONENT).unwrap()).unwrap(), wide);
}

#[test]
fn a_component_has_exactly_one_contract() {
    assert_eq!(Contract::read(EMPTY_COMPONENT), Err(ContractError::Missing));
    let once = contract().write(EMPTY_COMPONENT).unwrap();
    assert_eq!(contract().write(&once), Err(ContractError::Twice));
    assert_eq!(Contract::read(&with_section(&once, b"x")), Err(ContractError::Twice));
}

#[test]
fn nested_sections_are_not_looked_at() {
    let mut nested = wasm_encoder::Component::new();
    let mut module = wasm_encoder::Module::new();
    module.section(&wasm_encoder::CustomSection { name: SECTION.into(), data: b"x".as_slice().into() });
    nested.section(&wasm_encoder::ModuleSection(&module));
    let mut inner = wasm_encoder::Component::new();
    inner.section(&wasm_encoder::CustomSection { name: SECTION.into(), data: b"x".as_slice().into() });
    nested.section(&wasm_encoder::NestedComponentSection(&inner));
    let bytes = nested.finish();
    assert_eq!(Contract::read(&bytes), Err(ContractError::Missing));
    assert_eq!(Contract::read(&contract().write(&bytes).unwrap()).unwrap(), contract());
}

#[test]
fn what_is_no_component_is_refused() {
    for bytes in [
        b"".as_slice(),
        b"\0asm\x01\0\0\0",
        b"hello world",
        &EMPTY_COMPONENT[..7],
        b"\0asm\x0d\0\x01\0\x01\xff\x01",
    ] {
        let refused = Contract::read(bytes);
        assert!(matches!(refused, Err(ContractError::NotAComponent { .. })), "{bytes:?}: {refused:?}");
        assert!(matches!(contract().write(bytes), Err(ContractError::NotAComponent { .. })));
    }
}

#[test]
fn malformed_contracts_are_refused() {
    let problem = |json: &str| match Contract::read(&with_section(EMPTY_COMPONENT, json.as_bytes())) {
        Err(ContractError::Json(problem)) => problem,
        other => panic!("{json}: {other:?}"),
    };
    assert!(problem(r#"{"actions":[],"more":1}"#).contains("unknown field `more`"));
    assert!(problem(r#"{"jobs":[]}"#).contains("missing field `actions`"));
    assert!(problem(r#"{"actions":[],"actions":[]}"#).contains("duplicate field `actions`"));
    assert!(problem(r#"{"actions":[{"name":"a","input":true}]}"#).contains("missing field `output`"));
    assert!(
        problem(r#"{"actions":[{"name":"a","input":true,"output":true,"x":1}]}"#)
            .contains("unknown field `x`")
    );
    assert!(problem(r#"{"actions":[{"name":"../a","input":true,"output":true}]}"#).contains("`../a`"));
    let deep = format!(r#"{{"actions":[{{"name":"a","output":true,"input":{}}}]}}"#, "[".repeat(1000));
    assert!(problem(&deep).contains("recursion limit"));
}

#[test]
fn every_bound_is_enforced() {
    let action = |change: &dyn Fn(&mut Contract)| {
        let mut changed = contract();
        change(&mut changed);
        changed.write(EMPTY_COMPONENT).unwrap_err()
    };
    let greet = || name("greet");
    assert_eq!(
        action(&|c| c.actions.push(entry("greet"))),
        ContractError::SameName { kind: Entry::Action, name: greet() }
    );
    let bare = action(&|c| c.actions[0].output = "x".into());
    assert_eq!(bare, ContractError::NotASchema { kind: Entry::Action, name: greet(), side: "output" });
    let wordy = action(&|c| c.actions[0].doc = "x".repeat(DOC_MAX + 1));
    assert_eq!(
        wordy,
        ContractError::Doc { kind: Entry::Action, name: greet(), size: DOC_MAX + 1, max: DOC_MAX }
    );
    let many = action(&|c| c.jobs = (0..=LIST_MAX).map(|i| entry(&format!("j{i}"))).collect());
    assert_eq!(many, ContractError::TooMany { kind: Entry::Job, count: LIST_MAX + 1, max: LIST_MAX });
    let large = action(&|c| c.actions[0].input = serde_json::json!({"description": "x".repeat(MAX_BYTES)}));
    assert!(matches!(large, ContractError::TooLarge { size, max: MAX_BYTES } if size > MAX_BYTES));
    let read = Contract::read(&with_section(EMPTY_COMPONENT, &vec![b' '; MAX_BYTES + 1]));
    assert_eq!(read, Err(ContractError::TooLarge { size: MAX_BYTES + 1, max: MAX_BYTES }));
}

#[test]
fn manifest_and_component_name_the_same_entries() {
    let manifest = Manifest::parse(&format!("{MANIFEST}[jobs.sweep]")).unwrap();
    let fits = |actions: &[&str], jobs: &[&str]| {
        let entries = |names: &[&str]| names.iter().map(|name| entry(name)).collect();
        Contract { actions: entries(actions), jobs: entries(jobs) }.fits(&manifest)
    };
    use ContractError::{NotDescribed, NotListed};
    assert_eq!(fits(&["greet"], &["sweep"]), Ok(()));
    assert_eq!(
        fits(&["greet", "more"], &["sweep"]),
        Err(NotListed { kind: Entry::Action, name: name("more") })
    );
    assert_eq!(fits(&[], &["sweep"]), Err(NotDescribed { kind: Entry::Action, name: name("greet") }));
    assert_eq!(fits(&["greet"], &["sweep", "more"]), Err(NotListed { kind: Entry::Job, name: name("more") }));
    assert_eq!(fits(&["greet"], &[]), Err(NotDescribed { kind: Entry::Job, name: name("sweep") }));
    assert_eq!(fits(&["sweep"], &["greet"]), Err(NotListed { kind: Entry::Action, name: name("sweep") }));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Contract::read(&bytes);
        let _ = Contract::read(&[EMPTY_COMPONENT, &bytes].concat());
        let _ = Contract::parse(&bytes);
    }
}

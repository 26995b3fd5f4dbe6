//! What may come in, and what a build may ask.

use bulla_base::Coded as _;

use super::*;

const SEQUENCES: &str = r#"(import "bulla:kernel/sequences@0.1.0" (instance (export "f" (func))))"#;
const ASKS: &str = "[capabilities]\nsequences = [\"invoice\"]\n";

fn sequences() -> Granted {
    Granted::from(["bulla:kernel/sequences".to_owned()])
}

async fn try_load(
    engine: &Engine,
    imports: &str,
    capabilities: &str,
    granted: &Granted,
) -> Result<(), LoadError> {
    let guest = Guest { imports, body: "(call $done)", ..Guest::default() };
    let addon = verified(&guest.component(), capabilities);
    let mut linker = linker(engine);
    linker.instance("bulla:kernel/sequences@0.1.0").unwrap().func_wrap("f", |_, (): ()| Ok(())).unwrap();
    engine.load(&addon, &linker, granted).await.map(|_| ())
}

#[tokio::test]
async fn an_import_needs_manifest_and_grant() {
    let engine = engine();
    let denied = |by| Err(LoadError::Denied { import: "bulla:kernel/sequences@0.1.0".to_owned(), by });
    assert_eq!(try_load(&engine, SEQUENCES, "", &Granted::new()).await, denied(DeniedBy::Manifest));
    assert_eq!(try_load(&engine, SEQUENCES, "", &sequences()).await, denied(DeniedBy::Manifest));
    assert_eq!(try_load(&engine, SEQUENCES, ASKS, &Granted::new()).await, denied(DeniedBy::Operator));
    assert_eq!(try_load(&engine, SEQUENCES, ASKS, &sequences()).await, Ok(()));
    assert_eq!(try_load(&engine, HOST, "", &Granted::new()).await, Ok(()), "`log` needs no grant");
    let Err(error) = try_load(&engine, SEQUENCES, "", &Granted::new()).await else { unreachable!() };
    assert_eq!(error.code().name, "denied");
    assert!(error.to_string().contains("`bulla:kernel/sequences@0.1.0`"));
}

#[tokio::test]
async fn an_import_by_another_kind_of_name_is_denied() {
    let loose = r#"(import "sequences" (func))"#;
    let result = try_load(&engine(), loose, ASKS, &sequences()).await;
    assert!(matches!(result, Err(LoadError::Denied { by: DeniedBy::Manifest, .. })), "{result:?}");
}

#[tokio::test]
async fn what_this_host_does_not_have_is_incompatible() {
    let engine = engine();
    let newer = r#"(import "bulla:kernel/sequences@0.1.0" (instance (export "g" (func))))"#;
    let result = try_load(&engine, newer, ASKS, &sequences()).await;
    assert!(matches!(result, Err(LoadError::Incompatible(_))), "{result:?}");

    let bytes = wat::parse_str("(component)").unwrap();
    let result = engine.load(&verified(&bytes, ""), &linker(&engine), &Granted::new()).await;
    assert!(matches!(&result, Err(LoadError::Incompatible(text)) if text.contains("bulla:addon/actions")));

    let wrong = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func $run (canon lift (core func $i "run")))
        (instance $actions (export "run" (func $run)))
        (export "bulla:addon/actions@0.1.0" (instance $actions)))"#;
    let result =
        engine.load(&verified(&wat::parse_str(wrong).unwrap(), ""), &linker(&engine), &Granted::new()).await;
    assert!(matches!(&result, Err(LoadError::Incompatible(text)) if text.contains("`run`")));
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline_for_a_compilation() {
    let config = EngineConfig { compile_deadline: Duration::ZERO, ..small() };
    let engine = Engine::new(config, None, clock(), None).unwrap();
    let Err(error) = load(&engine, &Guest { body: "(call $done)", ..Guest::default() }).await else {
        panic!()
    };
    assert!(matches!(error, LoadError::CompileTimeout { .. }), "{error}");
}

#[tokio::test]
async fn a_build_is_asked_for_its_contract_with_every_import_trapping() {
    let engine = engine();
    let guest = Guest { imports: SEQUENCES, body: "(call $done)", ..Guest::default() };
    assert_eq!(engine.describe_own_build(&guest.component()).await.unwrap(), b"{}");

    let calls = guest_whose_describe("(call $take (i32.const 0) (i32.const 0)) (unreachable)");
    let Err(DescribeError::Failed(failure)) = engine.describe_own_build(&calls).await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Trap);

    let endless = guest_whose_describe("(loop $again (br $again)) (unreachable)");
    let Err(DescribeError::Failed(failure)) = engine.describe_own_build(&endless).await else { panic!() };
    assert!(matches!(failure.kind, FailureKind::FuelExhausted | FailureKind::Deadline), "{failure:?}");
}

fn guest_whose_describe(body: &str) -> Vec<u8> {
    let text = with_host("(call $done)").text();
    let from = text.find("(func (export \"describe\") (result i32)").unwrap();
    let to = from + text[from..].find("(i32.const 16))").unwrap() + "(i32.const 16))".len();
    let text = format!("{}(func (export \"describe\") (result i32) {body}){}", &text[..from], &text[to..]);
    wat::parse_str(text).unwrap()
}

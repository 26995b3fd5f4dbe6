//! Components that are valid and enormous in one dimension: refused before they are compiled where that dimension has a limit,
//! and compiled within bounded time where it has none of its own.

use std::fmt::Write as _;

use bulla_suite::Component;
use bulla_suite::component::DONE;

use super::Sin;

/// More of it than a component may hold.
macro_rules! too_many {
    ($does:literal, $ends:literal, $component:expr) => {
        Sin { does: $does, guest: "component", ends: $ends, commit: |stage| stage.offer(&$component) }
    };
}

/// As much of it as fits: it is compiled, and runs.
macro_rules! just_fits {
    ($does:literal, $ends:literal, $component:expr) => {
        Sin { does: $does, guest: "component", ends: $ends, commit: |stage| stage.run(&$component) }
    };
}

pub const DIMENSIONS: &[Sin] = &[
    too_many!("has 100,001 functions", "limit (functions)", fields("(func)", 100_001)),
    too_many!("has five memories", "limit (memories)", outer("(core module (memory 1))", 5)),
    too_many!("has 17 tables", "limit (tables)", fields("(table 1 funcref)", 17)),
    too_many!("has 50,001 globals", "limit (globals)", fields("(global i32 (i32.const 0))", 50_001)),
    too_many!("has 100,001 data segments", "limit (segments)", fields("(data \"\")", 100_001)),
    too_many!("has 100,001 element segments", "limit (segments)", fields("(elem declare func)", 100_001)),
    too_many!("has 20,001 types", "limit (types)", fields("(type (func (param i32)))", 20_001)),
    too_many!("has 10,001 imports", "limit (imports)", many_imports(10_001)),
    too_many!("has 20,001 exports", "limit (exports)", many_exports(20_001)),
    too_many!("has 65 modules", "limit (modules)", outer("(core module)", 65)),
    too_many!("has 65 components", "limit (components)", outer("(component)", 65)),
    too_many!("has 200 core instances", "limit (core-instances)", outer("(core instance)", 200)),
    too_many!("has 300 instances", "limit (instances)", outer("(instance)", 300)),
    too_many!("has 20,001 canonical functions", "limit (canonicals)", {
        let drops = "(core func (canon resource.drop $mine))".repeat(20_001);
        outer(&format!("(type $mine (resource (rep i32))) {drops}"), 1)
    }),
    too_many!("lifts a function of 262,144 bytes, in pairs of pairs, 10,000 times", "limit (signatures)", {
        outer(&in_pairs(10_000), 1)
    }),
    just_fits!("lifts a function of 262,144 bytes, in pairs of pairs", "ok", outer(&in_pairs(1), 1)),
    too_many!("has 100,001 aliases", "limit (items)", {
        outer("(alias export $types \"failure\" (type))", 100_001)
    }),
    too_many!(
        "unfolds to 20,000 million instances, each of a component in the one before",
        "limit (instances)",
        unfolding_inwards()
    ),
    too_many!(
        "unfolds to 4,000 million instances, each of a component beside the one before",
        "limit (instances)",
        unfolding_beside("")
    ),
    too_many!(
        "unfolds to 4,000 million modules, each in a component beside the one before",
        "limit (instances)",
        unfolding_beside("(core module) (core instance (instantiate 0))")
    ),
    too_many!("doubles an instance 60 times", "limit (items)", doubling(60)),
    too_many!("has components in components, nine deep", "limit (depth)", nested_components(9)),
    too_many!("has 1,001 custom sections", "limit (custom-sections)", custom_sections(1_001, 0)),
    too_many!("has 49 MiB of custom sections", "limit (custom)", custom_sections(1, 49 << 20)),
    too_many!("has a function of 2.1 MB", "limit (function-size)", {
        fields(&format!("(func {})", "nop ".repeat(2_100_000)), 1)
    }),
    just_fits!("has 100,000 functions", "ok", fields("(func)", 99_900)),
    just_fits!("has a function of 49,000 locals", "ok", {
        fields(&format!("(func (local {}))", "i64 ".repeat(49_000)), 1)
    }),
    just_fits!("has a function of 1,000 parameters", "ok", {
        fields(&format!("(func (param {}))", "i64 ".repeat(1_000)), 1)
    }),
    too_many!("has a jump table of 100,000 places", "incompatible", jump_table(100_000)),
    just_fits!("has a jump table of 65,000 places", "ok", jump_table(65_000)),
    just_fits!("has 20,000 blocks in each other", "ok", nested_blocks(20_000)),
    just_fits!("has an expression of 100,000 operands", "ok", long_expression(100_000)),
    just_fits!("has a function of 100,000 calls", "ok", {
        fields(&format!("(func $nothing) (func {})", "call $nothing ".repeat(100_000)), 1)
    }),
    just_fits!("has data of 8 MiB", "ok", {
        fields(&format!("(data (memory 0) (i32.const 70000) \"{}\")", "x".repeat(60_000)), 1)
            .and_fields(&format!("(data \"{}\")", "x".repeat(8 << 20)))
    }),
    just_fits!("has a table of 100,000 functions", "limit (table-elements)", {
        fields(&format!("(table funcref (elem {}))", "$f ".repeat(100_000)), 1).and_fields("(func $f)")
    }),
    just_fits!("traps 100 deep, with debug information of a million units", "trap (unreachable)", {
        let deep = "(call $deep (i32.const 100)) (unreachable)";
        Component { fields: debug_information(1_000_000), ..Component::with_body(deep) }
    }),
    just_fits!("traps in a function with a name of 99,000 letters", "trap (unreachable)", {
        let name = "n".repeat(99_000);
        Component {
            fields: format!("(func ${name} unreachable)"),
            ..Component::with_body(&format!("(call ${name}) (unreachable)"))
        }
    }),
];

/// Lifts a function so many times whose result doubles with each of its types.
fn in_pairs(times: usize) -> String {
    let pair = |at: u32| format!("(type $p{at} (tuple $p{0} $p{0}))", at - 1);
    let pairs: String = (1..=17).map(pair).collect();
    let lift =
        r#"(func (result $p17) (canon lift (core func $pairs "f") (memory (core memory $pairs "m"))))"#;
    let module = r#"(core module $f (memory (export "m") 1) (func (export "f") (result i32) (i32.const 0)))"#;
    let instance = "(core instance $pairs (instantiate $f))";
    format!("(type $p0 (tuple u8 u8)) {pairs} {module} {instance} {}", lift.repeat(times))
}

fn fields(field: &str, times: usize) -> Component {
    Component { fields: field.repeat(times), ..Component::with_body(DONE) }
}

fn outer(field: &str, times: usize) -> Component {
    Component { outer: field.repeat(times), ..Component::with_body(DONE) }
}

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        write!(text, "{}", line(at)).unwrap();
        text
    })
}

/// In a module that is never instantiated.
fn many_imports(count: usize) -> Component {
    let imports = numbered(count, |at| format!("(import \"a\" \"{at}\" (func))"));
    outer(&format!("(core module {imports})"), 1)
}

fn many_exports(count: usize) -> Component {
    let exports = numbered(count, |at| format!("(export \"{at}\" (func 0))"));
    outer(&format!("(core module (func) {exports})"), 1)
}

fn nested_components(depth: usize) -> Component {
    outer(&format!("{}{}", "(component ".repeat(depth), ")".repeat(depth)), 1)
}

/// Seven components in each other, each of which instantiates the one in it thirty times.
fn unfolding_inwards() -> Component {
    let around =
        |inner: String, _| format!("(component {inner} {})", "(instance (instantiate 0))".repeat(30));
    let inner = (0..6).fold("(component)".to_owned(), around);
    outer(&format!("{inner} {}", "(instance (instantiate 0))".repeat(30)), 1)
}

/// Seventeen components beside each other, each of which instantiates the one before four times.
fn unfolding_beside(first: &str) -> Component {
    let four = "(instance (instantiate 0))".repeat(4);
    let next = |before| format!("(component (alias outer 1 {before} (component)) {four})");
    outer(&format!("(component {first}) {} (instance (instantiate 16))", numbered(16, next)), 1)
}

/// What is given to each instantiation comes out of it twice, though by its type it is empty.
fn doubling(times: usize) -> Component {
    let twice = "(component $twice (import \"x\" (instance $x)) (export \"a\" (instance $x)) (export \"b\" (instance $x)))";
    let next = |at| format!("(instance $i{} (instantiate $twice (with \"x\" (instance $i{at}))))", at + 1);
    outer(
        &format!("{twice} (component $none) (instance $i0 (instantiate $none)) {}", numbered(times, next)),
        1,
    )
}

fn custom_sections(count: usize, size: usize) -> Component {
    fields(&format!("(@custom \"c\" \"{}\")", "x".repeat(size)), count)
}

/// Debug information (DWARF 4) of so many empty compilation units, and a function that traps in as many calls of itself as it is told.
fn debug_information(units: usize) -> String {
    let unit = r"\08\00\00\00\04\00\00\00\00\00\04\01".repeat(units);
    let abbreviation = r"\01\11\00\00\00\00";
    let deep =
        "(if (i32.eqz (local.get 0)) (then unreachable)) (call $deep (i32.sub (local.get 0) (i32.const 1)))";
    format!(
        "(@custom \".debug_info\" \"{unit}\") (@custom \".debug_abbrev\" \"{abbreviation}\") (func $deep (param i32) {deep})"
    )
}

fn nested_blocks(depth: usize) -> Component {
    fields(&format!("(func {} {})", "block ".repeat(depth), "end ".repeat(depth)), 1)
}

fn long_expression(operands: usize) -> Component {
    let sum = "(i32.mul (local.get 0)) (i32.add (i32.const 7)) ".repeat(operands / 2);
    fields(&format!("(func (param i32) (result i32) (local.get 0) {sum})"), 1)
}

fn jump_table(places: usize) -> Component {
    fields(&format!("(func (param i32) (br_table {} (local.get 0)))", "0 ".repeat(places)), 1)
}

//! Guests that a generator made: valid by its rules, senseless by any other.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use bulla_base::{Rng, SeededRng};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, Function, Instruction as I, MemArg, Module as Encoded};
use wasm_smith::{Component, Config, Module};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::wit_values::Kernel;

/// Bytes that a guest is made of.
const SEED_BYTES: usize = 12 << 10;

static KERNEL: LazyLock<Kernel> = LazyLock::new(Kernel::read);
/// A module with all imports of the world, and one with its exports: the shapes that generated modules keep to.
static IMPORTS: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(format!("(module {})", KERNEL.import_fields())).unwrap());
static EXPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| wat::parse_str(SHAPE).unwrap());

const RUN: &str = "bulla:addon/actions@0.1.0#run";
const SHAPE: &str = r#"(module
    (memory (export "memory") 2)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "bulla:addon/actions@0.1.0#run") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "bulla:addon/actions@0.1.0#describe") (result i32) unreachable))"#;

/// The bytes of a seed.
pub fn bytes(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; SEED_BYTES];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

/// A component as the generator makes it, of every proposal it knows. `None`: the seed makes none.
pub fn component(seed: u64) -> Option<Vec<u8>> {
    let bytes = bytes(seed);
    let mut input = Unstructured::new(&bytes);
    // Half of them by rules that are generated as well.
    let config = match seed % 2 {
        0 => input.arbitrary().ok()?,
        _ => Config::default(),
    };
    Some(Component::new(config, &mut input).ok()?.to_bytes())
}

/// An addon: a generated module that imports what it likes of the kernel and exports what the host calls. Its allocator is one
/// that works, or no argument would ever reach it.
pub fn addon(seed: u64) -> Option<Vec<u8>> {
    let bytes = bytes(seed);
    let mut input = Unstructured::new(&bytes);
    let module = Module::new(config(seed), &mut input).ok()?.to_bytes();
    let mut module = with_allocator(&module)?;
    embed_component_metadata(&mut module, &KERNEL.resolve, KERNEL.id, StringEncoding::UTF8, false).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}

fn config(seed: u64) -> Config {
    Config {
        available_imports: Some(IMPORTS.clone()),
        exports: Some(EXPORTS.clone()),
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        // With them come references to what the host would have to keep, which this engine is built without.
        reference_types_enabled: seed % 16 == 2,
        max_imports: 40,
        min_funcs: 4,
        max_funcs: 24,
        max_instructions: 400,
        max_memories: 2,
        max_tables: 3,
        // Some start larger than any limit.
        max_memory32_bytes: if seed % 16 == 0 { 1 << 32 } else { 4 << 20 },
        max_table_elements: if seed % 16 == 1 { 1_000_000 } else { 1_000 },
        // Half of them are kept from the traps that end most of the others at once.
        disallow_traps: seed % 4 == 0,
        ..Config::default()
    }
}

/// The module with another body for its allocator.
fn with_allocator(module: &[u8]) -> Option<Vec<u8>> {
    let mut found = Allocator::find(module)?;
    let mut encoded = Encoded::new();
    found.parse_core_module(&mut encoded, wasmparser::Parser::new(0), module).ok()?;
    Some(encoded.finish())
}

/// Counts bodies until it meets that of the allocator.
struct Allocator {
    body: u32,
    seen: u32,
}

impl Allocator {
    fn find(module: &[u8]) -> Option<Self> {
        let (mut imported, mut exported) = (0, None);
        for payload in wasmparser::Parser::new(0).parse_all(module) {
            match payload.ok()? {
                wasmparser::Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imported += u32::from(matches!(import.ok()?.ty, wasmparser::TypeRef::Func(_)));
                    }
                }
                wasmparser::Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        assert!(export.name != RUN || export.kind == wasmparser::ExternalKind::Func);
                        exported = exported.or((export.name == "cabi_realloc").then_some(export.index));
                    }
                }
                _ => {}
            }
        }
        // An import that is exported again has no body.
        Some(Self { body: exported?.checked_sub(imported)?, seen: 0 })
    }
}

impl Reencode for Allocator {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let at = self.seen;
        self.seen += 1;
        if at == self.body {
            code.function(&allocate());
            return Ok(());
        }
        wasm_encoder::reencode::utils::parse_function_body(self, code, body)
    }
}

/// From the start of the second page on, and around again at its end: the place stands at address 8. The guest may spoil it.
fn allocate() -> Function {
    let place = MemArg { offset: 8, align: 2, target: wasm_encoder::MemArgTarget::Memory(0), ordering: None };
    let mut function = Function::new([]);
    for instruction in [
        I::I32Const(0),
        I::I32Const(0),
        I::I32Load(place),
        I::I32Const(0xfff8),
        I::I32And,
        I::LocalTee(0),
        I::LocalGet(3),
        I::I32Add,
        I::I32Const(7),
        I::I32Add,
        I::I32Store(place),
        I::LocalGet(0),
        I::I32Const(0x1_0000),
        I::I32Add,
        I::End,
    ] {
        function.instruction(&instruction);
    }
    function
}

//! Guests that a generator made: valid by its rules, senseless by any other.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use bulla_base::{Rng, SeededRng};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{BlockType, CodeSection, Function, Instruction as I, MemArg, Module as Encoded, ValType};
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
    let mut module = shaped(seed, &module)?;
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
        // The pool takes modules of one memory and one table; the memory is the exported one.
        max_memories: if seed % 16 == 3 { 2 } else { 0 },
        max_tables: if seed % 16 == 3 { 2 } else { 1 },
        min_imports: 6,
        // Some start larger than any limit.
        max_memory32_bytes: if seed.is_multiple_of(16) { 1 << 32 } else { 4 << 20 },
        max_table_elements: if seed % 16 == 1 { 1_000_000 } else { 1_000 },
        // Half of them are kept from the traps that end most of the others at once.
        disallow_traps: seed.is_multiple_of(4),
        ..Config::default()
    }
}

/// The module with another body for its allocator, and with its `run` brought to call the host and to answer.
fn shaped(seed: u64, module: &[u8]) -> Option<Vec<u8>> {
    let mut shaper = Shaper::find(seed, module)?;
    let mut encoded = Encoded::new();
    shaper.parse_core_module(&mut encoded, wasmparser::Parser::new(0), module).ok()?;
    Some(encoded.finish())
}

/// Counts bodies until it meets those that it changes.
struct Shaper {
    allocator: u32,
    run: u32,
    seen: u32,
    /// Imported functions: the number of parameters and results, which are all `i32` or `i64`.
    imports: Vec<wasmparser::FuncType>,
    rng: SeededRng,
}

impl Shaper {
    fn find(seed: u64, module: &[u8]) -> Option<Self> {
        let (mut types, mut imports, mut exports) = (Vec::new(), Vec::new(), Vec::new());
        for payload in wasmparser::Parser::new(0).parse_all(module) {
            match payload.ok()? {
                wasmparser::Payload::TypeSection(section) => {
                    types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>().ok()?;
                }
                wasmparser::Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let wasmparser::TypeRef::Func(kind) = import.ok()?.ty {
                            imports.push(types.get(kind as usize)?.clone());
                        }
                    }
                }
                wasmparser::Payload::ExportSection(section) => {
                    exports = section.into_iter().flatten().collect()
                }
                _ => {}
            }
        }
        // An import that is exported again has no body.
        let body = |name: &str| {
            let export = exports.iter().find(|export| export.name == name)?;
            export.index.checked_sub(u32::try_from(imports.len()).ok()?)
        };
        let (allocator, run) = (body("cabi_realloc")?, body(RUN)?);
        Some(Self { allocator, run, seen: 0, imports, rng: SeededRng::new(seed) })
    }

    /// Some calls of the host, with small numbers and places in the first page.
    fn calls(&self, function: &mut Function) {
        if self.imports.is_empty() {
            return;
        }
        for _ in 0..self.rng.below(6) {
            let at = usize::try_from(self.rng.below(self.imports.len() as u64)).unwrap();
            for kind in self.imports[at].params() {
                let value = *[0, 1, 2, 3, 8, 64, 1_024]
                    .get(usize::try_from(self.rng.below(8)).unwrap())
                    .unwrap_or(&0x8000);
                match kind {
                    wasmparser::ValType::I64 => function.instruction(&I::I64Const(value)),
                    _ => function.instruction(&I::I32Const(i32::try_from(value).unwrap())),
                };
            }
            function.instruction(&I::Call(u32::try_from(at).unwrap()));
            for _ in self.imports[at].results() {
                function.instruction(&I::Drop);
            }
        }
    }
}

impl Reencode for Shaper {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let at = self.seen;
        self.seen += 1;
        if at == self.allocator {
            code.function(&allocate());
            return Ok(());
        }
        if at != self.run {
            return wasm_encoder::reencode::utils::parse_function_body(self, code, body);
        }
        let mut function = self.new_function_with_parsed_locals(&body)?;
        self.calls(&mut function);
        // The generated body, its end included, and a place in the first page as the answer's.
        function.instruction(&I::Block(BlockType::Result(ValType::I32)));
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let instruction = self.parse_instruction(&mut operators)?;
            function.instruction(&instruction);
        }
        for instruction in [I::I32Const(0xfff0), I::I32And, I::End] {
            function.instruction(&instruction);
        }
        code.function(&function);
        Ok(())
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

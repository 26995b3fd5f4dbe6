//! A component of any size, of real code: functions of arithmetic, branches, loops and memory accesses, no two alike.

use anyhow::Result;
use bulla_engine::StaticLimits;
use bulla_signing::{Contract, EntryContract};
use serde_json::json;
use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSectionId, Function, FunctionSection, Instruction, MemArg,
    MemArgTarget, MemorySection, MemoryType, Module, RawSection, TypeSection, ValType,
};

use crate::house::Addon;

const MANIFEST: &str = r#"[addon]
name = "large"
version = "0.1.0"
description = "Much code, of which nothing is called."
kernel = "0.1"
[actions.go]
"#;

/// The smallest component that can be loaded as an addon; the code stands beside it, in a module that is never instantiated.
const ADDON: &str = r#"(component
(import "bulla:addon/types@0.1.0" (instance $types
    (type $r (record (field "code" string) (field "message" string) (field "details" (list u8))))
    (export "failure" (type (eq $r)))))
(alias export $types "failure" (type $failure))
(core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32 i32 i32) (result i32) (i32.const 16))
    (func (export "describe") (result i32) (i32.const 16)))
(core instance $main (instantiate $main))
(alias core export $main "memory" (core memory $memory))
(alias core export $main "realloc" (core func $realloc))
(func $run (param "action" string) (param "input" (list u8)) (result (result (list u8) (error $failure)))
    (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))
(func $describe (result (list u8)) (canon lift (core func $main "describe") (memory $memory)))
(instance $actions (export "describe" (func $describe)) (export "run" (func $run)))
(export "bulla:addon/actions@0.1.0" (instance $actions)))"#;

/// Steps of one function: some 2 KiB of WebAssembly.
const STEPS: u32 = 90;

/// An addon whose component has about `size` bytes.
pub fn addon(size: usize) -> Result<Addon> {
    let mut component = wat::parse_str(ADDON)?;
    append(&mut component, &code(size));
    let go =
        EntryContract { name: "go".parse()?, doc: String::new(), input: json!(true), output: json!(true) };
    let component = Contract { actions: vec![go], jobs: Vec::new() }.write(&component)?;
    Ok(Addon { manifest: MANIFEST.into(), component })
}

/// The host's own limits: a component of this size and kind is within them.
pub fn limits() -> StaticLimits {
    StaticLimits::default()
}

/// A nested core module at the end of a component.
fn append(component: &mut Vec<u8>, module: &[u8]) {
    let section = RawSection { id: ComponentSectionId::CoreModule as u8, data: module };
    let mut tail = Component::new();
    tail.section(&section);
    component.extend_from_slice(&tail.finish()[Component::HEADER.len()..]);
}

fn code(size: usize) -> Vec<u8> {
    let (mut types, mut functions, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32, ValType::I64], [ValType::I64]);
    let (mut bytes, mut count) = (0, 0_u32);
    while bytes < size {
        let function = function(count);
        bytes += function.byte_len();
        functions.function(0);
        code.function(&function);
        count += 1;
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&code);
    module.finish()
}

/// (address, value) → value. Each step reads memory, computes, and writes on one side of a branch; every tenth calls another
/// function, and all stand in a loop.
fn function(seed: u32) -> Function {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut function = Function::new([(1, ValType::I64)]);
    let at = |offset: u32| MemArg {
        offset: u64::from(offset & 0xfff8),
        align: 3,
        target: MemArgTarget::Memory(0),
        ordering: None,
    };
    let mut body = vec![Instruction::Loop(BlockType::Empty)];
    for step in 0..STEPS {
        let (offset, constant) = (next(), i64::from(next()) << 20 | i64::from(next()));
        body.extend([Instruction::LocalGet(0), Instruction::I64Load(at(offset)), Instruction::LocalGet(1)]);
        body.push([Instruction::I64Add, Instruction::I64Xor, Instruction::I64Mul][step as usize % 3].clone());
        body.extend([Instruction::I64Const(constant), Instruction::I64Rotl, Instruction::LocalTee(2)]);
        body.extend([Instruction::I64Const(64), Instruction::I64And, Instruction::I64Eqz]);
        body.push(Instruction::If(BlockType::Empty));
        body.extend([
            Instruction::LocalGet(0),
            Instruction::LocalGet(2),
            Instruction::I64Store(at(offset >> 7)),
        ]);
        body.push(Instruction::Else);
        body.extend([Instruction::LocalGet(2), Instruction::LocalSet(1), Instruction::End]);
        if step % 10 == 9 && seed > 0 {
            body.extend([
                Instruction::LocalGet(0),
                Instruction::LocalGet(1),
                Instruction::Call(next() % seed),
            ]);
            body.push(Instruction::LocalSet(1));
        }
    }
    body.extend([Instruction::LocalGet(1), Instruction::I64Eqz, Instruction::BrIf(0), Instruction::End]);
    body.extend([Instruction::LocalGet(1), Instruction::End]);
    body.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    function
}

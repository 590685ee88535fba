//! Holds the wall clock while memory is allocated for the caller's values.
//!
//! While the canonical ABI requests memory from a module (`cabi_realloc`), the module must not call imports. Go's
//! allocator may collect garbage there, and its collector reads both clocks. Go's runtime for components therefore
//! tells the adapter to hold the monotonic clock during that time (`adapter_monotonic_clock_set_paused`). But the
//! adapter does not hold the wall clock, which the end of a collection reads.
//!
//! So this module rewrites the core module: it adds two functions that replace both imports. They forward all calls,
//! remember the last reading of the wall clock, and return it while the clock is held.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType, Instruction,
    MemArg, Module, ValType,
};
use wasmparser::{CodeSectionReader, FunctionSectionReader, GlobalSectionReader, Parser, Payload, TypeRef};

const MODULE: &str = "wasi_snapshot_preview1";
const HOLD_IMPORT: &str = "adapter_monotonic_clock_set_paused";
const READ_IMPORT: &str = "clock_time_get";
/// The number of the wall clock in preview 1.
const WALL_CLOCK: i32 = 0;

/// Rewrites `core`. The result is `None` for a module that does not both hold and read the clock.
pub(super) fn add_wall_clock_pause(core: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let scan = scan_module(core)?;
    let (Some(hold), Some(read)) = (scan.hold, scan.read) else { return Ok(None) };
    let mut rewriter = Rewriter { hold, read, functions: scan.functions, globals: scan.globals };
    let mut module = Module::new();
    rewriter
        .parse_core_module(&mut module, Parser::new(0), core)
        .map_err(|error| anyhow::anyhow!("the module cannot be rewritten: {error}"))?;
    Ok(Some(module.finish()))
}

/// An imported function.
#[derive(Debug, Clone, Copy)]
struct Import {
    index: u32,
    ty: u32,
}

#[derive(Debug, Default)]
struct ModuleScan {
    hold: Option<Import>,
    read: Option<Import>,
    /// Number of functions, including imported ones.
    functions: u32,
    /// Number of globals, including imported ones.
    globals: u32,
}

fn scan_module(core: &[u8]) -> anyhow::Result<ModuleScan> {
    let mut scan = ModuleScan::default();
    for payload in Parser::new(0).parse_all(core) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            let this = Some(Import { index: scan.functions, ty });
                            match (import.module, import.name) {
                                (MODULE, HOLD_IMPORT) => scan.hold = this,
                                (MODULE, READ_IMPORT) => scan.read = this,
                                _ => {}
                            }
                            scan.functions += 1;
                        }
                        TypeRef::Global(_) => scan.globals += 1,
                        TypeRef::Table(_) | TypeRef::Memory(_) | TypeRef::Tag(_) => {}
                    }
                }
            }
            Payload::FunctionSection(section) => scan.functions += section.count(),
            Payload::GlobalSection(section) => scan.globals += section.count(),
            _ => {}
        }
    }
    Ok(scan)
}

/// Rewrites the module.
///
/// Invariant: existing functions and globals keep their indices, because the two new functions and the two new globals
/// come last.
struct Rewriter {
    hold: Import,
    read: Import,
    functions: u32,
    globals: u32,
}

impl Rewriter {
    /// The index of the global that says whether the clock is held.
    fn held_global(&self) -> u32 {
        self.globals
    }

    /// The index of the global with the last reading of the wall clock.
    fn last_time_global(&self) -> u32 {
        self.globals + 1
    }

    fn hold_body(&self) -> Function {
        body(
            [],
            [
                Instruction::LocalGet(0),
                Instruction::GlobalSet(self.held_global()),
                Instruction::LocalGet(0),
                Instruction::Call(self.hold.index),
            ],
        )
    }

    /// Parameters of the function: clock id, precision, address for the time. Result: an error number.
    fn read_body(&self) -> Function {
        let wall = [Instruction::LocalGet(0), Instruction::I32Const(WALL_CLOCK), Instruction::I32Eq];
        let time = MemArg { offset: 0, align: 3, memory_index: 0 };
        let mut instructions = wall.to_vec();
        instructions.extend([
            Instruction::GlobalGet(self.held_global()),
            Instruction::I32And,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(2),
            Instruction::GlobalGet(self.last_time_global()),
            Instruction::I64Store(time),
            Instruction::I32Const(0),
            Instruction::Return,
            Instruction::End,
            Instruction::LocalGet(0),
            Instruction::LocalGet(1),
            Instruction::LocalGet(2),
            Instruction::Call(self.read.index),
            Instruction::LocalTee(3),
            Instruction::I32Eqz,
        ]);
        instructions.extend(wall);
        instructions.extend([
            Instruction::I32And,
            Instruction::If(BlockType::Empty),
            Instruction::LocalGet(2),
            Instruction::I64Load(time),
            Instruction::GlobalSet(self.last_time_global()),
            Instruction::End,
            Instruction::LocalGet(3),
        ]);
        body([(1, ValType::I32)], instructions)
    }
}

fn body<'a>(
    locals: impl IntoIterator<Item = (u32, ValType), IntoIter: ExactSizeIterator>,
    instructions: impl IntoIterator<Item = Instruction<'a>>,
) -> Function {
    let mut function = Function::new(locals);
    for instruction in instructions {
        function.instruction(&instruction);
    }
    function.instruction(&Instruction::End);
    function
}

impl Reencode for Rewriter {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        Ok(if function == self.hold.index {
            self.functions
        } else if function == self.read.index {
            self.functions + 1
        } else {
            function
        })
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.hold.ty).function(self.read.ty);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_global_section(self, globals, section)?;
        let of = |val_type| GlobalType { val_type, mutable: true, shared: false };
        globals.global(of(ValType::I32), &ConstExpr::i32_const(0));
        globals.global(of(ValType::I64), &ConstExpr::i64_const(0));
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.hold_body()).function(&self.read_body());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that reads both clocks in `now`, holds them in `held`, and has a function and a global of its own.
    const GO_LIKE: &str = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get" (func $read (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $other (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "adapter_monotonic_clock_set_paused" (func $hold (param i32)))
        (memory (export "memory") 1)
        (global $mine (mut i32) (i32.const 7))
        (func (export "now") (param $clock i32) (result i64)
            (drop (call $read (local.get $clock) (i64.const 0) (i32.const 8)))
            (i64.load (i32.const 8)))
        (func (export "held") (param $clock i32) (result i64)
            (local $time i64)
            (call $hold (i32.const 1))
            (drop (call $read (local.get $clock) (i64.const 0) (i32.const 16)))
            (local.set $time (i64.load (i32.const 16)))
            (call $hold (i32.const 0))
            (local.get $time))
        (func (export "mine") (result i32) (global.get $mine)))"#;

    #[test]
    fn modules_that_do_not_hold_the_clock_are_not_rewritten() {
        let plain = wat::parse_str("(module (func (export \"f\")))").unwrap();
        assert_eq!(add_wall_clock_pause(&plain).unwrap(), None);
        assert!(add_wall_clock_pause(b"no module").is_err());
    }

    #[test]
    fn the_rewritten_module_is_valid_and_calls_its_own_functions() {
        let core = wat::parse_str(GO_LIKE).unwrap();
        let rewritten = add_wall_clock_pause(&core).unwrap().unwrap();
        wasmparser::Validator::new().validate_all(&rewritten).unwrap();
        let (before, after) = (scan_module(&core).unwrap(), scan_module(&rewritten).unwrap());
        assert_eq!((after.functions, after.globals), (before.functions + 2, before.globals + 2));
        // Before: two calls of each import. After: one call of each, from the new functions only.
        let calls = |wasm: &[u8]| {
            let (mut reads, mut holds) = (0, 0);
            for payload in Parser::new(0).parse_all(wasm) {
                let Ok(Payload::CodeSectionEntry(body)) = payload else { continue };
                for operator in body.get_operators_reader().unwrap() {
                    match operator.unwrap() {
                        wasmparser::Operator::Call { function_index: 0 } => reads += 1,
                        wasmparser::Operator::Call { function_index: 2 } => holds += 1,
                        _ => {}
                    }
                }
            }
            (reads, holds)
        };
        assert_eq!((calls(&core), calls(&rewritten)), ((2, 2), (1, 1)));
    }
}

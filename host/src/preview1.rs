//! Core modules: what was built for WASI preview 1 becomes a component when it is compiled.
//!
//! A program (it exports `_start`) becomes a component that exports `wasi:cli/run`; a library whose bindings left
//! the types of its interface in a custom section exports that interface. So there is one way for all guests, and
//! nothing below knows of preview 1.
//!
//! Invariant: the component is a function of the module's bytes and of the pinned adapters. What was uploaded is
//! what is stored; the component is made again wherever the module is compiled.

use crate::component::ComponentError;
use std::borrow::Cow;
use std::collections::HashSet;
use wasi_preview1_component_adapter_provider as adapters;
use wasmparser::{ExternalKind, Parser, Payload};
use wit_component::ComponentEncoder;

/// How a core module begins.
const HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// What a module calls the functions of preview 1.
const PREVIEW1: &str = adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
/// What the snapshot before it called them; some have other parameters.
const PREVIEW0: &str = "wasi_unstable";
/// What a program exports.
const START: &str = "_start";
/// Custom sections in which bindings leave the types of a module's interface.
const TYPES: &str = "component-type";

/// The component in `wasm`: its own bytes, or what becomes of a core module.
pub(crate) fn component_of(wasm: &[u8]) -> Result<Cow<'_, [u8]>, ComponentError> {
    if !wasm.starts_with(HEADER) {
        return Ok(Cow::Borrowed(wasm));
    }
    let module = Module::read(wasm)?;
    if let Some(import) = module.imports.iter().find(|(from, _)| *from == PREVIEW0) {
        return Err(ComponentError::Preview0 { import: import.1.to_owned() });
    }
    let imports_preview1 = module.imports.iter().any(|(from, _)| *from == PREVIEW1);
    // Without types it is a program for preview 1, or nothing that can be called.
    let is_program = imports_preview1 && module.exports_start;
    if !module.has_types && !is_program {
        return Err(ComponentError::CoreModule { imports_preview1 });
    }
    let adapter = if module.exports_start {
        adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    module.check_imports(adapter)?;
    encode(wasm, imports_preview1.then_some(adapter)).map(Cow::Owned)
}

fn encode(wasm: &[u8], adapter: Option<&[u8]>) -> Result<Vec<u8>, ComponentError> {
    // Not validated here: compiling does that.
    let mut encoder = ComponentEncoder::default().validate(false).module(wasm).map_err(adapt_error)?;
    if let Some(adapter) = adapter {
        encoder = encoder.adapter(PREVIEW1, adapter).map_err(adapt_error)?;
    }
    encoder.encode().map_err(adapt_error)
}

/// `error` with its causes.
fn adapt_error(error: impl std::fmt::Display) -> ComponentError {
    ComponentError::Unadaptable { details: format!("{error:#}") }
}

/// What a core module says of itself.
#[derive(Debug, Default)]
struct Module<'a> {
    /// Module and name of each import.
    imports: Vec<(&'a str, &'a str)>,
    /// The functions it exports.
    exports: HashSet<&'a str>,
    /// Whether it exports what a program begins with.
    exports_start: bool,
    /// Whether bindings left types in it.
    has_types: bool,
}

impl<'a> Module<'a> {
    fn read(wasm: &'a [u8]) -> Result<Self, ComponentError> {
        let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid {
            details: format!("{} (at offset {:#x})", error.message(), error.offset()),
        };
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(invalid)? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(invalid)?;
                        module.imports.push((import.module, import.name));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(invalid)?;
                        if export.kind == ExternalKind::Func {
                            module.exports.insert(export.name);
                        }
                    }
                }
                Payload::CustomSection(section) => module.has_types |= section.name().starts_with(TYPES),
                _ => {}
            }
        }
        module.exports_start = module.exports.contains(START);
        Ok(module)
    }

    /// Names everything that it imports and nothing defines. What its own types mention is found at linking.
    fn check_imports(&self, adapter: &[u8]) -> Result<(), ComponentError> {
        let defined = Module::read(adapter)?.exports;
        let missing = self.imports.iter().filter(|(from, name)| match *from {
            PREVIEW1 => !defined.contains(name),
            _ => !self.has_types,
        });
        let imports: Vec<String> = missing.map(|(from, name)| format!("{from}#{name}")).collect();
        if imports.is_empty() { Ok(()) } else { Err(ComponentError::UndefinedImports { imports }) }
    }
}

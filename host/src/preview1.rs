//! Core modules: a module built for WASI preview 1 is converted to a component when it is compiled.
//!
//! A program (it exports `_start`) becomes a component that exports `wasi:cli/run`. A library whose bindings stored the
//! types of its interface in a custom section becomes a component that exports this interface. All other modules of the
//! host see only components.
//!
//! Invariant: the component is a function of the module's bytes and of the pinned adapters. The store holds the module
//! as uploaded; it is converted again wherever it is compiled.

use crate::component::ComponentError;
use std::borrow::Cow;
use std::collections::HashSet;
use wasi_preview1_component_adapter_provider as adapters;
use wasmparser::{ExternalKind, Parser, Payload};
use wit_component::ComponentEncoder;

/// The first bytes of a core module.
const HEADER: &[u8] = b"\0asm\x01\0\0\0";
/// The module name of preview 1 in imports.
const PREVIEW1: &str = adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
/// The module name of its predecessor; some functions have other parameters there.
const PREVIEW0: &str = "wasi_unstable";
/// The export that marks a program.
const START: &str = "_start";
/// Prefix of the custom sections in which bindings store the types of a module's interface.
const TYPES: &str = "component-type";

/// The component for `wasm`: its own bytes, or the conversion of a core module.
pub(crate) fn component_of(wasm: &[u8]) -> Result<Cow<'_, [u8]>, ComponentError> {
    if !wasm.starts_with(HEADER) {
        return Ok(Cow::Borrowed(wasm));
    }
    let module = Module::read(wasm)?;
    if let Some(import) = module.imports.iter().find(|(from, _)| *from == PREVIEW0) {
        return Err(ComponentError::Preview0 { import: import.1.to_owned() });
    }
    let imports_preview1 = module.imports.iter().any(|(from, _)| *from == PREVIEW1);
    // Without types, a module is a program for preview 1, or has nothing to call.
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
    // Validation is left to the compilation.
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

/// Information from the sections of a core module.
#[derive(Debug, Default)]
struct Module<'a> {
    /// Module and name of each import.
    imports: Vec<(&'a str, &'a str)>,
    /// Names of the exported functions.
    exports: HashSet<&'a str>,
    /// Whether it exports [`START`].
    exports_start: bool,
    /// Whether bindings stored types in it.
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

    /// Checks that every import is defined, and reports those that are not. Imports that its own types mention are
    /// checked at linking.
    fn check_imports(&self, adapter: &[u8]) -> Result<(), ComponentError> {
        let defined = Module::read(adapter)?.exports;
        let missing = self.imports.iter().filter(|(from, name)| match *from {
            PREVIEW1 => !defined.contains(name),
            _ => !self.has_types,
        });
        let undefined = missing.map(|(from, name)| format!("{from}#{name}"));
        ComponentError::undefined_imports(undefined).map_or(Ok(()), Err)
    }
}

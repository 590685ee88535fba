//! Checks at upload: a template that passes them can run here.

use crate::component::{ComponentError, UNDEFINED_IMPORTS_SHOWN};
use crate::engine::{MEMORIES_PER_COMPONENT_MAX, TABLES_PER_COMPONENT_MAX};
use crate::limits::TABLE_ELEMENTS_MAX;
use crate::state::WorkerState;
use golem_model::limits::PRODUCERS_BYTES_MAX;
use golem_model::template::{ProducerField, Producers};
use std::collections::HashSet;
use wasmparser::{KnownCustom, Parser, Payload, Validator, WasmFeatures};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

/// Information from the bytes of a component.
#[derive(Debug)]
pub(crate) struct Description {
    /// All producers sections, in the order of the bytes. The component's own one is often the
    /// last.
    pub(crate) producers: Vec<Producers>,
}

/// Checks that `wasm` is a component of a supported kind, and reads which tools produced it.
pub(crate) fn describe(wasm: &[u8]) -> Result<Description, ComponentError> {
    check_header(wasm)?;
    let mut producers = Vec::new();
    let mut depth = 0_usize;
    let mut preview3 = None;
    let mut producers_bytes = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid {
            details: format!("{} (at offset {:#x})", error.message(), error.offset()),
        };
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let name = import.map_err(invalid)?.name.name;
                    if preview3.is_none() && is_preview3(name) {
                        preview3 = Some(name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(reader) = section.as_known() {
                    producers_bytes += section.data().len();
                    if producers_bytes > PRODUCERS_BYTES_MAX {
                        return Err(ComponentError::TooLarge {
                            details: format!(
                                "its producers sections, which name the tools that built it, have more than \
                                 {PRODUCERS_BYTES_MAX} bytes"
                            ),
                        });
                    }
                    if let Ok(found) = read_producers(reader) {
                        producers.push(found);
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(import) = preview3 {
        return Err(ComponentError::Preview3 { import });
    }
    Ok(Description { producers })
}

/// Bytes that every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";
/// The version of the component encoding that is the standard since 2023.
const COMPONENT_VERSION: u16 = 0x0d;

fn check_header(wasm: &[u8]) -> Result<(), ComponentError> {
    let Some(rest) = wasm.strip_prefix(MAGIC) else {
        return Err(ComponentError::NotWasm { found: guess_format(wasm) });
    };
    let Some((&[v0, v1, l0, l1], _)) = rest.split_first_chunk::<4>() else {
        return Err(ComponentError::NotWasm { found: "a file that ends inside its header".to_owned() });
    };
    let (version, layer) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([l0, l1]));
    match (layer, version) {
        (1, COMPONENT_VERSION) => Ok(()),
        (1, older) if older < COMPONENT_VERSION => Err(ComponentError::OldBinaryFormat { version: older }),
        (1, newer) => Err(ComponentError::NewBinaryFormat { version: newer }),
        _ => Err(ComponentError::NotWasm {
            found: format!("WebAssembly of an unknown kind (version {version}, layer {layer})"),
        }),
    }
}

/// Guesses the format of a file that is not a WebAssembly binary.
fn guess_format(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "an empty file".to_owned();
    }
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"(component") || start.starts_with(b"(module") || start.starts_with(b";;") {
        return "WebAssembly text; turn it into a binary first (wasm-tools parse FILE.wat -o FILE.wasm)"
            .to_owned();
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x1f, 0x8b]) {
        return "an archive; upload the .wasm file that is in it".to_owned();
    }
    let shown: String = bytes.iter().take(8).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    format!("a file that begins with \"{shown}\"")
}

/// Whether an import belongs to WASI 0.3, whose functions are asynchronous.
fn is_preview3(import: &str) -> bool {
    import.starts_with("wasi:")
        && import.rsplit_once('@').is_some_and(|(_, version)| version.starts_with("0.3."))
}

fn read_producers(
    reader: wasmparser::ProducersSectionReader<'_>,
) -> Result<Producers, wasmparser::BinaryReaderError> {
    let mut fields = Vec::new();
    for field in reader {
        let field = field?;
        let mut values = Vec::new();
        for value in field.values {
            let value = value?;
            values.push((value.name.to_owned(), value.version.to_owned()));
        }
        fields.push(ProducerField { name: field.name.to_owned(), values });
    }
    Ok(Producers { fields })
}

/// The reason why wasmtime rejected `wasm`.
pub(crate) fn compile_error(wasm: &[u8], error: &wasmtime::Error) -> ComponentError {
    let details = format!("{error:#}");
    if details.contains("pooling allocator") || details.contains("exceeds the configured") {
        return ComponentError::TooLarge { details };
    }
    // If it is valid with every feature enabled, it needs a feature that is disabled here.
    let features = WasmFeatures::all();
    if Validator::new_with_features(features).validate_all(wasm).is_ok() {
        let asynchronous = WasmFeatures::CM_ASYNC
            | WasmFeatures::CM_ASYNC_STACKFUL
            | WasmFeatures::CM_MORE_ASYNC_BUILTINS
            | WasmFeatures::CM_THREADING;
        return if Validator::new_with_features(features - asynchronous).validate_all(wasm).is_err() {
            ComponentError::AsyncOnly
        } else {
            ComponentError::UnsupportedFeature { details }
        };
    }
    ComponentError::Invalid { details }
}

const PAGE_BYTES: u64 = 64 << 10;

/// Checks that a worker's limits leave room for `component`.
pub(crate) fn check_limits(component: &Component, memory_bytes_max: usize) -> Result<(), ComponentError> {
    // `None` if the component imports a core module; linking rejects that.
    let Some(needed) = component.resources_required() else { return Ok(()) };
    let too_large = |details: String| Err(ComponentError::TooLarge { details });
    if needed.num_memories > MEMORIES_PER_COMPONENT_MAX {
        return too_large(format!(
            "it has {} memories; at most {MEMORIES_PER_COMPONENT_MAX} are allowed",
            needed.num_memories
        ));
    }
    if needed.num_tables > TABLES_PER_COMPONENT_MAX {
        return too_large(format!(
            "it has {} tables; at most {TABLES_PER_COMPONENT_MAX} are allowed",
            needed.num_tables
        ));
    }
    let memory_bytes = first_memory_bytes(component);
    if memory_bytes > memory_bytes_max as u64 {
        return too_large(format!(
            "its memory begins with {memory_bytes} bytes; a worker has at most {memory_bytes_max}"
        ));
    }
    let elements = needed.max_initial_table_size.unwrap_or(0);
    if elements > TABLE_ELEMENTS_MAX as u64 {
        return too_large(format!(
            "it has a table of {elements} elements; at most {TABLE_ELEMENTS_MAX} are allowed"
        ));
    }
    Ok(())
}

/// Checks that a worker's limits leave room for files of `files_bytes` beside the memory of `component`.
pub(crate) fn check_files_limit(
    component: &Component,
    files_bytes: u64,
    memory_bytes_max: usize,
) -> Result<(), ComponentError> {
    let memory_bytes = first_memory_bytes(component);
    if memory_bytes.saturating_add(files_bytes) > memory_bytes_max as u64 {
        return Err(ComponentError::TooLarge {
            details: format!(
                "its memory begins with {memory_bytes} bytes and its files take {files_bytes}; a worker has at most \
                 {memory_bytes_max} for both"
            ),
        });
    }
    Ok(())
}

/// The initial size of the largest memory of `component`.
fn first_memory_bytes(component: &Component) -> u64 {
    let needed = component.resources_required();
    let pages = needed.and_then(|needed| needed.max_initial_memory_size);
    pages.unwrap_or(0).saturating_mul(PAGE_BYTES)
}

/// The reason why `component` cannot be linked: its undefined functions, not only the first.
pub(crate) fn link_error(
    linker: &Linker<WorkerState>,
    component: &Component,
    error: &wasmtime::Error,
) -> ComponentError {
    undefined_imports(linker, component).unwrap_or_else(|| {
        // All functions are defined, so one has another type: the component uses our interface in a form that was never
        // published.
        ComponentError::Invalid {
            details: format!("an import has another type than on this server: {error:#}"),
        }
    })
}

fn undefined_imports(linker: &Linker<WorkerState>, component: &Component) -> Option<ComponentError> {
    let engine = component.engine();
    let mut probe = Probe::new(linker);
    let mut undefined = Vec::new();
    'imports: for (name, item) in component.component_type().imports(engine) {
        match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                for (function, item) in instance.exports(engine) {
                    if matches!(item.ty, ComponentItem::ComponentFunc(_))
                        && !probe.defines(Some(name), function)
                    {
                        undefined.push(format!("{name}#{function}"));
                    }
                    // The component may import millions. The error names the first ones, and says
                    // whether there are more.
                    if undefined.len() > UNDEFINED_IMPORTS_SHOWN {
                        break 'imports;
                    }
                }
            }
            ComponentItem::ComponentFunc(_) => {
                if !probe.defines(None, name) {
                    undefined.push(name.to_owned());
                }
            }
            ComponentItem::Module(_) | ComponentItem::CoreFunc(_) | ComponentItem::Component(_) => {
                undefined.push(name.to_owned());
            }
            ComponentItem::Type(_) | ComponentItem::Resource(_) => {}
        }
        if undefined.len() > UNDEFINED_IMPORTS_SHOWN {
            break;
        }
    }
    ComponentError::undefined_imports(undefined.into_iter())
}

/// Answers whether a linker defines a function, in an interface or in one of a compatible version.
///
/// wasmtime has no function for this question. The probe defines the function again, which fails if
/// it exists.
struct Probe {
    /// A copy of the linker, to which the questions add what they ask for.
    linker: Linker<WorkerState>,
    /// Names of interface and function that the questions have added.
    added: HashSet<(Option<String>, String)>,
    /// The patch versions of WASI 0.2, and of our interfaces 0.2, that the linker defines.
    patches: Vec<u32>,
}

/// Patch versions of WASI 0.2 that the linker could define.
const PATCH_VERSIONS: u32 = 100;

impl Probe {
    fn new(linker: &Linker<WorkerState>) -> Self {
        let mut linker = linker.clone();
        linker.allow_shadowing(false);
        let mut probe = Self { linker, added: HashSet::new(), patches: Vec::new() };
        // Each crate with interfaces of a 0.2 version has one function here.
        let known = [
            ("wasi:io/poll", "poll"),
            ("wasi:http/outgoing-handler", "handle"),
            ("golem:api/host", "golem-create-promise"),
        ];
        for (interface, function) in known {
            let mut versions = (0..PATCH_VERSIONS).map(|patch| (patch, format!("{interface}@0.2.{patch}")));
            let defined = versions.find(|(_, interface)| probe.is_taken(Some(interface), function));
            probe.patches.extend(defined.map(|(patch, _)| patch));
        }
        probe.patches.sort_unstable();
        probe.patches.dedup();
        probe
    }

    fn defines(&mut self, interface: Option<&str>, function: &str) -> bool {
        // Compatible versions come first, because a question about an unknown interface adds it.
        if let Some((name, version)) = interface.and_then(|interface| interface.rsplit_once('@'))
            && let Some(patch) = version.strip_prefix("0.2.")
            && !patch.is_empty()
            && patch.bytes().all(|digit| digit.is_ascii_digit())
        {
            let patches = self.patches.clone();
            if patches.iter().any(|patch| self.is_taken(Some(&format!("{name}@0.2.{patch}")), function)) {
                return true;
            }
        }
        self.is_taken(interface, function)
    }

    /// Whether the linker defines exactly this function. Adds it if not.
    fn is_taken(&mut self, interface: Option<&str>, function: &str) -> bool {
        let unreachable = |_: wasmtime::StoreContextMut<'_, WorkerState>,
                           _: wasmtime::component::types::ComponentFunc,
                           _: &[wasmtime::component::Val],
                           _: &mut [wasmtime::component::Val]| Ok(());
        let defined = match interface {
            Some(interface) => {
                self.linker.instance(interface).and_then(|mut i| i.func_new(function, unreachable))
            }
            None => self.linker.root().func_new(function, unreachable),
        };
        let name = (interface.map(str::to_owned), function.to_owned());
        if defined.is_ok() {
            self.added.insert(name);
            return false;
        }
        !self.added.contains(&name)
    }
}

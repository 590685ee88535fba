//! Compiled components and their exports.

use crate::checks;
use crate::clients::ClientInterface;
use crate::engine::Engine;
use crate::files::Files;
use crate::state::WorkerState;
use crate::types::{TypeLimit, TypeReader, handle_in, name_excerpt};
use golem_model::template::{Functions, Producers};
use golem_model::{Export, Function};
use std::collections::HashMap;
use std::sync::Arc;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, InstancePre};

/// A compiled component, ready to be instantiated. Clones share everything.
#[derive(Clone)]
pub struct Component {
    shared: Arc<Shared>,
    files: Option<Files>,
}

struct Shared {
    engine: Engine,
    pre: InstancePre<WorkerState>,
    exports: Vec<Export>,
    producers: Vec<Producers>,
    clients: Vec<ClientInterface>,
    functions: Functions,
    callables: HashMap<Arc<str>, Callable>,
}

/// An exported function, looked up once.
pub(crate) struct Callable {
    /// Its export index.
    pub(crate) index: ComponentExportIndex,
    /// Its types.
    pub(crate) function: Arc<Function>,
    /// A handle among its types. A function with a handle cannot be called from outside.
    pub(crate) handle: Option<String>,
}

impl Component {
    pub(crate) fn new(
        engine: Engine,
        pre: InstancePre<WorkerState>,
        exports: Exports,
        producers: Vec<Producers>,
        clients: Vec<ClientInterface>,
    ) -> Self {
        let Exports { exports, indexes } = exports;
        let functions = Functions::new(&exports);
        let callables = indexes
            .into_iter()
            .filter_map(|(name, index)| {
                let (name, function) = functions.get(&name)?;
                let types = function.params.iter().map(|param| &param.ty).chain(&function.result);
                let handle = types.into_iter().find_map(handle_in).map(str::to_owned);
                Some((Arc::clone(name), Callable { index, function: Arc::clone(function), handle }))
            })
            .collect();
        let shared = Shared { engine, pre, exports, producers, clients, functions, callables };
        Self { shared: Arc::new(shared), files: None }
    }

    /// This component with initial files for its workers, if their memory has room for them.
    pub fn with_files(self, files: Files) -> Result<Self, ComponentError> {
        let memory_bytes_max = self.shared.engine.memory_bytes_max();
        checks::check_files_limit(self.shared.pre.component(), files.bytes(), memory_bytes_max)?;
        Ok(Self { files: Some(files), ..self })
    }

    /// The initial files of its workers.
    pub fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    /// Its exports, in the component's order.
    pub fn exports(&self) -> &[Export] {
        &self.shared.exports
    }

    /// The tools that produced it and the modules in it.
    pub fn producers(&self) -> &[Producers] {
        &self.shared.producers
    }

    /// The interfaces by which it calls other workers.
    pub fn clients(&self) -> &[ClientInterface] {
        &self.shared.clients
    }

    /// Its exported functions by full name.
    pub fn functions(&self) -> &Functions {
        &self.shared.functions
    }

    /// The engine that compiled it.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn pre(&self) -> &InstancePre<WorkerState> {
        &self.shared.pre
    }

    /// The function that handles HTTP requests.
    pub(crate) fn http_handler(&self) -> Option<&Callable> {
        self.callable(crate::find_http_handler(self.functions())?)
    }

    pub(crate) fn callable(&self, name: &str) -> Option<&Callable> {
        self.shared.callables.get(name)
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("exports", &self.shared.exports).finish_non_exhaustive()
    }
}

/// The exports of a component.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    exports: Vec<Export>,
    /// The index of each function by its full name.
    indexes: Vec<(String, ComponentExportIndex)>,
}

impl Exports {
    /// Reads the exports of `component`, if their types are within the limits.
    pub(crate) fn read(component: &wasmtime::component::Component) -> Result<Self, ComponentError> {
        let engine = component.engine();
        let mut types = TypeReader::new();
        let mut found = Self::default();
        for (name, item) in component.component_type().exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(ty) => {
                    let function = types.function(name, &ty, || name.to_owned())?;
                    if let Some(index) = component.get_export_index(None, name) {
                        found.indexes.push((name.to_owned(), index));
                    }
                    found.exports.push(Export::Function(function));
                }
                ComponentItem::ComponentInstance(instance) => {
                    let parent = component.get_export_index(None, name);
                    let interface = types.interface_name(name)?;
                    let mut functions = Vec::new();
                    for (inner, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = item.ty {
                            let path = || format!("{name}/{inner}");
                            functions.push(types.function(inner, &ty, path)?);
                            if let Some(index) = component.get_export_index(parent.as_ref(), inner) {
                                found.indexes.push((path(), index));
                            }
                        }
                    }
                    found.exports.push(Export::Interface { name: interface, functions });
                }
                // No function to call.
                ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::Type(_)
                | ComponentItem::Resource(_) => {}
            }
        }
        Ok(found)
    }
}

/// Why bytes are not a component that can run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Not a WebAssembly binary.
    #[error("this is not a WebAssembly component but {found}")]
    NotWasm {
        /// The format that they seem to have.
        found: String,
    },
    /// A core module that is neither a program nor has a typed interface.
    #[error(
        "this is a WebAssembly core module, not a component; {}",
        if *imports_preview1 {
            "it was built for WASI preview 1, but exports neither `_start`, as a program does, nor an interface with \
             types: build it as a program, or with bindings that were generated from WIT"
        } else {
            "build it for the target wasm32-wasip2, or turn it into a component with `wasm-tools component new`"
        }
    )]
    CoreModule {
        /// Whether it was built for WASI preview 1.
        imports_preview1: bool,
    },
    /// A core module built for the predecessor of WASI preview 1.
    #[error(
        "this core module was built for wasi_unstable, which came before WASI preview 1 (it imports {import}); \
         build it again with current tools"
    )]
    Preview0 {
        /// An import that shows it.
        import: String,
    },
    /// A core module that cannot be converted to a component.
    #[error("this core module cannot be turned into a component: {details}")]
    Unadaptable {
        /// The place and the cause.
        details: String,
    },
    /// A component in an encoding older than the standard.
    #[error(
        "this component has the binary format {version:#x}, which is older than WASI 0.2; build it again with current tools"
    )]
    OldBinaryFormat {
        /// The version in its header.
        version: u16,
    },
    /// A component in an encoding newer than this server.
    #[error(
        "this component has the binary format {version:#x}, which is newer than this server; update the server"
    )]
    NewBinaryFormat {
        /// The version in its header.
        version: u16,
    },
    /// A component for WASI 0.3.
    #[error(
        "this component was built for WASI 0.3 (it imports {import}); build it for WASI 0.2 (target wasm32-wasip2)"
    )]
    Preview3 {
        /// An import that shows it.
        import: String,
    },
    /// A component with asynchronous functions.
    #[error(
        "this component uses the asynchronous functions of the component model, which durable workers do not support; \
         build it with synchronous bindings for WASI 0.2"
    )]
    AsyncOnly,
    /// A component that needs a disabled WebAssembly proposal.
    #[error("this component uses a WebAssembly feature that durable workers do not support: {details}")]
    UnsupportedFeature {
        /// wasmtime's message.
        details: String,
    },
    /// A component that imports functions which the host does not define.
    #[error(
        "this component imports {} that this server does not define: {}{}",
        if imports.len() == 1 { "a function" } else { "functions" },
        imports.join(", "),
        if *more { ", and more" } else { "" }
    )]
    UndefinedImports {
        /// The first ones: `interface#function`, or a bare name for an import of the world itself.
        imports: Vec<String>,
        /// Whether there are more.
        more: bool,
    },
    /// A component that imports a client interface which does not have the generated form.
    #[error(
        "{function} does not have the form of a generated client function: {details}; generate the client again with \
         `golem template client`"
    )]
    ClientForm {
        /// `interface#function`.
        function: String,
        /// What is wrong.
        details: &'static str,
    },
    /// A component that exceeds the limits of a worker.
    #[error("this component is too large for a worker: {details}")]
    TooLarge {
        /// What is too large.
        details: String,
    },
    /// A component whose types are too large to be described.
    #[error(
        "the types of the function {function} are too large: {limit}; export fewer functions, or pass nested structures \
         as a string or as list<u8>"
    )]
    TypesTooLarge {
        /// The first function, or interface, for which the limit is exceeded.
        function: String,
        /// The limit.
        limit: TypeLimit,
    },
    /// A malformed component.
    #[error("this is not a valid WebAssembly component: {details}")]
    Invalid {
        /// The place and the cause.
        details: String,
    },
}

/// Undefined imports that an error names, at most.
pub(crate) const UNDEFINED_IMPORTS_SHOWN: usize = 50;

impl ComponentError {
    /// The error for undefined imports, if there are any.
    pub(crate) fn undefined_imports(mut undefined: impl Iterator<Item = String>) -> Option<Self> {
        let imports: Vec<String> =
            undefined.by_ref().take(UNDEFINED_IMPORTS_SHOWN).map(|name| name_excerpt(&name)).collect();
        let more = undefined.next().is_some();
        (!imports.is_empty()).then_some(Self::UndefinedImports { imports, more })
    }
}

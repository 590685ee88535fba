//! The engine: wasmtime's settings, the linker with all imports, the cache of compiled code.

use crate::cache::Cache;
use crate::component::{Component, ComponentError, Exports};
use crate::limits::TABLE_ELEMENTS_MAX;
use crate::state::WorkerState;
use crate::{checks, clients, imports, preview1};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Address space for a linear memory: large enough that no access of a 32-bit guest needs a bounds check.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Address space for a linear memory in dense mode, unless the memory may grow larger. More workers fit, and each
/// access costs a bounds check.
const MEMORY_RESERVATION_DENSE_BYTES: u64 = 256 << 20;
/// The guest's part of a stack. Recursion that needs more is a bug. The host's frames come on top.
const WASM_STACK_BYTES: usize = 512 << 10;
/// A worker's whole stack.
const STACK_BYTES: usize = 1 << 20;
/// Core instances of one component: modules composed into it, adapters, shims.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 100;
/// Core instances of an average component. The pool has this many for each resident worker.
const CORE_INSTANCES_PER_COMPONENT: u32 = 20;
/// Linear memories of one component: composed components have one for each language runtime.
pub(crate) const MEMORIES_PER_COMPONENT_MAX: u32 = 8;
/// Linear memories of an average component. The pool has this many for each resident worker.
const MEMORIES_PER_COMPONENT: u32 = 2;
/// Tables of one component.
pub(crate) const TABLES_PER_COMPONENT_MAX: u32 = 32;
/// Tables of an average component. The pool has this many for each resident worker.
const TABLES_PER_COMPONENT: u32 = 4;
/// Bytes of wasmtime's own data for a component instance, and for each of its core instances.
const INSTANCE_METADATA_BYTES_MAX: usize = 8 << 20;

/// Settings of an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Workers that can be in memory at the same time (slots of the pool). One more activation fails.
    pub residents_max: u32,
    /// Reserves less address space for each worker. Each memory access then costs a bounds check.
    pub dense: bool,
    /// Bytes of linear memory and files of one worker. Must stay the same for a deployment:
    /// `memory.grow` fails where both together would exceed it, so a worker that is replayed under
    /// another value may diverge.
    pub memory_bytes_max: usize,
    /// The folder for compiled code; `None` compiles anew each time.
    pub cache_dir: Option<PathBuf>,
    /// The time between two calls of [`Engine::tick`].
    pub tick: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            residents_max: 4_000,
            dense: false,
            memory_bytes_max: 512 << 20,
            cache_dir: None,
            tick: Duration::from_millis(10),
        }
    }
}

/// Why an engine could not be created.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting is out of range.
    #[error("the engine's setting {setting} is {value}; {wanted}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// The allowed values.
        wanted: &'static str,
    },
    /// wasmtime could not be set up with these settings.
    #[error(
        "cannot set up the WebAssembly engine for {residents_max} workers in memory: {reason}; \
         allow fewer workers in memory, or reserve less for each with the dense setting"
    )]
    Setup {
        /// Workers in memory that were configured.
        residents_max: u32,
        /// What wasmtime said.
        reason: String,
    },
    /// The folder of compiled code cannot be used.
    #[error("cannot use {path} for compiled code: {source}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// Compiles components and runs their instances. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<WorkerState>,
    cache: Option<Cache>,
    fingerprint: String,
    memory_bytes_max: usize,
    tick: Duration,
}

impl Engine {
    /// Sets up wasmtime.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        if config.residents_max == 0 {
            return Err(EngineError::Setting {
                setting: "residents_max",
                value: 0,
                wanted: "at least one worker must fit into memory",
            });
        }
        if !(1 << 16..=1 << 32).contains(&(config.memory_bytes_max as u64)) {
            return Err(EngineError::Setting {
                setting: "memory_bytes_max",
                value: config.memory_bytes_max as u64,
                wanted: "a worker's memory has from 64 KiB to 4 GiB",
            });
        }
        let setup = |error: wasmtime::Error| EngineError::Setup {
            residents_max: config.residents_max,
            reason: format!("{error:#}"),
        };
        let engine = wasmtime::Engine::new(&settings(&config)).map_err(setup)?;
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker).map_err(setup)?;
        let compatibility = compatibility(&engine);
        let cache = match config.cache_dir {
            Some(path) => Some(
                Cache::new(path.clone(), compatibility)
                    .map_err(|source| EngineError::Cache { path, source })?,
            ),
            None => None,
        };
        let fingerprint = format!(
            "{} {}, wasmtime {}, memory {} bytes, code {}",
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            WASMTIME_VERSION,
            config.memory_bytes_max,
            blake3::Hash::from_bytes(compatibility).to_hex().split_at(16).0,
        );
        let shared = Shared {
            engine,
            linker,
            cache,
            fingerprint,
            memory_bytes_max: config.memory_bytes_max,
            tick: config.tick,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Identifies everything about this engine that could make a replay differ. Each oplog names the engines that wrote
    /// it.
    pub fn fingerprint(&self) -> &str {
        &self.shared.fingerprint
    }

    /// The interval at which [`Engine::tick`] must be called.
    pub fn tick_interval(&self) -> Duration {
        self.shared.tick
    }

    /// Ends the time slice of every running guest. Must be called at each [`EngineConfig::tick`], from a thread that no
    /// guest can block: interrupts reach a computing guest only through this call.
    pub fn tick(&self) {
        self.shared.engine.increment_epoch();
    }

    /// Checks and compiles `wasm`, or loads the code compiled before for the same `content_hash`. A core module for
    /// WASI preview 1 becomes a component first.
    ///
    /// Takes up to seconds of processor time: call it on a thread that may block.
    pub fn compile(&self, wasm: &[u8], content_hash: [u8; 32]) -> Result<Component, ComponentError> {
        let component = preview1::component_of(wasm)?;
        let content_hash = match &component {
            Cow::Borrowed(_) => content_hash,
            // The hash is of the component: other adapters make another component from the same module.
            Cow::Owned(adapted) => *blake3::hash(adapted).as_bytes(),
        };
        let wasm = component.as_ref();
        let description = checks::describe(wasm)?;
        let cached =
            self.shared.cache.as_ref().and_then(|cache| cache.load(&self.shared.engine, &content_hash));
        let fresh = cached.is_none();
        let compiled = match cached {
            Some(compiled) => compiled,
            None => wasmtime::component::Component::from_binary(&self.shared.engine, wasm)
                .map_err(|error| checks::compile_error(wasm, &error))?,
        };
        checks::check_limits(&compiled, self.shared.memory_bytes_max)?;
        let exports = Exports::read(&compiled)?;
        let clients = clients::find_imports(&compiled)?;
        let mut linker = Cow::Borrowed(&self.shared.linker);
        if !clients.is_empty() {
            clients::define(linker.to_mut(), &clients)
                .map_err(|error| ComponentError::Invalid { details: format!("{error:#}") })?;
        }
        let pre = linker
            .instantiate_pre(&compiled)
            .map_err(|error| checks::link_error(&linker, &compiled, &error))?;
        if let (true, Some(cache)) = (fresh, &self.shared.cache) {
            cache.store(&compiled, &content_hash);
        }
        Ok(Component::new(self.clone(), pre, exports, description.producers, clients))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(crate) fn memory_bytes_max(&self) -> usize {
        self.shared.memory_bytes_max
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("fingerprint", &self.shared.fingerprint).finish_non_exhaustive()
    }
}

/// The version of wasmtime that the workspace pins.
const WASMTIME_VERSION: &str = "48.0.8";

fn settings(config: &EngineConfig) -> Config {
    let reservation = if config.dense {
        MEMORY_RESERVATION_DENSE_BYTES.max(config.memory_bytes_max as u64)
    } else {
        MEMORY_RESERVATION_BYTES
    };
    let many = |per_worker: u32| config.residents_max.saturating_mul(per_worker);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(config.residents_max)
        .total_core_instances(many(CORE_INSTANCES_PER_COMPONENT).max(CORE_INSTANCES_PER_COMPONENT_MAX))
        .total_memories(many(MEMORIES_PER_COMPONENT).max(MEMORIES_PER_COMPONENT_MAX))
        .total_tables(many(TABLES_PER_COMPONENT).max(TABLES_PER_COMPONENT_MAX))
        // A store keeps its stack between calls, so each worker in memory needs one.
        .total_stacks(config.residents_max)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_memories_per_module(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_tables_per_module(TABLES_PER_COMPONENT_MAX)
        .max_component_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .max_core_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(config.memory_bytes_max);
    let mut settings = Config::new();
    settings
        .wasm_component_model(true)
        // Calls are four to five times cheaper without it, and WASI 0.2 does not need it.
        .concurrency_support(false)
        // Replay on another machine must compute the same bits.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .memory_init_cow(true)
        .memory_reservation(reservation)
        .parallel_compilation(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    settings
}

/// Digest of everything that compiled code depends on.
fn compatibility(engine: &wasmtime::Engine) -> [u8; 32] {
    struct Digest(blake3::Hasher);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut digest = Digest(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    *digest.0.finalize().as_bytes()
}

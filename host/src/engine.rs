//! The engine: wasmtime's settings, the linker with all that guests may import, the cache of compiled code.

use crate::component::{Component, ComponentError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Workers that can be in memory at a time: slots of the pool. One more activation fails.
    pub residents_max: u32,
    /// Reserve less address space for each worker, at the price of a check at each memory access.
    pub dense: bool,
    /// Linear memory of one worker, in bytes. A constant of the deployment: `memory.grow` fails at exactly this
    /// size, so a worker replayed under another value may diverge.
    pub memory_bytes_max: usize,
    /// Where compiled code is kept; `None` compiles anew each time.
    pub cache_dir: Option<PathBuf>,
    /// The time between two calls of [`Engine::tick`].
    pub tick: Duration,
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the settings or could not reserve the memory.
    #[error("cannot set up the WebAssembly engine: {reason}; try fewer residents or dense = true")]
    Setup {
        /// What wasmtime said.
        reason: String,
    },
}

/// Compiles components and runs their instances. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    fingerprint: String,
    engine: wasmtime::Engine,
}

impl Engine {
    /// Sets up wasmtime.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> { let _ = config; Err(EngineError::Setup { reason: String::new() }) }
    /// Names everything about this engine that could make a replay differ.
    pub fn fingerprint(&self) -> &str { &self.shared.fingerprint }
    /// Ends the time slice of every running guest. To be called each [`EngineConfig::tick`], from a thread that no guest can hold.
    pub fn tick(&self) { self.shared.engine.increment_epoch(); }
    /// Checks and compiles `wasm`, or loads what an earlier call compiled. Takes seconds of CPU time: call it on a thread of its own.
    pub fn compile(&self, wasm: &[u8], content_hash: [u8; 32]) -> Result<Component, ComponentError> { let _ = (wasm, content_hash); Err(ComponentError::NotWasm { found: String::new() }) }
}
impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("fingerprint", &self.shared.fingerprint).finish_non_exhaustive()
    }
}

//! A cache of compiled components.

use crate::executor::{ComponentFault, with_causes};
use crate::storage::ports::ContentStore;
use golem_host::{Component, Engine};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::sync::{OnceCell, Semaphore};

/// The compiled code of recently used components, by the hash of their bytes.
pub(super) struct ComponentCache {
    engine: Engine,
    blobs: Arc<dyn ContentStore>,
    // An evicted component stays in memory as long as a worker runs it.
    loaded: Mutex<LruCache<[u8; 32], Arc<OnceCell<Component>>>>,
    // Compiling takes seconds and uses all cores. More compilations at the same time would only make each of them
    // slower.
    compile_permits: Semaphore,
}

impl ComponentCache {
    pub(super) fn new(engine: Engine, blobs: Arc<dyn ContentStore>, cached_max: usize) -> Self {
        let cached_max = NonZeroUsize::new(cached_max).unwrap_or(NonZeroUsize::MIN);
        Self {
            engine,
            blobs,
            loaded: Mutex::new(LruCache::new(cached_max)),
            compile_permits: Semaphore::new(2),
        }
    }

    /// The component. Concurrent callers share one compilation.
    pub(super) async fn get(&self, hash: [u8; 32]) -> Result<Component, ComponentFault> {
        let cell = self.loaded.lock().get_or_insert(hash, Arc::default).clone();
        let component = cell.get_or_try_init(|| self.load(hash)).await?;
        Ok(component.clone())
    }

    /// Inserts the component that an upload has compiled.
    pub(super) fn insert(&self, hash: [u8; 32], component: Component) {
        self.loaded.lock().put(hash, Arc::new(OnceCell::new_with(Some(component))));
    }

    async fn load(&self, hash: [u8; 32]) -> Result<Component, ComponentFault> {
        let permit = self.compile_permits.acquire().await;
        let _permit = permit.map_err(|closed| ComponentFault::Unreadable(closed.to_string()))?;
        let (engine, blobs) = (self.engine.clone(), self.blobs.clone());
        tokio::task::spawn_blocking(move || {
            let wasm = read_template_file(&*blobs, hash)?;
            engine.compile(&wasm, hash).map_err(|error| ComponentFault::Invalid(error.to_string()))
        })
        .await
        .map_err(|panicked| ComponentFault::Invalid(format!("compiling it failed: {panicked}")))?
    }
}

/// Reads a file that belongs to a template: a component, or an archive of files. The log gets errors with the path.
pub(super) fn read_template_file(
    blobs: &dyn ContentStore,
    hash: [u8; 32],
) -> Result<Vec<u8>, ComponentFault> {
    match blobs.get(hash) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(ComponentFault::missing(hash)),
        Err(error) => {
            tracing::error!(error = %with_causes(&error), "a file of a template cannot be read");
            Err(ComponentFault::from_store(&error))
        }
    }
}

impl std::fmt::Debug for ComponentCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComponentCache").finish_non_exhaustive()
    }
}

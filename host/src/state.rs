//! What wasmtime's store holds for one worker; the imports are methods of it.

use crate::objects::Objects;

/// The host's side of one worker.
#[derive(Debug)]
pub(crate) struct WorkerState {
    /// What the guest holds handles to.
    pub(crate) objects: Objects,
}

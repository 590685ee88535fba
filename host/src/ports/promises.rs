//! The promises of all workers, from one worker's side.

use super::PortError;
use async_trait::async_trait;
use golem_model::oplog::HostCall;
use golem_model::promise::{PromiseCompletion, PromiseState};
use golem_model::{Entry, OplogIndex, PromiseId};

/// Shared state: answers are given in commit order, over state that includes rows that are queued but not yet durable.
///
/// The implementation decides which promises the worker may use. Any other promise is unknown: it has the answer and the
/// entries of a promise that does not exist.
#[async_trait]
pub trait Promises: Send + Sync {
    /// The state of `promise` now.
    async fn get(&self, promise: &PromiseId) -> Result<PromiseState, PortError>;

    /// Completes `promise` with `data`, unless it is completed already.
    ///
    /// In one commit: `entries` (the first has index `first`), then the completion, then one more entry that records
    /// `call` with the answer. The response of that entry is one byte: 1 for [`PromiseCompletion::Completed`], 0 for
    /// [`PromiseCompletion::AlreadyCompleted`], 2 for [`PromiseCompletion::Unknown`].
    async fn complete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
        data: Vec<u8>,
    ) -> Result<PromiseCompletion, PortError>;

    /// Deletes `promise`, recorded like [`Promises::complete`]. The response is one byte: 1 if it existed, 2 if not.
    async fn delete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        promise: &PromiseId,
    ) -> Result<bool, PortError>;

    /// Returns once any of `promises` is completed or deleted; at once if one is already.
    async fn wait_any(&self, promises: &[PromiseId]) -> Result<(), PortError>;

    /// Returns when another worker needs the place in memory of a worker that only waits. By default there is room for
    /// all.
    async fn place_wanted(&self) {
        std::future::pending::<()>().await;
    }
}

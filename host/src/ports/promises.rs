//! The promises of all workers, as one of them sees them.

use super::PortError;
use async_trait::async_trait;
use golem_model::oplog::Call;
use golem_model::promise::{Completion, PromiseState};
use golem_model::{Entry, OplogIndex, PromiseId};

/// Shared state: answers are given in commit order, over state that includes what is queued but not yet durable.
#[async_trait]
pub trait Promises: Send + Sync {
    /// The state of `promise` now.
    async fn get(&self, promise: &PromiseId) -> Result<PromiseState, PortError>;

    /// Completes `promise` with `data` unless it is already.
    ///
    /// In one commit: `entries` (the first has index `first`), then the completion, then one more entry that
    /// records `call` with the answer. That entry's response is one byte: 1 for [`Completion::Completed`],
    /// 0 for [`Completion::AlreadyCompleted`], 2 for [`Completion::Unknown`].
    async fn complete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        promise: &PromiseId,
        data: Vec<u8>,
    ) -> Result<Completion, PortError>;

    /// Deletes `promise`; as [`Promises::complete`]. The recorded response is one byte: 1 if it existed, 2 if not.
    async fn delete(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        promise: &PromiseId,
    ) -> Result<bool, PortError>;

    /// Returns once any of `promises` is completed or deleted; at once if one is already.
    async fn wait_any(&self, promises: &[PromiseId]) -> Result<(), PortError>;
}

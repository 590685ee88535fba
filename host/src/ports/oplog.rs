//! The oplog, from the writer's side.

use super::PortError;
use async_trait::async_trait;
use golem_model::{Entry, OplogIndex};

/// Takes the entries of one activation.
#[async_trait]
pub trait Oplog: Send + Sync {
    /// Appends `entries`, of which the first has index `first`, to the store: all or none, in order.
    ///
    /// On `Ok`, the entries have their final position, and every later reader of shared state sees their effect. They
    /// are *not* durable until [`Oplog::commit`] returns. Never waits.
    fn append(&self, first: OplogIndex, entries: Vec<Entry>) -> Result<(), PortError>;

    /// Returns once everything appended before is durable.
    ///
    /// On an error, some of it may be durable: the activation must be dropped and the worker loaded again.
    async fn commit(&self) -> Result<(), PortError>;
}

//! The buckets of the worker's project.

use super::PortError;
use async_trait::async_trait;
use golem_model::keyvalue::KeyValueWrite;
use golem_model::oplog::HostCall;
use golem_model::shared::{KeyPage, Versioned};
use golem_model::{Entry, OplogIndex};

/// Shared state: answers are given in commit order, over state that includes rows that are queued but not yet durable.
/// The caller has checked names, keys and sizes against the limits of `golem_model::keyvalue`.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The values of `keys`, all at one moment. Stops before the key whose value would make the total exceed
    /// `bytes_max` bytes; the answer is then shorter than `keys`.
    async fn get(&self, bucket: &str, keys: &[String], bytes_max: usize)
    -> Result<Vec<Versioned>, PortError>;

    /// The keys after `after`, at one moment; at most `limit`, which is not 0.
    async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, PortError>;

    /// Writes. In one commit: `entries` (the first has index `first`), one more entry that records `call` with the
    /// outcome, and the change itself. Returns the recorded bytes:
    /// [`KeyValueOutcome::encode`](golem_model::keyvalue::KeyValueOutcome::encode).
    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        bucket: &str,
        write: KeyValueWrite,
    ) -> Result<Vec<u8>, PortError>;
}

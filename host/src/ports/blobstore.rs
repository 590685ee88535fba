//! The containers of the worker's project.

use super::PortError;
use async_trait::async_trait;
use golem_model::blobstore::{BlobOutcome, BlobWrite, Container, Object, ObjectId};
use golem_model::oplog::HostCall;
use golem_model::shared::KeyPage;
use golem_model::{Entry, OplogIndex};

/// Shared state: answers are given in commit order, over state that includes rows that are queued but not yet durable.
/// The caller has checked names and sizes against the limits of `golem_model::blobstore`.
#[async_trait]
pub trait Blobstore: Send + Sync {
    /// The container of this name, if it exists.
    async fn container(&self, name: &str) -> Result<Option<Container>, PortError>;

    /// The object, or the outcome that says what does not exist.
    async fn object(&self, id: &ObjectId) -> Result<Result<Object, BlobOutcome>, PortError>;

    /// Names of the container's objects after `after`, at one moment; at most `limit`, which is not 0. `None` if the
    /// container does not exist.
    async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<KeyPage>, PortError>;

    /// Changes containers or objects. In one commit: `entries` (the first has index `first`), one more entry that
    /// records `call` with the outcome, and the change itself. Returns the recorded bytes: [`BlobOutcome::code`].
    async fn write(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        write: BlobWrite,
    ) -> Result<Vec<u8>, PortError>;
}

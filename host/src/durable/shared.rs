//! Live access to the state that the workers of a project share: buckets and containers.

use super::effect::CallFailure;
use super::live::Live;
use golem_model::OplogIndex;
use golem_model::blobstore::{BlobOutcome, BlobWrite, Container, Object, ObjectId};
use golem_model::keyvalue::KeyValueWrite;
use golem_model::oplog::HostCall;
use golem_model::shared::{KeyPage, Versioned};

impl Live<'_> {
    /// The value of a key.
    pub(crate) async fn value(&self, bucket: &str, key: &str) -> Result<Versioned, CallFailure> {
        let values = self.values(bucket, &[key.to_owned()], usize::MAX).await?;
        Ok(values.into_iter().next().unwrap_or_default())
    }

    /// The values of `keys`, all at one moment; fewer than `keys` if their values would exceed `bytes_max` bytes.
    pub(crate) async fn values(
        &self,
        bucket: &str,
        keys: &[String],
        bytes_max: usize,
    ) -> Result<Vec<Versioned>, CallFailure> {
        Ok(self.ports().keyvalue.get(bucket, keys, bytes_max).await?)
    }

    /// The keys of a bucket after `after`, at most `limit`.
    pub(crate) async fn keys(
        &self,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, CallFailure> {
        Ok(self.ports().keyvalue.keys(bucket, after, limit).await?)
    }

    /// Writes to a bucket; returns the index and the response of the entry that the store added for `call`.
    pub(crate) async fn write(
        &mut self,
        call: HostCall,
        bucket: &str,
        write: KeyValueWrite,
    ) -> Result<(OplogIndex, Vec<u8>), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let response = self.ports().keyvalue.write(first, entries, call, bucket, write).await?;
        self.set_appended(index);
        Ok((index, response))
    }

    /// The container of this name.
    pub(crate) async fn container(&self, name: &str) -> Result<Option<Container>, CallFailure> {
        Ok(self.ports().blobstore.container(name).await?)
    }

    /// An object, or the outcome that says what does not exist.
    pub(crate) async fn object(&self, id: &ObjectId) -> Result<Result<Object, BlobOutcome>, CallFailure> {
        Ok(self.ports().blobstore.object(id).await?)
    }

    /// The names of a container's objects after `after`, at most `limit`.
    pub(crate) async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<KeyPage>, CallFailure> {
        Ok(self.ports().blobstore.objects(container, after, limit).await?)
    }

    /// Changes containers or objects; returns the index and the response of the entry that the store added for `call`.
    pub(crate) async fn write_blobs(
        &mut self,
        call: HostCall,
        write: BlobWrite,
    ) -> Result<(OplogIndex, Vec<u8>), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let response = self.ports().blobstore.write(first, entries, call, write).await?;
        self.set_appended(index);
        Ok((index, response))
    }
}

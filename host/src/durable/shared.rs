//! What a live call may do with what the workers of its project share.

use super::effect::CallFailure;
use super::live::Live;
use golem_model::OplogIndex;
use golem_model::blobstore::{BlobOutcome, BlobWrite, Container, Object, ObjectId};
use golem_model::keyvalue::KeyValueWrite;
use golem_model::oplog::Call;
use golem_model::shared::{KeyPage, Versioned};

impl Live<'_> {
    /// What a key holds.
    pub(crate) async fn value(&self, bucket: &str, key: &str) -> Result<Versioned, CallFailure> {
        let held = self.values(bucket, &[key.to_owned()], usize::MAX).await?;
        Ok(held.into_iter().next().unwrap_or_default())
    }

    /// What keys hold, all at one moment; fewer answers than keys if their values would be more than `bytes_max` bytes.
    pub(crate) async fn values(
        &self,
        bucket: &str,
        keys: &[String],
        bytes_max: usize,
    ) -> Result<Vec<Versioned>, CallFailure> {
        Ok(self.ports().keyvalue.get(bucket, keys, bytes_max).await?)
    }

    /// Keys of a bucket after `after`.
    pub(crate) async fn keys(
        &self,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, CallFailure> {
        Ok(self.ports().keyvalue.keys(bucket, after, limit).await?)
    }

    /// Writes to a bucket; gives the index and the response of the entry that the store added for `call`.
    pub(crate) async fn write(
        &mut self,
        call: Call,
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

    /// An object, or what is not there.
    pub(crate) async fn object(&self, id: &ObjectId) -> Result<Result<Object, BlobOutcome>, CallFailure> {
        Ok(self.ports().blobstore.object(id).await?)
    }

    /// Names of a container's objects after `after`.
    pub(crate) async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<KeyPage>, CallFailure> {
        Ok(self.ports().blobstore.objects(container, after, limit).await?)
    }

    /// Changes containers or objects; gives the index and the response of the entry that the store added for `call`.
    pub(crate) async fn write_blobs(
        &mut self,
        call: Call,
        act: BlobWrite,
    ) -> Result<(OplogIndex, Vec<u8>), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let response = self.ports().blobstore.act(first, entries, call, act).await?;
        self.set_appended(index);
        Ok((index, response))
    }
}

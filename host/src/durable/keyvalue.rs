//! What a live call may do with the buckets of the worker's project.

use super::effect::Failure;
use super::live::Live;
use golem_model::OplogIndex;
use golem_model::keyvalue::{Held, KeyPage, Outcome, Write};
use golem_model::oplog::Call;

impl Live<'_> {
    /// What a key holds.
    pub(crate) async fn value(&self, bucket: &str, key: &str) -> Result<Held, Failure> {
        let held = self.values(bucket, &[key.to_owned()], usize::MAX).await?;
        Ok(held.into_iter().next().unwrap_or_default())
    }

    /// What keys hold, all at one moment; fewer answers than keys if their values would be more than `bytes_max` bytes.
    pub(crate) async fn values(
        &self,
        bucket: &str,
        keys: &[String],
        bytes_max: usize,
    ) -> Result<Vec<Held>, Failure> {
        Ok(self.ports().keyvalue.get(bucket, keys, bytes_max).await?)
    }

    /// Keys of a bucket after `after`.
    pub(crate) async fn keys(
        &self,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, Failure> {
        Ok(self.ports().keyvalue.keys(bucket, after, limit).await?)
    }

    /// Writes to a bucket; gives the index of the entry that the store added for `call`.
    pub(crate) async fn write(
        &mut self,
        call: Call,
        bucket: &str,
        write: Write,
    ) -> Result<(OplogIndex, Outcome), Failure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let outcome = self.ports().keyvalue.write(first, entries, call, bucket, write).await?;
        self.appended(index);
        Ok((index, outcome))
    }
}

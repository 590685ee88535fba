//! `wasi:keyvalue@0.2.0-draft`: values are lists of bytes, and the cursor of `list-keys` is a number.

use super::KeyValueObject;
use super::durable_calls::PageStart;
use crate::bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store};
use crate::imports::views::{KeyValueView, Views};
use crate::objects::Object;
use store::{Bucket, Error, KeyResponse};
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

type StoreResult<T> = Result<std::result::Result<T, Error>>;

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    store::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    atomics::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    batch::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)
}

impl store::HostBucket for KeyValueView<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<Option<Vec<u8>>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_get(bucket, key).await?;
        Ok(answer.map(|value| value.map(|value| value.to_vec())).map_err(Error::Other))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_set(bucket, vec![(key, value)]).await?.map_err(Error::Other))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_delete(bucket, vec![key]).await?.map_err(Error::Other))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<bool> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_exists(bucket, key).await?.map_err(Error::Other))
    }

    /// The cursor is the number of keys in the previous pages.
    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> StoreResult<KeyResponse> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let given = cursor.unwrap_or_default();
        let from = if given == 0 { PageStart::FirstKey } else { PageStart::Skip(given) };
        let answer = self.value_keys(bucket, from).await?;
        let page = answer.map(|page| {
            let cursor = page.next.map(|_| given.saturating_add(page.keys.len() as u64));
            KeyResponse { keys: page.keys, cursor }
        });
        Ok(page.map_err(Error::Other))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.objects.remove(bucket.rep()).map(drop)
    }
}

impl store::Host for KeyValueView<'_> {
    async fn open(&mut self, identifier: String) -> StoreResult<Resource<Bucket>> {
        Ok(Ok(self.objects.insert(Object::KeyValue(KeyValueObject::Bucket(identifier)))?))
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> StoreResult<u64> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_increment(bucket, key, delta).await?.map_err(Error::Other))
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> StoreResult<Vec<Option<(String, Vec<u8>)>>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_get_many(bucket, keys.clone()).await?;
        let pairs = answer.map(|values| {
            let pairs =
                keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value.to_vec())));
            pairs.collect()
        });
        Ok(pairs.map_err(Error::Other))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_set(bucket, pairs).await?.map_err(Error::Other))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_delete(bucket, keys).await?.map_err(Error::Other))
    }
}

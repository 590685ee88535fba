//! `wasi:keyvalue@0.2.0-draft2`: as the first draft, but the cursor is a key, numbers are signed, and there is
//! compare-and-swap.

use super::KeyValueObject;
use super::durable_calls::PageStart;
use super::objects::Cas as CasObject;
use crate::bindings::wasi::keyvalue0_2_0_draft2::{atomics, batch, store};
use crate::imports::views::{KeyValueView, Views};
use crate::objects::Object;
use atomics::{Cas, CasError};
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

    /// The cursor is the key after which the next page begins.
    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> StoreResult<KeyResponse> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let from = cursor.map_or(PageStart::FirstKey, PageStart::AfterKey);
        let answer = self.value_keys(bucket, from).await?;
        Ok(answer.map(|page| KeyResponse { keys: page.keys, cursor: page.next }).map_err(Error::Other))
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

impl atomics::HostCas for KeyValueView<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<Resource<Cas>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        match self.value_watch(bucket.clone(), key.clone(), false).await? {
            Ok((version, _)) => Ok(Ok(self.cas_handle(CasObject { bucket, key, version })?)),
            Err(text) => Ok(Err(Error::Other(text))),
        }
    }

    /// Returns the current value, and moves the handle to its version: a later swap succeeds only if this version is
    /// still the current one.
    async fn current(&mut self, cas: Resource<Cas>) -> StoreResult<Option<Vec<u8>>> {
        let CasObject { bucket, key, version: _ } = self.objects.cas(cas.rep())?;
        match self.value_watch(bucket.clone(), key.clone(), true).await? {
            Ok((version, value)) => {
                let moved = KeyValueObject::Cas(CasObject { bucket, key, version });
                self.objects.update(cas.rep(), |object| *object = Object::KeyValue(moved))?;
                Ok(Ok(value.map(|value| value.to_vec())))
            }
            Err(text) => Ok(Err(Error::Other(text))),
        }
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> Result<()> {
        self.objects.remove(cas.rep()).map(drop)
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> StoreResult<i64> {
        let bucket = self.objects.bucket(bucket.rep())?;
        Ok(self.value_increment_signed(bucket, key, delta).await?.map_err(Error::Other))
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> Result<std::result::Result<(), CasError>> {
        let CasObject { bucket, key, version } = self.objects.cas(cas.rep())?;
        self.objects.remove(cas.rep())?;
        match self.value_swap(bucket.clone(), key.clone(), version, value).await? {
            Ok(Ok(())) => Ok(Ok(())),
            Ok(Err(version)) => {
                Ok(Err(CasError::CasFailed(self.cas_handle(CasObject { bucket, key, version })?)))
            }
            Err(text) => Ok(Err(CasError::StoreError(Error::Other(text)))),
        }
    }
}

impl KeyValueView<'_> {
    fn cas_handle(&mut self, cas: CasObject) -> Result<Resource<Cas>> {
        self.objects.insert(Object::KeyValue(KeyValueObject::Cas(cas)))
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> StoreResult<Vec<(String, Option<Vec<u8>>)>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_get_many(bucket, keys.clone()).await?;
        let pairs = answer.map(|values| {
            let pairs =
                keys.into_iter().zip(values).map(|(key, value)| (key, value.map(|value| value.to_vec())));
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

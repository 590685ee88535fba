//! `wasi:keyvalue@0.1.0`: handles are resources, and reading a key that does not exist returns `none`.

use super::KeyValueObject;
use crate::bindings::wasi::keyvalue0_1_0::{atomic, eventual, eventual_batch, types, wasi_keyvalue_error};
use crate::imports::views::{KeyValueView, Views};
use crate::objects::{Input, Object, Output};
use types::{Bucket, IncomingValue, OutgoingValue};
use wasi_keyvalue_error::Error;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

type StoreResult<T> = Result<std::result::Result<T, Resource<Error>>>;

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    wasi_keyvalue_error::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    types::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    eventual::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    eventual_batch::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    atomic::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)
}

impl KeyValueView<'_> {
    /// Converts the text of an error to a resource.
    fn error_as_resource<T>(&mut self, answer: std::result::Result<T, String>) -> StoreResult<T> {
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(text) => Ok(Err(self.objects.insert(Object::Error(text))?)),
        }
    }
}

impl wasi_keyvalue_error::Host for KeyValueView<'_> {}

impl wasi_keyvalue_error::HostError for KeyValueView<'_> {
    async fn trace(&mut self, error: Resource<Error>) -> Result<String> {
        self.objects.error_text(error.rep())
    }

    async fn drop(&mut self, error: Resource<Error>) -> Result<()> {
        self.objects.remove(error.rep()).map(drop)
    }
}

impl types::Host for KeyValueView<'_> {}

impl types::HostBucket for KeyValueView<'_> {
    async fn open_bucket(&mut self, name: String) -> StoreResult<Resource<Bucket>> {
        Ok(Ok(self.objects.insert(Object::KeyValue(KeyValueObject::Bucket(name)))?))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.objects.remove(bucket.rep()).map(drop)
    }
}

impl types::HostOutgoingValue for KeyValueView<'_> {
    async fn new_outgoing_value(&mut self) -> Result<Resource<OutgoingValue>> {
        self.objects.insert(Object::KeyValue(KeyValueObject::Outgoing(Vec::new())))
    }

    async fn outgoing_value_write_body_async(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> StoreResult<Resource<DynOutputStream>> {
        self.objects.outgoing_value(value.rep())?;
        Ok(Ok(self.objects.insert_child(Object::Output(Output::Value(value.rep())), value.rep())?))
    }

    async fn outgoing_value_write_body_sync(
        &mut self,
        value: Resource<OutgoingValue>,
        bytes: Vec<u8>,
    ) -> StoreResult<()> {
        self.objects.fill_outgoing_value(value.rep(), bytes).map(Ok)
    }

    async fn drop(&mut self, value: Resource<OutgoingValue>) -> Result<()> {
        self.objects.remove(value.rep()).map(drop)
    }
}

impl types::HostIncomingValue for KeyValueView<'_> {
    async fn incoming_value_consume_sync(&mut self, value: Resource<IncomingValue>) -> StoreResult<Vec<u8>> {
        Ok(Ok(self.objects.incoming_value(value.rep())?.to_vec()))
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> StoreResult<Resource<DynInputStream>> {
        let bytes = self.objects.incoming_value(value.rep())?;
        Ok(Ok(self.objects.insert(Object::Input(Input::Bytes { bytes, position: 0 }))?))
    }

    async fn incoming_value_size(&mut self, value: Resource<IncomingValue>) -> StoreResult<u64> {
        Ok(Ok(self.objects.incoming_value(value.rep())?.len() as u64))
    }

    async fn drop(&mut self, value: Resource<IncomingValue>) -> Result<()> {
        self.objects.remove(value.rep()).map(drop)
    }
}

impl eventual::Host for KeyValueView<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> StoreResult<Option<Resource<IncomingValue>>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        match self.value_get(bucket, key).await? {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(value)) => {
                Ok(Ok(Some(self.objects.insert(Object::KeyValue(KeyValueObject::Incoming(value)))?)))
            }
            Err(text) => self.error_as_resource(Err(text)),
        }
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Resource<OutgoingValue>,
    ) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let value = self.objects.outgoing_value(value.rep())?;
        let answer = self.value_set(bucket, vec![(key, value)]).await?;
        self.error_as_resource(answer)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_delete(bucket, vec![key]).await?;
        self.error_as_resource(answer)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> StoreResult<bool> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_exists(bucket, key).await?;
        self.error_as_resource(answer)
    }
}

impl eventual_batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> StoreResult<Vec<Option<Resource<IncomingValue>>>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        match self.value_get_many(bucket, keys).await? {
            Ok(values) => {
                let resources = values.into_iter().map(|value| match value {
                    None => Ok(None),
                    Some(value) => {
                        self.objects.insert(Object::KeyValue(KeyValueObject::Incoming(value))).map(Some)
                    }
                });
                Ok(Ok(resources.collect::<Result<_>>()?))
            }
            Err(text) => self.error_as_resource(Err(text)),
        }
    }

    async fn keys(&mut self, bucket: Resource<Bucket>) -> StoreResult<Vec<String>> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_keys_all(bucket).await?;
        self.error_as_resource(answer)
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Resource<OutgoingValue>)>,
    ) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let pairs =
            pairs.into_iter().map(|(key, value)| Ok((key, self.objects.outgoing_value(value.rep())?)));
        let pairs = pairs.collect::<Result<_>>()?;
        let answer = self.value_set(bucket, pairs).await?;
        self.error_as_resource(answer)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_delete(bucket, keys).await?;
        self.error_as_resource(answer)
    }
}

impl atomic::Host for KeyValueView<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> StoreResult<u64> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_increment(bucket, key, delta).await?;
        self.error_as_resource(answer)
    }

    async fn compare_and_swap(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        old: u64,
        new: u64,
    ) -> StoreResult<bool> {
        let bucket = self.objects.bucket(bucket.rep())?;
        let answer = self.value_compare_and_swap(bucket, key, old, new).await?;
        self.error_as_resource(answer)
    }
}

//! `wasi:keyvalue` as published in 2023, without a version number: handles are numbers that functions drop, and reading
//! a key that does not exist returns the error `Key not found`.

use super::{HostResult, KeyValueObject};
use crate::bindings::wasi::keyvalue::{atomic, batch, readwrite, types, wasi_cloud_error};
use crate::durable::CallFailure;
use crate::imports::views::{KeyValueView, Views};
use crate::objects::Object;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Linker;

/// The text that `trace` returns for a key that does not exist. Programs compare it.
const KEY_NOT_FOUND: &str = "Key not found";

type StoreResult<T> = Result<std::result::Result<T, u32>>;

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    wasi_cloud_error::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    types::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    readwrite::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    atomic::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)?;
    batch::add_to_linker::<_, KeyValueView<'_>>(linker, T::keyvalue)
}

impl KeyValueView<'_> {
    fn new_handle(&mut self, object: KeyValueObject) -> Result<u32> {
        Ok(self.objects.insert::<()>(Object::KeyValue(object))?.rep())
    }

    fn error_handle(&mut self, text: &str) -> Result<u32> {
        Ok(self.objects.insert::<()>(Object::Error(text.to_owned()))?.rep())
    }

    /// Converts the text of an error to a handle.
    fn error_as_handle<T>(&mut self, answer: std::result::Result<T, String>) -> StoreResult<T> {
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(text) => Ok(Err(self.error_handle(&text)?)),
        }
    }

    fn found_value(&mut self, value: Option<Arc<[u8]>>) -> StoreResult<u32> {
        match value {
            Some(value) => Ok(Ok(self.new_handle(KeyValueObject::Incoming(value))?)),
            None => Ok(Err(self.error_handle(KEY_NOT_FOUND)?)),
        }
    }
}

impl wasi_cloud_error::Host for KeyValueView<'_> {
    async fn drop_error(&mut self, error: u32) -> Result<()> {
        self.objects.error_text(error)?;
        self.objects.remove(error).map(drop)
    }

    async fn trace(&mut self, error: u32) -> Result<String> {
        self.objects.error_text(error)
    }
}

impl types::Host for KeyValueView<'_> {
    async fn drop_bucket(&mut self, bucket: u32) -> Result<()> {
        self.objects.bucket(bucket)?;
        self.objects.remove(bucket).map(drop)
    }

    async fn open_bucket(&mut self, name: String) -> StoreResult<u32> {
        Ok(Ok(self.new_handle(KeyValueObject::Bucket(name))?))
    }

    async fn drop_outgoing_value(&mut self, value: u32) -> Result<()> {
        self.objects.outgoing_value(value)?;
        self.objects.remove(value).map(drop)
    }

    async fn new_outgoing_value(&mut self) -> Result<u32> {
        self.new_handle(KeyValueObject::Outgoing(Vec::new()))
    }

    async fn outgoing_value_write_body_sync(&mut self, value: u32, bytes: Vec<u8>) -> StoreResult<()> {
        self.objects.fill_outgoing_value(value, bytes).map(Ok)
    }

    async fn drop_incoming_value(&mut self, value: u32) -> Result<()> {
        self.objects.incoming_value(value)?;
        self.objects.remove(value).map(drop)
    }

    async fn incoming_value_consume_sync(&mut self, value: u32) -> StoreResult<Vec<u8>> {
        Ok(Ok(self.objects.incoming_value(value)?.to_vec()))
    }

    async fn size(&mut self, value: u32) -> Result<u64> {
        Ok(self.objects.incoming_value(value)?.len() as u64)
    }
}

impl readwrite::Host for KeyValueView<'_> {
    async fn get(&mut self, bucket: u32, key: String) -> StoreResult<u32> {
        let bucket = self.objects.bucket(bucket)?;
        match self.value_get(bucket, key).await? {
            Ok(value) => self.found_value(value),
            Err(text) => self.error_as_handle(Err(text)),
        }
    }

    async fn set(&mut self, bucket: u32, key: String, value: u32) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket)?;
        let value = self.objects.outgoing_value(value)?;
        let answer = self.value_set(bucket, vec![(key, value)]).await?;
        self.error_as_handle(answer)
    }

    async fn delete(&mut self, bucket: u32, key: String) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket)?;
        let answer = self.value_delete(bucket, vec![key]).await?;
        self.error_as_handle(answer)
    }

    async fn exists(&mut self, bucket: u32, key: String) -> StoreResult<bool> {
        let bucket = self.objects.bucket(bucket)?;
        let answer = self.value_exists(bucket, key).await?;
        self.error_as_handle(answer)
    }
}

impl atomic::Host for KeyValueView<'_> {
    async fn increment(&mut self, bucket: u32, key: String, delta: u64) -> StoreResult<u64> {
        let bucket = self.objects.bucket(bucket)?;
        let answer = self.value_increment(bucket, key, delta).await?;
        self.error_as_handle(answer)
    }

    async fn compare_and_swap(&mut self, bucket: u32, key: String, old: u64, new: u64) -> StoreResult<bool> {
        let bucket = self.objects.bucket(bucket)?;
        let answer = self.value_compare_and_swap(bucket, key, old, new).await?;
        self.error_as_handle(answer)
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(&mut self, bucket: u32, keys: Vec<String>) -> StoreResult<Vec<u32>> {
        let bucket = self.objects.bucket(bucket)?;
        let values = match self.value_get_many(bucket, keys).await? {
            Ok(values) => values.into_iter().collect::<Option<Vec<_>>>().ok_or(KEY_NOT_FOUND.to_owned()),
            Err(text) => Err(text),
        };
        match values {
            Ok(values) => {
                let handles =
                    values.into_iter().map(|value| self.new_handle(KeyValueObject::Incoming(value)));
                Ok(Ok(handles.collect::<Result<_>>()?))
            }
            Err(text) => self.error_as_handle(Err(text)),
        }
    }

    /// This function has no error in the interface, so a bucket with too many keys fails the invocation.
    async fn get_keys(&mut self, bucket: u32) -> Result<Vec<String>> {
        let name = self.objects.bucket(bucket)?;
        let answer: HostResult<_> = self.value_keys_all(name).await;
        answer?.map_err(|text| self.door.raise(CallFailure::Trap(text)))
    }

    async fn set_many(&mut self, bucket: u32, pairs: Vec<(String, u32)>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket)?;
        let pairs = pairs.into_iter().map(|(key, value)| Ok((key, self.objects.outgoing_value(value)?)));
        let pairs = pairs.collect::<Result<_>>()?;
        let answer = self.value_set(bucket, pairs).await?;
        self.error_as_handle(answer)
    }

    async fn delete_many(&mut self, bucket: u32, keys: Vec<String>) -> StoreResult<()> {
        let bucket = self.objects.bucket(bucket)?;
        let answer = self.value_delete(bucket, keys).await?;
        self.error_as_handle(answer)
    }
}

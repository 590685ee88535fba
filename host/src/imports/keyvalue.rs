//! `wasi:keyvalue`, in the four published versions, over one store.
//!
//! - `durable_calls`: the durable calls, which all versions use
//! - `objects`: buckets, values and compare-and-swap handles as plain data
//! - `v2023`: without a version number; its handles are numbers
//! - `v0_1`: `@0.1.0`
//! - `draft`, `draft2`: `@0.2.0-draft` and `@0.2.0-draft2`
//!
//! Opening a bucket and filling a value do not access the store, so they write no oplog entry. The calls that access
//! the store check the limits and record a refusal, so that a changed limit does not change a replay.

mod draft;
mod draft2;
pub(super) mod durable_calls;
mod objects;
mod v0_1;
mod v2023;

pub(crate) use objects::KeyValueObject;

use crate::imports::views::{KeyValueView, Views};
use durable_calls::{
    GetValue, GetValues, GetVersioned, KeyExists, ListAllKeys, ListKeys, PageStart, WriteCall, function,
};
use golem_model::keyvalue::{Delta, KeyValueOutcome, KeyValueWrite};
use golem_model::limits::KEY_VALUE_ALL_KEYS_MAX;
use golem_model::shared::{KeyPage, ValueVersion};
use std::sync::Arc;
use wasmtime::component::Linker;
use wasmtime::{Result, format_err};

/// The outer error traps. The inner result is for the guest: a value of the interface, or the text of its error.
type HostResult<T> = Result<std::result::Result<T, String>>;

/// Defines the interfaces of all versions.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    v2023::add_to_linker(linker)?;
    v0_1::add_to_linker(linker)?;
    draft::add_to_linker(linker)?;
    draft2::add_to_linker(linker)
}

impl KeyValueView<'_> {
    async fn value_get(&mut self, bucket: String, key: String) -> HostResult<Option<Arc<[u8]>>> {
        self.door.call_durable(self.objects, GetValue { bucket, key }).await
    }

    async fn value_get_many(
        &mut self,
        bucket: String,
        keys: Vec<String>,
    ) -> HostResult<Vec<Option<Arc<[u8]>>>> {
        self.door.call_durable(self.objects, GetValues { bucket, keys }).await
    }

    async fn value_exists(&mut self, bucket: String, key: String) -> HostResult<bool> {
        self.door.call_durable(self.objects, KeyExists { bucket, key }).await
    }

    async fn value_keys(&mut self, bucket: String, from: PageStart) -> HostResult<KeyPage> {
        self.door.call_durable(self.objects, ListKeys { bucket, from }).await
    }

    async fn value_keys_all(&mut self, bucket: String) -> HostResult<Vec<String>> {
        let found = self.door.call_durable(self.objects, ListAllKeys { bucket }).await?;
        Ok(found.and_then(|page| match page.next {
            None => Ok(page.keys),
            Some(_) => Err(format!(
                "the bucket holds more than {KEY_VALUE_ALL_KEYS_MAX} keys; read them in pages, by list-keys of a later \
                 version of the interface"
            )),
        }))
    }

    async fn value_set(&mut self, bucket: String, pairs: Vec<(String, Vec<u8>)>) -> HostResult<()> {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let call = WriteCall::<function::Set>::new(bucket, KeyValueWrite::Set(pairs));
        expect_done(self.door.call_durable(self.objects, call).await?)
    }

    async fn value_delete(&mut self, bucket: String, keys: Vec<String>) -> HostResult<()> {
        let keys = keys.into_iter().map(Into::into).collect();
        let call = WriteCall::<function::Delete>::new(bucket, KeyValueWrite::Delete(keys));
        expect_done(self.door.call_durable(self.objects, call).await?)
    }

    async fn value_increment(&mut self, bucket: String, key: String, by: u64) -> HostResult<u64> {
        let write = KeyValueWrite::Increment { key: key.into(), by: Delta::Unsigned(by) };
        match self
            .door
            .call_durable(self.objects, WriteCall::<function::Increment>::new(bucket, write))
            .await?
        {
            KeyValueOutcome::Unsigned(sum) => Ok(Ok(sum)),
            other => write_error(other),
        }
    }

    async fn value_increment_signed(&mut self, bucket: String, key: String, by: i64) -> HostResult<i64> {
        let write = KeyValueWrite::Increment { key: key.into(), by: Delta::Signed(by) };
        match self
            .door
            .call_durable(self.objects, WriteCall::<function::Increment>::new(bucket, write))
            .await?
        {
            KeyValueOutcome::Signed(sum) => Ok(Ok(sum)),
            other => write_error(other),
        }
    }

    async fn value_compare_and_swap(
        &mut self,
        bucket: String,
        key: String,
        old: u64,
        new: u64,
    ) -> HostResult<bool> {
        let write = KeyValueWrite::CompareAndSwap { key: key.into(), old, new };
        match self
            .door
            .call_durable(self.objects, WriteCall::<function::CompareAndSwap>::new(bucket, write))
            .await?
        {
            KeyValueOutcome::Compared(equal) => Ok(Ok(equal)),
            other => write_error(other),
        }
    }

    /// Reads the key's version, and its value if `with_value` is set.
    async fn value_watch(
        &mut self,
        bucket: String,
        key: String,
        with_value: bool,
    ) -> HostResult<(ValueVersion, Option<Arc<[u8]>>)> {
        self.door.call_durable(self.objects, GetVersioned { bucket, key, with_value }).await
    }

    /// Sets the value if the key still has this version. The innermost error is the key's current version.
    async fn value_swap(
        &mut self,
        bucket: String,
        key: String,
        version: ValueVersion,
        value: Vec<u8>,
    ) -> HostResult<std::result::Result<(), ValueVersion>> {
        let write = KeyValueWrite::Swap { key: key.into(), version, value: value.into() };
        match self.door.call_durable(self.objects, WriteCall::<function::Swap>::new(bucket, write)).await? {
            KeyValueOutcome::Done => Ok(Ok(Ok(()))),
            KeyValueOutcome::Changed(version) => Ok(Ok(Err(version))),
            other => write_error(other),
        }
    }
}

fn expect_done(outcome: KeyValueOutcome) -> HostResult<()> {
    match outcome {
        KeyValueOutcome::Done => Ok(Ok(())),
        other => write_error(other),
    }
}

/// The guest's error for a write that changed nothing.
fn write_error<T>(outcome: KeyValueOutcome) -> HostResult<T> {
    match outcome {
        KeyValueOutcome::Refused(reason) => Ok(Err(reason)),
        KeyValueOutcome::NotANumber => {
            Ok(Err("the value is not a number of this type in decimal text, such as 42".to_owned()))
        }
        KeyValueOutcome::OutOfRange => Ok(Err("the sum is beyond the numbers of this type".to_owned())),
        KeyValueOutcome::Done
        | KeyValueOutcome::Unsigned(_)
        | KeyValueOutcome::Signed(_)
        | KeyValueOutcome::Compared(_)
        | KeyValueOutcome::Changed(_) => Err(format_err!("a write was answered with {outcome:?}")),
    }
}

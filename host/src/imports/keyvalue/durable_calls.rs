//! The durable calls on buckets.
//!
//! Unless stated otherwise, a request begins with the bucket's name and the key. The response to a call that was
//! refused is 0 and the text of the error.

use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use golem_model::OplogIndex;
use golem_model::keyvalue::{self, Delta, KeyValueOutcome, KeyValueWrite};
use golem_model::limits::{KEY_VALUE_ALL_KEYS_MAX, KEY_VALUE_CALL_BYTES_MAX, KEY_VALUE_PAGE_KEYS};
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::shared::{KeyPage, ValueVersion};
use std::marker::PhantomData;
use std::sync::Arc;

/// A value of the interface, or the text of its error.
pub(in super::super) type GuestResult<T> = std::result::Result<T, String>;

const REFUSED: u8 = 0;

pub(in super::super) fn refusal_response(reason: &impl ToString) -> CallResponse {
    let mut out = vec![REFUSED];
    out.extend_from_slice(reason.to_string().as_bytes());
    CallResponse::Unrecorded(out)
}

/// Splits a response into its first byte and the rest. The inner error is the text of a refusal.
pub(in super::super) fn split_response(response: &[u8]) -> Result<GuestResult<(u8, &[u8])>, DecodeError> {
    match response.split_first() {
        None => Err(DecodeError::Truncated),
        Some((&REFUSED, text)) => {
            let text = std::str::from_utf8(text).map_err(|_| DecodeError::Invalid("UTF-8"))?;
            Ok(Err(text.to_owned()))
        }
        Some((&tag, rest)) => Ok(Ok((tag, rest))),
    }
}

fn request(bucket: &str, key: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + bucket.len() + key.len());
    put_bytes(&mut out, bucket.as_bytes());
    put_bytes(&mut out, key.as_bytes());
    out
}

fn check(bucket: &str, key: &str) -> Result<(), keyvalue::LimitError> {
    keyvalue::check_bucket(bucket)?;
    keyvalue::check_keys(std::iter::once(key))
}

pub(in super::super) fn unknown_tag<T>(what: &'static str, tag: u8) -> Result<T, DecodeError> {
    Err(DecodeError::UnknownTag { what, tag })
}

/// Reads the value of a key. Response: 1 if the key does not exist, or 2 and the value.
pub(super) struct GetValue {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl DurableCall for GetValue {
    const FUNCTION: HostFunction = HostFunction::KeyValueGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Option<Arc<[u8]>>>;

    fn request(&self) -> Vec<u8> {
        request(&self.bucket, &self.key)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = check(&self.bucket, &self.key) {
            return Ok(refusal_response(&error));
        }
        let found = live.value(&self.bucket, &self.key).await?;
        Ok(CallResponse::Unrecorded(match found.value {
            None => vec![1],
            Some(value) => [&[2], &*value].concat(),
        }))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, [])) => Ok(Ok(None)),
            Ok((2, value)) => Ok(Ok(Some(value.into()))),
            Ok((tag, _)) => unknown_tag("value", tag),
        }
    }
}

/// Reads the values of several keys at the same point in commit order. Request: the bucket's name, the number of keys,
/// the keys. Response: 1, then for each key 0 if it does not exist, or 1 and the value with its length.
pub(super) struct GetValues {
    pub(super) bucket: String,
    pub(super) keys: Vec<String>,
}

impl DurableCall for GetValues {
    const FUNCTION: HostFunction = HostFunction::KeyValueGetMany;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Vec<Option<Arc<[u8]>>>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.bucket.as_bytes());
        put_keys(&mut out, self.keys.iter().map(String::as_str));
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let keys = self.keys.iter().map(String::as_str);
        if let Err(error) = keyvalue::check_bucket(&self.bucket).and_then(|()| keyvalue::check_keys(keys)) {
            return Ok(refusal_response(&error));
        }
        let found = live.values(&self.bucket, &self.keys, KEY_VALUE_CALL_BYTES_MAX).await?;
        if found.len() < self.keys.len() {
            return Ok(refusal_response(&format!(
                "the values of these keys have more than {KEY_VALUE_CALL_BYTES_MAX} bytes together; ask for fewer"
            )));
        }
        let mut out = vec![1];
        for entry in found {
            match entry.value {
                None => out.push(0),
                Some(value) => {
                    out.push(1);
                    put_bytes(&mut out, &value);
                }
            }
        }
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        let rest = match split_response(response)? {
            Err(reason) => return Ok(Err(reason)),
            Ok((1, rest)) => rest,
            Ok((tag, _)) => return unknown_tag("values", tag),
        };
        let mut input = Reader::new(rest);
        let mut values = Vec::with_capacity(self.keys.len());
        for _ in &self.keys {
            values.push(match input.byte()? {
                0 => None,
                1 => Some(input.bytes()?.into()),
                tag => return unknown_tag("value", tag),
            });
        }
        input.finish()?;
        Ok(Ok(values))
    }
}

/// Checks whether a key exists. Response: 1 if not, 2 if it does.
pub(super) struct KeyExists {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl DurableCall for KeyExists {
    const FUNCTION: HostFunction = HostFunction::KeyValueExists;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<bool>;

    fn request(&self) -> Vec<u8> {
        request(&self.bucket, &self.key)
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = check(&self.bucket, &self.key) {
            return Ok(refusal_response(&error));
        }
        let found = live.value(&self.bucket, &self.key).await?;
        Ok(CallResponse::Unrecorded(vec![if found.value.is_some() { 2 } else { 1 }]))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, [])) => Ok(Ok(false)),
            Ok((2, [])) => Ok(Ok(true)),
            Ok((tag, _)) => unknown_tag("answer", tag),
        }
    }
}

/// The position at which a page of keys begins.
#[derive(Debug)]
pub(super) enum PageStart {
    /// At the first key.
    FirstKey,
    /// After a key.
    AfterKey(String),
    /// After this number of keys.
    Skip(u64),
}

/// Lists a page of the keys of a bucket, in order. Request: the bucket's name, then 0, or 1 and a key, or 2 and a
/// number. Response: 1, the count and the keys; then 0, or 1 and the key after which the next page begins.
pub(super) struct ListKeys {
    pub(super) bucket: String,
    pub(super) from: PageStart,
}

impl DurableCall for ListKeys {
    const FUNCTION: HostFunction = HostFunction::KeyValueKeys;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<KeyPage>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.bucket.as_bytes());
        match &self.from {
            PageStart::FirstKey => out.push(0),
            PageStart::AfterKey(key) => {
                out.push(1);
                put_bytes(&mut out, key.as_bytes());
            }
            PageStart::Skip(count) => {
                out.push(2);
                put_varint(&mut out, *count);
            }
        }
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let (mut after, mut skipped) = match &self.from {
            PageStart::FirstKey => (None, 0),
            PageStart::AfterKey(key) => (Some(key.clone()), 0),
            PageStart::Skip(count) => (None, *count),
        };
        if let Err(error) = check(&self.bucket, after.as_deref().unwrap_or_default()) {
            return Ok(refusal_response(&error));
        }
        loop {
            let mut page = live.keys(&self.bucket, after.as_deref(), KEY_VALUE_PAGE_KEYS).await?;
            let length = page.keys.len() as u64;
            if skipped >= length && page.next.is_some() {
                skipped -= length;
                after = page.next;
                continue;
            }
            page.keys.drain(..usize::try_from(skipped).unwrap_or(usize::MAX).min(page.keys.len()));
            return Ok(CallResponse::Unrecorded(put_page(&page)));
        }
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        read_page(response)
    }
}

/// Lists all keys of a bucket, in order. Request: the bucket's name and 3. Response: that of [`ListKeys`]; if the
/// bucket has more than `KEY_VALUE_ALL_KEYS_MAX` keys, the page contains no keys and names a next page.
pub(super) struct ListAllKeys {
    pub(super) bucket: String,
}

impl DurableCall for ListAllKeys {
    const FUNCTION: HostFunction = HostFunction::KeyValueKeys;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<KeyPage>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.bucket.as_bytes());
        out.push(3);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = keyvalue::check_bucket(&self.bucket) {
            return Ok(refusal_response(&error));
        }
        let mut page = live.keys(&self.bucket, None, KEY_VALUE_ALL_KEYS_MAX).await?;
        if page.next.is_some() {
            // The guest gets an error in this case, so the keys need not be recorded.
            page.keys = Vec::new();
        }
        let bytes: usize = page.keys.iter().map(String::len).sum();
        if bytes > KEY_VALUE_CALL_BYTES_MAX {
            return Ok(refusal_response(&format!(
                "the keys of the bucket have more than {KEY_VALUE_CALL_BYTES_MAX} bytes together; read them in pages, \
                 by list-keys of a later version of the interface"
            )));
        }
        Ok(CallResponse::Unrecorded(put_page(&page)))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        read_page(response)
    }
}

fn put_keys<'a>(out: &mut Vec<u8>, keys: impl ExactSizeIterator<Item = &'a str>) {
    put_varint(out, keys.len() as u64);
    for key in keys {
        put_bytes(out, key.as_bytes());
    }
}

pub(in super::super) fn put_page(page: &KeyPage) -> Vec<u8> {
    let mut out = vec![1];
    put_keys(&mut out, page.keys.iter().map(String::as_str));
    match &page.next {
        None => out.push(0),
        Some(next) => {
            out.push(1);
            put_bytes(&mut out, next.as_bytes());
        }
    }
    out
}

pub(in super::super) fn read_page(response: &[u8]) -> Result<GuestResult<KeyPage>, DecodeError> {
    let rest = match split_response(response)? {
        Err(reason) => return Ok(Err(reason)),
        Ok((1, rest)) => rest,
        Ok((tag, _)) => return unknown_tag("keys", tag),
    };
    let mut input = Reader::new(rest);
    let count = input.count()?;
    let keys = (0..count).map(|_| input.string()).collect::<Result<_, _>>()?;
    let next = match input.byte()? {
        0 => None,
        1 => Some(input.string()?),
        tag => return unknown_tag("next key", tag),
    };
    input.finish()?;
    Ok(Ok(KeyPage { keys, next }))
}

/// Reads a key's version, and its value if `with_value` is set. Request: after the key, 1 if the value is wanted, else
/// 0. Response: 1 and the version; then 1 and the value, or nothing if the key does not exist or the value is not
/// wanted.
pub(super) struct GetVersioned {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) with_value: bool,
}

impl DurableCall for GetVersioned {
    const FUNCTION: HostFunction = HostFunction::KeyValueWatch;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<(ValueVersion, Option<Arc<[u8]>>)>;

    fn request(&self) -> Vec<u8> {
        let mut out = request(&self.bucket, &self.key);
        out.push(u8::from(self.with_value));
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = check(&self.bucket, &self.key) {
            return Ok(refusal_response(&error));
        }
        let found = live.value(&self.bucket, &self.key).await?;
        let mut out = vec![1];
        put_varint(&mut out, found.version.0);
        if let Some(value) = found.value.filter(|_| self.with_value) {
            out.push(1);
            out.extend_from_slice(&value);
        }
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        let rest = match split_response(response)? {
            Err(reason) => return Ok(Err(reason)),
            Ok((1, rest)) => rest,
            Ok((tag, _)) => return unknown_tag("version", tag),
        };
        let mut input = Reader::new(rest);
        let version = ValueVersion(input.varint()?);
        if input.is_empty() {
            return Ok(Ok((version, None)));
        }
        match input.byte()? {
            1 => {
                let value = input.remaining();
                Ok(Ok((version, Some(value.into()))))
            }
            tag => unknown_tag("value", tag),
        }
    }
}

/// A function that writes. The write functions differ only in the name that is recorded.
pub(super) trait WriteFunction: Send + Sync {
    const FUNCTION: HostFunction;
}

/// The implementations of [`WriteFunction`].
pub(super) mod function {
    use super::{HostFunction, WriteFunction};

    macro_rules! functions {
        ($($name:ident = $function:ident;)*) => {
            $(
                pub(in super::super) struct $name;

                impl WriteFunction for $name {
                    const FUNCTION: HostFunction = HostFunction::$function;
                }
            )*
        };
    }

    functions! {
        Set = KeyValueSet;
        Delete = KeyValueDelete;
        Increment = KeyValueIncrement;
        CompareAndSwap = KeyValueCompareAndSwap;
        Swap = KeyValueSwap;
    }
}

/// Performs a write. Response: [`KeyValueOutcome::encode`], which the store adds.
pub(super) struct WriteCall<K> {
    bucket: String,
    write: KeyValueWrite,
    function: PhantomData<K>,
}

impl<K> WriteCall<K> {
    pub(super) fn new(bucket: String, write: KeyValueWrite) -> Self {
        Self { bucket, write, function: PhantomData }
    }
}

impl<K: WriteFunction> DurableCall for WriteCall<K> {
    const FUNCTION: HostFunction = K::FUNCTION;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = KeyValueOutcome;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.bucket.as_bytes());
        match &self.write {
            KeyValueWrite::Set(pairs) => {
                put_varint(&mut out, pairs.len() as u64);
                for (key, value) in pairs {
                    put_bytes(&mut out, key.as_bytes());
                    put_bytes(&mut out, value);
                }
            }
            KeyValueWrite::Delete(keys) => put_keys(&mut out, keys.iter().map(|key| &**key)),
            KeyValueWrite::Increment { key, by } => {
                put_bytes(&mut out, key.as_bytes());
                match by {
                    Delta::Unsigned(by) => {
                        out.push(0);
                        out.extend_from_slice(&by.to_le_bytes());
                    }
                    Delta::Signed(by) => {
                        out.push(1);
                        out.extend_from_slice(&by.to_le_bytes());
                    }
                }
            }
            KeyValueWrite::CompareAndSwap { key, old, new } => {
                put_bytes(&mut out, key.as_bytes());
                put_varint(&mut out, *old);
                put_varint(&mut out, *new);
            }
            KeyValueWrite::Swap { key, version, value } => {
                put_bytes(&mut out, key.as_bytes());
                put_varint(&mut out, version.0);
                put_bytes(&mut out, value);
            }
        }
        out
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = keyvalue::check_bucket(&self.bucket).and_then(|()| self.write.check()) {
            return Ok(CallResponse::Unrecorded(KeyValueOutcome::Refused(error.to_string()).encode()));
        }
        let (index, response) = live.write(call.clone(), &self.bucket, self.write.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<KeyValueOutcome, DecodeError> {
        KeyValueOutcome::decode(response)
    }
}

//! The durable calls on containers and objects.
//!
//! The response to a call that was refused is 0 and the text of the error.

use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::imports::keyvalue::durable_calls::{
    GuestResult, put_page, read_page, refusal_response, split_response, unknown_tag,
};
use golem_model::OplogIndex;
use golem_model::blobstore::{self, BlobOutcome, BlobWrite, ObjectId};
use golem_model::keyvalue::{check_bucket, check_keys};
use golem_model::limits::KEY_VALUE_PAGE_KEYS;
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::shared::KeyPage;
use std::marker::PhantomData;
use std::sync::Arc;

fn put_id(out: &mut Vec<u8>, id: &ObjectId) {
    put_bytes(out, id.container.as_bytes());
    put_bytes(out, id.object.as_bytes());
}

/// Reads the creation time of a container. Request: its name. Response: 1 if the container does not exist, or 2 and the
/// time in seconds since the Unix epoch.
pub(super) struct GetContainer {
    pub(super) name: String,
}

impl DurableCall for GetContainer {
    const FUNCTION: HostFunction = HostFunction::BlobContainerGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Option<u64>>;

    fn request(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = check_bucket(&self.name) {
            return Ok(refusal_response(&error));
        }
        let Some(found) = live.container(&self.name).await? else {
            return Ok(CallResponse::Unrecorded(vec![1]));
        };
        let mut out = vec![2];
        put_varint(&mut out, found.created_at.as_nanos() / 1_000_000_000);
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, [])) => Ok(Ok(None)),
            Ok((2, rest)) => {
                let mut input = Reader::new(rest);
                let seconds = input.varint()?;
                input.finish()?;
                Ok(Ok(Some(seconds)))
            }
            Ok((tag, _)) => unknown_tag("container", tag),
        }
    }
}

/// Reads a part of an object. Request: container, object, first and last byte. Response: 1 and the bytes, or 2 and the
/// outcome code that says whether the container or the object does not exist.
pub(super) struct GetObject {
    pub(super) id: ObjectId,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl DurableCall for GetObject {
    const FUNCTION: HostFunction = HostFunction::BlobObjectGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Result<Arc<[u8]>, BlobOutcome>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_id(&mut out, &self.id);
        put_varint(&mut out, self.start);
        put_varint(&mut out, self.end);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = blobstore::check_object_id(&self.id) {
            return Ok(refusal_response(&error));
        }
        Ok(CallResponse::Unrecorded(match live.object(&self.id).await? {
            Ok(found) => {
                let data = found.data();
                let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
                let (start, end) = (position(self.start), position(self.end.saturating_add(1)));
                [&[1], data.get(start..end).unwrap_or_default()].concat()
            }
            Err(missing) => vec![2, missing.code()],
        }))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, bytes)) => Ok(Ok(Ok(bytes.into()))),
            Ok((2, [code])) => Ok(Ok(Err(BlobOutcome::from_code(*code)?))),
            Ok((tag, _)) => unknown_tag("object", tag),
        }
    }
}

/// Reads when an object was written (in seconds since the Unix epoch) and its size in bytes. Request: container,
/// object. Response: 1, time and size, or 2 and the outcome code that says whether the container or the object does not
/// exist.
pub(super) struct ObjectInfo {
    pub(super) id: ObjectId,
}

impl DurableCall for ObjectInfo {
    const FUNCTION: HostFunction = HostFunction::BlobObjectInfo;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Result<(u64, u64), BlobOutcome>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_id(&mut out, &self.id);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = blobstore::check_object_id(&self.id) {
            return Ok(refusal_response(&error));
        }
        Ok(CallResponse::Unrecorded(match live.object(&self.id).await? {
            Ok(found) => {
                let mut out = vec![1];
                put_varint(&mut out, found.created_at.as_nanos() / 1_000_000_000);
                put_varint(&mut out, found.data().len() as u64);
                out
            }
            Err(missing) => vec![2, missing.code()],
        }))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, rest)) => {
                let mut input = Reader::new(rest);
                let info = (input.varint()?, input.varint()?);
                input.finish()?;
                Ok(Ok(Ok(info)))
            }
            Ok((2, [code])) => Ok(Ok(Err(BlobOutcome::from_code(*code)?))),
            Ok((tag, _)) => unknown_tag("object", tag),
        }
    }
}

/// Lists a page of the names of a container's objects. Request: container; 0, or 1 and the name after which the page
/// begins; the largest number of names. Response: that of a page of keys, or 2 if the container does not exist.
pub(super) struct ListObjects {
    pub(super) container: String,
    pub(super) after: Option<String>,
    pub(super) limit: u64,
}

impl DurableCall for ListObjects {
    const FUNCTION: HostFunction = HostFunction::BlobObjectsList;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = GuestResult<Option<KeyPage>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.container.as_bytes());
        match &self.after {
            None => out.push(0),
            Some(after) => {
                out.push(1);
                put_bytes(&mut out, after.as_bytes());
            }
        }
        put_varint(&mut out, self.limit);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let after = self.after.as_deref();
        let checked = check_bucket(&self.container)
            .and_then(|()| check_keys(std::iter::once(after.unwrap_or_default())));
        if let Err(error) = checked {
            return Ok(refusal_response(&error));
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).clamp(1, KEY_VALUE_PAGE_KEYS);
        let found = live.objects(&self.container, after, limit).await?;
        Ok(CallResponse::Unrecorded(found.map_or_else(|| vec![2], |page| put_page(&page))))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        if response == [2] { Ok(Ok(None)) } else { Ok(read_page(response)?.map(Some)) }
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
        Create = BlobContainerCreate;
        Remove = BlobContainerDelete;
        Clear = BlobContainerClear;
        Put = BlobObjectPut;
        Delete = BlobObjectsDelete;
        Copy = BlobObjectCopy;
        Move = BlobObjectMove;
    }
}

/// Performs a write. Response: the code of the outcome, which the store adds.
pub(super) struct WriteCall<K> {
    write: BlobWrite,
    function: PhantomData<K>,
}

impl<K> WriteCall<K> {
    pub(super) fn new(write: BlobWrite) -> Self {
        Self { write, function: PhantomData }
    }
}

impl<K: WriteFunction> DurableCall for WriteCall<K> {
    const FUNCTION: HostFunction = K::FUNCTION;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = GuestResult<BlobOutcome>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.write {
            BlobWrite::Create(name) | BlobWrite::Remove(name) | BlobWrite::Clear(name) => {
                put_bytes(&mut out, name.as_bytes());
            }
            BlobWrite::Put { id, data } => {
                put_id(&mut out, id);
                put_bytes(&mut out, data);
            }
            BlobWrite::Delete { container, objects } => {
                put_bytes(&mut out, container.as_bytes());
                put_varint(&mut out, objects.len() as u64);
                for object in objects {
                    put_bytes(&mut out, object.as_bytes());
                }
            }
            BlobWrite::Copy { from, to, moves: _ } => {
                put_id(&mut out, from);
                put_id(&mut out, to);
            }
        }
        out
    }

    async fn perform(&self, live: &mut Live<'_>, call: &HostCall) -> Result<CallResponse, CallFailure> {
        if let Err(error) = self.write.check() {
            return Ok(refusal_response(&error));
        }
        let (index, response) = live.write_blobs(call.clone(), self.write.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split_response(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((code, [])) => Ok(Ok(BlobOutcome::from_code(code)?)),
            Ok((tag, _)) => unknown_tag("outcome", tag),
        }
    }
}

//! The durable calls on containers and objects.
//!
//! A response begins with 0 and a text if the call was refused.

use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::imports::keyvalue::calls::{Read, page, put_page, refused, split, unknown};
use golem_model::OplogIndex;
use golem_model::blobstore::{self, BlobOutcome, BlobWrite, ObjectId};
use golem_model::keyvalue::{check_bucket, check_keys};
use golem_model::limits::KEY_VALUE_PAGE_KEYS;
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{Call, HostFunction};
use golem_model::shared::KeyPage;
use std::marker::PhantomData;
use std::sync::Arc;

fn put_id(out: &mut Vec<u8>, id: &ObjectId) {
    put_bytes(out, id.container.as_bytes());
    put_bytes(out, id.object.as_bytes());
}

/// When a container was made. Request: its name. Response: 1 if it is not there; 2 and seconds since the Unix epoch.
pub(super) struct GetContainer {
    pub(super) name: String,
}

impl DurableCall for GetContainer {
    const FUNCTION: HostFunction = HostFunction::BlobContainerGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Read<Option<u64>>;

    fn request(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
        if let Err(excess) = check_bucket(&self.name) {
            return Ok(refused(&excess));
        }
        let Some(found) = live.container(&self.name).await? else {
            return Ok(CallResponse::Unrecorded(vec![1]));
        };
        let mut out = vec![2];
        put_varint(&mut out, found.created_at.as_nanos() / 1_000_000_000);
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, [])) => Ok(Ok(None)),
            Ok((2, rest)) => {
                let mut input = Reader::new(rest);
                let seconds = input.varint()?;
                input.finish()?;
                Ok(Ok(Some(seconds)))
            }
            Ok((tag, _)) => unknown("container", tag),
        }
    }
}

/// A part of an object. Request: container, object, first and last byte. Response: 1 and the bytes, or 2 and the code of
/// what is not there.
pub(super) struct GetObject {
    pub(super) id: ObjectId,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl DurableCall for GetObject {
    const FUNCTION: HostFunction = HostFunction::BlobObjectGet;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Read<Result<Arc<[u8]>, BlobOutcome>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_id(&mut out, &self.id);
        put_varint(&mut out, self.start);
        put_varint(&mut out, self.end);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
        if let Err(excess) = blobstore::check_id(&self.id) {
            return Ok(refused(&excess));
        }
        Ok(CallResponse::Unrecorded(match live.object(&self.id).await? {
            Ok(found) => {
                let data = found.data();
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
                let (start, end) = (place(self.start), place(self.end.saturating_add(1)));
                [&[1], data.get(start..end).unwrap_or_default()].concat()
            }
            Err(missing) => vec![2, missing.code()],
        }))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, bytes)) => Ok(Ok(Ok(bytes.into()))),
            Ok((2, [code])) => Ok(Ok(Err(BlobOutcome::from_code(*code)?))),
            Ok((tag, _)) => unknown("object", tag),
        }
    }
}

/// When an object was written, in seconds since the Unix epoch, and how many bytes it has. Request: container, object.
/// Response: 1 and both, or 2 and the code of what is not there.
pub(super) struct ObjectInfo {
    pub(super) id: ObjectId,
}

impl DurableCall for ObjectInfo {
    const FUNCTION: HostFunction = HostFunction::BlobObjectInfo;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Read<Result<(u64, u64), BlobOutcome>>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_id(&mut out, &self.id);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
        if let Err(excess) = blobstore::check_id(&self.id) {
            return Ok(refused(&excess));
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
        match split(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((1, rest)) => {
                let mut input = Reader::new(rest);
                let info = (input.varint()?, input.varint()?);
                input.finish()?;
                Ok(Ok(Ok(info)))
            }
            Ok((2, [code])) => Ok(Ok(Err(BlobOutcome::from_code(*code)?))),
            Ok((tag, _)) => unknown("object", tag),
        }
    }
}

/// A page of the names of a container's objects. Request: container, 0 or 1 and the name after which it begins, and at
/// most how many. Response: as of a page of keys, or 2 if the container is not there.
pub(super) struct ListObjects {
    pub(super) container: String,
    pub(super) after: Option<String>,
    pub(super) limit: u64,
}

impl DurableCall for ListObjects {
    const FUNCTION: HostFunction = HostFunction::BlobObjectsList;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Read<Option<KeyPage>>;

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

    async fn perform(&self, live: &mut Live<'_>, _: &Call) -> Result<CallResponse, CallFailure> {
        let after = self.after.as_deref();
        let checked = check_bucket(&self.container)
            .and_then(|()| check_keys(std::iter::once(after.unwrap_or_default())));
        if let Err(excess) = checked {
            return Ok(refused(&excess));
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).clamp(1, KEY_VALUE_PAGE_KEYS);
        let found = live.objects(&self.container, after, limit).await?;
        Ok(CallResponse::Unrecorded(found.map_or_else(|| vec![2], |page| put_page(&page))))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        if response == [2] { Ok(Ok(None)) } else { Ok(page(response)?.map(Some)) }
    }
}

/// The functions that change something. They differ in nothing but their names.
pub(super) trait Kind: Send + Sync {
    const FUNCTION: HostFunction;
}

/// See [`Kind`].
pub(super) mod kind {
    use super::{HostFunction, Kind};

    macro_rules! kinds {
        ($($name:ident = $function:ident;)*) => {
            $(
                pub(in super::super) struct $name;

                impl Kind for $name {
                    const FUNCTION: HostFunction = HostFunction::$function;
                }
            )*
        };
    }

    kinds! {
        Create = BlobContainerCreate;
        Remove = BlobContainerDelete;
        Clear = BlobContainerClear;
        Put = BlobObjectPut;
        Delete = BlobObjectsDelete;
        Copy = BlobObjectCopy;
        Move = BlobObjectMove;
    }
}

/// Changes something. Response: the code of the outcome, which the store adds.
pub(super) struct Acting<K> {
    act: BlobWrite,
    kind: PhantomData<K>,
}

impl<K> Acting<K> {
    pub(super) fn new(act: BlobWrite) -> Self {
        Self { act, kind: PhantomData }
    }
}

impl<K: Kind> DurableCall for Acting<K> {
    const FUNCTION: HostFunction = K::FUNCTION;
    const EFFECT: Effect = Effect::ChangesShared;
    type Answer = Read<BlobOutcome>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.act {
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

    async fn perform(&self, live: &mut Live<'_>, call: &Call) -> Result<CallResponse, CallFailure> {
        if let Err(excess) = self.act.check() {
            return Ok(refused(&excess));
        }
        let (index, response) = live.write_blobs(call.clone(), self.act.clone()).await?;
        Ok(CallResponse::Recorded(index, response))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError> {
        match split(response)? {
            Err(reason) => Ok(Err(reason)),
            Ok((code, [])) => Ok(Ok(BlobOutcome::from_code(code)?)),
            Ok((tag, _)) => unknown("outcome", tag),
        }
    }
}

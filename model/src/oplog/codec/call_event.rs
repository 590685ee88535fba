//! The encoding of inbox events of calls between workers: tags 40 to 43.

use super::{
    key, option, put_option, put_str, put_time, put_values, put_worker_id, time, value_list, worker_id,
};
use crate::oplog::OplogIndex;
use crate::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use crate::oplog::{CallEvent, ReplyTo};
use std::sync::Arc;

pub(super) const QUEUED: u8 = 40;
const DELAY_ELAPSED: u8 = 41;
const CANCELLED: u8 = 42;
pub(super) const ANSWERED: u8 = 43;

pub(super) fn put_call_event(out: &mut Vec<u8>, event: &CallEvent) {
    match event {
        CallEvent::Queued { at, key, function, params, caller, reply, not_before } => {
            out.push(QUEUED);
            put_time(out, *at);
            put_str(out, key.as_str());
            put_str(out, function);
            put_values(out, params);
            put_worker_id(out, caller);
            put_option(out, reply.as_ref(), |out, reply| {
                put_varint(out, reply.worker);
                put_varint(out, reply.call.0);
            });
            put_option(out, not_before.as_ref(), |out, at| put_time(out, *at));
        }
        CallEvent::DelayElapsed { at, call_row } => {
            out.push(DELAY_ELAPSED);
            put_time(out, *at);
            put_varint(out, *call_row);
        }
        CallEvent::Cancelled { at, call_row } => {
            out.push(CANCELLED);
            put_time(out, *at);
            put_varint(out, *call_row);
        }
        CallEvent::Answered { at, call, call_row, answer } => {
            out.push(ANSWERED);
            put_time(out, *at);
            put_varint(out, call.0);
            put_varint(out, *call_row);
            put_bytes(out, answer);
        }
    }
}

/// Reads the fields that follow `tag`.
pub(super) fn call_event(tag: u8, input: &mut Reader<'_>) -> Result<CallEvent, DecodeError> {
    Ok(match tag {
        QUEUED => CallEvent::Queued {
            at: time(input)?,
            key: key(input)?,
            function: Arc::from(input.string()?),
            params: value_list(input)?,
            caller: worker_id(input)?,
            reply: option(input, |input| {
                Ok(ReplyTo { worker: input.varint()?, call: OplogIndex(input.varint()?) })
            })?,
            not_before: option(input, time)?,
        },
        DELAY_ELAPSED => CallEvent::DelayElapsed { at: time(input)?, call_row: input.varint()? },
        CANCELLED => CallEvent::Cancelled { at: time(input)?, call_row: input.varint()? },
        ANSWERED => CallEvent::Answered {
            at: time(input)?,
            call: OplogIndex(input.varint()?),
            call_row: input.varint()?,
            answer: input.bytes()?.to_vec(),
        },
        tag => return Err(DecodeError::UnknownTag { what: "call", tag }),
    })
}

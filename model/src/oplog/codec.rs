//! The encoding of oplog records (docs/oplog-format.md).
//!
//! A stored row consists of format version, kind, body, and CRC-32C of all bytes before it. In this module, `put_x`
//! appends an `x`, and `x` reads one.
//!
//! Invariant: a version, kind or tag that was given a meaning is never given another. New fields need a new version.

mod call_event;
#[cfg(test)]
mod tests;

use super::entry::{
    Entry, FailureCause, HostCall, HostCallRequest, HostFunction, InboxEvent, InvocationSource, RevertReason,
    Suspension,
};
use super::wire::{DecodeError, Reader, put_bytes, put_varint};
use super::{ClockReadings, CountedReadings, OplogIndex, lifecycle, process_event};
use crate::value::codec as values;
use crate::{
    AccountId, Convention, FailureOptions, IdempotencyKey, OnFailure, ProjectId, PromiseId, RetryPolicy,
    TemplateId, Timestamp, Value, WorkerId, WorkerName,
};
use std::sync::Arc;
use uuid::Uuid;

/// The format version that this code writes.
pub const FORMAT_VERSION: u8 = 1;

const ROW_ENTRIES: u8 = 1;
const ROW_INBOX_EVENT: u8 = 2;

/// The body of one stored row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// Consecutive entries of one worker, written together.
    Entries {
        /// The index of the first entry.
        first: OplogIndex,
        /// The entries; at least one.
        entries: Vec<Entry>,
    },
    /// One inbox event of one worker.
    InboxEvent(InboxEvent),
}

/// Encodes a row of consecutive entries, the first of which has the index `first`.
pub fn encode_entries(first: OplogIndex, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 64 * entries.len());
    out.extend_from_slice(&[FORMAT_VERSION, ROW_ENTRIES]);
    put_varint(&mut out, first.0);
    put_varint(&mut out, entries.len() as u64);
    for entry in entries {
        put_entry(&mut out, entry);
    }
    append_checksum(out)
}

/// Encodes a row with an inbox event.
pub fn encode_inbox_event(event: &InboxEvent) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&[FORMAT_VERSION, ROW_INBOX_EVENT]);
    put_inbox_event(&mut out, event);
    append_checksum(out)
}

/// Encodes a row.
pub fn encode_row(row: &Row) -> Vec<u8> {
    match row {
        Row::Entries { first, entries } => encode_entries(*first, entries),
        Row::InboxEvent(event) => encode_inbox_event(event),
    }
}

fn append_checksum(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// Decodes a row and verifies its checksum.
pub fn decode_row(bytes: &[u8]) -> Result<Row, DecodeError> {
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Truncated)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return Err(DecodeError::Checksum);
    }
    let mut input = Reader::new(body);
    match input.byte()? {
        FORMAT_VERSION => {}
        tag => return Err(DecodeError::UnknownTag { what: "format version", tag }),
    }
    let row = match input.byte()? {
        ROW_ENTRIES => {
            let first = OplogIndex(input.varint()?);
            let count = input.count()?;
            // The count may be wrong, so it does not determine how much memory is reserved at once.
            let mut entries = Vec::with_capacity(count.min(1024));
            for _ in 0..count {
                entries.push(entry(&mut input)?);
            }
            Row::Entries { first, entries }
        }
        ROW_INBOX_EVENT => Row::InboxEvent(inbox_event(&mut input)?),
        tag => return Err(DecodeError::UnknownTag { what: "row", tag }),
    };
    input.finish()?;
    Ok(row)
}

/// The index of the first entry of a row of entries, without decoding or checking the row. `None` for other rows.
pub fn first_entry_index(bytes: &[u8]) -> Option<OplogIndex> {
    let rest = bytes.strip_prefix(&[FORMAT_VERSION, ROW_ENTRIES])?;
    Reader::new(rest).varint().ok().map(OplogIndex)
}

/// Appends the bytes of a worker id.
pub fn put_worker_id(out: &mut Vec<u8>, id: &WorkerId) {
    out.extend_from_slice(id.template.0.as_bytes());
    put_bytes(out, id.name.as_str().as_bytes());
}

/// Reads a worker id.
pub fn worker_id(input: &mut Reader<'_>) -> Result<WorkerId, DecodeError> {
    let template = TemplateId(uuid(input)?);
    let name = WorkerName::new(input.string()?).map_err(|_| DecodeError::Invalid("a worker name"))?;
    Ok(WorkerId { template, name })
}

/// Appends the bytes of a promise id.
pub fn put_promise_id(out: &mut Vec<u8>, id: &PromiseId) {
    put_worker_id(out, &id.worker);
    put_varint(out, id.index.0);
}

/// Reads a promise id.
pub fn promise_id(input: &mut Reader<'_>) -> Result<PromiseId, DecodeError> {
    Ok(PromiseId { worker: worker_id(input)?, index: OplogIndex(input.varint()?) })
}

pub(super) fn put_time(out: &mut Vec<u8>, at: Timestamp) {
    out.extend_from_slice(&at.as_nanos().to_le_bytes());
}

pub(super) fn time(input: &mut Reader<'_>) -> Result<Timestamp, DecodeError> {
    Ok(Timestamp::from_nanos(u64::from_le_bytes(input.array()?)))
}

fn uuid(input: &mut Reader<'_>) -> Result<Uuid, DecodeError> {
    Ok(Uuid::from_bytes(input.array()?))
}

pub(super) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(super) fn key(input: &mut Reader<'_>) -> Result<IdempotencyKey, DecodeError> {
    IdempotencyKey::from_stored(input.string()?).map_err(|_| DecodeError::Invalid("an idempotency key"))
}

fn put_values(out: &mut Vec<u8>, values: &[Value]) {
    put_varint(out, values.len() as u64);
    for value in values {
        values::encode(value, out);
    }
}

fn value_list(input: &mut Reader<'_>) -> Result<Vec<Value>, DecodeError> {
    let count = input.count()?;
    (0..count).map(|_| values::decode(input)).collect()
}

/// Appends convention, function and input of an invocation of a program.
fn put_program_call(out: &mut Vec<u8>, function: &str, convention: Convention, input: &str) {
    out.push(convention.code());
    put_str(out, function);
    put_str(out, input);
}

fn program_call(input: &mut Reader<'_>) -> Result<(Arc<str>, Convention, String), DecodeError> {
    let convention = match Convention::from_code(input.byte()?) {
        Some(convention) if convention.is_program() => convention,
        _ => return Err(DecodeError::Invalid("a known calling convention: written by a newer version")),
    };
    Ok((Arc::from(input.string()?), convention, input.string()?))
}

pub(super) fn put_option<T>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            put(out, value);
        }
    }
}

pub(super) fn option<'a, T>(
    input: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match input.byte()? {
        0 => Ok(None),
        1 => read(input).map(Some),
        tag => Err(DecodeError::UnknownTag { what: "option", tag }),
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Created { at, id, project, account, template_version, args, env, seed } => {
            out.push(1);
            put_time(out, *at);
            put_worker_id(out, id);
            out.extend_from_slice(project.0.as_bytes());
            out.extend_from_slice(account.0.as_bytes());
            put_varint(out, u64::from(*template_version));
            put_varint(out, args.len() as u64);
            for arg in args {
                put_str(out, arg);
            }
            put_varint(out, env.len() as u64);
            for (name, value) in env {
                put_str(out, name);
                put_str(out, value);
            }
            out.extend_from_slice(seed);
        }
        Entry::Activated { at, engine } => {
            out.push(2);
            put_time(out, *at);
            put_str(out, engine);
        }
        Entry::InvocationStarted { at, key, source } => {
            match source {
                InvocationSource::Inline { .. } => out.push(3),
                InvocationSource::Queued { .. } => out.push(4),
                InvocationSource::Program { .. } => out.push(80),
            }
            put_time(out, *at);
            put_str(out, key.as_str());
            match source {
                InvocationSource::Inline { function, params } => {
                    put_str(out, function);
                    put_values(out, params);
                }
                InvocationSource::Queued { row } => put_varint(out, *row),
                InvocationSource::Program { function, convention, input } => {
                    put_program_call(out, function, *convention, input);
                }
            }
        }
        Entry::HostCall { call, response } => {
            out.push(5);
            put_varint(out, u64::from(call.function.code()));
            match &call.request {
                HostCallRequest::Inline(bytes) => {
                    out.push(0);
                    put_bytes(out, bytes);
                }
                HostCallRequest::Digest { length, hash } => {
                    out.push(1);
                    put_varint(out, *length);
                    out.extend_from_slice(hash);
                }
            }
            put_bytes(out, response);
        }
        Entry::ClockReadings(readings) => {
            out.push(10);
            for CountedReadings { first, count } in [readings.wall, readings.monotonic] {
                put_varint(out, count);
                if count > 0 {
                    put_varint(out, first);
                }
            }
        }
        Entry::InvocationCompleted { at, result } => {
            out.push(6);
            put_time(out, *at);
            put_option(out, result.as_ref(), |out, value| values::encode(value, out));
        }
        Entry::AttemptFailed { at, details, retry_at } => {
            out.push(7);
            put_time(out, *at);
            put_str(out, details);
            put_time(out, *retry_at);
        }
        Entry::InvocationFailed { at, cause } => {
            out.push(8);
            put_time(out, *at);
            match cause {
                FailureCause::Trap { details } => {
                    out.push(0);
                    put_str(out, details);
                }
                FailureCause::Exited { code } => out.extend_from_slice(&[1, *code]),
                FailureCause::Diverged { index, recorded, requested } => {
                    out.push(2);
                    put_varint(out, index.0);
                    put_str(out, recorded);
                    put_str(out, requested);
                }
                FailureCause::ProcessEnded { times } => {
                    out.push(3);
                    put_varint(out, u64::from(*times));
                }
                FailureCause::Discarded { details } => {
                    out.push(32);
                    put_str(out, details);
                }
                FailureCause::ExitedWithStderr { code, stderr } => {
                    out.extend_from_slice(&[80, *code]);
                    put_str(out, stderr);
                }
            }
        }
        Entry::Suspended(parked) => {
            out.push(9);
            put_time(out, parked.at);
            put_varint(out, parked.monotonic_nanos);
            put_option(out, parked.wake_at.as_ref(), |out, at| put_time(out, *at));
            put_varint(out, parked.promises.len() as u64);
            for promise in &parked.promises {
                put_promise_id(out, promise);
            }
        }
        Entry::Revert { at, from, reason } => {
            out.push(32);
            put_time(out, *at);
            put_varint(out, from.0);
            out.push(match reason {
                RevertReason::RegionRetry => 0,
                RevertReason::Jump => 1,
                RevertReason::OperatorRecovery => 2,
                RevertReason::FailureRollback => 3,
                RevertReason::OperatorRevert => 4,
            });
        }
        Entry::Configured { at, options: FailureOptions { retry_policy, on_failure } } => {
            out.push(33);
            put_time(out, *at);
            put_option(out, retry_policy.as_ref(), |out, policy| policy.encode(out));
            put_option(out, on_failure.as_ref(), |out, on_failure| {
                out.push(match on_failure {
                    OnFailure::Fail => 0,
                    OnFailure::Rollback => 1,
                });
            });
        }
        Entry::ProgramEnded { at } => {
            out.push(81);
            put_time(out, *at);
        }
        Entry::LifecycleEvent(event) => lifecycle::put_lifecycle_event(out, event),
    }
}

fn counted_readings(input: &mut Reader<'_>) -> Result<CountedReadings, DecodeError> {
    let count = input.varint()?;
    let first = if count > 0 { input.varint()? } else { 0 };
    Ok(CountedReadings { first, count })
}

fn entry(input: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    Ok(match input.byte()? {
        1 => {
            let at = time(input)?;
            let id = worker_id(input)?;
            let project = ProjectId(uuid(input)?);
            let account = AccountId(uuid(input)?);
            let template_version = input.varint_as()?;
            let count = input.count()?;
            let args = (0..count).map(|_| input.string()).collect::<Result<_, _>>()?;
            let count = input.count()?;
            let env = (0..count)
                .map(|_| Ok((input.string()?, input.string()?)))
                .collect::<Result<_, DecodeError>>()?;
            let seed = input.array()?;
            Entry::Created { at, id, project, account, template_version, args, env, seed }
        }
        2 => Entry::Activated { at: time(input)?, engine: input.string()? },
        3 => Entry::InvocationStarted {
            at: time(input)?,
            key: key(input)?,
            source: InvocationSource::Inline {
                function: Arc::from(input.string()?),
                params: value_list(input)?,
            },
        },
        4 => Entry::InvocationStarted {
            at: time(input)?,
            key: key(input)?,
            source: InvocationSource::Queued { row: input.varint()? },
        },
        5 => {
            let function = HostFunction::from_code(input.varint_as()?)?;
            let request = match input.byte()? {
                0 => HostCallRequest::Inline(input.bytes()?.to_vec()),
                1 => HostCallRequest::Digest { length: input.varint()?, hash: input.array()? },
                tag => return Err(DecodeError::UnknownTag { what: "request", tag }),
            };
            Entry::HostCall { call: HostCall { function, request }, response: input.bytes()?.to_vec() }
        }
        6 => Entry::InvocationCompleted { at: time(input)?, result: option(input, values::decode)? },
        7 => Entry::AttemptFailed { at: time(input)?, details: input.string()?, retry_at: time(input)? },
        8 => {
            let at = time(input)?;
            let cause = match input.byte()? {
                0 => FailureCause::Trap { details: input.string()? },
                1 => FailureCause::Exited { code: input.byte()? },
                2 => FailureCause::Diverged {
                    index: OplogIndex(input.varint()?),
                    recorded: input.string()?,
                    requested: input.string()?,
                },
                3 => FailureCause::ProcessEnded { times: input.varint_as()? },
                32 => FailureCause::Discarded { details: input.string()? },
                80 => FailureCause::ExitedWithStderr { code: input.byte()?, stderr: input.string()? },
                tag => return Err(DecodeError::UnknownTag { what: "failure", tag }),
            };
            Entry::InvocationFailed { at, cause }
        }
        9 => {
            let at = time(input)?;
            let monotonic_nanos = input.varint()?;
            let wake_at = option(input, time)?;
            let count = input.count()?;
            let promises = (0..count).map(|_| promise_id(input)).collect::<Result<_, _>>()?;
            Entry::Suspended(Suspension { at, monotonic_nanos, wake_at, promises })
        }
        10 => {
            let readings =
                ClockReadings { wall: counted_readings(input)?, monotonic: counted_readings(input)? };
            if readings.is_empty() {
                return Err(DecodeError::Invalid("a number of clock readings"));
            }
            Entry::ClockReadings(readings)
        }
        32 => Entry::Revert {
            at: time(input)?,
            from: OplogIndex(input.varint()?),
            reason: match input.byte()? {
                0 => RevertReason::RegionRetry,
                1 => RevertReason::Jump,
                2 => RevertReason::OperatorRecovery,
                3 => RevertReason::FailureRollback,
                4 => RevertReason::OperatorRevert,
                tag => return Err(DecodeError::UnknownTag { what: "revert reason", tag }),
            },
        },
        33 => Entry::Configured {
            at: time(input)?,
            options: FailureOptions {
                retry_policy: option(input, RetryPolicy::decode)?,
                on_failure: option(input, |input| match input.byte()? {
                    0 => Ok(OnFailure::Fail),
                    1 => Ok(OnFailure::Rollback),
                    tag => Err(DecodeError::UnknownTag { what: "failure action", tag }),
                })?,
            },
        },
        80 => {
            let (at, key) = (time(input)?, key(input)?);
            let (function, convention, input) = program_call(input)?;
            Entry::InvocationStarted {
                at,
                key,
                source: InvocationSource::Program { function, convention, input },
            }
        }
        81 => Entry::ProgramEnded { at: time(input)? },
        tag if lifecycle::ENTRY_TAGS.contains(&tag) => {
            Entry::LifecycleEvent(lifecycle::lifecycle_event(tag, input)?)
        }
        tag => return Err(DecodeError::UnknownTag { what: "entry", tag }),
    })
}

fn put_inbox_event(out: &mut Vec<u8>, event: &InboxEvent) {
    match event {
        InboxEvent::Invocation { at, key, function, params } => {
            out.push(1);
            put_time(out, *at);
            put_str(out, key.as_str());
            put_str(out, function);
            put_values(out, params);
        }
        InboxEvent::Program { at, key, function, convention, input } => {
            out.push(80);
            put_time(out, *at);
            put_str(out, key.as_str());
            put_program_call(out, function, *convention, input);
        }
        InboxEvent::PromiseCompleted { at, promise, data } => {
            out.push(2);
            put_time(out, *at);
            put_varint(out, promise.0);
            put_bytes(out, data);
        }
        InboxEvent::PromiseDeleted { at, promise } => {
            out.push(3);
            put_time(out, *at);
            put_varint(out, promise.0);
        }
        InboxEvent::Interrupted { at } => {
            out.push(4);
            put_time(out, *at);
        }
        InboxEvent::Resumed { at } => {
            out.push(5);
            put_time(out, *at);
        }
        InboxEvent::Deleted { at } => {
            out.push(6);
            put_time(out, *at);
        }
        InboxEvent::Admin(request) => lifecycle::put_admin_request(out, request),
        InboxEvent::Call(call) => call_event::put_call_event(out, call),
        InboxEvent::Process(event) => process_event::put_process_event(out, event),
    }
}

fn inbox_event(input: &mut Reader<'_>) -> Result<InboxEvent, DecodeError> {
    Ok(match input.byte()? {
        1 => InboxEvent::Invocation {
            at: time(input)?,
            key: key(input)?,
            function: Arc::from(input.string()?),
            params: value_list(input)?,
        },
        2 => InboxEvent::PromiseCompleted {
            at: time(input)?,
            promise: OplogIndex(input.varint()?),
            data: input.bytes()?.to_vec(),
        },
        3 => InboxEvent::PromiseDeleted { at: time(input)?, promise: OplogIndex(input.varint()?) },
        4 => InboxEvent::Interrupted { at: time(input)? },
        5 => InboxEvent::Resumed { at: time(input)? },
        6 => InboxEvent::Deleted { at: time(input)? },
        tag if process_event::TAGS.contains(&tag) => {
            InboxEvent::Process(process_event::process_event(tag, input)?)
        }
        tag if lifecycle::INBOX_TAGS.contains(&tag) => {
            InboxEvent::Admin(lifecycle::admin_request(tag, input)?)
        }
        tag @ call_event::QUEUED..=call_event::ANSWERED => {
            InboxEvent::Call(call_event::call_event(tag, input)?)
        }
        80 => {
            let (at, key) = (time(input)?, key(input)?);
            let (function, convention, input) = program_call(input)?;
            InboxEvent::Program { at, key, function, convention, input }
        }
        tag => return Err(DecodeError::UnknownTag { what: "inbox event", tag }),
    })
}

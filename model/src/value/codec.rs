//! The encoding of values in the oplog (docs/oplog-format.md, "Values").
//!
//! The encoding is self-describing, so an oplog can be read without the component. The decoder does not panic and
//! bounds its depth; the tests of `oplog::codec` check both.
//!
//! Invariant: a tag that was given a meaning is never given another.

use super::Value;
use crate::limits::VALUE_DEPTH_MAX;
use crate::oplog::wire::{DecodeError, Reader, put_bytes, put_signed, put_varint};

/// Appends the encoding of `value` to `out`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(false) => out.push(0),
        Value::Bool(true) => out.push(1),
        Value::S8(v) => put_tagged_signed(out, 2, i64::from(*v)),
        Value::U8(v) => put_tagged(out, 3, u64::from(*v)),
        Value::S16(v) => put_tagged_signed(out, 4, i64::from(*v)),
        Value::U16(v) => put_tagged(out, 5, u64::from(*v)),
        Value::S32(v) => put_tagged_signed(out, 6, i64::from(*v)),
        Value::U32(v) => put_tagged(out, 7, u64::from(*v)),
        Value::S64(v) => put_tagged_signed(out, 8, *v),
        Value::U64(v) => put_tagged(out, 9, *v),
        Value::F32(v) => {
            out.push(10);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
        Value::F64(v) => {
            out.push(11);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
        Value::Char(v) => put_tagged(out, 12, u64::from(u32::from(*v))),
        Value::String(v) => {
            out.push(13);
            put_bytes(out, v.as_bytes());
        }
        Value::List(items) => put_items(out, 14, items),
        Value::Bytes(v) => {
            out.push(15);
            put_bytes(out, v);
        }
        Value::Option(None) => out.push(16),
        Value::Option(Some(v)) => {
            out.push(17);
            encode(v, out);
        }
        Value::Result(side) => match side {
            Ok(None) => out.push(18),
            Ok(Some(v)) => {
                out.push(19);
                encode(v, out);
            }
            Err(None) => out.push(20),
            Err(Some(v)) => {
                out.push(21);
                encode(v, out);
            }
        },
        Value::Tuple(items) => put_items(out, 22, items),
        Value::Record(items) => put_items(out, 23, items),
        Value::Variant(case, None) => put_tagged(out, 24, u64::from(*case)),
        Value::Variant(case, Some(v)) => {
            put_tagged(out, 25, u64::from(*case));
            encode(v, out);
        }
        Value::Enum(case) => put_tagged(out, 26, u64::from(*case)),
        Value::Flags(set) => {
            put_tagged(out, 27, set.len() as u64);
            for flag in set {
                put_varint(out, u64::from(*flag));
            }
        }
    }
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    put_varint(out, value);
}

fn put_tagged_signed(out: &mut Vec<u8>, tag: u8, value: i64) {
    out.push(tag);
    put_signed(out, value);
}

fn put_items(out: &mut Vec<u8>, tag: u8, items: &[Value]) {
    put_tagged(out, tag, items.len() as u64);
    for item in items {
        encode(item, out);
    }
}

/// An upper bound of the size of `value` in the oplog. Small numbers count as large ones.
pub fn encoded_bytes(value: &Value) -> usize {
    let sum = |items: &[Value]| items.iter().map(encoded_bytes).sum::<usize>();
    match value {
        Value::Bool(_) | Value::Option(None) | Value::Result(Ok(None) | Err(None)) => 1,
        Value::S8(_)
        | Value::U8(_)
        | Value::S16(_)
        | Value::U16(_)
        | Value::S32(_)
        | Value::U32(_)
        | Value::F32(_)
        | Value::Char(_)
        | Value::Enum(_)
        | Value::Variant(_, None) => 6,
        Value::S64(_) | Value::U64(_) | Value::F64(_) => 11,
        Value::String(text) => 6 + text.len(),
        Value::Bytes(bytes) => 6 + bytes.len(),
        Value::List(items) | Value::Tuple(items) | Value::Record(items) => 6 + sum(items),
        Value::Option(Some(inner)) | Value::Result(Ok(Some(inner)) | Err(Some(inner))) => {
            1 + encoded_bytes(inner)
        }
        Value::Variant(_, Some(inner)) => 6 + encoded_bytes(inner),
        Value::Flags(set) => 6 + 5 * set.len(),
    }
}

/// Reads one value.
pub fn decode(input: &mut Reader<'_>) -> Result<Value, DecodeError> {
    decode_at(input, 0)
}

fn decode_at(input: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
    if depth > VALUE_DEPTH_MAX + 2 {
        return Err(DecodeError::TooDeep);
    }
    let nested = |input: &mut Reader<'_>| decode_at(input, depth + 1).map(Box::new);
    Ok(match input.byte()? {
        0 => Value::Bool(false),
        1 => Value::Bool(true),
        2 => Value::S8(input.signed_as()?),
        3 => Value::U8(input.varint_as()?),
        4 => Value::S16(input.signed_as()?),
        5 => Value::U16(input.varint_as()?),
        6 => Value::S32(input.signed_as()?),
        7 => Value::U32(input.varint_as()?),
        8 => Value::S64(input.signed()?),
        9 => Value::U64(input.varint()?),
        10 => Value::F32(f32::from_bits(u32::from_le_bytes(input.array()?))),
        11 => Value::F64(f64::from_bits(u64::from_le_bytes(input.array()?))),
        12 => {
            let code: u32 = input.varint_as()?;
            Value::Char(char::from_u32(code).ok_or(DecodeError::Invalid("a character"))?)
        }
        13 => Value::String(input.string()?),
        14 => Value::List(decode_items(input, depth)?),
        15 => Value::Bytes(input.bytes()?.to_vec()),
        16 => Value::Option(None),
        17 => Value::Option(Some(nested(input)?)),
        18 => Value::Result(Ok(None)),
        19 => Value::Result(Ok(Some(nested(input)?))),
        20 => Value::Result(Err(None)),
        21 => Value::Result(Err(Some(nested(input)?))),
        22 => Value::Tuple(decode_items(input, depth)?),
        23 => Value::Record(decode_items(input, depth)?),
        24 => Value::Variant(input.varint_as()?, None),
        25 => {
            let case = input.varint_as()?;
            Value::Variant(case, Some(nested(input)?))
        }
        26 => Value::Enum(input.varint_as()?),
        27 => {
            let count = input.count()?;
            let mut set = Vec::with_capacity(count.min(64));
            for _ in 0..count {
                set.push(input.varint_as()?);
            }
            Value::Flags(set)
        }
        tag => return Err(DecodeError::UnknownTag { what: "value", tag }),
    })
}

fn decode_items(input: &mut Reader<'_>, depth: usize) -> Result<Vec<Value>, DecodeError> {
    let count = input.count()?;
    let mut items = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        items.push(decode_at(input, depth + 1)?);
    }
    Ok(items)
}

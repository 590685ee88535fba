//! Calls between workers: their answers, errors and receipts, and the encoding of these (docs/oplog-format.md).
//!
//! The caller identifies a call by the oplog index of the entry that made it. The callee identifies it by its *call
//! row*: the store position of the inbox event that queued the call. An answer carries both. A late answer therefore
//! cannot complete another call.

use crate::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use crate::oplog::{OplogIndex, codec};
use crate::value::codec as values;
use crate::{Type, Value, WorkerId};

/// The answer of a call: the value that the function returned, if it has a result, or an error.
pub type CallAnswer = Result<Option<Value>, CallError>;

/// Why a call of another worker failed: the cases of `golem:rpc/types.rpc-error`, in the order of the WIT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The worker belongs to another project.
    #[error("{0}")]
    Denied(String),
    /// The template does not exist, or the callee was deleted before it answered.
    #[error("{0}")]
    NotFound(String),
    /// The call itself is invalid: a text that is not a worker name, or parameters or a result that are too large.
    #[error("{0}")]
    Invalid(String),
    /// Too many invocations are pending at the callee.
    #[error("{0}")]
    Busy(String),
    /// The function failed permanently, or the callee is a failed worker.
    #[error("{0}")]
    RemoteFailed(String),
    /// The callee runs a template version in which the function is missing or has other types.
    #[error("{0}")]
    Incompatible(String),
    /// The callee waits, directly or through other workers, for the caller.
    #[error("{0}")]
    Deadlock(String),
    /// The caller cancelled the call.
    #[error("the caller gave up on the call")]
    Cancelled,
}

/// The cases of `rpc-error` that carry a text, by index. The next index, [`CANCELLED`], carries none.
const CASE_NAMES: [&str; 7] =
    ["denied", "not-found", "invalid", "busy", "remote-failed", "incompatible", "deadlock"];
const CANCELLED: u8 = 7;

impl CallError {
    fn case(&self) -> (u8, &str) {
        match self {
            Self::Denied(text) => (0, text),
            Self::NotFound(text) => (1, text),
            Self::Invalid(text) => (2, text),
            Self::Busy(text) => (3, text),
            Self::RemoteFailed(text) => (4, text),
            Self::Incompatible(text) => (5, text),
            Self::Deadlock(text) => (6, text),
            Self::Cancelled => (CANCELLED, ""),
        }
    }

    /// The type of `golem:rpc/types.rpc-error`.
    pub fn ty() -> Type {
        let texts = CASE_NAMES.iter().map(|name| ((*name).to_owned(), Some(Type::String)));
        Type::Variant(texts.chain([("cancelled".to_owned(), None)]).collect())
    }

    /// The error as a value of [`CallError::ty`].
    pub fn to_value(&self) -> Value {
        let (case, text) = self.case();
        let payload = (case != CANCELLED).then(|| Box::new(Value::String(text.to_owned())));
        Value::Variant(u32::from(case), payload)
    }

    /// Appends its encoding: the index of the case, and the text.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (case, text) = self.case();
        out.push(case);
        put_bytes(out, text.as_bytes());
    }

    /// Reads what [`CallError::encode`] wrote.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let case = input.byte()?;
        let text = input.string()?;
        Ok(match case {
            0 => Self::Denied(text),
            1 => Self::NotFound(text),
            2 => Self::Invalid(text),
            3 => Self::Busy(text),
            4 => Self::RemoteFailed(text),
            5 => Self::Incompatible(text),
            6 => Self::Deadlock(text),
            CANCELLED => Self::Cancelled,
            tag => return Err(DecodeError::UnknownTag { what: "call error", tag }),
        })
    }
}

/// Encodes an answer: 0 (no result); 1 and a value; 2 and an error.
pub fn encode_answer(answer: &CallAnswer) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    match answer {
        Ok(None) => out.push(0),
        Ok(Some(value)) => {
            out.push(1);
            values::encode(value, &mut out);
        }
        Err(error) => {
            out.push(2);
            error.encode(&mut out);
        }
    }
    out
}

/// Reads what [`encode_answer`] wrote.
pub fn decode_answer(bytes: &[u8]) -> Result<CallAnswer, DecodeError> {
    let mut input = Reader::new(bytes);
    let answer = match input.byte()? {
        0 => Ok(None),
        1 => Ok(Some(values::decode(&mut input)?)),
        2 => Err(CallError::decode(&mut input)?),
        tag => return Err(DecodeError::UnknownTag { what: "answer", tag }),
    };
    input.finish()?;
    Ok(answer)
}

/// Confirms that a call is in the callee's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReceipt {
    /// The call row: the store position of the inbox event that queued the call.
    pub call_row: u64,
    /// The callee.
    pub target: WorkerId,
}

/// Encodes the recorded response of making a call: 0, varint call row and the callee; or 1 and the error.
pub fn encode_call_receipt(receipt: &Result<CallReceipt, CallError>) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    match receipt {
        Ok(CallReceipt { call_row, target }) => {
            out.push(0);
            put_varint(&mut out, *call_row);
            codec::put_worker_id(&mut out, target);
        }
        Err(error) => {
            out.push(1);
            error.encode(&mut out);
        }
    }
    out
}

/// Reads what [`encode_call_receipt`] wrote.
pub fn decode_call_receipt(bytes: &[u8]) -> Result<Result<CallReceipt, CallError>, DecodeError> {
    let mut input = Reader::new(bytes);
    let receipt = match input.byte()? {
        0 => Ok(CallReceipt { call_row: input.varint()?, target: codec::worker_id(&mut input)? }),
        1 => Err(CallError::decode(&mut input)?),
        tag => return Err(DecodeError::UnknownTag { what: "call receipt", tag }),
    };
    input.finish()?;
    Ok(receipt)
}

/// Encodes the request of a host call that refers to an earlier call between workers: that call's oplog index.
pub fn encode_call_index(call: OplogIndex) -> Vec<u8> {
    let mut out = Vec::with_capacity(5);
    put_varint(&mut out, call.0);
    out
}

/// Reads what [`encode_call_index`] wrote.
pub fn decode_call_index(bytes: &[u8]) -> Result<OplogIndex, DecodeError> {
    let mut input = Reader::new(bytes);
    let index = OplogIndex(input.varint()?);
    input.finish()?;
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_encoding_and_decoding() {
        let text = || "why".to_owned();
        let errors = [
            CallError::Denied(text()),
            CallError::NotFound(text()),
            CallError::Invalid(text()),
            CallError::Busy(text()),
            CallError::RemoteFailed(text()),
            CallError::Incompatible(text()),
            CallError::Deadlock(text()),
            CallError::Cancelled,
        ];
        let Type::Variant(cases) = CallError::ty() else { panic!("rpc-error is a variant") };
        assert_eq!(cases.len(), errors.len());
        for (index, error) in (0..).zip(errors) {
            let (_, payload) = &cases[index as usize];
            let payload = payload.as_ref().map(|_| Box::new(Value::String(text())));
            assert_eq!(error.to_value(), Value::Variant(index, payload));
            assert_eq!(decode_answer(&encode_answer(&Err(error.clone()))), Ok(Err(error)));
        }
        for answer in [Ok(None), Ok(Some(Value::U64(7)))] {
            assert_eq!(decode_answer(&encode_answer(&answer)), Ok(answer));
        }
    }
}

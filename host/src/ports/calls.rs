//! Calls to other workers, from the caller's side.

use super::PortError;
use async_trait::async_trait;
use golem_model::oplog::HostCall;
use golem_model::template::Param;
use golem_model::{Entry, OplogIndex, Timestamp, Type, Value, WorkerId};
use std::sync::Arc;

/// A call to another worker.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingCall {
    /// The called worker, which is created if it does not exist.
    pub target: WorkerId,
    /// The function's full name.
    pub function: Arc<str>,
    /// The parameters for which the caller's component was built.
    pub param_types: Arc<[Param]>,
    /// The result for which the caller's component was built.
    pub returns: ExpectedResult,
    /// Parameters, checked against their types.
    pub params: Vec<Value>,
    /// Whether the caller wants an answer.
    pub reply: bool,
    /// The earliest time at which the called worker may start, if not at once.
    pub not_before: Option<Timestamp>,
}

/// The result of a function for which a caller's component was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedResult {
    /// This form of the call does not specify it.
    Unspecified,
    /// No result.
    Nothing,
    /// A value of this type.
    Value(Type),
}

impl ExpectedResult {
    /// Whether a function with this result satisfies the caller.
    pub fn accepts(&self, result: Option<&Type>) -> bool {
        match self {
            Self::Unspecified => true,
            Self::Nothing => result.is_none(),
            Self::Value(ty) => result == Some(ty),
        }
    }
}

/// The state of a call's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerState {
    /// It has not arrived.
    Pending,
    /// Its bytes ([`golem_model::call::encode_answer`]).
    Answered(Arc<[u8]>),
    /// The worker has no such call, or has taken its answer.
    Unknown,
}

/// Shared state: a call is in one commit with the caller's entries before it, and an answer with the completion that it
/// reports.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Makes a call.
    ///
    /// In one commit: `entries` (the first has index `first`), then the inbox event at the called worker (which is
    /// created if it does not exist), then one more entry that records `call`. The index of that entry identifies the
    /// call from now on. Returns the recorded response ([`golem_model::call::encode_call_receipt`]), which may be a
    /// rejection.
    async fn make(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError>;

    /// The state of the answer to a call of this worker.
    async fn answer(&self, call: OplogIndex) -> Result<AnswerState, PortError>;

    /// Cancels the call `number`; recorded like [`Calls::make`]. The response is one byte: 0 if the call was already
    /// completed, 1 if it had not started and never will, 2 if it continues and its answer is dropped.
    async fn cancel(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: HostCall,
        number: OplogIndex,
    ) -> Result<Vec<u8>, PortError>;
}

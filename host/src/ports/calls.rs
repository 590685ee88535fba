//! Calls of other workers, as the one that makes them sees it.

use super::PortError;
use async_trait::async_trait;
use golem_model::oplog::Call;
use golem_model::template::Param;
use golem_model::{Entry, OplogIndex, Timestamp, Type, Value, WorkerId};
use std::sync::Arc;

/// A call to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingCall {
    /// The worker that is called; made if it does not exist.
    pub target: WorkerId,
    /// The function's full name.
    pub function: Arc<str>,
    /// The parameters that the caller's component was built for.
    pub param_types: Arc<[Param]>,
    /// The result that it was built for.
    pub returns: ExpectedResult,
    /// Parameters, checked against their types.
    pub params: Vec<Value>,
    /// Whether the answer is wanted.
    pub reply: bool,
    /// When the other worker may begin, if not at once.
    pub not_before: Option<Timestamp>,
}

/// What a caller's component was built for as the result of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedResult {
    /// This form of the call does not say.
    Unsaid,
    /// Nothing.
    Nothing,
    /// A value of this type.
    Value(Type),
}

impl ExpectedResult {
    /// Whether a function with this result will do.
    pub fn is(&self, result: Option<&Type>) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Nothing => result.is_none(),
            Self::Value(ty) => result == Some(ty),
        }
    }
}

/// What is known of a call's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerState {
    /// It has not come.
    Pending,
    /// Its bytes ([`golem_model::call::encode_answer`]).
    Answered(Arc<[u8]>),
    /// This worker has no such call, or has taken its answer.
    Unknown,
}

/// Shared state: a call and its answer are each in one commit with what they follow from.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Makes a call.
    ///
    /// In one commit: `entries` (the first has index `first`), then the call's arrival at the other worker, which is made
    /// if it does not exist, then one more entry that records `call`, whose index names the call from now on. Gives the
    /// recorded response ([`golem_model::call::encode_call_receipt`]), which may be that the call is refused.
    async fn make(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError>;

    /// What is known of the answer of a call of this worker.
    async fn answer(&self, call: OplogIndex) -> Result<AnswerState, PortError>;

    /// Gives up on `number`; recorded as [`Calls::make`] does. The response is one byte: 0 if the call was over, 1 if it
    /// had not begun and never will, 2 if it goes on and its answer is dropped.
    async fn cancel(
        &self,
        first: OplogIndex,
        entries: Vec<Entry>,
        call: Call,
        number: OplogIndex,
    ) -> Result<Vec<u8>, PortError>;
}

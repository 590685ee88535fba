//! Durable calls: the traits that describe them.

use super::Live;
use crate::StopReason;
use crate::ports::PortError;
use golem_model::OplogIndex;
use golem_model::oplog::wire::DecodeError;
use golem_model::oplog::{HostCall, HostFunction};
use std::future::Future;

/// The effect kind of a call. It determines when the call's record must reach the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The call only reads. Its record waits in the buffer. A crash that loses the record also loses everything that
    /// the guest derived from the answer, because replies and parking append the buffer first.
    ReadOnly,
    /// The call creates something that others look up by its oplog index. The record is appended before the guest
    /// learns that index.
    PublishesIndex,
    /// The call announces an external effect that cannot be undone. The record is appended, and the
    /// effect waits until the record is durable (rule W2 in docs/durability.md).
    AnnouncesIntent,
    /// The call changes shared state. The port records call and answer in the same commit as the change, so a crash
    /// loses both or neither.
    ChangesShared,
}

/// A call that is answered at once, from what the host knows.
pub(crate) trait ImmediateCall {
    /// The call's name in the oplog.
    const FUNCTION: HostFunction;
    /// The call's effect kind.
    const EFFECT: Effect = Effect::ReadOnly;
    /// The answer for the guest.
    type Answer;

    /// The bytes that distinguish this call from another one of the same function. Replay compares them.
    fn request(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Computes the answer and encodes it.
    fn perform(&self, live: &mut Live<'_>) -> Vec<u8>;

    /// Starts the effect that a call with [`Effect::AnnouncesIntent`] has announced, after its record was appended. Not
    /// called in a replay.
    fn begin(&self, _response: &[u8], _live: &mut Live<'_>) {}

    /// Decodes the answer from its bytes and the index of its entry.
    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError>;
}

/// A call that may wait, or change state that others see.
pub(crate) trait DurableCall: Send + Sync {
    /// The call's name in the oplog.
    const FUNCTION: HostFunction;
    /// The call's effect kind.
    const EFFECT: Effect;
    /// The answer for the guest.
    type Answer: Send;

    /// The bytes that distinguish this call from another one of the same function. Replay compares them.
    fn request(&self) -> Vec<u8>;

    /// Performs the call. `call` is its recorded form.
    fn perform(
        &self,
        live: &mut Live<'_>,
        call: &HostCall,
    ) -> impl Future<Output = Result<CallResponse, CallFailure>> + Send;

    /// Decodes the answer from its bytes and the index of its entry.
    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError>;
}

/// The encoded answer of a call that was performed.
#[derive(Debug)]
pub(crate) enum CallResponse {
    /// The door still has to record this answer.
    Unrecorded(Vec<u8>),
    /// The port has recorded this answer at this index.
    Recorded(OplogIndex, Vec<u8>),
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The instance stops.
    Stop(StopReason),
    /// The guest traps with this text, as its interface specifies.
    Trap(String),
}

impl From<StopReason> for CallFailure {
    fn from(stop: StopReason) -> Self {
        Self::Stop(stop)
    }
}

impl From<PortError> for CallFailure {
    fn from(error: PortError) -> Self {
        Self::Stop(StopReason::Port(error))
    }
}

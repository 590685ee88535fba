//! Durable calls: what each must say of itself.

use super::Live;
use crate::StopReason;
use crate::ports::PortError;
use golem_model::OplogIndex;
use golem_model::oplog::wire::DecodeError;
use golem_model::oplog::{Call, HostFunction};
use std::future::Future;

/// What a call does to the world, and so when its record must reach the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only learns something. The record waits in the buffer: a crash that loses it also loses all that the
    /// guest made of the answer, because replies and parking hand over the buffer first.
    ReadOnly,
    /// It makes something that others must find by its oplog index, so the record is handed over before the
    /// guest learns that index.
    PublishesIndex,
    /// It says what is about to be done outside, where it cannot be taken back. The record is handed over, and
    /// what is done waits until that is durable (W2).
    AnnouncesIntent,
    /// It changes shared state. The port records call and answer in the same commit as the change: neither can
    /// survive a crash without the other.
    ChangesShared,
}

/// A call that is answered at once, from what the host knows.
pub(crate) trait ObserveCall {
    /// Names it in the oplog.
    const FUNCTION: HostFunction;
    /// What it does to the world: it learns something, unless it says otherwise.
    const EFFECT: Effect = Effect::ReadOnly;
    /// What the guest gets.
    type Answer;

    /// The bytes that tell this call from another of the same function; replay compares them.
    fn request(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Finds the answer and gives its bytes.
    fn observe(&self, live: &mut Live<'_>) -> Vec<u8>;

    /// Begins what a call that [announces](Effect::Announces) has announced, after its record was handed over; in no
    /// replay.
    fn begin(&self, _response: &[u8], _live: &mut Live<'_>) {}

    /// The answer from its bytes and the index of its entry.
    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError>;
}

/// A call that may wait, or change what others see.
pub(crate) trait DurableCall: Send + Sync {
    /// Names it in the oplog.
    const FUNCTION: HostFunction;
    /// What it does to the world.
    const EFFECT: Effect;
    /// What the guest gets.
    type Answer: Send;

    /// The bytes that tell this call from another of the same function; replay compares them.
    fn request(&self) -> Vec<u8>;

    /// Does it. `call` is how it is recorded.
    fn perform(
        &self,
        live: &mut Live<'_>,
        call: &Call,
    ) -> impl Future<Output = Result<CallResponse, CallFailure>> + Send;

    /// The answer from its bytes and the index of its entry.
    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError>;
}

/// How a call was performed.
#[derive(Debug)]
pub(crate) enum CallResponse {
    /// With this answer, which the door records.
    Unrecorded(Vec<u8>),
    /// With this answer, which the port has recorded at this index.
    Recorded(OplogIndex, Vec<u8>),
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The instance stops.
    Stop(StopReason),
    /// The guest traps with this text, as the interface says it should.
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

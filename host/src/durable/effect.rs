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
    Learns,
    /// It makes something that others must find by its oplog index, so the record is handed over before the
    /// guest learns that index.
    Publishes,
    /// It says what is about to be done outside, where it cannot be taken back. The record is handed over, and
    /// what is done waits until that is durable (W2).
    Announces,
    /// It changes shared state. The port records call and answer in the same commit as the change: neither can
    /// survive a crash without the other.
    Changes,
}

/// A call that is answered at once, from what the host knows.
pub(crate) trait Observe {
    /// Names it in the oplog.
    const FUNCTION: HostFunction;
    /// What it does to the world: it learns something, unless it says otherwise.
    const EFFECT: Effect = Effect::Learns;
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
pub(crate) trait Durable: Send + Sync {
    /// Names it in the oplog.
    const FUNCTION: HostFunction;
    /// What it does to the world.
    const EFFECT: Effect;
    /// What the guest gets.
    type Answer: Send;

    /// The bytes that tell this call from another of the same function; replay compares them.
    fn request(&self) -> Vec<u8>;

    /// Does it. `call` is how it is recorded.
    fn perform(&self, live: &mut Live<'_>, call: &Call)
    -> impl Future<Output = Result<Done, Failure>> + Send;

    /// The answer from its bytes and the index of its entry.
    fn answer(&self, index: OplogIndex, response: &[u8]) -> Result<Self::Answer, DecodeError>;
}

/// How a call was performed.
#[derive(Debug)]
pub(crate) enum Done {
    /// With this answer, which the door records.
    Answered(Vec<u8>),
    /// With this answer, which the port has recorded at this index.
    Recorded(OplogIndex, Vec<u8>),
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The instance stops.
    StopReason(StopReason),
    /// The guest traps with this text, as the interface says it should.
    Trap(String),
}

impl From<StopReason> for Failure {
    fn from(stop: StopReason) -> Self {
        Self::StopReason(stop)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::StopReason(StopReason::Port(error))
    }
}

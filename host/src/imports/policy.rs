//! `golem:durability/policy`: the persistence level, the retry policy, and whether requests may be sent twice.
//!
//! The policy is determined by the calls that the guest made, so replay rebuilds it. The calls are recorded
//! nevertheless, so that a reader of the oplog sees why calls are missing in it, or why an invocation was retried so
//! often.

use crate::bindings::durability::policy;
use crate::bindings::durability::policy::PersistenceLevel;
use crate::durable::{CallFailure, ImmediateCall, Live};
use crate::imports::views::{PolicyView, Views};
use golem_model::oplog::HostFunction;
use golem_model::oplog::wire::{DecodeError, Reader};
use golem_model::{OplogIndex, RetryPolicy};
use wasmtime::Result;
use wasmtime::component::Linker;

pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    policy::add_to_linker::<_, PolicyView<'_>>(linker, T::policy)
}

/// The settings that the guest has chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Policy {
    level: PersistenceLevel,
    retry: Option<RetryPolicy>,
    idempotent: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { level: PersistenceLevel::Smart, retry: None, idempotent: true }
    }
}

impl Policy {
    /// Encodes the policy for a saved state.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let level = match self.level {
            PersistenceLevel::PersistNothing => 0,
            PersistenceLevel::PersistRemoteSideEffects => 1,
            PersistenceLevel::Smart => 2,
        };
        let mut out = vec![level, u8::from(self.idempotent)];
        if let Some(retry) = &self.retry {
            retry.encode(&mut out);
        }
        out
    }

    /// Decodes the bytes of [`Policy::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let level = match input.byte()? {
            0 => PersistenceLevel::PersistNothing,
            1 => PersistenceLevel::PersistRemoteSideEffects,
            2 => PersistenceLevel::Smart,
            tag => return Err(DecodeError::UnknownTag { what: "persistence level", tag }),
        };
        let idempotent = input.byte()? != 0;
        let retry = if input.is_empty() { None } else { Some(RetryPolicy::decode(&mut input)?) };
        input.finish()?;
        Ok(Self { level, retry, idempotent })
    }

    /// The retry policy after failures; `None` if the guest has not set one.
    pub(crate) fn retry(&self) -> Option<RetryPolicy> {
        self.retry
    }

    /// Whether a call with a possible effect outside is repeated if a crash lost its answer.
    pub(crate) fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether the answers of repeatable calls without an effect are recorded.
    pub(crate) fn records_reads(&self) -> bool {
        self.level == PersistenceLevel::Smart
    }
}

/// Sets the persistence level. The response is empty.
struct SetLevel(PersistenceLevel);

impl ImmediateCall for SetLevel {
    const FUNCTION: HostFunction = HostFunction::PersistenceLevelSet;
    type Answer = ();

    fn request(&self) -> Vec<u8> {
        vec![match self.0 {
            PersistenceLevel::PersistNothing => 0,
            PersistenceLevel::PersistRemoteSideEffects => 1,
            PersistenceLevel::Smart => 2,
        }]
    }

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, _: OplogIndex, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Reads the retry policy in force: the guest's own, or the server's. The answer is recorded, because the server's
/// policy may be another one at the time of a replay.
struct GetRetryPolicy(RetryPolicy);

impl ImmediateCall for GetRetryPolicy {
    const FUNCTION: HostFunction = HostFunction::RetryPolicyGet;
    type Answer = RetryPolicy;

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        self.0.encode(&mut out);
        out
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<RetryPolicy, DecodeError> {
        let mut input = Reader::new(response);
        let policy = RetryPolicy::decode(&mut input)?;
        input.finish()?;
        Ok(policy)
    }
}

/// Sets the retry policy. The response is empty.
struct SetRetryPolicy(RetryPolicy);

impl ImmediateCall for SetRetryPolicy {
    const FUNCTION: HostFunction = HostFunction::RetryPolicySet;
    type Answer = ();

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        self.0.encode(&mut out);
        out
    }

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, _: OplogIndex, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Sets whether writes to the outside may be sent twice. The response is empty.
struct SetIdempotence(bool);

impl ImmediateCall for SetIdempotence {
    const FUNCTION: HostFunction = HostFunction::IdempotenceSet;
    type Answer = ();

    fn request(&self) -> Vec<u8> {
        vec![u8::from(self.0)]
    }

    fn perform(&self, _: &mut Live<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, _: OplogIndex, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl policy::Host for PolicyView<'_> {
    async fn get_persistence_level(&mut self) -> Result<PersistenceLevel> {
        Ok(self.policy.level)
    }

    async fn set_persistence_level(&mut self, level: PersistenceLevel) -> Result<()> {
        self.door.call_immediate(self.objects, &SetLevel(level))?;
        self.policy.level = level;
        Ok(())
    }

    async fn get_retry_policy(&mut self) -> Result<policy::RetryPolicy> {
        let in_force = self.policy.retry.unwrap_or(self.server_retry);
        let policy = self.door.call_immediate(self.objects, &GetRetryPolicy(in_force))?;
        Ok(policy::RetryPolicy {
            max_attempts: policy.attempts_max,
            min_delay_ms: policy.delay_ms_min(),
            max_delay_ms: policy.delay_ms_max(),
            multiplier: policy.multiplier,
        })
    }

    async fn set_retry_policy(&mut self, policy: policy::RetryPolicy) -> Result<()> {
        let policy::RetryPolicy { max_attempts, min_delay_ms, max_delay_ms, multiplier } = policy;
        let policy = RetryPolicy::new(max_attempts, min_delay_ms, max_delay_ms, multiplier)
            .map_err(|error| self.door.raise(CallFailure::Trap(error.to_string())))?;
        self.door.call_immediate(self.objects, &SetRetryPolicy(policy))?;
        self.policy.retry = Some(policy);
        Ok(())
    }

    async fn get_idempotence(&mut self) -> Result<bool> {
        Ok(self.policy.idempotent)
    }

    async fn set_idempotence(&mut self, idempotent: bool) -> Result<()> {
        self.door.call_immediate(self.objects, &SetIdempotence(idempotent))?;
        self.policy.idempotent = idempotent;
        Ok(())
    }
}

//! What an import may ask of the oplog: the verbs of the door.
//!
//! The door knows whether the guest is replayed or live, and the imports do not.
//!
//! Architecture invariant: no verb tells an import the mode, and the fields of [`Door`] are private to this module.

use super::effect::{CallFailure, CallResponse, DurableCall, Effect, ImmediateCall};
use super::{InvocationStart, Journal, unreadable_answer};
use crate::file_history::UpdatedFiles;
use crate::objects::Objects;
use crate::ports::LogEvent;
use crate::snapshot::InstancePhase;
use crate::state::InvocationState;
use crate::{InterruptHandle, StopReason};
use golem_model::oplog::{ClockKind, Entry, HostCall, HostCallRequest, HostFunction, RevertReason};
use golem_model::{OplogIndex, Timestamp};

/// The door, as a view lends it to an import.
///
/// The calls take the worker's objects: the first live call resumes the HTTP requests whose responses these still wait
/// for.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    journal: &'a mut Journal,
    interrupt_handle: &'a InterruptHandle,
    phase: InstancePhase,
    /// Why the host stopped the guest, while wasmtime unwinds it.
    stop: &'a mut Option<StopReason>,
}

impl<'a> Door<'a> {
    pub(crate) fn new(
        journal: &'a mut Journal,
        interrupt_handle: &'a InterruptHandle,
        phase: InstancePhase,
        stop: &'a mut Option<StopReason>,
    ) -> Self {
        Self { journal, interrupt_handle, phase, stop }
    }

    /// Answers a call at once, without waiting.
    pub(crate) fn call_immediate<C: ImmediateCall>(
        &mut self,
        objects: &Objects,
        call: &C,
    ) -> wasmtime::Result<C::Answer> {
        let outcome = self.try_call_immediate(objects, call);
        outcome.map_err(|failure| self.raise(failure))
    }

    fn try_call_immediate<C: ImmediateCall>(
        &mut self,
        objects: &Objects,
        call: &C,
    ) -> Result<C::Answer, CallFailure> {
        self.check_interrupt()?;
        self.check_phase(C::FUNCTION, C::EFFECT == Effect::ReadOnly)?;
        let recorded = HostCall { function: C::FUNCTION, request: HostCallRequest::new(call.request()) };
        if let Some((index, response)) = self.journal.replay.recorded_answer(&recorded)? {
            return answer(C::FUNCTION, index, call.answer(index, &response));
        }
        self.go_live(objects);
        let mut live = self.journal.live().ok_or_else(not_ended)?;
        let response = call.perform(&mut live);
        let decoded = call.answer(live.next_index(), &response);
        match C::EFFECT {
            Effect::ReadOnly | Effect::ChangesShared => {
                let index = live.record(Entry::HostCall { call: recorded, response })?;
                answer(C::FUNCTION, index, decoded)
            }
            Effect::PublishesIndex | Effect::AnnouncesIntent => {
                let index = live.record(Entry::HostCall { call: recorded, response: response.clone() })?;
                live.flush()?;
                call.begin(&response, &mut live);
                answer(C::FUNCTION, index, decoded)
            }
        }
    }

    /// Reads a clock. Repeated readings are counted and not recorded one by one.
    pub(crate) fn read_clock(&mut self, objects: &Objects, clock: ClockKind) -> wasmtime::Result<u64> {
        let outcome = self.try_read_clock(objects, clock);
        outcome.map_err(|failure| self.raise(failure))
    }

    fn try_read_clock(&mut self, objects: &Objects, clock: ClockKind) -> Result<u64, CallFailure> {
        self.check_interrupt()?;
        self.check_phase(clock.function(), true)?;
        if let Some(reading) = self.journal.replay.recorded_reading(clock)? {
            return Ok(reading);
        }
        self.go_live(objects);
        let mut live = self.journal.live().ok_or_else(not_ended)?;
        Ok(live.read_clock(clock)?)
    }

    /// Performs a call that may wait or change state that others see.
    pub(crate) async fn call_durable<C: DurableCall>(
        &mut self,
        objects: &Objects,
        call: C,
    ) -> wasmtime::Result<C::Answer> {
        let outcome = self.try_call_durable(objects, call).await;
        outcome.map_err(|failure| self.raise(failure))
    }

    async fn try_call_durable<C: DurableCall>(
        &mut self,
        objects: &Objects,
        call: C,
    ) -> Result<C::Answer, CallFailure> {
        self.check_interrupt()?;
        self.check_phase(C::FUNCTION, false)?;
        let recorded = HostCall { function: C::FUNCTION, request: HostCallRequest::new(call.request()) };
        if let Some((index, response)) = self.journal.replay.recorded_answer(&recorded)? {
            return answer(C::FUNCTION, index, call.answer(index, &response));
        }
        self.go_live(objects);
        let mut live = self.journal.live().ok_or_else(not_ended)?;
        let (index, response) = match call.perform(&mut live, &recorded).await? {
            CallResponse::Recorded(index, response) => (index, response),
            CallResponse::Unrecorded(response) => {
                let index = live.record(Entry::HostCall { call: recorded, response: response.clone() })?;
                (index, response)
            }
        };
        match C::EFFECT {
            Effect::ReadOnly | Effect::ChangesShared => {}
            Effect::PublishesIndex | Effect::AnnouncesIntent => live.flush()?,
        }
        answer(C::FUNCTION, index, call.answer(index, &response))
    }

    /// The wall clock, without a record. In a replay the guest sees another time than before.
    pub(crate) fn wall_unrecorded(&mut self) -> Timestamp {
        self.journal.wall_unrecorded()
    }

    /// Drops an HTTP request, if it is in flight: the guest has dropped the handles for its response.
    pub(crate) fn forget_request(&mut self, call: u64) {
        self.journal.forget_request(call);
    }

    /// Prints `event`, unless an earlier activation has printed it.
    pub(crate) fn print(&mut self, event: LogEvent) -> wasmtime::Result<()> {
        // Text that `save` and `load` print is dropped: these functions run again whenever the worker is loaded.
        if self.phase != InstancePhase::Normal {
            return Ok(());
        }
        self.journal.print_if_new(event).map_err(|stop| self.stop(stop))
    }

    /// Stops this instance. The next instance continues from `position`, which must lie in the current invocation; that
    /// began at `start`.
    pub(crate) fn jump(&mut self, start: Option<InvocationStart>, position: OplogIndex) -> wasmtime::Error {
        let failure = self.try_jump(start, position);
        self.raise(failure)
    }

    fn try_jump(&mut self, start: Option<InvocationStart>, position: OplogIndex) -> CallFailure {
        if let Err(interrupted) = self.check_interrupt() {
            return interrupted;
        }
        // Between two invocations, `save` must not revert the last one: its result is visible already.
        if let Some(text) = self.phase.deny_reason("golem:durability/position#jump", false) {
            return CallFailure::Trap(text);
        }
        let Some(start) = start else {
            return CallFailure::Trap(format!(
                "cannot jump to position {position} while nothing is being invoked"
            ));
        };
        // Replay does not visit the entries that a recorded jump reverted. So a jump while recorded entries remain is a
        // divergence.
        if let Some(diverged) = self.journal.replay.unexpected_end(format!("a jump to position {position}")) {
            return CallFailure::Stop(diverged);
        }
        let is_reverted = self.journal.replay.is_state_reverted(position);
        let Some(mut live) = self.journal.live() else { return not_ended() };
        let next = live.next_index();
        if position <= start.index || position > next || is_reverted {
            return CallFailure::Trap(format!(
                "cannot jump to position {position}: the current invocation goes from {} to {next}, and a reverted \
                 position in it is no target",
                start.index.next()
            ));
        }
        live.revert_to(position, RevertReason::Jump)
    }

    /// Completes the current invocation of an event loop, and begins the next one once it arrives.
    pub(crate) async fn next_invocation(
        &mut self,
        invocation: &mut InvocationState,
        files: UpdatedFiles<'_>,
    ) -> wasmtime::Result<()> {
        let outcome = self.journal.next_invocation(self.interrupt_handle, invocation, files).await;
        outcome.map_err(|stop| self.stop(stop))
    }

    /// Converts `failure` to the error that makes wasmtime unwind the guest.
    pub(crate) fn raise(&mut self, failure: CallFailure) -> wasmtime::Error {
        match failure {
            CallFailure::Stop(stop) => self.stop(stop),
            CallFailure::Trap(text) => wasmtime::Error::msg(text),
        }
    }

    /// Stops the guest for this reason: the returned error makes wasmtime unwind it.
    pub(crate) fn stop(&mut self, stop: StopReason) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        wasmtime::Error::msg("the worker stops")
    }

    /// Resumes the HTTP requests that the recorded entries left in flight, at the first call after them.
    fn go_live(&mut self, objects: &Objects) {
        if !std::mem::replace(&mut self.journal.went_live, true)
            && let Some(mut live) = self.journal.live()
        {
            for unanswered in objects.unanswered_requests() {
                live.resume_request(unanswered);
            }
        }
    }

    fn check_phase(&self, function: HostFunction, is_read_only: bool) -> Result<(), CallFailure> {
        match self.phase.deny_reason(function.name(), is_read_only) {
            None => Ok(()),
            Some(text) => Err(CallFailure::Trap(text)),
        }
    }

    fn check_interrupt(&self) -> Result<(), CallFailure> {
        if self.interrupt_handle.is_interrupted() {
            Err(CallFailure::Stop(StopReason::Interrupted))
        } else {
            Ok(())
        }
    }
}

/// The error if there is no [`Live`](super::Live) although [`Replay`](super::Replay) has found the end of the recorded entries.
fn not_ended() -> CallFailure {
    CallFailure::Trap("the oplog has neither ended nor another entry".to_owned())
}

/// Reports a recorded answer that cannot be decoded as a divergence: another program wrote it.
fn answer<A>(
    function: HostFunction,
    index: OplogIndex,
    decoded: Result<A, golem_model::oplog::wire::DecodeError>,
) -> Result<A, CallFailure> {
    decoded.map_err(|error| CallFailure::Stop(unreadable_answer(function, index, &error)))
}

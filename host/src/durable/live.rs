//! What a call may do once the recorded entries have ended.
//!
//! Invariant: entries reach the store in the order in which they were recorded, each once, under consecutive indices.

use super::History;
use super::buffer::EntryBuffer;
use super::clock::WorkerClock;
use super::effect::CallFailure;
use super::exchange::{BodyEnd, BodyRead, Exchanges, ResponsePart, ResponseState};
use super::output::OutputBuffer;
use super::replay::OplogEnded;
use crate::SnapshotBase;
use crate::imports::UnansweredRequest;
use crate::ports::{
    AnswerState, HttpFailure, HttpRequest, LogEvent, OutgoingCall, Ports, WorkerMetadata, WorkerPage,
    WorkerQuery,
};
use crate::{InterruptHandle, StopReason};
use golem_model::oplog::{ClockKind, HostCall, RevertReason, Suspension};
use golem_model::promise::{PromiseCompletion, PromiseState};
use golem_model::{Entry, OplogIndex, PromiseId, Timestamp, WorkerId};
use std::sync::Arc;
use std::time::Duration;

/// The end of the oplog, where entries are added.
#[derive(Debug)]
pub(crate) struct Tail {
    ports: Ports,
    interrupt_handle: InterruptHandle,
    clock: WorkerClock,
    suspend_after: Duration,
    /// The elapsed time at which a settled promise was found last, unless the worker's place in memory is needed since.
    promise_settled_at: Option<Duration>,
    /// Entries that are recorded and not yet appended to the store.
    buffer: EntryBuffer,
    /// Printed events that wait for these entries.
    output: OutputBuffer,
    /// The index of the last entry that was appended to the store.
    appended: OplogIndex,
    /// This engine's fingerprint, if the oplog names another engine last or none. It is recorded before the next entry.
    engine_to_record: Option<String>,
    /// HTTP requests in flight.
    exchanges: Exchanges,
}

/// The properties of an activation that a [`Tail`] needs.
#[derive(Debug)]
pub(crate) struct ActivationContext {
    /// The ports for entries, time, promises and the rest.
    pub(crate) ports: Ports,
    /// Interrupts waits.
    pub(crate) interrupt_handle: InterruptHandle,
    /// A wait longer than this parks the worker.
    pub(crate) suspend_after: Duration,
    /// The time that a recorded entry may stay in the buffer.
    pub(crate) progress: Duration,
    /// This engine's fingerprint.
    pub(crate) engine: String,
}

impl Tail {
    /// The end of `history`, and of `base` before it if there is one. If a region is to be repeated, its entries are
    /// reverted before anything else is recorded.
    pub(crate) fn new(base: Option<&SnapshotBase>, history: &History, context: ActivationContext) -> Self {
        let named = history.engine.as_ref().or(base.map(|base| &base.state.engine));
        let engine_to_record = (named != Some(&context.engine)).then_some(context.engine);
        let at = context.ports.clock.now();
        let revert = |from| Entry::Revert { at, from, reason: RevertReason::RegionRetry };
        Self {
            ports: context.ports,
            interrupt_handle: context.interrupt_handle,
            clock: WorkerClock::new(base, &history.clock),
            suspend_after: context.suspend_after,
            promise_settled_at: None,
            buffer: EntryBuffer::new(history.repeat_from.map(revert).into_iter().collect(), context.progress),
            output: OutputBuffer::default(),
            appended: history.end,
            engine_to_record,
            exchanges: Exchanges::default(),
        }
    }

    pub(crate) fn last_appended(&self) -> OplogIndex {
        self.appended
    }

    /// While `is_held`, recorded entries are not appended. Dropping the instance loses them.
    pub(crate) fn set_appends_held(&mut self, is_held: bool) {
        self.buffer.set_held(is_held);
    }

    pub(crate) fn are_appends_held(&self) -> bool {
        self.buffer.is_held()
    }

    /// Whether recorded entries must be appended now.
    pub(crate) fn must_flush(&self) -> bool {
        self.buffer.must_flush(|| self.ports.clock.elapsed())
    }

    pub(crate) fn forget_request(&mut self, call: u64) {
        self.exchanges.forget(call);
    }

    pub(crate) fn forget_requests(&mut self) {
        self.exchanges = Exchanges::default();
    }

    pub(crate) fn wall_now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}

/// Proof that the recorded entries have ended, with everything that may be done then.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    tail: &'a mut Tail,
}

impl<'a> Live<'a> {
    pub(crate) fn new(_: OplogEnded, tail: &'a mut Tail) -> Self {
        Self { tail }
    }

    /// The wall clock.
    pub(crate) fn wall_now(&self) -> Timestamp {
        self.tail.wall_now()
    }

    /// The worker's monotonic clock, in nanoseconds.
    pub(crate) fn monotonic_now(&mut self) -> u64 {
        self.tail.clock.now(&*self.tail.ports.clock)
    }

    /// Reads a clock and records the reading. Within a millisecond, and without another entry in
    /// between, the first reading stands for the next ones, which are counted. An append ends the
    /// counting, so a guest that polls a clock until a time is reached sees the time advance with
    /// each append.
    pub(crate) fn read_clock(&mut self, clock: ClockKind) -> Result<u64, StopReason> {
        self.record_engine();
        let now = self.tail.ports.clock.elapsed();
        if self.tail.buffer.must_flush(|| now) {
            self.flush()?;
        }
        if let Some(counted) = self.tail.buffer.count_reading(clock, now) {
            return Ok(counted);
        }
        let reading = match clock {
            ClockKind::Wall => self.wall_now().as_nanos(),
            ClockKind::Monotonic => self.monotonic_now(),
        };
        self.tail.buffer.push_reading(clock, reading, now);
        Ok(reading)
    }

    /// The index that the next recorded entry will have.
    pub(crate) fn next_index(&mut self) -> OplogIndex {
        self.record_engine();
        self.tail.appended.plus(self.tail.buffer.len() + 1)
    }

    /// Adds `entry` to the oplog and returns its index. Appends the buffer if it is full, or older than it may be.
    pub(crate) fn record(&mut self, entry: Entry) -> Result<OplogIndex, StopReason> {
        self.record_with_deadline(entry, Duration::MAX)
    }

    /// Like [`Live::record`]. The entry is appended at the latest at the elapsed time `due`.
    pub(crate) fn record_with_deadline(
        &mut self,
        entry: Entry,
        due: Duration,
    ) -> Result<OplogIndex, StopReason> {
        let index = self.next_index();
        let now = self.tail.ports.clock.elapsed();
        self.tail.buffer.push(entry, now);
        self.tail.buffer.limit_flush_deadline(due);
        if self.tail.buffer.must_flush(|| now) {
            self.flush()?;
        }
        Ok(index)
    }

    /// Adds `entries` and appends them, in one row.
    pub(crate) fn append_together(
        &mut self,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), StopReason> {
        self.record_engine();
        let now = self.tail.ports.clock.elapsed();
        for entry in entries {
            self.tail.buffer.push(entry, now);
        }
        self.flush()
    }

    /// While `is_held`, recorded entries are not appended. Dropping the instance loses them.
    pub(crate) fn set_appends_held(&mut self, is_held: bool) {
        self.tail.set_appends_held(is_held);
    }

    /// Appends the buffered entries to the store.
    pub(crate) fn flush(&mut self) -> Result<(), StopReason> {
        if self.tail.buffer.is_empty() {
            return Ok(());
        }
        let (first, entries) = self.take_buffer();
        let count = entries.len() as u64;
        self.tail.ports.oplog.append(first, entries).map_err(StopReason::Port)?;
        self.set_appended(self.tail.appended.plus(count));
        Ok(())
    }

    /// Appends the buffered entries and returns once they are durable.
    pub(crate) async fn commit(&mut self) -> Result<(), CallFailure> {
        self.flush()?;
        Ok(self.tail.ports.oplog.commit().await?)
    }

    /// The index of the last entry that was appended to the store.
    pub(crate) fn last_appended(&self) -> OplogIndex {
        self.tail.appended
    }

    /// Reverts the entries from `from` on: they are not replayed any more. The returned failure ends the instance; the
    /// next one continues from there.
    pub(crate) fn revert_to(&mut self, from: OplogIndex, reason: RevertReason) -> CallFailure {
        let at = self.wall_now();
        let recorded = self.record(Entry::Revert { at, from, reason }).and_then(|_| self.flush());
        CallFailure::Stop(recorded.map_or_else(|stop| stop, |()| StopReason::JumpedBack))
    }

    /// The metadata of a worker.
    pub(crate) async fn worker_metadata(
        &self,
        worker: &WorkerId,
    ) -> Result<Option<WorkerMetadata>, CallFailure> {
        Ok(self.tail.ports.workers.metadata(worker).await?)
    }

    /// A page of workers.
    pub(crate) async fn worker_list(&self, query: &WorkerQuery) -> Result<WorkerPage, CallFailure> {
        Ok(self.tail.ports.workers.list(query).await?)
    }

    /// The state of a promise.
    pub(crate) async fn promise(&mut self, promise: &PromiseId) -> Result<PromiseState, CallFailure> {
        let found = self.tail.ports.promises.get(promise).await?;
        if found != PromiseState::Pending {
            self.tail.promise_settled_at = Some(self.tail.ports.clock.elapsed());
        }
        Ok(found)
    }

    /// Completes a promise; returns the index of the entry that the store added for `call`.
    pub(crate) async fn complete_promise(
        &mut self,
        call: HostCall,
        promise: &PromiseId,
        data: Vec<u8>,
    ) -> Result<(OplogIndex, PromiseCompletion), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let completion = self.tail.ports.promises.complete(first, entries, call, promise, data).await?;
        self.set_appended(index);
        Ok((index, completion))
    }

    /// Deletes a promise; returns the index of the entry that the store added for `call`.
    pub(crate) async fn delete_promise(
        &mut self,
        call: HostCall,
        promise: &PromiseId,
    ) -> Result<(OplogIndex, bool), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let existed = self.tail.ports.promises.delete(first, entries, call, promise).await?;
        self.set_appended(index);
        Ok((index, existed))
    }

    /// Waits until the monotonic clock shows `deadline_nanos`, one of `promises` is no longer pending, or an HTTP
    /// request has made progress. If the deadline is not near and no request is in flight, parks the worker instead.
    pub(crate) async fn wait(
        &mut self,
        deadline_nanos: Option<u64>,
        promises: Vec<PromiseId>,
    ) -> Result<(), CallFailure> {
        let now = self.monotonic_now();
        if self.can_leave_memory(now, deadline_nanos) {
            let remaining = deadline_nanos.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
            Err(self.park(now, remaining, promises))
        } else {
            self.wait_in_memory(deadline_nanos, &promises).await
        }
    }

    /// Whether a wait until `deadline_nanos` parks the worker.
    fn can_leave_memory(&self, now: u64, deadline_nanos: Option<u64>) -> bool {
        let is_near =
            |deadline: u64| Duration::from_nanos(deadline.saturating_sub(now)) <= self.tail.suspend_after;
        // Leaving memory would drop a request that is in flight, and it would be sent again.
        !deadline_nanos.is_some_and(is_near) && !self.tail.exchanges.has_requests()
    }

    /// Like [`Live::wait`], for a wait for promises that includes no call. If a promise was settled shortly before, others
    /// are likely to follow: the worker stays in memory for as long as a wait may be, so that each of many promises costs
    /// neither a replay nor an entry that names those that are left. It leaves memory if its place is needed.
    pub(crate) async fn wait_for_promises(
        &mut self,
        deadline_nanos: Option<u64>,
        promises: Vec<PromiseId>,
    ) -> Result<(), CallFailure> {
        let elapsed = self.tail.ports.clock.elapsed();
        let stays_until = self.tail.promise_settled_at.map(|at| at.saturating_add(self.tail.suspend_after));
        let Some(left) =
            stays_until.and_then(|until| until.checked_sub(elapsed)).filter(|left| !left.is_zero())
        else {
            return self.wait(deadline_nanos, promises).await;
        };
        self.flush()?;
        let now = self.monotonic_now();
        let can_leave = self.can_leave_memory(now, deadline_nanos);
        // A worker that can leave checks again when its deadline becomes so near that it cannot any more.
        let stays = if can_leave { nanos(self.tail.suspend_after) } else { 0 };
        let until = now.saturating_add(nanos(left));
        let until = deadline_nanos.map_or(until, |deadline| deadline.saturating_sub(stays).min(until));
        let ports = self.tail.ports.clone();
        let is_wanted = tokio::select! {
            biased;
            waited = self.wait_in_memory(Some(until), &promises) => {
                waited?;
                false
            }
            // The notification is for one worker. One that cannot leave would take it from another one that can.
            () = ports.promises.place_wanted(), if can_leave => true,
        };
        if is_wanted {
            self.tail.promise_settled_at = None;
        }
        Ok(())
    }

    /// Like [`Live::wait`], but waits in memory for at most `soon` and never parks. The caller then checks again and
    /// calls [`Live::wait`].
    pub(crate) async fn wait_briefly(
        &mut self,
        deadline_nanos: Option<u64>,
        promises: Vec<PromiseId>,
        soon: Duration,
    ) -> Result<(), CallFailure> {
        let until = self.monotonic_now().saturating_add(nanos(soon));
        let until = deadline_nanos.map_or(until, |deadline| deadline.min(until));
        // Other workers must see everything done so far, and their own changes must come after it in commit order.
        self.flush()?;
        self.wait_in_memory(Some(until), &promises).await
    }

    /// Makes a call to another worker; returns the index and the response of the entry that the store added for `call`.
    pub(crate) async fn make_call(
        &mut self,
        call: HostCall,
        outgoing: OutgoingCall,
    ) -> Result<(OplogIndex, Vec<u8>), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let response = self.tail.ports.calls.make(first, entries, call, outgoing).await?;
        self.set_appended(index);
        Ok((index, response))
    }

    /// Cancels a call to another worker; returns the index and the response of the entry that the store added for
    /// `call`.
    pub(crate) async fn cancel_call(
        &mut self,
        call: HostCall,
        number: OplogIndex,
    ) -> Result<(OplogIndex, Vec<u8>), CallFailure> {
        let (first, entries) = self.take_buffer();
        let index = first.plus(entries.len() as u64);
        let response = self.tail.ports.calls.cancel(first, entries, call, number).await?;
        self.set_appended(index);
        Ok((index, response))
    }

    /// The state of the answer to a call.
    pub(crate) async fn call_answer(&self, call: OplogIndex) -> Result<AnswerState, CallFailure> {
        Ok(self.tail.ports.calls.answer(call).await?)
    }

    async fn wait_in_memory(
        &mut self,
        deadline_nanos: Option<u64>,
        promises: &[PromiseId],
    ) -> Result<(), CallFailure> {
        let tail = &mut *self.tail;
        let until = deadline_nanos.map(|deadline| tail.clock.elapsed_at(&*tail.ports.clock, deadline));
        // The guest makes no call during the wait, so nothing else would append entries that become due meanwhile. They
        // are committed while the guest waits.
        if tail.buffer.is_due_before(until) {
            self.flush()?;
        }
        let tail = &mut *self.tail;
        let due = async {
            match until {
                Some(until) => tail.ports.clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let completed = async {
            if promises.is_empty() {
                std::future::pending().await
            } else {
                tail.ports.promises.wait_any(promises).await
            }
        };
        tokio::select! {
            biased;
            () = tail.interrupt_handle.interrupted() => Err(CallFailure::Stop(StopReason::Interrupted)),
            () = tail.exchanges.changed() => Ok(()),
            () = due => Ok(()),
            completed = completed => Ok(completed?),
        }
    }

    /// Whether `request` may be sent, as far as can be decided before sending.
    pub(crate) fn admit_request(&self, request: &HttpRequest) -> Result<(), HttpFailure> {
        if !self.tail.exchanges.has_room() {
            return Err(HttpFailure::TooMany);
        }
        self.tail.ports.http.admit_request(request)
    }

    /// Sends `request` once everything appended so far is durable.
    pub(crate) fn send_request(&mut self, call: u64, request: Arc<HttpRequest>) {
        let (http, oplog) = (self.tail.ports.http.clone(), self.tail.ports.oplog.clone());
        self.tail.exchanges.send(call, request, http, oplog, &*self.tail.ports.tasks);
    }

    /// Resumes a request whose response no earlier activation has recorded (G4).
    pub(crate) fn resume_request(&mut self, unanswered: UnansweredRequest) {
        if unanswered.repeats {
            self.send_request(unanswered.call, unanswered.request);
        } else {
            self.tail.exchanges.fail(unanswered.call, HttpFailure::Uncertain);
        }
    }

    /// Drops a request; its connection is closed if it is still in use.
    pub(crate) fn forget_request(&mut self, call: u64) {
        self.tail.exchanges.forget(call);
    }

    /// The current state of the response to a request.
    pub(crate) fn response(&mut self, call: u64) -> ResponseState {
        self.tail.exchanges.take_response(call)
    }

    /// Up to `limit` bytes of a response's body.
    pub(crate) fn read_body(&mut self, call: u64, limit: usize) -> BodyRead {
        self.tail.exchanges.read(call, limit)
    }

    /// The end of a response's body, once it is known.
    pub(crate) fn body_end(&mut self, call: u64) -> Option<BodyEnd> {
        self.tail.exchanges.body_end(call)
    }

    /// Whether this part of a response can be read without waiting.
    pub(crate) fn is_request_ready(&self, call: u64, part: ResponsePart) -> Result<bool, CallFailure> {
        Ok(self.tail.exchanges.is_ready(call, part)?)
    }

    /// Records that the worker leaves memory. The returned failure ends the instance.
    fn park(&mut self, now: u64, remaining: Option<Duration>, promises: Vec<PromiseId>) -> CallFailure {
        let at = self.wall_now();
        let parked = Suspension {
            at,
            monotonic_nanos: now,
            wake_at: remaining.map(|remaining| at.plus(remaining)),
            promises,
        };
        let recorded = self.record(Entry::Suspended(parked.clone())).and_then(|_| self.flush());
        CallFailure::Stop(recorded.map_or_else(|stop| stop, |()| StopReason::Suspended(parked)))
    }

    pub(super) fn ports(&self) -> &Ports {
        &self.tail.ports
    }

    /// Records that a port has appended everything up to `index`, and passes on what was printed before.
    pub(super) fn set_appended(&mut self, index: OplogIndex) {
        self.tail.appended = index;
        self.emit_output();
    }

    fn emit_output(&mut self) {
        let events = self.tail.output.take();
        if !events.is_empty() {
            self.tail.ports.log.emit(events);
        }
    }

    /// Prints `event`: with the buffered entries, or at once if there are none.
    pub(super) fn print_in_order(&mut self, event: LogEvent) -> Result<(), StopReason> {
        let after = self.tail.appended.plus(self.tail.buffer.len());
        self.tail.output.push(after, event);
        if self.tail.buffer.is_empty() {
            self.emit_output();
        } else if self.tail.output.is_full() {
            self.flush()?;
        } else {
            self.tail.buffer.arm_flush_deadline(self.tail.ports.clock.elapsed());
        }
        Ok(())
    }

    pub(super) fn take_buffer(&mut self) -> (OplogIndex, Vec<Entry>) {
        self.record_engine();
        (self.tail.appended.next(), self.tail.buffer.take())
    }

    fn record_engine(&mut self) {
        if let Some(engine) = self.tail.engine_to_record.take() {
            let at = self.wall_now();
            let now = self.tail.ports.clock.elapsed();
            self.tail.buffer.push(Entry::Activated { at, engine }, now);
        }
    }
}

/// The duration in nanoseconds, at most `u64::MAX`.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

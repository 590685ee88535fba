//! A worker's projection: its state as recorded in its log, available without running it.
//!
//! Invariant: a projection is a pure function of the worker's rows up to `last_row`. It is written to the store lazily,
//! and after a crash the rows that follow are folded again. It holds no information of its own.

pub(crate) mod call_state;
mod process_ends;
mod snapshot_state;

pub(crate) use snapshot_state::{FinishedUpdate, PendingUpdate, RestorePoint, SnapshotState, VersionChange};

use self::call_state::{CallState, PendingReply};
use self::process_ends::ProcessEnds;
use crate::storage::ports::{Seq, StoredProjection, WorkerNum};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{
    AdminRequest, Entry, FailureCause, HostFunction, InboxEvent, InvocationSource, Suspension,
};
use golem_model::{
    AccountId, Convention, FailureOptions, IdempotencyKey, OnFailure, OplogIndex, ProjectId, PromiseId,
    ShardId, Timestamp, WorkerId, WorkerStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The format version of a stored projection. One of another version is rebuilt from the log.
const PROJECTION_VERSION: u8 = 7;

/// The state of a worker, folded from its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerProjection {
    pub(crate) worker: u64,
    pub(crate) id: WorkerId,
    pub(crate) project: ProjectId,
    pub(crate) account: AccountId,
    pub(crate) template_version: u32,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) seed: [u8; 32],
    pub(crate) created_at: Timestamp,
    /// The index before its first entry: that of the last entry of a deleted worker with the same id, or 0.
    pub(crate) begins_after: OplogIndex,
    /// The worker's last row that is folded.
    pub(crate) last_row: u64,
    /// The index of its last entry.
    pub(crate) oplog_end: OplogIndex,
    /// The invocation that has begun and not ended.
    pub(crate) current: Option<CurrentInvocation>,
    /// The index of the `InvocationStarted` entry of the current invocation, or else of the last one.
    pub(crate) begun_at: OplogIndex,
    /// Accepted invocations in order of acceptance: their rows and keys.
    pub(crate) queue: VecDeque<(u64, StoredIdempotencyKey)>,
    /// Set while the worker is suspended: it waits outside memory.
    pub(crate) waiting: Option<WaitCondition>,
    /// Number of failed attempts of the current invocation.
    pub(crate) attempts_failed: u32,
    /// Time of the next attempt.
    pub(crate) retry_at: Option<Timestamp>,
    /// Attempts that ended with the process.
    pub(crate) process_ends: ProcessEnds,
    /// Whether an operator interrupted the worker.
    pub(crate) interrupted: bool,
    /// Set when the worker has failed or exited.
    pub(crate) terminal: Option<TerminalState>,
    /// Its failure options.
    pub(crate) options: FailureOptions,
    /// Its promises by oplog index.
    pub(crate) promises: BTreeMap<u64, PromiseSlot>,
    /// Calls that it has made and calls that it has received.
    pub(crate) calls: CallState,
    /// The function that runs as an event loop, or will when its first line begins.
    pub(crate) event_loop: Option<Arc<str>>,
    /// The entry with which the loop's first line began, if the loop runs.
    pub(crate) loop_begun_at: Option<OplogIndex>,
    /// The rows of the queued lines for the loop.
    pub(crate) queued_lines: BTreeSet<u64>,
    /// Its snapshots and updates.
    pub(crate) snapshot_state: SnapshotState,
}

/// The invocation that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CurrentInvocation {
    pub(crate) key: StoredIdempotencyKey,
    /// The row that holds its function and parameters.
    pub(crate) started: u64,
}

/// What a suspended worker waits for: a time, or one of some promises and calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WaitCondition {
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) promises: Vec<PromiseId>,
}

/// Why a worker runs no further invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TerminalState {
    Failed,
    Exited,
}

/// The state of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PromiseSlot {
    Pending,
    /// Completed by the inbox event in this row.
    Completed(u64),
}

/// An idempotency key as text. Unlike `IdempotencyKey`, the stored form also holds anonymous keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoredIdempotencyKey(pub(crate) String);

impl StoredIdempotencyKey {
    pub(crate) fn matches(&self, key: &IdempotencyKey) -> bool {
        self.0 == key.as_str()
    }
}

impl From<&IdempotencyKey> for StoredIdempotencyKey {
    fn from(key: &IdempotencyKey) -> Self {
        Self(key.as_str().to_owned())
    }
}

/// An effect of folding a row that is outside of the projection. The ledger applies it to its index of keys, or
/// delivers it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FoldEffect {
    /// The row with the invocation's function and parameters.
    InvocationBegun { key: String, started: Seq },
    /// The row with the invocation's outcome.
    InvocationEnded { key: String, started: Seq, outcome: Seq },
    /// A reply to a caller that waits for it.
    Reply(PendingReply),
}

/// The bytes of a stored projection cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the stored projection of worker {worker} cannot be decoded: {details}")]
pub(crate) struct ProjectionError {
    pub(crate) worker: WorkerNum,
    pub(crate) details: String,
}

impl WorkerProjection {
    /// Creates the projection of a worker whose first entry is `entry`, with the index `first`. `None` if that entry is
    /// not `Created`.
    pub(crate) fn from_created(worker: WorkerNum, first: OplogIndex, entry: &Entry) -> Option<Self> {
        let Entry::Created { at, id, project, account, template_version, args, env, seed } = entry else {
            return None;
        };
        let begins_after = OplogIndex(first.0.checked_sub(1)?);
        Some(Self {
            worker: worker.0,
            id: id.clone(),
            project: *project,
            account: *account,
            template_version: *template_version,
            args: args.clone(),
            env: env.clone(),
            seed: *seed,
            created_at: *at,
            begins_after,
            last_row: 0,
            oplog_end: begins_after,
            current: None,
            begun_at: begins_after,
            queue: VecDeque::new(),
            waiting: None,
            attempts_failed: 0,
            retry_at: None,
            process_ends: ProcessEnds::default(),
            interrupted: false,
            terminal: None,
            options: FailureOptions::default(),
            promises: BTreeMap::new(),
            calls: CallState::default(),
            event_loop: None,
            loop_begun_at: None,
            queued_lines: BTreeSet::new(),
            snapshot_state: SnapshotState::default(),
        })
    }

    pub(crate) fn shard(&self) -> ShardId {
        ShardId::of(self.id.template, &self.id.name)
    }

    /// Folds one of the worker's rows. A row that is folded already changes nothing.
    pub(crate) fn apply_row(&mut self, seq: Seq, row: &Row, effects: &mut Vec<FoldEffect>) {
        if seq.0 <= self.last_row {
            return;
        }
        self.last_row = seq.0;
        match row {
            Row::Entries { first, entries } => {
                for (offset, entry) in (0..).zip(entries) {
                    self.apply_entry(seq, first.plus(offset), entry, effects);
                }
            }
            Row::InboxEvent(event) => self.apply_inbox_event(seq, event, effects),
        }
    }

    fn apply_entry(&mut self, seq: Seq, index: OplogIndex, entry: &Entry, effects: &mut Vec<FoldEffect>) {
        self.oplog_end = index;
        self.process_ends.apply_entry(seq, index, entry);
        match entry {
            Entry::Created { .. } | Entry::Activated { .. } => {}
            Entry::ProgramEnded { .. } => self.terminal = Some(TerminalState::Exited),
            Entry::LifecycleEvent(event) => {
                if let Some(version) = self.snapshot_state.apply_lifecycle_event(seq, index, event) {
                    self.template_version = version;
                }
            }
            Entry::InvocationStarted { at: _, key, source } => {
                self.snapshot_state.invocations += 1;
                let line = match source {
                    InvocationSource::Inline { .. } => false,
                    InvocationSource::Program { convention, .. } => *convention == Convention::StdioEventLoop,
                    InvocationSource::Queued { row: accepted_row } => self.queued_lines.remove(accepted_row),
                };
                if line {
                    self.loop_begun_at.get_or_insert(index);
                }
                let started = match source {
                    InvocationSource::Inline { .. } | InvocationSource::Program { .. } => {
                        effects
                            .push(FoldEffect::InvocationBegun { key: key.as_str().to_owned(), started: seq });
                        seq.0
                    }
                    InvocationSource::Queued { row: accepted_row } => {
                        self.queue.retain(|(queued, _)| queued != accepted_row);
                        *accepted_row
                    }
                };
                if let InvocationSource::Program { function, convention, input: _ } = source {
                    self.note_event_loop(function, *convention);
                }
                self.current = Some(CurrentInvocation { key: StoredIdempotencyKey::from(key), started });
                self.begun_at = index;
                self.waiting = None;
                self.attempts_failed = 0;
                self.retry_at = None;
            }
            Entry::HostCall { call, response } => {
                self.waiting = None;
                self.retry_at = None;
                if call.function == HostFunction::PromiseCreate {
                    self.promises.insert(index.0, PromiseSlot::Pending);
                }
                self.apply_host_call(index, call, response);
            }
            Entry::ClockReadings(_) => {
                self.waiting = None;
                self.retry_at = None;
            }
            Entry::InvocationCompleted { at: _, result: _ } => {
                self.reply_to_current(index, effects);
                self.end_current(seq, effects);
            }
            Entry::AttemptFailed { at: _, details: _, retry_at } => {
                self.waiting = None;
                self.attempts_failed += 1;
                self.retry_at = Some(*retry_at);
            }
            Entry::InvocationFailed { at: _, cause } => {
                let failed = match cause {
                    FailureCause::ProcessEnded { times } => self.attempts_failed.saturating_add(*times),
                    _ => self.attempts_failed + 1,
                };
                // A worker that continues without this invocation will run the queued calls, so only this caller gets
                // the error.
                if self.goes_on_without_invocation(cause) {
                    self.reply_current_failed(&super::error::describe(cause), effects);
                } else {
                    self.reply_all_failed(&super::error::describe(cause), effects);
                }
                self.end_current(seq, effects);
                self.attempts_failed = failed;
                self.terminal = Some(match cause {
                    FailureCause::Exited { .. } | FailureCause::ExitedWithStderr { .. } => {
                        TerminalState::Exited
                    }
                    FailureCause::Trap { .. }
                    | FailureCause::ProcessEnded { .. }
                    | FailureCause::Diverged { .. }
                    | FailureCause::Discarded { .. } => TerminalState::Failed,
                });
            }
            Entry::Suspended(Suspension { at: _, monotonic_nanos: _, wake_at, promises }) => {
                // The attempt that waits is the one whose time had come.
                self.retry_at = None;
                // One of the worker's own promises may have been completed after the guest checked it and before this
                // entry. Then there is nothing to wait for, and no event would wake the worker again.
                let filled =
                    |promise: &PromiseId| promise.worker == self.id && !self.is_pending(promise.index);
                if !promises.iter().any(filled) {
                    self.waiting = Some(WaitCondition { wake_at: *wake_at, promises: promises.clone() });
                }
            }
            Entry::Configured { at: _, options } => self.options = *options,
            Entry::Revert { at: _, from, reason: _ } => self.revert_from(*from),
        }
    }

    /// Reverts the changes that the entries from `from` on have made. The number of failed attempts is kept, unless the
    /// invocation itself is reverted: otherwise an atomic region that always fails would be retried without a bound.
    fn revert_from(&mut self, from: OplogIndex) {
        self.promises.retain(|index, _| *index < from.0);
        self.calls.revert_from(from);
        self.snapshot_state.revert_from(from);
        self.waiting = None;
        self.retry_at = None;
        if self.begun_at >= from {
            self.current = None;
            self.attempts_failed = 0;
            self.terminal = None;
            self.process_ends.reset();
        }
        if self.loop_begun_at.is_some_and(|begun| begun >= from) {
            self.loop_begun_at = None;
        }
        self.clear_ended_event_loop();
    }

    /// Clears the event loop if it neither runs nor has queued lines. The worker then accepts any invocation again.
    fn clear_ended_event_loop(&mut self) {
        if self.loop_begun_at.is_none() && self.queued_lines.is_empty() {
            self.event_loop = None;
        }
    }

    fn note_event_loop(&mut self, function: &Arc<str>, convention: Convention) {
        if convention == Convention::StdioEventLoop {
            self.event_loop.get_or_insert_with(|| Arc::clone(function));
        }
    }

    fn end_current(&mut self, seq: Seq, effects: &mut Vec<FoldEffect>) {
        if let Some(CurrentInvocation { key, started }) = self.current.take() {
            effects.push(FoldEffect::InvocationEnded { key: key.0, started: Seq(started), outcome: seq });
        }
        self.waiting = None;
        self.attempts_failed = 0;
        self.retry_at = None;
    }

    fn apply_inbox_event(&mut self, seq: Seq, event: &InboxEvent, effects: &mut Vec<FoldEffect>) {
        match event {
            InboxEvent::Invocation { at: _, key, function: _, params: _ } => {
                effects.push(FoldEffect::InvocationBegun { key: key.as_str().to_owned(), started: seq });
                self.queue.push_back((seq.0, StoredIdempotencyKey::from(key)));
            }
            InboxEvent::Program { at: _, key, function, convention, input: _ } => {
                effects.push(FoldEffect::InvocationBegun { key: key.as_str().to_owned(), started: seq });
                self.queue.push_back((seq.0, StoredIdempotencyKey::from(key)));
                self.note_event_loop(function, *convention);
                if *convention == Convention::StdioEventLoop {
                    self.queued_lines.insert(seq.0);
                }
            }
            InboxEvent::PromiseCompleted { at: _, promise, data: _ } => {
                self.promises.insert(promise.0, PromiseSlot::Completed(seq.0));
                self.stop_waiting_for(*promise);
            }
            InboxEvent::PromiseDeleted { at: _, promise } => {
                self.promises.remove(&promise.0);
                self.stop_waiting_for(*promise);
            }
            InboxEvent::Interrupted { at: _ } => {
                self.interrupted = true;
                self.process_ends.stop();
            }
            InboxEvent::Resumed { at: _ } => {
                self.interrupted = false;
                self.process_ends.stop();
            }
            // The ledger removes the projection itself.
            InboxEvent::Deleted { at: _ } => {}
            InboxEvent::Admin(AdminRequest::UpdateRequested { at, mode, to }) => {
                self.snapshot_state.update = Some(PendingUpdate { at: *at, mode: *mode, to: *to });
                if self.current.is_none() {
                    self.process_ends.reset();
                }
            }
            InboxEvent::Admin(AdminRequest::UpdateWithdrawn { at: _ }) => {
                self.snapshot_state.update = None;
                if self.current.is_none() {
                    self.process_ends.reset();
                }
            }
            InboxEvent::Admin(AdminRequest::InvocationCancelled { at: _, key }) => {
                if let Some(place) = self.queue.iter().position(|(_, queued)| queued.matches(key))
                    && let Some((started, key)) = self.queue.remove(place)
                {
                    self.forget_process_ends_of_queued(place);
                    self.queued_lines.remove(&started);
                    self.clear_ended_event_loop();
                    self.reply_cancelled(started, effects);
                    effects.push(FoldEffect::InvocationEnded {
                        key: key.0,
                        started: Seq(started),
                        outcome: seq,
                    });
                }
            }
            InboxEvent::Call(call) => self.apply_call_event(seq, call),
            InboxEvent::Process(event) => self.process_ends.apply_event(seq, event),
        }
    }

    /// The invocation at this place of the queue was withdrawn. Forgets its attempts that ended with the process, if they
    /// are its own: a worker continues its current invocation first, then an update, and then its queue.
    fn forget_process_ends_of_queued(&mut self, place: usize) {
        if place == 0 && self.current.is_none() && self.snapshot_state.update.is_none() {
            self.process_ends.reset();
        }
    }

    /// Whether the worker waits for `promise`.
    pub(crate) fn waits_for(&self, promise: &PromiseId) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.promises.contains(promise))
    }

    /// Returns the promises of other workers that the worker waits for.
    pub(crate) fn foreign_awaited_promises(&self) -> Vec<PromiseId> {
        let awaited = self.waiting.iter().flat_map(|waiting| &waiting.promises);
        awaited.filter(|promise| promise.worker != self.id).cloned().collect()
    }

    /// Ends the wait if it includes this promise or call of the worker itself.
    fn stop_waiting_for(&mut self, promise: OplogIndex) {
        let own = |waited: &PromiseId| waited.worker == self.id && waited.index == promise;
        if self.waiting.as_ref().is_some_and(|waiting| waiting.promises.iter().any(own)) {
            self.waiting = None;
        }
    }

    /// Returns the entries that created the worker, if it has no others yet.
    pub(crate) fn only_creation_entries(&self) -> Option<Vec<Entry>> {
        let entries = self.creation_entries();
        (self.oplog_end == self.begins_after.plus(entries.len() as u64)).then_some(entries)
    }

    fn creation_entries(&self) -> Vec<Entry> {
        let created = Entry::Created {
            at: self.created_at,
            id: self.id.clone(),
            project: self.project,
            account: self.account,
            template_version: self.template_version,
            args: self.args.clone(),
            env: self.env.clone(),
            seed: self.seed,
        };
        let configured = Entry::Configured { at: self.created_at, options: self.options };
        std::iter::once(created).chain((!self.options.is_empty()).then_some(configured)).collect()
    }

    /// Whether an invocation that ends with this failure is reverted, so that the worker continues without it.
    fn goes_on_without_invocation(&self, cause: &FailureCause) -> bool {
        match cause {
            FailureCause::Discarded { .. } => true,
            FailureCause::Exited { .. } | FailureCause::ExitedWithStderr { .. } => false,
            FailureCause::Trap { .. } | FailureCause::ProcessEnded { .. } | FailureCause::Diverged { .. } => {
                self.rolls_back()
            }
        }
    }

    /// Whether a failed invocation is rolled back (`on-failure = rollback`).
    pub(crate) fn rolls_back(&self) -> bool {
        self.options.on_failure == Some(OnFailure::Rollback)
    }

    /// Whether the current invocation waits for something, or for its next attempt. One that was continued does not: a
    /// promise or a timer has ended its wait, and its next entry will say so.
    pub(crate) fn waits(&self) -> bool {
        (self.waiting.is_some() || self.retry_at.is_some()) && !self.process_ends.has_continued_attempt()
    }

    /// Whether the worker has neither failed nor exited, and is not interrupted.
    pub(crate) fn runs_invocations(&self) -> bool {
        self.terminal.is_none() && !self.interrupted
    }

    /// Whether the log has work that has not ended: an invocation that has begun, an accepted one, or an update.
    pub(crate) fn has_unfinished_work(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty() || self.snapshot_state.update.is_some()
    }

    /// Whether an instance could run something now.
    pub(crate) fn is_runnable(&self) -> bool {
        self.runs_invocations()
            && !self.waits()
            && self.process_ends.resume_at().is_none()
            && self.has_unfinished_work()
    }

    /// The time of the worker's timer: its own wake-up time, or the time of a delayed call to it, whichever is earlier.
    pub(crate) fn timer_due_at(&self) -> Option<Timestamp> {
        if self.terminal.is_some() {
            return None;
        }
        self.resumes_at().into_iter().chain(self.calls.first_due()).min()
    }

    /// The time at which the worker itself continues: its next attempt, or the end of its wait.
    pub(crate) fn resumes_at(&self) -> Option<Timestamp> {
        if self.interrupted || self.terminal.is_some() {
            return None;
        }
        if self.process_ends.has_continued_attempt() {
            return None;
        }
        let delayed = self.process_ends.resume_at().or(self.retry_at);
        delayed.or_else(|| self.waiting.as_ref().and_then(|waiting| waiting.wake_at))
    }

    /// The worker's status as REST shows it, judged by the log alone.
    pub(crate) fn status(&self) -> WorkerStatus {
        match (self.terminal, &self.current) {
            (Some(TerminalState::Failed), _) => WorkerStatus::Failed,
            (Some(TerminalState::Exited), _) => WorkerStatus::Exited,
            (None, None) if self.queue.is_empty() && self.process_ends.resume_at().is_none() => {
                WorkerStatus::Idle
            }
            (None, _) if self.interrupted => WorkerStatus::Interrupted,
            (None, _) if self.process_ends.resume_at().is_some() => WorkerStatus::Retrying,
            (None, _) if self.process_ends.has_continued_attempt() => WorkerStatus::Running,
            (None, _) if self.retry_at.is_some() => WorkerStatus::Retrying,
            (None, _) if self.waiting.is_some() => WorkerStatus::Suspended,
            (None, _) => WorkerStatus::Running,
        }
    }

    /// Encodes the projection for the store.
    pub(crate) fn to_stored(&self) -> StoredProjection {
        let mut bytes = vec![PROJECTION_VERSION];
        bytes = postcard::to_extend(self, bytes)
            .expect("a projection is plain data, which always serialises into memory");
        StoredProjection {
            worker: WorkerNum(self.worker),
            id: self.id.clone(),
            project: self.project,
            shard: self.shard(),
            applied: Seq(self.last_row),
            active: self.is_runnable() || self.waits_for_foreign_promise() || self.calls.expects_answer(),
            wake_at: self.timer_due_at(),
            encoded: bytes,
        }
    }

    /// Whether the worker waits for a promise of another worker. After a restart such a worker is loaded, so that
    /// completing the promise wakes it.
    pub(crate) fn waits_for_foreign_promise(&self) -> bool {
        self.waiting
            .as_ref()
            .is_some_and(|waiting| waiting.promises.iter().any(|promise| promise.worker != self.id))
    }

    /// Decodes what [`WorkerProjection::to_stored`] encoded.
    pub(crate) fn from_stored(stored: &StoredProjection) -> Result<Self, ProjectionError> {
        let error = |details: String| ProjectionError { worker: stored.worker, details };
        match stored.encoded.split_first() {
            Some((&PROJECTION_VERSION, bytes)) => {
                postcard::from_bytes(bytes).map_err(|e| error(e.to_string()))
            }
            Some((version, _)) => Err(error(format!(
                "it has format version {version}; this program knows version {PROJECTION_VERSION}"
            ))),
            None => Err(error("it is empty".to_owned())),
        }
    }
}

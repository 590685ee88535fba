//! Drives one worker while it has something to do.
//!
//! A task takes the worker's next piece of work under the lock, runs it on the worker's instance without the lock, and
//! settles the result under the lock again. It ends when there is nothing to do. After an invocation, a resident instance
//! starts the next one without waiting for the commit of the first: replies wait for the commit, the worker does not
//! (W4).
//!
//! Invariant: at most one task of the current generation drives a worker (`state/life_cycle.rs`).
//!
//! Invariant: the state that a task leaves behind at any point equals the state after a crash at that point, because
//! everything that matters is in the log.

use super::core::{Core, OnDurable, PendingInvocation, ResidentInstance, State, StoreHealth};
use super::ledger::{EncodedEntries, LedgerEvent, StepOutcome};
use super::load::{self, LoadError};
use super::panics;
use super::position::RowPosition;
use super::process_ends::ContinueDecision;
use super::projection::{TerminalState, WorkerProjection};
use super::retry::jitter;
use super::state::LivelockDetector;
use super::{ExecutorError, ExecutorMetrics, discard, event_loop, snapshot, update};
use crate::storage::ports::{Seq, WorkerNum};
use golem_host::ports::PortError;
use golem_host::{AcceptanceRecord, Outcome, ReplayEnd, StopReason};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{FailureCause, InboxEvent, RevertReason};
use golem_model::promise::PromiseState;
use golem_model::{Entry, Invocation, PromiseId, RetryPolicy};
use std::sync::Arc;

/// The next piece of work.
enum Work {
    /// No work: the task ends.
    Idle,
    /// Resume the invocation that the log holds unfinished.
    Resume,
    /// Perform the pending update.
    Update,
    /// Take a snapshot.
    Snapshot,
    /// Begin this invocation.
    Begin { invocation: Option<Arc<Invocation>>, key: String, accepted_row: Option<Seq> },
}

/// The result of a piece of work.
enum WorkResult {
    /// Nothing to settle.
    Nothing,
    Outcome(Outcome),
    /// The worker runs an event loop, and this invocation is not a line for it.
    EventLoopConflict(Invocation),
    /// An error of the server, to be delivered to the waiting callers.
    ServerError(ExecutorError),
}

/// Whether the task continues after settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    /// Continuing now would meet the same error.
    Stop,
}

/// Returns `result`, or a divergence if the task repeats work without an end.
fn check_effect(
    livelock: &mut LivelockDetector,
    projection: Option<&WorkerProjection>,
    result: WorkResult,
) -> WorkResult {
    let Some(projection) = projection else { return result };
    let without_effect = matches!(
        result,
        WorkResult::Nothing | WorkResult::Outcome(Outcome::Stopped(StopReason::Port(PortError::Discarded)))
    );
    if !livelock.observe_round(projection.last_row, !without_effect) {
        return result;
    }
    let status = projection.status();
    WorkResult::Outcome(Outcome::Stopped(StopReason::Diverged {
        index: projection.oplog_end,
        recorded: format!("a worker that is {status} and has something to do, according to its projection"),
        requested: "nothing to do, in many rounds of its task".to_owned(),
    }))
}

/// The task of one worker. If it panics, the worker is free for another task, and no caller waits without an end.
pub(crate) async fn run_contained(core: Arc<Core>, worker: WorkerNum, generation: u64) {
    let task = Box::pin(run(core.clone(), worker, generation));
    let Err(panic) = panics::catch_panic(&core, "the task of a worker", task).await else {
        return;
    };
    let mut state = core.lock();
    // After a panic under the lock, everything is discarded, and that answers the callers.
    if state.generation != generation {
        return;
    }
    core.reclaim_current(&mut state, worker);
    let details = format!("the server failed while it ran the worker: {panic}");
    let begun = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
    if begun {
        // Counted like any failed attempt, so a worker that makes the server panic each time fails in the end.
        record_failed_attempt(&core, &mut state, worker, details, true, None);
    } else {
        abandon_work(&core, &mut state, worker, &ExecutorError::Unavailable { reason: details.into() });
    }
    Core::notify_settled(&mut state, worker);
    finish_task(&mut state, worker);
    if begun {
        // The next task answers the callers if the worker has failed or was interrupted, or continues with the queue.
        core.spawn_if_idle(&mut state, worker);
    }
}

/// The task of one worker.
async fn run(core: Arc<Core>, worker: WorkerNum, generation: u64) {
    let mut resident: Option<ResidentInstance> = None;
    let mut result = WorkResult::Nothing;
    let mut has_run = false;
    let mut livelock = LivelockDetector::default();
    loop {
        let parked = match &result {
            WorkResult::Outcome(Outcome::Stopped(StopReason::Suspended(parked))) => parked.promises.clone(),
            _ => Vec::new(),
        };
        let drops_instance = !matches!(
            result,
            WorkResult::Nothing
                | WorkResult::EventLoopConflict(..)
                | WorkResult::Outcome(Outcome::Completed { .. })
        );
        if drops_instance {
            // Outside the lock, because dropping an instance releases memory and takes time.
            //
            // A suspended worker's instance is dropped here although the row of its `Suspension` entry may not be durable
            // yet. This is safe: suspending has no effect outside of the node, and if the commit fails, all in-memory
            // state is discarded and the worker is loaded from what the store has.
            drop(resident.take());
        }
        if !parked.is_empty() {
            recheck_promises(&core, worker, &parked).await;
        }
        let work = {
            let mut state = core.lock();
            if state.generation == generation {
                let done = std::mem::replace(&mut result, WorkResult::Nothing);
                let done = check_effect(&mut livelock, state.ledger.projection(worker), done);
                let done = match done {
                    WorkResult::Outcome(outcome) if has_run => {
                        WorkResult::Outcome(discard::outcome_unless_discarded(&state, worker, outcome))
                    }
                    other => other,
                };
                let flow = settle_work(&core, &mut state, worker, done);
                Core::notify_settled(&mut state, worker);
                if flow == Flow::Stop {
                    finish_task(&mut state, worker);
                    Work::Idle
                } else {
                    next_work(&core, &mut state, worker, &mut resident)
                }
            } else {
                Work::Idle
            }
        };
        let resumes = matches!(work, Work::Resume);
        result = match work {
            Work::Idle => return,
            Work::Resume => resume_invocation(&core, worker, generation, &mut resident).await,
            Work::Update => {
                to_work_result(update::apply_update(&core, worker, generation, &mut resident).await)
            }
            Work::Snapshot => {
                to_work_result(snapshot::take_snapshot(&core, worker, generation, &mut resident).await)
            }
            Work::Begin { invocation, key, accepted_row } => {
                begin_invocation(&core, worker, generation, &mut resident, invocation, key, accepted_row)
                    .await
            }
        };
        has_run = resumes || resident.is_some();
    }
}

/// Wakes the worker if a promise that it waits for was completed or deleted before the wait was registered, or cannot
/// be read. Checks promises of other workers only.
async fn recheck_promises(core: &Arc<Core>, worker: WorkerNum, promises: &[PromiseId]) {
    let Some(own) = core.lock().ledger.projection(worker).map(|projection| projection.id.clone()) else {
        return;
    };
    // The worker's own promises and calls were checked when its `Suspension` entry was folded.
    for promise in promises.iter().filter(|promise| promise.worker != own) {
        match core.promise_state(worker, promise).await {
            Ok(PromiseState::Pending) => {}
            Ok(PromiseState::Completed(_) | PromiseState::Unknown) | Err(_) => {
                if let Some(slot) = core.lock().slots.get_mut(&worker) {
                    slot.life_cycle.wake();
                }
                return;
            }
        }
    }
}

/// Chooses the next work. If there is none, ends the task under the same lock, so that no work is missed.
fn next_work(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    resident: &mut Option<ResidentInstance>,
) -> Work {
    loop {
        // `None` if work has failed before it began, so this ends.
        if let Some(work) = try_next_work(core, state, worker, resident) {
            return work;
        }
    }
}

fn try_next_work(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    resident: &mut Option<ResidentInstance>,
) -> Option<Work> {
    let stopping = state.stopping || matches!(state.health, StoreHealth::Down(_));
    let Some(projection) = state.ledger.projection(worker).filter(|_| !stopping) else {
        // The worker was deleted or the executor stops, so the slot is not needed any more.
        if let Some(slot) = state.slots.get_mut(&worker) {
            slot.life_cycle.finish();
        }
        return Some(Work::Idle);
    };
    let terminal = projection.terminal;
    let (interrupted, begun) = (projection.interrupted, projection.current.clone());
    let waits = projection.waits();
    let update = projection.snapshot_state.update.is_some();
    let (range, policy) = ((projection.begins_after, projection.oplog_end), &core.settings.snapshots);
    let due = |idle| projection.snapshot_state.snapshot_is_due(range, idle, policy);
    let (due, overdue) = (due(true), due(false));
    let Some(slot) = state.slots.get_mut(&worker) else { return Some(Work::Idle) };
    let woken = slot.life_cycle.take_wake();
    if let Some(terminal) = terminal {
        reply_terminal_to_all(core, state, worker, terminal);
        finish_task(state, worker);
        return Some(Work::Idle);
    }
    if interrupted {
        Core::reply_interrupted(state, worker);
    }
    if interrupted || (begun.is_some() && waits && !woken) {
        finish_task(state, worker);
        return Some(Work::Idle);
    }
    let Some(slot) = state.slots.get(&worker) else { return Some(Work::Idle) };
    let next = slot.current.as_ref().or_else(|| slot.pending.front());
    let accepted_earlier = next.and_then(|next| next.accepted_row).is_some_and(|row| row <= core.began_after);
    if begun.is_some() || (slot.current.is_none() && update) || accepted_earlier {
        match core.check_process_ends(state, worker) {
            ContinueDecision::Ready => {}
            ContinueDecision::Later => {
                finish_task(state, worker);
                return Some(Work::Idle);
            }
            ContinueDecision::Failed => return None,
        }
    }
    let Some(slot) = state.slots.get_mut(&worker) else { return Some(Work::Idle) };
    if let Some(begun) = begun {
        slot.current.get_or_insert_with(|| PendingInvocation::from_log(begun.key.0, None));
        take_instance(state, worker, resident);
        return Some(Work::Resume);
    }
    if slot.current.is_none() && update {
        take_instance(state, worker, resident);
        return Some(Work::Update);
    }
    let saves = slot.current.is_none() && (overdue || (due && slot.pending.is_empty()));
    if saves && resident.as_ref().is_some_and(|resident| resident.instance.can_save()) {
        take_instance(state, worker, resident);
        return Some(Work::Snapshot);
    }
    if slot.current.is_none() {
        slot.current = slot.pending.pop_front();
    }
    if let Some(current) = &slot.current {
        let (invocation, key, accepted_row) =
            (current.invocation.clone(), current.key.clone(), current.accepted_row);
        take_instance(state, worker, resident);
        return Some(Work::Begin { invocation, key, accepted_row });
    }
    core.forget_server_errors(state, worker);
    if let Some(parked) = resident.take() {
        *resident = core.park_idle(state, worker, parked);
    }
    finish_task(state, worker);
    Some(Work::Idle)
}

/// Marks the task as ended.
fn finish_task(state: &mut State, worker: WorkerNum) {
    if let Some(slot) = state.slots.get_mut(&worker) {
        slot.life_cycle.finish();
    }
    Core::remove_slot_if_empty(state, worker);
}

/// Takes the idle instance if the task has none, and gives the slot the handle that interrupts the chosen work.
///
/// Without an instance, the handle is for the one that is loaded next. It is set under the lock under which the work is
/// chosen: a request that finds the task busy afterwards stops this work, and not the work before it.
fn take_instance(state: &mut State, worker: WorkerNum, resident: &mut Option<ResidentInstance>) {
    if resident.is_none() {
        *resident = Core::take_idle(state, worker);
    }
    if let Some(slot) = state.slots.get_mut(&worker) {
        let handle = resident.as_ref().map(|resident| resident.interrupt_handle.clone());
        slot.life_cycle.begin_work(handle.unwrap_or_default());
    }
}

fn reply_terminal_to_all(core: &Arc<Core>, state: &mut State, worker: WorkerNum, terminal: TerminalState) {
    let error = match terminal {
        TerminalState::Failed => ExecutorError::PreviousInvocationFailed,
        TerminalState::Exited => ExecutorError::PreviousInvocationExited,
    };
    let Some(slot) = state.slots.get_mut(&worker) else { return };
    let current = slot.current.take();
    for pending in current.into_iter().chain(std::mem::take(&mut slot.pending)) {
        // What stays accepted stays in the projection's queue.
        drop(core.refuse_callers(state, worker, pending, &error));
    }
}

// ---- running ----

fn to_work_result(result: Result<(), ExecutorError>) -> WorkResult {
    match result {
        Ok(()) => WorkResult::Nothing,
        Err(error) => WorkResult::ServerError(error),
    }
}

async fn resume_invocation(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> WorkResult {
    // An instance in memory is at the end of the log, with no invocation under way. Only a new instance can replay into
    // the middle of an invocation.
    drop(resident.take());
    match load_instance(core, worker, generation).await {
        Err(result) => result,
        Ok((mut loaded, ReplayEnd::Unfinished { .. })) => {
            let outcome = loaded.instance.resume().await;
            *resident = Some(loaded);
            WorkResult::Outcome(outcome)
        }
        Ok((loaded, ReplayEnd::Ready)) => {
            *resident = Some(loaded);
            WorkResult::Nothing
        }
    }
}

async fn begin_invocation(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
    invocation: Option<Arc<Invocation>>,
    key: String,
    accepted_row: Option<Seq>,
) -> WorkResult {
    let invocation = match (invocation, accepted_row) {
        // The slot keeps the invocation, in case it begins again. The copy is made without the lock.
        (Some(invocation), _) => Arc::unwrap_or_clone(invocation),
        (None, Some(accepted_row)) => {
            match read_queued_invocation(core, worker, RowPosition::new(generation, accepted_row)).await {
                Ok(invocation) => invocation,
                Err(error) => return WorkResult::ServerError(error),
            }
        }
        (None, None) => {
            return WorkResult::ServerError(ExecutorError::Unavailable {
                reason: format!("the invocation {key} has neither parameters in memory nor a row in the log")
                    .into(),
            });
        }
    };
    if resident.is_none() {
        match load_instance(core, worker, generation).await {
            Err(result) => return result,
            Ok((loaded, ReplayEnd::Ready)) => *resident = Some(loaded),
            Ok((_, ReplayEnd::Unfinished { .. })) => {
                // The log has changed since the work was chosen.
                return WorkResult::Outcome(Outcome::Stopped(StopReason::Port(PortError::Discarded)));
            }
        }
    }
    let Some(resident) = resident else { return WorkResult::Nothing };
    let acceptance = {
        let mut state = core.lock();
        if state.generation != generation {
            return WorkResult::Nothing;
        }
        match state.ledger.projection(worker) {
            // Deleted, or interrupted before the instance got the invocation: it stays queued.
            None => return WorkResult::Nothing,
            Some(projection) if projection.interrupted => return WorkResult::Nothing,
            Some(projection) if !event_loop::accepts(projection, &invocation) => {
                return WorkResult::EventLoopConflict(invocation);
            }
            Some(_) => {}
        }
        match state.slots.get_mut(&worker).and_then(|slot| slot.current.as_mut()) {
            Some(current) if current.key == key => hand_over(current),
            _ => return WorkResult::Nothing,
        }
    };
    WorkResult::Outcome(resident.instance.invoke(invocation, acceptance).await)
}

/// From now on the instance records the invocation. The row of its acceptance may have been appended since the work was
/// chosen, so it is read here.
fn hand_over(current: &mut PendingInvocation) -> AcceptanceRecord {
    if let Some(row) = current.accepted_row {
        return AcceptanceRecord::InboxRow { row: row.0 };
    }
    current.is_handed_over = true;
    AcceptanceRecord::StartEntry(current.accept_by)
}

async fn read_queued_invocation(
    core: &Arc<Core>,
    worker: WorkerNum,
    accepted_row: RowPosition,
) -> Result<Invocation, ExecutorError> {
    match core.read_durable_row(worker, accepted_row).await? {
        Row::InboxEvent(event) => event.into_invocation(),
        Row::Entries { .. } => None,
    }
    .ok_or_else(|| ExecutorError::Damaged {
        details: format!("row {} of the log should hold an invocation, and does not; restore the data folder from a backup", accepted_row.seq()).into(),
    })
}

async fn load_instance(
    core: &Arc<Core>,
    worker: WorkerNum,
    generation: u64,
) -> Result<(ResidentInstance, ReplayEnd), WorkResult> {
    let loaded = load::load(core, worker, generation).await;
    // The next worker may be woken.
    let permit = core.lock().slots.get_mut(&worker).and_then(|slot| slot.life_cycle.take_wake_permit());
    drop(permit);
    loaded.map_err(|error| match error {
        LoadError::Stopped(stop) => WorkResult::Outcome(Outcome::Stopped(stop)),
        LoadError::Server(error) => WorkResult::ServerError(error),
    })
}

// ---- settling ----

fn settle_work(core: &Arc<Core>, state: &mut State, worker: WorkerNum, result: WorkResult) -> Flow {
    match result {
        WorkResult::Nothing => Flow::Continue,
        WorkResult::Outcome(Outcome::Completed { result }) => {
            core.forget_server_errors(state, worker);
            ExecutorMetrics::add(&core.metrics.invocations, 1);
            let Some(seq) = state.ledger.projection(worker).map(|projection| Seq(projection.last_row)) else {
                return Flow::Continue;
            };
            let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.take()) else {
                return Flow::Continue;
            };
            if !current.waiters.is_empty() {
                Core::when_durable(state, seq, OnDurable::Deliver(current.waiters, Ok(result)));
            }
            Flow::Continue
        }
        WorkResult::Outcome(Outcome::Stopped(stop)) => {
            core.reclaim_current(state, worker);
            settle_stop(core, state, worker, stop)
        }
        WorkResult::EventLoopConflict(invocation) => {
            event_loop::reject_invocation(core, state, worker, &invocation);
            Flow::Continue
        }
        WorkResult::ServerError(error) => abandon_work(core, state, worker, &error),
    }
}

fn settle_stop(core: &Arc<Core>, state: &mut State, worker: WorkerNum, stop: StopReason) -> Flow {
    let begun = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
    let is_of_guest = match &stop {
        StopReason::Port(_) => false,
        StopReason::Trapped { .. } | StopReason::Exited { .. } => begun,
        StopReason::Suspended(_)
        | StopReason::Diverged { .. }
        | StopReason::JumpedBack
        | StopReason::Interrupted => true,
    };
    if is_of_guest {
        core.forget_server_errors(state, worker);
    }
    match stop {
        // The guest ended while its instance was created, before an invocation began. This is no attempt of an
        // invocation.
        StopReason::Trapped { details, .. } if !begun => {
            return report_instantiation_failure(core, state, worker, details);
        }
        StopReason::Exited { code, .. } if !begun => {
            return report_instantiation_failure(
                core,
                state,
                worker,
                format!("its initialisation called exit with code {code}"),
            );
        }
        StopReason::Suspended(_) => ExecutorMetrics::add(&core.metrics.parks, 1),
        StopReason::Trapped { details, retry, policy } => {
            record_failed_attempt(core, state, worker, details, retry, policy);
        }
        StopReason::Exited { code, stderr } => {
            fail_invocation(core, state, worker, FailureCause::from_exit(code, stderr));
        }
        StopReason::Diverged { index, recorded, requested } => {
            let cause = FailureCause::Diverged { index, recorded, requested };
            tracing::error!(worker = %worker, ?cause, "replay diverged; the worker is paused, its log is untouched");
            // Another attempt would diverge again, also when the queue is all that is left to do.
            let event = InboxEvent::Interrupted { at: core.clock.now() };
            if let Err(error) = core.step(state, LedgerEvent::Inbox { worker, event }) {
                tracing::error!(worker = %worker, %error, "cannot pause the worker");
            }
            return abandon_work(core, state, worker, &ExecutorError::InvocationFailed { cause });
        }
        // Interrupted, shut down, replaced, or jumped back: the log determines how the worker continues. An interrupted
        // instance has appended what it had recorded.
        StopReason::JumpedBack | StopReason::Interrupted | StopReason::Port(PortError::Discarded) => {
            wake_again(state, worker);
        }
        StopReason::Port(PortError::Unavailable { reason }) => {
            return abandon_work(core, state, worker, &ExecutorError::Unavailable { reason });
        }
        StopReason::Port(PortError::Damaged { details }) => {
            return abandon_work(core, state, worker, &ExecutorError::Damaged { details });
        }
    }
    Flow::Continue
}

/// Lets a worker continue whose instance has stopped in a wait. Its timer or its promise has woken it before and will not
/// do so again.
fn wake_again(state: &mut State, worker: WorkerNum) {
    let Some(projection) = state.ledger.projection(worker) else { return };
    let waits = projection.waiting.is_some() || projection.retry_at.is_some();
    if let Some(slot) = state.slots.get_mut(&worker).filter(|_| waits) {
        slot.life_cycle.wake();
    }
}

/// The worker's instance cannot be created. The waiting callers get the error, and the next invocation tries again.
fn report_instantiation_failure(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    details: String,
) -> Flow {
    let Some(id) = state.ledger.projection(worker).map(|projection| projection.id.clone()) else {
        return Flow::Stop;
    };
    abandon_work(core, state, worker, &ExecutorError::Component { worker: id, details })
}

/// Records a failed attempt: the invocation is retried later, or it fails.
fn record_failed_attempt(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    details: String,
    retry: bool,
    guest_policy: Option<RetryPolicy>,
) {
    let Some(projection) = state.ledger.projection(worker) else { return };
    // The guest's own policy comes first, then that of the worker or its template, then the server's.
    let policy = guest_policy.or(projection.options.retry_policy).unwrap_or(core.settings.retry);
    let delay = policy.delay(projection.attempts_failed + 1, jitter(&projection.seed, projection.oplog_end));
    match delay.filter(|_| retry) {
        None => fail_invocation(core, state, worker, FailureCause::Trap { details }),
        Some(delay) => {
            let at = core.clock.now();
            append_entries(
                core,
                state,
                worker,
                vec![Entry::AttemptFailed { at, details, retry_at: at.plus(delay) }],
            );
        }
    }
}

/// Records that the invocation failed and is not retried. The worker fails with it, unless its failure options roll the
/// invocation back.
pub(crate) fn fail_invocation(core: &Arc<Core>, state: &mut State, worker: WorkerNum, cause: FailureCause) {
    ExecutorMetrics::add(&core.metrics.invocations, 1);
    ExecutorMetrics::add(&core.metrics.invocations_failed, 1);
    let at = core.clock.now();
    let failed = Entry::InvocationFailed { at, cause: cause.clone() };
    // An explicit exit is terminal, whatever the failure policy says.
    let exited = matches!(cause, FailureCause::Exited { .. } | FailureCause::ExitedWithStderr { .. });
    let rolls_back = |projection: &&WorkerProjection| projection.rolls_back() && !exited;
    let from = state.ledger.projection(worker).filter(rolls_back).map(|projection| projection.begun_at);
    let revert = from.map(|from| Entry::Revert { at, from, reason: RevertReason::FailureRollback });
    let entries = std::iter::once(failed).chain(revert).collect();
    let Some(seq) = append_entries(core, state, worker, entries) else { return };
    let Some(current) = state.slots.get_mut(&worker).and_then(|slot| slot.current.take()) else { return };
    let reply = Err(ExecutorError::InvocationFailed { cause });
    Core::when_durable(state, seq, OnDurable::Deliver(current.waiters, reply));
}

/// Appends entries about the last invocation in the log. Starts a new activation for it, so an instance of the worker
/// can append nothing any more.
pub(crate) fn append_entries(
    core: &Arc<Core>,
    state: &mut State,
    worker: WorkerNum,
    entries: Vec<Entry>,
) -> Option<Seq> {
    let Ok(StepOutcome::Activated(activation)) = core.step(state, LedgerEvent::Activate { worker }) else {
        return None;
    };
    let projection = state.ledger.projection(worker)?;
    let first = projection.oplog_end.next();
    let entries = EncodedEntries::composed(first, entries);
    match core.step(state, LedgerEvent::Append { worker, activation, entries }) {
        Ok(StepOutcome::Appended(seq)) => Some(seq),
        Ok(_) => None,
        Err(error) => {
            tracing::error!(worker = %worker, %error, "cannot append entries about an invocation");
            None
        }
    }
}

/// Abandons the work after an error of the server. The waiting callers get the error, and no outcome is recorded. What
/// the log holds (an unfinished invocation, accepted ones, an update) is retried later.
fn abandon_work(core: &Arc<Core>, state: &mut State, worker: WorkerNum, error: &ExecutorError) -> Flow {
    // An invocation that has begun is in the projection and is resumed from the log. If it were queued again, it would
    // run a second time.
    let begun = state.ledger.projection(worker).is_some_and(|projection| projection.current.is_some());
    core.record_stopped(state, worker);
    // The error may describe what the worker's rows say, so it is answered when they are durable.
    let last = state.ledger.projection(worker).map(|projection| Seq(projection.last_row));
    let Some(slot) = state.slots.get_mut(&worker) else { return Flow::Stop };
    slot.life_cycle.take_wake();
    let mut refused: Vec<_> = std::mem::take(&mut slot.pending).into();
    match slot.current.take() {
        Some(current) if begun => {
            let reply = OnDurable::Deliver(current.waiters, Err(error.clone()));
            Core::when_durable(state, last.unwrap_or_default(), reply);
        }
        Some(current) => refused.insert(0, current),
        None => {}
    }
    let kept: Vec<_> = refused
        .into_iter()
        .filter_map(|pending| core.refuse_callers(state, worker, pending, error))
        .collect();
    if let Some(slot) = state.slots.get_mut(&worker) {
        slot.pending = kept.into();
    }
    let retries = state
        .ledger
        .projection(worker)
        .is_some_and(|projection| projection.runs_invocations() && projection.has_unfinished_work());
    if retries {
        core.retry_after_server_error(state, worker);
    }
    ExecutorMetrics::add(&core.metrics.invocations_failed, 1);
    Flow::Stop
}

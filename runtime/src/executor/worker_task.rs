//! Drives one worker while it has something to do.
//!
//! A task takes the worker's next piece of work under the lock, runs it on the worker's instance without the lock,
//! and settles what came of it under the lock again. It ends when there is nothing to do, and never waits for a
//! commit between two invocations: replies wait for it, the worker does not (W4).
//!
//! Invariant: at most one task drives a worker ([`WorkerSlot::task`]).
//! Invariant: what a task leaves behind at any point is what a crash at that point would leave: all that counts is
//! in the log.

use super::core::{Core, OnDurable, PendingInvocation, ResidentInstance, State, StoreHealth, WorkerSlot};
use super::ledger::{LedgerEvent, StepOutcome};
use super::load::{self, LoadError};
use super::projection::{TerminalState, WorkerProjection};
use super::retry::jitter;
use super::settings::SnapshotPolicy;
use super::{ExecutorError, ExecutorMetrics, committer, event_loop, history, scheduler, snapshot, update};
use crate::storage::ports::{Seq, WorkerNum};
use golem_host::ports::PortError;
use golem_host::{Outcome, ReplayEnd, StopReason};
use golem_model::oplog::codec::Row;
use golem_model::oplog::{FailureCause, InboxEvent, RevertReason};
use golem_model::promise::PromiseState;
use golem_model::{Entry, Invocation, PromiseId, RetryPolicy};
use std::sync::Arc;
use std::time::Duration;

/// After trouble of our own (a component that does not load, a store that does not answer) a worker that has
/// something to do is tried again so much later.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The next piece of work.
enum Work {
    /// Nothing: the task ends.
    Idle,
    /// Go on with the invocation that the log holds unfinished.
    Resume,
    /// Do the update that was asked for.
    Update,
    /// Save the worker.
    Snapshot,
    /// Begin this one.
    Begin { invocation: Option<Invocation>, key: String, arrival: Option<Seq> },
}

/// What a piece of work came to.
enum WorkResult {
    /// Nothing was done yet.
    Nothing,
    Outcome(Outcome),
    /// The worker runs an event loop, and this is no line for it.
    EventLoopConflict(Invocation, Option<Seq>),
    /// Our own trouble, with its text for those who wait.
    ServerError(ExecutorError),
}

/// Whether the task goes on after settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    /// Going on now would meet the same trouble.
    Idle,
}

/// The task.
pub(crate) async fn run(core: Arc<Core>, no: WorkerNum, generation: u64) {
    let mut resident: Option<ResidentInstance> = None;
    let mut done = WorkResult::Nothing;
    loop {
        let parked = match &done {
            WorkResult::Outcome(Outcome::Stopped(StopReason::Parked(parked))) => parked.promises.clone(),
            _ => Vec::new(),
        };
        let spent = !matches!(
            done,
            WorkResult::Nothing
                | WorkResult::EventLoopConflict(..)
                | WorkResult::Outcome(Outcome::Completed { .. })
        );
        if spent {
            // Outside the lock: an instance has memory to give back.
            drop(resident.take());
        }
        if !parked.is_empty() {
            look_again(&core, no, &parked).await;
        }
        let work = {
            let mut state = core.lock();
            if state.generation != generation {
                Work::Idle
            } else if settle(&core, &mut state, no, std::mem::replace(&mut done, WorkResult::Nothing))
                == Flow::Stop
            {
                rest(&mut state, no);
                Work::Idle
            } else {
                next(&mut state, no, &mut resident, &core.settings.snapshots)
            }
        };
        done = match work {
            Work::Idle => {
                // The instance that rests now may be the place that another worker waits for.
                core.resident_left.notify_one();
                return;
            }
            Work::Resume => resume(&core, no, generation, &mut resident).await,
            Work::Update => after(update::apply(&core, no, generation, &mut resident).await),
            Work::Snapshot => after(snapshot::take(&core, no, generation, &mut resident).await),
            Work::Begin { invocation, key, arrival } => {
                begin(&core, no, generation, &mut resident, invocation, key, arrival).await
            }
        };
    }
}

/// The promises of other workers that it waits for may have been completed before it was known to wait.
async fn look_again(core: &Arc<Core>, no: WorkerNum, promises: &[PromiseId]) {
    let Some(own) = core.lock().ledger.head(no).map(|head| head.id.clone()) else { return };
    // Of its own promises and calls its log knew when it began to wait.
    for promise in promises.iter().filter(|promise| promise.worker != own) {
        match core.promise_state(promise).await {
            Ok(PromiseState::Pending) => {}
            Ok(PromiseState::Completed(_) | PromiseState::Unknown) | Err(_) => {
                if let Some(slot) = core.lock().slots.get_mut(&no) {
                    slot.woken = true;
                }
                return;
            }
        }
    }
}

/// Chooses what to do; ends the task under the same lock if there is nothing, so that no work is missed.
fn next(
    state: &mut State,
    no: WorkerNum,
    resident: &mut Option<ResidentInstance>,
    policy: &SnapshotPolicy,
) -> Work {
    let stopping = state.stopping || matches!(state.health, StoreHealth::Down(_));
    let Some(head) = state.ledger.head(no).filter(|_| !stopping) else {
        // Deleted, or the executor stops: nobody needs the slot.
        if let Some(slot) = state.slots.get_mut(&no) {
            slot.task = false;
        }
        return Work::Idle;
    };
    let end = head.end;
    let (interrupted, begun) = (head.interrupted, head.current.clone());
    let waits = head.waiting.is_some() || head.retry_at.is_some();
    let update = head.life.update.is_some();
    let due = |idle| head.life.snapshot_is_due(head.oplog_end, idle, policy);
    let (due, overdue) = (due(true), due(false));
    let Some(slot) = state.slots.get_mut(&no) else { return Work::Idle };
    let woken = std::mem::take(&mut slot.woken);
    if let Some(end) = end {
        refuse_all(slot, end);
        rest(state, no);
        return Work::Idle;
    }
    if interrupted || (begun.is_some() && waits && !woken) {
        rest(state, no);
        return Work::Idle;
    }
    if let Some(begun) = begun {
        slot.current.get_or_insert_with(|| PendingInvocation {
            invocation: None,
            key: begun.key.0,
            arrival: None,
            waiters: Vec::new(),
        });
        take_instance(state, no, resident);
        return Work::Resume;
    }
    if slot.current.is_none() && update {
        take_instance(state, no, resident);
        return Work::Update;
    }
    let saves = slot.current.is_none() && (overdue || (due && slot.pending.is_empty()));
    if saves && resident.as_ref().is_some_and(|resident| resident.instance.can_save()) {
        take_instance(state, no, resident);
        return Work::Snapshot;
    }
    if slot.current.is_none() {
        slot.current = slot.pending.pop_front();
    }
    if let Some(current) = &slot.current {
        let (invocation, key, arrival) = (current.invocation.clone(), current.key.clone(), current.arrival);
        take_instance(state, no, resident);
        return Work::Begin { invocation, key, arrival };
    }
    if let Some(resident) = resident.take() {
        Core::rest(state, no, resident);
    }
    rest(state, no);
    Work::Idle
}

/// The task ends here.
fn rest(state: &mut State, no: WorkerNum) {
    if let Some(slot) = state.slots.get_mut(&no) {
        slot.task = false;
        slot.control = None;
    }
    Core::tidy_slot(state, no);
}

fn take_instance(state: &mut State, no: WorkerNum, resident: &mut Option<ResidentInstance>) {
    if resident.is_none() {
        *resident = Core::take_idle(state, no);
    }
    if let (Some(resident), Some(slot)) = (&resident, state.slots.get_mut(&no)) {
        slot.control = Some(resident.control.clone());
    }
}

fn refuse_all(slot: &mut WorkerSlot, end: TerminalState) {
    let error = match end {
        TerminalState::Failed => ExecutorError::PreviousInvocationFailed,
        TerminalState::Exited => ExecutorError::PreviousInvocationExited,
    };
    for pending in slot.current.take().into_iter().chain(std::mem::take(&mut slot.pending)) {
        committer::deliver(pending.waiters, Err(error.clone()));
    }
}

// ---- running ----

fn after(done: Result<(), ExecutorError>) -> WorkResult {
    match done {
        Ok(()) => WorkResult::Nothing,
        Err(error) => WorkResult::ServerError(error),
    }
}

async fn resume(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
) -> WorkResult {
    // An instance that is in memory stands where the log ends; only a new one can be in the middle of an invocation.
    drop(resident.take());
    match load(core, no, generation).await {
        Err(done) => done,
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

async fn begin(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
    resident: &mut Option<ResidentInstance>,
    invocation: Option<Invocation>,
    key: String,
    arrival: Option<Seq>,
) -> WorkResult {
    let invocation = match (invocation, arrival) {
        (Some(invocation), _) => invocation,
        (None, Some(arrival)) => match arrived(core, arrival).await {
            Ok(invocation) => invocation,
            Err(error) => return WorkResult::ServerError(error),
        },
        (None, None) => {
            return WorkResult::ServerError(ExecutorError::Unavailable {
                reason: format!("nothing is known of the invocation {key}").into(),
            });
        }
    };
    if resident.is_none() {
        match load(core, no, generation).await {
            Err(done) => return done,
            Ok((loaded, ReplayEnd::Ready)) => *resident = Some(loaded),
            Ok((_, ReplayEnd::Unfinished { .. })) => {
                // The log has moved on since the work was chosen.
                return WorkResult::Outcome(Outcome::Stopped(StopReason::Port(PortError::Discarded)));
            }
        }
    }
    let fits = {
        let state = core.lock();
        state.ledger.head(no).is_none_or(|head| event_loop::fits(head, &invocation))
    };
    if !fits {
        return WorkResult::EventLoopConflict(invocation, arrival);
    }
    match resident {
        Some(resident) => {
            WorkResult::Outcome(resident.instance.invoke(invocation, arrival.map(|seq| seq.0)).await)
        }
        None => WorkResult::Nothing,
    }
}

async fn arrived(core: &Arc<Core>, arrival: Seq) -> Result<Invocation, ExecutorError> {
    core.durable(arrival).await?;
    match core.read(move |store| history::row(store, arrival)).await? {
        Row::InboxEvent(arrived) => arrived.into_invocation(),
        Row::Entries { .. } => None,
    }
    .ok_or_else(|| ExecutorError::Unavailable {
        reason: format!("log row {arrival} should hold an invocation, and does not").into(),
    })
}

async fn load(
    core: &Arc<Core>,
    no: WorkerNum,
    generation: u64,
) -> Result<(ResidentInstance, ReplayEnd), WorkResult> {
    load::load(core, no, generation).await.map_err(|error| match error {
        LoadError::Stopped(stop) => WorkResult::Outcome(Outcome::Stopped(stop)),
        LoadError::Server(error) => WorkResult::ServerError(error),
    })
}

// ---- settling ----

fn settle(core: &Arc<Core>, state: &mut State, no: WorkerNum, done: WorkResult) -> Flow {
    match done {
        WorkResult::Nothing => Flow::Continue,
        WorkResult::Outcome(Outcome::Completed { result }) => {
            ExecutorMetrics::add(&core.metrics.invocations, 1);
            let Some(seq) = state.ledger.head(no).map(|head| Seq(head.last_row)) else {
                return Flow::Continue;
            };
            let Some(current) = state.slots.get_mut(&no).and_then(|slot| slot.current.take()) else {
                return Flow::Continue;
            };
            if !current.waiters.is_empty() {
                Core::when_durable(state, seq, OnDurable::Deliver(current.waiters, Ok(result)));
            }
            Flow::Continue
        }
        WorkResult::Outcome(Outcome::Stopped(stop)) => settle_stop(core, state, no, stop),
        WorkResult::EventLoopConflict(invocation, arrival) => {
            event_loop::refuse(core, state, no, &invocation, arrival);
            Flow::Continue
        }
        WorkResult::ServerError(error) => give_up(core, state, no, &error),
    }
}

fn settle_stop(core: &Arc<Core>, state: &mut State, no: WorkerNum, stop: StopReason) -> Flow {
    let begun = state.ledger.head(no).is_some_and(|head| head.current.is_some());
    match stop {
        // The guest ended before an invocation began, while its instance was made: no attempt of an invocation.
        StopReason::Trapped { details, .. } if !begun => return not_made(core, state, no, details),
        StopReason::Exited { code, .. } if !begun => {
            return not_made(core, state, no, format!("its initialisation called exit with code {code}"));
        }
        StopReason::Parked(_) => ExecutorMetrics::add(&core.metrics.parks, 1),
        StopReason::Trapped { details, retry, policy } => failed(core, state, no, details, retry, policy),
        StopReason::Exited { code, stderr } => fail(core, state, no, FailureCause::exited(code, stderr)),
        StopReason::Diverged { index, recorded, requested } => {
            let cause = FailureCause::Diverged { index, recorded, requested };
            tracing::error!(worker = %no, ?cause, "replay diverged; the worker is paused, its log is untouched");
            if begun {
                let arrival = InboxEvent::Interrupted { at: core.clock.now() };
                if let Err(error) = core.step(state, LedgerEvent::Inbox { worker: no, arrival }) {
                    tracing::error!(worker = %no, %error, "cannot pause the worker");
                }
            }
            return give_up(core, state, no, &ExecutorError::InvocationFailed { cause });
        }
        // Stopped by a person, by shutdown, replaced, or gone back: the log says how it goes on.
        StopReason::JumpedBack | StopReason::Interrupted | StopReason::Port(PortError::Discarded) => {}
        StopReason::Port(PortError::Unavailable { reason }) => {
            return give_up(core, state, no, &ExecutorError::Unavailable { reason });
        }
    }
    Flow::Continue
}

/// The worker's instance cannot be made: those who wait are told, and the next invocation tries again.
fn not_made(core: &Arc<Core>, state: &mut State, no: WorkerNum, details: String) -> Flow {
    let Some(worker) = state.ledger.head(no).map(|head| head.id.clone()) else { return Flow::Stop };
    give_up(core, state, no, &ExecutorError::Component { worker, details })
}

/// An attempt failed: try again later, or never.
fn failed(
    core: &Arc<Core>,
    state: &mut State,
    no: WorkerNum,
    details: String,
    retry: bool,
    chosen: Option<RetryPolicy>,
) {
    let Some(head) = state.ledger.head(no) else { return };
    // The guest knows best, then who made the worker or its template.
    let policy = chosen.or(head.options.retry_policy).unwrap_or(core.settings.retry);
    let delay = policy.delay(head.attempts_failed + 1, jitter(&head.seed, head.oplog_end));
    match delay.filter(|_| retry) {
        None => fail(core, state, no, FailureCause::Trap { details }),
        Some(delay) => {
            let at = core.clock.now();
            append(core, state, no, vec![Entry::AttemptFailed { at, details, retry_at: at.plus(delay) }]);
        }
    }
}

/// The invocation failed for good, and the worker with it, unless it goes back to what it was before.
fn fail(core: &Arc<Core>, state: &mut State, no: WorkerNum, cause: FailureCause) {
    ExecutorMetrics::add(&core.metrics.invocations, 1);
    ExecutorMetrics::add(&core.metrics.invocations_failed, 1);
    let at = core.clock.now();
    let failed = Entry::InvocationFailed { at, cause: cause.clone() };
    // Who ends by themselves is over, whatever was chosen for failures.
    let exited = matches!(cause, FailureCause::Exited { .. } | FailureCause::ExitedWithStderr { .. });
    let rolls_back = |head: &&WorkerProjection| head.rolls_back() && !exited;
    let from = state.ledger.head(no).filter(rolls_back).map(|head| head.begun_at);
    let set_aside = from.map(|from| Entry::Revert { at, from, reason: RevertReason::RolledBack });
    let entries = std::iter::once(failed).chain(set_aside).collect();
    let Some(seq) = append(core, state, no, entries) else { return };
    let Some(current) = state.slots.get_mut(&no).and_then(|slot| slot.current.take()) else { return };
    let reply = Err(ExecutorError::InvocationFailed { cause });
    Core::when_durable(state, seq, OnDurable::Deliver(current.waiters, reply));
}

/// Appends entries about the last invocation, which is in the log before them. What an instance of the worker still
/// writes is refused from then on.
pub(crate) fn append(core: &Arc<Core>, state: &mut State, no: WorkerNum, entries: Vec<Entry>) -> Option<Seq> {
    let Ok(StepOutcome::Activated(activation)) = core.step(state, LedgerEvent::Activate { worker: no })
    else {
        return None;
    };
    let head = state.ledger.head(no)?;
    let first = head.oplog_end.next();
    match core.step(state, LedgerEvent::Append { worker: no, activation, first, entries }) {
        Ok(StepOutcome::Appended(seq)) => Some(seq),
        Ok(_) => None,
        Err(error) => {
            tracing::error!(worker = %no, %error, "cannot record how an invocation went on");
            None
        }
    }
}

/// Trouble of our own: those who wait are told, nothing is recorded, and what is in the log is tried again later.
fn give_up(core: &Arc<Core>, state: &mut State, no: WorkerNum, error: &ExecutorError) -> Flow {
    // One that has begun is in the head, and is resumed from the log: queued again, it would run a second time.
    let begun = state.ledger.head(no).is_some_and(|head| head.current.is_some());
    let Some(slot) = state.slots.get_mut(&no) else { return Flow::Stop };
    slot.woken = false;
    let mut later = false;
    if let Some(mut current) = slot.current.take() {
        committer::deliver(std::mem::take(&mut current.waiters), Err(error.clone()));
        if current.arrival.is_some() && !begun {
            // Accepted: it must run one day.
            slot.pending.push_front(current);
            later = true;
        }
    }
    let mut kept = std::collections::VecDeque::new();
    for mut pending in std::mem::take(&mut slot.pending) {
        committer::deliver(std::mem::take(&mut pending.waiters), Err(error.clone()));
        if pending.arrival.is_some() {
            kept.push_back(pending);
        }
    }
    slot.pending = kept;
    let unfinished = state
        .ledger
        .head(no)
        .is_some_and(|head| !head.interrupted && (head.current.is_some() || head.life.update.is_some()));
    if later || unfinished {
        let at = core.clock.now().plus(TRY_AGAIN_AFTER);
        let due = state.scheduler.step(core.clock.now(), scheduler::TimerEvent::Set(no, Some(at)));
        debug_assert!(due.is_empty(), "setting a timer wakes nobody");
        core.timers_changed.notify_one();
    }
    ExecutorMetrics::add(&core.metrics.invocations_failed, 1);
    Flow::Stop
}

//! One activation of a worker: create, replay, invoke, stop.
//!
//! Invariant: after any [`StopReason`], and after a call's future was dropped, the instance takes no more calls.
//! Reverting always creates a new instance; a used one is never repaired.

mod snapshot;

pub use snapshot::ReloadTarget;

use crate::durable::{ActivationContext, History, Journal, NextRecorded, RecordedInvocation, Replay, Tail};
use crate::event_loop::{DriveEnd, EventLoop};
use crate::file_history::FileHistory;
use crate::invoke::{InvokeError, PreparedCall};
use crate::limits::{LIFTED_BYTES_MAX, Limits};
use crate::ports::{PortError, Ports};
use crate::program::{Console, PauseReason, ResumeWith};
use crate::state::WorkerState;
use crate::{Component, InterruptHandle, Outcome, ReplayEnd, SnapshotBase, StopReason, program, trap};
use golem_model::oplog::FailureCause;
use golem_model::{AccountId, Convention, Invocation, OplogIndex, RetryPolicy, TemplateId, Value, WorkerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Store, UpdateDeadline};

/// A worker's identity (everything that its entry `Created` fixes) and the server's settings for it.
#[derive(Debug, Clone)]
pub struct WorkerInit {
    /// The worker's id.
    pub id: WorkerId,
    /// The account that owns it.
    pub account: AccountId,
    /// The template version that it runs.
    pub template_version: u32,
    /// Command-line arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees. The host adds `GOLEM_WORKER_NAME`, `GOLEM_TEMPLATE_ID` and
    /// `GOLEM_TEMPLATE_VERSION` where they are not set.
    pub env: Vec<(String, String)>,
    /// The index before its entry `Created`: 0, or the last index of a deleted worker with the same id.
    pub begins_after: OplogIndex,
    /// Seed of all its randomness.
    pub seed: [u8; 32],
    /// The templates of the workers that it calls, by the interface that they export.
    pub links: BTreeMap<String, TemplateId>,
    /// The files from the versions that it has run.
    pub files: FileHistory,
    /// A wait longer than this parks the worker.
    pub suspend_after: Duration,
    /// A recorded entry is appended to the store at the latest this long after it was recorded.
    pub progress: Duration,
    /// The retry policy unless the guest sets another. The guest can read it; the server applies it.
    pub retry: RetryPolicy,
}

/// The record that makes the acceptance of an invocation durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptanceRecord {
    /// The inbox event in this row records it.
    InboxRow {
        /// The row.
        row: u64,
    },
    /// The entry that begins the invocation records it. The instance appends that entry at the latest when the clock's
    /// elapsed time ([`Clock::elapsed`](crate::ports::Clock::elapsed)) is this.
    StartEntry(Duration),
}

/// One activation: a worker's instance in memory, at some position of its oplog.
pub struct Instance {
    /// `None` while `running` owns it.
    store: Option<Store<WorkerState>>,
    /// The event loop that answers invocations, if one runs.
    running: Option<EventLoop>,
    worker: WorkerId,
    exports: wasmtime::component::Instance,
    component: Component,
    ports: Ports,
    /// Set while a call runs. It stays set if the call did not return.
    spent: bool,
}

impl Instance {
    /// Creates the worker's instance. `history` is its oplog from the entry `Created`.
    ///
    /// Calls during the guest's initialisation are replayed from the oplog, or recorded. After an error, some of them
    /// may have been appended; the next activation replays those.
    pub async fn activate(
        component: &Component,
        init: WorkerInit,
        history: History,
        ports: Ports,
        interrupt_handle: InterruptHandle,
    ) -> Result<Self, StopReason> {
        let created = history.created_at.unwrap_or_default();
        let journal = journal(component, &init, None, history, &ports, &interrupt_handle);
        let limits = Limits::new(component.engine().memory_bytes_max());
        let mut state = WorkerState::new(init, created, journal, interrupt_handle, limits);
        state.set_initial_files();
        let mut instance = Self::instantiate(component, state, ports).await?;
        // An idle instance flushes nothing, so the entries would wait for the first invocation.
        instance.state()?.journal.flush()?;
        Ok(instance)
    }

    /// A fresh instance. Appends nothing.
    async fn instantiate(
        component: &Component,
        state: WorkerState,
        ports: Ports,
    ) -> Result<Self, StopReason> {
        let engine = component.engine();
        let mut store = Store::new(engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(LIFTED_BYTES_MAX);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            if state.interrupt_handle.is_interrupted() {
                return Err(state.stop(StopReason::Interrupted));
            }
            // A guest that computes makes no calls, so this is where its entries become durable.
            match state.journal.flush_if_due() {
                Ok(()) => Ok(UpdateDeadline::Yield(1)),
                Err(stop) => Err(state.stop(stop)),
            }
        });
        store.set_epoch_deadline(1);
        match component.pre().instantiate_async(&mut store).await {
            Ok(exports) => {
                let worker = store.data().init.id.clone();
                let (store, component) = (Some(store), component.clone());
                Ok(Self { store, running: None, worker, exports, component, ports, spent: false })
            }
            Err(error) => {
                let state = store.data_mut();
                let stop = trap::classify(state, &error);
                if matches!(stop, StopReason::Interrupted) {
                    state.journal.flush_unless_held()?;
                }
                Err(stop)
            }
        }
    }

    /// Replays every invocation that the oplog completes.
    pub async fn replay(&mut self) -> Result<ReplayEnd, StopReason> {
        self.acquire()?;
        loop {
            let state = self.state()?;
            let next = state.journal.replay().peek_next()?;
            state.apply_file_updates()?;
            let end = match next {
                NextRecorded::OplogEnd => CallEnd::Paused(PauseReason::Ready),
                NextRecorded::Unfinished(key) => CallEnd::Paused(PauseReason::Unfinished(key)),
                NextRecorded::Failed(cause) => return Err(recorded_failure(cause)),
                NextRecorded::Completed => self.run_recorded().await?,
                NextRecorded::Reloaded { index, at, state, updated: false } => {
                    self.replay_snapshot(index, at, &state).await?;
                    continue;
                }
                NextRecorded::Reloaded { index, updated: true, .. } => {
                    // The caller loads a worker from its last manual update or a later entry.
                    let reason = format!("replay cannot pass the manual update at entry {index}");
                    return Err(StopReason::Port(PortError::Unavailable { reason: reason.into() }));
                }
            };
            match end {
                CallEnd::Returned { result, program_ended } => {
                    self.state()?.journal.check_completion(result.as_ref())?;
                    if program_ended {
                        // Nothing follows: the program has ended.
                        return Ok(ReplayEnd::Ready);
                    }
                }
                CallEnd::Paused(PauseReason::Ready | PauseReason::Answered(_)) => {
                    self.spent = false;
                    return Ok(ReplayEnd::Ready);
                }
                CallEnd::Paused(PauseReason::Unfinished(key)) => {
                    self.spent = false;
                    return Ok(ReplayEnd::Unfinished { key });
                }
            }
        }
    }

    /// Continues the invocation that [`Instance::replay`] found unfinished: first as recorded, then live.
    pub async fn resume(&mut self) -> Outcome {
        self.try_resume().await.into()
    }

    async fn try_resume(&mut self) -> Result<Option<Value>, StopReason> {
        self.acquire()?;
        let end = match &self.running {
            Some(running) => {
                running.resume_with(ResumeWith::Recorded);
                self.drive().await?
            }
            None => self.run_recorded().await?,
        };
        self.complete(end)
    }

    /// Runs one invocation live.
    ///
    /// # Panics
    ///
    /// If the oplog was not replayed to its end.
    pub async fn invoke(&mut self, invocation: Invocation, acceptance: AcceptanceRecord) -> Outcome {
        self.try_invoke(invocation, acceptance).await.into()
    }

    async fn try_invoke(
        &mut self,
        invocation: Invocation,
        acceptance: AcceptanceRecord,
    ) -> Result<Option<Value>, StopReason> {
        self.acquire()?;
        let end = if let Some(running) = &self.running {
            let same = *running.function() == invocation.function;
            if !same || invocation.convention != Convention::StdioEventLoop {
                // The caller knows that the loop runs, and does not admit such an invocation.
                return Err(StopReason::Port(PortError::Discarded));
            }
            running.resume_with(ResumeWith::Invocation(invocation, acceptance));
            self.drive().await?
        } else {
            let prepared = PreparedCall::for_invocation(&self.component, &invocation);
            let convention = invocation.convention;
            let function = self.state()?.record_start(invocation, acceptance)?;
            self.run(function, prepared, convention).await?
        };
        self.complete(end)
    }

    /// The index of the last entry that was appended to the store; unknown while an event loop owns the store.
    pub fn oplog_end(&self) -> Option<OplogIndex> {
        self.store.as_ref().map(|store| store.data().journal.last_appended())
    }

    /// Marks the instance as spent during a call. A call that returns clears the mark.
    fn acquire(&mut self) -> Result<(), StopReason> {
        if std::mem::replace(&mut self.spent, true) {
            Err(StopReason::Port(PortError::Discarded))
        } else {
            Ok(())
        }
    }

    /// The host's state of the worker; an error while an event loop owns it.
    fn state(&mut self) -> Result<&mut WorkerState, StopReason> {
        self.store.as_mut().map(Store::data_mut).ok_or(StopReason::Port(PortError::Discarded))
    }

    /// Runs the next recorded invocation: as far as it is recorded in a replay, then live.
    async fn run_recorded(&mut self) -> Result<CallEnd, StopReason> {
        let RecordedInvocation { at, key, function, params, start, convention } =
            self.state()?.journal.replay().take_invocation()?;
        let invocation = Invocation { key, function, params, convention };
        let prepared = PreparedCall::for_invocation(&self.component, &invocation);
        let Invocation { key, function, params, convention } = invocation;
        self.state()?.invocation.begin(key, start, at, Console::new(convention, &params));
        self.run(function, prepared, convention).await
    }

    /// Records the completion of the invocation, unless the event loop has done so, and appends all entries.
    fn complete(&mut self, end: CallEnd) -> Result<Option<Value>, StopReason> {
        match end {
            CallEnd::Returned { result, program_ended } => {
                // If the guest returned before it made all recorded calls, this finds the divergence.
                self.state()?.journal.complete_invocation(result.as_ref(), program_ended)?;
                self.spent = program_ended;
                Ok(result)
            }
            CallEnd::Paused(PauseReason::Answered(result)) => {
                self.spent = false;
                Ok(result)
            }
            CallEnd::Paused(PauseReason::Ready | PauseReason::Unfinished(_)) => {
                Err(StopReason::Port(PortError::Discarded))
            }
        }
    }

    /// Calls a function.
    async fn run(
        &mut self,
        name: Arc<str>,
        prepared: Result<PreparedCall, String>,
        convention: Convention,
    ) -> Result<CallEnd, StopReason> {
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(details) => return Err(self.fail_invocation(details)),
        };
        let Some(mut store) = self.store.take() else { return Err(StopReason::Port(PortError::Discarded)) };
        store.set_epoch_deadline(1);
        if convention == Convention::StdioEventLoop {
            self.running = Some(EventLoop::start(name, prepared, store, self.exports));
            return self.drive().await;
        }
        let called = prepared.call(&mut store, &self.exports).await;
        self.store = Some(store);
        self.end_call(&name, called)
    }

    /// Runs the event loop until it pauses or ends.
    async fn drive(&mut self) -> Result<CallEnd, StopReason> {
        let Some(running) = &mut self.running else { return Err(StopReason::Port(PortError::Discarded)) };
        match running.drive().await {
            DriveEnd::Paused(pause) => Ok(CallEnd::Paused(pause)),
            DriveEnd::Returned(store, called) => {
                let name = Arc::clone(running.function());
                self.running = None;
                self.store = Some(*store);
                self.end_call(&name, called)
            }
        }
    }

    /// Converts the end of a call.
    fn end_call(
        &mut self,
        name: &str,
        called: Result<Option<Value>, InvokeError>,
    ) -> Result<CallEnd, StopReason> {
        let stop = match called {
            Ok(result) => return program::on_return(self.state()?, name, result),
            Err(InvokeError::Refused(details)) => return Err(self.fail_invocation(details)),
            Err(InvokeError::Stopped(error)) => {
                trap::name_function(name, trap::flush_and_classify(self.state()?, &error))
            }
        };
        program::on_stop(self.state()?, stop)
    }

    /// Fails the invocation for a reason that another attempt would meet again.
    fn fail_invocation(&mut self, details: String) -> StopReason {
        match self.state().and_then(|state| state.journal.flush()) {
            Ok(()) => StopReason::Trapped { details, retry: false, policy: None },
            Err(stop) => stop,
        }
    }
}

/// The end of one run of an invocation.
pub(crate) enum CallEnd {
    /// The function returned, or the program exited with 0.
    Returned {
        /// The invocation's result.
        result: Option<Value>,
        /// Whether the worker's program has ended. It runs only once, so the worker takes no more invocations.
        program_ended: bool,
    },
    /// The event loop waits for the next invocation.
    Paused(PauseReason),
}

impl From<Result<Option<Value>, StopReason>> for Outcome {
    fn from(result: Result<Option<Value>, StopReason>) -> Self {
        match result {
            Ok(result) => Self::Completed { result },
            Err(stop) => Self::Stopped(stop),
        }
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("worker", &self.worker)
            .field("end", &self.oplog_end())
            .finish_non_exhaustive()
    }
}

/// The journal of a new instance: the entries after `base`, then the ones that the instance adds.
fn journal(
    component: &Component,
    init: &WorkerInit,
    base: Option<&SnapshotBase>,
    history: History,
    ports: &Ports,
    interrupt_handle: &InterruptHandle,
) -> Journal {
    let context = ActivationContext {
        ports: ports.clone(),
        interrupt_handle: interrupt_handle.clone(),
        suspend_after: init.suspend_after,
        progress: init.progress,
        engine: component.engine().fingerprint().to_owned(),
    };
    let invocations = base.map_or(0, |base| base.state.invocations);
    let tail = Tail::new(base, &history, context);
    Journal::new(Replay::new(invocations, history), tail)
}

/// The stop reason of a worker whose oplog records a final failure.
pub(crate) fn recorded_failure(cause: FailureCause) -> StopReason {
    match cause {
        FailureCause::Trap { details } | FailureCause::Discarded { details } => {
            StopReason::Trapped { details, retry: false, policy: None }
        }
        FailureCause::ProcessEnded { times } => {
            let details = FailureCause::process_ended_text(times);
            StopReason::Trapped { details, retry: false, policy: None }
        }
        FailureCause::Exited { code } => StopReason::Exited { code, stderr: String::new() },
        FailureCause::ExitedWithStderr { code, stderr } => StopReason::Exited { code, stderr },
        FailureCause::Diverged { index, recorded, requested } => {
            StopReason::Diverged { index, recorded, requested }
        }
    }
}

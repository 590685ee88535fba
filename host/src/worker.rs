//! One activation of a worker: it is made, replays its oplog, takes invocations, stops.
//!
//! Invariant: after any [`Stop`], and when a call's future was dropped, the instance takes no more calls. Rolling
//! back always means a new instance, never a repaired one.

use crate::durable::{Activity, Aside, Ending, Journal, Replay, Started, Tail, region_to_repeat};
use crate::imports::stdio::Stdio;
use crate::invoke::{Prepared, Uncalled};
use crate::limits::{LIFTED_BYTES_MAX, Limits};
use crate::ports::{PortError, Ports};
use crate::state::WorkerState;
use crate::{Component, Control, Outcome, Replayed, Stop, trap};
use golem_model::oplog::{FailureCause, InvocationSource};
use golem_model::{
    AccountId, Entry, Invocation, OplogIndex, RetryPolicy, TemplateId, Timestamp, Value, WorkerId,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Store, UpdateDeadline};

/// Who the worker is: all that its entry `Created` fixes, and what the server sets.
#[derive(Debug, Clone)]
pub struct WorkerInit {
    /// The worker.
    pub id: WorkerId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The template version that it runs.
    pub template_version: u32,
    /// Command-line arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees. The host adds `GOLEM_WORKER_NAME`, `GOLEM_TEMPLATE_ID` and
    /// `GOLEM_TEMPLATE_VERSION` where they are not set.
    pub env: Vec<(String, String)>,
    /// Seed of all its randomness.
    pub seed: [u8; 32],
    /// The templates that it calls, by the interface that they export.
    pub links: BTreeMap<String, TemplateId>,
    /// A wait longer than this parks the worker.
    pub suspend_after: Duration,
    /// What happens after a failure unless the guest chooses otherwise. Only told to the guest: the server decides.
    pub retry: RetryPolicy,
}

/// One activation: a worker's instance in memory, at some position of its oplog.
pub struct Instance {
    store: Store<WorkerState>,
    exports: wasmtime::component::Instance,
    component: Component,
    /// Set while a call runs, and for ever once one did not return.
    spent: bool,
}

impl Instance {
    /// Makes the worker's instance. `history` is its oplog from index 1, with the sources of queued invocations
    /// resolved to inline ones.
    ///
    /// What the guest's initialisation learns is replayed from the oplog, or recorded. On an error nothing was
    /// appended, but for [`Stop::Parked`].
    pub async fn activate(
        component: &Component,
        init: WorkerInit,
        history: Vec<Entry>,
        ports: Ports,
        control: Control,
    ) -> Result<Self, Stop> {
        let engine = component.engine();
        let activity = Activity {
            ports: ports.clone(),
            control: control.clone(),
            suspend_after: init.suspend_after,
            engine: engine.fingerprint().to_owned(),
        };
        let created = match history.first() {
            Some(Entry::Created { at, .. }) => *at,
            _ => Timestamp::default(),
        };
        let mut aside = Aside::of(&history);
        let repeat = region_to_repeat(&history, &aside);
        let tail = Tail::new(&history, repeat, activity);
        if let Some(from) = repeat {
            aside.add(from, OplogIndex(history.len() as u64 + 1));
        }
        let journal = Journal::new(Replay::new(history, aside), tail);
        let limits = Limits::new(engine.memory_bytes_max());
        let mut state = WorkerState::new(init, created, journal, control, Stdio::new(ports.log), limits);
        if let Some(files) = component.files() {
            state.begin_with(files);
        }
        let mut store = Store::new(engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(LIFTED_BYTES_MAX);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            if state.control.is_interrupted() {
                Err(state.stop(Stop::Interrupted))
            } else {
                Ok(UpdateDeadline::Yield(1))
            }
        });
        store.set_epoch_deadline(1);
        match component.pre().instantiate_async(&mut store).await {
            Ok(exports) => {
                // What the initialisation learnt comes before the first invocation, whoever records that one: who
                // stops a worker records it in the instance's place.
                store.data_mut().journal.flush()?;
                Ok(Self { store, exports, component: component.clone(), spent: false })
            }
            Err(error) => Err(trap::reason(store.data_mut(), &error)),
        }
    }

    /// Replays every invocation that the oplog holds whole.
    pub async fn replay(&mut self) -> Result<Replayed, Stop> {
        self.take()?;
        loop {
            let ending = self.store.data_mut().journal.replay().ending()?;
            match ending {
                Ending::None => {
                    self.spent = false;
                    return Ok(Replayed::Ready);
                }
                Ending::Unfinished(key) => {
                    self.spent = false;
                    return Ok(Replayed::Unfinished { key });
                }
                Ending::Failed(cause) => return Err(failed(cause)),
                Ending::Completed => {
                    let result = self.rerun().await?;
                    self.store.data_mut().journal.completed(result.as_ref())?;
                }
            }
        }
    }

    /// Goes on with the invocation that [`Instance::replay`] found unfinished: first as recorded, then live.
    pub async fn resume(&mut self) -> Outcome {
        self.resumed().await.into()
    }

    async fn resumed(&mut self) -> Result<Option<Value>, Stop> {
        self.take()?;
        let result = self.rerun().await?;
        self.complete(result)
    }

    /// Runs one invocation live. `arrival` is its position if it was accepted before.
    ///
    /// # Panics
    ///
    /// If the oplog was not replayed to its end.
    pub async fn invoke(&mut self, invocation: Invocation, arrival: Option<u64>) -> Outcome {
        self.invoked(invocation, arrival).await.into()
    }

    async fn invoked(&mut self, invocation: Invocation, arrival: Option<u64>) -> Result<Option<Value>, Stop> {
        self.take()?;
        let Invocation { key, function, params } = invocation;
        let prepared = Prepared::new(&self.component, &function, &params);
        let state = self.store.data_mut();
        if state.control.is_interrupted() {
            return Err(Stop::Interrupted);
        }
        let mut live = state.journal.live().expect("the oplog is replayed before a new invocation");
        let at = live.wall_now();
        let source = match arrival {
            Some(arrival) => InvocationSource::Queued { arrival },
            None => InvocationSource::Inline { function: Arc::clone(&function), params },
        };
        let index = live.record(Entry::InvocationStarted { at, key: key.clone(), source })?;
        let begun = state.journal.replay().begin(index);
        state.begin(key, begun, at);
        let result = self.run(&function, prepared).await?;
        self.complete(result)
    }

    /// The index of the last entry handed to the store.
    pub fn oplog_end(&self) -> OplogIndex {
        self.store.data().journal.appended()
    }

    /// Takes the instance for a call. Only one that returns gives it back.
    fn take(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.spent, true) { Err(Stop::Port(PortError::Discarded)) } else { Ok(()) }
    }

    /// Runs the next recorded invocation as far as it is recorded, and then live.
    async fn rerun(&mut self) -> Result<Option<Value>, Stop> {
        let Started { at, key, function, params, begun } =
            self.store.data_mut().journal.replay().started()?;
        let prepared = Prepared::new(&self.component, &function, &params);
        self.store.data_mut().begin(key, begun, at);
        self.run(&function, prepared).await
    }

    /// Records that the invocation returned, and hands everything to the store.
    fn complete(&mut self, result: Option<Value>) -> Result<Option<Value>, Stop> {
        let journal = &mut self.store.data_mut().journal;
        match journal.live() {
            Some(mut live) => {
                let at = live.wall_now();
                live.record(Entry::InvocationCompleted { at, result: result.clone() })?;
                live.flush()?;
            }
            // It returned before it had made all the calls that were recorded.
            None => journal.completed(result.as_ref())?,
        }
        self.spent = false;
        Ok(result)
    }

    async fn run(&mut self, name: &str, prepared: Result<Prepared, String>) -> Result<Option<Value>, Stop> {
        let called = match prepared {
            Ok(prepared) => {
                self.store.set_epoch_deadline(1);
                prepared.call(&mut self.store, &self.exports).await
            }
            Err(details) => Err(Uncalled::Refused(details)),
        };
        called.map_err(|uncalled| match uncalled {
            Uncalled::Refused(details) => self.refuse(details),
            Uncalled::Stopped(error) => trap::in_function(name, trap::stop(self.store.data_mut(), &error)),
        })
    }

    /// Fails the invocation for a reason that no other attempt changes.
    fn refuse(&mut self, details: String) -> Stop {
        match self.store.data_mut().journal.flush() {
            Ok(()) => Stop::Trapped { details, retry: false, policy: None },
            Err(stop) => stop,
        }
    }
}

impl From<Result<Option<Value>, Stop>> for Outcome {
    fn from(result: Result<Option<Value>, Stop>) -> Self {
        match result {
            Ok(result) => Self::Completed { result },
            Err(stop) => Self::Stopped(stop),
        }
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worker = &self.store.data().init.id;
        f.debug_struct("Instance")
            .field("worker", worker)
            .field("end", &self.oplog_end())
            .finish_non_exhaustive()
    }
}

/// The end of a worker whose oplog says that it failed for good.
fn failed(cause: FailureCause) -> Stop {
    match cause {
        FailureCause::Trap { details } | FailureCause::Discarded { details } => {
            Stop::Trapped { details, retry: false, policy: None }
        }
        FailureCause::Exited { code } => Stop::Exited { code },
        FailureCause::Diverged { index, recorded, requested } => {
            Stop::Diverged { index, recorded, requested }
        }
    }
}

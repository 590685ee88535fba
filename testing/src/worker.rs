//! A worker under the control of a test.

use crate::engine;
use crate::ports::{FakeHttp, LogCollector, MemoryStore, SimulatedClock, StoreError, memory_ports};
use golem_host::ports::Ports;
use golem_host::{
    AcceptanceRecord, Component, ComponentError, EngineError, FileHistory, History, Instance,
    InterruptHandle, Outcome, ReplayEnd, StopReason, WorkerInit,
};
use golem_model::oplog::Suspension;
use golem_model::promise::PromiseCompletion;
use golem_model::{
    AccountId, Convention, Entry, IdempotencyKey, Invocation, OplogIndex, ProjectId, PromiseId, RetryPolicy,
    TemplateId, Timestamp, Value, WorkerId, WorkerName,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The options of a test worker.
#[derive(Debug, Clone)]
pub struct Options {
    /// The worker's name.
    pub name: WorkerName,
    /// Command-line arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Seed of the worker's randomness.
    pub seed: [u8; 32],
    /// The templates of the workers that it calls, by the interface that they export.
    pub links: BTreeMap<String, TemplateId>,
    /// A wait longer than this parks the worker.
    pub suspend_after: Duration,
    /// A recorded entry is appended to the store at the latest this long after it was recorded.
    pub progress: Duration,
    /// The clock. By default one that begins in 2026 and jumps to the end of every wait.
    pub clock: SimulatedClock,
    /// Answers the worker's HTTP requests. By default they are denied.
    pub http: FakeHttp,
}

/// 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

impl Default for Options {
    fn default() -> Self {
        Self {
            name: WorkerName::new("test").expect("a good name"),
            args: Vec::new(),
            env: Vec::new(),
            seed: [7; 32],
            links: BTreeMap::new(),
            suspend_after: Duration::from_secs(10),
            progress: Duration::from_millis(50),
            clock: SimulatedClock::new(BEGINNING).jumping(),
            http: FakeHttp::default(),
        }
    }
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine could not be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component cannot run here.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The store rejected the worker.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an invocation gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The worker waits. Advance the clock or complete a promise, then call [`TestWorker::resume`].
    #[error("the worker waits until {:?} or for {:?}", .0.wake_at, .0.promises)]
    Waiting(Suspension),
    /// An earlier invocation has not ended: call [`TestWorker::resume`] first.
    #[error("the invocation {0} has not ended; resume it first")]
    Unfinished(IdempotencyKey),
    /// There is no unfinished invocation.
    #[error("there is no unfinished invocation to resume")]
    NothingUnfinished,
    /// The guest trapped. [`TestWorker::resume`] makes another attempt.
    #[error("{details}")]
    Trapped {
        /// The trap and the guest's stack.
        details: String,
        /// Whether the server would make another attempt.
        retry: bool,
    },
    /// The guest called `exit`.
    #[error("the program exited with code {code}")]
    Exited {
        /// The exit code.
        code: u8,
        /// The end of its standard error.
        stderr: String,
    },
    /// [`InterruptHandle::interrupt`] was called.
    #[error("the worker was interrupted")]
    Interrupted,
    /// Replay asked for another call than the oplog holds.
    #[error("replay diverged at oplog index {index}: recorded was {recorded}, requested is {requested}")]
    Diverged {
        /// The index at which they differ.
        index: OplogIndex,
        /// The recorded entry.
        recorded: String,
        /// The guest's request.
        requested: String,
    },
    /// The worker could not be saved. Its state is unchanged.
    #[error("the worker cannot be saved: {details}")]
    NotSaved {
        /// The reason.
        details: String,
    },
    /// The store failed, as requested by the test.
    #[error(transparent)]
    Port(golem_host::ports::PortError),
    /// The store rejected the operation.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StopReason> for Failure {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Suspended(parked) => Self::Waiting(parked),
            StopReason::Trapped { details, retry, policy: _ } => Self::Trapped { details, retry },
            StopReason::Exited { code, stderr } => Self::Exited { code, stderr },
            // A jump gets here only during the creation of an instance, where the host rejects it.
            StopReason::Interrupted | StopReason::JumpedBack => Self::Interrupted,
            StopReason::Diverged { index, recorded, requested } => {
                Self::Diverged { index, recorded, requested }
            }
            StopReason::Port(error) => Self::Port(error),
        }
    }
}

fn compile(wasm: &[u8]) -> Result<Component, StartError> {
    Ok(engine::shared()?.compile(wasm, *blake3::hash(wasm).as_bytes())?)
}

/// A worker under the control of a test.
#[derive(Debug)]
pub struct TestWorker {
    pub(crate) component: Component,
    pub(crate) init: WorkerInit,
    pub(crate) store: MemoryStore,
    pub(crate) clock: SimulatedClock,
    pub(crate) http: FakeHttp,
    log: LogCollector,
    interrupt_handle: InterruptHandle,
    pub(crate) instance: Option<Instance>,
    /// Whether it is loaded from its newest snapshot.
    pub(crate) from_snapshots: bool,
    /// Entries that a replay has in memory at a time.
    pub(crate) page_entries: usize,
    /// The unfinished invocation in which `instance` stopped replaying.
    unfinished: Option<IdempotencyKey>,
    invocations: u64,
}

impl TestWorker {
    /// Compiles `wasm` and creates a worker.
    pub async fn start(wasm: &[u8]) -> Result<Self, StartError> {
        Self::start_with(wasm, Options::default()).await
    }

    /// Compiles `wasm` and creates a worker with these options.
    pub async fn start_with(wasm: &[u8], options: Options) -> Result<Self, StartError> {
        let wasm = wasm.to_vec();
        // Compilation takes a while; a blocking thread does not hold up other tests.
        let compiled = tokio::task::spawn_blocking(move || compile(&wasm)).await;
        let component = compiled.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        Ok(Self::with_store(component, options, MemoryStore::new())?)
    }

    /// Creates a worker of a compiled component, on a store that other workers may share.
    pub fn with_store(
        component: Component,
        options: Options,
        store: MemoryStore,
    ) -> Result<Self, StoreError> {
        let account = AccountId(Uuid::from_u128(1));
        let id = WorkerId::new(TemplateId(Uuid::from_u128(2)), options.name);
        let created = Entry::Created {
            at: options.clock.wall(),
            id: id.clone(),
            project: ProjectId(Uuid::from_u128(3)),
            account,
            template_version: 0,
            args: options.args.clone(),
            env: options.env.clone(),
            seed: options.seed,
        };
        store.create(&id, vec![created])?;
        let init = WorkerInit {
            id,
            account,
            template_version: 0,
            args: options.args,
            env: options.env,
            begins_after: OplogIndex::START,
            seed: options.seed,
            files: FileHistory::new(component.files().cloned()),
            links: options.links,
            suspend_after: options.suspend_after,
            progress: options.progress,
            retry: RetryPolicy::default(),
        };
        Ok(Self::from_parts(component, init, store, options.clock, options.http))
    }

    /// A worker whose oplog is already in `store`.
    pub(crate) fn from_parts(
        component: Component,
        init: WorkerInit,
        store: MemoryStore,
        clock: SimulatedClock,
        http: FakeHttp,
    ) -> Self {
        let invocations = store
            .oplog(&init.id)
            .iter()
            .filter(|entry| matches!(entry, Entry::InvocationStarted { .. }))
            .count() as u64;
        Self {
            component,
            init,
            store,
            clock,
            http,
            log: LogCollector::new(),
            interrupt_handle: InterruptHandle::new(),
            instance: None,
            from_snapshots: false,
            page_entries: usize::MAX,
            unfinished: None,
            invocations,
        }
    }

    /// Invokes a function by its full name and waits for its answer, which is then durable.
    pub async fn invoke(&mut self, function: &str, params: Vec<Value>) -> Result<Option<Value>, Failure> {
        self.invoke_with_convention(Convention::Component, function, params).await
    }

    /// Calls a function as a program: `input` is its standard input or the next line of it, and its standard output is
    /// the answer.
    pub async fn invoke_program(
        &mut self,
        convention: Convention,
        function: &str,
        input: &str,
    ) -> Result<Option<Value>, Failure> {
        self.invoke_with_convention(convention, function, vec![Value::String(input.to_owned())]).await
    }

    pub(crate) async fn invoke_with_convention(
        &mut self,
        convention: Convention,
        function: &str,
        params: Vec<Value>,
    ) -> Result<Option<Value>, Failure> {
        self.load().await?;
        if let Some(key) = &self.unfinished {
            return Err(Failure::Unfinished(key.clone()));
        }
        self.invocations += 1;
        let key = IdempotencyKey::new(format!("test-{}", self.invocations)).expect("a good key");
        let invocation = Invocation { key, function: Arc::from(function), params, convention };
        let outcome = match &mut self.instance {
            Some(instance) => instance.invoke(invocation, AcceptanceRecord::StartEntry(Duration::MAX)).await,
            None => return Err(Failure::NothingUnfinished),
        };
        self.follow_jumps(outcome).await
    }

    /// Resumes the invocation that waits, has failed or was interrupted by a crash.
    pub async fn resume(&mut self) -> Result<Option<Value>, Failure> {
        let outcome = self.try_resume().await?;
        self.follow_jumps(outcome).await
    }

    async fn try_resume(&mut self) -> Result<Outcome, Failure> {
        self.load().await?;
        if self.unfinished.take().is_none() {
            return Err(Failure::NothingUnfinished);
        }
        match &mut self.instance {
            Some(instance) => Ok(instance.resume().await),
            None => Err(Failure::NothingUnfinished),
        }
    }

    /// Resumes a worker that has jumped, as the server does, and returns the final answer.
    async fn follow_jumps(&mut self, mut outcome: Outcome) -> Result<Option<Value>, Failure> {
        while matches!(outcome, Outcome::Stopped(StopReason::JumpedBack)) {
            self.instance = None;
            self.store.commit();
            outcome = self.try_resume().await?;
        }
        self.finish(outcome)
    }

    /// Like [`TestWorker::resume`], and advances the clock whenever the worker waits only for time.
    pub async fn resume_over_time(&mut self) -> Result<Option<Value>, Failure> {
        let answer = self.resume().await;
        self.wait_over_time(answer).await
    }

    /// Advances the clock and resumes, as long as the worker waits for time.
    pub(crate) async fn wait_over_time(
        &mut self,
        mut answer: Result<Option<Value>, Failure>,
    ) -> Result<Option<Value>, Failure> {
        while let Err(Failure::Waiting(Suspension { wake_at: Some(wake_at), .. })) = answer {
            self.clock.advance_to(wake_at);
            answer = self.resume().await;
        }
        answer
    }

    /// Makes everything done so far durable, as happens before an effect becomes visible outside.
    pub fn commit(&self) {
        self.store.commit();
    }

    /// Drops the worker's memory and everything that is not durable.
    pub fn crash(&mut self) {
        self.instance = None;
        self.store.crash();
    }

    /// Removes the worker from memory without losing anything.
    pub fn evict(&mut self) {
        self.instance = None;
        self.store.commit();
    }

    /// Replaces the worker's component. The next load replays the oplog with the new component.
    pub fn replace_component(&mut self, wasm: &[u8]) -> Result<(), StartError> {
        self.evict();
        self.component = compile(wasm)?;
        Ok(())
    }

    /// Completes a promise from outside.
    pub fn complete_promise(&self, promise: &PromiseId, data: &[u8]) -> PromiseCompletion {
        self.store.complete(promise, data)
    }

    /// The full names of the functions that the component exports.
    pub fn function_names(&self) -> Vec<String> {
        self.component.functions().names().map(str::to_owned).collect()
    }

    /// The worker's id.
    pub fn id(&self) -> &WorkerId {
        &self.init.id
    }

    /// The worker's clock.
    pub fn clock(&self) -> &SimulatedClock {
        &self.clock
    }

    /// The worker's output.
    pub fn log(&self) -> &LogCollector {
        &self.log
    }

    /// The worker's store.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// The handle that interrupts the worker; a new one after each stop.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.interrupt_handle.clone()
    }

    /// The worker's oplog.
    pub fn oplog(&self) -> Vec<Entry> {
        self.store.oplog(&self.init.id)
    }

    /// Loads the worker into memory.
    pub(crate) async fn load(&mut self) -> Result<(), Failure> {
        if self.instance.is_some() {
            return Ok(());
        }
        let ports = memory_ports(&self.store, &self.init.id, &self.clock, &self.log)?;
        let ports = Ports { http: Arc::new(self.http.clone()), ..ports };
        let loaded = self.activate(ports).await;
        // Entries of the initialisation (for example that it waits) count even if the initialisation failed.
        self.store.commit();
        let (instance, replayed) = loaded.inspect_err(|_| self.interrupt_handle = InterruptHandle::new())?;
        self.instance = Some(instance);
        self.unfinished = match replayed {
            ReplayEnd::Ready => None,
            ReplayEnd::Unfinished { key } => Some(key),
        };
        Ok(())
    }

    async fn activate(&self, ports: Ports) -> Result<(Instance, ReplayEnd), StopReason> {
        if self.from_snapshots
            && let Some(loaded) = self.activate_from_snapshot(ports.clone()).await
        {
            return loaded;
        }
        let (init, interrupt_handle) = (self.init.clone(), self.interrupt_handle.clone());
        let history = History::from_entries(init.begins_after, self.oplog(), self.page_entries);
        let mut instance =
            Instance::activate(&self.component, init, history, ports, interrupt_handle).await?;
        let replayed = instance.replay().await?;
        Ok((instance, replayed))
    }

    fn finish(&mut self, outcome: Outcome) -> Result<Option<Value>, Failure> {
        match outcome {
            Outcome::Completed { result } => {
                // The answer becomes visible now.
                self.store.commit();
                Ok(result)
            }
            Outcome::Stopped(stop) => {
                self.instance = None;
                self.interrupt_handle = InterruptHandle::new();
                match &stop {
                    // As the server does: parking and failed attempts are recorded.
                    StopReason::Suspended(_)
                    | StopReason::JumpedBack
                    | StopReason::Exited { .. }
                    | StopReason::Interrupted => {
                        self.store.commit();
                    }
                    StopReason::Trapped { details, .. } => {
                        let at = self.clock.wall();
                        let failed = Entry::AttemptFailed { at, details: details.clone(), retry_at: at };
                        self.store.append(&self.init.id, failed);
                    }
                    StopReason::Diverged { .. } | StopReason::Port(_) => {}
                }
                Err(stop.into())
            }
        }
    }
}

//! An executor on a store in memory, with a clock and a template service that the test controls.

use async_trait::async_trait;
use golem_host::ports::OutboundHttp;
use golem_host::{Component, Engine, EngineConfig, Files};
use golem_model::oplog::InboxEvent;
use golem_model::oplog::codec::{Row, decode_row, encode_row};
use golem_model::template::Function;
use golem_model::{
    AccountId, Convention, Entry, FailureOptions, IdempotencyKey, Invocation, OplogIndex, ProjectAction,
    ProjectId, ShardId, TemplateId, Timestamp, Value, WorkerId, WorkerName, WorkerStatus,
};
use golem_runtime::entropy::SystemEntropy;
use golem_runtime::executor::{
    AdmissionError, ComponentFault, Deduplication, Executor, ExecutorError, ExecutorMetrics, ExecutorParts,
    ExecutorSettings, HostAuthorization, OplogSearch, OutboundProvider, QueuedInvocation, TemplateLookup,
    WorkerAdmission, WorkerSpec, WorkerUsage,
};
use golem_runtime::spawner::TokioSpawner;
use golem_runtime::storage::blobs::FileContentStore;
use golem_runtime::storage::memory::{Fault, FaultKind, MemoryStore, ReadFault};
use golem_runtime::storage::ports::{Batch, LogRow, Seq, Store, WorkerNum};
use golem_testing::{FakeHttp, SimulatedClock};
use golem_tests::{guests, wait};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(3));
/// The template of the guest `sleeps`.
pub(crate) const TEMPLATE: TemplateId = TemplateId(Uuid::from_u128(2));
/// The template of the guest `promises`.
pub(crate) const PROMISES: TemplateId = TemplateId(Uuid::from_u128(4));
/// The template of the guest `calls`.
pub(crate) const CALLS: TemplateId = TemplateId(Uuid::from_u128(5));

/// The template of the guest `keyvalue`.
pub(crate) const KEY_VALUES: TemplateId = TemplateId(Uuid::from_u128(6));

/// What the template service answers when the executor asks for the component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Templates {
    /// The component.
    Ready,
    /// Nothing yet.
    Loading,
    /// This error.
    Broken(&'static str),
    /// Nothing: it panics.
    Panics,
}

struct Services {
    templates: watch::Sender<Templates>,
    /// How often the component was asked for.
    requests: AtomicU64,
    /// Whether the next admission of a worker panics, under the node's lock.
    admission_panics: AtomicBool,
    /// Whether a limit refuses new workers.
    is_full: AtomicBool,
}

#[async_trait]
impl TemplateLookup for Services {
    async fn component(&self, template: TemplateId, _: u32) -> Result<Component, ComponentFault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut templates = self.templates.subscribe();
        let answer = templates.wait_for(|templates| *templates != Templates::Loading).await;
        match answer.as_deref() {
            Ok(Templates::Broken(error)) => Err(ComponentFault::Invalid((*error).to_owned())),
            Ok(Templates::Panics) => panic!("an injected panic of the template service"),
            Ok(_) => Ok(component(template)),
            Err(closed) => Err(ComponentFault::Unreadable(closed.to_string())),
        }
    }

    async fn files(&self, _: TemplateId, _: u32) -> Result<Option<Files>, ComponentFault> {
        Ok(None)
    }

    fn newest_version(&self, _: TemplateId) -> Option<(ProjectId, u32)> {
        Some((PROJECT, 0))
    }

    fn function(&self, template: TemplateId, _: u32, name: &str) -> Option<Arc<Function>> {
        component(template).functions().get(name).map(|(_, function)| function.clone())
    }

    fn failure_options(&self, _: TemplateId, _: u32) -> FailureOptions {
        FailureOptions::default()
    }

    fn links(&self, template: TemplateId, _: u32) -> BTreeMap<String, TemplateId> {
        component(template).clients().iter().map(|client| (client.interface.to_string(), CALLS)).collect()
    }
}

impl WorkerAdmission for Services {
    fn admit(&self, _: TemplateId, _: &dyn Fn(&[TemplateId]) -> WorkerUsage) -> Result<(), AdmissionError> {
        assert!(!self.admission_panics.swap(false, Ordering::Relaxed), "an injected panic of the admission");
        if self.is_full.load(Ordering::Relaxed) {
            return Err(AdmissionError::Limit("there are enough workers".to_owned()));
        }
        Ok(())
    }
}

/// All workers of these tests are in one project.
impl HostAuthorization for Services {
    fn is_authorized(&self, _: ProjectId, _: ProjectAction, _: ProjectId) -> bool {
        false
    }
}

impl OutboundProvider for Services {
    fn for_project(&self, _: ProjectId) -> Arc<dyn OutboundHttp> {
        Arc::new(FakeHttp::default())
    }
}

/// The component of a template, compiled once for all tests.
fn component(template: TemplateId) -> Component {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    static COMPONENTS: Mutex<BTreeMap<TemplateId, Component>> = Mutex::new(BTreeMap::new());
    let engine = ENGINE.get_or_init(|| {
        let engine = Engine::new(EngineConfig { residents_max: 100, ..EngineConfig::default() }).unwrap();
        let ticked = engine.clone();
        std::thread::spawn(move || {
            loop {
                wait::pause_thread(ticked.tick_interval());
                ticked.tick();
            }
        });
        engine
    });
    let compile = || {
        let wasm = guests::bytes(match template {
            PROMISES => guests::PROMISES,
            CALLS => guests::CALLS,
            KEY_VALUES => guests::KEY_VALUE,
            _ => guests::SLEEPS,
        });
        engine.compile(&wasm, *blake3::hash(&wasm).as_bytes()).unwrap()
    };
    COMPONENTS.lock().unwrap().entry(template).or_insert_with(compile).clone()
}

/// An executor and everything around it.
pub(crate) struct Node {
    pub(crate) executor: Executor,
    pub(crate) clock: SimulatedClock,
    pub(crate) metrics: Arc<ExecutorMetrics>,
    store: Arc<MemoryStore>,
    services: Arc<Services>,
    settings: ExecutorSettings,
    folder: TempDir,
}

/// An invocation of `sleep-ms`. Without a key, it gets an anonymous one of its own, as over REST.
pub(crate) fn sleep(ms: u64, key: Option<&str>) -> Invocation {
    static ANONYMOUS: AtomicU64 = AtomicU64::new(0);
    Invocation {
        key: key.map_or_else(
            || IdempotencyKey::anonymous(u128::from(ANONYMOUS.fetch_add(1, Ordering::Relaxed))),
            |key| IdempotencyKey::new(key).unwrap(),
        ),
        function: guests::SLEEP.into(),
        params: vec![Value::U64(ms)],
        convention: Convention::Component,
    }
}

/// An invocation of a function of the guest `promises`.
pub(crate) fn promises(function: &str, params: Vec<Value>, key: &str) -> Invocation {
    Invocation {
        key: IdempotencyKey::new(key).unwrap(),
        function: format!("golem:promises/api/{function}").into(),
        params,
        convention: Convention::Component,
    }
}

/// An invocation of a function of the guest `calls`, for example `target/bump`.
pub(crate) fn calls(function: &str, params: Vec<Value>, key: &str) -> Invocation {
    Invocation {
        key: IdempotencyKey::new(key).unwrap(),
        function: format!("golem:calls/{function}").into(),
        params,
        convention: Convention::Component,
    }
}

pub(crate) type Reply = Result<Option<Value>, ExecutorError>;

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with changed settings.
    pub(crate) async fn with(change: impl FnOnce(&mut ExecutorSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        Self::new(MemoryStore::new(), settings).await
    }

    /// Starts on a store that holds a worker with these entries, each in a row of its own.
    pub(crate) async fn with_log(name: &str, entries: impl FnOnce(Entry) -> Vec<Entry>) -> (Self, WorkerId) {
        let id = WorkerId::new(TEMPLATE, WorkerName::new(name).unwrap());
        let store = MemoryStore::new();
        let shard = ShardId::of(id.template, &id.name);
        let epochs = store.acquire().unwrap();
        let epoch = epochs.iter().find(|(of, _)| *of == shard).unwrap().1;
        let created = Entry::Created {
            at: Timestamp::from_nanos(1),
            id: id.clone(),
            project: PROJECT,
            account: AccountId(Uuid::from_u128(1)),
            template_version: 0,
            args: Vec::new(),
            env: Vec::new(),
            seed: [7; 32],
        };
        let rows = (1..).zip(entries(created)).map(|(number, entry)| LogRow {
            seq: Seq(number),
            worker: WorkerNum(1),
            prev: Seq(number - 1),
            shard,
            epoch,
            body: encode_row(&Row::Entries { first: OplogIndex(number), entries: vec![entry] }),
        });
        let batch = Batch { fences: vec![(shard, epoch)], rows: rows.collect(), ..Batch::default() };
        store.commit(&batch).unwrap();
        (Self::new(store, settings()).await, id)
    }

    async fn new(store: MemoryStore, settings: ExecutorSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::new(Timestamp::from_nanos(1_800_000_000_000_000_000));
        let services = Arc::new(Services {
            templates: watch::Sender::new(Templates::Ready),
            requests: AtomicU64::new(0),
            admission_panics: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        });
        Self::on(Arc::new(store), clock, services, settings, folder).await
    }

    async fn on(
        store: Arc<MemoryStore>,
        clock: SimulatedClock,
        services: Arc<Services>,
        settings: ExecutorSettings,
        folder: TempDir,
    ) -> Self {
        let metrics = Arc::new(ExecutorMetrics::default());
        let executor = Executor::start(ExecutorParts {
            store: store.clone(),
            snapshots: Arc::new(FileContentStore::open(folder.path()).unwrap()),
            templates: services.clone(),
            admission: services.clone(),
            authorization: services.clone(),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SystemEntropy),
            outbound: services.clone(),
            spawner: TokioSpawner::current(),
            settings: settings.clone(),
            metrics: metrics.clone(),
            idempotency: Deduplication::Enforced,
        });
        Self { executor: executor.await.unwrap(), clock, metrics, store, services, settings, folder }
    }

    /// Starts another executor on what is durable now, as after a crash of the process. The old one is stopped
    /// afterwards; the store refuses its commits.
    pub(crate) async fn crash(self) -> Self {
        self.crash_onto(|_| {}).await
    }

    /// Like [`Node::crash`], with faults of the store that the other executor starts on.
    pub(crate) async fn crash_onto(self, faults: impl FnOnce(&MemoryStore)) -> Self {
        let Self { executor, clock, metrics: _, store, services, settings, folder } = self;
        let next = store.snapshot();
        faults(&next);
        let next = Self::on(Arc::new(next), clock, services, settings, folder).await;
        executor.shutdown().await;
        next
    }

    /// Shuts the executor down, and starts another one.
    pub(crate) async fn restart(self) -> Self {
        let Self { executor, clock, metrics: _, store, services, settings, folder } = self;
        executor.shutdown().await;
        Self::on(Arc::new(store.snapshot()), clock, services, settings, folder).await
    }

    pub(crate) fn templates(&self, templates: Templates) {
        self.services.templates.send_replace(templates);
    }

    /// How often the executor asked for a component.
    pub(crate) fn component_requests(&self) -> u64 {
        self.services.requests.load(Ordering::Relaxed)
    }

    /// Makes this commit fail: 1 is the next one.
    pub(crate) fn fail_commit(&self, commit: u64, kind: FaultKind) {
        self.store.fail(Fault { commit, kind, applied: false });
    }

    /// Makes a read of the store fail.
    pub(crate) fn fail_read(&self, fault: ReadFault) {
        self.store.fail_read(fault);
    }

    /// Calls `hook` after each read of a projection or a key, before the executor gets the result.
    pub(crate) fn set_read_hook(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.store.set_read_hook(Arc::new(hook));
    }

    /// Waits until the derived state of all rows is in the store, so the next start folds no row.
    pub(crate) async fn until_flushed(&self) {
        wait::until("the derived state is written", || async {
            // The committer writes it when it has been idle for this long.
            self.advance_ms(200);
            let position = self.store.position().unwrap();
            (position.derived.applied == position.last).then_some(())
        })
        .await;
    }

    /// Waits until no worker is to be woken.
    pub(crate) async fn until_woken(&self) {
        wait::until("all workers are woken", || async { (self.executor.wakes_waiting() == 0).then_some(()) })
            .await;
    }

    /// Makes commits wait until [`Node::release_commits`].
    pub(crate) fn hold_commits(&self) {
        self.store.hold();
    }

    pub(crate) fn release_commits(&self) {
        self.store.release();
    }

    /// Makes the next admission of a worker panic, under the node's lock.
    pub(crate) fn panic_at_admission(&self) {
        self.services.admission_panics.store(true, Ordering::Relaxed);
    }

    /// Refuses new workers from now on, as a limit of a plan does.
    pub(crate) fn refuse_workers(&self) {
        self.services.is_full.store(true, Ordering::Relaxed);
    }

    /// Lets time pass until requests are accepted again.
    pub(crate) async fn until_healthy(&self) {
        wait::until("requests are accepted", || async {
            self.advance_ms(1_000);
            self.executor.health().ok()
        })
        .await;
    }

    /// The id of a worker of the guest `sleeps`.
    #[expect(clippy::unused_self, reason = "reads like the other methods")]
    pub(crate) fn id(&self, name: &str) -> WorkerId {
        WorkerId::new(TEMPLATE, WorkerName::new(name).unwrap())
    }

    /// Creates a worker.
    pub(crate) async fn create(&self, name: &str) -> WorkerId {
        let id = self.id(name);
        self.try_create(&id).await.unwrap();
        id
    }

    /// Creates a worker of the guest `promises`.
    pub(crate) async fn create_promises(&self, name: &str) -> WorkerId {
        let id = WorkerId::new(PROMISES, WorkerName::new(name).unwrap());
        self.try_create(&id).await.unwrap();
        id
    }

    pub(crate) async fn try_create(&self, id: &WorkerId) -> Result<(), ExecutorError> {
        self.executor.create(Self::spec(id)).await
    }

    /// The properties of a new worker.
    pub(crate) fn spec(id: &WorkerId) -> WorkerSpec {
        WorkerSpec {
            id: id.clone(),
            project: PROJECT,
            account: AccountId(Uuid::from_u128(1)),
            template_version: 0,
            args: Vec::new(),
            env: Vec::new(),
            options: FailureOptions::default(),
        }
    }

    /// Invokes, and waits for the reply in the background.
    pub(crate) fn invoke(&self, worker: &WorkerId, invocation: Invocation) -> JoinHandle<Reply> {
        let (executor, worker) = (self.executor.clone(), worker.clone());
        tokio::spawn(async move { wait::bounded("a reply", executor.invoke(&worker, invocation)).await })
    }

    /// The worker's durable entries.
    pub(crate) async fn oplog(&self, worker: &WorkerId) -> Vec<Entry> {
        let search = OplogSearch {
            from: OplogIndex(1),
            count: 1_000,
            bytes_max: usize::MAX,
            is_filtered: false,
            filter_map: Box::new(|_, entry| Some((entry.clone(), 0))),
        };
        self.executor.oplog(worker, search).await.unwrap().entries
    }

    /// Waits until the worker sleeps in memory: its entries are durable before it waits.
    pub(crate) async fn until_it_sleeps(&self, worker: &WorkerId) {
        wait::until("the worker sleeps", || async {
            let oplog = self.oplog(worker).await;
            matches!(oplog.last(), Some(Entry::HostCall { .. } | Entry::ClockReadings(_))).then_some(())
        })
        .await;
    }

    pub(crate) async fn until_status(&self, worker: &WorkerId, status: WorkerStatus) {
        wait::until(&format!("the worker is {status:?}"), || async {
            (self.status(worker).await == status).then_some(())
        })
        .await;
    }

    pub(crate) async fn status(&self, worker: &WorkerId) -> WorkerStatus {
        self.executor.view(worker).await.unwrap().status
    }

    /// Waits until the worker has this number of invocations that have not ended, and returns them.
    pub(crate) async fn until_queued(&self, worker: &WorkerId, count: usize) -> Vec<QueuedInvocation> {
        wait::until(&format!("{count} invocations are queued"), || async {
            let queue = self.executor.queue(worker).await.unwrap();
            (queue.len() == count).then_some(queue)
        })
        .await
    }

    /// Waits until this invocation's acceptance is durable, and returns the time of its row.
    pub(crate) async fn until_accepted(&self, worker: &WorkerId, key: Option<&str>) -> Timestamp {
        wait::until("the invocation is accepted", || async {
            let queue = self.executor.queue(worker).await.unwrap();
            queue.iter().find(|queued| queued.key.as_deref() == key).and_then(|queued| queued.accepted_at)
        })
        .await
    }

    /// The durable inbox events, of all workers.
    pub(crate) fn inbox_events(&self) -> Vec<InboxEvent> {
        let rows = self.store.rows_after(Seq(0), 10_000, usize::MAX).unwrap();
        let rows = rows.iter().map(|row| decode_row(&row.body).unwrap());
        rows.filter_map(|row| match row {
            Row::InboxEvent(event) => Some(event),
            Row::Entries { .. } => None,
        })
        .collect()
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// Lets time pass, second by second, until the reply is there.
    pub(crate) async fn over_time(&self, reply: JoinHandle<Reply>) -> Reply {
        wait::until("the invocation ends", || async {
            self.advance_ms(1_000);
            reply.is_finished().then_some(())
        })
        .await;
        reply.await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.executor.shutdown().await;
    }
}

/// The default settings, but a replay reads one row at a time.
fn settings() -> ExecutorSettings {
    ExecutorSettings { replay_page_bytes: 1, ..ExecutorSettings::default() }
}

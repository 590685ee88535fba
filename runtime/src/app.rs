//! The only place that builds services and connects them.
//!
//! [`start`] runs a whole server inside this process. Two programs call it, through [`crate::serve::run`]: `golem`, and
//! `golem-test-server` of the crate `golem-tests`, which can set [`Overrides`]. Integration tests do not call it; they
//! start one of these programs as a child process (`tests/src/server.rs`).

use crate::catalog::{TemplateParts, Templates, WorkerQuotas};
use crate::clock::SystemClock;
use crate::config::{Config, EngineSettings, OutboundHttpSettings, PrivateAddresses, WorkerSettings};
use crate::entropy::{Entropy, SystemEntropy};
use crate::executor::{
    Deduplication, Executor, ExecutorParts, ExecutorSettings, OutboundProvider, SnapshotPolicy,
};
use crate::http::{HttpLimits, HttpServer};
use crate::identity::{self, BootstrapError, Directory, Plan, RequestRates};
use crate::login::{Login, ProviderError};
use crate::metrics::Metrics;
use crate::outbound::{
    AllowEveryProject, OutboundClient, OutboundLimits, OutboundPolicy, RootsError, TrustedRoots,
};
use crate::rest::{InvocationKeys, RequestLimits, Services};
use crate::spawner::TokioSpawner;
use crate::storage::blobs::FileContentStore;
use crate::storage::embedded::{EmbeddedStore, OpenOptions};
use crate::storage::ports::{Catalog, ContentStore, Store, StoreError};
use golem_host::ports::Clock;
use golem_host::{Engine, EngineConfig, EngineError};
use golem_model::RetryPolicy;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Instance slots of the engine beyond `workers.residents_max`: an instance that is being unloaded still holds its
/// slot.
const INSTANCE_SLOTS_SPARE: u64 = 256;

/// After the executor has stopped, callers that were still waiting get this long to receive their responses.
const LAST_REPLIES_MAX: Duration = Duration::from_secs(1);

/// Wraps the store of a server.
pub type StoreWrapper = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + Send>;

/// Replacements for parts of a server, for tests. The default is a real server.
#[derive(Default)]
pub struct Overrides {
    /// The log. If it is set, `catalog` and `blobs` must be set too. By default, all three are in the data folder.
    pub store: Option<Arc<dyn Store>>,
    /// Accounts, projects, tokens and templates.
    pub catalog: Option<Arc<dyn Catalog>>,
    /// Uploaded components.
    pub blobs: Option<Arc<dyn ContentStore>>,
    /// Memory images that are too large for the log. By default, they are in the data folder.
    pub snapshots: Option<Arc<dyn ContentStore>>,
    /// Name of the SQLite VFS under the store in the data folder.
    pub vfs: Option<String>,
    /// Wraps the store, whether it is the default or a replacement.
    pub wrap_store: Option<StoreWrapper>,
    /// Wall time and elapsed time.
    pub clock: Option<Arc<dyn Clock>>,
    /// Random bytes.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// Sends the HTTP requests of workers.
    pub outbound: Option<Arc<dyn OutboundProvider>>,
    /// Whether the server recognises repeated idempotency keys.
    pub idempotency: Deduplication,
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overrides").finish_non_exhaustive()
    }
}

/// Why a server cannot start, with what to do. The system's error is the source.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets of the data folder cannot be set up.
    #[error(transparent)]
    Identity(#[from] BootstrapError),
    /// The WebAssembly engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The root certificates of the setting `outbound_http.root_certificates` cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The workers cannot be recovered.
    #[error(transparent)]
    Executor(#[from] crate::executor::StartError),
    /// Login cannot be set up.
    #[error("login cannot be set up")]
    Login(#[from] ProviderError),
    /// The server cannot listen on the address.
    #[error("cannot listen on {listen}: {}", listen_advice(source.kind()))]
    Listen {
        /// The address, from the setting `listen`.
        listen: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A folder cannot be created.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Name of the thread.
        name: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Only some of `store`, `catalog` and `blobs` are overridden.
    #[error("invalid overrides: set store, catalog and blobs together, or none of them")]
    Overrides,
}

fn listen_advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it, or choose another port with --listen (port 0 selects a free one)"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; choose another one with --listen"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; use 127.0.0.1 or 0.0.0.0"
        }
        _ => "--listen takes host:port, for example 127.0.0.1:9881",
    }
}

/// A server in this process. [`Server::shutdown`] stops it.
///
/// Dropping it without `shutdown` does not stop the accept loop or the workers: they end with the async runtime, as if
/// the process were killed.
pub struct Server {
    http: HttpServer,
    executor: Executor,
    clock: Arc<dyn Clock>,
    drain_max: Duration,
    token_file: PathBuf,
    data_dir: PathBuf,
    metrics: Arc<Metrics>,
    _ticker: Ticker,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}

impl Server {
    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// The file that holds the secret of a token of the root account.
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The server's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The executor of the server's workers.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Stops accepting connections, waits for requests in flight, then stops the workers. Acknowledged work is durable
    /// without this; a clean shutdown only spares callers a broken connection.
    pub async fn shutdown(self) {
        let clock = self.clock.as_ref();
        let mut draining = self.http.drain().await;
        draining.wait(clock, self.drain_max).await;
        // Callers whose invocations take longer get 503 now. Their invocations continue after the next start.
        self.executor.shutdown().await;
        let left = draining.wait(clock, LAST_REPLIES_MAX).await;
        if left > 0 {
            tracing::warn!(left, "closed connections whose requests did not end in time");
        }
        draining.close().await;
    }
}

/// The stores of a server.
struct Stores {
    store: Arc<dyn Store>,
    catalog: Arc<dyn Catalog>,
    blobs: Arc<dyn ContentStore>,
}

/// Builds and starts a server.
pub async fn start(config: Config, overrides: Overrides) -> Result<Server, StartError> {
    let Overrides {
        store,
        catalog,
        blobs,
        snapshots,
        vfs,
        wrap_store,
        clock,
        entropy,
        outbound,
        idempotency,
    } = overrides;
    let clock = clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
    let entropy = entropy.unwrap_or_else(|| Arc::new(SystemEntropy));
    let data_dir = config.server.data_dir.clone();
    let engine_config = engine_config(&config.engine, &config.workers, &data_dir);
    let components_cached_max = usize_of(config.engine.components_cached_max);

    let overridden = match (store, catalog, blobs) {
        (Some(store), Some(catalog), Some(blobs)) => Some(Stores { store, catalog, blobs }),
        (None, None, None) => None,
        _ => return Err(StartError::Overrides),
    };
    let plan = Plan::new(config.plan.clone());
    let (start_clock, start_entropy, start_dir) = (clock.clone(), entropy.clone(), data_dir.clone());
    // Opening the store, reading the catalog and compiling block the thread.
    let prepared = run_blocking(move || {
        let stores = match overridden {
            Some(stores) => {
                std::fs::create_dir_all(&start_dir)
                    .map_err(|source| StartError::Folder { path: start_dir.clone(), source })?;
                stores
            }
            None => open_stores(&start_dir, vfs)?,
        };
        let Stores { store, catalog, blobs } = stores;
        let store = match wrap_store {
            Some(wrap) => wrap(store),
            None => store,
        };
        let snapshots = match snapshots {
            Some(snapshots) => snapshots,
            None => Arc::new(FileContentStore::open_snapshots(&start_dir)?),
        };
        let identity =
            identity::bootstrap(&start_dir, catalog.as_ref(), start_clock.as_ref(), start_entropy.as_ref())?;
        let engine = Engine::new(engine_config)?;
        let directory = Directory::load(catalog.clone(), start_clock.clone(), start_entropy.clone(), plan)?;
        let templates = Templates::load(TemplateParts {
            catalog,
            directory: directory.clone(),
            blobs,
            engine: engine.clone(),
            clock: start_clock,
            entropy: start_entropy,
            components_cached_max,
        })?;
        let templates = Arc::new(templates);
        Ok::<_, StartError>((store, snapshots, identity, engine, directory, templates))
    })
    .await?;
    let (store, snapshots, identity, engine, directory, templates) = prepared;
    let quotas = Arc::new(WorkerQuotas::new(directory.clone(), templates.clone()));

    let login = Login::new(&config.login, directory.clone(), clock.clone(), &identity.secret_key)?;
    let listen = config.server.listen.clone();
    let listener = crate::http::bind(&listen)
        .await
        .map_err(|source| StartError::Listen { listen: listen.clone(), source })?;
    let outbound = match outbound {
        Some(outbound) => outbound,
        None => Arc::new(outbound_client(&config.outbound_http, &listen, &clock)?),
    };
    let ticker = Ticker::start(engine, Duration::from_millis(config.engine.tick_ms))?;
    let metrics = Arc::new(Metrics::default());
    let executor = Executor::start(ExecutorParts {
        store: store.clone(),
        snapshots,
        templates: templates.clone(),
        admission: quotas.clone(),
        authorization: Arc::new(directory.clone()),
        clock: clock.clone(),
        entropy: entropy.clone(),
        outbound,
        spawner: TokioSpawner::current(),
        settings: executor_settings(&config.workers),
        metrics: metrics.executor.clone(),
        idempotency,
    })
    .await?;

    let mut first_count = [0; 8];
    entropy.fill(&mut first_count);
    // The router and the server share this token: the router's handlers must learn when the server begins to drain.
    let stopping = CancellationToken::new();
    let services = Arc::new(Services {
        login,
        directory,
        quotas,
        rates: RequestRates::new(config.plan.requests_per_second_max),
        templates,
        executor: executor.clone(),
        keys: InvocationKeys::new(&identity.secret_key, u64::from_le_bytes(first_count)),
        store,
        clock: clock.clone(),
        entropy,
        metrics: metrics.clone(),
        limits: RequestLimits::new(&config.http, config.engine.memory_bytes_max),
        stopping: stopping.clone(),
    });
    let limits = HttpLimits {
        connections_max: usize_of(config.http.connections_max),
        header_time_max: Duration::from_millis(config.http.header_ms_max),
    };
    let http =
        crate::http::serve(listener, crate::rest::router(services), limits, metrics.http.clone(), stopping)
            .map_err(|source| StartError::Listen { listen, source })?;
    Ok(Server {
        http,
        executor,
        clock,
        drain_max: Duration::from_millis(config.http.drain_ms_max),
        token_file: identity.token_file,
        data_dir,
        metrics,
        _ticker: ticker,
    })
}

/// Opens the stores in the data folder.
fn open_stores(dir: &Path, vfs: Option<String>) -> Result<Stores, StartError> {
    let store = Arc::new(EmbeddedStore::open(OpenOptions { vfs, ..OpenOptions::new(dir) })?);
    let blobs = Arc::new(FileContentStore::open(dir)?);
    Ok(Stores { store: store.clone(), catalog: store, blobs })
}

fn engine_config(engine: &EngineSettings, workers: &WorkerSettings, data_dir: &Path) -> EngineConfig {
    EngineConfig {
        residents_max: u32::try_from(workers.residents_max + INSTANCE_SLOTS_SPARE).unwrap_or(u32::MAX),
        dense: engine.dense,
        memory_bytes_max: usize_of(engine.memory_bytes_max),
        cache_dir: Some(data_dir.join("compiled")),
        tick: Duration::from_millis(engine.tick_ms),
    }
}

fn executor_settings(workers: &WorkerSettings) -> ExecutorSettings {
    ExecutorSettings {
        suspend_after: Duration::from_millis(workers.suspend_after_ms),
        progress: Duration::from_millis(workers.progress_ms),
        residents_max: usize_of(workers.residents_max),
        idle_after: Duration::from_millis(workers.idle_after_ms),
        heads_cached_max: usize_of(workers.heads_cached_max),
        replay_page_bytes: usize_of(workers.replay_page_bytes),
        process_ends_max: u32::try_from(workers.process_ends_max).unwrap_or(u32::MAX),
        retry: RetryPolicy {
            attempts_max: u32::try_from(workers.retry_attempts_max).unwrap_or(u32::MAX),
            // If the minimum is above the maximum, the maximum applies.
            delay_min: Duration::from_millis(workers.retry_delay_ms_min.min(workers.retry_delay_ms_max)),
            delay_max: Duration::from_millis(workers.retry_delay_ms_max),
            multiplier: workers.retry_multiplier,
        },
        snapshots: SnapshotPolicy {
            invocations: workers.snapshot_invocations,
            entries: workers.snapshot_entries,
        },
    }
}

/// The HTTP client of all workers. With `private_addresses = auto`, workers may reach private addresses only if the
/// server itself listens on a loopback address.
fn outbound_client(
    settings: &OutboundHttpSettings,
    listen: &str,
    clock: &Arc<dyn Clock>,
) -> Result<OutboundClient, RootsError> {
    let private = match settings.private_addresses {
        PrivateAddresses::Allow => true,
        PrivateAddresses::Refuse => false,
        PrivateAddresses::Auto => is_loopback(listen),
    };
    let policy = OutboundPolicy {
        enabled: settings.enabled,
        allow: settings.allow.0.clone(),
        deny: settings.deny.0.clone(),
        private,
    };
    let limits = OutboundLimits {
        requests_max: usize_of(settings.requests_max),
        connect_max: Duration::from_millis(settings.connect_ms_max),
        first_byte_max: Duration::from_millis(settings.first_byte_ms_max),
        between_bytes_max: Duration::from_millis(settings.between_bytes_ms_max),
    };
    let roots = match settings.root_certificates.as_str() {
        "" => TrustedRoots::bundled(),
        file => TrustedRoots::with_file(Path::new(file))?,
    };
    Ok(OutboundClient::new(policy, roots, Arc::new(AllowEveryProject), limits, clock.clone()))
}

/// Whether `listen` (host and port) is a loopback address.
fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Ends the time slices of running guests. It has its own thread, which no guest can block.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine, tick: Duration) -> Result<Self, StartError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let name = "golem-tick";
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    std::thread::park_timeout(tick);
                    engine.tick();
                }
            })
            .map_err(|source| StartError::Thread { name, source })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread does not panic. A panic could not be reported here anyway.
            drop(thread.join());
        }
    }
}

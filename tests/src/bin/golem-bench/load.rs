//! The load generator: connections on one thread, each of which sends its next request as soon as the last one is
//! answered.

use anyhow::ensure;
use golem_tests::http::Connection;
use golem_tests::wait;
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Longest time of a call that the histogram records exactly, in nanoseconds.
const CALL_NANOS_MAX: u64 = 60_000_000_000;

/// Range of call times that a delayed TCP acknowledgement causes (about 40 ms).
const DELAYED_ACK: (Duration, Duration) = (Duration::from_millis(36), Duration::from_millis(48));
/// The range of the same width below. A slow disk causes calls in this range, a delayed acknowledgement does not.
const BEFORE_DELAYED_ACK: (Duration, Duration) = (Duration::from_millis(24), Duration::from_millis(36));

/// Limits of a phase. It ends at the first one that is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseLimit {
    pub(crate) time: Duration,
    pub(crate) calls: usize,
}

impl PhaseLimit {
    /// A limit of about one call per client.
    pub(crate) const fn one_call_each(clients: usize) -> Self {
        Self { time: Duration::from_mins(1), calls: clients }
    }
}

/// The measured calls of a phase.
#[derive(Debug)]
pub(crate) struct Load {
    clients: usize,
    pub(crate) calls: u64,
    pub(crate) elapsed: Duration,
    nanos: Histogram<u64>,
}

impl Load {
    /// Calls per second.
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    /// The quantile `share` of the call times.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.nanos.value_at_quantile(share))
    }

    /// Number of calls that took as long as a delayed TCP acknowledgement, less the number that slow calls explain.
    pub(crate) fn delayed_ack_calls(&self) -> u64 {
        self.between(DELAYED_ACK).saturating_sub(self.between(BEFORE_DELAYED_ACK))
    }

    fn between(&self, (low, high): (Duration, Duration)) -> u64 {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.count_between(nanos(low), nanos(high))
    }

    /// The slowest calls, as text.
    pub(crate) fn slowest_summary(&self) -> String {
        format!(
            "p99.9 {:.2} ms, a bump of {} calls near 40 ms",
            self.quantile(0.999).as_secs_f64() * 1e3,
            self.delayed_ack_calls()
        )
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share| self.quantile(share).as_secs_f64() * 1e3;
        write!(
            f,
            "{:>3} clients: {:>6.0}/s, p50 {:.3} ms, p99 {:.3} ms, max {:.1} ms",
            self.clients,
            self.rate(),
            ms(0.5),
            ms(0.99),
            ms(1.0)
        )
    }
}

/// State that the clients of a phase share.
struct Phase {
    left: Cell<usize>,
    until: Instant,
    calls: Cell<u64>,
    nanos: RefCell<Histogram<u64>>,
}

impl Phase {
    fn new(limit: PhaseLimit) -> anyhow::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            left: Cell::new(limit.calls),
            until: wait::now() + limit.time,
            calls: Cell::new(0),
            nanos: RefCell::new(Histogram::new_with_max(CALL_NANOS_MAX, 3)?),
        }))
    }

    /// Takes one call from the limit; returns `false` if the phase is over.
    fn take_call(&self, now: Instant) -> bool {
        let left = self.left.get();
        if left == 0 || now >= self.until {
            return false;
        }
        self.left.set(left - 1);
        true
    }

    fn record(&self, took: Duration) {
        self.calls.set(self.calls.get() + 1);
        self.nanos.borrow_mut().saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Sends requests over `clients` connections; the `i`-th connection always sends `request(i)`.
pub(crate) async fn run(
    address: SocketAddr,
    clients: usize,
    limit: PhaseLimit,
    request: impl Fn(usize) -> Vec<u8>,
) -> anyhow::Result<Load> {
    let requests: Vec<Vec<u8>> = (0..clients).map(request).collect();
    run_phase(address, clients, limit, |client| {
        let request = requests[client].clone();
        move || request.clone()
    })
    .await
}

/// Sends `count` different requests over `clients` connections.
pub(crate) async fn run_once_each(
    address: SocketAddr,
    clients: usize,
    count: usize,
    next: impl Fn() -> Vec<u8>,
) -> anyhow::Result<Load> {
    // Encoded in advance, so that encoding is not measured.
    let requests: Rc<RefCell<Vec<Vec<u8>>>> = Rc::new(RefCell::new((0..count).map(|_| next()).collect()));
    requests.borrow_mut().reverse();
    let limit = PhaseLimit { time: Duration::from_mins(10), calls: count };
    run_phase(address, clients, limit, |_| {
        let requests = requests.clone();
        move || requests.borrow_mut().pop().unwrap_or_default()
    })
    .await
}

async fn run_phase<N: FnMut() -> Vec<u8> + 'static>(
    address: SocketAddr,
    clients: usize,
    limit: PhaseLimit,
    next: impl Fn(usize) -> N,
) -> anyhow::Result<Load> {
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        connections.push(Connection::open(address).await?);
    }
    let phase = Phase::new(limit)?;
    let begin = wait::now();
    let local = LocalSet::new();
    let mut tasks = Vec::with_capacity(clients);
    for (client, mut connection) in connections.into_iter().enumerate() {
        let (phase, mut next) = (phase.clone(), next(client));
        tasks.push(local.spawn_local(async move {
            let mut now = wait::now();
            while phase.take_call(now) {
                let request = next();
                let status = connection.call_prepared(&request).await?;
                ensure!(status == 200, "a call was answered with {status}");
                let done = wait::now();
                phase.record(done - now);
                now = done;
            }
            Ok(())
        }));
    }
    local.await;
    let elapsed = begin.elapsed();
    for task in tasks {
        task.await??;
    }
    Ok(Load { clients, calls: phase.calls.get(), elapsed, nanos: phase.nanos.borrow().clone() })
}

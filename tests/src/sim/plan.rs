//! What a seed decides before the run: settings of the executor, clients, crashes and faults of the store.

use crate::rng::Rng;
use golem_runtime::executor::{ExecutorSettings, SnapshotPolicy};
use golem_runtime::storage::memory::{Fault, FaultKind};
use std::time::Duration;

/// Parts of a run that draw random numbers. Each has a generator of its own.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names of the parts")]
pub enum Part {
    Plan,
    Entropy,
    Driver,
    Order,
    Mutant,
    Client,
}

/// The generator of a part; `index` distinguishes several of one kind.
pub fn generator(seed: u64, part: Part, index: u64) -> Rng {
    Rng::new(seed).fork(1 + part as u64).fork(1 + index)
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Settings of the executor in all its lives.
    pub settings: ExecutorSettings,
    /// Number of clients.
    pub clients: u64,
    /// Number of requests of each client.
    pub requests: u64,
    /// The lives of the process. Each but the last ends with a crash.
    pub lives: Vec<Life>,
}

/// One life of the process.
#[derive(Debug, Clone)]
pub struct Life {
    /// Number of steps after which the process crashes.
    pub steps: u64,
    /// Commits that fail.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = generator(seed, Part::Plan, 0);
        let random = &mut random;
        let settings = ExecutorSettings {
            suspend_after: Duration::from_millis(*random.pick(&[20, 1_000, 10_000])),
            residents_max: usize::try_from(random.between(2, 12)).expect("a small number fits"),
            idle_after: Duration::from_millis(*random.pick(&[100, 5_000, 600_000])),
            heads_cached_max: usize::try_from(random.between(1, 20)).expect("a small number fits"),
            snapshots: SnapshotPolicy { invocations: random.between(1, 8), entries: random.between(5, 50) },
            // One row, a few rows, or usually all rows.
            replay_page_bytes: *random.pick(&[1, 300, 256 << 10]),
            ..ExecutorSettings::default()
        };
        let crashes = random.between(1, 3);
        let mut lives = Vec::new();
        for _ in 0..crashes {
            let steps = if random.once_in(3) { random.between(1, 300) } else { random.between(100, 4_000) };
            lives.push(Life { steps, faults: faults(random) });
        }
        lives.push(Life { steps: u64::MAX, faults: faults(random) });
        Self { settings, clients: random.between(3, 6), requests: random.between(8, 20), lives }
    }
}

fn faults(random: &mut Rng) -> Vec<Fault> {
    if random.once_in(2) {
        return Vec::new();
    }
    let fault = |random: &mut Rng| Fault {
        commit: random.between(1, 80),
        kind: *random.pick(&[FaultKind::Io, FaultKind::Io, FaultKind::Full, FaultKind::Panic]),
        applied: random.once_in(2),
    };
    (0..random.between(1, 3)).map(|_| fault(random)).collect()
}

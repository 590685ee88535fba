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
    Disk,
    Outside,
    Components,
}

/// The generator of a part; `index` distinguishes several of one kind.
pub fn generator(seed: u64, part: Part, index: u64) -> Rng {
    Rng::new(seed).fork(1 + part as u64).fork(1 + index)
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Settings of the executor in all incarnations.
    pub settings: ExecutorSettings,
    /// Number of clients.
    pub clients: u64,
    /// Number of requests of each client.
    pub requests: u64,
    /// Number of times that the wall clock is set, at most.
    pub clock_changes: u64,
    /// The incarnations of the process. Each but the last ends with a crash.
    pub incarnations: Vec<Incarnation>,
}

/// One incarnation of the process: from its start to its crash, or to the end of the run.
#[derive(Debug, Clone)]
pub struct Incarnation {
    /// Number of steps after which the process crashes.
    pub steps: u64,
    /// Commits that fail.
    pub commits: Vec<Fault>,
    /// Other operations of the disk that fail.
    pub disk: DiskFaults,
    /// Number of components that do not load.
    pub components: u64,
    /// One in how many commits takes long; 0 for none.
    pub slow_once_in: u64,
}

/// Reads and recoveries that fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFaults {
    /// Number of reads that fail.
    pub reads: u64,
    /// One in how many reads fails, until that number has failed.
    pub read_once_in: u64,
    /// Number of recoveries after a failed commit that fail.
    pub recoveries: u64,
}

impl Incarnation {
    /// An incarnation without faults that does not end with a crash.
    pub fn last() -> Self {
        Self {
            steps: u64::MAX,
            commits: Vec::new(),
            disk: DiskFaults::default(),
            components: 0,
            slow_once_in: 0,
        }
    }

    /// Whether one of its faults can make the start fail.
    pub fn can_fail_to_start(&self) -> bool {
        !self.commits.is_empty() || self.disk.reads > 0 || self.disk.recoveries > 0
    }

    /// The same incarnation without faults of the store.
    #[must_use]
    pub fn without_faults(&self) -> Self {
        Self { steps: self.steps, ..Self::last() }
    }

    fn draw(random: &mut Rng, steps: u64) -> Self {
        let fails = random.once_in(3);
        let disk = DiskFaults {
            reads: if fails { random.between(1, 8) } else { 0 },
            read_once_in: *random.pick(&[3, 20, 100]),
            recoveries: if random.once_in(2) { random.between(1, 3) } else { 0 },
        };
        let slow_once_in = *random.pick(&[0, 0, 5, 40]);
        // Of all incarnations together, fewer than an invocation has attempts.
        let components = u64::from(random.once_in(4));
        Self { steps, commits: draw_commit_faults(random), disk, components, slow_once_in }
    }
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
        let mut incarnations = Vec::new();
        for _ in 0..crashes {
            let steps = if random.once_in(3) { random.between(1, 300) } else { random.between(100, 4_000) };
            incarnations.push(Incarnation::draw(random, steps));
        }
        incarnations.push(Incarnation::draw(random, u64::MAX));
        let clock_changes = if random.once_in(3) { random.between(1, 4) } else { 0 };
        Self {
            settings,
            clients: random.between(3, 6),
            requests: random.between(8, 20),
            clock_changes,
            incarnations,
        }
    }
}

fn draw_commit_faults(random: &mut Rng) -> Vec<Fault> {
    if random.once_in(2) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for _ in 0..random.between(1, 3) {
        let first = random.between(1, 80);
        // Taking the shards is a commit too, so the second of several faults in a row falls into the recovery from the
        // first one, or follows it.
        let in_a_row = if random.once_in(4) { random.between(2, 4) } else { 1 };
        for commit in first..first + in_a_row {
            let kind = *random.pick(&[FaultKind::Io, FaultKind::Io, FaultKind::Full, FaultKind::Panic]);
            faults.push(Fault { commit, kind, applied: random.once_in(2) });
        }
    }
    faults
}

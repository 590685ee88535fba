//! Mutants: the simulation with one part replaced by a wrong one. Each must be detected, which shows that the model and
//! the plans find such an error.
//!
//! A mutant is a part of the simulator. The product has no switch for any of them.

mod store;

pub use store::MutantStore;

/// A wrong part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// A commit is acknowledged before it is durable. A crash loses the last one.
    AcknowledgesEarly,
    /// The store reports a failed commit as durable.
    HidesFailedCommits,
    /// A commit that failed is written after all, once the state was read again.
    WritesFailedCommitsLate,
    /// After a failed commit, the store reports the end of the log that it had at the start.
    RecoversOldPosition,
    /// Everything that is derived from the rows of one commit in fifty is not stored, although it counts as applied.
    ForgetsDerivedRows,
    /// Entries of the idempotency index are not stored.
    ForgetsKeys,
    /// The executor does not recognise repeated keys.
    IgnoresKeys,
    /// One value in ten of a bucket is not stored.
    ForgetsValues,
    /// Stored projections do not say that the worker has work.
    ForgetsWork,
    /// Stored projections do not say until when the worker waits.
    ForgetsTimes,
    /// The last indexes of deleted workers are not stored, so the ids of their promises are given again.
    ForgetsDeletedNames,
    /// One projection in five is not stored, although the rows that it includes count as applied.
    KeepsOldProjections,
    /// The projections of deleted workers are not removed.
    KeepsDeletedWorkers,
    /// At a start, all rows count as included in the stored projections.
    SkipsRows,
    /// One worker in three is missing in the search for workers with work.
    SkipsWakes,
    /// One row in thirty is missing in a worker's history.
    LosesHistory,
    /// The last row of a page of a worker's history is read twice.
    RepeatsHistory,
    /// Reads of projections, keys and values see a state that is up to ten commits old.
    ReadsOldState,
    /// Reads of keys see a state that is up to ten commits old.
    ReadsOldKeys,
    /// Reads of values see a state that is up to ten commits old.
    ReadsOldValues,
    /// One wait of the executor in two hundred does not end.
    LosesTimers,
    /// One task in three hundred does not begin.
    LosesTasks,
    /// One wake-up of a task in a thousand has no effect.
    LosesWakeups,
    /// One HTTP request in ten is sent twice.
    RepeatsHttpRequests,
    /// HTTP requests carry a key that changes with each activation.
    ChangesHttpKeys,
    /// A worker is sometimes loaded with the component of another template version.
    LoadsOtherVersions,
    /// An update merges the files of other versions into those of a worker.
    MergesOtherFiles,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::AcknowledgesEarly,
        Self::HidesFailedCommits,
        Self::WritesFailedCommitsLate,
        Self::RecoversOldPosition,
        Self::ForgetsDerivedRows,
        Self::ForgetsKeys,
        Self::IgnoresKeys,
        Self::ForgetsValues,
        Self::ForgetsWork,
        Self::ForgetsTimes,
        Self::ForgetsDeletedNames,
        Self::KeepsOldProjections,
        Self::KeepsDeletedWorkers,
        Self::SkipsRows,
        Self::SkipsWakes,
        Self::LosesHistory,
        Self::RepeatsHistory,
        Self::ReadsOldState,
        Self::ReadsOldKeys,
        Self::ReadsOldValues,
        Self::LosesTimers,
        Self::LosesTasks,
        Self::LosesWakeups,
        Self::RepeatsHttpRequests,
        Self::ChangesHttpKeys,
        Self::LoadsOtherVersions,
        Self::MergesOtherFiles,
    ];
}

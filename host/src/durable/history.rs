//! The recorded entries of a worker, as an activation gets them: in pages, with everything that replay must know before
//! it reads the first page.
//!
//! A later entry can take earlier ones out of replay, and the last entries decide how replay ends. So the oplog is
//! scanned once before it is replayed. The scan goes backwards: a backward scan meets a revert before the entries that
//! it reverts, so it needs no entries in memory.
//!
//! Invariant: the size of a scan does not depend on the number of entries, only on the number of
//! reverted ranges (16 bytes each). Each revert cost the worker at least one load.

use super::clock::ClockScan;
use super::reverted::{RegionScan, RevertedRanges};
use crate::ports::{HistoryPages, PortError};
use golem_model::oplog::{FailureCause, RevertReason};
use golem_model::{Entry, OplogIndex, Timestamp};

/// A worker's oplog after an index, ready to be replayed.
pub struct History {
    /// The index before its first entry.
    pub(crate) before: OplogIndex,
    /// The index of its last entry.
    pub(crate) end: OplogIndex,
    /// The time of the entry `Created`, if it begins with that.
    pub(crate) created_at: Option<Timestamp>,
    /// The entries that replay skips.
    pub(crate) reverted: RevertedRanges,
    /// The first entry that the activation must revert before it continues.
    pub(crate) repeat_from: Option<OplogIndex>,
    /// The engine that the entries name last.
    pub(crate) engine: Option<String>,
    /// What the entries say about the worker's monotonic clock.
    pub(crate) clock: ClockScan,
    /// The last invocation that is not reverted.
    pub(crate) last_invocation: LastInvocation,
    /// The entries.
    pub(crate) pages: Box<dyn HistoryPages>,
}

/// How the last invocation ends. Every earlier one completed: a worker takes no invocations after one that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LastInvocation {
    /// There is none, or it completed.
    Completed,
    /// The oplog does not end the one that begins with this entry.
    Unfinished(OplogIndex),
    /// The one that begins with this entry failed for good.
    Failed(OplogIndex, FailureCause),
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History")
            .field("before", &self.before)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl History {
    /// A history of `entries`, the first of which has the index after `before`, in pages of at most `page_entries`.
    pub fn from_entries(before: OplogIndex, entries: Vec<Entry>, page_entries: usize) -> Self {
        let mut scan = HistoryScan::new(before);
        for (offset, entry) in entries.iter().enumerate().rev() {
            scan.visit(before.plus(offset as u64 + 1), entry);
        }
        scan.finish(Box::new(MemoryPages { entries: entries.into_iter(), page_entries: page_entries.max(1) }))
    }

    /// The history of an oplog that ends at `before`.
    pub(crate) fn empty(before: OplogIndex) -> Self {
        Self::from_entries(before, Vec::new(), 1)
    }

    /// The entries, without what replay knows about them.
    pub fn into_pages(self) -> Box<dyn HistoryPages> {
        self.pages
    }

    /// Whether the entry with this index is reverted.
    pub fn is_reverted(&self, index: OplogIndex) -> bool {
        self.reverted.is_reverted(index)
    }

    /// Number of entries.
    pub fn entry_count(&self) -> u64 {
        self.end.0 - self.before.0
    }
}

/// Entries in memory.
struct MemoryPages {
    entries: std::vec::IntoIter<Entry>,
    page_entries: usize,
}

impl HistoryPages for MemoryPages {
    fn next_page(&mut self) -> Result<Vec<Entry>, PortError> {
        Ok(self.entries.by_ref().take(self.page_entries).collect())
    }
}

/// Derives from a worker's entries, the last one first, what replay must know in advance.
#[derive(Debug)]
pub struct HistoryScan {
    before: OplogIndex,
    /// The entry that was visited first.
    end: Option<OplogIndex>,
    created_at: Option<Timestamp>,
    reverted: RevertedRanges,
    region: RegionScan,
    engine: Option<String>,
    clock: ClockScan,
    last_invocation: Option<LastInvocation>,
    /// The cause of a failure whose invocation has not been visited yet.
    failure: Option<FailureCause>,
}

impl HistoryScan {
    /// A scan of the entries after `before`.
    pub fn new(before: OplogIndex) -> Self {
        Self {
            before,
            end: None,
            created_at: None,
            reverted: RevertedRanges::default(),
            region: RegionScan::default(),
            engine: None,
            clock: ClockScan::default(),
            last_invocation: None,
            failure: None,
        }
    }

    /// Visits an entry. The next one to visit is the one before it.
    pub fn visit(&mut self, index: OplogIndex, entry: &Entry) {
        self.end.get_or_insert(index);
        self.clock.visit(entry);
        if self.engine.is_none() {
            self.engine = engine(entry);
        }
        if let Entry::Created { at, .. } = entry {
            self.created_at = Some(*at);
        }
        let is_reverted = self.reverted.covers(index);
        if let Entry::Revert { from, reason, .. } = entry {
            if !is_reverted {
                // A jump is not a crash: the entries before it are kept, as when the worker leaves memory.
                self.region.visit_reverted_range(*reason == RevertReason::Jump);
            }
            self.reverted.add_earlier(*from, index);
        } else if !is_reverted {
            self.region.visit(index, entry);
            self.visit_invocation(index, entry);
        }
    }

    fn visit_invocation(&mut self, index: OplogIndex, entry: &Entry) {
        if self.last_invocation.is_some() {
            return;
        }
        match entry {
            Entry::InvocationCompleted { .. } => self.last_invocation = Some(LastInvocation::Completed),
            Entry::InvocationFailed { cause, .. } => {
                self.failure.get_or_insert_with(|| cause.clone());
            }
            Entry::InvocationStarted { .. } => {
                self.last_invocation = Some(match self.failure.take() {
                    Some(cause) => LastInvocation::Failed(index, cause),
                    None => LastInvocation::Unfinished(index),
                });
            }
            Entry::Created { .. }
            | Entry::Activated { .. }
            | Entry::HostCall { .. }
            | Entry::ClockReadings(_)
            | Entry::AttemptFailed { .. }
            | Entry::Suspended(_)
            | Entry::Configured { .. }
            | Entry::Revert { .. }
            | Entry::LifecycleEvent(_)
            | Entry::ProgramEnded { .. } => {}
        }
    }

    /// The history of the visited entries, which `pages` returns.
    pub fn finish(self, pages: Box<dyn HistoryPages>) -> History {
        let Self { before, end, created_at, mut reverted, region, engine, clock, last_invocation, .. } = self;
        let end = end.unwrap_or(before);
        // The worker's creation is never reverted.
        let revertible_from = before.plus(if created_at.is_some() { 2 } else { 1 });
        reverted.finish(revertible_from);
        let repeat_from = region.repeat_from();
        let last_invocation = last_invocation.unwrap_or(LastInvocation::Completed);
        History { before, end, created_at, reverted, repeat_from, engine, clock, last_invocation, pages }
    }
}

/// The engine that an entry names.
fn engine(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Activated { engine, .. } => Some(engine.clone()),
        Entry::LifecycleEvent(event) => event.saved_state().map(|state| state.engine.clone()),
        Entry::Created { .. }
        | Entry::InvocationStarted { .. }
        | Entry::HostCall { .. }
        | Entry::ClockReadings(_)
        | Entry::InvocationCompleted { .. }
        | Entry::AttemptFailed { .. }
        | Entry::InvocationFailed { .. }
        | Entry::ProgramEnded { .. }
        | Entry::Suspended(_)
        | Entry::Configured { .. }
        | Entry::Revert { .. } => None,
    }
}

//! Which recorded entries replay skips, and what an activation must revert first.
//!
//! An entry `Revert` takes the entries from its `from` up to itself out of replay. The oplog is append-only, so the
//! reverted entries stay in it and keep their indices; no index is reused.
//!
//! Invariant: the ranges are ascending and disjoint, and each ends with the `Revert` entry that created it.

use golem_model::OplogIndex;
use golem_model::oplog::wire::Reader;
use golem_model::oplog::{Entry, HostCallRequest, HostFunction};

/// The reverted entries of an oplog.
#[derive(Debug, Default)]
pub(crate) struct RevertedRanges {
    /// Ranges of indices: the first entry, and the one after the last. During a scan they are descending.
    ranges: Vec<(u64, u64)>,
}

impl RevertedRanges {
    /// Reads the reverts among `entries`, of which the first has the index after `before`.
    #[cfg(test)]
    pub(crate) fn from_entries(before: OplogIndex, entries: &[Entry]) -> Self {
        super::History::from_entries(before, entries.to_vec(), usize::MAX).reverted
    }

    /// In a scan: adds the revert that the entry `record` makes from the entry `from` on. All later reverts were added.
    pub(crate) fn add_earlier(&mut self, from: OplogIndex, record: OplogIndex) {
        // Nothing after the record is reverted.
        let from = from.0.min(record.0);
        match self.ranges.last_mut() {
            Some((start, _)) if record.0 + 1 >= *start => *start = (*start).min(from),
            _ => self.ranges.push((from, record.0 + 1)),
        }
    }

    /// In a scan: whether a later revert includes this entry, which is before all entries scanned so far.
    pub(crate) fn covers(&self, index: OplogIndex) -> bool {
        self.ranges.last().is_some_and(|&(start, end)| start <= index.0 && index.0 < end)
    }

    /// Ends a scan. Entries before `revertible_from` are not reverted.
    pub(crate) fn finish(&mut self, revertible_from: OplogIndex) {
        self.ranges.reverse();
        for (start, end) in &mut self.ranges {
            *start = (*start).max(revertible_from.0.min(*end - 1));
        }
    }

    /// Adds the revert that the entry `record`, the last of its oplog, makes from the entry `from` on.
    pub(crate) fn add(&mut self, from: OplogIndex, record: OplogIndex) {
        let mut start = from.0;
        while let Some(&(first, end)) = self.ranges.last()
            && end >= start
        {
            start = start.min(first);
            self.ranges.pop();
        }
        self.ranges.push((start, record.0 + 1));
    }

    /// Whether the entry with this index is reverted.
    pub(crate) fn is_reverted(&self, index: OplogIndex) -> bool {
        self.next_kept(index) != index
    }

    /// Whether the state before this entry is unreachable, because a revert removed the entries that lead to it. The
    /// state before the first entry of a range is the state after the range, so it stays reachable: a retry loop jumps
    /// to the same position each time.
    pub(crate) fn is_state_reverted(&self, index: OplogIndex) -> bool {
        self.next_kept(index) != index && !self.ranges.iter().any(|&(start, _)| start == index.0)
    }

    /// The first index from `index` on that is not reverted.
    pub(crate) fn next_kept(&self, index: OplogIndex) -> OplogIndex {
        let after = self.ranges.partition_point(|&(_, end)| end <= index.0);
        match self.ranges.get(after) {
            Some(&(start, end)) if start <= index.0 => OplogIndex(end),
            _ => index,
        }
    }
}

/// Derives the first entry that the activation of an oplog must revert before it continues: the one after the beginning
/// of the outermost atomic region that was open when the last instance was lost.
///
/// A worker that parked and has recorded nothing since lost nothing: its region is replayed and
/// continues. A call that it recorded after the wait follows `Suspended`; then the region is
/// repeated.
///
/// The entries that are not reverted are visited, the last one first.
#[derive(Debug, Default)]
pub(crate) struct RegionScan {
    /// The outermost region that is open at the end, as far as it is known.
    outermost: Option<OplogIndex>,
    /// A later entry closes the region that begins here, and every region that begins after it.
    closed_from: Option<u64>,
    /// Whether all regions that can be open were visited.
    is_complete: bool,
    /// The last recorded call.
    last: Option<OplogIndex>,
    /// Whether the worker parked or jumped after that.
    parked: Option<bool>,
}

impl RegionScan {
    /// Visits a range of reverted entries.
    pub(crate) fn visit_reverted_range(&mut self, is_jump: bool) {
        self.parked.get_or_insert(is_jump);
    }

    /// Visits an entry.
    pub(crate) fn visit(&mut self, index: OplogIndex, entry: &Entry) {
        match entry {
            // The end of an invocation closes its regions, and a snapshot is between two invocations.
            Entry::Created { .. }
            | Entry::InvocationStarted { .. }
            | Entry::InvocationCompleted { .. }
            | Entry::InvocationFailed { .. }
            | Entry::LifecycleEvent(_) => self.is_complete = true,
            Entry::HostCall { call, response: _ } => {
                self.last.get_or_insert(index);
                self.parked.get_or_insert(false);
                match call.function {
                    HostFunction::RegionBegin if !self.is_complete => self.visit_begin(index),
                    HostFunction::RegionEnd if !self.is_complete => self.visit_end(&call.request),
                    _ => {}
                }
            }
            Entry::ClockReadings(_) => {
                self.last.get_or_insert(index);
                self.parked.get_or_insert(false);
            }
            Entry::Suspended(_) => {
                self.parked.get_or_insert(true);
            }
            Entry::AttemptFailed { .. } => {
                self.parked.get_or_insert(false);
            }
            Entry::Activated { .. }
            | Entry::Configured { .. }
            | Entry::Revert { .. }
            | Entry::ProgramEnded { .. } => {}
        }
    }

    fn visit_begin(&mut self, index: OplogIndex) {
        if self.closed_from.is_none_or(|closed| index.0 < closed) {
            self.outermost = Some(index);
        }
    }

    /// The call is recorded only for a region that is open.
    fn visit_end(&mut self, request: &HostCallRequest) {
        if let HostCallRequest::Inline(bytes) = request
            && let Ok(region) = Reader::new(bytes).varint()
        {
            self.closed_from = Some(self.closed_from.map_or(region, |closed| closed.min(region)));
        }
    }

    /// The first entry to revert.
    pub(crate) fn repeat_from(&self) -> Option<OplogIndex> {
        let outermost = self.outermost?;
        let did_more = self.last.is_some_and(|last| last > outermost);
        (did_more && !self.parked.unwrap_or(false)).then(|| outermost.next())
    }
}

#[cfg(test)]
mod tests {
    use super::super::History;
    use super::*;
    use golem_model::oplog::{HostCall, InvocationSource, RevertReason, Suspension};
    use golem_model::{AccountId, IdempotencyKey, ProjectId, TemplateId, Timestamp, WorkerId, WorkerName};
    use std::sync::Arc;
    use uuid::Uuid;

    const AT: Timestamp = Timestamp::from_nanos(7);

    fn revert(from: u64) -> Entry {
        Entry::Revert { at: AT, from: OplogIndex(from), reason: RevertReason::Jump }
    }

    fn call(function: HostFunction, request: &[u8]) -> Entry {
        let call = HostCall { function, request: HostCallRequest::Inline(request.to_vec()) };
        Entry::HostCall { call, response: Vec::new() }
    }

    fn parked() -> Entry {
        Entry::Suspended(Suspension { at: AT, monotonic_nanos: 0, wake_at: None, promises: Vec::new() })
    }

    fn started() -> Entry {
        let source = InvocationSource::Inline { function: Arc::from("run"), params: Vec::new() };
        Entry::InvocationStarted { at: AT, key: IdempotencyKey::anonymous(1), source }
    }

    fn created() -> Entry {
        Entry::Created {
            at: AT,
            id: WorkerId::new(TemplateId(Uuid::nil()), WorkerName::new("w").unwrap()),
            project: ProjectId(Uuid::nil()),
            account: AccountId(Uuid::nil()),
            template_version: 0,
            args: Vec::new(),
            env: Vec::new(),
            seed: [0; 32],
        }
    }

    fn activated() -> Entry {
        Entry::Activated { at: AT, engine: String::new() }
    }

    /// The indices that are replayed.
    fn replayed(entries: &[Entry]) -> Vec<u64> {
        let reverted = RevertedRanges::from_entries(OplogIndex(0), entries);
        (1..=entries.len() as u64).filter(|at| reverted.next_kept(OplogIndex(*at)).0 == *at).collect()
    }

    /// Regression: a worker that had jumped to a position could not jump there a second time.
    #[test]
    fn a_position_can_be_jumped_to_again() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let entries = vec![started(), started(), now(), now(), revert(3), now(), revert(3), now()];
        let reverted = RevertedRanges::from_entries(OplogIndex(0), &entries);
        let hidden: Vec<u64> =
            (1..=9).filter(|index| reverted.is_state_reverted(OplogIndex(*index))).collect();
        assert_eq!(hidden, [4, 5, 6, 7]);
    }

    #[test]
    fn ranges_end_with_their_record_and_merge_with_those_inside() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![created(), started(), now(), now(), revert(4)];
        assert_eq!(replayed(&entries), [1, 2, 3]);
        entries.extend([now(), now(), revert(7)]);
        assert_eq!(replayed(&entries), [1, 2, 3, 6]);
        entries.push(revert(6));
        assert_eq!(replayed(&entries), [1, 2, 3], "right behind the first");
        entries.extend([now(), revert(3)]);
        assert_eq!(replayed(&entries), [1, 2], "over all of them");
        entries.extend([now(), revert(5)]);
        assert_eq!(replayed(&entries), [1, 2], "into a reverted range");
        entries.push(revert(0));
        assert_eq!(replayed(&entries), [1], "the creation stays");
    }

    /// Indexes of a worker that was created under the name of a deleted one continue after those of the deleted one.
    #[test]
    fn ranges_follow_the_indexes_of_a_recreated_worker() {
        let before = OplogIndex(100);
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries =
            vec![created(), started(), now(), call(HostFunction::RegionBegin, &[]), now(), revert(103)];
        let kept = |entries: &[Entry]| {
            let reverted = RevertedRanges::from_entries(before, entries);
            let indices = 101..=100 + entries.len() as u64;
            indices.filter(|at| reverted.next_kept(OplogIndex(*at)).0 == *at).collect::<Vec<_>>()
        };
        assert_eq!(kept(&entries), [101, 102]);
        entries.extend([call(HostFunction::RegionBegin, &[]), now()]);
        let history = History::from_entries(before, entries.clone(), 1);
        assert_eq!(history.repeat_from, Some(OplogIndex(108)));
        let reverted = history.reverted;
        assert!(reverted.is_state_reverted(OplogIndex(104)) && !reverted.is_state_reverted(OplogIndex(107)));
        entries.push(revert(1));
        assert_eq!(kept(&entries), [101], "the creation stays");
    }

    fn to_repeat(entries: &[Entry]) -> Option<u64> {
        History::from_entries(OplogIndex(0), entries.to_vec(), 1).repeat_from.map(|index| index.0)
    }

    #[test]
    fn entries_after_the_outermost_open_region_are_reverted() {
        let begin = || call(HostFunction::RegionBegin, &[]);
        let end = |region| call(HostFunction::RegionEnd, &[region]);
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![started(), begin(), now(), end(2), now()];
        assert_eq!(to_repeat(&entries), None, "closed");
        entries.push(begin());
        assert_eq!(to_repeat(&entries), None, "nothing follows the beginning");
        entries.extend([now(), begin(), now()]);
        assert_eq!(to_repeat(&entries), Some(7));
        entries.push(end(8));
        assert_eq!(to_repeat(&entries), Some(7), "the inner one is closed, the outer is not");
        entries.extend([parked(), activated()]);
        assert_eq!(to_repeat(&entries), None, "it parked");
        entries.push(now());
        assert_eq!(to_repeat(&entries), Some(7), "it continued after the wait");
        entries.push(revert(7));
        assert_eq!(to_repeat(&entries), None, "it is reverted already");
        entries.extend([now(), end(6)]);
        assert_eq!(to_repeat(&entries), None);
    }

    /// Regression: a jump inside a region reverted to the region's beginning, and the calls before the jump ran twice.
    #[test]
    fn a_jump_keeps_the_entries_before_it() {
        let now = || call(HostFunction::WallClockNow, &[]);
        let mut entries = vec![started(), call(HostFunction::RegionBegin, &[]), now(), now(), revert(4)];
        assert_eq!(to_repeat(&entries), None, "a jump is not a crash");
        entries.push(now());
        assert_eq!(to_repeat(&entries), Some(3), "a crash after it repeats the region");
    }

    #[test]
    fn an_attempt_that_failed_repeats_its_region() {
        let failed = Entry::AttemptFailed { at: AT, details: String::new(), retry_at: AT };
        let begin = || call(HostFunction::RegionBegin, &[]);
        let entries = vec![started(), begin(), parked(), failed, begin()];
        assert_eq!(to_repeat(&entries[..4]), None, "only hints follow the beginning");
        assert_eq!(to_repeat(&entries), Some(3));
    }
}

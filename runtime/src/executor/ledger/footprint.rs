//! Counts of what the ledger holds for work and requests that are under way.

use super::Ledger;

impl Ledger {
    /// Number of rows that are not taken by the committer.
    pub(crate) fn unwritten_row_count(&self) -> usize {
        self.unwritten_rows.len()
    }

    /// Number of waits for promises of workers outside memory.
    pub(crate) fn promise_wait_count(&self) -> usize {
        self.promise_waiters.len()
    }

    /// Number of reads of the store that have begun.
    pub(crate) fn store_read_count(&self) -> usize {
        self.store_reads.len() + self.shared.reads_open()
    }
}

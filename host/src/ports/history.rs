//! The oplog, from the reader's side.

use super::PortError;
use golem_model::Entry;

/// The recorded entries of one worker, for one replay of them.
pub trait HistoryPages: Send {
    /// Returns the next entries in order, with the sources of queued invocations resolved to inline ones. Empty after
    /// the last one.
    ///
    /// May block the calling thread while it reads the store. An implementation over a store keeps
    /// at most the rest of one page and the next page in memory, so that a replay does not need
    /// more memory for a longer history.
    fn next_page(&mut self) -> Result<Vec<Entry>, PortError>;
}

//! The oplog, from the reader's side.

use super::PortError;
use golem_model::Entry;

/// The recorded entries of one worker, for one replay of them.
pub trait HistoryPages: Send {
    /// Returns the next entries in order, with the sources of queued invocations resolved to inline ones. Empty after
    /// the last one.
    ///
    /// May block the calling thread while it reads the store. An implementation keeps at most the page that it returns
    /// next in memory, so that a replay needs as much memory for a long history as for two pages.
    fn next_page(&mut self) -> Result<Vec<Entry>, PortError>;
}

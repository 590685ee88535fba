//! Calls of other workers: what all clients share.
//!
//! A worker calls others through a client, which `golem template client` writes as WIT from what their template exports.
//! [`macro@crate::remote`] makes functions of it:
//!
//! ```ignore
//! #[golem::remote("wit/golem-counter-client.wit")]
//! mod counter {}
//!
//! fn count() -> Result<u64, golem::rpc::RpcError> {
//!     counter::increment("the-worker")
//! }
//! ```
//!
//! For each function `f` there are four: `f` waits for the answer, `send_f` wants none and may be for later, `start_f` gives
//! the number of a call, and `finish_f` takes its answer once it is there (see [`crate::call`]). Each call runs exactly
//! once, whatever crashes. While it waits, a worker costs nothing. On other targets than WebAssembly the functions panic.

pub use crate::bindings::golem::rpc::types::{Datetime, RpcError};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl From<SystemTime> for Datetime {
    /// The time, for a call that is to be made later. One before 1970 is the beginning of 1970.
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() }
    }
}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied(text)
            | Self::NotFound(text)
            | Self::Invalid(text)
            | Self::Busy(text)
            | Self::RemoteFailed(text)
            | Self::Incompatible(text)
            | Self::Deadlock(text) => f.write_str(text),
            Self::Cancelled => f.write_str("the call was given up"),
        }
    }
}

impl std::error::Error for RpcError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let at = Datetime::from(UNIX_EPOCH + Duration::from_millis(1_500));
        assert_eq!((at.seconds, at.nanoseconds), (1, 500_000_000));
        assert_eq!(Datetime::from(UNIX_EPOCH - Duration::from_secs(1)).seconds, 0);
    }
}

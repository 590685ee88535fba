//! Calls of other workers.
//!
//! A worker calls workers of a template through a client interface. The command `golem template client` generates it as
//! WIT from the exports of that template. The attribute [`macro@crate::remote`] generates Rust functions from the WIT:
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
//! For each exported function `f` there are four functions:
//!
//! | function | effect |
//! | --- | --- |
//! | `f` | calls `f`, waits and returns the result |
//! | `send_f` | calls `f` without a result, optionally at a later time |
//! | `start_f` | calls `f` without waiting and returns the number of the call (see [`crate::call`]) |
//! | `finish_f` | returns the result of a started call, once it has arrived |
//!
//! Each call runs exactly once, even if a worker or the server crashes, unless it ends with an
//! [`RpcError`]. A repeated atomic region makes its calls again. A worker that waits for a slow
//! call is unloaded from memory. On targets other than WebAssembly, the functions panic.

pub use crate::bindings::golem::rpc::types::{Datetime, RpcError};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl From<SystemTime> for Datetime {
    /// The time at which a call shall begin. A time before 1970 becomes the beginning of 1970.
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

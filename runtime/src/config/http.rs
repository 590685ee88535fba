//! Section `http`: limits of connections and requests.

use super::setting::section;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Limits of connections and requests.
    HttpSettings = "http" {
        /// Connections at the same time; further ones are answered 503 and closed.
        connections_max: u64 = 10_000, 1..=1_000_000;
        /// Milliseconds for a request's head to arrive, and that a connection may be idle between requests; then the
        /// connection is closed.
        header_ms_max: u64 = 60_000, 1..=DAY_MS;
        /// Milliseconds for a request's body to arrive; then the request is answered 408.
        body_ms_max: u64 = 60_000, 1..=DAY_MS;
        /// Bytes of a request's body; a larger one is answered 413.
        body_bytes_max: u64 = 16 << 20, 1..=(1 << 30);
        /// Bytes of an uploaded component; a larger one is answered 413.
        upload_bytes_max: u64 = 256 << 20, 1..=(4 << 30);
        /// Uploads that are held in memory and compiled at the same time; others wait.
        uploads_max: u64 = 4, 1..=256;
        /// Milliseconds that a caller waits for the result of an invocation; then it is answered 504, and the
        /// invocation continues.
        await_ms_max: u64 = 300_000, 1..=DAY_MS;
        /// Milliseconds that a shutdown waits for requests in flight; then callers that wait for an invocation are
        /// answered 503.
        drain_ms_max: u64 = 5_000, 0..=DAY_MS;
    }
}

//! Section `http`: bounds of connections and requests.

use super::setting::section;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Bounds of connections and requests.
    HttpSettings = "http" {
        /// Connections at a time; one more is answered 503 and closed.
        connections_max: u64 = 10_000, 1..=1_000_000;
        /// Milliseconds that a request's head may take to arrive, and that a kept connection may be idle; then it is closed.
        header_ms_max: u64 = 60_000, 1..=DAY_MS;
        /// Milliseconds that a request's body may take to arrive; then 408.
        body_ms_max: u64 = 60_000, 1..=DAY_MS;
        /// Bytes of a request's body; more is answered 413.
        body_bytes_max: u64 = 16 << 20, 1..=(1 << 30);
        /// Bytes of an upload of a component; more is answered 413.
        upload_bytes_max: u64 = 256 << 20, 1..=(4 << 30);
        /// Uploads held in memory and compiled at a time; others wait for their turn.
        uploads_max: u64 = 4, 1..=256;
        /// Milliseconds that a caller waits for the result of an invocation; then 504, and the invocation goes on.
        await_ms_max: u64 = 300_000, 1..=DAY_MS;
        /// Milliseconds that a shutdown waits for requests under way; then those who wait for an invocation are answered 503.
        drain_ms_max: u64 = 5_000, 0..=DAY_MS;
    }
}

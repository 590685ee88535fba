//! Section `engine`: how guests are compiled and run.

use super::setting::section;

section! {
    /// How guests are compiled and run.
    EngineSettings = "engine" {
        /// Linear memory and files of one worker, in bytes. A worker that was recorded under another value may replay differently.
        memory_bytes_max: u64 = 512 << 20, (1 << 20)..=(4 << 30);
        /// Reserve less address space for each worker, at the price of a check at each memory access.
        dense: bool = false, ();
        /// Milliseconds after which a running guest gives way to others.
        tick_ms: u64 = 10, 1..=1_000;
        /// Compiled components kept in memory.
        components_cached_max: u64 = 64, 1..=10_000;
    }
}

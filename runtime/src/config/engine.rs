//! Section `engine`: how guests are compiled and run.

use super::setting::section;

section! {
    /// How guests are compiled and run.
    EngineSettings = "engine" {
        /// Limit of one worker's linear memory and files, in bytes. If it is changed, replay of existing workers may
        /// diverge.
        memory_bytes_max: u64 = 512 << 20, (1 << 20)..=(4 << 30);
        /// Reserve less address space for each worker. Each memory access then needs an additional check.
        dense: bool = false, ();
        /// Milliseconds after which a running guest yields to others.
        tick_ms: u64 = 10, 1..=1_000;
        /// Number of compiled components to keep in memory.
        components_cached_max: u64 = 64, 1..=10_000;
    }
}

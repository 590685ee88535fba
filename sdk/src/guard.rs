//! Where the guest library runs.

/// Panics unless the code runs inside a worker. Called before each call of the host.
///
/// Outside of WebAssembly the generated functions link, but end in an assertion that explains nothing.
#[cfg(not(target_family = "wasm"))]
#[track_caller]
pub(crate) fn require_worker(call: &str) {
    panic!("{call} works inside a worker only; here the code runs as an ordinary program, which has no log");
}

/// Nothing to check: every component that uses the guest library runs in a worker.
#[cfg(target_family = "wasm")]
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must leave nothing in a worker's code, not even the text")]
pub(crate) fn require_worker(_call: &str) {}

//! A check that the code runs in a worker.

/// Panics unless the code runs in a worker. `call` is the name of the function that the user called.
///
/// Without this check, the generated functions would panic on other targets with a message that does not explain the
/// reason.
#[cfg(not(target_family = "wasm"))]
#[track_caller]
pub(crate) fn require_worker(call: &str) {
    panic!("{call} works inside a worker only; this is an ordinary program, which has no oplog");
}

/// Does nothing: a component that uses the guest library always runs in a worker.
#[cfg(target_family = "wasm")]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the call and its text must not take space in the component")]
pub(crate) fn require_worker(_call: &str) {}

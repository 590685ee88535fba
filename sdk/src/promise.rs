//! Promises: a worker creates a promise and waits until it is completed.
//!
//! A promise is completed once, with any bytes. The caller that completes it needs its id and can be a REST client,
//! another worker or the same worker.
//!
//! Waiting suspends the worker: it is unloaded from memory. When the promise is completed, minutes or months later, the
//! worker resumes at the same place, even if the server was restarted meanwhile.
//!
//! ```no_run
//! use golem::promise;
//!
//! let approval = promise::create();
//! println!("promise {approval}");
//! if promise::wait(&approval) == b"yes" {
//!     println!("approved");
//! }
//! ```
//!
//! Waiting for or completing a promise that does not exist fails the invocation; the error contains the promise's id.

use crate::PromiseId;
use crate::bindings::golem::durability::promises;
use crate::guard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// A handle that becomes ready. `wasip2::io::poll::poll` waits for several of them, for example for a promise and a
/// timer.
pub use wasip2::io::poll::Pollable;

/// Creates a promise that is not completed.
///
/// The text form of the id ([`Display`](std::fmt::Display)) contains everything that a client needs to complete the
/// promise.
#[must_use = "a promise can only be completed with its id"]
pub fn create() -> PromiseId {
    raw::golem_create_promise()
}

/// Waits until the promise is completed and returns its bytes.
///
/// Returns immediately if the promise is already completed. Other languages call this function `await`, which is a
/// keyword in Rust; `r#await` is an alias.
pub fn wait(id: &PromiseId) -> Vec<u8> {
    raw::golem_await_promise(id)
}

/// An alias of [`wait`]: the name that other languages use.
pub fn r#await(id: &PromiseId) -> Vec<u8> {
    wait(id)
}

/// Completes a promise with `data`. Returns `false` if the promise was already completed; it then keeps its bytes.
pub fn complete(id: &PromiseId, data: &[u8]) -> bool {
    raw::golem_complete_promise(id, data)
}

/// Deletes a promise. Does nothing if the promise does not exist.
pub fn delete(id: &PromiseId) {
    raw::golem_delete_promise(id);
}

/// The bytes of the promise, or `None` if it is not completed. Never waits.
#[must_use]
pub fn get(id: &PromiseId) -> Option<Vec<u8>> {
    guard::require_worker("golem::promise::get");
    promises::get(id)
}

/// Returns a pollable that is ready once the promise is completed.
#[must_use]
pub fn subscribe(id: &PromiseId) -> Pollable {
    guard::require_worker("golem::promise::subscribe");
    promises::subscribe(id)
}

/// A promise that is completed with a value of type `T` in JSON.
///
/// ```no_run
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Approval { by: String }
/// let approval: golem::Promise<Approval> = golem::Promise::new();
/// println!("promise {}", approval.id());
/// match approval.wait() {
///     Ok(approval) => println!("approved by {}", approval.by),
///     Err(error) => println!("no approval: {error}"),
/// }
/// ```
pub struct Promise<T> {
    id: PromiseId,
    value: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Promise").field(&self.id).finish()
    }
}

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Self {
        Self::with_id(self.id.clone())
    }
}

/// Serialized as its id. The value is not part of it.
impl<T> Serialize for Promise<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, T> serde::Deserialize<'de> for Promise<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PromiseId::deserialize(deserializer).map(Self::with_id)
    }
}

impl<T> Promise<T> {
    /// Creates a promise that is not completed.
    #[must_use = "a promise can only be completed with its id"]
    #[expect(clippy::new_without_default, reason = "creating a promise is a side effect")]
    pub fn new() -> Self {
        Self::with_id(create())
    }

    /// The promise with this id, for example a promise of another worker.
    #[must_use]
    pub fn with_id(id: PromiseId) -> Self {
        Self { id, value: PhantomData }
    }

    /// The id, which a caller needs to complete the promise.
    pub fn id(&self) -> &PromiseId {
        &self.id
    }

    /// Returns a pollable that is ready once the promise is completed.
    #[must_use]
    pub fn subscribe(&self) -> Pollable {
        subscribe(&self.id)
    }

    /// Deletes the promise.
    pub fn delete(self) {
        delete(&self.id);
    }
}

impl<T: DeserializeOwned> Promise<T> {
    /// Waits until the promise is completed and returns its value. Returns an error if its bytes are not JSON of type
    /// `T`.
    pub fn wait(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&wait(&self.id))
    }

    /// The value, or `None` if the promise is not completed. Never waits.
    pub fn get(&self) -> Option<Result<T, serde_json::Error>> {
        get(&self.id).map(|bytes| serde_json::from_slice(&bytes))
    }

    /// Waits for at most `limit`. Returns `None` if the promise is not completed by then; the worker can wait for it
    /// again.
    pub fn wait_for(&self, limit: std::time::Duration) -> Option<Result<T, serde_json::Error>> {
        guard::require_worker("golem::Promise::wait_for");
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let timer = wasip2::clocks::monotonic_clock::subscribe_duration(nanos);
        let completed = self.subscribe();
        wasip2::io::poll::poll(&[&completed, &timer]);
        self.get()
    }
}

impl<T: Serialize> Promise<T> {
    /// Completes the promise with `value`. Returns `false` if the promise was already completed; it then keeps its
    /// value.
    pub fn complete(&self, value: &T) -> Result<bool, serde_json::Error> {
        Ok(complete(&self.id, &serde_json::to_vec(value)?))
    }
}

/// The functions of `golem:api/host` under their WIT names, as in the bindings of other languages.
pub(crate) mod raw {
    use crate::bindings::golem::api::host;
    use crate::guard;
    use crate::{PromiseId, Uri};

    /// The same as [`promise::create`](crate::promise::create), under its name in the Runtime API.
    #[must_use = "a promise can only be completed with its id"]
    pub fn golem_create_promise() -> PromiseId {
        guard::require_worker("golem_create_promise");
        host::golem_create_promise()
    }

    /// The same as [`promise::wait`](crate::promise::wait), under its name in the Runtime API.
    // Not `must_use`: a worker may wait for the completion and ignore the bytes.
    pub fn golem_await_promise(promise_id: &PromiseId) -> Vec<u8> {
        guard::require_worker("golem_await_promise");
        host::golem_await_promise(promise_id)
    }

    /// The same as [`promise::complete`](crate::promise::complete), under its name in the Runtime API.
    pub fn golem_complete_promise(promise_id: &PromiseId, data: &[u8]) -> bool {
        guard::require_worker("golem_complete_promise");
        host::golem_complete_promise(promise_id, data)
    }

    /// The same as [`promise::delete`](crate::promise::delete), under its name in the Runtime API.
    pub fn golem_delete_promise(promise_id: &PromiseId) {
        guard::require_worker("golem_delete_promise");
        host::golem_delete_promise(promise_id);
    }

    /// The address of a function of this worker: `worker://{template-id}/{worker-name}/{function-name}`.
    #[must_use]
    pub fn get_self_uri(function_name: &str) -> Uri {
        guard::require_worker("get_self_uri");
        host::get_self_uri(function_name)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[should_panic(expected = "golem_create_promise works inside a worker only")]
    fn a_call_outside_a_worker_panics_with_the_reason() {
        let _id = super::create();
    }
}

//! Promises: slots that a worker creates and that anyone who knows the id completes once.
//!
//! Waiting for a promise suspends the worker: it leaves memory, and comes back where it was when the promise is completed,
//! minutes or months later, whatever happened to the machine in between.
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
//! Waiting for, or completing, a promise that was never created or was deleted fails the invocation; the error names the promise.

use crate::PromiseId;
use crate::bindings::golem::durability::promises;
use crate::guard;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// What readiness is reported by; can be waited for beside sockets and timers, with `wasip2::io::poll::poll`.
pub use wasip2::io::poll::Pollable;

/// Creates a promise that nobody has completed yet.
///
/// The id's [`Display`](std::fmt::Display) form says everything that is needed to complete it from outside.
#[must_use = "a promise whose id nobody knows is never completed"]
pub fn create() -> PromiseId {
    raw::golem_create_promise()
}

/// Waits until the promise is completed and returns the bytes that it was completed with.
///
/// Returns at once if it is completed already. `await` is a keyword in Rust, hence this name; `r#await` is the same.
pub fn wait(id: &PromiseId) -> Vec<u8> {
    raw::golem_await_promise(id)
}

/// [`wait`], by the name that other languages use.
pub fn r#await(id: &PromiseId) -> Vec<u8> {
    wait(id)
}

/// Completes a promise. `false` means that it had been completed before, and keeps those bytes.
pub fn complete(id: &PromiseId, data: &[u8]) -> bool {
    raw::golem_complete_promise(id, data)
}

/// Forgets a promise. Deleting one that does not exist does nothing.
pub fn delete(id: &PromiseId) {
    raw::golem_delete_promise(id);
}

/// The bytes that the promise was completed with, or `None` while nobody has. Never waits.
#[must_use]
pub fn get(id: &PromiseId) -> Option<Vec<u8>> {
    guard::require_worker("golem::promise::get");
    promises::get(id)
}

/// A pollable that is ready once the promise is completed.
#[must_use]
pub fn subscribe(id: &PromiseId) -> Pollable {
    guard::require_worker("golem::promise::subscribe");
    promises::subscribe(id)
}

/// A promise of a value, which whoever completes it sends as JSON.
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

/// As its id: what it is completed with is not in it.
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
    /// A promise that nobody has completed yet.
    #[must_use = "a promise whose id nobody knows is never completed"]
    #[expect(clippy::new_without_default, reason = "it creates something in the world")]
    pub fn new() -> Self {
        Self::with_id(create())
    }

    /// The promise with this id, for example another worker's.
    #[must_use]
    pub fn with_id(id: PromiseId) -> Self {
        Self { id, value: PhantomData }
    }

    /// Its id, for whoever is to complete it.
    pub fn id(&self) -> &PromiseId {
        &self.id
    }

    /// A pollable that is ready once it is completed.
    #[must_use]
    pub fn subscribe(&self) -> Pollable {
        subscribe(&self.id)
    }

    /// Forgets it.
    pub fn delete(self) {
        delete(&self.id);
    }
}

impl<T: DeserializeOwned> Promise<T> {
    /// Waits until it is completed and returns the value; an error if what it was completed with is none.
    pub fn wait(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&wait(&self.id))
    }

    /// The value if it is completed already. Never waits.
    pub fn get(&self) -> Option<Result<T, serde_json::Error>> {
        get(&self.id).map(|bytes| serde_json::from_slice(&bytes))
    }

    /// Waits for at most this long; `None` if nobody has completed it by then. It can be waited for again.
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
    /// Completes it. `false` means that it had been completed before, and keeps that value.
    pub fn complete(&self, value: &T) -> Result<bool, serde_json::Error> {
        Ok(complete(&self.id, &serde_json::to_vec(value)?))
    }
}

/// The functions of `golem:api/host` under their own names, as bindings in other languages have them.
pub(crate) mod raw {
    use crate::bindings::golem::api::host;
    use crate::guard;
    use crate::{PromiseId, Uri};

    /// [`promise::create`](crate::promise::create), by its name in the Runtime API.
    #[must_use = "a promise whose id nobody knows is never completed"]
    pub fn golem_create_promise() -> PromiseId {
        guard::require_worker("golem_create_promise");
        host::golem_create_promise()
    }

    /// [`promise::wait`](crate::promise::wait), by its name in the Runtime API.
    // Not `must_use`: waiting for the moment alone is what this name was published for.
    pub fn golem_await_promise(promise_id: &PromiseId) -> Vec<u8> {
        guard::require_worker("golem_await_promise");
        host::golem_await_promise(promise_id)
    }

    /// [`promise::complete`](crate::promise::complete), by its name in the Runtime API.
    pub fn golem_complete_promise(promise_id: &PromiseId, data: &[u8]) -> bool {
        guard::require_worker("golem_complete_promise");
        host::golem_complete_promise(promise_id, data)
    }

    /// [`promise::delete`](crate::promise::delete), by its name in the Runtime API.
    pub fn golem_delete_promise(promise_id: &PromiseId) {
        guard::require_worker("golem_delete_promise");
        host::golem_delete_promise(promise_id);
    }

    /// The address of one of this worker's functions: `worker://{template-id}/{worker-name}/{function-name}`.
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
    fn outside_a_worker_the_reason_is_said() {
        let _id = super::create();
    }
}

//! The components that suites upload, and the full names of their functions.
//!
//! `cargo xtask guests` builds them. Tests do not, so that a test run depends neither on the network nor on a nested
//! cargo.

use std::path::PathBuf;

/// `examples/counter`.
pub const COUNTER: &str = "counter";
/// Adds one and returns the new value.
pub const INCREMENT: &str = "golem:counter/api/increment";
/// Returns the value.
pub const GET: &str = "golem:counter/api/get";

/// `examples/shopping-cart`.
pub const CART: &str = "shopping_cart";
/// The exported interface of [`CART`].
pub const CART_API: &str = "golem:shopping-cart/api";

/// `tests/guests/sleeps`.
pub const SLEEPS: &str = "sleeps";
/// Sleeps for a number of milliseconds.
pub const SLEEP: &str = "golem:sleeps/api/sleep-ms";
/// Sleeps a number of times for a number of milliseconds.
pub const SLEEP_OFTEN: &str = "golem:sleeps/api/sleep-often";
/// Returns the number of finished sleeps.
pub const FINISHED: &str = "golem:sleeps/api/finished";

/// `tests/guests/calls`.
pub const CALLS: &str = "calls";

/// `tests/guests/promises`.
pub const PROMISES: &str = "promises";
/// Creates a promise and returns its id.
pub const CREATE_PROMISE: &str = "golem:promises/api/create";
/// Waits for the promise with the given id and returns its bytes.
pub const AWAIT_PROMISE: &str = "golem:promises/api/await";

/// `tests/guests/keyvalue`: buckets, through the interface of 2023.
pub const KEY_VALUE: &str = "keyvalue";
/// Adds to a number in a bucket.
pub const KEY_VALUE_INCREMENT: &str = "golem:keyvalue/api/increment";

/// `tests/guests/fetches`.
pub const FETCHES: &str = "fetches";
/// Sends an HTTP request and returns the response.
pub const FETCH: &str = "golem:fetches/api/fetch";

/// `tests/guests/serves`: answers HTTP requests.
pub const SERVES: &str = "serves";

/// The folder of the guest library, for projects that a test creates.
pub fn sdk_folder() -> String {
    let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the tree");
    tree.join("sdk").display().to_string()
}

/// The folder of built components: `GOLEM_GUESTS_DIR`, or `guests` in the target folder of this test.
#[expect(clippy::disallowed_methods, reason = "xtask sets it; the harness has no other settings")]
pub fn folder() -> PathBuf {
    if let Ok(folder) = std::env::var("GOLEM_GUESTS_DIR") {
        return PathBuf::from(folder);
    }
    crate::server::target_folder().join("guests/wasm32-wasip2/release")
}

/// The path of a built component by the name of its package, with `_` or `-`.
pub fn path(name: &str) -> PathBuf {
    folder().join(format!("{}.wasm", name.replace('-', "_")))
}

/// The bytes of a built component.
///
/// # Panics
/// When the component is not built.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}; run `cargo xtask guests`", path.display()))
}

/// The bytes of a guest program as a module for WASI preview 1. [`bytes`] returns the same program as a component.
///
/// # Panics
/// When the component is not built.
pub fn preview1(name: &str) -> Vec<u8> {
    let folder = folder();
    let targets = folder.parent().and_then(std::path::Path::parent);
    let path = targets.unwrap_or(&folder).join("wasm32-wasip1/release").join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}; run `cargo xtask guests`", path.display()))
}

//! The test harness: a server as a child process, a raw HTTP client, load, fault injection, and a checker that knows
//! the server only by its answers.
//!
//! | module | contains |
//! |---|---|
//! | `server`, `rest`, `http` | a server process; the REST interface in the shapes of 2023; HTTP/1.1 as bytes |
//! | `chaos`, `checker` | clients under SIGKILL; a model that compares acknowledgements with the state |
//! | `faulty_store`, `early_ack`, `vfs` | faults: the frame of a store with an error; a store that acknowledges early; a disk under SQLite that forgets, fills up or fails |
//! | `file_faults` | a fault at the N-th operation on the files of a data folder; what a power cut takes away |
//! | `github` | a fake GitHub with the endpoints that a login uses |
//! | `guests`, `tools` | paths of the components that suites upload; compilers of other languages |
//! | `sim` | a simulated node with crashes and faults in a seeded order |
//! | `web` | a web server that workers call; its paths select kinds of misbehaviour |
//! | `log_stream` | a client of log streams |
//! | `process` | memory and processor time of a process, from `/proc` |
//! | `wait`, `rng`, `report` | time, randomness, lines for the reader |
//!
//! The package has three programs: `golem-test-server`, which is the real server with selectable faults, `golem-bench`,
//! and `golem-sim`. Architecture invariant: suites use the server from outside, through its process and its REST
//! interface. A suite that uses internal crates says why in its first lines.

pub mod chaos;
pub mod checker;
pub mod early_ack;
pub mod faulty_store;
pub mod file_faults;
pub mod github;
pub mod guests;
pub mod http;
pub mod log_stream;
pub mod process;
pub mod report;
pub mod rest;
pub mod rng;
pub mod server;
pub mod sim;
pub mod tools;
pub mod vfs;
pub mod wait;
pub mod web;

/// Whether tests run in their long form, see `cargo xtask long`.
pub fn is_long_run() -> bool {
    std::env::var_os("GOLEM_TEST_LONG").is_some()
}

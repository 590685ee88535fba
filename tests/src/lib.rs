//! The harness of the suites: a server as a child process, a raw HTTP client, traffic, and a checker that stands
//! outside.
//!
//! | module | is |
//! |---|---|
//! | `server`, `rest`, `http` | a server process; REST as a client of 2023 speaks it; HTTP/1.1 as bytes |
//! | `chaos`, `checker` | clients and crashes; what callers were told against what is there |
//! | `early_ack`, `vfs` | faults: a store that acknowledges early; a disk under SQLite that forgets, fills up or fails |
//! | `github` | a stand-in for GitHub, as far as a login needs it |
//! | `guests`, `tools` | the components that suites upload; the compilers of other languages |
//! | `web` | a web server for workers to talk to, which misbehaves as it is asked to |
//! | `process` | what the system says of a process: memory, processor time |
//! | `wait`, `rng`, `report` | time, randomness, lines for the reader |
//!
//! Two programs belong to it: `golem-test-server`, the real server with faults to choose from, and `golem-bench`.
//! Architecture invariant: suites see the server from outside, through its process and its REST interface, unless a
//! suite's first lines say why not.

pub mod chaos;
pub mod checker;
pub mod early_ack;
pub mod github;
pub mod guests;
pub mod http;
pub mod process;
pub mod report;
pub mod rest;
pub mod rng;
pub mod server;
pub mod tools;
pub mod vfs;
pub mod wait;
pub mod web;

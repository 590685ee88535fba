//! Storage: the ports that the runtime needs, and their adapters.
//!
//! `ports` has the contracts. `embedded` is the SQLite file in a data folder, `blobs` the files for components and
//! images, `memory` a store in memory for tests. One conformance suite (`tests/suites/conformance`) runs over all
//! adapters. Architecture invariant: no code outside this folder uses `rusqlite`.

pub mod blobs;
pub mod embedded;
pub mod memory;
pub mod ports;

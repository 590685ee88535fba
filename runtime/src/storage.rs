//! Storage: the ports that the runtime needs, and their adapters.
//!
//! `ports` has the contracts. `embedded` is the SQLite file in a data folder, `blobs` the files for components,
//! archives and images, `memory` a store in memory for tests. One conformance suite (`tests/suites/conformance`) runs
//! over all adapters. Architecture invariant: no other code except tests uses `rusqlite` (suite `tidy`).

pub mod blobs;
pub mod embedded;
pub mod memory;
pub mod ports;

//! Conformance: every storage adapter keeps the contract of `golem_runtime::storage::ports`.
//!
//! `adapter` opens the stores under test. `store`, `values`, `catalog` and `blobs` contain the cases that all
//! adapters pass. `damage` tests the files of the embedded store: torn tails, flipped bytes, locks, foreign formats.
//! `faults` tests disks that are full, fail or lose writes. It uses internal crates because the contract is a Rust
//! trait.

// The modules are marked as tests, so that clippy allows `unwrap` in their helpers.
#[cfg(test)]
mod adapter;
#[cfg(test)]
mod blobs;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod store;
#[cfg(test)]
mod values;

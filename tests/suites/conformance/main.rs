//! Conformance: one contract (`golem_runtime::storage::ports`), every adapter.
//!
//! `adapter` opens what is to be tested; `store`, `values`, `catalog` and `blobs` hold the cases that all adapters pass;
//! `damage` is about the files of the embedded one: torn tails, flipped bytes, locks, foreign formats; `faults` about
//! disks that are full, fail or forget.

// Marked as tests, so that helpers may unwrap as the tests do.
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

//! The interfaces that guests may import, with one file for each group of interfaces.
//!
//! The traits are wasmtime's generated bindings, implemented for the views in [`views`]: a view lends what its family of
//! interfaces needs, and not the whole state. The implementations of wasmtime-wasi are not used. All interfaces of WASI
//! 0.2 are defined, because standard libraries import more than their programs use. Interfaces without durable support
//! have no content (no terminals) or deny access (sockets).
//!
//! Architecture invariant: an import accesses clocks, promises and everything else outside the worker only through
//! `durable`. A call without an oplog entry is determined by the calls before it and by the parameters of the worker's
//! creation. The exception is a wall clock reading that the guest chose not to record (`policy`).
//!
//! Imports do not branch on whether the guest is replayed or live. Where that matters (text that was emitted before, a
//! jump while recorded entries remain), a verb of the door decides (`durable::door`).

mod absent;
mod blobstore;
pub(crate) mod calls;
mod cli;
mod clocks;
mod config;
mod durability;
mod filesystem;
mod golem_api;
mod http;
mod io;
mod keyvalue;
mod logging;
pub(crate) mod policy;
mod promises;
pub(crate) mod random;
mod region;
mod sockets;
pub(crate) mod stdio;
mod timezone;
pub(crate) mod views;
mod workers;

pub(crate) use blobstore::BlobObject;
pub(crate) use http::{
    HandlerArgs, HttpObject, HttpState, UnansweredRequest, decode_response_state, encode_response_state,
    take_response,
};
pub(crate) use keyvalue::KeyValueObject;

use views::Views;
use wasmtime::component::Linker;

/// Defines all imports.
pub(crate) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    cli::add_to_linker(linker)?;
    stdio::add_to_linker(linker)?;
    clocks::add_to_linker(linker)?;
    timezone::add_to_linker(linker)?;
    io::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    golem_api::add_to_linker(linker)?;
    durability::add_to_linker(linker)?;
    keyvalue::add_to_linker(linker)?;
    blobstore::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    http::add_to_linker(linker)?;
    logging::add_to_linker(linker)?;
    config::add_to_linker(linker)
}

//! The interfaces that guests may import, with one file for each group of interfaces.
//!
//! The traits are wasmtime's generated bindings, implemented for [`WorkerState`]; the implementations of wasmtime-wasi
//! are not used. All interfaces of WASI 0.2 are defined, because standard libraries import more than their programs
//! use. Interfaces without durable support have no content (no terminals) or deny access (sockets).
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
mod workers;

pub(crate) use blobstore::BlobObject;
pub(crate) use http::{
    HandlerArgs, HttpObject, HttpState, UnansweredRequest, decode_response_state, encode_response_state,
    take_response,
};
pub(crate) use keyvalue::KeyValueObject;

use crate::state::WorkerState;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings as wasi;

/// Defines all imports.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    type Worker = HasSelf<WorkerState>;
    fn worker(state: &mut WorkerState) -> &mut WorkerState {
        state
    }
    wasi::cli::environment::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::exit::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::stdin::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::stdout::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::stderr::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::terminal_input::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::terminal_output::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::terminal_stdin::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::terminal_stdout::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::cli::terminal_stderr::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::clocks::wall_clock::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::clocks::monotonic_clock::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::io::error::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::io::poll::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::io::streams::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::random::random::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::random::insecure::add_to_linker::<_, Worker>(linker, worker)?;
    wasi::random::insecure_seed::add_to_linker::<_, Worker>(linker, worker)?;
    golem_api::add_to_linker(linker)?;
    durability::add_to_linker(linker)?;
    keyvalue::add_to_linker(linker)?;
    blobstore::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    http::add_to_linker(linker)?;
    timezone::add_to_linker(linker)?;
    logging::add_to_linker(linker)?;
    config::add_to_linker(linker)?;
    Ok(())
}

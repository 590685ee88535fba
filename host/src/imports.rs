//! One thin file for each interface that a guest may import.

mod absent;
mod filesystem;
mod http;
mod sockets;

pub(crate) use http::Http;

use crate::state::WorkerState;
use wasmtime::Result;
use wasmtime::component::Linker;

/// Defines every interface.
pub(crate) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    filesystem::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    http::add_to_linker(linker)
}

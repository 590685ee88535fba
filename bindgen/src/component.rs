//! Turns the core module that a compiler has written into a component. Runs no other program.

mod clock;

use crate::{Error, World};
use wasi_preview1_component_adapter_provider as adapters;
use wit_component::{ComponentEncoder, StringEncoding};

/// Encodes `core` as a component. It is a core module for WASI preview 1 or without any imports from a system.
///
/// `has_world_type` says that the bindings have already put the types of the world into a custom section of the module.
pub fn encode(mut core: Vec<u8>, world: &World, has_world_type: bool) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Encode { world: world.name().to_owned(), source };
    if !has_world_type {
        let (resolve, id) = world.resolved();
        wit_component::embed_component_metadata(&mut core, resolve, id, StringEncoding::UTF8)
            .map_err(failed)?;
    }
    if let Some(rewritten) = clock::add_wall_clock_pause(&core).map_err(failed)? {
        core = rewritten;
    }
    ComponentEncoder::default()
        .module(&core)
        .and_then(|encoder| {
            encoder.validate(true).adapter(
                adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(failed)
}

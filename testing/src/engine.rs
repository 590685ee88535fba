//! The engine, shared by all tests of a process.

use golem_host::{Engine, EngineConfig, EngineError};
use std::sync::{Mutex, PoisonError};

/// Workers that tests of one process can have in memory at a time.
const RESIDENTS_MAX: u32 = 200;

/// The engine. The first test that needs it creates it, with a thread that ends time slices.
pub(crate) fn shared() -> Result<Engine, EngineError> {
    static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
    let mut shared = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = &*shared {
        return Ok(engine.clone());
    }
    let engine = Engine::new(EngineConfig { residents_max: RESIDENTS_MAX, ..EngineConfig::default() })?;
    let ticked = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(ticked.tick_interval());
            ticked.tick();
        }
    });
    Ok(shared.insert(engine).clone())
}

//! Ports for tests: a memory store (oplogs, promises, buckets, containers) that loses uncommitted changes in a crash, a
//! simulated clock, a collector of output, and a fake HTTP service.
//!
//! Invariant: nothing here waits for real time, and every run gives the same answers.

mod calls;
mod clock;
mod http;
mod log;
mod shared;
mod store;
mod workers;

pub use calls::Answerer;
pub use clock::SimulatedClock;
pub use http::{FakeAnswer, FakeHttp, FakeResponse};
pub use log::LogCollector;
pub use store::{MemoryStore, StoreError};

use golem_host::ports::{Ports, TokioTasks};
use golem_model::WorkerId;
use std::sync::Arc;

/// The ports of a new activation of `worker`; HTTP requests are denied. The ports of earlier activations fail from now
/// on.
pub fn memory_ports(
    store: &MemoryStore,
    worker: &WorkerId,
    clock: &SimulatedClock,
    log: &LogCollector,
) -> Result<Ports, StoreError> {
    let activation = Arc::new(store.activate(worker)?);
    Ok(Ports {
        oplog: activation.clone(),
        promises: activation.clone(),
        calls: activation.clone(),
        keyvalue: activation.clone(),
        blobstore: activation.clone(),
        workers: activation,
        clock: Arc::new(clock.clone()),
        log: Arc::new(log.clone()),
        http: Arc::new(FakeHttp::default()),
        tasks: Arc::new(TokioTasks),
    })
}

//! Ports for tests: oplogs, promises, buckets and containers in memory that lose what was not committed, a clock that is
//! driven by hand, a collector of what workers print, a world that answers HTTP requests as it is told.
//!
//! Invariant: nothing here waits for time to pass or gives another answer in another run.

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

use crate::ports::Ports;
use golem_model::WorkerId;
use std::sync::Arc;

/// The ports of a new activation of `worker`, without a world that answers HTTP requests. Those of its earlier
/// activations fail from now on.
pub fn ports(
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
    })
}

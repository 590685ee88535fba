//! Golem's host in one process, for integration tests of components.
//!
//! A [`TestWorker`] runs a component as the server would, with a store in memory and a clock that
//! jumps over waits. A test can crash it at any point, and [`TestWorker::replay_from_every_prefix`]
//! checks that the component gives the same answers from every oplog that a crash may leave.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! use golem_testing::{TestWorker, Value};
//!
//! let wasm = std::fs::read("counter.wasm")?;
//! let mut counter = TestWorker::start(&wasm).await?;
//! counter.invoke("golem:counter/api/increment", vec![]).await?;
//! counter.crash();
//! let count = counter.invoke("golem:counter/api/get", vec![]).await?;
//! assert_eq!(count, Some(Value::U64(1)));
//! # Ok(())
//! # }
//! ```

mod engine;
mod ports;
mod prefix;
mod snapshot;
mod worker;

pub use golem_host::ports::{HttpFailure, HttpRequest};
pub use golem_model::{Convention, Entry, OplogIndex, PromiseId, Timestamp, Value};
pub use ports::{
    Answerer, FakeAnswer, FakeHttp, FakeResponse, LogCollector, MemoryStore, SimulatedClock, StoreError,
    memory_ports,
};
pub use prefix::PrefixError;
pub use worker::{Failure, Options, StartError, TestWorker};

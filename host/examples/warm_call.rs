//! Measures a warm invocation of a trivial function, without a store: `cargo run --release -p golem-host --features
//! testing --example warm_call`.
//!
//! Counts are powers of ten. The ports do nothing, so only the host is measured.

use async_trait::async_trait;
use golem_host::ports::{Clock, LogSink, Oplog, PortError, Ports, PrintedEvent};
use golem_host::{
    AcceptanceRecord, Engine, EngineConfig, FileHistory, History, Instance, InterruptHandle, Outcome,
    WorkerInit,
};
use golem_model::{
    AccountId, Entry, IdempotencyKey, Invocation, OplogIndex, ProjectId, TemplateId, Timestamp, WorkerId,
    WorkerName,
};
use golem_testing::{LogCollector, MemoryStore, SimulatedClock};
use std::sync::Arc;
use std::time::Duration;

const GUEST: &str = r#"(component
    (core module $m
        (global $count (mut i64) (i64.const 0))
        (func (export "increment") (result i64)
            (global.set $count (i64.add (global.get $count) (i64.const 1)))
            (global.get $count)))
    (core instance $i (instantiate $m))
    (func (export "increment") (result u64) (canon lift (core func $i "increment"))))"#;

struct Nowhere;

#[async_trait]
impl Oplog for Nowhere {
    fn append(&self, _: OplogIndex, _: Vec<Entry>) -> Result<(), PortError> {
        Ok(())
    }

    async fn commit(&self) -> Result<(), PortError> {
        Ok(())
    }
}

#[async_trait]
impl Clock for Nowhere {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep_until(&self, _: Duration) {}
}

impl LogSink for Nowhere {
    fn emit(&self, _: Vec<PrintedEvent>) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let wasm = wat::parse_str(GUEST).expect("the guest is well-formed");
    let engine =
        Engine::new(EngineConfig { residents_max: 10, ..EngineConfig::default() }).expect("an engine");
    let component = engine.compile(&wasm, [0; 32]).expect("the guest compiles");
    let id = WorkerId::new(TemplateId(uuid::Uuid::nil()), WorkerName::new("bench").expect("a name"));
    let account = AccountId(uuid::Uuid::nil());
    let init = WorkerInit {
        id: id.clone(),
        account,
        template_version: 0,
        args: vec![],
        env: vec![],
        begins_after: golem_model::OplogIndex::START,
        seed: [0; 32],
        files: FileHistory::new(component.files().cloned()),
        links: [].into(),
        suspend_after: Duration::from_secs(10),
        progress: Duration::from_millis(50),
        retry: golem_model::RetryPolicy::default(),
    };
    let created = Entry::Created {
        at: Timestamp::default(),
        id: id.clone(),
        project: ProjectId(uuid::Uuid::nil()),
        account,
        template_version: 0,
        args: vec![],
        env: vec![],
        seed: [0; 32],
    };
    let nowhere = Arc::new(Nowhere);
    // The guest uses only the ports of `nowhere`.
    let store = MemoryStore::new();
    store.create(&id, vec![created.clone()]).expect("it is empty");
    let (clock, log) = (SimulatedClock::new(Timestamp::default()), LogCollector::default());
    let others = golem_testing::memory_ports(&store, &id, &clock, &log).expect("the worker was made");
    let ports = Ports { oplog: nowhere.clone(), clock: nowhere.clone(), log: nowhere, ..others };

    let history = || History::from_entries(OplogIndex::START, vec![created.clone()], 1);
    measure("activate, drop", 10_000, async |_| {
        let instance =
            Instance::activate(&component, init.clone(), history(), ports.clone(), InterruptHandle::new())
                .await;
        drop(instance.expect("an instance"));
    })
    .await;
    let mut instance =
        Instance::activate(&component, init.clone(), history(), ports.clone(), InterruptHandle::new())
            .await
            .expect("an instance");
    let function: Arc<str> = Arc::from("increment");
    measure("invoke, warm", 1_000_000, async |number| {
        let key = IdempotencyKey::new(number.to_string()).expect("a key");
        let invocation = Invocation {
            key,
            function: Arc::clone(&function),
            params: vec![],
            convention: golem_model::Convention::Component,
        };
        match instance.invoke(invocation, AcceptanceRecord::StartEntry(Duration::MAX)).await {
            Outcome::Completed { .. } => {}
            Outcome::Stopped(stop) => panic!("{stop:?}"),
        }
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]
#[expect(clippy::print_stdout, reason = "its result")]
async fn measure(what: &str, count: u32, mut act: impl AsyncFnMut(u32)) {
    let start = std::time::Instant::now();
    for number in 0..count {
        act(number).await;
    }
    println!("{what}: {:.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(count));
}

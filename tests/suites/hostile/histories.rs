//! Long histories and large answers: recovering a worker takes the memory of the worker and a fixed amount for its log.
//! A guest that polls a clock does not fill the log.

use super::Attack;
use golem_model::oplog::codec::{self, Row};
use golem_model::oplog::wire::put_varint;
use golem_model::oplog::{HostCall, HostCallRequest, HostFunction, InvocationSource};
use golem_model::{Entry, IdempotencyKey, OplogIndex, TemplateId, Timestamp, Value, WorkerId, WorkerName};
use golem_runtime::storage::embedded::{EmbeddedStore, OpenOptions};
use golem_runtime::storage::ports::{Batch, LogRow, Store as _};
use golem_tests::guests;
use golem_tests::is_long_run;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Memory that a recovery may take beyond that of its worker.
const RECOVERY_BYTES_MAX: u64 = 16 << 20;
/// Reads the monotonic clock as often as its parameter says, and keeps the readings.
const READ_CLOCK: &str = "golem:clocks/api/is-monotonic";
/// Entries in one row, at most as many as an activation appends together.
const ROW_ENTRIES: usize = 128;
/// Rows in one transaction.
const BATCH_ROWS: usize = 2_000;

#[tokio::test]
async fn recovering_a_long_history_takes_bounded_memory() {
    // The guest keeps the readings, in a list that doubles.
    let (readings, memory_bytes_max) =
        if is_long_run() { (10_000_000, 512 << 20) } else { (200_000, 16 << 20) };
    recover_clock_readings(readings, memory_bytes_max).await;
}

#[tokio::test]
async fn recovering_large_answers_takes_bounded_memory() {
    recover_large_answers(if is_long_run() { 150 } else { 30 }).await;
}

async fn recover_clock_readings(readings: u32, memory_bytes_max: u64) {
    let limit = format!("engine.memory_bytes_max={memory_bytes_max}");
    let mut attack = Attack::begin(&[&limit]).await;
    let clocks = attack.attacker.upload("clocks", &guests::bytes("clocks")).await;
    for worker in ["long", "short"] {
        attack.attacker.invoke(&clocks, worker, READ_CLOCK, &json!([1])).await;
    }
    let template: TemplateId = serde_json::from_value(json!(clocks)).unwrap();
    let long = WorkerId { template, name: WorkerName::new("long").unwrap() };
    attack = attack.restart_after(|data| append_readings(data, &long, readings)).await;
    // The component is compiled, and the server is warm.
    attack.assert_victim_is_served().await;
    attack.attacker.invoke(&clocks, "short", READ_CLOCK, &json!([1])).await;

    attack.begin_measurement();
    let result = attack.attacker.invoke(&clocks, "long", READ_CLOCK, &json!([1])).await;
    assert_eq!(result, json!(true));
    attack.assert_grown_at_most(memory_bytes_max + RECOVERY_BYTES_MAX);
    attack.assert_victim_is_served().await;
}

async fn recover_large_answers(answers: u32) {
    const MEMORY_BYTES_MAX: u64 = 96 << 20;
    const VALUE_BYTES: usize = 8 << 20;
    let limit = format!("engine.memory_bytes_max={MEMORY_BYTES_MAX}");
    let mut attack = Attack::begin(&[&limit]).await;
    let keyvalue = attack.attacker.upload("keyvalue", &guests::bytes("keyvalue")).await;
    // 'AAAA' is three zeros in Base64, and two more characters are one.
    let value = json!({"base64": format!("{}AAA=", "AAAA".repeat(VALUE_BYTES / 3))});
    attack.attacker.invoke(&keyvalue, "writer", "golem:keyvalue/api/set", &json!(["b", "k", value])).await;
    for _ in 0..answers {
        let size = "golem:keyvalue/api/size";
        let found = attack.attacker.invoke(&keyvalue, "reader", size, &json!(["b", "k"])).await;
        assert_eq!(found, json!({"ok": VALUE_BYTES}));
    }
    // A new process has not had the memory of the calls.
    attack = attack.restart().await;
    attack.assert_victim_is_served().await;
    let exists = "golem:keyvalue/api/exists";
    attack.attacker.invoke(&keyvalue, "other", exists, &json!(["b", "k"])).await;
    attack.begin_measurement();
    attack.attacker.invoke(&keyvalue, "reader", exists, &json!(["b", "k"])).await;
    attack.assert_grown_at_most(MEMORY_BYTES_MAX + RECOVERY_BYTES_MAX);
    attack.assert_victim_is_served().await;
}

/// Appends an invocation with that many clock readings to the log of a worker, as earlier versions recorded them: each
/// reading is an entry.
fn append_readings(data: &Path, worker: &WorkerId, readings: u32) {
    let store = EmbeddedStore::open(OpenOptions::new(data)).unwrap();
    let projection = store.projection(worker).unwrap().unwrap();
    let epochs = store.acquire().unwrap();
    let fence = epochs.into_iter().find(|(shard, _)| *shard == projection.shard).unwrap();
    let newest = store.row(projection.applied).unwrap().unwrap();
    let Row::Entries { first, entries } = codec::decode_row(&newest.body).unwrap() else {
        panic!("the worker's last row ends an invocation")
    };

    let at = Timestamp::from_nanos(1_800_000_000_000_000_000);
    let source =
        InvocationSource::Inline { function: Arc::from(READ_CLOCK), params: vec![Value::U32(readings)] };
    let started = Entry::InvocationStarted { at, key: IdempotencyKey::anonymous(1), source };
    let reading = |number: u32| {
        // Later than the reading of the call before.
        let mut response = Vec::new();
        put_varint(&mut response, 1_000_000_000_000 + u64::from(number));
        let request = HostCallRequest::Inline(Vec::new());
        let call = HostCall { function: HostFunction::MonotonicClockNow, request };
        Entry::HostCall { call, response }
    };
    let completed = Entry::InvocationCompleted { at, result: Some(Value::Bool(true)) };
    let mut all =
        std::iter::once(started).chain((0..readings).map(reading)).chain(std::iter::once(completed));

    let mut next = first.plus(entries.len() as u64);
    let (mut seq, mut prev) = (store.position().unwrap().last, projection.applied);
    loop {
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS {
            let entries: Vec<_> = all.by_ref().take(ROW_ENTRIES).collect();
            if entries.is_empty() {
                break;
            }
            let body = codec::encode_entries(next, &entries);
            next = OplogIndex(next.0 + entries.len() as u64);
            seq = seq.next();
            let (shard, epoch) = fence;
            rows.push(LogRow { seq, worker: projection.worker, prev, shard, epoch, body });
            prev = seq;
        }
        if rows.is_empty() {
            break;
        }
        store.commit(&Batch { fences: vec![fence], rows, ..Batch::default() }).unwrap();
    }
}

/// Regression: a guest that polled a clock wrote several megabytes per second.
#[tokio::test]
async fn polling_a_clock_grows_the_log_slowly() {
    const SPIN_MS: u64 = 500;
    const BYTES_PER_MS_MAX: u64 = 100;
    let mut attack = Attack::begin(&[]).await;
    let clocks = attack.attacker.upload("clocks", &guests::bytes("clocks")).await;
    let mut passed_ms = 0;
    for wall in [false, true] {
        let spin = json!([SPIN_MS, wall]);
        let readings = attack.attacker.invoke(&clocks, "w", "golem:clocks/api/spin-ms", &spin).await;
        assert!(readings.as_u64().unwrap() > 5 * SPIN_MS, "{readings} readings");
        passed_ms += SPIN_MS;
    }
    let template: TemplateId = serde_json::from_value(json!(clocks)).unwrap();
    let worker = WorkerId { template, name: WorkerName::new("w").unwrap() };
    let bytes = &mut 0;
    attack = attack
        .restart_after(|data| {
            let store = EmbeddedStore::open(OpenOptions::new(data)).unwrap();
            let last = store.projection(&worker).unwrap().unwrap().applied;
            let rows = store.rows_back(last, usize::MAX, usize::MAX).unwrap();
            *bytes = rows.iter().map(|row| row.body.len() as u64).sum();
        })
        .await;
    assert!(*bytes <= 1_000 + BYTES_PER_MS_MAX * passed_ms, "{bytes} bytes in {passed_ms} ms");
    // The log is replayed.
    attack.attacker.invoke(&clocks, "w", READ_CLOCK, &json!([3])).await;
    attack.assert_victim_is_served().await;
}

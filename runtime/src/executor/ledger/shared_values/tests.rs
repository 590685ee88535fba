//! Tests shared values against a plain map, and what the cache keeps.

use super::super::{ActivationId, EncodedEntries, LedgerEvent, NewWorker};
use super::*;
use crate::executor::projection::WorkerProjection;
use crate::storage::ports::{StorePosition, WorkerNum};
use golem_model::keyvalue::{self, Delta, KeyValueWrite};
use golem_model::oplog::{HostCall, HostCallRequest, HostFunction};
use golem_model::{AccountId, OplogIndex, TemplateId, WorkerId, WorkerName};
use uuid::Uuid;

const PROJECT: ProjectId = ProjectId(Uuid::nil());

fn project_key(key: &str) -> ProjectKey {
    (PROJECT, keyvalue::value_key(&"b".into(), &key.into()))
}

fn value(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

impl SharedValues {
    /// Marks rows as committed, up to the last of them.
    fn commit(&mut self, rows: &[ValueRow]) {
        let durable = rows.iter().map(|row| row.version).max().unwrap_or_default();
        self.mark_committed(rows, durable);
    }
}

/// Writes so many values that the cache evicts everything else.
fn fill_cache(values: &mut SharedValues, from: u64) {
    for number in 0..=(CACHE_BYTES_MAX / CACHED_BYTES_MAX) as u64 {
        let large = Some(vec![0; CACHED_BYTES_MAX].into());
        values.write(project_key(&format!("filler {number}")), large, Seq(from + number));
    }
    let (rows, _) = values.take_unwritten();
    values.commit(&rows);
}

#[test]
fn the_last_write_of_a_batch_counts() {
    let mut values = SharedValues::default();
    values.write(project_key("k"), Some(value("one")), Seq(1));
    values.write(project_key("k"), Some(value("two")), Seq(2));
    values.write(project_key("gone"), None, Seq(3));
    let (rows, _) = values.take_unwritten();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].value.clone(), rows[1].version), (Some(value("two")), Seq(2)));
    values.write(project_key("k"), Some(value("three")), Seq(4));
    values.commit(&rows);
    assert_eq!(values.get(&project_key("k")).unwrap().value, Some(value("three")), "the newer one is kept");
    let (rows, _) = values.take_unwritten();
    assert_eq!(rows.len(), 1);
    values.commit(&rows);
    assert_eq!(values.unwritten_bytes(), 0);
    assert_eq!(values.get(&project_key("gone")).unwrap(), &Versioned::default(), "known to be absent");
}

#[test]
fn a_value_written_during_a_read_stays_until_the_read_ends() {
    let mut values = SharedValues::default();
    let read = values.begin_read(Seq(0), Seq(0));
    values.write(project_key("k"), Some(value("new")), Seq(1));
    let (rows, _) = values.take_unwritten();
    values.commit(&rows);
    fill_cache(&mut values, 2);
    assert_eq!(values.get(&project_key("k")).unwrap().value, Some(value("new")));
    let since = values.written_since(read, PROJECT, &project_key("").1, None, Some("k"));
    assert!(since.contains(&("k".into(), true)), "{since:?}");
    values.end_read(read);
    fill_cache(&mut values, 1_000);
    assert_eq!(values.get(&project_key("k")), None, "evicted, because the store has it");
    let read = values.begin_read(Seq(2_000), Seq(2_000));
    assert_eq!(values.written_since(read, PROJECT, &project_key("").1, None, None), []);
}

#[test]
fn an_uncommitted_value_is_not_evicted() {
    let mut values = SharedValues::default();
    values.write(project_key("k"), Some(value("queued")), Seq(1));
    let (taken, _) = values.take_unwritten();
    fill_cache(&mut values, 2);
    values.cache(project_key("k"), &Versioned::default());
    assert_eq!(
        values.get(&project_key("k")).unwrap().value,
        Some(value("queued")),
        "the value that was read is older"
    );
    values.commit(&taken);
    fill_cache(&mut values, 1_000);
    assert_eq!(values.get(&project_key("k")), None);
}

/// A read of many keys takes the lock several times. In the end it has the values of one moment.
#[test]
fn values_that_were_found_are_brought_to_the_present() {
    let mut values = SharedValues::default();
    let keys: Vec<ScopedKey> = (0..600).map(|number| project_key(&number.to_string()).1).collect();
    let chunks: Vec<usize> = KeyChunk::split_keys(&keys).map(|chunk| chunk.0.len()).collect();
    assert_eq!(chunks, [KEYS_PER_LOCK_MAX, KEYS_PER_LOCK_MAX, 600 - 2 * KEYS_PER_LOCK_MAX]);
    for key in &keys {
        values.write((PROJECT, key.clone()), Some(value("old")), Seq(1));
    }
    let read = values.begin_read(Seq(0), Seq(1));
    let mut found = StoredValues::new();
    for (number, chunk) in (2..).zip(KeyChunk::split_keys(&keys)) {
        values.copy_cached(PROJECT, chunk, &mut found);
        // After each chunk, one key of each chunk is written; another project has the same keys.
        for key in [&keys[0], &keys[300], &keys[599]] {
            values.write((PROJECT, key.clone()), Some(value(&number.to_string())), Seq(number));
            let other = ProjectId(Uuid::from_u128(9));
            values.write((other, key.clone()), Some(value("other")), Seq(number));
        }
        // A commit during the read.
        let (rows, _) = values.take_unwritten();
        values.commit(&rows);
    }
    values.write(project_key("1"), None, Seq(9));
    values.write(project_key("not wanted"), Some(value("x")), Seq(9));
    values.apply_writes_since(read, PROJECT, &mut found);
    values.end_read(read);
    assert_eq!(found.len(), 600);
    for (number, key) in keys.iter().enumerate() {
        let expected = match number {
            0 | 300 | 599 => Some(value("4")),
            1 => None,
            _ => Some(value("old")),
        };
        assert_eq!(found[key].value, expected, "{number}");
    }
    // What is durable and needed by no read is not remembered.
    let (rows, _) = values.take_unwritten();
    values.commit(&rows);
    assert!(values.recent.is_empty());
}

/// A small random generator: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

const WORKERS: usize = 3;

fn created(worker: usize) -> Entry {
    Entry::Created {
        at: Timestamp::default(),
        id: WorkerId::new(TemplateId(Uuid::nil()), WorkerName::new(format!("w{worker}")).unwrap()),
        project: ProjectId(Uuid::nil()),
        account: AccountId(Uuid::nil()),
        template_version: 0,
        args: Vec::new(),
        env: Vec::new(),
        seed: [0; 32],
    }
}

fn call() -> HostCall {
    HostCall { function: HostFunction::KeyValueSet, request: HostCallRequest::Inline(Vec::new()) }
}

/// A ledger with some workers after a start or a crash, and their activations.
struct RunningLedger {
    ledger: Ledger,
    activations: Vec<(WorkerNum, ActivationId)>,
}

impl RunningLedger {
    fn start(position: StorePosition, projections: &[WorkerProjection]) -> Self {
        let mut ledger = Ledger::new(position, &[]);
        if projections.is_empty() {
            for worker in 0..WORKERS {
                let options = golem_model::FailureOptions::default();
                let begins_after = OplogIndex::START;
                let event =
                    LedgerEvent::CreateWorker(NewWorker { entry: created(worker), options, begins_after });
                ledger.step(Timestamp::default(), event).unwrap();
            }
        }
        for projection in projections {
            ledger.load(projection.clone());
        }
        let activations = (1..=WORKERS as u64).map(|number| {
            let worker = WorkerNum(number);
            let Ok(StepOutcome::Activated(activation)) =
                ledger.step(Timestamp::default(), LedgerEvent::Activate { worker })
            else {
                panic!("it is there")
            };
            (worker, activation)
        });
        let activations = activations.collect();
        Self { ledger, activations }
    }

    fn projections(&self) -> Vec<WorkerProjection> {
        self.activations.iter().map(|(worker, _)| self.ledger.projection(*worker).unwrap().clone()).collect()
    }

    fn write(
        &mut self,
        caller: usize,
        write: KeyValueWrite,
        read: StoredValues,
    ) -> Result<StepOutcome, StepError> {
        let (worker, activation) = self.activations[caller];
        let first = self.ledger.projection(worker).unwrap().oplog_end.next();
        let buffered = EncodedEntries::new(first, Vec::new());
        let context = HostCallContext { worker, activation, buffered, call: call() };
        let write = SharedWrite::KeyValue { bucket: "b".into(), write };
        let write = PlannedWrite::new(Timestamp::default(), write);
        self.ledger.step(Timestamp::default(), LedgerEvent::SharedWrite { context, write, stored: read })
    }
}

/// A plain map as a state reader.
struct MapReader<'a>(&'a StoredValues);

impl StateReader for MapReader<'_> {
    fn read(&mut self, scoped_key: &ScopedKey) -> Result<Versioned, CacheMiss> {
        Ok(self.0.get(scoped_key).cloned().unwrap_or_default())
    }
}

fn random_write(random: &mut Random, version: ValueVersion) -> KeyValueWrite {
    let key: Arc<str> = format!("k{}", random.below(4)).into();
    let number = random.below(3);
    match random.below(6) {
        0 => KeyValueWrite::Delete(vec![key]),
        1 => KeyValueWrite::Set(vec![
            (key, number.to_string().into_bytes().into()),
            ("k9".into(), b"9"[..].into()),
        ]),
        2 => KeyValueWrite::CompareAndSwap { key, old: number as u64, new: 1 },
        3 => KeyValueWrite::Swap { key, version, value: b"2"[..].into() },
        _ => KeyValueWrite::Increment { key, by: Delta::Unsigned(1) },
    }
}

/// Writes of several workers, with batches that are committed late or lost in a crash. Each outcome must be the one
/// that a plain map gives for the same writes in the same order, and lost writes must not be visible afterwards.
#[test]
fn outcomes_are_those_of_a_plain_map() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let mut running = RunningLedger::start(StorePosition::default(), &[]);
        let mut stored = StoredValues::new();
        let mut model = stored.clone();
        let (mut position, mut projections) = (StorePosition::default(), Vec::new());
        for _ in 0..200 {
            match random.below(10) {
                0..7 => {
                    let some = model.values().nth(random.below(4)).cloned().unwrap_or_default();
                    let write = random_write(&mut random, some.version);
                    // As in the adapter, the store is read for values that the ledger does not have.
                    let mut read = StoredValues::new();
                    while let Err(CacheMiss(scoped_key)) =
                        write.decide(&"b".into(), &mut running.ledger.state_reader(PROJECT, &read))
                    {
                        let versioned = stored.get(&scoped_key).cloned().unwrap_or_default();
                        read.insert(scoped_key, versioned);
                    }
                    let caller = random.below(WORKERS);
                    let answer = running.write(caller, write.clone(), read).unwrap();
                    let expected = write.decide(&"b".into(), &mut MapReader(&model)).unwrap();
                    let StepOutcome::SharedWritten(found, seq) = answer else { panic!("{answer:?}") };
                    assert_eq!(found, expected.response, "seed {seed}");
                    for (scoped_key, value) in expected.changes {
                        match value {
                            Some(_) => {
                                drop(
                                    model.insert(
                                        scoped_key,
                                        Versioned { value, version: ValueVersion(seq.0) },
                                    ),
                                );
                            }
                            None => drop(model.remove(&scoped_key)),
                        }
                    }
                }
                7 | 8 => {
                    let batch = running.ledger.take_batch(false).encode();
                    if random.below(5) == 0 {
                        // The commit fails: everything starts again from the stored state.
                        running = RunningLedger::start(position, &projections);
                        model = stored.clone();
                    } else {
                        for row in &batch.values {
                            let versioned =
                                Versioned { value: row.value.clone(), version: ValueVersion(row.version.0) };
                            match row.value {
                                Some(_) => drop(stored.insert(row.scoped_key.clone(), versioned)),
                                None => drop(stored.remove(&row.scoped_key)),
                            }
                        }
                        running.ledger.mark_committed(&batch);
                        assert_eq!(stored, model, "seed {seed}");
                        position.last = batch.rows.last().map_or(position.last, |row| row.seq);
                        projections = running.projections();
                    }
                }
                _ => {
                    let gone = running.write(
                        0,
                        KeyValueWrite::Increment { key: "x".into(), by: Delta::Signed(1) },
                        StoredValues::new(),
                    );
                    assert_eq!(gone, Err(StepError::CacheMiss), "the value was not read");
                }
            }
        }
    }
}

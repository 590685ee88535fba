//! Tests reads of the store against a model: random events, commits and evictions while reads are under way. A read,
//! overlaid with the ledger, must find the present state.

use super::super::store_reads::StoreRead;
use super::*;
use crate::executor::ledger::encoded::UnwrittenRow;
use std::collections::BTreeSet;

/// What was read from the store.
struct Found {
    projection: Option<WorkerProjection>,
    deleted_name: Option<OplogIndex>,
    outcome: Option<Seq>,
}

/// A read that is under way.
struct RunningRead {
    read: StoreRead,
    id: WorkerId,
    /// The key that is looked up, and its worker.
    key: Option<(WorkerNum, [u8; 16])>,
    /// Set if the ledger had the worker when the read began.
    located: Option<WorkerNum>,
    found: Option<Found>,
}

/// The state of all rows, whether they are durable or not.
fn present_state(ledger: &Ledger, store: &ModelStore) -> (BTreeMap<WorkerNum, WorkerProjection>, Outcomes) {
    let unwritten = ledger.unwritten_rows.iter().cloned().map(UnwrittenRow::encode);
    let rows = store.rows.iter().cloned().chain(unwritten).collect();
    ModelStore { rows, ..ModelStore::default() }.expected_state()
}

fn read_store(store: &ModelStore, running: &RunningRead) -> Found {
    Found {
        projection: store.projections.values().find(|projection| projection.id == running.id).cloned(),
        deleted_name: store.deleted_names.get(&running.id).copied(),
        outcome: running.key.and_then(|key| store.idempotency_rows.get(&key)).map(|row| row.outcome),
    }
}

fn finish(ledger: &mut Ledger, store: &ModelStore, running: RunningRead, seed: u64) {
    let RunningRead { read, id, key, located, found } = running;
    let Some(found) = found else { return };
    assert!(ledger.is_read_valid(&read));
    let (projections, outcomes) = present_state(ledger, store);
    let expected = projections.values().find(|projection| projection.id == id);
    if let Some(located) = located {
        let exists = projections.contains_key(&located);
        assert_eq!(
            ledger.projection(located).is_some(),
            exists,
            "seed {seed}: a located worker stays in memory"
        );
    }
    if let Some(key) = key.filter(|(worker, _)| projections.contains_key(worker)) {
        let here = ledger.keys.get_by_hash(key.0, key.1).and_then(|record| record.outcome);
        assert_eq!(here.or(found.outcome), outcomes.get(&key).copied(), "seed {seed}: the outcome of a key");
    }
    let in_memory = ledger.worker_num(&id).and_then(|worker| ledger.projection(worker)).cloned();
    let stored = found.projection.filter(|stored| !ledger.is_removed(WorkerNum(stored.worker)));
    let present = in_memory.or(stored);
    assert_eq!(present.as_ref(), expected, "seed {seed}: the projection of {id}");
    if let Some(projection) = present {
        ledger.load(projection);
        return;
    }
    // Its first index is checked when the rows are folded.
    let begins_after = found.deleted_name.unwrap_or_default();
    let new = NewWorker { entry: created(id), options: FailureOptions::default(), begins_after };
    ledger.step(now(), LedgerEvent::CreateWorker(new)).unwrap();
}

/// Checks that the index has the keys whose invocations have not ended, of the workers in memory and of no others.
fn check_unfinished_keys(ledger: &Ledger, seed: u64) {
    let keys = |projection: &WorkerProjection| {
        let current = projection.current.iter().map(|current| &current.key);
        let keys = current.chain(projection.queue.iter().map(|(_, key)| key));
        // Anonymous keys are not valid as keys of requests.
        keys.filter_map(|key| IdempotencyKey::new(&*key.0).ok()).collect::<Vec<_>>()
    };
    let expected: BTreeSet<_> = ledger
        .projections
        .iter()
        .flat_map(|(worker, cached)| keys(&cached.projection).into_iter().map(|key| (*worker, key)))
        .map(|(worker, key)| (worker, key.index_hash()))
        .collect();
    assert_eq!(ledger.keys.unfinished(), expected, "seed {seed}");
}

fn check(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let mut store = ModelStore::default();
    let mut ledger = store.reopen();
    let mut keys = 0;
    let mut running: Vec<RunningRead> = Vec::new();
    for _ in 0..300 {
        match random.below(16) {
            0..=7 => random_step(&mut ledger, &store, &mut random, &mut keys),
            8..=10 => {
                let batch = ledger.take_batch(random.below(2) == 0).encode();
                store.commit(&batch);
                ledger.mark_committed(&batch);
                ledger.evict(1, |_| false);
            }
            11 | 12 => {
                let read = ledger.begin_store_read();
                let id = worker_id(random.below(6));
                let located = ledger.worker_num(&id);
                let outcomes = present_state(&ledger, &store).1;
                let count = outcomes.len() as u64;
                let nth = if count == 0 { 0 } else { random.below(count) };
                let key = outcomes.keys().nth(usize::try_from(nth).unwrap()).copied();
                running.push(RunningRead { read, id, key, located, found: None });
            }
            13 => {
                for running in running.iter_mut().filter(|running| running.found.is_none()) {
                    running.found = Some(read_store(&store, running));
                }
            }
            _ => {
                if !running.is_empty() {
                    let at = usize::try_from(random.below(running.len() as u64)).unwrap();
                    let finished = running.swap_remove(at);
                    finish(&mut ledger, &store, finished, seed);
                }
            }
        }
        ledger.take_actions();
        check_unfinished_keys(&ledger, seed);
    }
    running.clear();
    let batch = ledger.take_batch(true).encode();
    store.commit(&batch);
    ledger.mark_committed(&batch);
    assert!(
        ledger.removed_workers.is_empty() || !ledger.removals.is_empty(),
        "nothing is kept without reads"
    );
}

#[test]
fn a_read_finds_the_present_state_whatever_was_committed_and_evicted_meanwhile() {
    for seed in 1..=200 {
        check(seed);
    }
}

#[test]
fn a_read_of_a_discarded_ledger_is_not_current() {
    let mut ledger = ModelStore::default().reopen();
    let read = ledger.begin_store_read();
    assert!(ledger.is_read_valid(&read));
    assert!(!ModelStore::default().reopen().is_read_valid(&read));
}

/// Regression: with every projection in use, each commit searched all of them for one to evict.
#[test]
fn a_commit_examines_a_bounded_number_of_projections_and_the_next_ones_examine_the_others() {
    let mut ledger = ModelStore::default().reopen();
    let store = ModelStore::default();
    for number in 0..1_000 {
        ledger.step(now(), LedgerEvent::CreateWorker(store.new_worker(worker_id(number)))).unwrap();
    }
    let batch = ledger.take_batch(true).encode();
    ledger.mark_committed(&batch);
    let last = ledger.worker_num(&worker_id(999)).unwrap();
    let searched = std::cell::Cell::new(0);
    let evict = |ledger: &mut Ledger, keep| {
        searched.set(0);
        let evicted = ledger.evict(keep, |worker| {
            searched.set(searched.get() + 1);
            worker != last
        });
        (evicted.len(), searched.get())
    };
    for _ in 0..3 {
        assert_eq!(evict(&mut ledger, 16), (0, 256), "the projections in use are passed over");
    }
    assert_eq!(evict(&mut ledger, 16), (1, 256), "the one that was used last and is not in use");
    assert_eq!(evict(&mut ledger, 999), (0, 0), "there are not too many");
    assert_eq!(ledger.projections_cached(), 999);
    ledger.evict(990, |_| false);
    assert_eq!(ledger.projections_cached(), 990, "of the others only as many as are too many");
}

//! The log, the projections of workers and the index of idempotency keys.

use crate::adapter::{
    Adapter, SHARD, StoreAndCatalog, Writer, acquire, head, over_all_adapters, row, template,
};
use golem_model::{Epoch, OplogIndex, ShardId, Timestamp};
use golem_runtime::storage::ports::{
    Batch, CatalogWrite, DeletedName, DerivedPosition, IdempotencyRow, RemovedWorker, Seq, StoreError,
    StorePosition, StoredProjection, WorkerNum,
};

over_all_adapters! {
    an_empty_store_has_no_rows
    epochs_grow_by_one_each_time_the_shards_are_taken
    rows_come_back_as_they_were_written
    a_worker_is_read_backwards_along_its_links
    rows_must_follow_the_last_one_without_gaps
    a_batch_of_an_old_epoch_is_refused
    a_refused_batch_leaves_nothing_behind
    heads_are_found_by_id_and_by_number
    heads_are_replaced
    two_heads_of_one_id_are_refused
    a_removed_head_frees_its_id_in_the_same_batch
    deleted_names_keep_the_highest_index
    deleted_names_go_with_their_template
    heads_to_wake_come_in_pages
    heads_come_in_the_order_of_their_names
    index_entries_are_replaced
    removed_workers_are_swept_once_derived_has_passed_them
    positions_are_not_reused_after_the_last_rows_are_swept
    sweeping_goes_in_slices
    everything_is_there_after_a_restart
    reads_beside_commits_see_whole_batches
}

fn an_empty_store_has_no_rows(adapter: &dyn Adapter) {
    let store = adapter.open();
    assert_eq!(store.position().unwrap(), StorePosition::default());
    assert_eq!(store.row(Seq(1)).unwrap(), None);
    assert_eq!(store.rows_after(Seq(0), 10, usize::MAX).unwrap(), []);
    assert_eq!(store.rows_back(Seq(0), 10, usize::MAX).unwrap(), []);
    assert_eq!(store.rows_back(Seq(5), 10, usize::MAX).unwrap(), []);
    assert_eq!(store.projection(&head(1, template(1), "a").id).unwrap(), None);
    assert_eq!(store.projection_count(None).unwrap(), 0);
    assert_eq!(store.projections_to_wake(WorkerNum(0), 10).unwrap(), []);
    assert_eq!(store.idempotency_row(WorkerNum(1), [0; 16]).unwrap(), None);
    assert!(!store.run_maintenance(100).unwrap());
    store.commit(&Batch::default()).unwrap();
    assert_eq!(store.recover().unwrap(), StorePosition::default());
}

fn epochs_grow_by_one_each_time_the_shards_are_taken(adapter: &dyn Adapter) {
    for expected in 1..=3 {
        let store = adapter.open();
        let shards = store.acquire().unwrap();
        let all: Vec<_> = ShardId::all().map(|shard| (shard, Epoch(expected))).collect();
        assert_eq!(shards, all);
    }
}

fn rows_come_back_as_they_were_written(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let mut written = Vec::new();
    for workers in [&[1][..], &[2, 1, 3], &[3; 40]] {
        let batch = writer.batch(workers);
        store.commit(&batch).unwrap();
        written.extend(batch.rows);
    }
    let mut large = row(writer.last.next(), 1, writer.end(1), writer.epoch);
    large.body = vec![0xA5; 3 << 20];
    store.commit(&Batch { rows: vec![large.clone()], ..Batch::default() }).unwrap();
    written.push(large);

    assert_eq!(store.position().unwrap().last, Seq(written.len() as u64));
    assert_eq!(store.rows_after(Seq(0), 1_000, usize::MAX).unwrap(), written);
    assert_eq!(store.rows_after(Seq(2), 3, usize::MAX).unwrap(), written[2..5]);
    assert_eq!(store.rows_after(Seq(written.len() as u64), 3, usize::MAX).unwrap(), []);
    for row in &written {
        assert_eq!(store.row(row.seq).unwrap().as_ref(), Some(row));
    }
    assert!(store.syncs() >= 4);
}

/// Bytes of a large row.
const LARGE: usize = 1 << 20;

fn a_worker_is_read_backwards_along_its_links(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1, 2, 1, 3]);
    writer.commit(&[2]);
    writer.commit(&[1]);
    let seqs = |last, limit| -> Vec<u64> {
        store.rows_back(last, limit, usize::MAX).unwrap().iter().map(|row| row.seq.0).collect()
    };
    assert_eq!(seqs(Seq(6), 10), [6, 3, 1]);
    assert_eq!(seqs(Seq(6), 2), [6, 3]);
    assert_eq!(seqs(Seq(3), 10), [3, 1]);
    assert_eq!(seqs(Seq(5), 10), [5, 2]);
    assert_eq!(seqs(Seq(5), 0), [] as [u64; 0]);

    // Large rows are read a few at a time; the last one of them continues the chain.
    let few = |last| -> Vec<u64> {
        let rows = store.rows_back(last, 10, 2 * LARGE).unwrap();
        rows.iter().map(|row| row.seq.0).collect()
    };
    let mut prev = writer.end(3);
    let first = writer.last.next().0;
    for seq in first..first + 4 {
        let mut large = row(Seq(seq), 3, prev, writer.epoch);
        large.body = vec![0xA5; LARGE];
        store.commit(&Batch { rows: vec![large], ..Batch::default() }).unwrap();
        prev = Seq(seq);
    }
    assert_eq!(few(prev), [first + 3, first + 2]);
    assert_eq!(few(Seq(first + 1)), [first + 1, first]);
    assert_eq!(few(Seq(first)), [first, 4]);
    let after = |seq, bytes_max| store.rows_after(Seq(seq), 10, bytes_max).unwrap();
    assert_eq!(after(first - 1, 2 * LARGE).last().map(|row| row.seq.0), Some(first + 1));
    assert_eq!(after(first + 1, 2 * LARGE).last().map(|row| row.seq.0), Some(first + 3));
    assert_eq!(after(first, 1).len(), 1, "a row that is larger than the limit is read alone");
}

fn rows_must_follow_the_last_one_without_gaps(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1, 1]);
    let batch = |seqs: &[u64]| Batch {
        fences: vec![(SHARD, writer.epoch)],
        rows: seqs.iter().map(|&seq| row(Seq(seq), 1, Seq(seq - 1), writer.epoch)).collect(),
        ..Batch::default()
    };
    for (seqs, first, last) in
        [(&[4][..], 4, 2), (&[2], 2, 2), (&[1], 1, 2), (&[3, 5], 5, 3), (&[3, 3], 3, 3)]
    {
        let error = store.commit(&batch(seqs)).unwrap_err();
        let StoreError::OutOfOrder { first: found, last: end } = error else { panic!("{seqs:?}: {error}") };
        assert_eq!((found, end), (Seq(first), Seq(last)), "{seqs:?}");
        assert_eq!(store.position().unwrap().last, Seq(2), "{seqs:?}");
    }
    store.commit(&batch(&[3, 4])).unwrap();
    assert_eq!(store.rows_after(Seq(0), 10, usize::MAX).unwrap().len(), 4);
}

fn a_batch_of_an_old_epoch_is_refused(adapter: &dyn Adapter) {
    let first = adapter.open();
    let mut writer = Writer::new(&*first);
    writer.commit(&[1]);

    let second = adapter.open_second();
    let epoch = acquire(&*second);
    assert_eq!(epoch, Epoch(2));
    let late = writer.batch(&[1]);
    let error = first.commit(&late).unwrap_err();
    assert!(
        matches!(error, StoreError::Fenced { shard: SHARD, ours: Epoch(1), current: Epoch(2) }),
        "{error}"
    );
    assert_eq!(first.position().unwrap().last, Seq(1));

    // The new owner continues after the last row of the old one. The old owner stays fenced, also after a recovery.
    let mut writer = Writer::new(&*second);
    writer.commit(&[1]);
    assert_eq!(first.recover().unwrap().last, Seq(2));
    let error = first.commit(&late).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    let error = first.commit(&Batch { fences: late.fences, ..Batch::default() }).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
}

fn a_refused_batch_leaves_nothing_behind(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    store.commit(&Batch { projections: vec![head(1, template(1), "a")], ..writer.batch(&[1]) }).unwrap();

    let mut batch = writer.batch(&[2]);
    batch.removed = vec![removed(9, 1, Some(("gone", 7)))];
    batch.projections = vec![head(2, template(1), "b"), head(3, template(1), "a")];
    batch.idempotency_rows = vec![idempotency_row(1, 1, 1, 1)];
    batch.derived = Some(DerivedPosition { applied: Seq(2), worker_num_max: 3 });
    let error = store.commit(&batch).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { what: "worker" }), "{error}");

    assert_eq!(store.deleted_name_counts().unwrap(), []);
    assert_eq!(
        store.position().unwrap(),
        StorePosition { last: Seq(1), derived: DerivedPosition::default() }
    );
    assert_eq!(store.row(Seq(2)).unwrap(), None);
    assert_eq!(store.projection_count(None).unwrap(), 1);
    assert_eq!(store.idempotency_row(WorkerNum(1), [1; 16]).unwrap(), None);
    batch.projections.pop();
    store.commit(&batch).unwrap();
    assert_eq!(store.position().unwrap().last, Seq(2));
}

fn heads_are_found_by_id_and_by_number(adapter: &dyn Adapter) {
    let store = adapter.open();
    let projections = [
        head(1, template(1), "cart"),
        head(2, template(1), "Cart"),
        head(3, template(2), "cart"),
        head(7, template(1), "Ünal"),
    ];
    store.commit(&Batch { projections: projections.to_vec(), ..Batch::default() }).unwrap();
    for head in &projections {
        assert_eq!(store.projection(&head.id).unwrap().as_ref(), Some(head));
        assert_eq!(store.projection_by_num(head.worker).unwrap().as_ref(), Some(head));
    }
    assert_eq!(store.projection_by_num(WorkerNum(4)).unwrap(), None);
    assert_eq!(store.projection(&head(9, template(3), "cart").id).unwrap(), None);
    assert_eq!(store.projection_count(None).unwrap(), 4);
    assert_eq!(store.projection_count(Some(template(1))).unwrap(), 3);
    assert_eq!(store.projection_count(Some(template(3))).unwrap(), 0);
    assert_eq!(store.projection_counts().unwrap(), [(template(1), 3), (template(2), 1)]);
}

fn heads_are_replaced(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut head = head(1, template(1), "a");
    for (applied, active, wake_at, bytes) in [
        (1, true, None, &b"one"[..]),
        (2, false, Some(Timestamp::from_nanos(5)), b""),
        (3, true, Some(Timestamp::from_nanos(u64::MAX)), b"three"),
    ] {
        head.applied = Seq(applied);
        head.active = active;
        head.wake_at = wake_at;
        head.encoded = bytes.to_vec();
        store.commit(&Batch { projections: vec![head.clone()], ..Batch::default() }).unwrap();
        assert_eq!(store.projection(&head.id).unwrap().as_ref(), Some(&head));
        assert_eq!(store.projection_count(None).unwrap(), 1);
    }
}

fn two_heads_of_one_id_are_refused(adapter: &dyn Adapter) {
    let store = adapter.open();
    let batch = |number| Batch { projections: vec![head(number, template(1), "a")], ..Batch::default() };
    store.commit(&batch(1)).unwrap();
    let error = store.commit(&batch(2)).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { what: "worker" }), "{error}");
    let both = vec![head(5, template(1), "b"), head(6, template(1), "b")];
    let error = store.commit(&Batch { projections: both, ..Batch::default() }).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { what: "worker" }), "{error}");
    assert_eq!(store.projection_count(None).unwrap(), 1);
}

fn a_removed_head_frees_its_id_in_the_same_batch(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    store.commit(&Batch { projections: vec![head(1, template(1), "a")], ..writer.batch(&[1]) }).unwrap();
    let again = head(2, template(1), "a");
    let batch =
        Batch { removed: vec![removed(1, 1, None)], projections: vec![again.clone()], ..writer.batch(&[2]) };
    store.commit(&batch).unwrap();
    assert_eq!(store.projection(&again.id).unwrap(), Some(again));
    assert_eq!(store.projection_by_num(WorkerNum(1)).unwrap(), None);
    assert_eq!(store.projection_count(None).unwrap(), 1);
}

/// A worker of template 1 whose projection is removed, with its name and last index.
fn removed(worker: u64, last: u64, name: Option<(&str, u64)>) -> RemovedWorker {
    let name = name.map(|(name, end)| DeletedName {
        id: head(worker, template(1), name).id,
        oplog_end: OplogIndex(end),
    });
    RemovedWorker { worker: WorkerNum(worker), last: Seq(last), name }
}

fn deleted_names_keep_the_highest_index(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1, 2, 3]);
    let id = |name| head(1, template(1), name).id;
    assert_eq!(store.deleted_name(&id("a")).unwrap(), None);
    let batch =
        vec![removed(1, 1, Some(("a", 5))), removed(2, 2, Some(("b", 3))), removed(3, 3, Some(("a", 9)))];
    store.commit(&Batch { removed: batch, ..Batch::default() }).unwrap();
    store.commit(&Batch { removed: vec![removed(1, 1, Some(("a", 5)))], ..Batch::default() }).unwrap();
    drop(store);
    let store = adapter.open();
    assert_eq!(store.deleted_name(&id("a")).unwrap(), Some(OplogIndex(9)));
    assert_eq!(store.deleted_name(&id("b")).unwrap(), Some(OplogIndex(3)));
    assert_eq!(store.deleted_name(&id("c")).unwrap(), None);
    assert_eq!(store.deleted_name(&head(1, template(2), "a").id).unwrap(), None);
    assert_eq!(store.deleted_name_counts().unwrap(), [(template(1), 2)]);
}

fn deleted_names_go_with_their_template(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1]);
    let names: Vec<String> = (0..1_200).map(|number| format!("w{number}")).collect();
    let batch = names.iter().map(|name| removed(1, 1, Some((name, 2)))).collect();
    store.commit(&Batch { removed: batch, ..Batch::default() }).unwrap();
    tidy_all(&*store, 100);
    assert_eq!(store.deleted_name_counts().unwrap(), [(template(1), 1_200)]);
    store.write(&[CatalogWrite::TemplateRemoved(template(1))]).unwrap();
    tidy_all(&*store, 100);
    assert_eq!(store.deleted_name_counts().unwrap(), []);
    // Derived state lags behind the log: the name of the last worker may come after its template is gone.
    let late = Batch { removed: vec![removed(1, 1, Some(("late", 2)))], ..Batch::default() };
    store.commit(&late).unwrap();
    tidy_all(&*store, 100);
    assert_eq!(store.deleted_name_counts().unwrap(), []);
}

fn heads_to_wake_come_in_pages(adapter: &dyn Adapter) {
    let store = adapter.open();
    let projections = (1..=20)
        .map(|number| StoredProjection {
            active: number % 3 == 0,
            wake_at: (number % 5 == 0).then_some(Timestamp::from_nanos(u64::MAX - number)),
            ..head(number, template(1), &format!("w{number}"))
        })
        .collect();
    store.commit(&Batch { projections, ..Batch::default() }).unwrap();
    let page = |after, limit| -> Vec<u64> {
        store.projections_to_wake(WorkerNum(after), limit).unwrap().iter().map(|head| head.worker.0).collect()
    };
    assert_eq!(page(0, 100), [3, 5, 6, 9, 10, 12, 15, 18, 20]);
    assert_eq!(page(0, 3), [3, 5, 6]);
    assert_eq!(page(6, 3), [9, 10, 12]);
    assert_eq!(page(18, 3), [20]);
    assert_eq!(page(20, 3), [] as [u64; 0]);

    store.commit(&Batch { projections: vec![head(3, template(1), "w3")], ..Batch::default() }).unwrap();
    assert_eq!(page(0, 2), [5, 6]);
}

fn heads_come_in_the_order_of_their_names(adapter: &dyn Adapter) {
    let store = adapter.open();
    let names = ["b", "a", "cart-10", "cart-9", "cart", "Z", "cart_1", "\u{fc}", "carts"];
    let mut projections: Vec<_> =
        (1..).zip(names).map(|(number, name)| head(number, template(1), name)).collect();
    projections.push(head(20, template(2), "cart-5"));
    store.commit(&Batch { projections, ..Batch::default() }).unwrap();
    let page = |number, prefix, after, limit| -> Vec<String> {
        let projections = store.projections_named(template(number), prefix, after, limit).unwrap();
        projections.iter().map(|head| head.id.name.to_string()).collect()
    };
    let all = ["Z", "a", "b", "cart", "cart-10", "cart-9", "cart_1", "carts", "\u{fc}"];
    assert_eq!(page(1, "", "", 100), all);
    assert_eq!(page(1, "", "", 3), all[..3]);
    assert_eq!(page(1, "", "b", 2), all[3..5]);
    assert_eq!(page(1, "cart", "", 100), all[3..8]);
    assert_eq!(page(1, "cart-", "cart-10", 100), ["cart-9"]);
    assert_eq!(page(1, "cart", "b", 1), ["cart"]);
    assert_eq!(page(1, "cart", "d", 100), [] as [&str; 0]);
    assert_eq!(page(2, "", "", 100), ["cart-5"]);
    assert_eq!(page(3, "", "", 100), [] as [&str; 0]);
}

fn index_entries_are_replaced(adapter: &dyn Adapter) {
    let store = adapter.open();
    let commit = |idempotency_rows| store.commit(&Batch { idempotency_rows, ..Batch::default() }).unwrap();
    commit(vec![idempotency_row(1, 1, 10, 11), idempotency_row(1, 2, 12, 13), idempotency_row(2, 1, 14, 15)]);
    commit(vec![idempotency_row(1, 1, 10, 20)]);
    assert_eq!(store.idempotency_row(WorkerNum(1), [1; 16]).unwrap(), Some(idempotency_row(1, 1, 10, 20)));
    assert_eq!(store.idempotency_row(WorkerNum(1), [2; 16]).unwrap(), Some(idempotency_row(1, 2, 12, 13)));
    assert_eq!(store.idempotency_row(WorkerNum(2), [1; 16]).unwrap(), Some(idempotency_row(2, 1, 14, 15)));
    assert_eq!(store.idempotency_row(WorkerNum(2), [2; 16]).unwrap(), None);
}

fn removed_workers_are_swept_once_derived_has_passed_them(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1, 2, 1, 2, 1]);
    let batch = Batch {
        removed: vec![removed(1, 5, None)],
        idempotency_rows: vec![idempotency_row(1, 1, 1, 3), idempotency_row(2, 1, 2, 4)],
        ..writer.batch(&[2])
    };
    store.commit(&batch).unwrap();

    // The rows must stay readable until the derived tables include them, because recovery derives the tables again.
    assert!(!store.run_maintenance(100).unwrap());
    assert_eq!(store.rows_back(Seq(5), 100, usize::MAX).unwrap().len(), 3);

    let derived = DerivedPosition { applied: Seq(6), worker_num_max: 2 };
    store.commit(&Batch { derived: Some(derived), ..Batch::default() }).unwrap();
    tidy_all(&*store, 100);
    let left: Vec<_> =
        store.rows_after(Seq(0), 100, usize::MAX).unwrap().iter().map(|row| row.seq.0).collect();
    assert_eq!(left, [2, 4, 6]);
    assert_eq!(store.rows_back(Seq(5), 100, usize::MAX).unwrap(), []);
    assert_eq!(store.idempotency_row(WorkerNum(1), [1; 16]).unwrap(), None);
    assert_eq!(store.idempotency_row(WorkerNum(2), [1; 16]).unwrap(), Some(idempotency_row(2, 1, 2, 4)));
    assert_eq!(store.rows_back(Seq(6), 100, usize::MAX).unwrap().len(), 3);
}

fn positions_are_not_reused_after_the_last_rows_are_swept(adapter: &dyn Adapter) {
    {
        let store = adapter.open();
        let mut writer = Writer::new(&*store);
        writer.commit(&[1, 2, 2, 2]);
        let derived = Some(DerivedPosition { applied: Seq(4), worker_num_max: 2 });
        store.commit(&Batch { removed: vec![removed(2, 4, None)], derived, ..Batch::default() }).unwrap();
        tidy_all(&*store, 100);
        assert_eq!(store.rows_after(Seq(0), 100, usize::MAX).unwrap().len(), 1);
        assert_eq!(store.position().unwrap().last, Seq(4));
    }
    let store = adapter.open();
    assert_eq!(store.position().unwrap().last, Seq(4));
    let mut writer = Writer::new(&*store);
    writer.commit(&[1]);
    assert_eq!(store.position().unwrap().last, Seq(5));
    let chain: Vec<_> =
        store.rows_back(Seq(5), 10, usize::MAX).unwrap().iter().map(|row| row.seq.0).collect();
    assert_eq!(chain, [5, 1]);
}

fn sweeping_goes_in_slices(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    writer.commit(&[1; 10]);
    writer.commit(&[2; 10]);
    let derived = Some(DerivedPosition { applied: Seq(20), worker_num_max: 2 });
    let removed = vec![removed(1, 10, None), removed(2, 20, None)];
    let idempotency_rows = (0..10).map(|key| idempotency_row(2, key, 11, 12)).collect();
    store.commit(&Batch { removed, derived, idempotency_rows, ..Batch::default() }).unwrap();
    let mut before = 20;
    let mut slices = 0;
    while store.run_maintenance(3).unwrap() {
        let left = store.rows_after(Seq(0), 100, usize::MAX).unwrap().len();
        assert!(before - left <= 3, "{before} rows, then {left}");
        // The remaining rows of a worker form a complete chain.
        if left > 10 {
            assert_eq!(store.rows_back(Seq(left as u64 - 10), 100, usize::MAX).unwrap().len(), left - 10);
        }
        before = left;
        slices += 1;
        assert!(slices < 100, "tidy never finishes");
    }
    assert!(slices >= 9, "{slices} slices");
    assert_eq!(store.rows_after(Seq(0), 100, usize::MAX).unwrap(), []);
    assert_eq!(store.idempotency_row(WorkerNum(2), [9; 16]).unwrap(), None);
}

fn everything_is_there_after_a_restart(adapter: &dyn Adapter) {
    let derived = DerivedPosition { applied: Seq(3), worker_num_max: 12 };
    let rows = {
        let store = adapter.open();
        let mut writer = Writer::new(&*store);
        writer.commit(&[1, 2, 1]);
        let batch = Batch {
            projections: vec![head(1, template(1), "a")],
            idempotency_rows: vec![idempotency_row(1, 1, 1, 3)],
            derived: Some(derived),
            ..writer.batch(&[1])
        };
        store.commit(&batch).unwrap();
        store.rows_after(Seq(0), 10, usize::MAX).unwrap()
    };
    let store = adapter.open();
    assert_eq!(store.position().unwrap(), StorePosition { last: Seq(4), derived });
    assert_eq!(store.rows_after(Seq(0), 10, usize::MAX).unwrap(), rows);
    assert_eq!(store.projection_by_num(WorkerNum(1)).unwrap(), Some(head(1, template(1), "a")));
    assert_eq!(store.idempotency_row(WorkerNum(1), [1; 16]).unwrap(), Some(idempotency_row(1, 1, 1, 3)));
    // An owner from before the restart is fenced.
    let old = Batch { fences: vec![(SHARD, Epoch(1))], ..Batch::default() };
    acquire(&*store);
    assert!(matches!(store.commit(&old).unwrap_err(), StoreError::Fenced { .. }));
}

fn reads_beside_commits_see_whole_batches(adapter: &dyn Adapter) {
    const BATCHES: u64 = 200;
    let store = adapter.open();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let last = store.position().unwrap().last;
                    assert_eq!(last.0 % 3, 0, "half a batch is visible");
                    let chain = store.rows_back(last, usize::MAX, usize::MAX).unwrap();
                    assert_eq!(chain.len() as u64, last.0 / 3);
                    if last.0 == 3 * BATCHES {
                        break;
                    }
                    std::thread::yield_now();
                }
            });
        }
        let mut writer = Writer::new(&*store);
        for _ in 0..BATCHES {
            let mut batch = writer.batch(&[1, 2, 3]);
            for row in &mut batch.rows {
                row.body.truncate(100);
            }
            store.commit(&batch).unwrap();
        }
    });
}

fn idempotency_row(worker: u64, key: u8, started: u64, outcome: u64) -> IdempotencyRow {
    IdempotencyRow {
        worker: WorkerNum(worker),
        key_hash: [key; 16],
        started: Seq(started),
        outcome: Seq(outcome),
    }
}

fn tidy_all(store: &dyn StoreAndCatalog, limit: usize) {
    for _ in 0..100 {
        if !store.run_maintenance(limit).unwrap() {
            return;
        }
    }
    panic!("tidy never finishes");
}

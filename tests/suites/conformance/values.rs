//! Shared values: buckets and containers of a project.

use crate::adapter::{Adapter, StoreAndCatalog, Writer, over_all_adapters};
use golem_model::ProjectId;
use golem_model::shared::{KeySpace, ScopedKey};
use golem_runtime::storage::ports::{AbandonedBucket, Batch, CatalogWrite, Seq, StoreError, ValueRow};
use std::sync::Arc;
use uuid::Uuid;

over_all_adapters! {
    the_last_write_of_a_value_is_read
    projects_spaces_and_buckets_are_separate
    abandoned_buckets_are_swept
    a_removed_projects_values_are_swept
    keys_come_in_order_of_their_bytes_and_in_pages
    a_refused_batch_leaves_the_values_as_they_were
    large_values_come_back_whole
    values_are_there_after_a_restart
}

const MINE: ProjectId = ProjectId(Uuid::from_u128(1));
const OTHER: ProjectId = ProjectId(Uuid::from_u128(2));

fn put(key: &str, value: &[u8]) -> ValueRow {
    value_row(MINE, KeySpace::Values, "bucket", key, Some(value))
}

fn remove(key: &str) -> ValueRow {
    value_row(MINE, KeySpace::Values, "bucket", key, None)
}

fn value_row(project: ProjectId, space: KeySpace, bucket: &str, key: &str, value: Option<&[u8]>) -> ValueRow {
    let value: Option<Arc<[u8]>> = value.map(Into::into);
    ValueRow { project, scoped_key: scoped_key(space, bucket, key), value, version: Seq(0) }
}

fn scoped_key(space: KeySpace, bucket: &str, key: &str) -> ScopedKey {
    ScopedKey { space, bucket: bucket.into(), key: key.into() }
}

/// Commits a row together with the values that it writes.
fn commit(writer: &mut Writer<'_>, values: Vec<ValueRow>) -> Seq {
    let batch = writer.batch(&[1]);
    let version = writer.last;
    let values = values.into_iter().map(|row| ValueRow { version, ..row }).collect();
    writer.store.commit(&Batch { values, ..batch }).unwrap();
    version
}

fn get(store: &dyn StoreAndCatalog, key: &str) -> Option<(Vec<u8>, Seq)> {
    let scoped = scoped_key(KeySpace::Values, "bucket", key);
    let row = store.value(MINE, &scoped).unwrap()?;
    assert_eq!((row.project, row.scoped_key), (MINE, scoped));
    Some((row.value.expect("a row that is read has a value").to_vec(), row.version))
}

fn keys(store: &dyn StoreAndCatalog, after: Option<&str>, limit: usize) -> Vec<String> {
    store.keys(MINE, KeySpace::Values, "bucket", after, limit).unwrap()
}

fn the_last_write_of_a_value_is_read(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    assert_eq!(get(&*store, "a"), None);
    assert_eq!(keys(&*store, None, 10), [] as [&str; 0]);
    let first = commit(&mut writer, vec![put("a", b"one"), put("b", b""), put("", b"of the empty key")]);
    assert_eq!(get(&*store, "a"), Some((b"one".to_vec(), first)));
    assert_eq!(get(&*store, "b"), Some((Vec::new(), first)));
    assert_eq!(get(&*store, ""), Some((b"of the empty key".to_vec(), first)));
    let second = commit(&mut writer, vec![put("a", b"two"), remove("b"), remove("never there")]);
    assert_eq!(get(&*store, "a"), Some((b"two".to_vec(), second)));
    assert_eq!(get(&*store, "b"), None);
    assert_eq!(keys(&*store, None, 10), ["", "a"]);
}

fn projects_spaces_and_buckets_are_separate(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let places = [
        (MINE, KeySpace::Values, "bucket"),
        (MINE, KeySpace::Values, "Bucket"),
        (MINE, KeySpace::Values, "bucke"),
        (MINE, KeySpace::Values, ""),
        (MINE, KeySpace::Containers, "bucket"),
        (MINE, KeySpace::Objects, "bucket"),
        (OTHER, KeySpace::Values, "bucket"),
    ];
    let text = |place: &(ProjectId, KeySpace, &str)| format!("{place:?}").into_bytes();
    let rows = places.iter().map(|place| value_row(place.0, place.1, place.2, "k", Some(&text(place))));
    commit(&mut writer, rows.collect());
    for place in places {
        let (project, space, bucket) = place;
        let row = store.value(project, &scoped_key(space, bucket, "k")).unwrap().unwrap();
        assert_eq!(*row.value.unwrap(), text(&place));
        assert_eq!(store.keys(project, space, bucket, None, 10).unwrap(), ["k"]);
    }
    commit(&mut writer, vec![value_row(OTHER, KeySpace::Values, "bucket", "k", None)]);
    assert!(get(&*store, "k").is_some());
}

fn abandoned_buckets_are_swept(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let objects = (0..100).map(|n| value_row(MINE, KeySpace::Objects, "7", &n.to_string(), Some(b"x")));
    let others = [
        value_row(MINE, KeySpace::Objects, "8", "k", Some(b"x")),
        value_row(MINE, KeySpace::Values, "7", "k", Some(b"x")),
        value_row(OTHER, KeySpace::Objects, "7", "k", Some(b"x")),
    ];
    commit(&mut writer, objects.chain(others).collect());
    let batch = writer.batch(&[1]);
    // A value that is written in the same batch that abandons the bucket is swept as well.
    let values = vec![value_row(MINE, KeySpace::Objects, "7", "last", Some(b"x"))];
    let abandoned = vec![AbandonedBucket { project: MINE, bucket: "7".into() }];
    store.commit(&Batch { values, abandoned, ..batch }).unwrap();
    drop(store);
    let store = adapter.open();
    while store.run_maintenance(10).unwrap() {}
    assert_eq!(store.keys(MINE, KeySpace::Objects, "7", None, 10).unwrap(), [] as [&str; 0]);
    for (project, space, bucket) in
        [(MINE, KeySpace::Objects, "8"), (MINE, KeySpace::Values, "7"), (OTHER, KeySpace::Objects, "7")]
    {
        assert_eq!(store.keys(project, space, bucket, None, 10).unwrap(), ["k"]);
    }
}

/// Regression: buckets and containers of a removed project were never swept.
fn a_removed_projects_values_are_swept(adapter: &dyn Adapter) {
    const SPACES: [KeySpace; 3] = [KeySpace::Values, KeySpace::Containers, KeySpace::Objects];
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let rows = SPACES.into_iter().flat_map(|space| {
        let mine = (0..40).map(move |n| value_row(MINE, space, ["a", ""][n % 2], &n.to_string(), Some(b"x")));
        mine.chain([value_row(OTHER, space, "a", "k", Some(b"x"))])
    });
    commit(&mut writer, rows.collect());
    store.write(&[CatalogWrite::ProjectRemoved(MINE)]).unwrap();
    drop(store);
    let store = adapter.open();
    while store.run_maintenance(10).unwrap() {}
    for space in SPACES {
        for bucket in ["a", ""] {
            assert_eq!(store.keys(MINE, space, bucket, None, 10).unwrap(), [] as [&str; 0]);
        }
        assert_eq!(store.keys(OTHER, space, "a", None, 10).unwrap(), ["k"]);
    }
}

fn keys_come_in_order_of_their_bytes_and_in_pages(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let mut all = ["b", "a", "aa", "B", "\u{e4}", "\u{1f980}", "a\0b", "a\0", "", "\u{ffff}"];
    commit(&mut writer, all.iter().map(|key| put(key, b"x")).collect());
    all.sort_unstable();
    assert_eq!(keys(&*store, None, 100), all);
    let mut paged = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = keys(&*store, after.as_deref(), 3);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(keys(&*store, Some("aZ"), 2), ["aa", "b"], "after a key that is not there");
    assert_eq!(keys(&*store, None, 0), [] as [&str; 0]);
}

fn a_refused_batch_leaves_the_values_as_they_were(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let version = commit(&mut writer, vec![put("a", b"one")]);
    let mut batch = writer.batch(&[1]);
    batch.rows[0].seq = Seq(77);
    batch.values = vec![put("a", b"two"), put("b", b"two")];
    let error = store.commit(&batch).unwrap_err();
    assert!(matches!(error, StoreError::OutOfOrder { .. }), "{error}");
    assert_eq!(get(&*store, "a"), Some((b"one".to_vec(), version)));
    assert_eq!(get(&*store, "b"), None);
}

fn large_values_come_back_whole(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let large: Vec<u8> = (0..10_u32 << 20).map(|at| (at.wrapping_mul(7) >> 5).to_le_bytes()[0]).collect();
    commit(&mut writer, vec![put("large", &large), put("small", b"x")]);
    assert_eq!(get(&*store, "large").unwrap().0, large);
    commit(&mut writer, vec![put("large", &large[1..])]);
    assert_eq!(get(&*store, "large").unwrap().0, large[1..]);
}

fn values_are_there_after_a_restart(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    commit(&mut writer, vec![put("a", b"one"), put("b", b"two")]);
    let version = commit(&mut writer, vec![put("a", b"three"), remove("b")]);
    drop(store);
    let store = adapter.open();
    assert_eq!(get(&*store, "a"), Some((b"three".to_vec(), version)));
    assert_eq!(keys(&*store, None, 10), ["a"]);
}

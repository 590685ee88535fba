//! Values of buckets.

use crate::adapter::{Adapter, Both, Writer, over_all_adapters};
use golem_model::ProjectId;
use golem_runtime::storage::ports::{Batch, Seq, StoreError, ValueRow};
use std::sync::Arc;
use uuid::Uuid;

over_all_adapters! {
    a_value_is_what_was_written_last
    projects_and_buckets_are_apart
    keys_come_in_order_of_their_bytes_and_in_pages
    a_refused_batch_leaves_the_values_as_they_were
    large_values_come_back_whole
    values_are_there_after_a_restart
}

const MINE: ProjectId = ProjectId(Uuid::from_u128(1));
const OTHER: ProjectId = ProjectId(Uuid::from_u128(2));

fn put(key: &str, value: &[u8]) -> ValueRow {
    of(MINE, "bucket", key, Some(value))
}

fn remove(key: &str) -> ValueRow {
    of(MINE, "bucket", key, None)
}

fn of(project: ProjectId, bucket: &str, key: &str, value: Option<&[u8]>) -> ValueRow {
    let value: Option<Arc<[u8]>> = value.map(Into::into);
    ValueRow { project, bucket: bucket.into(), key: key.into(), value, version: Seq(0) }
}

/// Commits a row, and these values as what it wrote.
fn commit(writer: &mut Writer<'_>, values: Vec<ValueRow>) -> Seq {
    let batch = writer.batch(&[1]);
    let version = writer.last;
    let values = values.into_iter().map(|row| ValueRow { version, ..row }).collect();
    writer.store.commit(&Batch { values, ..batch }).unwrap();
    version
}

fn get(store: &dyn Both, key: &str) -> Option<(Vec<u8>, Seq)> {
    let row = store.value(MINE, "bucket", key).unwrap()?;
    assert_eq!((row.project, &*row.bucket, &*row.key), (MINE, "bucket", key));
    Some((row.value.expect("a row that is read has a value").to_vec(), row.version))
}

fn keys(store: &dyn Both, after: Option<&str>, limit: usize) -> Vec<String> {
    store.keys(MINE, "bucket", after, limit).unwrap()
}

fn a_value_is_what_was_written_last(adapter: &dyn Adapter) {
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

fn projects_and_buckets_are_apart(adapter: &dyn Adapter) {
    let store = adapter.open();
    let mut writer = Writer::new(&*store);
    let places = [(MINE, "bucket"), (MINE, "Bucket"), (MINE, "bucke"), (MINE, ""), (OTHER, "bucket")];
    let rows = places
        .iter()
        .map(|(project, bucket)| of(*project, bucket, "k", Some(format!("{project:?} {bucket}").as_bytes())));
    commit(&mut writer, rows.collect());
    for (project, bucket) in places {
        let row = store.value(project, bucket, "k").unwrap().unwrap();
        assert_eq!(row.value.unwrap(), format!("{project:?} {bucket}").as_bytes().into());
        assert_eq!(store.keys(project, bucket, None, 10).unwrap(), ["k"]);
    }
    commit(&mut writer, vec![of(OTHER, "bucket", "k", None)]);
    assert!(get(&*store, "k").is_some());
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

//! Oplogs with large values: a page shows their length, and one entry is sent whole.

use super::Attack;
use golem_tests::guests;
use golem_tests::http::{Connection, Request};
use golem_tests::process::resident_bytes;
use golem_tests::rest::worker_path;
use serde_json::json;
use tokio::task::JoinSet;

/// Returns its parameter as an error: each call records it twice.
const REFUSE: &str = "golem:failures/api/refuse";
/// Bytes of a parameter, just below the limit of a request.
const VALUE_BYTES: usize = 15 << 20;
/// Number of calls. The oplog is far larger than the memory that reading it may take.
const CALLS: usize = 5;
/// Memory that reading an oplog may take, in bytes: for each of two reads, a batch of rows and a decoded row.
const READ_BYTES_MAX: u64 = 400 << 20;

#[tokio::test]
async fn reading_an_oplog_with_large_values_takes_bounded_memory() {
    let mut attack = Attack::begin(&[]).await;
    let failures = attack.attacker.upload("failures", &guests::bytes("failures")).await;
    let value = format!("Begin{}enD", "x".repeat(VALUE_BYTES));
    for _ in 0..CALLS {
        let result = attack.attacker.invoke(&failures, "w", REFUSE, &json!([value])).await;
        assert_eq!(result["err"].as_str().map(str::len), Some(value.len()));
    }
    // A new process has not had the memory of the calls.
    attack = attack.restart().await;
    attack.assert_victim_is_served().await;
    attack.resident_before = resident_bytes(attack.server.pid());
    let path = |query: &str| worker_path(&failures, "w", &format!("oplog{query}"));

    let page = attack.attacker.ok(Request::get(path("?count=1000"))).await;
    assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
    let page = page.json();
    let entries = page["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &page["next"]), (2 + 2 * CALLS, &json!(null)));
    let length = json!(format!("{} bytes", value.len() + 6));
    assert_eq!((&entries[2]["details"]["params"], &entries[2]["cut"]), (&length, &json!(true)));
    assert_eq!(entries[3]["details"]["result"], json!(format!("{} bytes", value.len() + 7)));
    assert_eq!(entries[0]["cut"], json!(null));

    // One entry is sent whole.
    for (index, field) in [(3, "params"), (4, "result")] {
        let entry = attack.attacker.ok(Request::get(path(&format!("/{index}")))).await.json();
        let found = match field {
            "params" => &entry["details"]["params"][0],
            _ => &entry["details"]["result"]["err"],
        };
        assert!(found.as_str() == Some(value.as_str()), "{field} is whole");
        assert_eq!((&entry["index"], &entry["cut"]), (&json!(index), &json!(null)));
    }
    for (index, status) in [("0", 404), ("1000", 404), ("-1", 400), ("x", 400)] {
        let response = attack.attacker.call(Request::get(path(&format!("/{index}")))).await;
        assert_eq!(response.status, status, "{index}: {}", response.text());
    }

    // A search looks at whole values.
    for (words, found) in [("begin", 2 * CALLS), ("END%20begin", 2 * CALLS), ("nothing", 0)] {
        let page = attack.attacker.ok(Request::get(path(&format!("?count=1000&query={words}")))).await.json();
        assert_eq!(page["entries"].as_array().unwrap().len(), found, "{words}");
    }

    // Several at once wait for each other.
    let mut readers = JoinSet::new();
    for _ in 0..6 {
        let request = attack.attacker.with_token(Request::get(path("?count=1000")));
        let address = attack.attacker.address();
        readers.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            connection.call(&request).await.unwrap().status
        });
    }
    attack.assert_victim_is_served().await;
    while let Some(status) = readers.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    attack.assert_victim_is_served().await;
    attack.assert_grown_at_most(READ_BYTES_MAX);
}

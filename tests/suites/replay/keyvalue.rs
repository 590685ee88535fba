//! Buckets, through each published version of `wasi:keyvalue`.

use crate::{check, text};
use golem_testing::{Failure, Options, TestWorker, Value};
use golem_tests::guests;

/// The guests, one for each version.
const IDENTITIES: [&str; 4] = ["keyvalue", "keyvalue_v01", "keyvalue_draft", "keyvalue_draft2"];

/// Whether the guest uses the interface of 2023. That interface returns an error for a missing key; the others return
/// `none`.
fn is_2023_interface(guest: &str) -> bool {
    guest == IDENTITIES[0]
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

fn none() -> Value {
    Value::Option(None)
}

fn ok(value: Value) -> Value {
    Value::Result(Ok(Some(Box::new(value))))
}

fn done() -> Value {
    Value::Result(Ok(None))
}

fn err(reason: &str) -> Value {
    Value::Result(Err(Some(Box::new(text(reason)))))
}

fn texts(keys: &[&str]) -> Value {
    Value::List(keys.iter().map(|key| text(key)).collect())
}

fn pair(key: &str, value: &str) -> Value {
    Value::Tuple(vec![text(key), bytes(value)])
}

struct Guest {
    name: &'static str,
    worker: TestWorker,
}

impl Guest {
    async fn start(name: &'static str) -> Self {
        Self { name, worker: TestWorker::start(&guests::bytes(name)).await.expect("it links") }
    }

    async fn call(&mut self, function: &str, params: Vec<Value>) -> Value {
        let function = format!("golem:{}/api/{function}", self.name.replace('_', "-"));
        let result = self.worker.invoke(&function, params).await;
        result.unwrap_or_else(|failure| panic!("{function}: {failure}")).expect("all functions have a result")
    }

    /// Calls a function on a key of the bucket `b`.
    async fn call_on_key(&mut self, function: &str, key: &str, more: Vec<Value>) -> Value {
        let params = [text("b"), text(key)].into_iter().chain(more);
        self.call(function, params.collect()).await
    }

    async fn finish(self) {
        let prefixes = self.worker.replay_from_every_prefix().await;
        prefixes.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }
}

#[tokio::test]
async fn one_key_at_a_time() {
    for name in IDENTITIES {
        let mut guest = Guest::start(name).await;
        let absent = if is_2023_interface(name) { err("Key not found") } else { ok(none()) };
        assert_eq!(guest.call_on_key("get", "k", vec![]).await, absent, "{name}");
        assert_eq!(guest.call_on_key("exists", "k", vec![]).await, ok(Value::Bool(false)), "{name}");
        assert_eq!(
            guest.call_on_key("delete", "k", vec![]).await,
            done(),
            "{name}: deleting a missing key is no error"
        );
        assert_eq!(guest.call_on_key("set", "k", vec![bytes("one")]).await, done(), "{name}");
        assert_eq!(
            guest.call_on_key("set", "", vec![bytes("")]).await,
            done(),
            "{name}: the empty key is valid"
        );
        guest.call_on_key("set", "k", vec![bytes("two")]).await;
        guest.worker.crash();
        assert_eq!(guest.call_on_key("get", "k", vec![]).await, ok(some(bytes("two"))), "{name}");
        assert_eq!(guest.call_on_key("exists", "k", vec![]).await, ok(Value::Bool(true)), "{name}");
        let other = guest.call("exists", vec![text("other"), text("k")]).await;
        assert_eq!(other, ok(Value::Bool(false)), "{name}: buckets are separate");
        assert_eq!(guest.call_on_key("delete", "k", vec![]).await, done(), "{name}");
        assert_eq!(guest.call_on_key("get", "k", vec![]).await, absent, "{name}");
        guest.finish().await;
    }
}

#[tokio::test]
async fn several_keys_at_a_time() {
    for name in IDENTITIES {
        let mut guest = Guest::start(name).await;
        let pairs = Value::List(vec![pair("c", "3"), pair("a", "1"), pair("b", "2"), pair("c", "last")]);
        assert_eq!(guest.call("set-many", vec![text("b"), pairs]).await, done(), "{name}");
        let values = guest.call("get-many", vec![text("b"), texts(&["c", "a"])]).await;
        assert_eq!(values, ok(Value::List(vec![some(bytes("last")), some(bytes("1"))])), "{name}");
        let missing = guest.call("get-many", vec![text("b"), texts(&["a", "x"])]).await;
        let expected = if is_2023_interface(name) {
            err("Key not found")
        } else {
            ok(Value::List(vec![some(bytes("1")), none()]))
        };
        assert_eq!(missing, expected, "{name}");
        assert_eq!(guest.call("keys", vec![text("b")]).await, ok(texts(&["a", "b", "c"])), "{name}");
        let gone = guest.call("delete-many", vec![text("b"), texts(&["a", "x", "c"])]).await;
        assert_eq!(gone, done(), "{name}");
        assert_eq!(guest.call("keys", vec![text("b")]).await, ok(texts(&["b"])), "{name}");
        assert_eq!(guest.call("keys", vec![text("empty")]).await, ok(Value::List(vec![])), "{name}");
        guest.finish().await;
    }
}

#[tokio::test]
async fn keys_come_in_pages() {
    for name in IDENTITIES {
        let mut guest = Guest::start(name).await;
        let keys: Vec<String> = (0..2_345).map(|number| format!("{number:04}")).collect();
        let pairs = keys.iter().map(|key| pair(key, "x")).collect();
        guest.call("set-many", vec![text("b"), Value::List(pairs)]).await;
        let found = guest.call("keys", vec![text("b")]).await;
        let expected = keys.iter().map(|key| text(key)).collect();
        assert_eq!(found, ok(Value::List(expected)), "{name}");
        guest.finish().await;
    }
}

#[tokio::test]
async fn numbers() {
    for name in IDENTITIES {
        let mut guest = Guest::start(name).await;
        assert_eq!(
            guest.call_on_key("increment", "n", vec![Value::S64(5)]).await,
            ok(Value::S64(5)),
            "{name}"
        );
        assert_eq!(
            guest.call_on_key("increment", "n", vec![Value::S64(7)]).await,
            ok(Value::S64(12)),
            "{name}"
        );
        assert_eq!(
            guest.call_on_key("get", "n", vec![]).await,
            ok(some(bytes("12"))),
            "{name}: decimal text"
        );
        let swap = |old, new| vec![Value::U64(old), Value::U64(new)];
        if name != "keyvalue_draft" {
            let swapped = guest.call_on_key("compare-and-swap", "n", swap(11, 1)).await;
            assert_eq!(swapped, ok(Value::Bool(false)), "{name}");
            let swapped = guest.call_on_key("compare-and-swap", "n", swap(12, 100)).await;
            assert_eq!(swapped, ok(Value::Bool(true)), "{name}");
            let swapped = guest.call_on_key("compare-and-swap", "absent", swap(0, 1)).await;
            assert_eq!(swapped, ok(Value::Bool(false)), "{name}");
            assert_eq!(guest.call_on_key("get", "n", vec![]).await, ok(some(bytes("100"))), "{name}");
        }
        guest.call_on_key("set", "word", vec![bytes("seven")]).await;
        let refused = guest.call_on_key("increment", "word", vec![Value::S64(1)]).await;
        assert!(format!("{refused:?}").contains("decimal text"), "{name}: {refused:?}");
        assert_eq!(guest.call_on_key("get", "word", vec![]).await, ok(some(bytes("seven"))), "{name}");
        let below = guest.call_on_key("increment", "below", vec![Value::S64(-3)]).await;
        if name == "keyvalue_draft2" {
            assert_eq!(below, ok(Value::S64(-3)), "{name}: its numbers are signed");
        }
        let busy = guest.call("busy", vec![text("b"), Value::U32(20)]).await;
        assert_eq!(busy, ok(Value::S64(210)), "{name}");
        guest.finish().await;
    }
}

#[tokio::test]
async fn values_are_streamed() {
    let mut guest = Guest::start("keyvalue_v01").await;
    for length in [0, 1, 5_000] {
        let value = Value::Bytes((0..length).map(|at: u32| at.to_le_bytes()[0]).collect());
        assert_eq!(guest.call_on_key("pass", "k", vec![value.clone()]).await, ok(value));
    }
    guest.finish().await;
}

#[tokio::test]
async fn a_value_is_swapped_only_if_it_is_unchanged() {
    let mut guest = Guest::start("keyvalue_draft2").await;
    let append = |letter: u8, disturbed| vec![Value::U8(letter), Value::Bool(disturbed)];
    assert_eq!(guest.call_on_key("append", "k", append(b'a', false)).await, ok(Value::U32(1)));
    assert_eq!(
        guest.call_on_key("append", "k", append(b'b', true)).await,
        ok(Value::U32(2)),
        "the second attempt succeeds"
    );
    assert_eq!(guest.call_on_key("append", "k", append(b'c', false)).await, ok(Value::U32(1)));
    assert_eq!(guest.call_on_key("get", "k", vec![]).await, ok(some(bytes("abc"))));
    guest.finish().await;
}

#[tokio::test]
async fn exceeding_a_limit_returns_an_interface_error() {
    for name in IDENTITIES {
        let mut guest = Guest::start(name).await;
        let long = "k".repeat(2_000);
        for (function, more) in
            [("get", vec![]), ("set", vec![bytes("v")]), ("increment", vec![Value::S64(1)])]
        {
            let refused = guest.call_on_key(function, &long, more).await;
            let said = format!("{refused:?}");
            assert!(said.contains("2000 bytes; at most 1024"), "{name}: {function}: {said}");
        }
        let refused = guest.call("exists", vec![text(&"b".repeat(300)), text("k")]).await;
        assert!(format!("{refused:?}").contains("300 bytes; at most 255"), "{name}: {refused:?}");
        let large = vec![7; 11 << 20];
        let refused = guest.call_on_key("set", "large", vec![Value::Bytes(large.clone())]).await;
        assert!(format!("{refused:?}").contains("at most 10485760"), "{name}");
        let most = Value::Bytes(large[..10 << 20].to_vec());
        assert_eq!(guest.call_on_key("set", "large", vec![most]).await, done(), "{name}");
        assert_eq!(guest.call_on_key("size", "large", vec![]).await, ok(Value::U64(10 << 20)), "{name}");
    }
}

#[tokio::test]
async fn a_number_that_is_no_handle_fails_the_invocation() {
    let mut guest = Guest::start("keyvalue").await;
    let function = "golem:keyvalue/api/use-dropped";
    let Err(Failure::Trapped { details, .. }) = guest.worker.invoke(function, vec![text("b")]).await else {
        panic!("the handle was dropped, so the call should trap");
    };
    assert!(details.contains("no host object"), "{details}");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_applied_once() {
    let mut guest = Guest::start("keyvalue_draft2").await;
    // The write is stored, but recording the end of the invocation fails.
    guest.worker.store().fail_after(1);
    let function = "golem:keyvalue-draft2/api/increment";
    let params = vec![text("b"), text("n"), Value::S64(1)];
    let failed = guest.worker.invoke(function, params).await;
    assert!(matches!(failed, Err(Failure::Port(_))), "{failed:?}");
    guest.worker.commit();
    guest.worker.crash();
    assert_eq!(guest.worker.resume().await.unwrap(), Some(ok(Value::S64(1))));
    assert_eq!(guest.worker.store().value("b", "n"), Some(b"1".to_vec()));
    check(
        "keyvalue_draft2",
        Options::default(),
        vec![("busy", vec![text("b"), Value::U32(3)]), ("keys", vec![text("b")])],
    )
    .await;
}

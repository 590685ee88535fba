//! Objects in containers, through `wasi:blobstore`.

use crate::text;
use golem_testing::{TestWorker, Value};
use golem_tests::guests;

fn ok(value: Value) -> Value {
    Value::Result(Ok(Some(Box::new(value))))
}

fn done() -> Value {
    Value::Result(Ok(None))
}

fn err(reason: &str) -> Value {
    Value::Result(Err(Some(Box::new(text(reason)))))
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn names(names: &[&str]) -> Value {
    Value::List(names.iter().map(|name| text(name)).collect())
}

const NO_CONTAINER: &str = "there is no container of that name";
const NO_OBJECT: &str = "there is no object of that name";

struct Guest(TestWorker);

impl Guest {
    async fn start() -> Self {
        Self(TestWorker::start(&guests::bytes("blobs")).await.expect("it links"))
    }

    async fn call(&mut self, function: &str, params: Vec<Value>) -> Value {
        let function = format!("golem:blobs/api/{function}");
        let result = self.0.invoke(&function, params).await;
        result.unwrap_or_else(|failure| panic!("{function}: {failure}")).expect("all functions have a result")
    }

    /// Calls a function on the container `c`; further parameters select an object in it.
    async fn call_in_container(&mut self, function: &str, texts: &[&str], more: Vec<Value>) -> Value {
        let params = std::iter::once(&"c").chain(texts).map(|name| text(name)).chain(more);
        self.call(function, params.collect()).await
    }

    async fn put(&mut self, object: &str, data: &str, early: bool) -> Value {
        self.call_in_container("put", &[object], vec![bytes(data), Value::Bool(early)]).await
    }

    async fn names(&mut self, skipped: u64, page: u64) -> Value {
        self.call_in_container("names", &[], vec![Value::U64(skipped), Value::U64(page)]).await
    }
}

#[tokio::test]
async fn containers() {
    let mut guest = Guest::start().await;
    assert_eq!(guest.call_in_container("exists", &[], vec![]).await, ok(Value::Bool(false)));
    assert_eq!(guest.put("o", "x", true).await, err(NO_CONTAINER));
    assert_eq!(guest.call_in_container("remove", &[], vec![]).await, err(NO_CONTAINER));
    assert_eq!(guest.call_in_container("create", &[], vec![]).await, ok(text("c")));
    assert_eq!(guest.call_in_container("create", &[], vec![]).await, err("a container of that name exists"));
    assert_eq!(guest.call_in_container("exists", &[], vec![]).await, ok(Value::Bool(true)));
    guest.put("o", "x", false).await;
    assert_eq!(guest.call_in_container("clear", &[], vec![]).await, done());
    assert_eq!(guest.names(0, 10).await, ok(names(&[])));
    guest.put("o", "y", false).await;
    assert_eq!(guest.call_in_container("remove", &[], vec![]).await, done());
    assert_eq!(guest.call_in_container("has", &["o"], vec![]).await, err(NO_CONTAINER));
    guest.call_in_container("create", &[], vec![]).await;
    assert_eq!(
        guest.call_in_container("has", &["o"], vec![]).await,
        ok(Value::Bool(false)),
        "the new container is empty"
    );
    let long = "c".repeat(300);
    let refused = guest.call("create", vec![text(&long)]).await;
    assert!(format!("{refused:?}").contains("300 bytes"), "{refused:?}");
    guest.0.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn objects() {
    let mut guest = Guest::start().await;
    guest.call_in_container("create", &[], vec![]).await;
    for early in [false, true] {
        assert_eq!(guest.put("o", "0123456789", early).await, done());
        let part = |start, end| vec![Value::U64(start), Value::U64(end)];
        assert_eq!(guest.call_in_container("get", &["o"], part(0, u64::MAX)).await, ok(bytes("0123456789")));
        assert_eq!(
            guest.call_in_container("get", &["o"], part(2, 4)).await,
            ok(bytes("234")),
            "both ends included"
        );
        assert_eq!(guest.call_in_container("get", &["o"], part(8, 100)).await, ok(bytes("89")));
        assert_eq!(guest.call_in_container("get", &["o"], part(50, 60)).await, ok(bytes("")));
        assert_eq!(guest.call_in_container("read", &["o"], vec![]).await, ok(bytes("0123456789")));
        let info = guest.call_in_container("info", &["o"], vec![]).await;
        assert_eq!(info, ok(Value::Tuple(vec![Value::U64(10), Value::Bool(true)])));
        guest.0.crash();
        let gone = guest.call_in_container("delete", &[], vec![names(&["o", "never there"])]).await;
        assert_eq!(gone, done());
        assert_eq!(guest.call_in_container("get", &["o"], part(0, 1)).await, err(NO_OBJECT));
        assert_eq!(guest.call_in_container("info", &["o"], vec![]).await, err(NO_OBJECT));
        assert_eq!(guest.call_in_container("delete", &[], vec![names(&["o"])]).await, done());
    }
    assert_eq!(guest.put("empty", "", true).await, done());
    assert_eq!(guest.call_in_container("read", &["empty"], vec![]).await, ok(bytes("")));
    guest.0.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn names_come_in_pages() {
    let mut guest = Guest::start().await;
    guest.call_in_container("create", &[], vec![]).await;
    for object in ["b", "d", "a", "e", "c"] {
        guest.put(object, object, false).await;
    }
    for page in [1, 2, 5, 100] {
        assert_eq!(guest.names(0, page).await, ok(names(&["a", "b", "c", "d", "e"])));
    }
    assert_eq!(guest.names(3, 1).await, ok(names(&["d", "e"])));
    assert_eq!(guest.names(9, 1).await, ok(names(&[])));
    guest.0.replay_from_every_prefix().await.unwrap();
}

#[tokio::test]
async fn objects_are_copied_and_moved() {
    let mut guest = Guest::start().await;
    guest.call_in_container("create", &[], vec![]).await;
    guest.put("o", "x", false).await;
    let copied = guest.call_in_container("copy", &["o", "d", "o"], vec![Value::Bool(false)]).await;
    assert_eq!(copied, err(NO_CONTAINER));
    guest.call("create", vec![text("d")]).await;
    assert_eq!(guest.call_in_container("copy", &["o", "d", "p"], vec![Value::Bool(false)]).await, done());
    assert_eq!(guest.call_in_container("copy", &["o", "c", "q"], vec![Value::Bool(true)]).await, done());
    assert_eq!(
        guest.call_in_container("copy", &["o", "c", "q"], vec![Value::Bool(true)]).await,
        err(NO_OBJECT)
    );
    assert_eq!(guest.names(0, 10).await, ok(names(&["q"])));
    assert_eq!(guest.call("read", vec![text("d"), text("p")]).await, ok(bytes("x")));
    guest.0.replay_from_every_prefix().await.unwrap();
}

//! Files: a worker's files are restored after a crash, although the oplog contains no entries about them.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

use super::{check, frozen, text};
use golem_host::{Engine, EngineConfig};
use golem_testing::{Entry, MemoryStore, Options, TestWorker, Timestamp, Value};
use golem_tests::guests;

/// `list<string>`.
fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|each| text(each)).collect())
}

fn ok(value: Option<Value>) -> Value {
    Value::Result(Ok(value.map(Box::new)))
}

fn err(kind: &str) -> Value {
    Value::Result(Err(Some(Box::new(text(kind)))))
}

/// A worker of the guest `files`.
struct Files(TestWorker);

impl Files {
    async fn start(options: Options) -> Self {
        Self(TestWorker::start_with(&guests::bytes("files"), options).await.unwrap())
    }

    async fn call(&mut self, function: &str, params: Vec<Value>) -> Value {
        let function = format!("golem:files/api/{function}");
        self.0.invoke(&function, params).await.unwrap_or_else(|e| panic!("{function}: {e}")).unwrap()
    }

    async fn check(&mut self, function: &str, params: &[&str], expected: Value) {
        let answer = self.call(function, params.iter().map(|param| text(param)).collect()).await;
        assert_eq!(answer, expected, "{function} {params:?}");
    }

    /// Replays from every prefix of the oplog, and checks that the oplog contains no host calls.
    async fn check_replay(self) {
        let calls = self.0.oplog().into_iter().filter(|entry| matches!(entry, Entry::HostCall { .. }));
        assert_eq!(calls.collect::<Vec<_>>(), [], "file operations record no entries");
        self.0.replay_from_every_prefix().await.unwrap();
    }
}

#[tokio::test]
async fn files_and_folders_through_the_standard_library() {
    let mut files = Files::start(frozen()).await;
    let done = || ok(None);
    files.check("names", &["/"], ok(Some(texts(&[])))).await;
    files.check("read", &["/etc/hostname"], err("NotFound")).await;
    files.check("write", &["notes.txt", "one"], done()).await;
    files.check("append", &["/notes.txt", ", two"], done()).await;
    files.check("append", &["log", "a line"], done()).await;
    files.check("read", &["./notes.txt"], ok(Some(text("one, two")))).await;
    files.check("make-folders", &["/a/b/c"], done()).await;
    files.check("write", &["a/b/c/deep", "deep"], done()).await;
    files.check("rename", &["a/b", "/moved"], done()).await;
    files.0.crash();
    files.check("read", &["moved/c/../c/deep"], ok(Some(text("deep")))).await;
    files.check("read", &["../moved/c/deep"], err("PermissionDenied")).await;
    files.check("write", &["moved", "x"], err("IsADirectory")).await;
    files.check("write", &["log/x", "x"], err("NotADirectory")).await;
    files.check("rename", &["moved", "moved/c/inside"], err("InvalidInput")).await;
    files.check("copy", &["notes.txt", "moved/copy"], ok(Some(Value::U64(8)))).await;
    files.check("link", &["notes.txt", "same"], done()).await;
    files.check("append", &["same", "!"], done()).await;
    files.check("read", &["notes.txt"], ok(Some(text("one, two!")))).await;
    files.check("symlink", &["moved/c", "short"], done()).await;
    files.check("read-link", &["short"], ok(Some(text("moved/c")))).await;
    files.check("read", &["short/deep"], ok(Some(text("deep")))).await;
    files.check("remove", &["moved"], err("IsADirectory")).await;
    files.check("names", &["/"], ok(Some(texts(&["a", "log", "moved", "notes.txt", "same", "short"])))).await;
    files.check("remove-folder", &["moved"], done()).await;
    files.check("remove", &["short"], done()).await;
    files.check("remove", &["short"], err("NotFound")).await;
    files.check("names", &["/"], ok(Some(texts(&["a", "log", "notes.txt", "same"])))).await;
    files.check_replay().await;
}

#[tokio::test]
async fn parts_of_files_and_files_that_stay_open() {
    let mut files = Files::start(frozen()).await;
    let patch = |at, with: &str| vec![text("f"), Value::S64(at), text(with)];
    files.check("write", &["f", "0123456789"], ok(None)).await;
    assert_eq!(files.call("patch", patch(3, "abc")).await, ok(Some(Value::U64(6))));
    assert_eq!(files.call("patch", patch(-2, "yz!")).await, ok(Some(Value::U64(11))));
    assert_eq!(files.call("patch", patch(13, "far")).await, ok(Some(Value::U64(16))));
    assert_eq!(files.call("patch", patch(-17, "x")).await, err("InvalidInput"));
    files.check("read", &["f"], ok(Some(text("012abc67yz!\0\0far")))).await;
    assert_eq!(files.call("set-length", vec![text("f"), Value::U64(4)]).await, ok(None));
    files.check("read", &["f"], ok(Some(text("012a")))).await;

    files.check("keep", &["f"], ok(None)).await;
    files.check("write-kept", &["OPEN"], ok(None)).await;
    files.check("remove", &["f"], ok(None)).await;
    files.0.crash();
    files.check("write-kept", &[", gone and still here"], ok(None)).await;
    files.check("read-kept", &[], ok(Some(text("OPEN, gone and still here")))).await;
    files.check("read", &["f"], err("NotFound")).await;
    files.check_replay().await;
}

#[tokio::test]
async fn file_times_are_those_of_the_invocation_or_the_last_wait() {
    let created = 1_767_225_600_123_456_789;
    let mut files = Files::start(frozen()).await;
    let about = |kind: &str, bytes, modified| {
        let times = [Value::U64(created), Value::U64(modified)];
        ok(Some(Value::Record([vec![text(kind), Value::U64(bytes)], times.to_vec()].concat())))
    };
    files.check("write", &["f", "text"], ok(None)).await;
    files.check("about", &["f"], about("file", 4, created)).await;
    files.check("about", &["/"], about("folder", 0, created)).await;
    assert_eq!(files.call("set-modified", vec![text("f"), Value::U64(1_500_000_000)]).await, ok(None));
    files.0.crash();
    files.check("about", &["f"], about("file", 4, 1_500_000_000)).await;
    files.check_replay().await;

    let mut files = Files::start(Options::default()).await;
    let twice = files.call("write-twice", vec![text("f"), Value::U64(25)]).await;
    assert_eq!(twice, ok(Some(Value::U64(25_000_000))), "a wait advances the times of files");
    files.0.crash();
    files.check("read", &["f"], ok(Some(text("second")))).await;
}

#[tokio::test]
async fn files_may_fill_the_memory_limit() {
    let engine = Engine::new(EngineConfig {
        memory_bytes_max: 16 << 20,
        residents_max: 20,
        ..EngineConfig::default()
    })
    .unwrap();
    let wasm = guests::bytes("files");
    let component = engine.compile(&wasm, *blake3::hash(&wasm).as_bytes()).unwrap();
    let mut files = Files(TestWorker::with_store(component, frozen(), MemoryStore::new()).unwrap());
    let Value::Result(Ok(Some(filled))) = files.call("fill", vec![text("big")]).await else { panic!() };
    let Value::Tuple(filled) = *filled else { panic!() };
    // The C library maps all stream errors to this code. The guest `files-raw` sees the error of the interface.
    assert_eq!(filled[1], text("I/O error (os error 29)"));
    assert!(matches!(filled[0], Value::U32(blocks) if (8..16).contains(&blocks)), "{filled:?}");
    files.check("remove", &["big"], ok(None)).await;
    files.check("write", &["small", "fits again"], ok(None)).await;
    files.check_replay().await;
}

#[tokio::test]
async fn files_that_a_component_ships_with() {
    let engine = Engine::new(EngineConfig { residents_max: 20, ..EngineConfig::default() }).unwrap();
    let wasm = guests::bytes("files");
    let component = engine.compile(&wasm, *blake3::hash(&wasm).as_bytes()).unwrap();
    let mut shipped = golem_host::Files::builder();
    shipped.file("lib/words", "one two".into(), Timestamp::from_nanos(7)).unwrap();
    shipped.symlink("words", "lib/words", Timestamp::from_nanos(7)).unwrap();
    let component = component.with_files(shipped.build()).unwrap();
    let mut files = Files(TestWorker::with_store(component.clone(), frozen(), MemoryStore::new()).unwrap());
    files.check("read", &["words"], ok(Some(text("one two")))).await;
    files.check("append", &["words", " three"], ok(None)).await;
    files.0.crash();
    files.check("read", &["lib/words"], ok(Some(text("one two three")))).await;
    files.check_replay().await;

    let mut large = golem_host::Files::builder();
    large.file("large", vec![0; 600 << 20].into(), Timestamp::from_nanos(7)).unwrap();
    let refused = component.with_files(large.build()).unwrap_err().to_string();
    assert!(refused.contains("and its files take 629145"), "{refused}");
}

#[tokio::test]
async fn file_system_calls_below_the_standard_library() {
    let calls = ["preopened", "allowed", "streams", "identity", "links-and-times", "listing", "full"];
    let calls: Vec<_> = calls.map(|function| (function, vec![])).into();
    let worker = check("files_raw", frozen(), calls).await;
    let told: Vec<String> = worker
        .oplog()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::InvocationCompleted { result: Some(Value::List(told)), .. } => Some(told),
            _ => None,
        })
        .flatten()
        .map(|told| match told {
            Value::String(told) => told,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.join("\n"), RAW.trim());
}

/// The results of `files-raw`, function by function.
const RAW: &str = r#"
/: Ok(DescriptorType::Directory) Ok(DescriptorFlags(READ | MUTATE_DIRECTORY))
DescriptorFlags(READ)
bad-descriptor
invalid
Some("bad-descriptor"): bad descriptor
DescriptorFlags(WRITE)
bad-descriptor
Some("bad-descriptor"): bad descriptor
not-directory
bad-descriptor
bad-descriptor
bad-descriptor
is-directory
bad-descriptor
bad-descriptor
not-directory
is-directory
()
()
true
()
()
()
()
()
true
[]
2
[50, 51, 52]
[56, 57, 0, 110, 100]
closed
closed
8
([0, 53, 54, 55, 56, 57, 0, 110, 100], false)
true
false
true
false
no-entry
()
()
Some((7, 5))
Some((8, 5))
overflow
invalid
()
"timed"
not-permitted
not-permitted
(DescriptorType::Directory, 1)
a DescriptorType::Directory
b DescriptorType::Directory
c DescriptorType::Directory
false
insufficient-space
insufficient-space
Some("insufficient-space"): no space left
0
"#;

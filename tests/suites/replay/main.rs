//! Replay: a worker gives the same answers from every prefix of its oplog that a crash may leave.
//!
//! The suite uses the host directly instead of a server, with a store in memory and a simulated clock, because it
//! truncates the oplog after each entry in turn. Each test records the invocations of a real guest.
//! `TestWorker::replay_from_every_prefix` runs them again from every prefix and compares each answer. The tests of
//! the host (`host/tests/durable`) check that another component under the same oplog is detected.

mod blobs;
mod files;
mod http;
mod keyvalue;
mod library;
mod programs;
mod saved_states;
mod snapshots;

use golem_testing::{Entry, Failure, Options, SimulatedClock, TestWorker, Timestamp, Value};
use golem_tests::guests;
use golem_tests::report::report;
use std::time::Duration;

/// A call: the function in the guest's interface `api`, and its parameters.
type Call = (&'static str, Vec<Value>);

/// Runs the calls on a worker of `guest`, then replays them from every prefix.
async fn check(guest: &str, options: Options, calls: Vec<Call>) -> TestWorker {
    let mut worker =
        TestWorker::start_with(&guests::bytes(guest), options).await.expect("the guest is a component");
    let package = guest.replace('_', "-");
    for (function, params) in calls {
        let function = format!("golem:{package}/api/{function}");
        let mut result = worker.invoke(&function, params).await;
        // A long wait returns `Waiting`, as if the worker were evicted. It is resumed at its time.
        while let Err(Failure::Waiting(parked)) = &result {
            for promise in parked.promises.clone() {
                worker.complete_promise(&promise, ANSWER);
            }
            result = worker.resume_over_time().await;
        }
        result.unwrap_or_else(|failure| panic!("{function}: {failure}"));
    }
    let prefixes = worker.replay_from_every_prefix().await.unwrap_or_else(|error| panic!("{guest}: {error}"));
    report(format_args!("{guest}: the same answers from each of {prefixes} prefixes"));
    worker
}

/// The data that completes every promise. It is the same for all, because the index of a promise depends on the waits
/// before it.
const ANSWER: &[u8] = b"the answer";

/// Options with a clock that stands still, so that no answer depends on the time of the call.
fn frozen() -> Options {
    let clock = SimulatedClock::new(Timestamp::from_nanos(1_767_225_600_123_456_789));
    Options { clock, ..Options::default() }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[tokio::test]
async fn a_counter() {
    check("counter", Options::default(), vec![("increment", vec![]), ("increment", vec![]), ("get", vec![])])
        .await;
}

#[tokio::test]
async fn a_shopping_cart_that_is_paid_in_the_end() {
    let item = |product: &str, quantity| {
        Value::Record(vec![text(product), text("Tea"), Value::F32(2.5), Value::U32(quantity)])
    };
    let calls = vec![
        ("initialize-cart", vec![text("ada")]),
        ("add-item", vec![item("a", 1)]),
        ("add-item", vec![item("b", 2)]),
        ("update-item-quantity", vec![text("a"), Value::U32(7)]),
        ("remove-item", vec![text("b")]),
        ("get-cart-contents", vec![]),
        ("checkout", vec![]),
        ("get-cart-contents", vec![]),
    ];
    let worker = check("shopping_cart", Options::default(), calls).await;
    // The line was printed before the worker was evicted, and not again during replay.
    assert_eq!(worker.log().stdout().matches("promise ").count(), 1, "{}", worker.log().stdout());
}

#[tokio::test]
async fn clock_readings_are_replayed() {
    let calls = vec![
        ("read", vec![]),
        ("read", vec![]),
        ("is-monotonic", vec![Value::U32(5)]),
        ("now-ms", vec![]),
        ("resolutions", vec![]),
        ("readings", vec![]),
    ];
    check("clocks", frozen(), calls).await;

    // With a clock that advances at every reading, the answers are the same only if replay does not read the clock.
    let clock = frozen().clock.stepping(Duration::from_micros(1_234));
    let options = Options { clock, ..Options::default() };
    let mut worker = TestWorker::start_with(&guests::bytes("clocks"), options).await.unwrap();
    for _ in 0..3 {
        worker.invoke("golem:clocks/api/read", vec![]).await.unwrap();
    }
    let before = worker.invoke("golem:clocks/api/readings", vec![]).await.unwrap();
    worker.crash();
    worker.clock().advance(Duration::from_hours(1));
    assert_eq!(worker.invoke("golem:clocks/api/readings", vec![]).await.unwrap(), before);
}

/// Regression: a guest that polled the clock recorded each reading: Ruby's `sleep 5` wrote 9.4 million entries.
#[tokio::test]
async fn repeated_clock_readings_are_counted_and_replayed() {
    for step in [1, 300, 700_000, 2_000_000, 60_000_000] {
        let clock = frozen().clock.stepping(Duration::from_nanos(step));
        let options = Options { clock, ..Options::default() };
        let mut worker = TestWorker::start_with(&guests::bytes("clocks"), options).await.unwrap();
        let is_monotonic = "golem:clocks/api/is-monotonic";
        assert_eq!(
            worker.invoke(is_monotonic, vec![Value::U32(500)]).await.unwrap(),
            Some(Value::Bool(true)),
            "{step}"
        );
        for _ in 0..2 {
            worker.invoke("golem:clocks/api/read", vec![]).await.unwrap();
        }
        let readings = worker.invoke("golem:clocks/api/readings", vec![]).await.unwrap();
        let recorded = worker.oplog();
        let entries =
            recorded.iter().filter(|entry| matches!(entry, Entry::HostCall { .. } | Entry::ClockReadings(_)));
        let (entries, passed_ms) = (entries.count() as u64, 510 * step / 1_000_000);
        assert!(entries <= 3 + 2 * passed_ms, "{entries} entries in {passed_ms} ms");
        worker.crash();
        worker.clock().advance(Duration::from_hours(1));
        assert_eq!(worker.invoke("golem:clocks/api/readings", vec![]).await.unwrap(), readings, "{step}");
    }
}

/// A guest that polls clocks gets out also if it continues after a crash.
#[tokio::test]
async fn a_guest_that_polls_clocks_continues_after_a_crash() {
    for (wall, appends) in [(false, 1), (true, 2), (true, 3)] {
        let clock = frozen().clock.stepping(Duration::from_micros(90));
        let options = Options { clock, ..Options::default() };
        let mut worker = TestWorker::start_with(&guests::bytes("clocks"), options).await.unwrap();
        worker.invoke("golem:clocks/api/now-ms", vec![]).await.unwrap();
        worker.store().fail_after(appends);
        let spin = vec![Value::U64(300), Value::Bool(wall)];
        let failed = worker.invoke("golem:clocks/api/spin-ms", spin).await;
        assert!(matches!(failed, Err(Failure::Port(_))), "{failed:?}");
        worker.commit();
        worker.crash();
        let counted = worker.oplog().iter().filter(|entry| matches!(entry, Entry::ClockReadings(_))).count();
        assert!(counted > 20, "{counted} entries");
        let Some(Value::U64(readings)) = worker.resume().await.unwrap() else { panic!("a number") };
        assert!(readings > 2_000, "{readings} readings");
        worker.crash();
        worker.invoke("golem:clocks/api/now-ms", vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn random_numbers_and_hash_maps() {
    let calls = vec![
        ("draw", vec![]),
        ("bytes", vec![Value::U32(40)]),
        ("draw", vec![]),
        ("insecure-bytes", vec![Value::U32(3)]),
        ("insecure-number", vec![]),
        ("seed", vec![]),
        ("hash-order", vec![Value::U32(50)]),
        ("drawn", vec![]),
    ];
    check("randoms", Options::default(), calls).await;
}

#[tokio::test]
async fn arguments_and_environment() {
    let options = Options {
        args: vec!["one".to_owned(), "two words".to_owned()],
        env: vec![("COLOR".to_owned(), "dark blue".to_owned())],
        ..Options::default()
    };
    let calls = vec![("arguments", vec![]), ("variables", vec![]), ("variable", vec![text("COLOR")])];
    check("environment", options, calls).await;
}

#[tokio::test]
async fn log_lines_and_settings() {
    let options = Options { env: vec![("POOL_SIZE".to_owned(), "8".to_owned())], ..Options::default() };
    let calls = vec![
        ("lines", vec![text("cart"), text("added")]),
        ("setting", vec![text("pool.size")]),
        ("settings", vec![]),
        ("lines", vec![text("cart"), text("removed")]),
    ];
    let mut worker = check("logs", options, calls).await;
    let before = worker.log().events();
    assert_eq!(before.len(), 2 * 6);
    worker.crash();
    worker.invoke("golem:logs/api/setting", vec![text("none")]).await.unwrap();
    assert_eq!(worker.log().events(), before, "replay logs nothing");
}

#[tokio::test]
async fn lines_are_printed_once() {
    let calls = vec![
        ("lines", vec![text("out"), text("error")]),
        ("count", vec![Value::U32(3)]),
        ("part", vec![text("no end")]),
        ("raw", vec![Value::Bytes(vec![0, 255, b'x'])]),
    ];
    let mut worker = check("prints", Options::default(), calls).await;
    let before = (worker.log().stdout(), worker.log().stderr());
    worker.crash();
    worker.invoke("golem:prints/api/count", vec![Value::U32(0)]).await.unwrap();
    assert_eq!((worker.log().stdout(), worker.log().stderr()), before, "replay prints nothing");
}

#[tokio::test]
async fn sleeps_in_memory_and_out_of_it() {
    let list = |times: &[u64]| Value::List(times.iter().map(|ms| Value::U64(*ms)).collect());
    let calls = vec![
        ("sleep-ms", vec![Value::U64(5)]),
        ("sleep-ms", vec![Value::U64(3_600_000)]),
        ("sleep-often", vec![Value::U32(3), Value::U64(20_000)]),
        ("race", vec![list(&[50, 20, 700_000])]),
        ("order", vec![list(&[300, 100_000, 200])]),
        ("finished", vec![]),
    ];
    check("sleeps", Options::default(), calls).await;
}

#[tokio::test]
async fn promises_by_both_versions_of_the_interface() {
    for guest in ["promises", "promises_wide"] {
        let calls = vec![
            ("answer-oneself", vec![Value::Bytes(b"mine".to_vec())]),
            ("self-uri", vec![text("run")]),
            ("answer-oneself", vec![Value::Bytes(Vec::new())]),
        ];
        check(guest, Options::default(), calls).await;
    }
    let mut worker = TestWorker::start(&guests::bytes("promises")).await.unwrap();
    let mut result = worker.invoke("golem:promises/api/series", vec![Value::U32(3)]).await;
    let mut answers = Vec::new();
    while let Err(Failure::Waiting(parked)) = &result {
        answers.push(Value::Bytes(ANSWER.to_vec()));
        worker.complete_promise(&parked.promises[0], ANSWER);
        // The worker is rebuilt from its oplog before each wait continues.
        worker.crash();
        result = worker.resume().await;
    }
    assert_eq!(answers.len(), 3);
    assert_eq!(result.unwrap(), Some(Value::List(answers)));
    worker.replay_from_every_prefix_answering(ANSWER).await.unwrap();
}

#[tokio::test]
async fn regions_and_jumps() {
    let mut worker = TestWorker::start(&guests::bytes("regions")).await.unwrap();
    let api = |function: &str| format!("golem:regions/api/{function}");
    let failed = worker.invoke(&api("flaky"), vec![]).await;
    assert!(matches!(failed, Err(Failure::Trapped { retry: true, .. })), "{failed:?}");
    let Some(Value::Tuple(flaky)) = worker.resume().await.unwrap() else { panic!("a tuple") };
    assert_eq!(flaky[0], Value::U32(1), "memory is restored to its state before the first attempt");
    let printed = worker.log().stdout();
    let attempts: Vec<&str> = printed.lines().collect();
    assert_eq!(attempts.len(), 2, "{printed}");
    assert_eq!(attempts[0], attempts[1], "the keys of the second attempt are those of the first");
    worker.crash();
    assert_eq!(worker.invoke(&api("entered"), vec![]).await.unwrap(), Some(Value::U32(1)));

    let mut worker = TestWorker::start(&guests::bytes("regions")).await.unwrap();
    for sleep_ms in [5, 60_000] {
        let nested = worker.invoke(&api("nested"), vec![Value::U64(sleep_ms)]).await;
        if let Err(failure) = nested {
            assert!(matches!(failure, Failure::Waiting(_)), "{failure}");
            worker.resume_over_time().await.unwrap();
        }
    }
    assert_eq!(worker.invoke(&api("go-back"), vec![]).await.unwrap(), Some(Value::U32(3)));
    let Err(Failure::Waiting(parked)) = worker.invoke(&api("wait-inside"), vec![]).await else {
        panic!("the promise is not completed yet, so the call should wait")
    };
    worker.complete_promise(&parked.promises[0], ANSWER);
    assert_eq!(worker.resume().await.unwrap(), Some(Value::Bytes(ANSWER.to_vec())));
    assert_eq!(worker.invoke(&api("entered"), vec![]).await.unwrap(), Some(Value::U32(4)));
    worker.replay_from_every_prefix_answering(ANSWER).await.unwrap();
}

#[tokio::test]
async fn policies_are_replayed_and_unrecorded_calls_run_again() {
    let mut worker = TestWorker::start(&guests::bytes("policies")).await.unwrap();
    let api = |function: &str| format!("golem:policies/api/{function}");
    let policy =
        |attempts, min, max| Value::Tuple(vec![Value::U32(attempts), Value::U64(min), Value::U64(max)]);
    let in_force = Value::List(vec![policy(7, 20, 20), policy(3, 100, 1_000)]);
    assert_eq!(worker.invoke(&api("in-force"), vec![]).await.unwrap(), Some(in_force));
    let looked = worker.invoke(&api("look-at-the-clock"), vec![]).await.unwrap();
    assert_eq!(looked, Some(Value::U32(2)));
    worker.crash();
    worker.clock().advance(Duration::from_secs(1_000));
    let Some(Value::List(times)) = worker.invoke(&api("times"), vec![]).await.unwrap() else {
        panic!("a list")
    };
    let [Value::U64(recorded), Value::U64(asked)] = times[..] else { panic!("{times:?}") };
    assert!(asked >= recorded + 1_000, "{recorded} is recorded, {asked} is not");
    worker.invoke(&api("look-at-the-clock"), vec![]).await.unwrap();
    worker.crash();
    // Unrecorded times differ at each replay, which is no divergence.
    worker.clock().advance(Duration::from_secs(1_000));
    worker.invoke(&api("times"), vec![]).await.unwrap();
    worker.crash();
    worker.invoke(&api("times"), vec![]).await.unwrap();
}

#[tokio::test]
async fn metadata_of_other_workers_is_replayed() {
    let options = Options { args: vec!["a".to_owned(), "b".to_owned()], ..Options::default() };
    let calls =
        vec![("look", vec![text("test")]), ("look", vec![text("missing")]), ("list", vec![text("te")])];
    let mut worker = check("others", options, calls).await;
    let seen = worker.invoke("golem:others/api/list", vec![text("")]).await.unwrap();
    assert_eq!(seen, Some(Value::List(vec![text("test WorkerStatus::Running a,b")])));
}

#[tokio::test]
async fn all_kinds_of_steps_are_replayed() {
    let step = |case, payload: Option<Value>| Value::Variant(case, payload.map(Box::new));
    let random = step(2, Some(Value::U32(16)));
    let steps = |steps: Vec<Value>| vec![Value::List(steps)];
    let calls = vec![
        ("run", steps(vec![random.clone(), step(3, Some(Value::U64(1))), step(4, Some(Value::U32(3)))])),
        ("run", steps(vec![step(5, None), step(6, Some(text("a line"))), step(7, Some(Value::U32(30)))])),
        ("run", steps(vec![step(3, Some(Value::U64(60_000))), random, step(10, Some(Value::U64(50)))])),
        ("digest", vec![]),
        ("steps", vec![]),
    ];
    check("accumulate", Options::default(), calls).await;
}

#[tokio::test]
async fn steps_at_a_frozen_time_are_replayed() {
    let step = |case| Value::Variant(case, None);
    let steps = || vec![Value::List(vec![step(0), step(1), step(5), step(0), step(1)])];
    check("accumulate", frozen(), vec![("run", steps()), ("run", steps()), ("digest", vec![])]).await;
}

#[tokio::test]
async fn calls_of_other_workers() {
    use golem_model::call::CallError;
    let template = golem_model::TemplateId("00000000-0000-0000-0000-000000000009".parse().unwrap());
    let links = ["golem:counter/api", "golem:calls/target"].map(|name| (name.to_owned(), template));
    let options = Options { links: links.into(), ..Options::default() };
    let mut worker = TestWorker::start_with(&guests::bytes("calls"), options).await.unwrap();
    // The answers depend only on the parameters, so that they are the same in every run.
    worker.store().answer_calls(|call| {
        let parts: Vec<&str> = call.function.rsplitn(2, '/').collect();
        Some(match (parts[0], call.params.as_slice()) {
            ("increment", []) => Ok(Some(Value::U64(1))),
            ("bump", [Value::U64(by)]) => Ok(Some(Value::U64(by * 2))),
            ("nap", _) => Ok(Some(Value::U64(3))),
            ("touch", _) => Ok(None),
            // The answer has another type than the caller expects.
            ("more", _) => Ok(Some(Value::Bool(true))),
            _ => Err(CallError::RemoteFailed("on purpose".to_owned())),
        })
    });
    let names = |names: &[&str]| Value::List(names.iter().map(|name| text(name)).collect());
    let ok = |value| Value::Result(Ok(Some(Box::new(value))));
    let err = |message: &str| Value::Result(Err(Some(Box::new(text(message)))));
    let item = Value::Record(vec![text("tea"), Value::Variant(0, None), Value::Flags(vec![1])]);
    let mismatch = "RpcError::Incompatible(\"the result of golem:calls/target/more has another type than the caller was \
                    built for: expected result({name: str, state: variant(absent: (), present: u32), marks: \
                    flags(fresh, dear)}, str), found Bool(true)\")";
    let calls: Vec<(&str, Vec<Value>, Option<Value>)> = vec![
        ("ask-counter", vec![text("c")], Some(ok(Value::U64(1)))),
        ("ask", vec![text("b"), Value::U64(2), Value::U32(3)], Some(ok(Value::U64(4)))),
        ("ask-touch", vec![text("b")], Some(Value::Result(Ok(None)))),
        ("ask-touch", vec![text("no name")], None),
        ("ask-fail", vec![text("b"), text("x")], Some(err("RpcError::RemoteFailed(\"on purpose\")"))),
        ("ask-more", vec![text("b"), item], Some(err(mismatch))),
        ("send", vec![text("b"), Value::U64(1), Value::U64(0)], Some(Value::Result(Ok(None)))),
        (
            "gather",
            vec![names(&["x", "y", "z"]), Value::U64(4)],
            Some(Value::List(vec![ok(Value::U64(8)); 3])),
        ),
    ];
    for (function, params, expected) in calls {
        let answer = worker.invoke(&format!("golem:calls/api/{function}"), params).await;
        let answer = answer.unwrap_or_else(|failure| panic!("{function}: {failure}"));
        assert!(expected.is_none() || answer == expected, "{function} gave {answer:?}");
        worker.crash();
    }
    let prefixes = worker.replay_from_every_prefix().await.unwrap_or_else(|error| panic!("{error}"));
    report(format_args!("calls: the same answers from each of {prefixes} prefixes"));
}

#[tokio::test]
async fn a_waiting_caller_is_evicted_until_the_answer_arrives() {
    let template = golem_model::TemplateId("00000000-0000-0000-0000-000000000009".parse().unwrap());
    let links = ["golem:counter/api", "golem:calls/target"].map(|name| (name.to_owned(), template));
    let options = Options { links: links.into(), ..Options::default() };
    let mut worker = TestWorker::start_with(&guests::bytes("calls"), options).await.unwrap();
    let asked = worker.invoke("golem:calls/api/ask-counter", vec![text("c")]).await;
    let Err(Failure::Waiting(parked)) = asked else {
        panic!("the call is not answered yet, so it should wait: {asked:?}")
    };
    assert_eq!((parked.wake_at, parked.promises.len()), (None, 1));
    worker.crash();
    let call = parked.promises[0].index;
    worker.store().answer_call(worker.id(), call, &Ok(Some(Value::U64(9))));
    let answer = worker.resume().await.unwrap();
    assert_eq!(answer, Some(Value::Result(Ok(Some(Box::new(Value::U64(9)))))));
}

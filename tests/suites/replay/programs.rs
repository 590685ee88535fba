//! An ordinary program (`tests/guests/tally`), as a component and as a module for preview 1.

use golem_testing::{Convention, Entry, Failure, Options, TestWorker, Value};
use golem_tests::guests;
use std::time::Duration;

/// The program in both binary forms.
fn program_variants() -> [(&'static str, Vec<u8>); 2] {
    [("component", guests::bytes("tally")), ("module for preview 1", guests::preview1("tally"))]
}

async fn start(wasm: &[u8]) -> (TestWorker, String) {
    let worker = TestWorker::start_with(wasm, Options::default()).await.expect("the guest is a program");
    let [run] = worker.function_names().try_into().expect("a program exports one function");
    (worker, run)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

async fn line(worker: &mut TestWorker, run: &str, input: &str) -> Result<Option<Value>, Failure> {
    worker.invoke_program(Convention::StdioEventLoop, run, input).await
}

#[tokio::test]
async fn a_program_answers_all_its_input_and_ends() {
    for (form, wasm) in program_variants() {
        for (input, answer) in [
            ("17", "17\n"),
            ("1\n2\n\"log this\"", "1\n3\n3\n"),
            ("\"silent\"", ""),
            ("\"nothing\"", "\n"),
            ("5\nexit 0\n6", "5\n5"),
        ] {
            let (mut worker, run) = start(&wasm).await;
            let found = worker.invoke_program(Convention::Stdio, &run, input).await.expect(form);
            assert_eq!(found, Some(text(answer)), "{form}: {input}");
            assert!(matches!(worker.oplog().last(), Some(Entry::ProgramEnded { .. })), "{form}: {input}");
            worker.replay_from_every_prefix().await.expect(form);
        }
    }
}

#[tokio::test]
async fn a_failed_program_reports_its_last_standard_error() {
    for (form, wasm) in program_variants() {
        let (mut worker, run) = start(&wasm).await;
        match worker.invoke_program(Convention::Stdio, &run, "\"jump\"").await {
            Err(Failure::Exited { code: 1, stderr }) => {
                assert_eq!(stderr, "unknown command \"jump\"", "{form}");
            }
            other => panic!("{form}: {other:?}"),
        }
        assert_eq!(worker.log().stderr(), "unknown command \"jump\"\n");
    }
}

#[tokio::test]
async fn a_result_has_a_limit() {
    let (mut worker, run) = start(&guests::bytes("tally")).await;
    match worker.invoke_program(Convention::Stdio, &run, "long 9000000").await {
        Err(Failure::Trapped { details, retry: false }) => {
            assert!(details.contains("more than 8388608 bytes were written to standard output"), "{details}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_loop_remembers_what_it_read() {
    for (form, wasm) in program_variants() {
        let (mut worker, run) = start(&wasm).await;
        assert_eq!(line(&mut worker, &run, "1").await.expect(form), Some(text("1")));
        assert_eq!(line(&mut worker, &run, "2").await.expect(form), Some(text("3")));
        let time = line(&mut worker, &run, "\"time\"").await.expect(form);
        worker.crash();
        // All lines are replayed, and no line is answered or logged twice.
        assert_eq!(line(&mut worker, &run, "\"log three\"").await.expect(form), Some(text("3")));
        assert_eq!(line(&mut worker, &run, "\"nothing\"").await.expect(form), Some(text("")));
        worker.evict();
        assert_eq!(line(&mut worker, &run, "4").await.expect(form), Some(text("7")));
        worker.clock().advance(Duration::from_hours(1));
        assert_ne!(line(&mut worker, &run, "\"time\"").await.expect(form), time);
        assert_eq!(worker.log().stderr(), "three\n");
        assert_eq!(worker.log().stdout(), "", "answers of a program are not part of the log");
    }
}

#[tokio::test]
async fn an_event_loop_replays_from_every_prefix() {
    for (form, wasm) in program_variants() {
        let (mut worker, run) = start(&wasm).await;
        for input in ["1", "\"sleep 5\"", "\"sleep 3600000\"", "\"log one\"", "41", "\"exit 0\""] {
            let mut answer = line(&mut worker, &run, input).await;
            while let Err(Failure::Waiting(_)) = answer {
                answer = worker.resume_over_time().await;
            }
            answer.unwrap_or_else(|failure| panic!("{form}: {input}: {failure}"));
        }
        assert!(matches!(worker.oplog().last(), Some(Entry::ProgramEnded { .. })), "{form}");
        worker.replay_from_every_prefix().await.expect(form);
    }
}

#[tokio::test]
async fn an_event_loop_reads_and_writes_in_turns() {
    let (mut worker, run) = start(&guests::bytes("tally")).await;
    // A second answer line is an error for the program, and not part of the answer.
    assert_eq!(line(&mut worker, &run, "\"twice\"").await.unwrap(), Some(text("0")));
    let complaint = worker.log().stderr();
    assert!(complaint.contains("cannot write"), "{complaint}");
    // Reading the next line before answering is an error as well.
    match line(&mut worker, &run, "\"silent\"").await {
        Err(Failure::Exited { code: 1, stderr }) => assert!(stderr.contains("cannot read"), "{stderr}"),
        other => panic!("{other:?}"),
    }
}

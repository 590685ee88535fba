//! The guest library for Rust: typed buckets and promises, sagas and log lines, checked by replay from every prefix.

use crate::{check, text};
use golem_testing::{Options, Value};

/// Calls a function of the guest and compares the lines that it returns.
async fn check_lines(function: &'static str, params: Vec<Value>, expected: &[&str]) {
    let mut worker = check("library", Options::default(), vec![(function, params.clone())]).await;
    let lines = worker.invoke(&format!("golem:library/api/{function}"), params).await;
    let lines =
        lines.unwrap_or_else(|failure| panic!("{function}: {failure}")).expect("the function has a result");
    let lines = match lines {
        Value::Result(Ok(Some(lines))) => *lines,
        other => other,
    };
    assert_eq!(lines, Value::List(expected.iter().map(|line| text(line)).collect()));
}

#[tokio::test]
async fn values_of_buckets_have_types() {
    let expected = [
        "None",
        "Some(Score { points: 10, note: Some(\"é\") }) true",
        "false",
        "true",
        "true",
        "Score { points: 21, note: None }",
        "5 -2",
        "Some(-2)",
        "[Some(2), None, Some(1)] [\"ada\", \"bob\", \"games\", \"x\", \"y\"]",
        "[]",
        "the value of the key \"raw\" is not of the type asked for",
        "true",
    ];
    check_lines("buckets", vec![], &expected).await;
}

#[tokio::test]
async fn values_of_promises_have_types() {
    let score = "Score { points: 3, note: None }";
    let expected = [
        "true",
        "Some(true)",
        &format!("Some({score})"),
        &format!("Some(Some({score}))"),
        "Some(false)",
        "true",
    ];
    check_lines("promises", vec![], &expected).await;
}

#[tokio::test]
async fn a_saga_completes_or_is_compensated() {
    check_lines("book", vec![text("4242")], &["reserve 12a", "charge 4242", "seat 1"]).await;
    let undone = ["reserve 12a", "release 12a 1", "declined; all steps before it were undone"];
    check_lines("book", vec![text("stolen")], &undone).await;
}

#[tokio::test]
async fn a_saga_that_may_not_fail_is_retried() {
    check_lines("insist", vec![], &["knock", "leave", "knock", "leave", "knock", "after 3"]).await;
}

#[tokio::test]
async fn log_lines_have_levels() {
    let worker = check("library", Options::default(), vec![("log-lines", vec![])]).await;
    let lines = format!("{:?}", worker.log().events());
    assert!(lines.contains("the door is open") && lines.contains("library::door"), "{lines}");
    assert!(!lines.contains("not this one"), "{lines}");
}

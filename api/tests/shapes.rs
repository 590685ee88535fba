//! The JSON shapes of 2023, and the other accepted spellings.

use golem_api::connect::{
    ConnectFormat, ConnectFrame, ConnectQuery, EventFrame, LogLevel, MessageFrame, WorkerEvent,
};
use golem_api::error::{ErrorBody, GolemError};
use golem_api::grant::ProjectGrantRequest;
use golem_api::policy::ProjectPolicyData;
use golem_api::project::Project;
use golem_api::template::{Template, TemplateListQuery, TemplateQuery};
use golem_api::token::UnsafeToken;
use golem_api::worker::{
    CallingConvention, CompleteParameters, InterruptQuery, InvocationKey, InvokeQuery, PromiseId,
    VersionedWorkerId, WorkerCreationRequest, WorkerId, WorkerMetadata, WorkersMetadata,
};
use golem_model as model;
use golem_model::{TemplateId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;

/// An id, used for objects of every kind.
const ID: &str = "11111111-2222-4333-8444-555555555555";
/// Another id.
const OTHER_ID: &str = "99999999-8888-4777-8666-555555555555";

/// Checks that `written` is the JSON of a value, and that each of `accepted` parses as the same value.
fn check<V: Serialize + DeserializeOwned + PartialEq + Debug>(written: &Value, accepted: &[Value]) -> V {
    let value: V = serde_json::from_value(written.clone()).unwrap_or_else(|e| panic!("{e}: {written}"));
    assert_eq!(&serde_json::to_value(&value).expect("it can be written"), written);
    for other in accepted {
        let read: V = serde_json::from_value(other.clone()).unwrap_or_else(|e| panic!("{e}: {other}"));
        assert_eq!(read, value, "{other}");
    }
    value
}

fn parse_error<V: DeserializeOwned + Debug>(json: &Value) -> String {
    serde_json::from_value::<V>(json.clone()).expect_err("parsing must fail").to_string()
}

#[test]
fn a_template_has_the_shape_of_2023() {
    use model::template::{Param, ProducerField, Producers};
    use model::{Export, Function, TemplateVersion, Type};
    let param = |name: &str, ty| Param { name: name.to_owned(), ty };
    let shared = Arc::new;
    let fields = [
        ("a".to_owned(), Type::List(shared(Type::Char))),
        ("b".to_owned(), Type::Option(shared(Type::F32))),
        ("c".to_owned(), Type::Result { ok: None, err: Some(shared(Type::String)) }),
        ("d".to_owned(), Type::Tuple([Type::Bool, Type::S64].into())),
        ("e".to_owned(), Type::Variant([("x".to_owned(), None), ("y".to_owned(), Some(Type::U8))].into())),
        ("f".to_owned(), Type::Enum(["p".to_owned()].into())),
        ("g".to_owned(), Type::Flags(["q".to_owned()].into())),
    ];
    let everything = Type::Record(fields.into());
    let stored = TemplateVersion {
        id: ID.parse().unwrap(),
        version: 3,
        project: OTHER_ID.parse().unwrap(),
        name: "cart".to_owned(),
        size_bytes: 1234,
        content_hash: [0; 32],
        exports: vec![
            Export::Interface {
                name: "golem:cart/api".to_owned(),
                functions: vec![Function {
                    name: "add".to_owned(),
                    params: vec![param("item", everything.clone())],
                    result: Some(Type::U64),
                }],
            },
            Export::Function(Function { name: "run".to_owned(), params: vec![], result: None }),
        ],
        links: [].into(),
        producers: vec![Producers {
            fields: vec![ProducerField {
                name: "language".to_owned(),
                values: vec![("Rust".to_owned(), String::new())],
            }],
        }],
        files: None,
        created_at: Timestamp::from_nanos(0),
        failure_options: golem_model::FailureOptions::default(),
    };
    let id = json!({"rawTemplateId": ID, "version": 3});
    let written = json!({
        "versionedTemplateId": id,
        "userTemplateId": {"versionedComponentId": id},
        "protectedTemplateId": {"versionedComponentId": id},
        "templateName": {"value": "cart"},
        "templateSize": 1234,
        "metadata": {
            "exports": [
                {"Instance": {"name": "golem:cart/api", "functions": [{
                    "name": "add",
                    "parameters": [{"name": "item", "tpe": {"Record": [
                        ["a", {"List": {"Chr": {}}}],
                        ["b", {"Option": {"F32": {}}}],
                        ["c", {"Result": [null, {"Str": {}}]}],
                        ["d", {"Tuple": [{"Bool": {}}, {"S64": {}}]}],
                        ["e", {"Variant": [["x", null], ["y", {"U8": {}}]]}],
                        ["f", {"Enum": ["p"]}],
                        ["g", {"Flags": ["q"]}],
                    ]}}],
                    "results": [{"name": null, "tpe": {"U64": {}}}],
                }]}},
                {"Function": {"name": "run", "parameters": [], "results": []}},
            ],
            "producers": [{"fields": [{"name": "language", "values": [{"name": "Rust", "version": ""}]}]}],
        },
        "projectId": OTHER_ID,
    });
    let template = Template::from(&stored);
    assert_eq!(check::<Template>(&written, &[]), template);
    let golem_api::template::Export::Instance { functions, .. } = &template.metadata.exports[0] else {
        panic!("the first export is an interface")
    };
    assert_eq!(Type::from(&functions[0].parameters[0].tpe), everything);
}

#[test]
fn an_upload_is_described_in_several_ways() {
    check::<TemplateQuery>(
        &json!({"componentName": "cart"}),
        &[
            json!({"componentName": {"value": "cart"}, "projectId": null}),
            json!({"templateName": "cart"}),
            json!({"templateName": {"value": "cart"}}),
        ],
    );
    let error = parse_error::<TemplateQuery>(&json!({"componentName": 1}));
    assert!(error.contains("expected a string or {\"value\": string}"), "{error}");
    check::<TemplateListQuery>(&json!({"project-id": OTHER_ID}), &[json!({"projectId": OTHER_ID})]);
}

#[test]
fn workers_have_the_shapes_of_2023() {
    let id = json!({"rawTemplateId": ID, "workerName": "w"});
    check::<WorkerId>(&id, &[json!({"templateId": ID, "workerName": "w"})]);
    check::<VersionedWorkerId>(&json!({"workerId": id, "templateVersionUsed": 0}), &[]);
    check::<WorkerMetadata>(
        &json!({
            "workerId": id, "accountId": OTHER_ID, "args": ["a"], "env": {"K": "v"}, "status": "Suspended",
            "templateVersion": 0, "retryCount": 2,
        }),
        &[],
    );
    let listed = json!({
        "workerId": id, "accountId": OTHER_ID, "args": [], "env": {}, "status": "Idle", "templateVersion": 1,
        "retryCount": 0, "createdAt": "2026-01-01T00:00:00Z",
    });
    check::<WorkersMetadata>(&json!({"workers": [listed], "cursor": "w"}), &[]);
    check::<WorkersMetadata>(&json!({"workers": []}), &[]);
    check::<WorkerCreationRequest>(
        &json!({"name": "w", "args": [], "env": [["K", "v"]]}),
        &[
            json!({"name": "w", "env": {"K": "v"}}),
            json!({"name": "w", "args": [], "env": [["K", "v"]], "more": 1}),
        ],
    );
    let policy = json!({"maxAttempts": 2, "minDelayMs": 1, "maxDelayMs": 5, "multiplier": 2.0});
    check::<WorkerCreationRequest>(
        &json!({"name": "w", "args": [], "env": [], "retryPolicy": policy, "onFailure": "rollback"}),
        &[],
    );
    check::<TemplateQuery>(&json!({"componentName": "c", "retryPolicy": policy, "onFailure": "fail"}), &[]);
    assert!(
        parse_error::<WorkerCreationRequest>(&json!({"name": "w", "env": "K=v"}))
            .contains("a list of [name, value] pairs")
    );
    check::<InvocationKey>(&json!({"value": "k"}), &[json!("k")]);
    check::<PromiseId>(
        &json!({"instanceId": id, "oplogIdx": 7}),
        &[json!({"workerId": id, "oplogIdx": "7"})],
    );
}

#[test]
fn a_promise_is_completed_as_the_page_of_2023_shows_it() {
    check::<CompleteParameters>(
        &json!({"oplogIdx": 10, "data": [1, 255]}),
        &[json!({"oplogIdx": "10", "data": [1, 255]}), json!({"oplogIdx": "10", "data": {"base64": "Af8="}})],
    );
    for bad in [json!(-1), json!("-1"), json!("ten"), json!(""), json!("+1"), json!(1.5), json!(null)] {
        let error = parse_error::<CompleteParameters>(&json!({"oplogIdx": bad, "data": []}));
        assert!(error.contains("a whole number from 0, or its decimal digits as a string"), "{bad}: {error}");
    }
    let error = parse_error::<CompleteParameters>(&json!({"oplogIdx": 1, "data": [256]}));
    assert!(error.contains("numbers from 0 to 255"), "{error}");
}

#[test]
fn queries_accept_every_spelling() {
    for text in ["stdio-event-loop", "stdio-eventloop", "StdioEventloop", "STDIO_EVENT_LOOP"] {
        assert_eq!(text.parse(), Ok(CallingConvention::StdioEventLoop), "{text}");
    }
    assert_eq!(
        "http".parse::<CallingConvention>().unwrap_err().to_string(),
        "unknown calling convention \"http\"; use component, stdio or stdio-event-loop"
    );
    check::<InvokeQuery>(
        &json!({"function": "f", "invocation-key": "k", "calling-convention": "component"}),
        &[json!({"function": "f", "invocation-key": "k", "calling-convention": "Component"})],
    );
    check::<InterruptQuery>(&json!({"recover-immediately": true}), &[json!({"recovery-immediately": true})]);
    assert_eq!(serde_json::from_value::<InterruptQuery>(json!({})).unwrap(), InterruptQuery::default());
    assert_eq!(
        serde_json::from_value::<ConnectQuery>(json!({"format": "events"})).unwrap().format,
        ConnectFormat::Events
    );
}

#[test]
fn error_bodies_serve_every_family() {
    let written = |body: ErrorBody| serde_json::to_value(body).unwrap();
    assert_eq!(written(ErrorBody::invalid(["a"])), json!({"errors": ["a"]}));
    assert_eq!(written(ErrorBody::from_text("a")), json!({"error": "a", "message": "a"}));
    let template: TemplateId = ID.parse().unwrap();
    assert_eq!(
        written(ErrorBody::template_exists(template, "a")),
        json!({"componentId": ID, "error": "a", "message": "a"})
    );
    assert_eq!(
        written(ErrorBody::from_golem_error(GolemError::RuntimeError { details: "trap".to_owned() })),
        json!({
            "golemError": {"RuntimeError": {"details": "trap"}},
            "error": "Runtime error: trap",
            "message": "Runtime error: trap",
        })
    );
    for (json, texts) in [
        (json!({"errors": ["a", "b"]}), vec!["a", "b"]),
        (json!({"error": "a"}), vec!["a"]),
        (json!({"message": "a"}), vec!["a"]),
        (
            json!({"golemError": {"PreviousInvocationFailed": {}}}),
            vec!["The previously invoked function failed"],
        ),
        (json!({}), vec![]),
    ] {
        assert_eq!(serde_json::from_value::<ErrorBody>(json).unwrap().messages(), texts);
    }
    assert!(
        serde_json::from_value::<ErrorBody>(json!({"component_id": ID})).unwrap().messages()[0].contains(ID)
    );
}

#[test]
fn golem_errors_have_the_names_of_2023() {
    let worker = json!({"rawTemplateId": ID, "workerName": "w"});
    let version = json!({"rawTemplateId": ID, "version": 1});
    let promise = json!({"instanceId": worker, "oplogIdx": 7});
    for (written, older, text) in [
        (json!({"InvalidRequest": {"details": "d"}}), None, "Invalid request: d".to_owned()),
        (
            json!({"WorkerAlreadyExists": {"instanceId": worker}}),
            Some(json!({"InstanceAlreadyExists": {"instanceId": worker}})),
            format!("Worker already exists: {ID}/w"),
        ),
        (
            json!({"WorkerNotFound": {"instanceId": worker}}),
            Some(json!({"InstanceNotFound": {"instanceId": worker}})),
            format!("Worker not found: {ID}/w"),
        ),
        (
            json!({"WorkerCreationFailed": {"instanceId": worker, "details": "d"}}),
            Some(json!({"InstanceCreationFailed": {"instanceId": worker, "details": "d"}})),
            format!("Failed to create worker: {ID}/w: d"),
        ),
        (
            json!({"FailedToResumeWorker": {"instanceId": worker}}),
            Some(json!({"FailedToResumeInstance": {"instanceId": worker}})),
            format!("Failed to resume worker: {ID}/w"),
        ),
        (
            json!({"TemplateDownloadFailed": {"componentId": version, "reason": "r"}}),
            Some(json!({"ComponentDownloadFailed": {"componentId": version, "reason": "r"}})),
            format!("Failed to download template {ID} version 1: r"),
        ),
        (
            json!({"TemplateParseFailed": {"componentId": version, "reason": "r"}}),
            Some(json!({"ComponentParseFailed": {"componentId": version, "reason": "r"}})),
            format!("Failed to parse template {ID} version 1: r"),
        ),
        (
            json!({"GetLatestVersionOfTemplateFailed": {"componentId": ID, "reason": "r"}}),
            Some(json!({"GetLatestVersionOfComponentFailed": {"componentId": ID, "reason": "r"}})),
            format!("Failed to get the latest version of template {ID}: r"),
        ),
        (json!({"PromiseNotFound": {"promiseId": promise}}), None, format!("Promise not found: {ID}/w@7")),
        (json!({"PromiseDropped": {"promiseId": promise}}), None, format!("Promise dropped: {ID}/w@7")),
        (
            json!({"PromiseAlreadyCompleted": {"promiseId": promise}}),
            None,
            format!("Promise already completed: {ID}/w@7"),
        ),
        (
            json!({"Interrupted": {"recoverImmediately": false}}),
            None,
            "Interrupted via the Golem API".to_owned(),
        ),
        (
            json!({"Interrupted": {"recoverImmediately": true}}),
            None,
            "Simulated crash via the Golem API".to_owned(),
        ),
        (json!({"ParamTypeMismatch": {}}), None, "Parameter type mismatch".to_owned()),
        (json!({"NoValueInMessage": {}}), None, "No value in message".to_owned()),
        (json!({"ValueMismatch": {"details": "d"}}), None, "Value mismatch: d".to_owned()),
        (
            json!({"UnexpectedOplogEntry": {"expected": "a", "got": "b"}}),
            None,
            "Unexpected oplog entry: expected a, got b".to_owned(),
        ),
        (json!({"RuntimeError": {"details": "d"}}), None, "Runtime error: d".to_owned()),
        (
            json!({"InvalidShardId": {"shardId": {"value": 1}, "shardIds": [{"value": 2}, {"value": 3}]}}),
            None,
            "Invalid shard: 1, this node has 2, 3".to_owned(),
        ),
        (json!({"PreviousInvocationFailed": {}}), None, "The previously invoked function failed".to_owned()),
        (json!({"PreviousInvocationExited": {}}), None, "The previously invoked function exited".to_owned()),
        (json!({"Unknown": {"details": "d"}}), None, "Unknown error: d".to_owned()),
        (json!({"InstanceUnavailable": {}}), None, "The worker is not available".to_owned()),
        (json!({"InvalidAccount": {}}), None, "Invalid account".to_owned()),
    ] {
        let error = check::<GolemError>(&written, &older.into_iter().collect::<Vec<_>>());
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn log_streams_have_two_generations_of_frames() {
    check::<MessageFrame>(&json!({"Message": {"message": "m"}}), &[]);
    check::<MessageFrame>(
        &json!({"Error": {"error": {"Golem": {"golemError": {"RuntimeError": {"details": "d"}}}}}}),
        &[json!({"Error": {"error": {"golem": {"golem_error": {"RuntimeError": {"details": "d"}}}}}})],
    );
    for error in ["Unauthorized", "LimitExceeded", "NotFound", "AlreadyExists"] {
        check::<MessageFrame>(&json!({"Error": {"error": {error: {"error": "e"}}}}), &[]);
    }
    check::<MessageFrame>(&json!({"Error": {"error": {"BadRequest": {"errors": ["e"]}}}}), &[]);
    check::<MessageFrame>(&json!({"Error": {"error": {"GatewayTimeout": {}}}}), &[]);
    check::<EventFrame>(&json!({"event": {"Stderr": {"message": "m"}}}), &[]);
    let log = json!({"event": {"Log": {"level": 4, "context": "", "message": "m"}}});
    let frame = check::<EventFrame>(&log, &[]);
    assert_eq!(
        frame.event,
        WorkerEvent::Log { level: LogLevel::Error, context: String::new(), message: "m".to_owned() }
    );
    assert_eq!(MessageFrame::of(&frame.event), MessageFrame::Message { message: "[ERROR] m\n".to_owned() });
    assert_eq!(serde_json::from_value::<ConnectFrame>(log).unwrap(), ConnectFrame::Event(frame));
    let error =
        parse_error::<EventFrame>(&json!({"event": {"Log": {"level": 6, "context": "", "message": ""}}}));
    assert!(error.contains("6 is not a log level"), "{error}");
}

#[test]
fn owners_have_the_shapes_of_2023() {
    let token = json!({
        "data": {"id": ID, "accountId": OTHER_ID, "createdAt": "2023-09-01T00:00:00Z", "expiresAt": "2100-01-01T00:00:00Z"},
        "secret": {"value": ID},
    });
    let mut plain = token.clone();
    plain["secret"] = json!(ID);
    let token = check::<UnsafeToken>(&token, &[plain]);
    assert!(!format!("{:?}", token.secret).contains("1111"), "a secret must not be printed");
    check::<Project>(
        &json!({"projectId": OTHER_ID, "projectData": {
            "name": "default-project", "ownerAccountId": ID, "description": "d",
            "defaultEnvironmentId": "default", "projectType": "Default",
        }}),
        &[],
    );
    check::<ProjectPolicyData>(
        &json!({"name": "p", "projectActions": {"actions": ["ViewComponent", "UpdateInstance"]}}),
        &[
            json!({"name": "p", "projectActions": ["ViewComponent", "UpdateInstance"]}),
            json!({"name": "p", "projectActions": ["ViewTemplate", "UpdateWorker"]}),
        ],
    );
    check::<ProjectGrantRequest>(&json!({"granteeAccountId": ID, "projectPolicyId": OTHER_ID}), &[]);
    check::<ProjectGrantRequest>(&json!({"granteeAccountId": ID, "projectActions": ["ViewInstance"]}), &[]);
}

//! Tests of argument parsing and of the output format. They need no server.

use clap::{CommandFactory, Parser, Subcommand};
use golem_cli::args::BASE_URL_DEFAULT;
use golem_cli::command::template::TemplateCommand;
use golem_cli::command::worker::WorkerCommand;
use golem_cli::output::template::TemplateView;
use golem_cli::{Command, Format, GlobalArgs, output, profile};
use serde_json::json;
use std::path::Path;

/// Has the structure of the program `golem`: the shared commands and a command `server` whose option `--data-dir` has
/// the same name as a global option.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    #[command(flatten)]
    Shared(Command),
    Server {
        #[arg(long)]
        data_dir: Option<String>,
    },
}

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn parse(line: &str) -> Result<Program, String> {
    Program::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
}

fn worker(line: &str) -> WorkerCommand {
    match parse(&format!("golem worker {line}")).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        ProgramCommand::Shared(Command::Worker(command)) => command,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn the_arguments_are_consistent() {
    Program::command().debug_assert();
}

#[test]
fn global_options_stand_before_or_after_the_command() {
    for line in [
        "golem -F json -u http://h:1 -T secret worker get -t x -w y",
        "golem worker get -t x -w y --format json --base-url http://h:1 --auth-token secret",
        "golem worker -F json get -t x -w y -T secret -u http://h:1",
    ] {
        let global = parse(line).unwrap().global;
        assert_eq!(global.format, Format::Json, "{line}");
        assert_eq!(global.base_url, "http://h:1", "{line}");
        assert_eq!(global.auth_token.as_deref(), Some("secret"), "{line}");
        assert!(!format!("{global:?}").contains("secret"), "a token must not be printed");
    }
}

#[test]
fn the_data_dir_option_of_the_server_is_separate_from_the_global_one() {
    let program = parse("golem server --data-dir here").unwrap();
    assert!(matches!(program.command, ProgramCommand::Server { data_dir: Some(dir) } if dir == "here"));
}

#[test]
fn templates_are_selected_by_id_or_by_name() {
    for good in [
        format!("golem template get -C {ID}"),
        format!("golem template update --template-id {ID} file.wasm"),
        "golem template get -t name".to_owned(),
        format!("golem template get -t name -P {ID}"),
        "golem template get -t name --project-name p --version 2".to_owned(),
        "golem template list".to_owned(),
        "golem template add -t name file.wasm".to_owned(),
        "golem template add --template-name name -".to_owned(),
    ] {
        assert!(parse(&good).is_ok(), "{good}: {:?}", parse(&good));
    }
    for (bad, part) in [
        ("golem template get".to_owned(), "--template-id"),
        (format!("golem template get -C {ID} -t name"), "cannot be used with"),
        (format!("golem template get -C {ID} -p project"), "cannot be used with"),
        (format!("golem template list -P {ID} -p project"), "cannot be used with"),
        ("golem template get -C 7".to_owned(), "invalid value '7'"),
        ("golem template add file.wasm".to_owned(), "--template-name"),
        ("golem worker get -t x -w a.b".to_owned(), "Invalid worker name \"a.b\""),
        ("golem worker get -t x".to_owned(), "--worker-name"),
        ("golem worker add -t x -w y -e NOVALUE".to_owned(), "a variable is written as NAME=VALUE"),
        ("golem worker complete -t x -w y --oplog-idx 1".to_owned(), "--data"),
        (
            "golem worker complete -t x -w y --oplog-idx 1 --data a --data-base64 YQ==".to_owned(),
            "cannot be used with",
        ),
        ("golem worker complete -t x -w y --oplog-idx -1 --data a".to_owned(), "-1"),
    ] {
        let error = parse(&bad).expect_err("the arguments should be rejected");
        assert!(error.contains(part), "{bad}: {error}");
    }
}

#[test]
fn the_account_and_project_commands_of_2023_are_accepted() {
    for good in [
        "account get",
        "account --account-id {} get",
        "account -A {} update -n Ada --account-email ada@example.com",
        "account new -n Ada -e ada@example.com",
        "account add --account-name Ada -e ada@example.com",
        "account delete",
        "account grant get",
        "account -A {} grant add Admin",
        "account -A {} grant delete WhitelistAdmin",
        "token list",
        "token -A {} add --expires-at 2030-01-01T00:00:00Z",
        "token add",
        "token delete {}",
        "project add -p name -t text",
        "project add --project-name name",
        "project list",
        "project list -p name",
        "project get-default",
        "project-policy add --project-policy-name p ViewTemplate UpdateWorker",
        "project-policy add --project-policy-name p ViewComponent UpdateInstance",
        "project-policy get {}",
        "share -P {} --recipient-account-id {} --project-policy-id {}",
        "share -p name --recipient-account-id {} -A ViewTemplate UpdateWorker",
        "share --recipient-account-id {} --project-actions ViewTemplate",
    ] {
        let line = format!("golem {}", good.replace("{}", ID));
        assert!(parse(&line).is_ok(), "{line}: {:?}", parse(&line));
    }
    for (bad, part) in [
        ("account -A me get", "invalid value 'me'"),
        ("account new -n Ada", "--account-email"),
        ("account grant add Root", "\"Root\" is not a role; the roles are Admin"),
        ("token add --expires-at tomorrow", "is not a time"),
        ("project-policy add --project-policy-name p", "ACTION"),
        (
            "project-policy add --project-policy-name p Fly",
            "\"Fly\" is not an action; the actions are ViewTemplate",
        ),
        ("share --recipient-account-id {}", "--project-policy-id"),
        ("share --recipient-account-id {} --project-policy-id {} -A ViewTemplate", "cannot be used with"),
    ] {
        let line = format!("golem {}", bad.replace("{}", ID));
        let error = parse(&line).expect_err("the arguments should be rejected");
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn workers_have_environment_variables_and_arguments() {
    let WorkerCommand::Add { env, args, .. } = worker("add -t x -w y -e A=1 --env B=x=y -- --flag z") else {
        panic!("the command should be `worker add`")
    };
    assert_eq!(env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x=y".to_owned())]);
    assert_eq!(args, ["--flag", "z"]);
}

#[test]
fn parameters_are_json() {
    let invoke = |line: &str| match worker(line) {
        WorkerCommand::InvokeAndAwait { invoke, invocation_key, stdio, .. } => {
            (invoke, invocation_key, stdio)
        }
        other => panic!("{other:?}"),
    };
    let (args, key, stdio) = invoke("invoke-and-await -t x -w y -f a:b/c/d -j [1,{\"x\":null}] -k K -s");
    assert_eq!(args.function, "a:b/c/d");
    assert_eq!(args.params().unwrap(), json!([1, {"x": null}]));
    assert_eq!(key.as_deref(), Some("K"));
    assert!(stdio.use_stdio);
    let (args, key, _) = invoke("invoke-and-await -t x -w y -f f");
    assert_eq!(args.params().unwrap(), json!([]));
    assert_eq!(key, None);
    let (args, _, _) = invoke("invoke-and-await -t x -w y -f f -j [1");
    assert!(args.params().unwrap_err().report().starts_with("--parameters is not JSON"));
}

#[test]
fn promises_are_completed_with_text_base64_or_a_file() {
    let data = |rest: &str| match worker(&format!("complete -t x -w y --oplog-idx 7 {rest}")) {
        WorkerCommand::Complete { oplog_idx: 7, data, .. } => data.bytes(),
        other => panic!("{other:?}"),
    };
    assert_eq!(data("--data -5").unwrap(), b"-5");
    assert_eq!(data("--data-base64 AP8=").unwrap(), [0, 255]);
    assert!(data("--data-base64 ?").unwrap_err().report().starts_with("--data-base64 is not base64"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, [1, 2]).unwrap();
    assert_eq!(data(&format!("--data-file {}", file.display())).unwrap(), [1, 2]);
    let error = data("--data-file /no/such/file").unwrap_err().report();
    assert!(error.starts_with("cannot read /no/such/file: "), "{error}");
}

fn global(token: Option<&str>, data_dir: Option<&Path>, config: Option<&Path>) -> GlobalArgs {
    GlobalArgs {
        base_url: BASE_URL_DEFAULT.to_owned(),
        auth_token: token.map(str::to_owned),
        data_dir: data_dir.map(|dir| dir.display().to_string()),
        config_directory: config.map(Path::to_owned),
        format: Format::Yaml,
        allow_insecure: false,
        verbose: 0,
        quiet: 0,
    }
}

#[test]
fn token_sources_are_tried_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config, home) =
        (folder.path().join("data"), folder.path().join("config"), folder.path().join("home"));
    for dir in [&data, &config, &home.join(".golem")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    let stored =
        |secret: &str| format!(r#"{{"data":{{"id":"{ID}","accountId":"some-account"}},"secret":{secret}}}"#);
    let token = |global: &GlobalArgs| profile::token(global, Some(&home)).map_err(|error| error.report());

    let error = token(&global(None, None, None)).unwrap_err();
    assert!(error.starts_with("no token: pass one with --auth-token"), "{error}");
    std::fs::write(home.join(".golem/cloud_authentication.json"), stored("\"of-home\"")).unwrap();
    assert_eq!(token(&global(None, None, None)).as_deref(), Ok("of-home"));
    std::fs::write(config.join("cloud_authentication.json"), stored("{\"value\":\"of-config\"}")).unwrap();
    assert_eq!(token(&global(None, None, Some(&config))).as_deref(), Ok("of-config"));
    let error = token(&global(None, Some(&data), Some(&config))).unwrap_err();
    assert!(error.starts_with("no token in ") && error.contains("root-token"), "{error}");
    std::fs::write(data.join("root-token"), "of-server\n").unwrap();
    assert_eq!(token(&global(None, Some(&data), Some(&config))).as_deref(), Ok("of-server"));
    assert_eq!(token(&global(Some("given"), Some(&data), Some(&config))).as_deref(), Ok("given"));
    std::fs::write(config.join("cloud_authentication.json"), "{").unwrap();
    let error = token(&global(None, None, Some(&config))).unwrap_err();
    assert!(error.contains("does not contain a stored token"), "{error}");
}

fn printed(format: Format, result: &impl serde::Serialize) -> String {
    let mut out = Vec::new();
    output::print(&mut out, format, result).expect("writing to memory cannot fail");
    String::from_utf8(out).expect("the output is text")
}

#[test]
fn results_are_printed_as_yaml_or_json() {
    let result = json!([{"name": "G1000 Pro", "price": 1.5}, null]);
    assert_eq!(printed(Format::Yaml, &result), "- name: G1000 Pro\n  price: 1.5\n- null\n");
    assert_eq!(
        printed(Format::Json, &result),
        "[\n  {\n    \"name\": \"G1000 Pro\",\n    \"price\": 1.5\n  },\n  null\n]\n"
    );
    assert_eq!(printed(Format::Yaml, &json!([3])), "- 3\n");
    assert_eq!(printed(Format::Yaml, &"Invoked"), "Invoked\n");
    assert_eq!(printed(Format::Json, &"Invoked"), "\"Invoked\"\n");
}

#[test]
fn a_template_is_printed_with_its_functions() {
    let id = json!({"rawTemplateId": ID, "version": 2});
    let template = serde_json::from_value(json!({
        "versionedTemplateId": id,
        "userTemplateId": {"versionedComponentId": id},
        "protectedTemplateId": {"versionedComponentId": id},
        "templateName": {"value": "cart"},
        "templateSize": 1234,
        "metadata": {"exports": [
            {"Instance": {"name": "golem:cart/api", "functions": [
                {"name": "add", "parameters": [
                    {"name": "item", "tpe": {"Record": [["id", {"Str": {}}], ["n", {"Option": {"U32": {}}}]]}},
                    {"name": "tags", "tpe": {"List": {"Chr": {}}}},
                ], "results": []},
                {"name": "checkout", "parameters": [], "results": [
                    {"name": null, "tpe": {"Result": [{"Tuple": [{"F64": {}}, {"Bool": {}}]}, null]}},
                ]},
            ]}},
            {"Function": {"name": "run", "parameters": [], "results": [
                {"name": "a", "tpe": {"Variant": [["x", null], ["y", {"U8": {}}]]}},
                {"name": "b", "tpe": {"Flags": ["p", "q"]}},
            ]}},
        ], "producers": []},
        "projectId": ID,
    }))
    .unwrap();
    let expected = format!(
        "template_id: {ID}
template_version: 2
template_name: cart
template_size: 1234
exports:
- 'golem:cart/api/add(item: {{id: str, n: u32?}}, tags: [chr]) => ()'
- golem:cart/api/checkout() => result((f64, bool), ())
- 'run() => a: variant(x: (), y: u8), b: flags(p, q)'
"
    );
    assert_eq!(printed(Format::Yaml, &TemplateView::from(&template)), expected);
}

#[test]
fn a_missing_file_is_an_error_before_any_request() {
    let ProgramCommand::Shared(command @ Command::Template(TemplateCommand::Add { .. })) =
        parse("golem template add -t x /no/such/file.wasm").unwrap().command
    else {
        panic!("the command should be `template add`")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut out = Vec::new();
    let result = runtime.block_on(golem_cli::execute(&global(Some("t"), None, None), command, &mut out));
    let error = result.unwrap_err().report();
    assert!(error.starts_with("cannot read /no/such/file.wasm: "), "{error}");
    assert_eq!(out, b"");
}

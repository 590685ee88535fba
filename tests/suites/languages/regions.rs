//! A failure leaves an atomic region and is handled outside of it, in every language: as an exception, a panic or an
//! error value. The server is killed in the code after the region, which must not be repeated.
//!
//! Regression: an exception left the region open in Python, JavaScript and Go, and a crash repeated what followed it.

use crate::golem;
use golem_tests::rest::{Api, Key, invocation, result_of};
use golem_tests::server::ServerOptions;
use golem_tests::wait;
use serde_json::{Value, json};
use std::path::Path;

/// The interface of the programs. A Rust project has none, because the guest library generates it.
const WIT: &str = include_str!("regions/world.wit");
/// How long the worker pauses after the first of two steps. It must be long enough to kill the server meanwhile, and
/// short enough that the worker stays in memory.
const PAUSE_MS: u32 = 3_000;

/// Defines a test for each language, with its program and where the program is in a project.
macro_rules! programs {
    ($($test:ident: $language:literal, $program:literal, $path:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            a_failure_ends_the_region($language, include_str!(concat!("regions/", $program)), $path).await;
        }
    )*};
}

programs! {
    regions_in_c: "c", "main.c", "src/cart.c";
    regions_in_cpp: "cpp", "main.cpp", "src/cart.cpp";
    regions_in_go: "go", "api.go", "export_acme_regions_api/cart.go";
    regions_in_javascript: "javascript", "main.js", "src/main.js";
    regions_in_python: "python", "app.py", "src/app.py";
    regions_in_rust: "rust", "lib.rs", "src/lib.rs";
    regions_in_zig: "zig", "main.zig", "src/main.zig";
}

/// Creates a project, replaces its interface and program, and builds it; returns its component.
fn build(folder: &Path, language: &str, program: &str, path: &str) -> Vec<u8> {
    let run = |args: &[&str]| golem(folder, args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    run(&["new", "--lang", language, "--package-name", "acme:regions", "regions"]);
    let project = folder.join("regions");
    assert!(project.join(path).is_file(), "{path} is the program of a new project in {language}");
    std::fs::write(project.join(path), program).unwrap();
    if project.join("wit").is_dir() {
        std::fs::write(project.join("wit/world.wit"), WIT).unwrap();
    }
    let built = run(&["build", "--dir", "regions"]);
    std::fs::read(folder.join(built["component"].as_str().unwrap())).unwrap()
}

/// The number that the worker counts, read by another worker, because it is busy itself.
async fn count(api: &mut Api, template: &str) -> Value {
    api.invoke(template, "reader", "acme:regions/api/count", &json!(["steps"])).await
}

async fn a_failure_ends_the_region(language: &str, program: &str, path: &str) {
    let folder = tempfile::tempdir().unwrap();
    let wasm = build(folder.path(), language, program, path);
    let options = ServerOptions::new(folder.path().join("data")).set("log=warn");
    let server = options.start().await;
    let mut api = server.api();
    let template = api.upload(language, &wasm).await;
    assert_eq!(count(&mut api, &template).await, json!(0));

    let caught = |operation: &str| {
        let (function, params) = ("acme:regions/api/caught", json!(["steps", PAUSE_MS]));
        invocation(operation, &template, "w", function, &params, &Key::Idempotency("once".to_owned()))
    };
    api.ok(caught("invoke")).await;
    wait::until("the worker is behind its region", || {
        let mut api = server.api();
        let template = &template;
        async move { (count(&mut api, template).await == json!(1)).then_some(()) }
    })
    .await;
    server.kill().await;

    let server = options.start().await;
    let mut api = server.api();
    assert_eq!(result_of(&api.ok(caught("invoke-and-await")).await), json!("the service did not answer"));
    assert_eq!(count(&mut api, &template).await, json!(2), "the steps after the region happen once");
    assert!(server.stop().await.success());
}

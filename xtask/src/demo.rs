//! `demo`: deploys an example, calls it, kills the server, and calls the example again. Every command is printed as a
//! user would type it.
//!
//! Invariant: a wrong value fails the demo, because the demo is also a stage of `cargo xtask test`.

mod server;

use crate::tree::Tree;
use crate::{guests, optimised, shell};
use anyhow::{Context, bail};
use server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;

const TEMPLATE: &str = "counter";
const WORKER: &str = "first";
const FUNCTION: &str = "golem:counter/api/increment";

/// Runs the demo. With `keep`, the server keeps running at the end.
pub(crate) fn run(tree: &Tree, keep: bool) -> anyhow::Result<()> {
    println!("-- Build the server, the command line and the example.");
    optimised::build_programs(tree)?;
    guests::build_named(tree, "examples/counter")?;

    let data = DataDir::new()?;
    println!("\n-- Start the server on an empty folder.");
    println!("$ export PATH={}:$PATH", tree.optimised().display());
    let server = Server::start(tree, &data.path, "127.0.0.1:0")?;
    let golem = Cli { tree, url: server.url.clone(), data: data.path.clone() };
    println!("$ export GOLEM_BASE_URL={} GOLEM_DATA_DIR={}", golem.url, golem.data.display());

    println!("\n-- Deploy the example and call it three times. The first call creates the worker.");
    let component = tree.components().join("counter.wasm");
    golem.run(&["template", "add", "--template-name", TEMPLATE, &component.to_string_lossy()])?;
    for expected in 1..=3 {
        golem.increment(expected)?;
    }

    println!("\n-- Kill the server with SIGKILL: it cannot flush anything.");
    let address = server.address()?;
    server.kill()?;

    println!("\n-- Start it again on the same folder, and call again.");
    let server = Server::start(tree, &data.path, &address)?;
    let golem = Cli { tree, url: server.url.clone(), data: data.path.clone() };
    golem.increment(4)?;

    println!("\nthe worker survived");
    if keep {
        println!(
            "\nThe server keeps running on {}; its data and root-token are in {}.",
            server.url,
            data.path.display()
        );
        println!("Stop it with `kill {}`.", server.id());
        server.leave_running();
        data.keep();
    }
    Ok(())
}

/// The command-line client, configured for the demo's server.
struct Cli<'a> {
    tree: &'a Tree,
    url: String,
    data: PathBuf,
}

impl Cli<'_> {
    fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(self.tree.optimised().join("golem"));
        command.current_dir(&self.tree.root).args(args);
        println!("$ {}", shell::as_typed(&command));
        command.env("GOLEM_BASE_URL", &self.url).env("GOLEM_DATA_DIR", &self.data);
        // A token from the developer's own environment belongs to another server.
        command.env_remove("GOLEM_AUTH_TOKEN");
        let text = shell::output(&mut command)?;
        println!("{}", text.trim_end());
        Ok(text)
    }

    fn increment(&self, expected: u64) -> anyhow::Result<()> {
        let text = self.run(&[
            "--format",
            "json",
            "worker",
            "invoke-and-await",
            "--template-name",
            TEMPLATE,
            "--worker-name",
            WORKER,
            "--function",
            FUNCTION,
            "--parameters",
            "[]",
        ])?;
        let value: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", text.trim()))?;
        if value != serde_json::json!([expected]) {
            bail!("the counter answered {value} instead of [{expected}]");
        }
        Ok(())
    }
}

/// A new data folder for each run. It is removed at the end unless it is kept.
struct DataDir {
    path: PathBuf,
    keep: bool,
}

impl DataDir {
    fn new() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for number in 0..1_000 {
            let path = parent.join(format!("golem-demo-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, keep: false }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
            }
        }
        bail!("cannot find a free name for a folder in {}", parent.display())
    }

    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        eprintln!("warning: cannot remove {}: {error}", path.display());
    }
}

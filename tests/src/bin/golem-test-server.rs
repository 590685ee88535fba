//! The real server, with faults to choose from: what the negative controls and the fault suites run.
//!
//! `golem-test-server [--control NAME] [--disk FAULT] server …`; everything after `server` is as for `golem server`.

use anyhow::{Context, bail};
use clap::Parser;
use golem_runtime::app::Seams;
use golem_runtime::config::ServerArgs;
use golem_runtime::executor::IdempotencyLookup;
use golem_tests::late::LateStore;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Parser)]
#[command(name = "golem-test-server server")]
struct Server {
    #[command(flatten)]
    args: ServerArgs,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut seams = Seams::default();
    let mut words = std::env::args();
    words.next();
    loop {
        let word = words.next().context("the word `server` is missing")?;
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "server" => break,
            "--control" => control(&value()?, &mut seams)?,
            other => bail!("`{other}` is not understood"),
        }
    }
    let server = Server::parse_from(std::iter::once("golem-test-server".to_owned()).chain(words));
    golem_runtime::serve::run(&server.args, std::env::vars_os(), seams)
}

/// One thing that durability rests on, taken away.
fn control(name: &str, seams: &mut Seams) -> anyhow::Result<()> {
    match name {
        "reply-before-commit" => seams.wrap_store = Some(Box::new(|store| Arc::new(LateStore::new(store)))),
        "no-idempotency" => seams.idempotency = IdempotencyLookup::Disabled,
        other => bail!("there is no control `{other}`"),
    }
    Ok(())
}

//! The real server, with faults to choose from: what the negative controls and the fault suites run.
//!
//! `golem-test-server [--control NAME | --disk] server …`; everything after `server` is as for `golem server`.
//!
//! A control takes away one thing that durability rests on, for good. With `--disk` the server's disk is well at first,
//! and does as it is told by lines on standard input (`full`, `failing`, `well`); each is confirmed on standard output.

#![expect(clippy::print_stdout, reason = "its output is read by the harness")]

use anyhow::{Context, bail};
use clap::Parser;
use golem_runtime::app::Overrides;
use golem_runtime::config::ServerArgs;
use golem_runtime::executor::IdempotencyLookup;
use golem_tests::late::LateStore;
use golem_tests::vfs::{self, Disk, Mode};
use std::process::ExitCode;
use std::sync::Arc;

/// The name under which SQLite finds our disk.
const DISK: &str = "golem-test-disk";

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
            eprintln!("golem: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut seams = Overrides::default();
    let mut words = std::env::args();
    words.next();
    loop {
        match words.next().context("the word `server` is missing")?.as_str() {
            "server" => break,
            "--control" => control(&words.next().context("--control needs a name")?, &mut seams)?,
            "--disk" => {
                let disk = disk(Mode::default(), &mut seams);
                std::thread::spawn(move || obey(disk));
            }
            other => bail!("`{other}` is not understood"),
        }
    }
    let server = Server::parse_from(std::iter::once("golem-test-server".to_owned()).chain(words));
    golem_runtime::serve::run(&server.args, std::env::vars_os(), seams)
}

/// One thing that durability rests on, taken away.
fn control(name: &str, seams: &mut Overrides) -> anyhow::Result<()> {
    match name {
        "reply-before-commit" => seams.wrap_store = Some(Box::new(|store| Arc::new(LateStore::new(store)))),
        "drop-syncs" => {
            disk(Mode { syncs_dropped: true, ..Mode::default() }, seams);
        }
        "no-idempotency" => seams.idempotency = IdempotencyLookup::Disabled,
        other => bail!("there is no control `{other}`"),
    }
    Ok(())
}

fn disk(mode: Mode, seams: &mut Overrides) -> &'static Disk {
    seams.vfs = Some(DISK.to_owned());
    vfs::register(DISK, mode)
}

/// Does to the disk what standard input says.
fn obey(disk: &Disk) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let mode = match line.as_str() {
            "well" => Mode::default(),
            "full" => Mode { bytes_left: Some(0), ..Mode::default() },
            "failing" => Mode { sync_failing: Some(1), ..Mode::default() },
            other => {
                eprintln!("the disk cannot be `{other}`");
                continue;
            }
        };
        disk.set_mode(mode);
        println!("the disk is {line}");
    }
}

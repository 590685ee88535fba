//! The real server with selectable faults. The suites `controls`, `end_to_end` and `write_faults` run it.
//!
//! Usage: `golem-test-server [--control NAME | --disk | --files none | --files FAULT] server …`. The arguments after
//! `server` are those of `golem server`.
//!
//! A control removes one condition of durability for the whole run. With `--disk` the server's disk has no faults at
//! first. Lines on standard input (`full`, `failing`, `well`) change its state; each change is confirmed on standard
//! output. With `--files`, operations on the files of the data folder are counted, and the fault, such as `kill@17`,
//! happens at that operation. The line `count` prints their number and whether the fault has happened. The line
//! `power-cut` ends the server as a power cut does; with a number, a part of the unsynced changes survives.

#![expect(clippy::print_stdout, reason = "the harness reads its output")]

mod files;

use anyhow::{Context, bail};
use clap::Parser;
use golem_runtime::app::Overrides;
use golem_runtime::config::ServerArgs;
use golem_runtime::executor::Deduplication;
use golem_tests::early_ack::EarlyAck;
use golem_tests::file_faults::FileFaults;
use golem_tests::vfs::{self, Disk, DiskFaults};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The name of the simulated disk in SQLite.
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
    let mut overrides = Overrides::default();
    let mut faults_of_files = None;
    let mut words = std::env::args();
    words.next();
    loop {
        match words.next().context("the word `server` is missing")?.as_str() {
            "server" => break,
            "--control" => apply_control(&words.next().context("--control needs a name")?, &mut overrides)?,
            "--disk" => {
                let disk = register_disk(DiskFaults::default(), &mut overrides);
                std::thread::spawn(move || follow_commands(disk));
            }
            "--files" => {
                let fault = words.next().context("--files needs a fault, or none")?;
                let fault =
                    if fault == "none" { None } else { Some(fault.parse().map_err(anyhow::Error::msg)?) };
                faults_of_files = Some(fault);
            }
            other => bail!("unknown argument `{other}`; use --control NAME, --disk, --files FAULT or server"),
        }
    }
    let server = Server::parse_from(std::iter::once("golem-test-server".to_owned()).chain(words));
    if let Some(fault) = faults_of_files {
        let folder = PathBuf::from(server.args.data_dir.clone().context("--files needs --data-dir")?);
        let kept = folder.with_extension("kept");
        files::watch(FileFaults::new(folder, kept, fault)?);
        std::thread::spawn(follow_file_commands);
    }
    golem_runtime::serve::run(&server.args, std::env::vars_os(), overrides)
}

/// Removes one condition of durability.
fn apply_control(name: &str, overrides: &mut Overrides) -> anyhow::Result<()> {
    match name {
        "reply-before-commit" => {
            overrides.wrap_store = Some(Box::new(|store| Arc::new(EarlyAck::wrap(store))));
        }
        "drop-syncs" => {
            register_disk(DiskFaults { syncs_dropped: true, ..DiskFaults::default() }, overrides);
        }
        "no-idempotency" => overrides.idempotency = Deduplication::Disabled,
        other => {
            bail!("there is no control `{other}`; use reply-before-commit, drop-syncs or no-idempotency")
        }
    }
    Ok(())
}

fn register_disk(faults: DiskFaults, overrides: &mut Overrides) -> &'static Disk {
    overrides.vfs = Some(DISK.to_owned());
    vfs::register(DISK, faults)
}

/// Reads states of the disk from standard input and applies them.
fn follow_commands(disk: &Disk) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let faults = match line.as_str() {
            "well" => DiskFaults::default(),
            "full" => DiskFaults { bytes_left: Some(0), ..DiskFaults::default() },
            "failing" => DiskFaults { sync_failing: Some(1), ..DiskFaults::default() },
            other => {
                eprintln!("unknown state of the disk `{other}`; use well, full or failing");
                continue;
            }
        };
        disk.set_faults(faults);
        println!("the disk is {line}");
    }
}

/// Reads commands about the files of the data folder from standard input.
fn follow_file_commands() {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "count" => {
                let (operations, happened) = files::progress();
                println!("operations on files: {operations} {happened}");
            }
            "power-cut" => files::cut_power(None),
            other => match other.strip_prefix("power-cut ").map(str::parse) {
                Some(Ok(seed)) => files::cut_power(Some(seed)),
                _ => eprintln!("unknown command `{other}`; use count, power-cut or power-cut SEED"),
            },
        }
    }
}

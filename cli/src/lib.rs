//! The Golem command line: commands that talk to a server over REST.
//!
//! | module | is |
//! |---|---|
//! | [`args`] | global options and the options that several commands share |
//! | [`command`] | a file per noun: what its commands take and do |
//! | [`guest`] | guest projects: their manifest, generated files, compilers |
//! | [`profile`] | which server, and with which token |
//! | `login` | getting a token where there is none |
//! | [`output`] | how results look |
//! | [`error`] | how errors look |
//!
//! Two programs are made of it: `golem-cli`, which is nothing else, and `golem`, which puts the same commands beside
//! `server`. A program flattens [`Global`] and [`Command`] into its own arguments and calls [`run`].
//!
//! Invariant: results go to `out`, which is standard output, and nothing else does; everything else goes to standard
//! error. Architecture invariant: no engine, no store, no private endpoint: what the command line can do, every
//! client can.

pub mod args;
pub mod command;
pub mod error;
pub mod guest;
mod login;
pub mod output;
pub mod profile;

pub use args::{Format, Global};
pub use command::Command;
pub use error::CliError;

use command::Context;
use std::io::Write;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Carries out `command`, writes its result to `out` and an error to standard error.
pub async fn run(global: &Global, command: Command, out: &mut (impl Write + Send)) -> ExitCode {
    log_to_stderr(global);
    match execute(global, command, out).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough, as in `golem template list | head -1`.
        Err(CliError::WriteResult(source)) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// Carries out `command` and writes its result to `out`.
pub async fn execute(
    global: &Global,
    command: Command,
    out: &mut (impl Write + Send),
) -> Result<(), CliError> {
    if let Command::Local(command) = command {
        return command.execute(global.format, out);
    }
    let home = std::env::home_dir();
    let token = match profile::token(global, home.as_deref()) {
        Err(CliError::NoToken) => login::log_in(global, home.as_deref()).await?.ok_or(CliError::NoToken)?,
        token => token?,
    };
    let context = Context { client: profile::client(global, token)?, format: global.format };
    command.execute(&context, out).await
}

/// Logs what the command does, if asked to. Harmless if the program logs already.
fn log_to_stderr(global: &Global) {
    let level = match i16::from(global.verbose) - i16::from(global.quiet) {
        ..=-2 => LevelFilter::OFF,
        -1 => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        3.. => LevelFilter::TRACE,
    };
    drop(tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).try_init());
}

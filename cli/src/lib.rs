//! The Golem command line: commands that talk to a server over REST, and commands for guest projects.
//!
//! | module | contents |
//! |---|---|
//! | [`args`] | global options, and options that several commands share |
//! | [`command`] | the commands: one file per noun |
//! | [`guest`] | guest projects: their manifest, generated files, compilers |
//! | [`profile`] | the client for a server, and the sources of its token |
//! | `login` | device login, if no source provides a token |
//! | [`output`] | printing results |
//! | [`error`] | errors and their messages |
//!
//! Two programs use this library: `golem-cli` contains these commands only, `golem` adds the command `server`. Each
//! flattens [`GlobalArgs`] and [`Command`] into its own arguments and calls [`run`].
//!
//! Invariant: only results are written to `out`, which is standard output. Everything else goes to standard error.
//!
//! Architecture invariant: this crate contains no engine and no store, and calls no private endpoint. Every REST client
//! can do what the command line can do.

pub mod args;
pub mod command;
pub mod error;
pub mod guest;
mod login;
pub mod output;
pub mod profile;

pub use args::{Format, GlobalArgs};
pub use command::Command;
pub use error::CliError;

use command::Context;
use std::io::Write;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// Executes `command`. Writes its result to `out` and an error to standard error.
pub async fn run(global: &GlobalArgs, command: Command, out: &mut (impl Write + Send)) -> ExitCode {
    log_to_stderr(global);
    match execute(global, command, out).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe, as in `golem template list | head -1`. This is not an error.
        Err(CliError::WriteResult(source)) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

/// Executes `command` and writes its result to `out`.
pub async fn execute(
    global: &GlobalArgs,
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

/// Logs to standard error at the level that `--verbose` and `--quiet` select. Does nothing if the program has already
/// installed a logger.
fn log_to_stderr(global: &GlobalArgs) {
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

//! The program `golem-cli`: every command that only needs a server to talk to.

use clap::{Parser, Subcommand};
use golem_cli::{Command, Global};
use std::ffi::OsString;
use std::process::ExitCode;

/// Talks to a Golem server
#[derive(Debug, Parser)]
#[command(name = "golem-cli", version)]
struct Args {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    #[command(flatten)]
    Shared(Command),
    /// Where the server is: in the program `golem`
    #[command(disable_help_flag = true)]
    Server {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        server_args: Vec<OsString>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        ProgramCommand::Shared(command) => {
            golem_cli::run(&args.global, command, &mut std::io::stdout()).await
        }
        ProgramCommand::Server { .. } => {
            eprintln!(
                "golem-cli only talks to servers; the server is in the program golem: golem server --help"
            );
            ExitCode::FAILURE
        }
    }
}

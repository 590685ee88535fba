//! The program `golem-cli`: all commands of the command line, without the server.

use clap::{Parser, Subcommand};
use golem_cli::{Command, GlobalArgs};
use std::ffi::OsString;
use std::process::ExitCode;

/// Command line for Golem servers and guest projects
#[derive(Debug, Parser)]
#[command(name = "golem-cli", version)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    #[command(flatten)]
    Shared(Command),
    /// Not in this program: use `golem server`
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
                "golem-cli does not contain the server; run it with the program golem: golem server --help"
            );
            ExitCode::FAILURE
        }
    }
}

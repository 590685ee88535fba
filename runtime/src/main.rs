//! The program `golem`: the server and all commands of the command line.

use clap::{Parser, Subcommand};
use golem_cli::GlobalArgs;
use golem_runtime::app::Overrides;
use golem_runtime::config::ServerArgs;
use golem_runtime::serve;
use std::process::ExitCode;

// The server allocates and frees many small objects on all threads at the same time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Durable WebAssembly workers: the server and its command-line client
#[derive(Debug, Parser)]
#[command(name = "golem", version, propagate_version = true)]
struct Args {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server until it receives SIGTERM or SIGINT
    Server(ServerArgs),
    #[command(flatten)]
    Client(golem_cli::Command),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let failed = |error: anyhow::Error| {
        // Errors are one line and say what to do.
        eprintln!("golem: {error:#}");
        ExitCode::FAILURE
    };
    match args.command {
        Command::Server(server) => match serve::run(&server, std::env::vars_os(), Overrides::default()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(error),
        },
        Command::Client(command) => match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime.block_on(golem_cli::run(&args.global, command, &mut std::io::stdout())),
            Err(error) => failed(error.into()),
        },
    }
}

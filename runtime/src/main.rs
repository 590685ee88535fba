//! The program `golem`: the server, and every command of the command line.

use clap::Parser;
use golem_runtime::app::Seams;
use golem_runtime::config::ServerArgs;
use golem_runtime::serve;
use std::process::ExitCode;

// Requests allocate and free small pieces on all threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Durable WebAssembly workers: the server, and the commands that talk to one.
#[derive(Debug, Parser)]
#[command(name = "golem", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs the server until it is stopped by SIGTERM or SIGINT
    Server(ServerArgs),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Server(args) => match serve::run(&args, std::env::vars_os(), Seams::default()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Errors are one line, with what to do.
                eprintln!("golem: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

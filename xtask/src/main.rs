//! The developer's only commands: `cargo xtask build | guests | tools | demo | test | long | bench | sim | bless`.
//!
//! | module | is |
//! |---|---|
//! | `args` | parses the command line into an [`args::Command`] |
//! | `tree` | the paths: root, target folder, examples and test guests |
//! | `shell` | runs child processes, and prints each command as a user would type it |
//! | `optimised` | builds the programs that `build`, `demo` and `bench` use |
//! | `guests` | builds the components that the demo and the suites run |
//! | `demo` | the demo: deploy, call, kill the server, call again |
//! | `checks` | the stages of `test`; `tally` sums the counts of the test runners |
//! | `toolchains` | installs the compilers of other languages |
//! | `long`, `bench`, `simulation`, `bless` | the commands `long`, `bench`, `sim` and `bless` |
//!
//! Invariant: every command builds the host crates with the `dev` profile, and with a selection of packages that has the
//! features of the workspace (`workspace-hack`). Otherwise wasmtime would be compiled a second time.

#![expect(clippy::print_stdout, reason = "the program prints its results to standard output")]

mod args;
mod bench;
mod bless;
mod checks;
mod demo;
mod guests;
mod long;
mod optimised;
mod shell;
mod simulation;
mod tally;
mod toolchains;
mod tree;

use args::Command;
use std::process::ExitCode;
use tree::Tree;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Help => {
            println!("{}", args::USAGE);
            Ok(())
        }
        Command::Build => {
            let tree = Tree::find()?;
            optimised::build_programs(&tree)?;
            println!("export PATH={}:$PATH", tree.optimised().display());
            Ok(())
        }
        Command::Guests => guests::build(&Tree::find()?),
        Command::Tools => toolchains::install(&Tree::find()?),
        Command::Demo { keep } => demo::run(&Tree::find()?, keep),
        Command::Test { stages } => checks::run(&Tree::find()?, &stages),
        Command::ListStages => {
            checks::list();
            Ok(())
        }
        Command::Long => long::run(&Tree::find()?),
        Command::Bench { rest } => bench::run(&Tree::find()?, &rest),
        Command::Simulate { rest } => simulation::run(&Tree::find()?, &rest),
        Command::Bless => bless::run(&Tree::find()?),
    }
}

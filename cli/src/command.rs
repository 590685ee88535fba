//! The commands, a file per noun.

pub mod resolve;
pub mod template;
pub mod worker;

use crate::args::Format;
use crate::error::CliError;
use clap::Subcommand;
use golem_api::client::Client;
use std::io::Write;

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Uploaded components and their versions
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Durable workers and their invocations
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
}

/// What every command works with.
#[derive(Debug)]
pub struct Context {
    /// The server.
    pub client: Client,
    /// How results are printed.
    pub format: Format,
}

impl Command {
    /// Carries it out and writes its result to `out`.
    pub async fn execute(self, context: &Context, out: &mut (impl Write + Send)) -> Result<(), CliError> {
        match self {
            Self::Template(command) => command.execute(context, out).await,
            Self::Worker(command) => command.execute(context, out).await,
        }
    }
}

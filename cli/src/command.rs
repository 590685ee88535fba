//! The commands: one file per noun.

pub mod account;
pub mod local;
pub mod project;
pub mod resolve;
pub mod template;
pub mod token;
pub mod worker;

use crate::args::Format;
use crate::error::CliError;
use clap::Subcommand;
use golem_api::client::Client;
use std::io::Write;

/// A command of the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Uploaded components and their versions
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Durable workers and their invocations
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Accounts, their plans and roles
    Account(account::AccountCommand),
    /// Tokens of an account
    Token(token::TokenCommand),
    /// Projects, which hold templates and their workers
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Policies: named sets of actions for sharing projects
    #[command(subcommand)]
    ProjectPolicy(project::PolicyCommand),
    /// Grant another account actions in a project
    Share(project::ShareCommand),
    /// Commands for guest projects. They need no server.
    #[command(flatten)]
    Local(local::LocalCommand),
}

/// What every command that talks to a server needs.
#[derive(Debug)]
pub struct Context {
    /// The REST client of the server.
    pub client: Client,
    /// The output format of results.
    pub format: Format,
}

impl Command {
    /// Executes the command and writes its result to `out`.
    pub async fn execute(self, context: &Context, out: &mut (impl Write + Send)) -> Result<(), CliError> {
        match self {
            Self::Template(command) => command.execute(context, out).await,
            Self::Worker(command) => command.execute(context, out).await,
            Self::Account(command) => command.execute(context, out).await,
            Self::Token(command) => command.execute(context, out).await,
            Self::Project(command) => command.execute(context, out).await,
            Self::ProjectPolicy(command) => command.execute(context, out).await,
            Self::Share(command) => command.execute(context, out).await,
            Self::Local(command) => command.execute(context.format, out),
        }
    }
}

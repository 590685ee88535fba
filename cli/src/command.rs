//! The commands, a file per noun.

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

/// A command.
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
    /// Named sets of actions, to share projects with
    #[command(subcommand)]
    ProjectPolicy(project::PolicyCommand),
    /// Let another account do something in a project
    Share(project::ShareCommand),
    /// Guest projects, which need no server.
    #[command(flatten)]
    Local(local::LocalCommand),
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
            Self::Account(command) => command.execute(context, out).await,
            Self::Token(command) => command.execute(context, out).await,
            Self::Project(command) => command.execute(context, out).await,
            Self::ProjectPolicy(command) => command.execute(context, out).await,
            Self::Share(command) => command.execute(context, out).await,
            Self::Local(command) => command.execute(context.format, out),
        }
    }
}

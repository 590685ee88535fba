//! The commands `account …`.

use super::{Context, resolve};
use crate::error::CliError;
use crate::output;
use clap::{Args, Subcommand};
use golem_api::account::{AccountData, Role};
use golem_model::AccountId;
use std::io::Write;

/// Selects an account: by id, otherwise the account of the token.
#[derive(Debug, Clone, Default, Args)]
pub struct AccountArgs {
    /// Id of the account [default: the account of the token]
    #[arg(long, short = 'A', value_name = "ID")]
    pub account_id: Option<AccountId>,
}

/// The command `account`: an account and a subcommand.
#[derive(Debug, Clone, Args)]
pub struct AccountCommand {
    /// The account that the subcommand applies to.
    #[command(flatten)]
    pub account: AccountArgs,
    /// The subcommand.
    #[command(subcommand)]
    pub subcommand: AccountSubcommand,
}

/// The subcommands of `account`.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountSubcommand {
    /// Show the account
    Get,
    /// Show the limits of the account's plan
    Plan,
    /// Change name and e-mail address; an option that is absent leaves the value unchanged
    Update {
        /// The new name
        #[arg(long, short = 'n', value_name = "NAME")]
        account_name: Option<String>,
        /// The new e-mail address
        #[arg(long, short = 'e', value_name = "EMAIL")]
        account_email: Option<String>,
    },
    /// Create an account; requires the role Admin
    #[command(alias = "new")]
    Add {
        /// Name of the account
        #[arg(long, short = 'n', value_name = "NAME")]
        account_name: String,
        /// E-mail address of the account
        #[arg(long, short = 'e', value_name = "EMAIL")]
        account_email: String,
    },
    /// Delete the account with its tokens, grants and projects; the projects must have no templates
    Delete,
    /// Show, add and remove roles of the account
    #[command(subcommand)]
    Grant(RoleSubcommand),
}

/// The subcommands of `account grant`.
#[derive(Debug, Clone, Subcommand)]
pub enum RoleSubcommand {
    /// List the roles
    Get,
    /// Add a role
    Add {
        /// One of Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, CreateProject or InstanceServer
        role: Role,
    },
    /// Remove a role
    Delete {
        /// One of Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, CreateProject or InstanceServer
        role: Role,
    },
}

impl AccountCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let (client, format) = (&context.client, context.format);
        if let AccountSubcommand::Add { account_name, account_email } = self.subcommand {
            let data = AccountData { name: account_name, email: account_email, plan_id: None };
            return output::print(out, format, &client.account_create(&data).await?);
        }
        let id = resolve::account(context, &self.account).await?;
        match self.subcommand {
            AccountSubcommand::Get => output::print(out, format, &client.account_get(id).await?),
            AccountSubcommand::Plan => output::print(out, format, &client.account_plan(id).await?),
            AccountSubcommand::Update { account_name, account_email } => {
                let account = client.account_get(id).await?;
                let data = AccountData {
                    name: account_name.unwrap_or(account.name),
                    email: account_email.unwrap_or(account.email),
                    plan_id: None,
                };
                output::print(out, format, &client.account_update(id, &data).await?)
            }
            AccountSubcommand::Delete => {
                client.account_delete(id).await?;
                output::print(out, format, &"Deleted")
            }
            AccountSubcommand::Grant(RoleSubcommand::Get) => {
                output::print(out, format, &client.role_list(id).await?)
            }
            AccountSubcommand::Grant(RoleSubcommand::Add { role }) => {
                client.role_add(id, role).await?;
                output::print(out, format, &"RoleGranted")
            }
            AccountSubcommand::Grant(RoleSubcommand::Delete { role }) => {
                client.role_remove(id, role).await?;
                output::print(out, format, &"RoleRemoved")
            }
            // Handled above: `add` does not apply to an existing account.
            AccountSubcommand::Add { .. } => Ok(()),
        }
    }
}

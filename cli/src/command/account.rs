//! `account …`

use super::{Context, resolve};
use crate::error::CliError;
use crate::output;
use clap::{Args, Subcommand};
use golem_api::account::{AccountData, Role};
use golem_model::AccountId;
use std::io::Write;

/// Which account.
#[derive(Debug, Clone, Default, Args)]
pub struct AccountArgs {
    /// The account [default: that of the token]
    #[arg(long, short = 'A', value_name = "ID")]
    pub account_id: Option<AccountId>,
}

/// `account` with what it is about.
#[derive(Debug, Clone, Args)]
pub struct AccountCommand {
    /// Which account.
    #[command(flatten)]
    pub account: AccountArgs,
    /// What to do with it.
    #[command(subcommand)]
    pub subcommand: AccountSubcommand,
}

/// What can be done with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountSubcommand {
    /// Show the account
    Get,
    /// Show what the account's plan allows
    Plan,
    /// Change name and e-mail address; what is not given stays
    Update {
        /// The new name
        #[arg(long, short = 'n', value_name = "NAME")]
        account_name: Option<String>,
        /// The new e-mail address
        #[arg(long, short = 'e', value_name = "EMAIL")]
        account_email: Option<String>,
    },
    /// Make an account; this needs the role Admin
    #[command(alias = "new")]
    Add {
        /// Its name
        #[arg(long, short = 'n', value_name = "NAME")]
        account_name: String,
        /// Its e-mail address
        #[arg(long, short = 'e', value_name = "EMAIL")]
        account_email: String,
    },
    /// Delete the account with its projects, tokens and grants
    Delete,
    /// Roles of the account
    #[command(subcommand)]
    Grant(RoleSubcommand),
}

/// What can be done with an account's roles.
#[derive(Debug, Clone, Subcommand)]
pub enum RoleSubcommand {
    /// Show the roles
    Get,
    /// Give a role
    Add {
        /// Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, CreateProject or InstanceServer
        role: Role,
    },
    /// Take a role
    Delete {
        /// Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, CreateProject or InstanceServer
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
            // Done above: it is about no account that exists.
            AccountSubcommand::Add { .. } => Ok(()),
        }
    }
}

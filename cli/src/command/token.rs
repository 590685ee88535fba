//! The commands `token …`.

use super::account::AccountArgs;
use super::{Context, resolve};
use crate::error::CliError;
use crate::output;
use clap::{Args, Subcommand};
use golem_model::{Timestamp, TokenId};
use std::io::Write;

/// The command `token`: an account and a subcommand.
#[derive(Debug, Clone, Args)]
pub struct TokenCommand {
    /// The account that owns the tokens.
    #[command(flatten)]
    pub account: AccountArgs,
    /// The subcommand.
    #[command(subcommand)]
    pub subcommand: TokenSubcommand,
}

/// The subcommands of `token`.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenSubcommand {
    /// List the account's tokens, without their secrets
    List,
    /// Create a token and show its secret; the secret cannot be shown again
    Add {
        /// Time at which the token expires, as in RFC 3339
        #[arg(long, value_name = "TIME", default_value = "2100-01-01T00:00:00Z")]
        expires_at: Timestamp,
    },
    /// Revoke a token
    Delete {
        /// Id of the token
        #[arg(value_name = "UUID")]
        token: TokenId,
    },
}

impl TokenCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let (client, format) = (&context.client, context.format);
        let account = resolve::account(context, &self.account).await?;
        match self.subcommand {
            TokenSubcommand::List => output::print(out, format, &client.token_list(account).await?),
            TokenSubcommand::Add { expires_at } => {
                output::print(out, format, &client.token_create(account, expires_at).await?)
            }
            TokenSubcommand::Delete { token } => {
                client.token_delete(account, token).await?;
                output::print(out, format, &"Deleted")
            }
        }
    }
}

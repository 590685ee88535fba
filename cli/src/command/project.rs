//! The commands `project …`, `project-policy …` and `share`.

use super::{Context, resolve};
use crate::args::ProjectArgs;
use crate::error::CliError;
use crate::output;
use clap::{Args, Subcommand};
use golem_api::grant::ProjectGrantRequest;
use golem_api::policy::{ProjectAction, ProjectPolicyData};
use golem_api::project::ProjectDataRequest;
use golem_model::{AccountId, PolicyId};
use std::io::Write;

/// The subcommands of `project`.
#[derive(Debug, Clone, Subcommand)]
pub enum ProjectCommand {
    /// Create a project
    Add {
        /// Name of the project
        #[arg(long, short = 'p', value_name = "NAME")]
        project_name: String,
        /// Description of the project
        #[arg(long, short = 't', value_name = "TEXT", default_value = "", hide_default_value = true)]
        project_description: String,
    },
    /// List your projects and the projects that are shared with you
    List {
        /// List only the projects with this name
        #[arg(long, short = 'p', value_name = "NAME")]
        project_name: Option<String>,
    },
    /// Show your default project
    GetDefault,
    /// List the actions that you may perform in a project
    Actions(ProjectArgs),
    /// Delete a project that has no templates
    Delete(ProjectArgs),
}

/// The subcommands of `project-policy`.
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// Create a policy
    Add {
        /// Name of the policy
        #[arg(long, value_name = "NAME")]
        project_policy_name: String,
        /// Actions that the policy allows: ViewTemplate, CreateTemplate, UpdateTemplate, DeleteTemplate, ViewWorker,
        /// CreateWorker, UpdateWorker, DeleteWorker, ViewProjectGrants, CreateProjectGrants, DeleteProjectGrants
        #[arg(value_name = "ACTION", required = true)]
        project_actions: Vec<ProjectAction>,
    },
    /// Show a policy
    Get {
        /// Id of the policy
        #[arg(value_name = "UUID")]
        project_policy_id: PolicyId,
    },
}

/// The command `share`: grants another account actions in a project.
#[derive(Debug, Clone, Args)]
pub struct ShareCommand {
    /// The shared project.
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Id of the account that receives the grant
    #[arg(long, value_name = "ID")]
    pub recipient_account_id: AccountId,
    /// Id of the policy whose actions are granted
    #[arg(
        long,
        value_name = "UUID",
        required_unless_present = "project_actions",
        conflicts_with = "project_actions"
    )]
    pub project_policy_id: Option<PolicyId>,
    /// Actions to grant, for example ViewTemplate UpdateWorker
    #[arg(long, short = 'A', value_name = "ACTION", num_args = 1..)]
    pub project_actions: Vec<ProjectAction>,
}

impl ProjectCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let (client, format) = (&context.client, context.format);
        match self {
            Self::Add { project_name, project_description } => {
                let request = ProjectDataRequest {
                    name: project_name,
                    owner_account_id: client.token_current().await?.account_id,
                    description: project_description,
                };
                output::print(out, format, &client.project_create(&request).await?)
            }
            Self::List { project_name } => {
                output::print(out, format, &client.project_list(project_name.as_deref()).await?)
            }
            Self::GetDefault => output::print(out, format, &client.project_default().await?),
            Self::Actions(project) => {
                let id = resolve::project_or_default(context, &project).await?;
                output::print(out, format, &client.project_actions(id).await?)
            }
            Self::Delete(project) => {
                let id = resolve::project_or_default(context, &project).await?;
                client.project_delete(id).await?;
                output::print(out, format, &"Deleted")
            }
        }
    }
}

impl PolicyCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let (client, format) = (&context.client, context.format);
        match self {
            Self::Add { project_policy_name, project_actions } => {
                let data = ProjectPolicyData { name: project_policy_name, project_actions };
                output::print(out, format, &client.policy_create(&data).await?)
            }
            Self::Get { project_policy_id } => {
                output::print(out, format, &client.policy_get(project_policy_id).await?)
            }
        }
    }
}

impl ShareCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let project = resolve::project_or_default(context, &self.project).await?;
        let grantee_account_id = self.recipient_account_id;
        let request = match self.project_policy_id {
            Some(project_policy_id) => ProjectGrantRequest::Policy { grantee_account_id, project_policy_id },
            None => ProjectGrantRequest::Actions {
                grantee_account_id,
                project_actions: self.project_actions,
                project_policy_name: None,
            },
        };
        output::print(out, context.format, &context.client.grant_create(project, &request).await?)
    }
}

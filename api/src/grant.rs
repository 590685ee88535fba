//! Project grants: `/v1/projects/{id}/grants`. A grant permits the actions of a policy to another account.

use crate::compat;
use crate::policy::ProjectAction;
use golem_model as model;
use golem_model::{AccountId, GrantId, PolicyId, ProjectId};
use serde::{Deserialize, Serialize};

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectGrant {
    /// Its id.
    pub id: GrantId,
    /// The content of the grant.
    pub data: ProjectGrantData,
}

/// The content of a grant: which account may perform which actions, and in which project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectGrantData {
    /// The account that may perform the actions.
    pub grantee_account_id: AccountId,
    /// The project in which the actions are permitted.
    pub grantor_project_id: ProjectId,
    /// The policy that lists the actions.
    pub project_policy_id: PolicyId,
}

impl From<&model::Grant> for ProjectGrant {
    fn from(grant: &model::Grant) -> Self {
        Self {
            id: grant.id,
            data: ProjectGrantData {
                grantee_account_id: grant.grantee,
                grantor_project_id: grant.project,
                project_policy_id: grant.policy,
            },
        }
    }
}

/// Body of `POST /v1/projects/{id}/grants`: with a policy, or with actions for a new policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    rename_all_fields = "camelCase",
    expecting = "expected granteeAccountId with either projectPolicyId or projectActions"
)]
pub enum ProjectGrantRequest {
    /// Grant an existing policy.
    Policy {
        /// The account that may perform the actions.
        grantee_account_id: AccountId,
        /// The policy that lists the actions.
        project_policy_id: PolicyId,
    },
    /// Create a policy with these actions and grant it.
    Actions {
        /// The account that may perform the actions.
        grantee_account_id: AccountId,
        /// The actions.
        #[serde(deserialize_with = "compat::actions::deserialize")]
        project_actions: Vec<ProjectAction>,
        /// The new policy's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_policy_name: Option<String>,
    },
}

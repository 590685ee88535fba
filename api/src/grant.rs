//! Project grants: `/v1/projects/{id}/grants`, which give another account a policy's actions.

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
    /// Who gets what.
    pub data: ProjectGrantData,
}

/// Who gets what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectGrantData {
    /// Who may.
    pub grantee_account_id: AccountId,
    /// Where.
    pub grantor_project_id: ProjectId,
    /// What.
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

/// Body of `POST /v1/projects/{id}/grants`: with a policy, or with actions to make one of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    rename_all_fields = "camelCase",
    expecting = "expected granteeAccountId with either projectPolicyId or projectActions"
)]
pub enum ProjectGrantRequest {
    /// Give a policy that exists.
    Policy {
        /// Who may.
        grantee_account_id: AccountId,
        /// What.
        project_policy_id: PolicyId,
    },
    /// Make a policy of these actions and give it.
    Actions {
        /// Who may.
        grantee_account_id: AccountId,
        /// What.
        #[serde(deserialize_with = "compat::actions::deserialize")]
        project_actions: Vec<ProjectAction>,
        /// The new policy's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project_policy_name: Option<String>,
    },
}

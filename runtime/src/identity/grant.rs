//! Policies and grants, which share a project with other accounts.

use super::account::{account_not_found, check_text};
use super::authorize::Scope;
use super::directory::{Directory, IdentityError};
use super::project::project_not_found;
use super::token::Principal;
use crate::storage::ports::CatalogWrite;
use golem_model::{AccountId, ActionSet, Grant, GrantId, Policy, PolicyId, Role};
use std::sync::Arc;

/// Grants of one project, at most. Authorizing a grantee reads all its grants in the project.
const GRANTS_MAX: usize = 1_000;

/// The policy of a new grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantPolicy {
    /// An existing policy.
    Existing(PolicyId),
    /// A policy that is created with the grant.
    New {
        /// The actions that the policy allows.
        actions: ActionSet,
        /// Name of the policy; `None` derives one from the project's name.
        name: Option<String>,
    },
}

fn grant_not_found(id: GrantId) -> IdentityError {
    IdentityError::NotFound { what: "Project grant", id: id.to_string() }
}

impl Directory {
    /// A policy. It is visible to its creator, to accounts that have a grant by it, to owners of projects with such a
    /// grant, and to administrators.
    pub fn policy(&self, principal: Principal, id: PolicyId) -> Result<Arc<Policy>, IdentityError> {
        let state = self.state();
        let account = principal.account();
        let admin = state.account(account).is_some_and(|account| account.roles.contains(&Role::Admin));
        state
            .policy(id)
            .filter(|policy| policy.owner == account || admin || state.can_see_policy(account, id))
            .cloned()
            .ok_or(IdentityError::NoPolicy(id))
    }

    /// Creates a policy.
    pub async fn policy_create(
        &self,
        principal: Principal,
        name: String,
        actions: ActionSet,
    ) -> Result<Arc<Policy>, IdentityError> {
        check_text("name", &name, false)?;
        self.change(move |directory, _| {
            let policy = directory.new_policy(principal, name, actions);
            Ok((Arc::new(policy.clone()), vec![CatalogWrite::Policy(policy)]))
        })
        .await
    }

    fn new_policy(&self, principal: Principal, name: String, actions: ActionSet) -> Policy {
        Policy {
            id: PolicyId(self.entropy().uuid()),
            owner: principal.account(),
            name,
            actions,
            created_at: self.clock().now(),
        }
    }

    /// The grants of a project, oldest first.
    pub fn grants(&self, scope: &Scope) -> Vec<Arc<Grant>> {
        let mut grants: Vec<_> = self.state().grants_of(scope.project()).cloned().collect();
        grants.sort_by_key(|grant| (grant.created_at, grant.id));
        grants
    }

    /// A grant of a project.
    pub fn grant(&self, scope: &Scope, id: GrantId) -> Result<Arc<Grant>, IdentityError> {
        let of_project = |grant: &&Arc<Grant>| grant.project == scope.project();
        self.state().grant(id).filter(of_project).cloned().ok_or_else(|| grant_not_found(id))
    }

    /// Grants a policy to an account. Fails if the policy has actions that the caller does not have.
    pub async fn grant_create(
        &self,
        scope: &Scope,
        grantee: AccountId,
        grant_policy: GrantPolicy,
    ) -> Result<Arc<Grant>, IdentityError> {
        let scope = *scope;
        if let GrantPolicy::Existing(id) = &grant_policy {
            self.policy(scope.principal(), *id)?;
        }
        if let GrantPolicy::New { name: Some(name), .. } = &grant_policy {
            check_text("projectPolicyName", name, false)?;
        }
        self.change(move |directory, state| {
            let project = state.project(scope.project()).ok_or_else(|| project_not_found(scope.project()))?;
            state.account(grantee).ok_or_else(|| account_not_found(grantee))?;
            if grantee == project.owner {
                return Err(IdentityError::Invalid(
                    "Invalid granteeAccountId: the account owns the project and may do everything in it"
                        .to_owned(),
                ));
            }
            if state.grants_of(scope.project()).count() >= GRANTS_MAX {
                return Err(IdentityError::Invalid(format!(
                    "the project has {GRANTS_MAX} grants, which is the maximum; delete some"
                )));
            }
            let mut writes = Vec::new();
            let (policy, actions) = match grant_policy {
                GrantPolicy::Existing(id) => {
                    let policy = state.policy(id).ok_or(IdentityError::NoPolicy(id))?;
                    (id, policy.actions)
                }
                GrantPolicy::New { actions, name } => {
                    let name = name.unwrap_or_else(|| format!("Policy for {}", project.name));
                    let policy = directory.new_policy(scope.principal(), name, actions);
                    let id = policy.id;
                    writes.push(CatalogWrite::Policy(policy));
                    (id, actions)
                }
            };
            if actions.is_empty() {
                return Err(IdentityError::Invalid(
                    "Invalid projectActions: a grant without actions allows nothing; name at least one action"
                        .to_owned(),
                ));
            }
            let escalated = actions.without(scope.allowed_actions());
            if !escalated.is_empty() {
                return Err(IdentityError::Escalation(escalated.iter().collect()));
            }
            let grant = Grant {
                id: GrantId(directory.entropy().uuid()),
                project: scope.project(),
                grantee,
                policy,
                granted_by: scope.principal().account(),
                created_at: directory.clock().now(),
            };
            writes.push(CatalogWrite::Grant(grant.clone()));
            Ok((Arc::new(grant), writes))
        })
        .await
    }

    /// Removes a grant.
    pub async fn grant_delete(&self, scope: &Scope, id: GrantId) -> Result<(), IdentityError> {
        let project = scope.project();
        self.change(move |_, state| {
            state.grant(id).filter(|grant| grant.project == project).ok_or_else(|| grant_not_found(id))?;
            Ok(((), vec![CatalogWrite::GrantRemoved(id)]))
        })
        .await
    }
}

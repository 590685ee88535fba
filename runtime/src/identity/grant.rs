//! Policies and grants: sharing a project.

use super::account::{check_text, no_account};
use super::authorize::Scope;
use super::directory::{Directory, IdentityError};
use super::project::no_project;
use super::token::Principal;
use crate::storage::ports::CatalogWrite;
use golem_model::{AccountId, ActionSet, Grant, GrantId, Policy, PolicyId, Role};
use std::sync::Arc;

/// Grants of one project, at most. Each is read for every request of its grantee.
const GRANTS_MAX: usize = 1_000;

/// What is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A policy that exists.
    Policy(PolicyId),
    /// A policy that is made for it.
    Actions {
        /// What it allows.
        actions: ActionSet,
        /// Its name.
        name: Option<String>,
    },
}

fn no_grant(id: GrantId) -> IdentityError {
    IdentityError::NotFound { what: "Project grant", id: id.to_string() }
}

impl Directory {
    /// A policy, for who made it, who was given it, who gave it, and administrators.
    pub fn policy(&self, by: Principal, id: PolicyId) -> Result<Arc<Policy>, IdentityError> {
        let state = self.state();
        let who = by.account();
        let admin = state.account(who).is_some_and(|account| account.roles.contains(&Role::Admin));
        state
            .policy(id)
            .filter(|policy| policy.owner == who || admin || state.meets_policy(who, id))
            .cloned()
            .ok_or(IdentityError::NoPolicy(id))
    }

    /// Makes a policy.
    pub async fn policy_create(
        &self,
        by: Principal,
        name: String,
        actions: ActionSet,
    ) -> Result<Arc<Policy>, IdentityError> {
        check_text("name", &name, false)?;
        self.change(move |directory, _| {
            let policy = directory.new_policy(by, name, actions);
            Ok((Arc::new(policy.clone()), vec![CatalogWrite::Policy(policy)]))
        })
        .await
    }

    fn new_policy(&self, by: Principal, name: String, actions: ActionSet) -> Policy {
        Policy {
            id: PolicyId(self.entropy().uuid()),
            owner: by.account(),
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
        self.state().grant(id).filter(of_project).cloned().ok_or_else(|| no_grant(id))
    }

    /// Gives a policy to an account. Nobody can give what they do not have.
    pub async fn grant_create(
        &self,
        scope: &Scope,
        grantee: AccountId,
        given: Given,
    ) -> Result<Arc<Grant>, IdentityError> {
        let scope = *scope;
        if let Given::Policy(id) = &given {
            self.policy(scope.by(), *id)?;
        }
        if let Given::Actions { name: Some(name), .. } = &given {
            check_text("projectPolicyName", name, false)?;
        }
        self.change(move |directory, state| {
            let project = state.project(scope.project()).ok_or_else(|| no_project(scope.project()))?;
            state.account(grantee).ok_or_else(|| no_account(grantee))?;
            if grantee == project.owner {
                return Err(IdentityError::Invalid(
                    "Invalid granteeAccountId: the account owns the project and may do everything in it"
                        .to_owned(),
                ));
            }
            if state.grants_of(scope.project()).count() >= GRANTS_MAX {
                return Err(IdentityError::Invalid(format!(
                    "the project has {GRANTS_MAX} grants, which is as many as there can be; delete some"
                )));
            }
            let mut writes = Vec::new();
            let (policy, actions) = match given {
                Given::Policy(id) => {
                    let policy = state.policy(id).ok_or(IdentityError::NoPolicy(id))?;
                    (id, policy.actions)
                }
                Given::Actions { actions, name } => {
                    let name = name.unwrap_or_else(|| format!("Policy for {}", project.name));
                    let policy = directory.new_policy(scope.by(), name, actions);
                    let id = policy.id;
                    writes.push(CatalogWrite::Policy(policy));
                    (id, actions)
                }
            };
            if actions.is_empty() {
                return Err(IdentityError::Invalid(
                    "Invalid projectActions: a grant of nothing allows nothing; name at least one action"
                        .to_owned(),
                ));
            }
            let beyond = actions.without(scope.may());
            if !beyond.is_empty() {
                return Err(IdentityError::Escalation(beyond.iter().collect()));
            }
            let grant = Grant {
                id: GrantId(directory.entropy().uuid()),
                project: scope.project(),
                grantee,
                policy,
                granted_by: scope.by().account(),
                created_at: directory.clock().now(),
            };
            writes.push(CatalogWrite::Grant(grant.clone()));
            Ok((Arc::new(grant), writes))
        })
        .await
    }

    /// Takes a grant back.
    pub async fn grant_delete(&self, scope: &Scope, id: GrantId) -> Result<(), IdentityError> {
        let project = scope.project();
        self.change(move |_, state| {
            state.grant(id).filter(|grant| grant.project == project).ok_or_else(|| no_grant(id))?;
            Ok(((), vec![CatalogWrite::GrantRemoved(id)]))
        })
        .await
    }
}

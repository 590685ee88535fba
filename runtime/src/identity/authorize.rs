//! Authorization: one pure function of an operation, the caller's relation to its target, and the caller's roles.
//!
//! `tests/golden/authorization.txt` shows every decision. docs/rest.md says which endpoint needs which operation.
//!
//! Invariant: if the caller may do nothing at all with a target, the response says that the target does not exist.

use super::Principal;
use golem_model::{AccountId, ActionSet, Project, ProjectAction, ProjectId, Role};
use std::collections::BTreeSet;
use std::fmt;

/// An operation in a project. Names of 2023 that differ are in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See the project itself.
    ViewProject,
    /// Delete the project.
    DeleteProject,
    /// List and download templates (`ViewComponent`).
    ViewTemplate,
    /// Upload a new template (`CreateComponent`).
    CreateTemplate,
    /// Upload a new version (`UpdateComponent`).
    UpdateTemplate,
    /// Delete a template (`DeleteComponent`).
    DeleteTemplate,
    /// See workers, connect to their logs (`ViewInstance`).
    ViewWorker,
    /// Make workers (`CreateInstance`).
    CreateWorker,
    /// Invoke, interrupt and resume workers, complete their promises (`UpdateInstance`).
    UpdateWorker,
    /// Delete workers (`DeleteInstance`).
    DeleteWorker,
    /// See the grants of the project.
    ViewProjectGrants,
    /// Grant other accounts access to the project.
    CreateProjectGrants,
    /// Remove grants.
    DeleteProjectGrants,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 13] = [
        Self::ViewProject,
        Self::DeleteProject,
        Self::ViewTemplate,
        Self::CreateTemplate,
        Self::UpdateTemplate,
        Self::DeleteTemplate,
        Self::ViewWorker,
        Self::CreateWorker,
        Self::UpdateWorker,
        Self::DeleteWorker,
        Self::ViewProjectGrants,
        Self::CreateProjectGrants,
        Self::DeleteProjectGrants,
    ];

    /// The action that must be granted. `None` for `ViewProject`, which any grant allows, and for `DeleteProject`,
    /// which no grant allows.
    pub fn grantable(self) -> Option<ProjectAction> {
        Some(match self {
            Self::ViewProject | Self::DeleteProject => return None,
            Self::ViewTemplate => ProjectAction::ViewTemplate,
            Self::CreateTemplate => ProjectAction::CreateTemplate,
            Self::UpdateTemplate => ProjectAction::UpdateTemplate,
            Self::DeleteTemplate => ProjectAction::DeleteTemplate,
            Self::ViewWorker => ProjectAction::ViewWorker,
            Self::CreateWorker => ProjectAction::CreateWorker,
            Self::UpdateWorker => ProjectAction::UpdateWorker,
            Self::DeleteWorker => ProjectAction::DeleteWorker,
            Self::ViewProjectGrants => ProjectAction::ViewProjectGrants,
            Self::CreateProjectGrants => ProjectAction::CreateProjectGrants,
            Self::DeleteProjectGrants => ProjectAction::DeleteProjectGrants,
        })
    }
}

/// An operation on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountAction {
    /// See the account, its plan and its roles.
    View,
    /// Change the account's name and e-mail address.
    Update,
    /// Delete the account.
    Delete,
    /// See the account's tokens, without their secrets.
    ViewTokens,
    /// Create a token for the account.
    CreateToken,
    /// Revoke a token of the account.
    DeleteToken,
    /// See the account's remaining resources.
    ViewUsage,
    /// Add or remove a role of the account.
    ChangeRoles,
}

impl AccountAction {
    /// All operations.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Update,
        Self::Delete,
        Self::ViewTokens,
        Self::CreateToken,
        Self::DeleteToken,
        Self::ViewUsage,
        Self::ChangeRoles,
    ];
}

/// An operation on the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemAction {
    /// Create an account.
    CreateAccount,
    /// List all accounts.
    ListAccounts,
    /// Create a project for another account.
    CreateForeignProject,
    /// See the whitelist.
    ViewInvited,
    /// Change the whitelist.
    ChangeInvited,
    /// Report what accounts have used.
    ReportUsage,
}

impl SystemAction {
    /// All operations.
    pub const ALL: [Self; 6] = [
        Self::CreateAccount,
        Self::ListAccounts,
        Self::CreateForeignProject,
        Self::ViewInvited,
        Self::ChangeInvited,
        Self::ReportUsage,
    ];
}

/// Any operation that needs authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// In a project.
    Project(Action),
    /// With an account.
    Account(AccountAction),
    /// With the server.
    System(SystemAction),
}

/// Relation of the caller to the project or account that the operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relationship {
    /// The caller owns it.
    Owner,
    /// The caller has grants with these actions in the project.
    Grantee(ActionSet),
    /// None of the others.
    Stranger,
}

/// Result of [`decide`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The caller may do it.
    Allowed,
    /// The caller may know that the target exists, but may not do this with it.
    Forbidden,
    /// The caller may not know that the target exists.
    Hidden,
}

/// Decides whether a caller with this relation to the target and with these roles may do `operation`.
pub fn decide(operation: Operation, relationship: Relationship, roles: &BTreeSet<Role>) -> Decision {
    let has = |role: Role| roles.contains(&role) || roles.contains(&Role::Admin);
    let or = |allowed: bool, otherwise: Decision| if allowed { Decision::Allowed } else { otherwise };
    match operation {
        Operation::Project(action) => {
            let granted = match relationship {
                Relationship::Owner => ActionSet::ALL,
                Relationship::Grantee(actions) => actions,
                Relationship::Stranger => ActionSet::NONE,
            };
            let owner = relationship == Relationship::Owner;
            let sees = owner || !granted.is_empty() || has(Role::ViewProject) || has(Role::DeleteProject);
            let allowed = match (action, action.grantable()) {
                (_, Some(grantable)) => granted.contains(grantable) || has(Role::Admin),
                (Action::DeleteProject, None) => owner || has(Role::DeleteProject),
                (_, None) => sees,
            };
            or(allowed, if sees { Decision::Forbidden } else { Decision::Hidden })
        }
        Operation::Account(operation) => {
            let owner = relationship == Relationship::Owner;
            let sees = owner || has(Role::MarketingAdmin);
            let allowed = match operation {
                AccountAction::View => sees,
                AccountAction::Update
                | AccountAction::Delete
                | AccountAction::ViewTokens
                | AccountAction::CreateToken
                | AccountAction::DeleteToken => owner || has(Role::Admin),
                AccountAction::ViewUsage => owner || has(Role::InstanceServer),
                AccountAction::ChangeRoles => has(Role::Admin),
            };
            or(allowed, if sees { Decision::Forbidden } else { Decision::Hidden })
        }
        Operation::System(operation) => {
            let allowed = match operation {
                SystemAction::CreateAccount => has(Role::Admin),
                SystemAction::ListAccounts => has(Role::MarketingAdmin),
                SystemAction::CreateForeignProject => has(Role::CreateProject),
                SystemAction::ViewInvited | SystemAction::ChangeInvited => has(Role::WhitelistAdmin),
                SystemAction::ReportUsage => has(Role::InstanceServer),
            };
            or(allowed, Decision::Forbidden)
        }
    }
}

/// Proof that a principal may do an action in a project. Only methods of [`super::Directory`] in this file create one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    principal: Principal,
    action: Action,
    project: ProjectId,
    owner: AccountId,
    allowed_actions: ActionSet,
}

impl Scope {
    /// The authorized principal.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// The authorized action.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The project in which the action is authorized.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// The owner of the project. Everything done in the project counts as the owner's usage.
    pub fn owner(&self) -> AccountId {
        self.owner
    }

    /// All actions that the principal may do in the project.
    pub fn allowed_actions(&self) -> ActionSet {
        self.allowed_actions
    }
}

/// The principal may not do the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationError {
    /// The caller may not know that the target exists; the response must say that it does not.
    Hidden,
    /// The caller may know that the target exists; the message says what is missing.
    Forbidden(Operation),
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("not found"),
            Self::Forbidden(Operation::Project(action)) => match action.grantable() {
                Some(needed) => write!(
                    f,
                    "Forbidden: this needs the action {} in the project, which its owner can grant",
                    golem_api::policy::ProjectAction::from(needed)
                ),
                None => f.write_str("Forbidden: only the project's owner may do this"),
            },
            Self::Forbidden(Operation::Account(_)) => {
                f.write_str("Forbidden: only an account with the role Admin may do this")
            }
            Self::Forbidden(Operation::System(operation)) => {
                let role = match operation {
                    SystemAction::CreateAccount => Role::Admin,
                    SystemAction::ListAccounts => Role::MarketingAdmin,
                    SystemAction::CreateForeignProject => Role::CreateProject,
                    SystemAction::ViewInvited | SystemAction::ChangeInvited => Role::WhitelistAdmin,
                    SystemAction::ReportUsage => Role::InstanceServer,
                };
                write!(f, "Forbidden: this needs the role {role}, which an administrator can give")
            }
        }
    }
}

impl std::error::Error for AuthorizationError {}

/// [`decide`] as a `Result`.
fn require_allowed(
    operation: Operation,
    relationship: Relationship,
    roles: &BTreeSet<Role>,
) -> Result<(), AuthorizationError> {
    match decide(operation, relationship, roles) {
        Decision::Allowed => Ok(()),
        Decision::Forbidden => Err(AuthorizationError::Forbidden(operation)),
        Decision::Hidden => Err(AuthorizationError::Hidden),
    }
}

/// Proof that a principal may do an operation on an account. Only methods of [`super::Directory`] in this file create
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountScope {
    principal: Principal,
    account: AccountId,
}

impl AccountScope {
    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The authorized principal.
    pub fn principal(&self) -> Principal {
        self.principal
    }
}

/// Proof that a principal may do an operation on the server. Only methods of [`super::Directory`] in this file create
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemScope {
    principal: Principal,
    operation: SystemAction,
}

impl SystemScope {
    /// The authorized principal.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// The authorized operation.
    pub fn operation(&self) -> SystemAction {
        self.operation
    }
}

impl super::Directory {
    /// Authorizes `principal` to do `action` in `project`.
    pub fn authorize(
        &self,
        principal: Principal,
        action: Action,
        project: &Project,
    ) -> Result<Scope, AuthorizationError> {
        let account = principal.account();
        let scope = |allowed_actions| Scope {
            principal,
            action,
            project: project.id,
            owner: project.owner,
            allowed_actions,
        };
        // The most frequent case: owners use their own projects.
        if project.owner == account {
            return Ok(scope(ActionSet::ALL));
        }
        let state = self.state();
        let nothing = BTreeSet::new();
        let roles = state.account(account).map_or(&nothing, |account| &account.roles);
        let granted = state.granted_actions(account, project.id);
        require_allowed(Operation::Project(action), Relationship::Grantee(granted), roles)?;
        Ok(scope(if roles.contains(&Role::Admin) { ActionSet::ALL } else { granted }))
    }

    /// Decides whether a worker of project `caller` may do `action` in project `target`. A worker has no token: its
    /// principal is the owner account of its project.
    pub fn decide_host_call(&self, caller: ProjectId, action: Action, target: ProjectId) -> Decision {
        let state = self.state();
        let (Some(caller), Some(target)) = (state.project(caller), state.project(target)) else {
            return Decision::Hidden;
        };
        let relationship = if caller.owner == target.owner {
            Relationship::Owner
        } else {
            Relationship::Grantee(state.granted_actions(caller.owner, target.id))
        };
        let nothing = BTreeSet::new();
        let roles = state.account(caller.owner).map_or(&nothing, |account| &account.roles);
        decide(Operation::Project(action), relationship, roles)
    }

    /// Authorizes `principal` to do `operation` on `account`. Does not check that the account exists.
    pub fn authorize_account(
        &self,
        principal: Principal,
        operation: AccountAction,
        account: AccountId,
    ) -> Result<AccountScope, AuthorizationError> {
        let relationship =
            if principal.account() == account { Relationship::Owner } else { Relationship::Stranger };
        require_allowed(Operation::Account(operation), relationship, &self.roles(principal))?;
        Ok(AccountScope { principal, account })
    }

    /// Authorizes `principal` to do `operation` on the server.
    pub fn authorize_system(
        &self,
        principal: Principal,
        operation: SystemAction,
    ) -> Result<SystemScope, AuthorizationError> {
        require_allowed(Operation::System(operation), Relationship::Stranger, &self.roles(principal))?;
        Ok(SystemScope { principal, operation })
    }

    fn roles(&self, principal: Principal) -> BTreeSet<Role> {
        self.state().account(principal.account()).map(|account| account.roles.clone()).unwrap_or_default()
    }
}

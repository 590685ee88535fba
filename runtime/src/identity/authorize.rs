//! Decisions: one pure function of what somebody wants to do, how they stand to the thing, and their roles.
//!
//! `tests/golden/authorization.txt` shows every answer; docs/rest.md says which endpoint wants which act.
//!
//! Invariant: who may do nothing at all with a thing is told that it does not exist.

use super::Principal;
use golem_model::{AccountId, ActionSet, Project, ProjectAction, ProjectId, Role};
use std::collections::BTreeSet;
use std::fmt;

/// What one can do in a project. The names of 2023 are in parentheses where they differ.
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
    /// See who may do what.
    ViewProjectGrants,
    /// Allow others.
    CreateProjectGrants,
    /// No longer allow others.
    DeleteProjectGrants,
}

impl Action {
    /// All of them.
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

    /// What must have been granted for it. To see a project, any grant does; to delete one, none.
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

/// What one can do with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountAct {
    /// See it, its plan and its roles.
    View,
    /// Change its name and e-mail address.
    Update,
    /// Delete it.
    Delete,
    /// See its tokens, without their secrets.
    ViewTokens,
    /// Make a token for it.
    CreateToken,
    /// Revoke a token of it.
    DeleteToken,
    /// See what it has left.
    ViewUsage,
    /// Give it a role, or take one.
    ChangeRoles,
}

impl AccountAct {
    /// All of them.
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

/// What one can do with the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemAct {
    /// Make an account.
    CreateAccount,
    /// List all accounts.
    ListAccounts,
    /// Make a project for another account.
    CreateForeignProject,
    /// See who may log in for a first time.
    ViewInvited,
    /// Say who may log in for a first time.
    ChangeInvited,
    /// Write down what accounts have used.
    ReportUsage,
}

impl SystemAct {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CreateAccount,
        Self::ListAccounts,
        Self::CreateForeignProject,
        Self::ViewInvited,
        Self::ChangeInvited,
        Self::ReportUsage,
    ];
}

/// Everything that somebody can want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// In a project.
    Project(Action),
    /// With an account.
    Account(AccountAct),
    /// With the server.
    System(SystemAct),
}

/// How somebody stands to the project or account that they want to do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is theirs.
    Owner,
    /// They were granted this in the project.
    Grantee(ActionSet),
    /// It is another's, or nobody's.
    Stranger,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Allowed,
    /// They may know that the thing exists, but not do this.
    Forbidden,
    /// They may not know that the thing exists.
    Hidden,
}

/// Whether `act` is allowed to who stands so to the thing and has these roles.
pub fn decide(act: Act, standing: Standing, roles: &BTreeSet<Role>) -> Decision {
    let has = |role: Role| roles.contains(&role) || roles.contains(&Role::Admin);
    let or = |allowed: bool, otherwise: Decision| if allowed { Decision::Allowed } else { otherwise };
    match act {
        Act::Project(action) => {
            let granted = match standing {
                Standing::Owner => ActionSet::ALL,
                Standing::Grantee(actions) => actions,
                Standing::Stranger => ActionSet::NONE,
            };
            let owner = standing == Standing::Owner;
            let sees = owner || !granted.is_empty() || has(Role::ViewProject) || has(Role::DeleteProject);
            let allowed = match (action, action.grantable()) {
                (_, Some(grantable)) => granted.contains(grantable) || has(Role::Admin),
                (Action::DeleteProject, None) => owner || has(Role::DeleteProject),
                (_, None) => sees,
            };
            or(allowed, if sees { Decision::Forbidden } else { Decision::Hidden })
        }
        Act::Account(act) => {
            let owner = standing == Standing::Owner;
            let sees = owner || has(Role::MarketingAdmin);
            let allowed = match act {
                AccountAct::View => sees,
                AccountAct::Update
                | AccountAct::Delete
                | AccountAct::ViewTokens
                | AccountAct::CreateToken
                | AccountAct::DeleteToken => owner || has(Role::Admin),
                AccountAct::ViewUsage => owner || has(Role::InstanceServer),
                AccountAct::ChangeRoles => has(Role::Admin),
            };
            or(allowed, if sees { Decision::Forbidden } else { Decision::Hidden })
        }
        Act::System(act) => {
            let allowed = match act {
                SystemAct::CreateAccount => has(Role::Admin),
                SystemAct::ListAccounts => has(Role::MarketingAdmin),
                SystemAct::CreateForeignProject => has(Role::CreateProject),
                SystemAct::ViewInvited | SystemAct::ChangeInvited => has(Role::WhitelistAdmin),
                SystemAct::ReportUsage => has(Role::InstanceServer),
            };
            or(allowed, Decision::Forbidden)
        }
    }
}

/// Proof that somebody may do something in a project. Only [`super::Directory`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    principal: Principal,
    action: Action,
    project: ProjectId,
    owner: AccountId,
    allowed_actions: ActionSet,
}

impl Scope {
    /// Who may.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// What they may.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where they may.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// Whose project it is: who pays for what is done in it.
    pub fn owner(&self) -> AccountId {
        self.owner
    }

    /// What else they may do there.
    pub fn allowed_actions(&self) -> ActionSet {
        self.allowed_actions
    }
}

/// They may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Whoever may not know that a thing exists is told that it does not.
    Hidden,
    /// Whoever may know of it is told what is missing.
    Forbidden(Act),
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("not found"),
            Self::Forbidden(Act::Project(action)) => match action.grantable() {
                Some(needed) => write!(
                    f,
                    "Forbidden: this needs the action {} in the project, which its owner can grant",
                    golem_api::policy::ProjectAction::from(needed)
                ),
                None => f.write_str("Forbidden: only the project's owner may do this"),
            },
            Self::Forbidden(Act::Account(_)) => {
                f.write_str("Forbidden: only an account with the role Admin may do this")
            }
            Self::Forbidden(Act::System(act)) => {
                let role = match act {
                    SystemAct::CreateAccount => Role::Admin,
                    SystemAct::ListAccounts => Role::MarketingAdmin,
                    SystemAct::CreateForeignProject => Role::CreateProject,
                    SystemAct::ViewInvited | SystemAct::ChangeInvited => Role::WhitelistAdmin,
                    SystemAct::ReportUsage => Role::InstanceServer,
                };
                write!(f, "Forbidden: this needs the role {role}, which an administrator can give")
            }
        }
    }
}

impl std::error::Error for AuthorizationError {}

/// What `decide` comes to, as a result.
fn require_allowed(act: Act, standing: Standing, roles: &BTreeSet<Role>) -> Result<(), AuthorizationError> {
    match decide(act, standing, roles) {
        Decision::Allowed => Ok(()),
        Decision::Forbidden => Err(AuthorizationError::Forbidden(act)),
        Decision::Hidden => Err(AuthorizationError::Hidden),
    }
}

/// Proof that somebody may do something with an account. Only [`super::Directory`] makes one.
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

    /// Who may.
    pub fn principal(&self) -> Principal {
        self.principal
    }
}

/// Proof that somebody may do something with the server. Only [`super::Directory`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemScope {
    principal: Principal,
    act: SystemAct,
}

impl SystemScope {
    /// Who may.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// What they may.
    pub fn act(&self) -> SystemAct {
        self.act
    }
}

impl super::Directory {
    /// Whether `principal` may do `action` in `project`.
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
        // The way of nearly all requests.
        if project.owner == account {
            return Ok(scope(ActionSet::ALL));
        }
        let state = self.state();
        let nothing = BTreeSet::new();
        let roles = state.account(account).map_or(&nothing, |account| &account.roles);
        let granted = state.granted_to(account, project.id);
        require_allowed(Act::Project(action), Standing::Grantee(granted), roles)?;
        Ok(scope(if roles.contains(&Role::Admin) { ActionSet::ALL } else { granted }))
    }

    /// Whether `principal` may do `act` with `account`. That the account exists is another matter.
    pub fn authorize_account(
        &self,
        principal: Principal,
        act: AccountAct,
        account: AccountId,
    ) -> Result<AccountScope, AuthorizationError> {
        let standing = if principal.account() == account { Standing::Owner } else { Standing::Stranger };
        require_allowed(Act::Account(act), standing, &self.roles(principal))?;
        Ok(AccountScope { principal, account })
    }

    /// Whether `principal` may do `act`.
    pub fn authorize_system(
        &self,
        principal: Principal,
        act: SystemAct,
    ) -> Result<SystemScope, AuthorizationError> {
        require_allowed(Act::System(act), Standing::Stranger, &self.roles(principal))?;
        Ok(SystemScope { principal, act })
    }

    fn roles(&self, principal: Principal) -> BTreeSet<Role> {
        self.state().account(principal.account()).map(|account| account.roles.clone()).unwrap_or_default()
    }
}

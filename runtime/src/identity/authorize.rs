//! Decisions: pure functions of who asks, for what, and whose it is.

use super::Principal;
use golem_model::{AccountId, Project, ProjectId};
use std::fmt;

/// What one can do in a project. The names of 2023 are in parentheses where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See the project itself.
    ViewProject,
    /// List and download templates (`ViewComponent`).
    ViewTemplate,
    /// Upload a new template (`CreateComponent`).
    CreateTemplate,
    /// Upload a new version (`UpdateComponent`).
    UpdateTemplate,
    /// See workers, connect to their logs (`ViewInstance`).
    ViewWorker,
    /// Make workers (`CreateInstance`).
    CreateWorker,
    /// Invoke, interrupt and resume workers, complete their promises (`UpdateInstance`).
    UpdateWorker,
    /// Delete workers (`DeleteInstance`).
    DeleteWorker,
}

/// Proof that somebody may do something in a project. Only [`authorize`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    by: Principal,
    action: Action,
    project: ProjectId,
    owner: AccountId,
}

impl Scope {
    /// Who may.
    pub fn by(&self) -> Principal {
        self.by
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
}

/// They may not. Whoever may not know that a thing exists is told that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied;

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not allowed")
    }
}

impl std::error::Error for Denied {}

/// Whether `principal` may do `action` in `project`: its owner may do everything, nobody else anything.
pub fn authorize(principal: Principal, action: Action, project: &Project) -> Result<Scope, Denied> {
    if project.owner == principal.account() {
        Ok(Scope { by: principal, action, project: project.id, owner: project.owner })
    } else {
        Err(Denied)
    }
}

/// Proof that somebody may see and change an account. Only [`authorize_account`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountScope {
    account: AccountId,
}

impl AccountScope {
    /// The account.
    pub fn account(&self) -> AccountId {
        self.account
    }
}

/// Whether `principal` may see `account`: its own only.
pub fn authorize_account(principal: Principal, account: AccountId) -> Result<AccountScope, Denied> {
    if principal.account() == account { Ok(AccountScope { account }) } else { Err(Denied) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::{Timestamp, TokenId};
    use uuid::Uuid;

    #[test]
    fn owners_may_and_strangers_may_not() {
        let owner = AccountId(Uuid::from_u128(1));
        let stranger = AccountId(Uuid::from_u128(2));
        let project = Project {
            id: ProjectId(Uuid::from_u128(3)),
            owner,
            name: "p".into(),
            description: String::new(),
            default: true,
            created_at: Timestamp::default(),
        };
        for action in [
            Action::ViewProject,
            Action::ViewTemplate,
            Action::CreateTemplate,
            Action::UpdateTemplate,
            Action::ViewWorker,
            Action::CreateWorker,
            Action::UpdateWorker,
            Action::DeleteWorker,
        ] {
            let scope = authorize(Principal::new(owner, TokenId(Uuid::nil())), action, &project).unwrap();
            assert_eq!((scope.project(), scope.owner(), scope.action()), (project.id, owner, action));
            assert_eq!(
                authorize(Principal::new(stranger, TokenId(Uuid::nil())), action, &project),
                Err(Denied)
            );
        }
        let principal = Principal::new(owner, TokenId(Uuid::nil()));
        assert_eq!(authorize_account(principal, owner).unwrap().account(), owner);
        assert_eq!(authorize_account(principal, stranger), Err(Denied));
    }
}

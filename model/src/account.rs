//! Accounts, projects, policies, grants and tokens: who owns what, and who may do what with it.

use crate::{AccountId, GrantId, PolicyId, ProjectId, Timestamp, TokenId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The owner of projects and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name people read.
    pub name: String,
    /// Primary e-mail address; may be empty for the root account of a local server.
    pub email: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// What it may do beyond its own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Who vouches for it, `github:` and the user's number there; no two accounts have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
}

/// What an account may do beyond its own. The names are those of 2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Everything, everywhere.
    Admin,
    /// Say who may log in for a first time.
    WhitelistAdmin,
    /// Look at the list of accounts.
    MarketingAdmin,
    /// See every project.
    ViewProject,
    /// Delete every project.
    DeleteProject,
    /// Make projects for other accounts.
    CreateProject,
    /// Read and write what accounts have used: the role of servers that run workers.
    InstanceServer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::WhitelistAdmin,
        Self::MarketingAdmin,
        Self::ViewProject,
        Self::DeleteProject,
        Self::CreateProject,
        Self::InstanceServer,
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no role; roles are {}", join_names(&Role::ALL))]
pub struct RoleError {
    /// What was given.
    pub text: String,
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |role: &Self| role.to_string() == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| RoleError { text: text.to_owned() })
    }
}

fn join_names<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A namespace of templates and buckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its name; several projects may share one.
    pub name: String,
    /// What people wrote about it.
    pub description: String,
    /// Whether it is the account's default project, used where none is named.
    pub default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Something that can be allowed to others in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectAction {
    /// See and download templates.
    ViewTemplate,
    /// Upload new templates.
    CreateTemplate,
    /// Upload new versions.
    UpdateTemplate,
    /// Delete templates.
    DeleteTemplate,
    /// See workers, and what they print.
    ViewWorker,
    /// Make workers.
    CreateWorker,
    /// Invoke, interrupt and resume workers, complete their promises.
    UpdateWorker,
    /// Delete workers.
    DeleteWorker,
    /// See who may do what.
    ViewProjectGrants,
    /// Allow others.
    CreateProjectGrants,
    /// No longer allow others.
    DeleteProjectGrants,
}

impl ProjectAction {
    /// All of them.
    pub const ALL: [Self; 11] = [
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
}

/// A set of actions. In JSON, a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet(u16);

impl ActionSet {
    /// No action.
    pub const NONE: Self = Self(0);
    /// Every action: what an owner has.
    pub const ALL: Self = Self((1 << ProjectAction::ALL.len()) - 1);

    /// Whether it holds `action`.
    pub const fn contains(self, action: ProjectAction) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    /// Whether it holds no action.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its actions, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = ProjectAction> {
        ProjectAction::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<ProjectAction> for ActionSet {
    fn from_iter<I: IntoIterator<Item = ProjectAction>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | 1 << action as u16))
    }
}

impl Serialize for ActionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ActionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<ProjectAction>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// A named set of actions, to be given to accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Who made it.
    pub owner: AccountId,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub actions: ActionSet,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A policy given to an account in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Where.
    pub project: ProjectId,
    /// Who may.
    pub grantee: AccountId,
    /// What.
    pub policy: PolicyId,
    /// Who gave it.
    pub granted_by: AccountId,
    /// When.
    pub created_at: Timestamp,
}

/// An API token as stored: its secret only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is not secret.
    pub id: TokenId,
    /// The account it speaks for.
    pub account: AccountId,
    /// BLAKE3 of the secret's 36 characters. The secret has 122 random bits, so no salt or slow hash is needed.
    pub secret_hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Someone who may log in for a first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The e-mail address, in lower case.
    pub email: String,
    /// Who said so.
    pub created_by: AccountId,
    /// When.
    pub created_at: Timestamp,
}

/// What an account has used in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Whose.
    pub account: AccountId,
    /// Months since January of the year 0, UTC.
    pub month: u32,
    /// Bytes of components uploaded.
    pub uploaded_bytes: u64,
    /// Processing units.
    pub gas: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_by_their_names() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        let error = "Root".parse::<Role>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Root\" is no role; roles are Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, \
             CreateProject, InstanceServer"
        );
    }

    #[test]
    fn sets_of_actions_hold_what_was_put_in() {
        let some: ActionSet =
            [ProjectAction::UpdateWorker, ProjectAction::ViewTemplate].into_iter().collect();
        assert_eq!(
            some.iter().collect::<Vec<_>>(),
            [ProjectAction::ViewTemplate, ProjectAction::UpdateWorker]
        );
        assert!(some.contains(ProjectAction::ViewTemplate) && !some.contains(ProjectAction::DeleteWorker));
        assert_eq!(ProjectAction::ALL.into_iter().collect::<ActionSet>(), ActionSet::ALL);
        assert_eq!(ActionSet::ALL.without(some).union(some), ActionSet::ALL);
        assert!(some.without(ActionSet::ALL).is_empty());
        let json = serde_json::to_string(&some).unwrap();
        assert_eq!(json, r#"["ViewTemplate","UpdateWorker"]"#);
        assert_eq!(serde_json::from_str::<ActionSet>(&json).unwrap(), some);
    }
}

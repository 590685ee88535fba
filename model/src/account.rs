//! Accounts, projects, policies, grants and tokens: ownership and permissions.

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
    /// Display name.
    pub name: String,
    /// Primary e-mail address; may be empty for the root account of a local server.
    pub email: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Permissions beyond the account's own projects.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// Identity at an external login provider: `github:` and the user's number there. Unique among all accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
}

/// A permission of an account beyond its own projects. The names are those of 2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Every action on every object.
    Admin,
    /// Manage the whitelist: the e-mail addresses that may log in for the first time.
    WhitelistAdmin,
    /// List all accounts.
    MarketingAdmin,
    /// View every project.
    ViewProject,
    /// Delete any project.
    DeleteProject,
    /// Create projects for other accounts.
    CreateProject,
    /// Read and report the resource usage of accounts: the role of servers that run workers.
    InstanceServer,
}

impl Role {
    /// All roles.
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

/// The text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a role; the roles are {}", join_names(&Role::ALL))]
pub struct RoleError {
    /// The given text.
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
    /// Its name. Not unique: several projects may have the same name.
    pub name: String,
    /// Description, free text.
    pub description: String,
    /// Whether it is the account's default project. Requests that name no project use the default project.
    pub default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An action in a project. A grant permits actions to other accounts than the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectAction {
    /// View and download templates.
    ViewTemplate,
    /// Upload new templates.
    CreateTemplate,
    /// Upload new versions of templates.
    UpdateTemplate,
    /// Delete templates.
    DeleteTemplate,
    /// View workers and their output.
    ViewWorker,
    /// Create workers.
    CreateWorker,
    /// Invoke, interrupt and resume workers, complete their promises.
    UpdateWorker,
    /// Delete workers.
    DeleteWorker,
    /// View the grants of the project.
    ViewProjectGrants,
    /// Create grants.
    CreateProjectGrants,
    /// Delete grants.
    DeleteProjectGrants,
}

impl ProjectAction {
    /// All actions.
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

/// A set of actions. Its JSON form is a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet(u16);

impl ActionSet {
    /// No action.
    pub const NONE: Self = Self(0);
    /// Every action: the permissions of the project's owner.
    pub const ALL: Self = Self((1 << ProjectAction::ALL.len()) - 1);

    /// Whether the set contains `action`.
    pub const fn contains(self, action: ProjectAction) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions of this set that are not in `other`.
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

/// A named set of actions. Grants refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// The account that created it.
    pub owner: AccountId,
    /// Its name.
    pub name: String,
    /// The permitted actions.
    pub actions: ActionSet,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Permits the actions of a policy to an account in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The project in which the actions are permitted.
    pub project: ProjectId,
    /// The account to which they are permitted.
    pub grantee: AccountId,
    /// The policy that lists the actions.
    pub policy: PolicyId,
    /// The account that created the grant.
    pub granted_by: AccountId,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An API token as stored. The secret itself is not stored, only its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, which is not secret.
    pub id: TokenId,
    /// The account that the token authenticates.
    pub account: AccountId,
    /// BLAKE3 of the secret's 36 characters. The secret has 122 random bits, so no salt or slow hash is needed.
    pub secret_hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// The token is rejected from this time on.
    pub expires_at: Timestamp,
}

/// A whitelist entry: an e-mail address that may log in for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The e-mail address, in lower case.
    pub email: String,
    /// The account that added the entry.
    pub created_by: AccountId,
    /// When the entry was added.
    pub created_at: Timestamp,
}

/// The resource usage of an account in one calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthlyUsage {
    /// The account.
    pub account: AccountId,
    /// The month, as [`Timestamp::month`] counts them: months since January of the year 0, UTC.
    pub month: u32,
    /// Bytes of components uploaded.
    pub uploaded_bytes: u64,
    /// Processing units used.
    pub gas: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_parsed_from_their_names() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        let error = "Root".parse::<Role>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Root\" is not a role; the roles are Admin, WhitelistAdmin, MarketingAdmin, ViewProject, DeleteProject, \
             CreateProject, InstanceServer"
        );
    }

    #[test]
    fn action_sets_contain_exactly_the_collected_actions() {
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

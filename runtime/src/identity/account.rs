//! Accounts: creating, changing and deleting them, and their roles.

use super::authorize::{AccountScope, SystemScope};
use super::directory::{Directory, IdentityError};
use super::state::DirectoryState;
use crate::storage::ports::CatalogWrite;
use golem_model::{Account, AccountId, Project, ProjectId, Role, Timestamp};
use std::sync::Arc;

/// Characters of a name or an e-mail address, at most.
const TEXT_CHARS_MAX: usize = 255;
/// Characters of a description, at most.
const DESCRIPTION_CHARS_MAX: usize = 4096;

pub(super) fn account_not_found(id: AccountId) -> IdentityError {
    IdentityError::NotFound { what: "Account", id: id.to_string() }
}

/// Checks a text that a person wrote. `empty` says whether it may be empty; such a text is a description, may be longer
/// and may contain line breaks.
pub(super) fn check_text(what: &str, text: &str, empty: bool) -> Result<(), IdentityError> {
    let invalid = |why: &str| Err(IdentityError::Invalid(format!("Invalid {what}: {why}")));
    let max = if empty { DESCRIPTION_CHARS_MAX } else { TEXT_CHARS_MAX };
    if !empty && text.trim().is_empty() {
        return invalid("it is empty");
    }
    if text.chars().count() > max {
        return invalid(&format!("it has more than {max} characters"));
    }
    if text.chars().any(|c| c.is_control() && !(empty && c == '\n')) {
        return invalid("it holds a control character");
    }
    Ok(())
}

/// Checks an e-mail address. It may be empty, because this server sends no mail.
fn check_email(email: &str) -> Result<(), IdentityError> {
    if email.is_empty() {
        return Ok(());
    }
    check_text("email", email, false)?;
    if email.split_once('@').is_none_or(|(user, host)| user.is_empty() || host.is_empty()) {
        return Err(IdentityError::Invalid(format!("Invalid email: {email:?} is no e-mail address")));
    }
    Ok(())
}

/// The rows of a new account and its default project.
pub(crate) fn new_account(account: Account, project: ProjectId) -> [CatalogWrite; 2] {
    let project = Project {
        id: project,
        owner: account.id,
        name: "default-project".to_owned(),
        description: format!("Default project of the account {}", account.id),
        default: true,
        created_at: account.created_at,
    };
    [CatalogWrite::Account(account), CatalogWrite::Project(project)]
}

impl Directory {
    /// The account of the scope.
    pub fn account(&self, scope: &AccountScope) -> Result<Arc<Account>, IdentityError> {
        self.state().account(scope.account()).cloned().ok_or_else(|| account_not_found(scope.account()))
    }

    /// Accounts in order of creation: at most `limit`, after the first `skip`.
    pub fn accounts(&self, _scope: &SystemScope, skip: usize, limit: usize) -> Vec<Arc<Account>> {
        let state = self.state();
        let mut accounts: Vec<_> = state.accounts().cloned().collect();
        accounts.sort_by_key(|account| (account.created_at, account.id));
        accounts.into_iter().skip(skip).take(limit).collect()
    }

    /// Number of accounts.
    pub fn account_count(&self, _scope: &SystemScope) -> usize {
        self.state().accounts().count()
    }

    /// Creates an account with its default project.
    pub async fn account_create(
        &self,
        _scope: &SystemScope,
        name: String,
        email: String,
    ) -> Result<Arc<Account>, IdentityError> {
        check_text("name", &name, false)?;
        check_email(&email)?;
        self.change(move |directory, _| {
            let account = Account {
                id: AccountId(directory.entropy().uuid()),
                name,
                email,
                created_at: directory.clock().now(),
                roles: std::collections::BTreeSet::new(),
                external: None,
            };
            let project = ProjectId(directory.entropy().uuid());
            Ok((Arc::new(account.clone()), new_account(account, project).into()))
        })
        .await
    }

    /// Changes an account's name and e-mail address.
    pub async fn account_update(
        &self,
        scope: &AccountScope,
        name: String,
        email: String,
    ) -> Result<Arc<Account>, IdentityError> {
        check_text("name", &name, false)?;
        check_email(&email)?;
        self.account_change(scope.account(), move |account, _| {
            account.name = name;
            account.email = email;
            Ok(())
        })
        .await
    }

    async fn account_change(
        &self,
        id: AccountId,
        change: impl FnOnce(&mut Account, &DirectoryState) -> Result<(), IdentityError> + Send + 'static,
    ) -> Result<Arc<Account>, IdentityError> {
        self.change(move |_, state| {
            let account = state.account(id).ok_or_else(|| account_not_found(id))?;
            let mut changed = Account::clone(account);
            change(&mut changed, state)?;
            let writes = if changed == **account {
                Vec::new()
            } else {
                vec![CatalogWrite::AccountChanged(changed.clone())]
            };
            Ok((Arc::new(changed), writes))
        })
        .await
    }

    /// Removes an account with its projects, tokens and grants. Fails while one of its projects has a template, and for
    /// the last administrator.
    pub async fn account_delete(&self, scope: &AccountScope) -> Result<(), IdentityError> {
        let id = scope.account();
        let outcome = self
            .change(move |_, state| {
                let account = state.account(id).ok_or_else(|| account_not_found(id))?;
                if account.roles.contains(&Role::Admin) {
                    require_another_admin(state, id, "deleted")?;
                }
                let mut writes: Vec<_> =
                    state.projects_of(id).map(|project| CatalogWrite::ProjectRemoved(project.id)).collect();
                writes.push(CatalogWrite::AccountRemoved(id));
                Ok(((), writes))
            })
            .await;
        match outcome {
            Err(error) if is_conflict(&error, "project") => Err(IdentityError::Invalid(
                "the account cannot be deleted: its projects have templates; delete their workers and templates first"
                    .to_owned(),
            )),
            outcome => outcome,
        }
    }

    /// Gives an account a role.
    pub async fn role_add(&self, scope: &AccountScope, role: Role) -> Result<(), IdentityError> {
        self.account_change(scope.account(), move |account, _| {
            account.roles.insert(role);
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Takes a role from an account. Fails if it would remove the last administrator.
    pub async fn role_remove(&self, scope: &AccountScope, role: Role) -> Result<(), IdentityError> {
        let id = scope.account();
        self.account_change(id, move |account, state| {
            if account.roles.remove(&role) && role == Role::Admin {
                require_another_admin(state, id, "changed")?;
            }
            Ok(())
        })
        .await
        .map(drop)
    }

    /// The account with this external identity. If there is none, creates it, unless an invitation is needed and none
    /// of the addresses in `confirmed` has one.
    pub(crate) async fn account_ensure_external(
        &self,
        external: String,
        name: String,
        email: String,
        confirmed: Vec<String>,
    ) -> Result<Result<Arc<Account>, InvitationRequired>, IdentityError> {
        self.change(move |directory, state| {
            if let Some(account) = state.account_by_external(&external) {
                return Ok((Ok(account.clone()), Vec::new()));
            }
            let needed = state.invitation_needed().unwrap_or(super::invite::INVITATION_NEEDED_DEFAULT);
            let invited = |email: &String| state.is_invited(&email.to_lowercase());
            if needed && !confirmed.iter().any(invited) {
                return Ok((Err(InvitationRequired { emails: confirmed }), Vec::new()));
            }
            let account = Account {
                id: AccountId(directory.entropy().uuid()),
                name,
                email,
                created_at: directory.clock().now(),
                roles: std::collections::BTreeSet::new(),
                external: Some(external),
            };
            let project = ProjectId(directory.entropy().uuid());
            Ok((Ok(Arc::new(account.clone())), new_account(account, project).into()))
        })
        .await
    }

    /// The current wall time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock().now()
    }
}

/// The account was not created, because none of the addresses is on the whitelist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Forbidden: this server creates accounts only for e-mail addresses on the whitelist, and none of {} is on it; \
     ask an administrator to add one",
    if emails.is_empty() { "your e-mail addresses".to_owned() } else { emails.join(", ") }
)]
pub struct InvitationRequired {
    /// The confirmed addresses of the person that logged in.
    pub emails: Vec<String>,
}

fn require_another_admin(state: &DirectoryState, id: AccountId, what: &str) -> Result<(), IdentityError> {
    let another = |account: &Arc<Account>| account.id != id && account.roles.contains(&Role::Admin);
    if state.accounts().any(another) {
        return Ok(());
    }
    Err(IdentityError::Invalid(format!(
        "the account cannot be {what}: it is the only one with the role Admin; give the role to another account first"
    )))
}

pub(super) fn is_conflict(error: &IdentityError, kind: &str) -> bool {
    matches!(error, IdentityError::Store(crate::storage::ports::StoreError::Conflict { what }) if *what == kind)
}

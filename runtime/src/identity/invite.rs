//! Who may log in for a first time: the whitelist.

use super::account::check_text;
use super::authorize::SystemScope;
use super::directory::{Directory, IdentityError};
use crate::storage::ports::CatalogWrite;
use golem_model::Invited;

/// Whether an invitation is needed while nobody has said so: a server that lets people log in should not make accounts
/// for the whole world without having been told to.
pub(super) const INVITATION_NEEDED_DEFAULT: bool = true;
/// Addresses in one request, at most.
const EMAILS_MAX: usize = 1_000;

impl Directory {
    /// Whether only those who are invited may log in for a first time.
    pub fn invitation_needed(&self, _scope: &SystemScope) -> bool {
        self.state().invitation_needed().unwrap_or(INVITATION_NEEDED_DEFAULT)
    }

    /// Says whether only those who are invited may log in for a first time.
    pub async fn invitation_needed_set(
        &self,
        _scope: &SystemScope,
        needed: bool,
    ) -> Result<(), IdentityError> {
        self.change(move |_, _| Ok(((), vec![CatalogWrite::InvitationNeeded(needed)]))).await
    }

    /// Who is invited, by address, after `skip`, at most `limit`.
    pub fn invited(&self, _scope: &SystemScope, skip: usize, limit: usize) -> Vec<Invited> {
        self.state().invited().skip(skip).take(limit).cloned().collect()
    }

    /// How many are invited.
    pub fn invited_count(&self, _scope: &SystemScope) -> usize {
        self.state().invited().count()
    }

    /// Invites people by their addresses; who is invited stays so.
    pub async fn invite(&self, scope: &SystemScope, emails: Vec<String>) -> Result<(), IdentityError> {
        check(&emails)?;
        let inviter = scope.principal().account();
        self.change(move |directory, _| {
            let now = directory.now();
            let writes = emails.iter().map(|email| {
                CatalogWrite::Invited(Invited {
                    email: email.trim().to_lowercase(),
                    created_by: inviter,
                    created_at: now,
                })
            });
            Ok(((), writes.collect()))
        })
        .await
    }

    /// Takes invitations back. Accounts that were made by them stay.
    pub async fn uninvite(&self, _scope: &SystemScope, emails: Vec<String>) -> Result<(), IdentityError> {
        check(&emails)?;
        self.change(move |_, _| {
            let writes = emails.iter().map(|email| CatalogWrite::InvitedRemoved(email.trim().to_lowercase()));
            Ok(((), writes.collect()))
        })
        .await
    }
}

fn check(emails: &[String]) -> Result<(), IdentityError> {
    if emails.len() > EMAILS_MAX {
        return Err(IdentityError::Invalid(format!(
            "{} addresses are too many for one request; send at most {EMAILS_MAX}",
            emails.len()
        )));
    }
    emails.iter().try_for_each(|email| {
        check_text("email", email, false)?;
        if email.contains('@') {
            return Ok(());
        }
        Err(IdentityError::Invalid(format!("Invalid email: {email:?} is no e-mail address")))
    })
}

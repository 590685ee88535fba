//! The whitelist: the e-mail addresses whose owners may log in for the first time.

use super::account::check_text;
use super::authorize::SystemScope;
use super::directory::{Directory, IdentityError};
use crate::storage::ports::CatalogWrite;
use golem_model::Invitation;

/// Whether a first login needs an invitation while this has not been configured. `true`, so that enabling login does
/// not open the server to every GitHub account.
pub(super) const INVITATION_NEEDED_DEFAULT: bool = true;
/// Addresses in one request, at most.
const EMAILS_MAX: usize = 1_000;

impl Directory {
    /// Whether a first login needs an invitation.
    pub fn invitation_needed(&self, _scope: &SystemScope) -> bool {
        self.state().invitation_needed().unwrap_or(INVITATION_NEEDED_DEFAULT)
    }

    /// Sets whether a first login needs an invitation.
    pub async fn invitation_needed_set(
        &self,
        _scope: &SystemScope,
        needed: bool,
    ) -> Result<(), IdentityError> {
        self.change(move |_, _| Ok(((), vec![CatalogWrite::InvitationNeeded(needed)]))).await
    }

    /// The whitelist ordered by address: at most `limit` entries, after the first `skip`.
    pub fn invited(&self, _scope: &SystemScope, skip: usize, limit: usize) -> Vec<Invitation> {
        self.state().invited().skip(skip).take(limit).cloned().collect()
    }

    /// Number of entries of the whitelist.
    pub fn invited_count(&self, _scope: &SystemScope) -> usize {
        self.state().invited().count()
    }

    /// Adds addresses to the whitelist. An address that is on it keeps its entry.
    pub async fn invite(&self, scope: &SystemScope, emails: Vec<String>) -> Result<(), IdentityError> {
        check(&emails)?;
        let inviter = scope.principal().account();
        self.change(move |directory, _| {
            let now = directory.now();
            let writes = emails.iter().map(|email| {
                CatalogWrite::Invitation(Invitation {
                    email: email.trim().to_lowercase(),
                    created_by: inviter,
                    created_at: now,
                })
            });
            Ok(((), writes.collect()))
        })
        .await
    }

    /// Removes addresses from the whitelist. Accounts that were created with them stay.
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

//! Accounts, projects, tokens and templates in memory.

use super::MemoryStore;
use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_model::{
    Account, AccountId, Grant, GrantId, Invitation, MonthlyUsage, Policy, PolicyId, Project, ProjectId,
    TemplateId, TemplateVersion, Token, TokenId,
};
use std::collections::{BTreeMap, BTreeSet};

/// The rows.
#[derive(Debug, Clone, Default)]
pub(super) struct CatalogData {
    accounts: BTreeMap<AccountId, Account>,
    projects: BTreeMap<ProjectId, Project>,
    policies: BTreeMap<PolicyId, Policy>,
    grants: BTreeMap<GrantId, Grant>,
    tokens: BTreeMap<TokenId, Token>,
    invited: BTreeMap<String, Invitation>,
    invitation_needed: Option<bool>,
    usage: BTreeMap<AccountId, MonthlyUsage>,
    templates: BTreeMap<(ProjectId, TemplateId, u32), TemplateVersion>,
    /// Removed templates. Their deleted names are garbage, also names that are written later.
    pub(super) removed_templates: BTreeSet<TemplateId>,
}

fn conflict(what: &'static str) -> Result<(), StoreError> {
    Err(StoreError::Conflict { what })
}

impl CatalogData {
    fn apply(&mut self, write: &CatalogWrite) -> Result<(), StoreError> {
        match write {
            CatalogWrite::Account(account) => {
                if self.accounts.contains_key(&account.id) || self.external_is_taken(account) {
                    return conflict("account");
                }
                self.accounts.insert(account.id, account.clone());
            }
            CatalogWrite::AccountChanged(account) => {
                if !self.accounts.contains_key(&account.id) || self.external_is_taken(account) {
                    return conflict("account");
                }
                self.accounts.insert(account.id, account.clone());
            }
            CatalogWrite::AccountRemoved(id) => {
                if self.projects.values().any(|project| project.owner == *id) {
                    return conflict("account");
                }
                self.tokens.retain(|_, token| token.account != *id);
                self.grants.retain(|_, grant| grant.grantee != *id);
                self.usage.remove(id);
                self.accounts.remove(id);
            }
            CatalogWrite::Project(project) => {
                let second =
                    |other: &Project| project.default && other.default && other.owner == project.owner;
                if self.projects.contains_key(&project.id) || self.projects.values().any(second) {
                    return conflict("project");
                }
                self.projects.insert(project.id, project.clone());
            }
            CatalogWrite::ProjectRemoved(id) => {
                if self.templates.keys().any(|(project, ..)| project == id) {
                    return conflict("project");
                }
                self.grants.retain(|_, grant| grant.project != *id);
                self.projects.remove(id);
            }
            CatalogWrite::Policy(policy) => {
                if self.policies.contains_key(&policy.id) {
                    return conflict("policy");
                }
                self.policies.insert(policy.id, policy.clone());
            }
            CatalogWrite::Grant(grant) => {
                if self.grants.contains_key(&grant.id) {
                    return conflict("grant");
                }
                self.grants.insert(grant.id, grant.clone());
            }
            CatalogWrite::GrantRemoved(id) => {
                self.grants.remove(id);
            }
            CatalogWrite::Token(token) => {
                if self.tokens.contains_key(&token.id) {
                    return conflict("token");
                }
                self.tokens.insert(token.id, token.clone());
            }
            CatalogWrite::TokenRemoved(id) => {
                self.tokens.remove(id);
            }
            CatalogWrite::Invitation(invited) => {
                self.invited.entry(invited.email.clone()).or_insert_with(|| invited.clone());
            }
            CatalogWrite::InvitedRemoved(email) => {
                self.invited.remove(email);
            }
            CatalogWrite::InvitationNeeded(needed) => self.invitation_needed = Some(*needed),
            CatalogWrite::MonthlyUsage(usage) => {
                self.usage.insert(usage.account, *usage);
            }
            CatalogWrite::TemplateVersion(version) => {
                if !self.is_next_version(version) {
                    return conflict("template");
                }
                self.templates.insert((version.project, version.id, version.version), version.clone());
            }
            CatalogWrite::TemplateRemoved(id) => {
                self.templates.retain(|_, version| version.id != *id);
                self.removed_templates.insert(*id);
            }
        }
        Ok(())
    }

    /// Whether another account has the same external identity.
    fn external_is_taken(&self, account: &Account) -> bool {
        let same = |other: &Account| other.id != account.id && other.external == account.external;
        account.external.is_some() && self.accounts.values().any(same)
    }

    fn is_next_version(&self, version: &TemplateVersion) -> bool {
        let last = self.templates.values().filter(|other| other.id == version.id).max_by_key(|v| v.version);
        let is_successor = match last {
            None => version.version == 0,
            Some(last) => {
                last.version.checked_add(1) == Some(version.version) && last.project == version.project
            }
        };
        let taken = self.templates.values().any(|other| {
            other.id != version.id && other.project == version.project && other.name == version.name
        });
        self.projects.contains_key(&version.project) && is_successor && !taken
    }
}

fn cloned_values<K, V: Clone>(rows: &BTreeMap<K, V>) -> Vec<V> {
    rows.values().cloned().collect()
}

impl Catalog for MemoryStore {
    fn write(&self, writes: &[CatalogWrite]) -> Result<(), StoreError> {
        self.transact(|data| {
            let mut changed = data.catalog.clone();
            writes.iter().try_for_each(|write| changed.apply(write))?;
            data.catalog = changed;
            for write in writes {
                if let CatalogWrite::ProjectRemoved(id) = write {
                    data.values.retain(|(project, _), _| project != id);
                }
            }
            Ok(())
        })
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.accounts))
    }

    fn projects(&self) -> Result<Vec<Project>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.projects))
    }

    fn policies(&self) -> Result<Vec<Policy>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.policies))
    }

    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.grants))
    }

    fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.tokens))
    }

    fn invited(&self) -> Result<Vec<Invitation>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.invited))
    }

    fn invitation_needed(&self) -> Result<Option<bool>, StoreError> {
        Ok(self.data.lock().catalog.invitation_needed)
    }

    fn usage(&self) -> Result<Vec<MonthlyUsage>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.usage))
    }

    fn template_versions(&self) -> Result<Vec<TemplateVersion>, StoreError> {
        Ok(cloned_values(&self.data.lock().catalog.templates))
    }
}

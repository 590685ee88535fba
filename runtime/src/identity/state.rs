//! All identity rows in memory, with indexes.
//!
//! Pure: built from the rows, and changed by the same writes that the store has applied. Invariant: after each write,
//! it equals the state that reading the store would give.

use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_model::{
    Account, AccountId, ActionSet, Grant, GrantId, Invitation, MonthlyUsage, Policy, PolicyId, Project,
    ProjectId, Timestamp, Token, TokenId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The first half of a token's hash.
type HalfHash = [u8; 16];

/// All rows except templates.
#[derive(Debug, Default)]
pub(super) struct DirectoryState {
    accounts: BTreeMap<AccountId, Arc<Account>>,
    by_external: HashMap<String, AccountId>,
    // Keyed by half of the hash. The timing of a look-up can reveal parts of a hash, but a secret cannot be derived
    // from its hash. The whole hash is then compared in constant time.
    tokens: HashMap<HalfHash, Token>,
    token_ids: BTreeMap<(AccountId, TokenId), HalfHash>,
    projects: BTreeMap<ProjectId, Arc<Project>>,
    owned: BTreeSet<(AccountId, ProjectId)>,
    defaults: HashMap<AccountId, ProjectId>,
    policies: BTreeMap<PolicyId, Arc<Policy>>,
    grants: BTreeMap<GrantId, Arc<Grant>>,
    granted: BTreeSet<(AccountId, ProjectId, GrantId)>,
    invited: BTreeMap<String, Invitation>,
    invitation_needed: Option<bool>,
    usage: HashMap<AccountId, MonthlyUsage>,
}

pub(super) fn half_hash(hash: &[u8; 32]) -> HalfHash {
    let mut half_hash = [0; 16];
    half_hash.copy_from_slice(&hash[..16]);
    half_hash
}

impl DirectoryState {
    /// Reads all rows.
    pub(super) fn read(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let mut state = Self { invitation_needed: catalog.invitation_needed()?, ..Self::default() };
        catalog.accounts()?.into_iter().for_each(|account| state.put_account(account));
        catalog.tokens()?.into_iter().for_each(|token| state.put_token(token));
        catalog.projects()?.into_iter().for_each(|project| state.put_project(project));
        catalog.policies()?.into_iter().for_each(|policy| state.put_policy(policy));
        catalog.grants()?.into_iter().for_each(|grant| state.put_grant(grant));
        for invited in catalog.invited()? {
            state.invited.insert(invited.email.clone(), invited);
        }
        for usage in catalog.usage()? {
            state.usage.insert(usage.account, usage);
        }
        Ok(state)
    }

    /// Applies a write that the store has applied.
    pub(super) fn apply(&mut self, write: CatalogWrite) {
        match write {
            CatalogWrite::Account(account) | CatalogWrite::AccountChanged(account) => {
                self.put_account(account);
            }
            CatalogWrite::AccountRemoved(id) => self.remove_account(id),
            CatalogWrite::Project(project) => self.put_project(project),
            CatalogWrite::ProjectRemoved(id) => self.remove_project(id),
            CatalogWrite::Policy(policy) => self.put_policy(policy),
            CatalogWrite::Grant(grant) => self.put_grant(grant),
            CatalogWrite::GrantRemoved(id) => self.remove_grant(id),
            CatalogWrite::Token(token) => self.put_token(token),
            CatalogWrite::TokenRemoved(id) => self.remove_tokens(|token| token.id == id),
            CatalogWrite::Invitation(invited) => {
                self.invited.entry(invited.email.clone()).or_insert(invited);
            }
            CatalogWrite::InvitedRemoved(email) => {
                self.invited.remove(&email);
            }
            CatalogWrite::InvitationNeeded(needed) => self.invitation_needed = Some(needed),
            CatalogWrite::MonthlyUsage(usage) => {
                self.usage.insert(usage.account, usage);
            }
            // `catalog::Templates` keeps these rows.
            CatalogWrite::TemplateVersion(_) | CatalogWrite::TemplateRemoved(_) => {}
        }
    }

    fn put_account(&mut self, account: Account) {
        if let Some(old) = self.accounts.get(&account.id).and_then(|old| old.external.as_ref()) {
            self.by_external.remove(old);
        }
        if let Some(external) = &account.external {
            self.by_external.insert(external.clone(), account.id);
        }
        self.accounts.insert(account.id, Arc::new(account));
    }

    fn remove_account(&mut self, id: AccountId) {
        self.remove_tokens(|token| token.account == id);
        let grants: Vec<GrantId> =
            self.grants.values().filter(|grant| grant.grantee == id).map(|grant| grant.id).collect();
        for grant in grants {
            self.remove_grant(grant);
        }
        self.usage.remove(&id);
        if let Some(external) = self.accounts.remove(&id).and_then(|account| account.external.clone()) {
            self.by_external.remove(&external);
        }
    }

    fn put_project(&mut self, project: Project) {
        self.owned.insert((project.owner, project.id));
        if project.default {
            self.defaults.insert(project.owner, project.id);
        }
        self.projects.insert(project.id, Arc::new(project));
    }

    fn remove_project(&mut self, id: ProjectId) {
        let grants: Vec<GrantId> = self.grants_of(id).map(|grant| grant.id).collect();
        for grant in grants {
            self.remove_grant(grant);
        }
        if let Some(project) = self.projects.remove(&id) {
            self.owned.remove(&(project.owner, id));
            if project.default {
                self.defaults.remove(&project.owner);
            }
        }
    }

    fn put_policy(&mut self, policy: Policy) {
        self.policies.insert(policy.id, Arc::new(policy));
    }

    fn put_grant(&mut self, grant: Grant) {
        self.granted.insert((grant.grantee, grant.project, grant.id));
        self.grants.insert(grant.id, Arc::new(grant));
    }

    fn remove_grant(&mut self, id: GrantId) {
        if let Some(grant) = self.grants.remove(&id) {
            self.granted.remove(&(grant.grantee, grant.project, id));
        }
    }

    fn put_token(&mut self, token: Token) {
        let half_hash = half_hash(&token.secret_hash);
        self.token_ids.insert((token.account, token.id), half_hash);
        self.tokens.insert(half_hash, token);
    }

    fn remove_tokens(&mut self, is_removed: impl Fn(&Token) -> bool) {
        self.tokens.retain(|_, token| !is_removed(token));
        let tokens = &self.tokens;
        self.token_ids.retain(|_, half_hash| tokens.contains_key(half_hash));
    }

    pub(super) fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    pub(super) fn account_by_external(&self, external: &str) -> Option<&Arc<Account>> {
        self.accounts.get(self.by_external.get(external)?)
    }

    pub(super) fn token(&self, half_hash: &HalfHash) -> Option<&Token> {
        self.tokens.get(half_hash)
    }

    pub(super) fn token_of(&self, account: AccountId, id: TokenId) -> Option<&Token> {
        self.tokens.get(self.token_ids.get(&(account, id))?)
    }

    pub(super) fn tokens_of(&self, account: AccountId) -> impl Iterator<Item = &Token> {
        const MIN: TokenId = TokenId(uuid::Uuid::nil());
        self.token_ids
            .range((account, MIN)..)
            .take_while(move |((of, _), _)| *of == account)
            .filter_map(|(_, half_hash)| self.tokens.get(half_hash))
    }

    pub(super) fn project(&self, id: ProjectId) -> Option<&Arc<Project>> {
        self.projects.get(&id)
    }

    pub(super) fn default_project(&self, account: AccountId) -> Option<&Arc<Project>> {
        self.projects.get(self.defaults.get(&account)?)
    }

    /// The projects that an account owns.
    pub(super) fn projects_of(&self, account: AccountId) -> impl Iterator<Item = &Arc<Project>> {
        const MIN: ProjectId = ProjectId(uuid::Uuid::nil());
        self.owned
            .range((account, MIN)..)
            .take_while(move |(owner, _)| *owner == account)
            .filter_map(|(_, id)| self.projects.get(id))
    }

    /// Projects in which an account has grants.
    pub(super) fn projects_shared_with(&self, account: AccountId) -> Vec<Arc<Project>> {
        const MIN: (ProjectId, GrantId) = (ProjectId(uuid::Uuid::nil()), GrantId(uuid::Uuid::nil()));
        let ids: BTreeSet<ProjectId> = self
            .granted
            .range((account, MIN.0, MIN.1)..)
            .take_while(|(grantee, ..)| *grantee == account)
            .map(|(_, project, _)| *project)
            .filter(|project| !self.granted_actions(account, *project).is_empty())
            .collect();
        ids.iter().filter_map(|id| self.projects.get(id)).cloned().collect()
    }

    pub(super) fn policy(&self, id: PolicyId) -> Option<&Arc<Policy>> {
        self.policies.get(&id)
    }

    pub(super) fn grant(&self, id: GrantId) -> Option<&Arc<Grant>> {
        self.grants.get(&id)
    }

    pub(super) fn grants_of(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Grant>> {
        self.grants.values().filter(move |grant| grant.project == project)
    }

    /// The union of the actions of all grants that an account has in a project.
    pub(super) fn granted_actions(&self, account: AccountId, project: ProjectId) -> ActionSet {
        const MIN: GrantId = GrantId(uuid::Uuid::nil());
        self.granted
            .range((account, project, MIN)..)
            .take_while(|(grantee, of, _)| (*grantee, *of) == (account, project))
            .filter_map(|(.., id)| self.policies.get(&self.grants.get(id)?.policy))
            .fold(ActionSet::NONE, |all, policy| all.union(policy.actions))
    }

    /// Whether an account has a grant by this policy, or owns a project with such a grant.
    pub(super) fn can_see_policy(&self, account: AccountId, policy: PolicyId) -> bool {
        self.grants.values().filter(|grant| grant.policy == policy).any(|grant| {
            grant.grantee == account
                || self.projects.get(&grant.project).is_some_and(|project| project.owner == account)
        })
    }

    pub(super) fn invited(&self) -> impl Iterator<Item = &Invitation> {
        self.invited.values()
    }

    pub(super) fn is_invited(&self, email: &str) -> bool {
        self.invited.contains_key(email)
    }

    pub(super) fn invitation_needed(&self) -> Option<bool> {
        self.invitation_needed
    }

    /// What an account has used in the month of `now`.
    pub(super) fn usage(&self, account: AccountId, now: Timestamp) -> MonthlyUsage {
        let month = now.month();
        let nothing = MonthlyUsage { account, month, uploaded_bytes: 0, gas: 0 };
        self.usage.get(&account).filter(|usage| usage.month == month).copied().unwrap_or(nothing)
    }
}

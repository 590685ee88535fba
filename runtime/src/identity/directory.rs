//! The one owner of identity: reads from memory, writes through to the store.
//!
//! Invariant: a change is decided and written under one lock, so that what it was decided on still holds when it is
//! durable. Invariant: what is in memory is never ahead of the store; after a write that may or may not have
//! happened, everything is read again.

use super::state::DirectoryState;
use crate::entropy::Entropy;
use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_host::ports::Clock;
use golem_model::{PolicyId, ProjectAction};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Accounts, projects, policies, grants, tokens, invitations and usage. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    plan: super::Plan,
    state: RwLock<DirectoryState>,
    /// Held from a decision to its rows.
    write_lock: Mutex<()>,
    /// Set while memory may be behind the store.
    stale: AtomicBool,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// Why something about identity was not done. Nothing was changed, unless the store says that it may have been.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such thing, or the caller may not know of it.
    #[error("{what} not found: {id}")]
    NotFound {
        /// What it would be, capitalised.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The caller may know of it, but not do this.
    #[error("Forbidden: {0}")]
    Forbidden(String),
    /// The plan does not allow more.
    #[error(transparent)]
    Limit(#[from] super::PlanLimitError),
    /// The request cannot be carried out as it is.
    #[error("{0}")]
    Invalid(String),
    /// The caller would give what it does not have.
    #[error("Forbidden: you cannot give what you may not do yourself: {}", list(.0))]
    Escalation(Vec<ProjectAction>),
    /// The policy is not there, or not for the caller.
    #[error("Project policy not found: {0}")]
    NoPolicy(PolicyId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server has a defect.
    #[error("the change ended without an answer: {0}")]
    Panicked(String),
}

fn list(actions: &[ProjectAction]) -> String {
    let named = |action: &ProjectAction| golem_api::policy::ProjectAction::from(*action).to_string();
    actions.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// What a change comes to: its answer and the rows that make it true.
pub(super) type ChangeResult<T> = Result<(T, Vec<CatalogWrite>), IdentityError>;

impl Directory {
    /// Reads everything. Blocks.
    pub fn load(
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        plan: super::Plan,
    ) -> Result<Self, StoreError> {
        let state = RwLock::new(DirectoryState::read(catalog.as_ref())?);
        let shared = Shared {
            catalog,
            clock,
            entropy,
            plan,
            state,
            write_lock: Mutex::new(()),
            stale: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, DirectoryState> {
        self.shared.state.read()
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.shared.clock.as_ref()
    }

    pub(super) fn entropy(&self) -> &dyn Entropy {
        self.shared.entropy.as_ref()
    }

    /// The plan that every account has.
    pub fn plan(&self) -> &super::Plan {
        &self.shared.plan
    }

    /// Decides on a change and writes it. To the end, even if the caller goes away: what is stored must become known.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Self, &DirectoryState) -> ChangeResult<T> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let directory = self.clone();
        tokio::task::spawn_blocking(move || directory.commit(decide))
            .await
            .map_err(|panicked| IdentityError::Panicked(panicked.to_string()))?
    }

    /// The same, on a thread that may block.
    pub(super) fn commit<T>(
        &self,
        decide: impl FnOnce(&Self, &DirectoryState) -> ChangeResult<T>,
    ) -> Result<T, IdentityError> {
        let shared = &self.shared;
        let _write_guard = shared.write_lock.lock();
        if shared.stale.load(Ordering::Acquire) {
            self.reload()?;
        }
        let (value, writes) = decide(self, &shared.state.read())?;
        if writes.is_empty() {
            return Ok(value);
        }
        if let Err(error) = shared.catalog.write(&writes) {
            if !matches!(error, StoreError::Conflict { .. }) {
                shared.stale.store(true, Ordering::Release);
                self.reload()?;
            }
            return Err(error.into());
        }
        let mut state = shared.state.write();
        for write in writes {
            state.apply(write);
        }
        Ok(value)
    }

    fn reload(&self) -> Result<(), StoreError> {
        let state = DirectoryState::read(self.shared.catalog.as_ref())?;
        *self.shared.state.write() = state;
        self.shared.stale.store(false, Ordering::Release);
        Ok(())
    }
}

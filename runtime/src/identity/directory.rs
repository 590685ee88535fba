//! The owner of all identity rows: reads come from memory, writes go through to the store.
//!
//! Invariant: a change is decided and written under one lock, so the state that it was decided on is still current when
//! it is durable. Invariant: memory is never ahead of the store. After a failed write that may have been applied,
//! everything is read again.

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
    /// Held while a change is decided and written.
    write_lock: Mutex<()>,
    /// Set while memory may be behind the store.
    stale: AtomicBool,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// Why an operation on identity failed. Nothing was changed, except perhaps after `Store` and `Panicked`.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The object does not exist, or the caller may not know of it.
    #[error("{what} not found: {id}")]
    NotFound {
        /// Kind of the object, capitalised.
        what: &'static str,
        /// Id of the object.
        id: String,
    },
    /// The caller may know of the object, but may not do this with it.
    #[error("Forbidden: {0}")]
    Forbidden(String),
    /// A limit of the plan is reached.
    #[error(transparent)]
    Limit(#[from] super::PlanLimitError),
    /// The request is invalid in the current state.
    #[error("{0}")]
    Invalid(String),
    /// The caller tried to grant actions that it does not have itself.
    #[error("Forbidden: you cannot grant actions that you do not have yourself: {}", list(.0))]
    Escalation(Vec<ProjectAction>),
    /// The policy does not exist, or the caller may not see it.
    #[error("Project policy not found: {0}")]
    NoPolicy(PolicyId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The change panicked, which is a defect of the server.
    #[error("the change panicked: {0}")]
    Panicked(String),
}

fn list(actions: &[ProjectAction]) -> String {
    let named = |action: &ProjectAction| golem_api::policy::ProjectAction::from(*action).to_string();
    actions.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// Result of deciding on a change: its value, and the rows to write.
pub(super) type ChangeResult<T> = Result<(T, Vec<CatalogWrite>), IdentityError>;

impl Directory {
    /// Reads all rows. Blocks the thread.
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

    /// Decides on a change and writes it. Completes even if the caller is dropped: rows that were stored must become
    /// visible in memory.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Self, &DirectoryState) -> ChangeResult<T> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let directory = self.clone();
        tokio::task::spawn_blocking(move || directory.commit(decide))
            .await
            .map_err(|panicked| IdentityError::Panicked(panicked.to_string()))?
    }

    /// Like `change`, but blocks the thread.
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

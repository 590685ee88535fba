//! Decides what a worker may do with the promises of other workers.
//!
//! The principal of a host call is the owner account of the calling worker's project. docs/architecture.md lists the
//! rule of every host call that names another object.
//!
//! Invariant: a refused call has the outcome and the entries of a call on a promise that does not exist. Replay uses
//! the recorded outcome and does not decide again, so a later change of grants does not change a worker's history.

use super::core::{Core, State};
use crate::storage::ports::WorkerNum;
use golem_model::{ProjectAction, ProjectId};

/// Authorizes host calls on objects of other projects.
pub trait HostAuthorization: Send + Sync {
    /// Whether the owner account of project `caller` may do `action` in project `target`.
    ///
    /// Called under the node's lock: an implementation must not wait and must not call the executor.
    fn is_authorized(&self, caller: ProjectId, action: ProjectAction, target: ProjectId) -> bool;
}

/// How a host call uses a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromiseAccess {
    /// Waits for it, polls it or reads its bytes.
    Read,
    Complete,
    Delete,
}

/// A host call of a worker of one project on promises of another project.
/// [`Core::authorizes_promise_access`] decides on it anew each time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PromiseAccessRequest {
    caller: ProjectId,
    owner: ProjectId,
    access: PromiseAccess,
}

impl PromiseAccessRequest {
    /// Names the projects of the two workers. `None` if one of them is not in memory.
    pub(crate) fn between(
        state: &State,
        caller: WorkerNum,
        access: PromiseAccess,
        owner: WorkerNum,
    ) -> Option<Self> {
        let project = |worker| state.ledger.projection(worker).map(|projection| projection.project);
        Some(Self { caller: project(caller)?, owner: project(owner)?, access })
    }
}

impl Core {
    /// Whether the calling worker may use the promises of the owner now.
    pub(crate) fn authorizes_promise_access(&self, access_request: PromiseAccessRequest) -> bool {
        let PromiseAccessRequest { caller, owner, access } = access_request;
        if caller == owner {
            return true;
        }
        let action = match access {
            PromiseAccess::Read => ProjectAction::ViewWorker,
            PromiseAccess::Complete => ProjectAction::UpdateWorker,
            // No REST request deletes a promise, so no granted action covers it.
            PromiseAccess::Delete => return false,
        };
        self.authorization.is_authorized(caller, action, owner)
    }
}

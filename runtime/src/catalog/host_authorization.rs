//! Authorizes host calls by the grants of the calling worker's account.

use crate::executor::HostAuthorization;
use crate::identity::{Action, Decision, Directory};
use golem_model::{ProjectAction, ProjectId};

impl HostAuthorization for Directory {
    fn is_authorized(&self, caller: ProjectId, action: ProjectAction, target: ProjectId) -> bool {
        let action = Action::ALL.into_iter().find(|candidate| candidate.grantable() == Some(action));
        action.is_some_and(|action| self.decide_host_call(caller, action, target) == Decision::Allowed)
    }
}

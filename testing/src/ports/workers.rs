//! The metadata of workers, derived from their oplogs.

use super::store::Activation;
use async_trait::async_trait;
use golem_host::History;
use golem_host::ports::{PortError, WorkerMetadata, WorkerPage, WorkerQuery, Workers};
use golem_model::oplog::FailureCause;
use golem_model::{Entry, OplogIndex, WorkerId, WorkerStatus};

/// Workers on a page.
const PAGE: usize = 2;

/// Derives a worker's metadata from its oplog. The calling worker is running.
fn metadata_of(oplog: &[Entry], is_caller: bool) -> Option<WorkerMetadata> {
    let Some(Entry::Created { id, args, env, template_version, .. }) = oplog.first() else { return None };
    let reverted = History::from_entries(OplogIndex(0), oplog.to_vec(), usize::MAX);
    let mut status = WorkerStatus::Idle;
    for (index, entry) in (1..).zip(oplog) {
        if reverted.is_reverted(OplogIndex(index)) {
            continue;
        }
        match entry {
            Entry::InvocationStarted { .. } | Entry::HostCall { .. } => status = WorkerStatus::Running,
            Entry::Suspended(_) => status = WorkerStatus::Suspended,
            Entry::InvocationCompleted { .. } => status = WorkerStatus::Idle,
            Entry::AttemptFailed { .. } => status = WorkerStatus::Retrying,
            Entry::InvocationFailed { cause: FailureCause::Exited { .. }, .. } => {
                status = WorkerStatus::Exited;
            }
            Entry::InvocationFailed { .. } => status = WorkerStatus::Failed,
            _ => {}
        }
    }
    Some(WorkerMetadata {
        id: id.clone(),
        args: args.clone(),
        env: env.clone(),
        status: if is_caller { WorkerStatus::Running } else { status },
        template_version: *template_version,
        retry_count: 0,
    })
}

#[async_trait]
impl Workers for Activation {
    async fn metadata(&self, worker: &WorkerId) -> Result<Option<WorkerMetadata>, PortError> {
        Ok(metadata_of(&self.store.oplog(worker), *worker == self.worker))
    }

    async fn list(&self, query: &WorkerQuery) -> Result<WorkerPage, PortError> {
        let matches = |metadata: &WorkerMetadata| {
            let prefix = query.name_prefix.as_deref().unwrap_or_default();
            metadata.id.template == query.template
                && metadata.id.name.as_str().starts_with(prefix)
                && query.status.is_none_or(|status| metadata.status == status)
                && query.template_version.is_none_or(|version| metadata.template_version == version)
                && query.after.as_ref().is_none_or(|after| metadata.id.name > *after)
        };
        let ids = self.store.workers();
        let all = ids.iter().filter_map(|id| metadata_of(&self.store.oplog(id), *id == self.worker));
        let mut workers: Vec<WorkerMetadata> = all.filter(matches).take(PAGE + 1).collect();
        let next = (workers.len() > PAGE).then(|| workers[PAGE - 1].id.name.clone());
        workers.truncate(PAGE);
        Ok(WorkerPage { workers, next })
    }
}

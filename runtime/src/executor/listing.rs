//! Lists of workers by page, in the order of their names: the stored projections, overlaid with those in memory.
//!
//! Listing loads no worker and wakes none. A page reads a bounded number of projections, however few of them match.
//!
//! Invariant: a worker that was created before the page was requested is on it or on a later one, and a worker that was
//! deleted before is not.

use super::core::{Core, State, WorkerSlot};
use super::ledger::store_reads::StoreRead;
use super::position::RowPosition;
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, WorkerView};
use crate::storage::ports::{StoredProjection, WorkerNum};
use golem_model::{TemplateId, WorkerStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of projections that one page reads.
const SCANNED_MAX: usize = 1_000;
/// Approximate size in bytes of the arguments and environments on one page. The page ends beyond it, so that no
/// response grows without a bound.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// The range of workers to list.
#[derive(Debug, Clone)]
pub struct WorkerRange {
    /// The template.
    pub template: TemplateId,
    /// The prefix of the names.
    pub prefix: String,
    /// Only names after this one. Empty to list all.
    pub after: String,
    /// Maximum number of workers.
    pub count: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersPage {
    /// The workers, ordered by name. May be empty although more follow.
    pub workers: Vec<WorkerView>,
    /// If set, more may follow after this name.
    pub next: Option<String>,
}

/// A worker in the range.
enum ListedWorker {
    Memory(WorkerNum),
    Store(Box<WorkerProjection>),
}

impl Executor {
    /// Lists the matching workers of a range, from the first on. What the page shows is durable on return.
    pub async fn list(
        &self,
        range: WorkerRange,
        matches: impl Fn(&WorkerView) -> bool + Send,
    ) -> Result<WorkersPage, ExecutorError> {
        let (page, position) = self.core.list(range, matches).await?;
        self.core.wait_until_durable(position).await?;
        Ok(page)
    }
}

impl Core {
    /// Returns the page, and the position that it rests on: it shows workers, and leaves out those that were deleted.
    pub(crate) async fn list(
        self: &Arc<Self>,
        range: WorkerRange,
        matches: impl Fn(&WorkerView) -> bool + Send,
    ) -> Result<(WorkersPage, RowPosition), ExecutorError> {
        let (found, end, read) = self.scan_range(&range).await?;
        let state = self.lock();
        Self::check_read_valid(&state, &read)?;
        Ok((build_page(&state, found, end, range.count, &matches), state.last_position()))
    }

    /// Returns the workers in the range, and the last name up to which the result is complete. `None` means that it is
    /// complete. The workers in memory stay there as long as the read is held.
    async fn scan_range(
        self: &Arc<Self>,
        range: &WorkerRange,
    ) -> Result<(BTreeMap<String, ListedWorker>, Option<String>, StoreRead), ExecutorError> {
        let WorkerRange { template, prefix, after, count: _ } = range.clone();
        let (in_memory, removed, read) = {
            let mut state = self.lock();
            Self::check_available(&state)?;
            let read = state.ledger.begin_store_read();
            let in_memory = state.ledger.list_named(template, &prefix, &after, SCANNED_MAX);
            for (_, worker) in &in_memory {
                state.ledger.pin_projection(*worker);
            }
            (in_memory, state.ledger.removed_workers(), read)
        };
        let stored = self
            .read_store(move |store| store.projections_named(template, &prefix, &after, SCANNED_MAX))
            .await?;
        // If one of the two lists was cut off, the result is complete only up to its last name.
        let in_memory_end = in_memory.get(SCANNED_MAX - 1).map(|(name, _)| name.clone());
        let stored_end = stored.get(SCANNED_MAX - 1).map(|stored| stored.id.name.to_string());
        let end = in_memory_end.into_iter().chain(stored_end).min();
        let mut found: BTreeMap<String, ListedWorker> =
            in_memory.into_iter().map(|(name, worker)| (name, ListedWorker::Memory(worker))).collect();
        let only_stored = |stored: &StoredProjection| {
            !removed.contains(&stored.worker) && !found.contains_key(stored.id.name.as_str())
        };
        let only_stored: Vec<StoredProjection> = stored.into_iter().filter(only_stored).collect();
        for stored in only_stored {
            let name = stored.id.name.to_string();
            found.insert(name, ListedWorker::Store(Box::new(self.decode_projection(stored).await?)));
        }
        Ok((found, end, read))
    }
}

/// Builds the page from `found`.
fn build_page(
    state: &State,
    found: BTreeMap<String, ListedWorker>,
    end: Option<String>,
    count: usize,
    matches: impl Fn(&WorkerView) -> bool,
) -> WorkersPage {
    let mut page = WorkersPage { workers: Vec::new(), next: None };
    let mut bytes = 0;
    for (name, found) in found {
        if end.as_ref().is_some_and(|end| name > *end) {
            break;
        }
        if page.workers.len() == count || bytes >= PAGE_BYTES_MAX {
            return page;
        }
        let view = match found {
            // `None` if it was deleted meanwhile.
            ListedWorker::Memory(worker) => {
                state.ledger.projection(worker).map(|projection| worker_view(state, worker, projection))
            }
            ListedWorker::Store(projection) => {
                let worker = WorkerNum(projection.worker);
                let exists = !state.ledger.is_removed(worker);
                exists.then(|| {
                    worker_view(state, worker, state.ledger.projection(worker).unwrap_or(&projection))
                })
            }
        };
        if let Some(view) = view.filter(&matches) {
            bytes += view.args.iter().map(String::len).sum::<usize>();
            bytes += view.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            page.workers.push(view);
        }
        page.next = Some(name);
    }
    page.next = end;
    page
}

/// Returns the current properties of a worker.
pub(crate) fn worker_view(state: &State, worker: WorkerNum, projection: &WorkerProjection) -> WorkerView {
    let slot = state.slots.get(&worker);
    let driven = slot.is_some_and(WorkerSlot::drives_invocation);
    let waiting = slot.is_some_and(|slot| !slot.pending.is_empty());
    let status = match projection.status() {
        WorkerStatus::Idle if driven || waiting => WorkerStatus::Running,
        // The worker was woken and is about to run.
        WorkerStatus::Suspended if driven => WorkerStatus::Running,
        WorkerStatus::Running | WorkerStatus::Idle
            if state.retries_after_server_error(worker, projection) =>
        {
            WorkerStatus::Retrying
        }
        status => status,
    };
    WorkerView {
        id: projection.id.clone(),
        project: projection.project,
        account: projection.account,
        args: projection.args.clone(),
        env: projection.env.clone(),
        status,
        template_version: projection.template_version,
        retry_count: projection.attempts_failed.saturating_add(projection.process_ends.count()),
        created_at: projection.created_at,
    }
}

//! Lists of workers, a page at a time: the heads in the store with those in memory over them, in the order of names.
//!
//! Nothing is loaded for a list and no worker is woken. A page looks at a bounded number of heads, whatever matches.
//! Invariant: who was made before the page was asked for is on it or on a later one, and who was deleted before is not.

use super::core::{Core, State};
use super::projection::WorkerProjection;
use super::{Executor, ExecutorError, WorkerView};
use crate::storage::ports::{StoredHead, WorkerNum};
use golem_model::{TemplateId, WorkerStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Heads that one page looks at, at most.
const SCANNED_MAX: usize = 1_000;
/// Bytes of arguments and environments on one page, about, beyond which it ends: no answer grows without bound.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Which workers.
#[derive(Debug, Clone)]
pub struct WorkerRange {
    /// The template.
    pub template: TemplateId,
    /// How the names begin.
    pub prefix: String,
    /// Only names after this one; all if it is empty.
    pub after: String,
    /// How many, at most.
    pub count: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersPage {
    /// The workers, ordered by name; may be none although more follow.
    pub workers: Vec<WorkerView>,
    /// More may follow after this name.
    pub next: Option<String>,
}

/// A worker in the range.
enum ListedWorker {
    Memory(WorkerNum),
    Store(Box<WorkerProjection>),
}

impl Executor {
    /// The workers of a range that match, from the first on.
    pub async fn list(
        &self,
        range: WorkerRange,
        matches: impl Fn(&WorkerView) -> bool + Send,
    ) -> Result<WorkersPage, ExecutorError> {
        self.core.list(range, matches).await
    }
}

impl Core {
    pub(crate) async fn list(
        self: &Arc<Self>,
        range: WorkerRange,
        matches: impl Fn(&WorkerView) -> bool + Send,
    ) -> Result<WorkersPage, ExecutorError> {
        loop {
            let (found, end) = self.scan_range(&range).await?;
            let state = self.lock();
            Self::check_available(&state)?;
            if let Some(page) = build_page(&state, found, end, range.count, &matches) {
                return Ok(page);
            }
        }
    }

    /// The workers in the range, and the last name up to which all are known; none if they are all known.
    async fn scan_range(
        self: &Arc<Self>,
        range: &WorkerRange,
    ) -> Result<(BTreeMap<String, ListedWorker>, Option<String>), ExecutorError> {
        let WorkerRange { template, prefix, after, count: _ } = range.clone();
        // First what is in memory, then the store: whoever leaves memory in between is in the store by then.
        let (in_memory, removed) = {
            let state = self.lock();
            Self::check_available(&state)?;
            (state.ledger.list_named(template, &prefix, &after, SCANNED_MAX), state.ledger.removed_workers())
        };
        let stored =
            self.read_store(move |store| store.heads_named(template, &prefix, &after, SCANNED_MAX)).await?;
        // Where one of the two was cut, nothing is known of what comes later.
        let in_memory_end = in_memory.get(SCANNED_MAX - 1).map(|(name, _)| name.clone());
        let stored_end = stored.get(SCANNED_MAX - 1).map(|stored| stored.id.name.to_string());
        let end = in_memory_end.into_iter().chain(stored_end).min();
        let mut found: BTreeMap<String, ListedWorker> =
            in_memory.into_iter().map(|(name, worker)| (name, ListedWorker::Memory(worker))).collect();
        let only_stored = |stored: &StoredHead| {
            !removed.contains(&stored.no) && !found.contains_key(stored.id.name.as_str())
        };
        let only_stored: Vec<StoredHead> = stored.into_iter().filter(only_stored).collect();
        for stored in only_stored {
            let name = stored.id.name.to_string();
            found.insert(name, ListedWorker::Store(Box::new(self.decode_projection(stored).await?)));
        }
        Ok((found, end))
    }
}

/// The page that begins with `found`; `None` if one of them left memory since.
fn build_page(
    state: &State,
    found: BTreeMap<String, ListedWorker>,
    end: Option<String>,
    count: usize,
    matches: impl Fn(&WorkerView) -> bool,
) -> Option<WorkersPage> {
    let mut page = WorkersPage { workers: Vec::new(), next: None };
    let mut bytes = 0;
    for (name, found) in found {
        if end.as_ref().is_some_and(|end| name > *end) {
            break;
        }
        if page.workers.len() == count || bytes >= PAGE_BYTES_MAX {
            return Some(page);
        }
        let view = match found {
            ListedWorker::Memory(worker) => {
                Some(worker_view(state, worker, state.ledger.projection(worker)?))
            }
            ListedWorker::Store(projection) => {
                let worker = WorkerNum(projection.worker);
                let there = !state.ledger.is_removed(worker);
                there.then(|| {
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
    Some(page)
}

/// What callers can know of a worker now.
pub(crate) fn worker_view(state: &State, worker: WorkerNum, projection: &WorkerProjection) -> WorkerView {
    let slot = state.slots.get(&worker);
    let driven = slot.is_some_and(|slot| slot.has_task && slot.current.is_some());
    let waiting = slot.is_some_and(|slot| !slot.pending.is_empty());
    let status = match projection.status() {
        WorkerStatus::Idle if driven || waiting => WorkerStatus::Running,
        // Woken, and on its way.
        WorkerStatus::Suspended if driven => WorkerStatus::Running,
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
        retry_count: projection.attempts_failed,
        created_at: projection.created_at,
    }
}

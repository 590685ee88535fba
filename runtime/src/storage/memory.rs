//! A store in memory, for tests. It has the contract of the embedded store, and commits and reads can be made to fail.

mod catalog;

use super::ports::{
    AbandonedBucket, Batch, IdempotencyRow, LogRow, RemovedWorker, Seq, Store, StoreError, StorePosition,
    StoredProjection, ValueRow, WorkerNum,
};
use catalog::CatalogData;
use golem_model::shared::{KeySpace, ScopedKey};
use golem_model::{Epoch, OplogIndex, ProjectId, ShardId, TemplateId, WorkerId};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// The path in error messages.
const PATH: &str = "memory";

/// A handle to a store in memory. [`MemoryStore::reopen`] returns another handle to the same data, as a process gets
/// that starts after a crash.
#[derive(Debug)]
pub struct MemoryStore {
    data: Arc<Mutex<StoreData>>,
    handle: Mutex<HandleState>,
    /// Notified when commits are not held any more.
    released: Condvar,
    read_hook: ReadHook,
}

/// Called after each read of a projection by its id and of a key's row.
#[derive(Default)]
struct ReadHook(Mutex<Option<Arc<dyn Fn() + Send + Sync>>>);

impl std::fmt::Debug for ReadHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadHook").finish_non_exhaustive()
    }
}

/// A commit that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Number of the commit that fails: 1 is the next one.
    pub commit: u64,
    /// The error of that commit.
    pub kind: FaultKind,
    /// Whether the batch is stored in spite of the error.
    pub applied: bool,
}

/// The error of a failed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// [`StoreError::Full`].
    Full,
    /// [`StoreError::Io`].
    Io,
    /// The commit panics, like a defect of a store.
    Panic,
}

/// A read that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// [`Store::projection_by_num`].
    Projection(FaultKind),
    /// [`Store::projections_to_wake`].
    ProjectionsToWake(FaultKind),
    /// [`Store::rows_back`].
    RowsBack(FaultKind),
    /// [`Store::value`].
    Value(FaultKind),
}

/// State of one handle, which a crash of the process would lose.
#[derive(Debug, Default)]
struct HandleState {
    faults: Vec<Fault>,
    /// Reads that fail, each once.
    read_faults: Vec<ReadFault>,
    /// Whether commits of the log wait.
    held: bool,
    /// A commit of the log failed. All writes are refused until [`Store::recover`].
    broken: bool,
    syncs: u64,
}

#[derive(Debug, Clone)]
struct StoreData {
    epochs: Vec<Epoch>,
    log: BTreeMap<Seq, LogRow>,
    position: StorePosition,
    projections: BTreeMap<WorkerNum, StoredProjection>,
    idempotency_rows: BTreeMap<(WorkerNum, [u8; 16]), IdempotencyRow>,
    values: BTreeMap<(ProjectId, ScopedKey), ValueRow>,
    abandoned: BTreeSet<AbandonedBucket>,
    trash: BTreeMap<WorkerNum, Seq>,
    deleted_names: BTreeMap<WorkerId, OplogIndex>,
    catalog: CatalogData,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let data = StoreData {
            epochs: ShardId::all().map(|_| Epoch(0)).collect(),
            log: BTreeMap::new(),
            position: StorePosition::default(),
            projections: BTreeMap::new(),
            idempotency_rows: BTreeMap::new(),
            values: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            trash: BTreeMap::new(),
            deleted_names: BTreeMap::new(),
            catalog: CatalogData::default(),
        };
        Self::of(Arc::new(Mutex::new(data)))
    }

    fn of(data: Arc<Mutex<StoreData>>) -> Self {
        Self { data, handle: Mutex::default(), released: Condvar::new(), read_hook: ReadHook::default() }
    }

    /// Another handle to the same data, without the faults and failures of this one. When it calls [`Store::acquire`],
    /// this handle is fenced.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self::of(Arc::clone(&self.data))
    }

    /// A copy of the current data, like a backup.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self::of(Arc::new(Mutex::new(self.data.lock().clone())))
    }

    /// Makes a later commit fail.
    pub fn fail(&self, fault: Fault) {
        self.handle.lock().faults.push(fault);
    }

    /// Calls `hook` after each read of a projection by its id and of a key's row, before the result is returned: the
    /// state may change meanwhile.
    pub fn set_read_hook(&self, hook: Arc<dyn Fn() + Send + Sync>) {
        *self.read_hook.0.lock() = Some(hook);
    }

    fn run_read_hook(&self) {
        let hook = self.read_hook.0.lock().clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Makes the next read of a kind fail.
    pub fn fail_read(&self, fault: ReadFault) {
        self.handle.lock().read_faults.push(fault);
    }

    /// Fails if this read was made to fail.
    fn read(&self, kind_of: impl Fn(&ReadFault) -> Option<FaultKind>) -> Result<(), StoreError> {
        let fault = {
            let faults = &mut self.handle.lock().read_faults;
            let at = faults.iter().position(|fault| kind_of(fault).is_some());
            at.and_then(|at| kind_of(&faults.remove(at)))
        };
        fault.map_or(Ok(()), |kind| Err(error(kind)))
    }

    /// Makes commits of the log wait until [`MemoryStore::release`], like a slow disk.
    pub fn hold(&self) {
        self.handle.lock().held = true;
    }

    /// Lets the commits continue that [`MemoryStore::hold`] stopped.
    pub fn release(&self) {
        self.handle.lock().held = false;
        self.released.notify_all();
    }

    /// The fault of this commit, if there is one. Counts the other faults down.
    fn take_fault(&self) -> Result<Option<Fault>, StoreError> {
        let mut handle = self.handle.lock();
        if handle.broken {
            return Err(error(FaultKind::Io));
        }
        for fault in &mut handle.faults {
            fault.commit = fault.commit.saturating_sub(1);
        }
        let due = handle.faults.iter().position(|fault| fault.commit == 0);
        let fault = due.map(|index| handle.faults.remove(index));
        handle.syncs += 1;
        Ok(fault)
    }

    /// Runs `operation`, unless a fault makes this commit fail. If `operation` returns an error, it must have changed
    /// nothing.
    fn transact<T>(
        &self,
        operation: impl FnOnce(&mut StoreData) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fault = self.take_fault()?;
        let mut data = self.data.lock();
        if fault.is_some_and(|fault| !fault.applied) {
            return Err(error(fault.map_or(FaultKind::Io, |fault| fault.kind)));
        }
        let value = operation(&mut data)?;
        match fault {
            None => Ok(value),
            Some(fault) => Err(error(fault.kind)),
        }
    }

    /// After a write to the log: if it failed, refuses further writes. A refused write is not a failure.
    fn note_log_failure<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Full { .. } | StoreError::Io { .. }) = outcome {
            self.handle.lock().broken = true;
        }
        outcome
    }
}

fn error(kind: FaultKind) -> StoreError {
    match kind {
        FaultKind::Full => StoreError::Full { path: PathBuf::from(PATH) },
        FaultKind::Io => StoreError::Io {
            operation: "write",
            path: PathBuf::from(PATH),
            source: "an injected fault".into(),
        },
        FaultKind::Panic => panic!("an injected panic of the store"),
    }
}

impl StoreData {
    /// Checks everything that can refuse a batch, before anything is changed.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        for &(shard, ours) in &batch.fences {
            let current = self.epochs[usize::from(shard.0)];
            if current != ours {
                return Err(StoreError::Fenced { shard, ours, current });
            }
        }
        let mut last = self.position.last;
        for row in &batch.rows {
            if row.seq != last.next() {
                return Err(StoreError::OutOfOrder { first: row.seq, last });
            }
            last = row.seq;
        }
        let mut ids: BTreeMap<&WorkerId, WorkerNum> = self
            .projections
            .values()
            .filter(|projection| !batch.removed.iter().any(|removed| removed.worker == projection.worker))
            .map(|projection| (&projection.id, projection.worker))
            .collect();
        for projection in &batch.projections {
            if ids.insert(&projection.id, projection.worker).is_some_and(|worker| worker != projection.worker)
            {
                return Err(StoreError::Conflict { what: "worker" });
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) {
        for row in &batch.rows {
            self.position.last = row.seq;
            self.log.insert(row.seq, row.clone());
        }
        for RemovedWorker { worker, last, name } in &batch.removed {
            self.projections.remove(worker);
            self.trash.insert(*worker, *last);
            if let Some(name) = name {
                let end = self.deleted_names.entry(name.id.clone()).or_default();
                *end = name.oplog_end.max(*end);
            }
        }
        for projection in &batch.projections {
            self.projections.insert(projection.worker, projection.clone());
        }
        for row in &batch.idempotency_rows {
            self.idempotency_rows.insert((row.worker, row.key_hash), *row);
        }
        for row in &batch.values {
            let key = (row.project, row.scoped_key.clone());
            match row.value {
                Some(_) => self.values.insert(key, row.clone()),
                None => self.values.remove(&key),
            };
        }
        self.abandoned.extend(batch.abandoned.iter().cloned());
        if let Some(derived) = batch.derived {
            self.position.derived = derived;
        }
    }

    /// Removes at most `limit` rows of deleted workers, each worker's rows from the last to the first.
    fn purge_removed(&mut self, limit: usize) -> bool {
        let mut left = limit;
        while left > 0 {
            let derived = self.position.derived.applied;
            let Some((&worker, &last)) = self.trash.iter().find(|(_, last)| **last <= derived) else {
                return false;
            };
            let mut last = last;
            while left > 0 && last != Seq(0) {
                last = self.log.remove(&last).map_or(Seq(0), |row| row.prev);
                left -= 1;
            }
            let keys: Vec<_> = self
                .idempotency_rows
                .range((worker, [0; 16])..=(worker, [u8::MAX; 16]))
                .map(|(key, _)| *key)
                .take(left)
                .collect();
            left -= keys.len();
            for key in keys {
                self.idempotency_rows.remove(&key);
            }
            if left > 0 {
                self.trash.remove(&worker);
                left -= 1;
            } else {
                self.trash.insert(worker, last);
            }
        }
        self.trash.values().any(|last| *last <= self.position.derived.applied)
    }
}

impl Store for MemoryStore {
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError> {
        self.note_log_failure(self.transact(|data| {
            for epoch in &mut data.epochs {
                epoch.0 += 1;
            }
            Ok(ShardId::all().zip(data.epochs.iter().copied()).collect())
        }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.released.wait_while(&mut self.handle.lock(), |handle| handle.held);
        self.note_log_failure(self.transact(|data| {
            data.check(batch)?;
            data.apply(batch);
            Ok(())
        }))
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.handle.lock().broken = false;
        self.position()
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        Ok(self.data.lock().position)
    }

    fn rows_back(&self, last: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.read(|fault| match fault {
            ReadFault::RowsBack(kind) => Some(*kind),
            ReadFault::Projection(_) | ReadFault::ProjectionsToWake(_) | ReadFault::Value(_) => None,
        })?;
        let data = self.data.lock();
        let mut rows: Vec<LogRow> = Vec::new();
        let mut seq = last;
        let mut bytes = 0;
        while rows.len() < limit
            && bytes < bytes_max
            && let Some(row) = data.log.get(&seq)
        {
            seq = row.prev;
            bytes += row.body.len();
            rows.push(row.clone());
        }
        Ok(rows)
    }

    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError> {
        Ok(self.data.lock().log.get(&seq).cloned())
    }

    fn rows_after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        let mut bytes = 0;
        let fits = |row: &&LogRow| {
            let fits = bytes < bytes_max;
            bytes += row.body.len();
            fits
        };
        let data = self.data.lock();
        Ok(data.log.range(seq.next()..).take(limit).map(|(_, row)| row).take_while(fits).cloned().collect())
    }

    fn projection(&self, id: &WorkerId) -> Result<Option<StoredProjection>, StoreError> {
        let found = self.data.lock().projections.values().find(|projection| projection.id == *id).cloned();
        self.run_read_hook();
        Ok(found)
    }

    fn projection_by_num(&self, worker: WorkerNum) -> Result<Option<StoredProjection>, StoreError> {
        self.read(|fault| match fault {
            ReadFault::Projection(kind) => Some(*kind),
            ReadFault::ProjectionsToWake(_) | ReadFault::RowsBack(_) | ReadFault::Value(_) => None,
        })?;
        Ok(self.data.lock().projections.get(&worker).cloned())
    }

    fn projections_to_wake(
        &self,
        after: WorkerNum,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.read(|fault| match fault {
            ReadFault::ProjectionsToWake(kind) => Some(*kind),
            ReadFault::Projection(_) | ReadFault::RowsBack(_) | ReadFault::Value(_) => None,
        })?;
        let data = self.data.lock();
        let to_wake = |projection: &&StoredProjection| {
            projection.worker > after && (projection.active || projection.wake_at.is_some())
        };
        Ok(data.projections.values().filter(to_wake).take(limit).cloned().collect())
    }

    fn projections_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        let data = self.data.lock();
        let in_range = |projection: &&StoredProjection| {
            let name = projection.id.name.as_str();
            projection.id.template == template && name.starts_with(prefix) && name > after
        };
        let mut projections: Vec<StoredProjection> =
            data.projections.values().filter(in_range).cloned().collect();
        projections.sort_unstable_by(|a, b| a.id.name.cmp(&b.id.name));
        projections.truncate(limit);
        Ok(projections)
    }

    fn projection_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError> {
        let data = self.data.lock();
        let counted = |projection: &&StoredProjection| {
            template.is_none_or(|template| projection.id.template == template)
        };
        Ok(data.projections.values().filter(counted).count() as u64)
    }

    fn projection_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for projection in self.data.lock().projections.values() {
            *counts.entry(projection.id.template).or_insert(0) += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn deleted_name(&self, id: &WorkerId) -> Result<Option<OplogIndex>, StoreError> {
        Ok(self.data.lock().deleted_names.get(id).copied())
    }

    fn deleted_name_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for id in self.data.lock().deleted_names.keys() {
            *counts.entry(id.template).or_insert(0) += 1;
        }
        Ok(counts.into_iter().collect())
    }

    fn idempotency_row(
        &self,
        worker: WorkerNum,
        key_hash: [u8; 16],
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        let found = self.data.lock().idempotency_rows.get(&(worker, key_hash)).copied();
        self.run_read_hook();
        Ok(found)
    }

    fn value(&self, project: ProjectId, key: &ScopedKey) -> Result<Option<ValueRow>, StoreError> {
        self.read(|fault| match fault {
            ReadFault::Value(kind) => Some(*kind),
            ReadFault::Projection(_) | ReadFault::ProjectionsToWake(_) | ReadFault::RowsBack(_) => None,
        })?;
        Ok(self.data.lock().values.get(&(project, key.clone())).cloned())
    }

    fn keys(
        &self,
        project: ProjectId,
        space: KeySpace,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let data = self.data.lock();
        let first = ScopedKey { space, bucket: bucket.into(), key: after.unwrap_or("").into() };
        let keys = data
            .values
            .range((project, first)..)
            .take_while(|((of, at), _)| *of == project && at.space == space && *at.bucket == *bucket)
            .map(|((_, at), _)| at.key.to_string())
            .filter(|key| after.is_none_or(|after| key.as_str() > after));
        Ok(keys.take(limit).collect())
    }

    fn run_maintenance(&self, limit: usize) -> Result<bool, StoreError> {
        if self.handle.lock().broken {
            return Err(error(FaultKind::Io));
        }
        let mut guard = self.data.lock();
        let data = &mut *guard;
        let abandoned = std::mem::take(&mut data.abandoned);
        // A name may be written after its template was removed, so the set stays.
        let removed_templates = &data.catalog.removed_templates;
        data.deleted_names.retain(|id, _| !removed_templates.contains(&id.template));
        data.values.retain(|(project, at), _| {
            at.space != KeySpace::Objects
                || !abandoned.contains(&AbandonedBucket { project: *project, bucket: at.bucket.clone() })
        });
        Ok(data.purge_removed(limit))
    }

    fn syncs(&self) -> u64 {
        self.handle.lock().syncs
    }
}

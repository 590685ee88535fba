//! A store with an error, made of the real one: what a fault does not change is passed on.

use golem_model::shared::{KeySpace, ScopedKey};
use golem_model::{Epoch, OplogIndex, ProjectId, ShardId, TemplateId, WorkerId};
use golem_runtime::storage::ports::{
    Batch, IdempotencyRow, LogRow, Seq, Store, StoreError, StorePosition, StoredProjection, ValueRow,
    WorkerNum,
};
use std::fmt;
use std::sync::Arc;

/// An error of a store.
pub trait StoreFault: Send + Sync + fmt::Debug {
    /// The store, with every commit that was acknowledged.
    fn store(&self) -> Arc<dyn Store>;

    /// The store for reads of single projections, keys and values.
    fn derived_store(&self) -> Arc<dyn Store> {
        self.store()
    }

    /// The store for reads of keys.
    fn store_for_keys(&self) -> Arc<dyn Store> {
        self.derived_store()
    }

    /// The store for reads of values.
    fn store_for_values(&self) -> Arc<dyn Store> {
        self.derived_store()
    }

    /// The rows that a read of a page of a worker's history returns instead of `rows`.
    fn alter_history(&self, rows: Vec<LogRow>) -> Vec<LogRow> {
        rows
    }

    /// The page that a search for workers with work returns instead of `projections`.
    fn alter_wake_page(&self, projections: Vec<StoredProjection>) -> Vec<StoredProjection> {
        projections
    }

    /// Writes `batch`.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The end of the log and of the derived tables.
    fn position(&self) -> Result<StorePosition, StoreError> {
        self.store().position()
    }

    /// Opens the store again after a failed commit.
    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.store().recover()?;
        self.position()
    }

    /// Called before each read of the log, of projections, keys and values. An error is the outcome of the read.
    fn before_read(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A store with an error.
#[derive(Debug)]
pub struct FaultyStore<F>(pub F);

impl<F: StoreFault> Store for FaultyStore<F> {
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError> {
        self.0.store().acquire()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.0.commit(batch)
    }

    fn recover(&self) -> Result<StorePosition, StoreError> {
        self.0.recover()
    }

    fn position(&self) -> Result<StorePosition, StoreError> {
        self.0.position()
    }

    fn rows_back(&self, last: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.0.before_read()?;
        self.0.store().rows_back(last, limit, bytes_max).map(|rows| self.0.alter_history(rows))
    }

    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError> {
        self.0.before_read()?;
        self.0.store().row(seq)
    }

    fn rows_after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError> {
        self.0.before_read()?;
        self.0.store().rows_after(seq, limit, bytes_max)
    }

    fn projection(&self, id: &WorkerId) -> Result<Option<StoredProjection>, StoreError> {
        self.0.before_read()?;
        self.0.derived_store().projection(id)
    }

    fn projection_by_num(&self, worker: WorkerNum) -> Result<Option<StoredProjection>, StoreError> {
        self.0.before_read()?;
        self.0.derived_store().projection_by_num(worker)
    }

    fn projections_to_wake(
        &self,
        after: WorkerNum,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.0.before_read()?;
        self.0.store().projections_to_wake(after, limit).map(|found| self.0.alter_wake_page(found))
    }

    fn projections_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError> {
        self.0.before_read()?;
        self.0.store().projections_named(template, prefix, after, limit)
    }

    fn projection_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError> {
        self.0.before_read()?;
        self.0.store().projection_count(template)
    }

    fn projection_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.0.before_read()?;
        self.0.store().projection_counts()
    }

    fn deleted_name(&self, id: &WorkerId) -> Result<Option<OplogIndex>, StoreError> {
        self.0.before_read()?;
        self.0.store().deleted_name(id)
    }

    fn deleted_name_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError> {
        self.0.before_read()?;
        self.0.store().deleted_name_counts()
    }

    fn idempotency_row(
        &self,
        worker: WorkerNum,
        key_hash: [u8; 16],
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        self.0.before_read()?;
        self.0.store_for_keys().idempotency_row(worker, key_hash)
    }

    fn value(&self, project: ProjectId, key: &ScopedKey) -> Result<Option<ValueRow>, StoreError> {
        self.0.before_read()?;
        self.0.store_for_values().value(project, key)
    }

    fn keys(
        &self,
        project: ProjectId,
        space: KeySpace,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.0.before_read()?;
        self.0.store().keys(project, space, bucket, after, limit)
    }

    fn run_maintenance(&self, limit: usize) -> Result<bool, StoreError> {
        self.0.store().run_maintenance(limit)
    }

    fn syncs(&self) -> u64 {
        self.0.store().syncs()
    }
}

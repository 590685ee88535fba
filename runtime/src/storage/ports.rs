//! The contracts of a store.
//!
//! - The **log** is the source of truth: rows in commit order. Each contains the entries or the inbox event of one
//!   worker and refers to the worker's previous row.
//! - **Projections** of workers and the **idempotency index** are derived from the log with a delay. The store knows up
//!   to which row they are derived; they can be rebuilt.
//! - **Values** of buckets are not in the log. They are written in the transaction of the row that records the call.
//! - **Catalog** rows (accounts, projects, tokens, templates) are not in the log either. They change rarely.
//!
//! Rows are bytes (`golem_model::oplog::codec`); a store does not decode them.

use golem_model::shared::{KeySpace, ScopedKey};
use golem_model::{
    Account, AccountId, Epoch, Grant, GrantId, Invitation, MonthlyUsage, OplogIndex, Policy, Project,
    ProjectId, ShardId, TemplateId, TemplateVersion, Timestamp, Token, TokenId, WorkerId,
};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A position in the node's log: from 1, incremented for each row, without gaps. 0 is before the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A worker's number: short, and not assigned again once the worker's creation is durable. A worker that is deleted and
/// created again gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerNum(pub u64);

impl fmt::Display for WorkerNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Position of the row.
    pub seq: Seq,
    /// The worker whose row this is.
    pub worker: WorkerNum,
    /// The worker's previous row, or 0.
    pub prev: Seq,
    /// The worker's shard.
    pub shard: ShardId,
    /// The epoch under which it was written.
    pub epoch: Epoch,
    /// A sealed row in the encoding of `golem_model::oplog::codec`.
    pub body: Vec<u8>,
}

/// A worker's projection, with the columns that the store must be able to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProjection {
    /// The worker's number.
    pub worker: WorkerNum,
    /// The worker's id; unique among projections.
    pub id: WorkerId,
    /// The worker's project.
    pub project: ProjectId,
    /// The worker's shard.
    pub shard: ShardId,
    /// The worker's last row that is included in `encoded`.
    pub applied: Seq,
    /// Whether the start of a node must look at the worker: it can run now, or it waits for a promise or the answer of
    /// another worker. A worker that only waits for a time has `wake_at`.
    pub active: bool,
    /// When to wake the worker, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// The encoded projection, opaque to the store.
    pub encoded: Vec<u8>,
}

/// An entry of the idempotency index: the rows of an ended invocation, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// The worker.
    pub worker: WorkerNum,
    /// The first 16 bytes of BLAKE3 of the key.
    pub key_hash: [u8; 16],
    /// The row with the invocation's function and parameters.
    pub started: Seq,
    /// The row with the invocation's outcome.
    pub outcome: Seq,
}

/// A new value for a key that workers share, or its removal. It is not derived from the log: the row written in the
/// same transaction contains only a digest of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueRow {
    /// The project that the value belongs to.
    pub project: ProjectId,
    /// Space, bucket and key of the value.
    pub scoped_key: ScopedKey,
    /// The new value; `None` removes the key.
    pub value: Option<Arc<[u8]>>,
    /// The row of the call that wrote the value.
    pub version: Seq,
}

/// A container (a bucket of objects: [`golem_model::shared::KeySpace::Objects`]) that is not reachable any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbandonedBucket {
    /// The project that the bucket belongs to.
    pub project: ProjectId,
    /// Name of the bucket.
    pub bucket: Arc<str>,
}

/// The name of a deleted worker. It is kept until the template is removed, so that a new worker of the same name can
/// continue after the old indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedName {
    /// The id of the deleted worker.
    pub id: WorkerId,
    /// The index of its last entry.
    pub oplog_end: OplogIndex,
}

/// A worker whose projection is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedWorker {
    /// The worker's number.
    pub worker: WorkerNum,
    /// Its last row.
    pub last: Seq,
    /// Its name; `None` if an earlier batch has written it.
    pub name: Option<DeletedName>,
}

/// One transaction of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// All shards of the rows, with the epochs under which this node owns them. Checked inside the transaction.
    pub fences: Vec<(ShardId, Epoch)>,
    /// Rows in order. Their positions follow the last stored row without gaps.
    pub rows: Vec<LogRow>,
    /// Projections to insert or replace.
    pub projections: Vec<StoredProjection>,
    /// Workers whose projections are removed before `projections` are written. Their rows and index entries become
    /// garbage. They stay readable until `derived` has passed the last row and [`Store::run_maintenance`] removes them.
    pub removed: Vec<RemovedWorker>,
    /// Entries of the idempotency index to insert or replace.
    pub idempotency_rows: Vec<IdempotencyRow>,
    /// Values to insert, replace or remove; at most one for each key.
    pub values: Vec<ValueRow>,
    /// Buckets whose values are garbage, including values of this batch. [`Store::run_maintenance`] removes them.
    pub abandoned: Vec<AbandonedBucket>,
    /// If set, everything that is derived from rows up to this position is stored, including this batch.
    pub derived: Option<DerivedPosition>,
}

/// Progress of the derived tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DerivedPosition {
    /// Projections and index entries include every row up to this one.
    pub applied: Seq,
    /// The highest worker number that any of those rows assigns.
    pub worker_num_max: u64,
}

/// The end of the log and of the derived tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorePosition {
    /// The last row of the log.
    pub last: Seq,
    /// Progress of the derived tables.
    pub derived: DerivedPosition,
}

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node owns the shard now. Nothing was written, and nothing will be written under this epoch.
    #[error("shard {shard} is owned under epoch {current} now, ours is {ours}")]
    Fenced {
        /// The shard.
        shard: ShardId,
        /// The epoch of the batch.
        ours: Epoch,
        /// The epoch in the store.
        current: Epoch,
    },
    /// The rows do not follow the last stored row. Nothing was written.
    #[error("rows begin at {first}, but the store ends at {last}")]
    OutOfOrder {
        /// The first row of the batch.
        first: Seq,
        /// The last stored row.
        last: Seq,
    },
    /// A row conflicts with an existing one. Nothing was written.
    #[error("a {what} with that name or id exists already")]
    Conflict {
        /// Kind of the row.
        what: &'static str,
    },
    /// The disk is full. The write MAY have been applied: call [`Store::recover`] before anything else.
    #[error("no space is left for {}: free some disk space, and the server continues by itself", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The disk or the database failed. The write MAY have been applied: call [`Store::recover`] before anything else.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What failed: "write", "read", "open".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's or the database's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored data is damaged. Continuing could lose more.
    #[error("{} is damaged at {place}: {details}. Restore it from a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The damaged row or table.
        place: String,
        /// Description of the damage.
        details: String,
    },
    /// Another process uses the folder.
    #[error("the data folder {} is in use by another process (lock file {}); stop that process, or use another folder",
        path.display(), lock.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The lock file of the folder.
        lock: PathBuf,
    },
    /// A newer version of golem has written the folder.
    #[error("the data folder {} has format {found}, written by a newer version of golem; this one knows formats up to {known}",
        path.display())]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Format of the folder.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
}

impl StoreError {
    /// The error for callers of the API: what failed and what to do, without paths of the server and without texts of
    /// the operating system. The log has those.
    pub fn for_callers(&self) -> String {
        match self {
            Self::Fenced { .. } | Self::OutOfOrder { .. } | Self::Conflict { .. } => self.to_string(),
            Self::Full { .. } => {
                "no space is left on its disk: free some disk space, and the server continues by itself"
                    .to_owned()
            }
            Self::Io { operation, .. } => {
                format!("its storage failed (operation: {operation}); the server's log has the cause")
            }
            Self::Corrupt { place, .. } => {
                format!(
                    "stored data is damaged at {place}; the server's log names the file to restore from a backup"
                )
            }
            Self::InUse { .. } => "its data folder is in use by another process".to_owned(),
            Self::NewerFormat { found, known, .. } => {
                format!(
                    "its data folder has format {found}; this version of golem knows formats up to {known}"
                )
            }
        }
    }
}

/// A limit of bytes for reads whose rows are used one after the other. One row may have as many bytes as an entry may
/// have, so a number of rows alone does not bound the memory of a read.
pub const ROWS_BYTES: usize = 1 << 20;

/// The log and everything that is derived from it.
///
/// All calls block; callers choose the thread. Only one thread calls [`Store::commit`] and [`Store::recover`], in the
/// order of the log. Reads may run concurrently on any thread and see only committed data.
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes ownership of all shards: increments each epoch. The new epochs are durable when this returns.
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError>;

    /// Writes `batch`, all or nothing. On `Ok` it is durable.
    ///
    /// `Fenced`, `OutOfOrder` and `Conflict` (two projections with one id) refuse the batch and leave the store usable.
    /// After any other error, the store refuses all writes until [`Store::recover`].
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Recovers from a failed commit: opens the files again and returns which rows are stored. Data that a failed sync
    /// may have lost is read from the disk again.
    fn recover(&self) -> Result<StorePosition, StoreError>;

    /// The end of the log and of the derived tables.
    fn position(&self) -> Result<StorePosition, StoreError>;

    /// A worker's rows from `last` backwards along `prev`, newest first: at most `limit`, and no more after their bodies
    /// have `bytes_max`. Empty if there is no row at `last`, because the worker's rows were removed. A link to a missing
    /// row is [`StoreError::Corrupt`].
    fn rows_back(&self, last: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError>;

    /// The row at `seq`, if it exists.
    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError>;

    /// Rows after `seq` in order: at most `limit`, and no more after their bodies have `bytes_max`.
    fn rows_after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<LogRow>, StoreError>;

    /// A worker's projection by its id.
    fn projection(&self, id: &WorkerId) -> Result<Option<StoredProjection>, StoreError>;

    /// A worker's projection by its number.
    fn projection_by_num(&self, worker: WorkerNum) -> Result<Option<StoredProjection>, StoreError>;

    /// Projections that are active or have a wake time: at most `limit`, ascending by number, after `after`.
    fn projections_to_wake(
        &self,
        after: WorkerNum,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError>;

    /// Projections of a template's workers, ordered by name: at most `limit`, those whose name starts with `prefix` and
    /// is after `after`.
    fn projections_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredProjection>, StoreError>;

    /// Number of projections of a template's workers; `None` counts all.
    fn projection_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError>;

    /// Number of projections by template.
    fn projection_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError>;

    /// The index of the last entry of the deleted workers with this id, if there were any.
    fn deleted_name(&self, id: &WorkerId) -> Result<Option<OplogIndex>, StoreError>;

    /// Number of deleted names by template.
    fn deleted_name_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError>;

    /// The index entry of a key, if there is one.
    fn idempotency_row(
        &self,
        worker: WorkerNum,
        key_hash: [u8; 16],
    ) -> Result<Option<IdempotencyRow>, StoreError>;

    /// The value of a key, if there is one.
    fn value(&self, project: ProjectId, key: &ScopedKey) -> Result<Option<ValueRow>, StoreError>;

    /// Keys of a bucket in the order of their bytes: at most `limit`, after `after`.
    fn keys(
        &self,
        project: ProjectId,
        space: KeySpace,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Maintenance while there is nothing to commit. Requests a checkpoint of the write-ahead log. Removes at most
    /// `limit` rows of deleted workers, some values of abandoned buckets and removed projects, and some deleted names
    /// of removed templates. Returns whether more is left to remove now. Cheap if there is nothing to do.
    fn run_maintenance(&self, limit: usize) -> Result<bool, StoreError>;

    /// Number of syncs of the log so far, for the metrics.
    fn syncs(&self) -> u64;
}

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogWrite {
    /// Inserts an account. Its `external` must be unique.
    Account(Account),
    /// Updates an account.
    AccountChanged(Account),
    /// Removes an account with its tokens, its usage and its grants. Refused while it owns a project.
    AccountRemoved(AccountId),
    /// Inserts a project. An account has at most one default project.
    Project(Project),
    /// Removes a project with its grants. Refused while it has a template. Its values and objects become garbage, which
    /// [`Store::run_maintenance`] removes.
    ProjectRemoved(ProjectId),
    /// Inserts a policy.
    Policy(Policy),
    /// Inserts a grant.
    Grant(Grant),
    /// Removes a grant.
    GrantRemoved(GrantId),
    /// Inserts a token.
    Token(Token),
    /// Removes a token.
    TokenRemoved(TokenId),
    /// Adds an address to the whitelist, unless it is on it.
    Invitation(Invitation),
    /// Removes an address from the whitelist.
    InvitedRemoved(String),
    /// Sets whether a first login needs an invitation.
    InvitationNeeded(bool),
    /// Replaces an account's usage.
    MonthlyUsage(MonthlyUsage),
    /// Inserts a template version: version 0 with a new id and a name that is unique in the project, or the next
    /// version. The project must exist.
    TemplateVersion(TemplateVersion),
    /// Removes a template with all its versions. Its deleted names become garbage, which [`Store::run_maintenance`]
    /// removes.
    TemplateRemoved(TemplateId),
}

/// Accounts, projects, tokens and templates. There are few rows: callers read all of them at start and keep them in
/// memory.
pub trait Catalog: Send + Sync + fmt::Debug {
    /// Writes all or nothing. On `Ok` the rows are durable. After `Full` or `Io` they may have been written; the next
    /// write, of the catalog or of the log, recovers the store or fails in the same way.
    fn write(&self, writes: &[CatalogWrite]) -> Result<(), StoreError>;

    /// All accounts.
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// All projects.
    fn projects(&self) -> Result<Vec<Project>, StoreError>;

    /// All policies.
    fn policies(&self) -> Result<Vec<Policy>, StoreError>;

    /// All grants.
    fn grants(&self) -> Result<Vec<Grant>, StoreError>;

    /// All tokens of all accounts.
    fn tokens(&self) -> Result<Vec<Token>, StoreError>;

    /// All entries of the whitelist.
    fn invited(&self) -> Result<Vec<Invitation>, StoreError>;

    /// Whether a first login needs an invitation; `None` if this was never set.
    fn invitation_needed(&self) -> Result<Option<bool>, StoreError>;

    /// The usage of all accounts.
    fn usage(&self) -> Result<Vec<MonthlyUsage>, StoreError>;

    /// All template versions, ordered by project, template and version.
    fn template_versions(&self) -> Result<Vec<TemplateVersion>, StoreError>;
}

/// Uploaded components and archives, or snapshot images, by the BLAKE3 of their bytes. Equal bytes are stored once.
pub trait ContentStore: Send + Sync + fmt::Debug {
    /// Stores `bytes`. On `Ok` they are durable, so that a row may refer to them.
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError>;

    /// The bytes of a blob, checked against the hash.
    fn get(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first `count` bytes of a blob, or all of a shorter one. They are not checked against the hash.
    fn read_prefix(&self, hash: [u8; 32], count: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// The hashes of all blobs.
    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Removes a blob, if it exists. After a crash it may exist again.
    fn remove(&self, hash: [u8; 32]) -> Result<(), StoreError>;

    /// Removes every blob for which `keep` is false, and returns how many. Must not run concurrently with uploads: a
    /// blob that was stored for a row that is not written yet would be removed.
    fn sweep(&self, keep: &dyn Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError>;
}

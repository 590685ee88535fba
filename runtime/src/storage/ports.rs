//! The contracts of a store.
//!
//! The truth is the log: rows in commit order, each the entries or the arrival of one worker, linked back to
//! the worker's row before it. Heads and the idempotency index are derived from it, lazily, and carry the
//! position up to which they were derived; they can be rebuilt. Values of buckets are their own truth, written in
//! the transaction of the row of the call that wrote them. Catalog rows (accounts, projects, tokens, templates) are
//! their own truth and rare.
//!
//! Rows travel as bytes (`golem_model::oplog::codec`): a store does not read them.

use golem_model::shared::{ScopedKey, Space};
use golem_model::{
    Account, AccountId, Epoch, Grant, GrantId, Invited, Policy, Project, ProjectId, ShardId, TemplateId,
    TemplateVersion, Timestamp, Token, TokenId, Usage, WorkerId,
};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A position in the log: from 1, counted up by one for each row of the node, without gaps. 0 is before the first.
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

/// A worker's number: short, given once, never reused; a worker that was deleted and made again has a new one.
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
    /// Its position.
    pub seq: Seq,
    /// Whose it is.
    pub worker: WorkerNum,
    /// The same worker's row before it, or 0.
    pub prev: Seq,
    /// The worker's shard.
    pub shard: ShardId,
    /// The epoch under which it was written.
    pub epoch: Epoch,
    /// A sealed row of `golem_model::oplog::codec`.
    pub body: Vec<u8>,
}

/// What is derived of a worker, and what must be found without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// The worker's number.
    pub no: WorkerNum,
    /// Its id; no two heads have the same.
    pub id: WorkerId,
    /// Its project.
    pub project: ProjectId,
    /// Its shard.
    pub shard: ShardId,
    /// The worker's last row that is folded into `head`.
    pub applied: Seq,
    /// Whether there is something to do for it when the node starts: an unfinished invocation, a queued one, a retry.
    pub active: bool,
    /// When to wake it, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// The rest, opaque to the store.
    pub head: Vec<u8>,
}

/// Where the outcome of an invocation is, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdemRow {
    /// The worker.
    pub worker: WorkerNum,
    /// The first 16 bytes of BLAKE3 of the key.
    pub key_hash: [u8; 16],
    /// The row that holds the invocation's function and parameters.
    pub started: Seq,
    /// The row that holds its outcome.
    pub outcome: Seq,
}

/// What a place that workers share holds, or that it holds nothing. Unlike heads and index entries it is a truth of its
/// own: the log has only the digest of the call that wrote it, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueRow {
    /// Whose it is.
    pub project: ProjectId,
    /// Where it is.
    pub place: ScopedKey,
    /// Its bytes from now on; `None` removes them.
    pub value: Option<Arc<[u8]>>,
    /// The row of the call that wrote it.
    pub version: Seq,
}

/// A container (a bucket of objects: [`golem_model::shared::Space::Objects`]) that nobody will ever ask for again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Abandoned {
    /// Whose it is.
    pub project: ProjectId,
    /// The bucket.
    pub bucket: Arc<str>,
}

/// One transaction of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Every shard that the rows touch, with the epoch under which this node owns it. Checked inside the transaction.
    pub fences: Vec<(ShardId, Epoch)>,
    /// Rows in order. Their positions follow the last one that is stored, without gaps.
    pub rows: Vec<LogRow>,
    /// Heads to insert or replace.
    pub heads: Vec<StoredHead>,
    /// Heads to remove, before `heads` are written, with the last row of each worker: its rows and index entries
    /// become garbage. They stay readable until `derived` has passed that row and [`Store::tidy`] removes them.
    pub removed: Vec<(WorkerNum, Seq)>,
    /// Index entries to insert or replace.
    pub idem: Vec<IdemRow>,
    /// Values to insert, replace or remove; no two for one place.
    pub values: Vec<ValueRow>,
    /// Buckets whose values are garbage, those of this batch included. [`Store::tidy`] removes them.
    pub abandoned: Vec<Abandoned>,
    /// If set, everything derived from rows up to here is stored, this batch's included.
    pub derived: Option<Derived>,
}

/// How far the derived tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Derived {
    /// Heads and index entries reflect every row up to this one.
    pub applied: Seq,
    /// The highest worker number given by any of those rows.
    pub worker_no_max: u64,
}

/// Where a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The last row.
    pub last: Seq,
    /// How far the derived tables are.
    pub derived: Derived,
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another node owns the shard now. Nothing was written, and never will be under this epoch.
    #[error("shard {shard} is owned under epoch {current} now, ours is {ours}")]
    Fenced {
        /// The shard.
        shard: ShardId,
        /// The epoch of the batch.
        ours: Epoch,
        /// The epoch in the store.
        current: Epoch,
    },
    /// The rows do not follow what is stored. Nothing was written.
    #[error("rows begin at {first}, but the store ends at {last}")]
    OutOfOrder {
        /// The first row of the batch.
        first: Seq,
        /// The last row stored.
        last: Seq,
    },
    /// A catalog row clashes with one that exists. Nothing was written.
    #[error("a {what} of that name or id exists already")]
    Conflict {
        /// What kind of row.
        what: &'static str,
    },
    /// There is no space. It MAY have been written: [`Store::recover`] before anything else.
    #[error("no space is left for {}: free some and the server goes on by itself", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The disk or the database failed. It MAY have been written: [`Store::recover`] before anything else.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried: "write", "read", "open".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored is damaged; going on could lose more.
    #[error("{} is damaged at {place}: {details}. Restore it from a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which row or table.
        place: String,
        /// What is wrong.
        details: String,
    },
    /// The folder is in use by another process.
    #[error("the data folder {} is in use by another process (lock file {}); stop that one, or use another folder",
        path.display(), lock.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its lock file.
        lock: PathBuf,
    },
    /// The folder was written by a newer version.
    #[error("the data folder {} has format {found}, written by a newer version of golem; this one knows formats up to {known}",
        path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
}

/// Keeps the log and what is derived of it.
///
/// All calls block; callers choose the thread. Only one thread calls [`Store::commit`] and [`Store::recover`],
/// in the order of the log. Reads may run on any thread at the same time and see only what is committed.
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes all shards for this process: each epoch grows by one, durably, before this returns.
    fn acquire(&self) -> Result<Vec<(ShardId, Epoch)>, StoreError>;

    /// Writes `batch`, all or none; on `Ok` it is durable.
    ///
    /// `Fenced`, `OutOfOrder` and `Conflict` (two heads of one id) refuse it and leave the store usable. Any other
    /// error leaves a store that refuses everything but reads until [`Store::recover`].
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// After a failed commit: closes and opens what it writes through, and says where the store really stands.
    /// What a failed sync may have lost is read again from the disk, never trusted.
    fn recover(&self) -> Result<Position, StoreError>;

    /// Where the store stands.
    fn position(&self) -> Result<Position, StoreError>;

    /// A worker's rows from `last` backwards along `prev`, newest first, at most `limit`. None if there is no row at
    /// `last`: the worker's rows were removed. A link to a row that is missing is [`StoreError::Corrupt`].
    fn rows_back(&self, last: Seq, limit: usize) -> Result<Vec<LogRow>, StoreError>;

    /// The row at `seq`, if it exists.
    fn row(&self, seq: Seq) -> Result<Option<LogRow>, StoreError>;

    /// Rows after `seq` in order, at most `limit`.
    fn rows_after(&self, seq: Seq, limit: usize) -> Result<Vec<LogRow>, StoreError>;

    /// The head of a worker by its id.
    fn head(&self, id: &WorkerId) -> Result<Option<StoredHead>, StoreError>;

    /// The head of a worker by its number.
    fn head_by_no(&self, worker: WorkerNum) -> Result<Option<StoredHead>, StoreError>;

    /// Heads that are active or have a time to wake at, ascending by number, after `after`, at most `limit`.
    fn heads_to_wake(&self, after: WorkerNum, limit: usize) -> Result<Vec<StoredHead>, StoreError>;

    /// Heads of a template's workers in the order of their names: those that begin with `prefix` and come after `after`,
    /// at most `limit`.
    fn heads_named(
        &self,
        template: TemplateId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredHead>, StoreError>;

    /// How many workers there are according to the heads, by template; `None` counts all.
    fn head_count(&self, template: Option<TemplateId>) -> Result<u64, StoreError>;

    /// How many workers each template has according to the heads.
    fn head_counts(&self) -> Result<Vec<(TemplateId, u64)>, StoreError>;

    /// The index entry of a key.
    fn idem(&self, worker: WorkerNum, key_hash: [u8; 16]) -> Result<Option<IdemRow>, StoreError>;

    /// What a place holds, if it holds something.
    fn value(&self, project: ProjectId, key: &ScopedKey) -> Result<Option<ValueRow>, StoreError>;

    /// Keys of a bucket after `after`, ascending by their bytes, at most `limit`.
    fn keys(
        &self,
        project: ProjectId,
        space: Space,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Housekeeping when there is nothing to commit: has the write-ahead log moved into the database and removes at
    /// most `limit` rows of deleted workers and some values of abandoned buckets and removed projects. Says whether there is more to do at
    /// once. Cheap if there is nothing.
    fn tidy(&self, limit: usize) -> Result<bool, StoreError>;

    /// Number of syncs of the log so far, for the metrics.
    fn syncs(&self) -> u64;
}

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogWrite {
    /// A new account. Its `external` is no other account's.
    Account(Account),
    /// An account has changed.
    AccountChanged(Account),
    /// An account is gone, with its tokens, its usage and what was granted to it. Refused while it owns a project.
    AccountRemoved(AccountId),
    /// A new project; no two default ones for an account.
    Project(Project),
    /// A project is gone, with its grants. Refused while it has a template. Its values and objects become garbage,
    /// which [`Store::tidy`] removes.
    ProjectRemoved(ProjectId),
    /// A new policy.
    Policy(Policy),
    /// A new grant.
    Grant(Grant),
    /// A grant is taken back.
    GrantRemoved(GrantId),
    /// A new token.
    Token(Token),
    /// A token is revoked.
    TokenRemoved(TokenId),
    /// Someone may log in, or may already.
    Invited(Invited),
    /// Someone may no longer log in for a first time.
    InvitedRemoved(String),
    /// Whether only those who are invited may log in for a first time.
    InvitationNeeded(bool),
    /// What an account has used, in place of what was there.
    Usage(Usage),
    /// A new template version: version 0 of a new id and a name that the project does not have, or the next version.
    /// The project exists.
    TemplateVersion(TemplateVersion),
    /// A template and all its versions are gone.
    TemplateRemoved(TemplateId),
}

/// Keeps accounts, projects, tokens and templates. Small: everything is read at start and cached above.
pub trait Catalog: Send + Sync + fmt::Debug {
    /// Writes all or none; on `Ok` they are durable. After `Full` or `Io` they may have been written; the next write,
    /// of the catalog or of the log, finds a store that works again, or fails likewise.
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

    /// Everybody who is invited.
    fn invited(&self) -> Result<Vec<Invited>, StoreError>;

    /// Whether only those may log in for a first time; `None` if nobody has said so yet.
    fn invitation_needed(&self) -> Result<Option<bool>, StoreError>;

    /// What every account has used.
    fn usage(&self) -> Result<Vec<Usage>, StoreError>;

    /// All template versions, by project, template and version.
    fn template_versions(&self) -> Result<Vec<TemplateVersion>, StoreError>;
}

/// Keeps uploaded components, or images of workers, by the BLAKE3 of their bytes. The same bytes are kept once.
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Keeps `bytes`; on `Ok` they are durable, so that a row may name them.
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError>;

    /// The bytes, checked against their hash.
    fn get(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The hashes of all blobs.
    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Removes a blob, if it is there. Whether it is gone after a crash is not certain.
    fn remove(&self, hash: [u8; 32]) -> Result<(), StoreError>;

    /// Removes every blob that `keep` does not name, and says how many. A blob that was put but is not named by any
    /// row yet would go: for the time before uploads are taken.
    fn sweep(&self, keep: &dyn Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError>;
}

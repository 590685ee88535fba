//! The files that a worker got from the versions of its template that it has run.
//!
//! A worker begins with the files of one version. Each later update merges the files of another version into the
//! worker's files, at the entry that records the update: a replay of the entries before it sees the old files.
//!
//! Invariant: a merge is a function of the worker's files and of the files of two versions, so a replay repeats it.

use crate::files::Files;
use crate::limits::Limits;
use crate::vfs::{FileTime, Vfs};
use golem_model::OplogIndex;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

/// The files from the versions of a worker's template.
#[derive(Debug, Clone, Default)]
pub struct FileHistory {
    /// The files with which the worker begins. They are not used if the worker is created from a saved state.
    pub initial: Option<Files>,
    /// The updates in the order of their entries. Those before the saved state are not used.
    pub updates: Vec<FileUpdate>,
}

/// An update that merges the files of another version into those of the worker. Clones share the outcome.
#[derive(Debug, Clone)]
pub struct FileUpdate {
    index: OplogIndex,
    from: Option<Files>,
    to: Option<Files>,
    outcome: Arc<OnceLock<FileMerge>>,
}

/// The outcome of a merge: the paths that both the worker and the version changed, sorted, or why the worker cannot have
/// the files. The worker's content of these paths stays.
pub type FileMerge = Result<Vec<String>, String>;

impl FileHistory {
    /// The history of a worker that has run no other version.
    pub fn new(initial: Option<Files>) -> Self {
        Self { initial, updates: Vec::new() }
    }
}

impl FileUpdate {
    /// An update whose entry is `index`, from a version with the files `from` to one with the files `to`.
    pub fn new(index: OplogIndex, from: Option<Files>, to: Option<Files>) -> Self {
        Self { index, from, to, outcome: Arc::new(OnceLock::new()) }
    }

    /// The outcome, once an instance has reached the update.
    pub fn outcome(&self) -> Option<&FileMerge> {
        self.outcome.get()
    }

    /// Merges the files.
    pub(crate) fn merge(&self, files: &mut Vfs, now: FileTime) -> Result<Vec<String>, String> {
        let of = |files: &Option<Files>| {
            files
                .as_ref()
                .map_or_else(|| Vfs::new(FileTime::default()), |files| files.to_vfs(FileTime::default()))
        };
        let merged = files.merge_version(&of(&self.from), &of(&self.to), now);
        merged
            .map_err(|error| format!("the files of the new version cannot be added to the worker's: {error}"))
    }
}

/// The updates that an instance has not reached.
#[derive(Debug, Default)]
pub(crate) struct PendingFileUpdates {
    updates: VecDeque<FileUpdate>,
}

impl PendingFileUpdates {
    pub(crate) fn new(updates: &[FileUpdate]) -> Self {
        Self { updates: updates.iter().cloned().collect() }
    }

    /// Drops the updates before the entry `from`. The instance has begun with a state that contains them.
    pub(crate) fn skip_until(&mut self, from: OplogIndex) {
        while self.updates.front().is_some_and(|update| update.index < from) {
            self.updates.pop_front();
        }
    }
}

/// A worker's files, and the updates whose files are not merged into them yet.
#[derive(Debug)]
pub(crate) struct UpdatedFiles<'a> {
    pub(crate) files: &'a mut Vfs,
    pub(crate) limits: &'a mut Limits,
    pub(crate) pending: &'a mut PendingFileUpdates,
}

impl UpdatedFiles<'_> {
    /// Merges the updates whose entries come before the entry `next`.
    pub(crate) fn apply_before(&mut self, next: OplogIndex, now: FileTime) -> Result<(), String> {
        while let Some(update) = self.pending.updates.pop_front_if(|update| update.index < next) {
            let merged = update.merge(self.files, now).and_then(|conflicts| {
                let (bytes, bytes_max) = (self.files.bytes(), self.limits.files_bytes_max());
                self.limits.set_files_bytes(bytes);
                if bytes > bytes_max {
                    return Err(format!(
                        "with the files of the new version the worker's files have {bytes} bytes, and {bytes_max} are \
                         left of its memory"
                    ));
                }
                Ok(conflicts)
            });
            let failed = merged.as_ref().err().cloned();
            update.outcome.get_or_init(|| merged);
            if let Some(details) = failed {
                return Err(details);
            }
        }
        Ok(())
    }
}

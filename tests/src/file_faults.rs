//! Faults of a file system: at the N-th operation that changes a file of the data folder, one [`FaultAction`] happens.
//!
//! | module | contains |
//! |---|---|
//! | `volatile` | what a power cut takes away: changes that no sync has made durable |
//!
//! `golem-test-server` calls [`FileFaults`] from the functions with which it replaces those of the C library
//! (`tests/src/bin/golem-test-server/files.rs`). So the real server with the real SQLite runs on real files: the
//! writes of SQLite, of blobs, of secrets and of compiled code are counted. New folders and copies of whole files (the
//! backup before a migration) are not.

mod volatile;

use std::ffi::c_int;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::rng::Rng;
pub use volatile::{NameChange, VolatileDisk};

/// Operations that fail while the disk is full. Then there is space again.
const FULL_OPERATIONS: u64 = 25;

/// The time for which a frozen disk does nothing.
const FREEZE_TIME: Duration = Duration::from_millis(1_500);

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// The operation fails once with `EIO`. After a failed sync, the data that it covered is lost at a power cut.
    Fail,
    /// This operation and the next ones fail with `ENOSPC`.
    Full,
    /// All operations wait for a while.
    Freeze,
    /// The process ends with SIGKILL before the operation.
    Kill,
    /// The process ends with SIGKILL when half of the bytes are written.
    Torn,
    /// The power fails before the operation: everything that was not synced is gone.
    PowerCut,
    /// The power fails before the operation: of what was not synced, a random part is gone.
    PartialPowerCut,
    /// From this operation on, syncs report success and make nothing durable. A correct server cannot survive this, so
    /// it is the control of the tests.
    IgnoreSyncs,
}

impl FaultAction {
    /// The actions that a server must survive.
    pub const ALL: [Self; 7] =
        [Self::Fail, Self::Full, Self::Freeze, Self::Kill, Self::Torn, Self::PowerCut, Self::PartialPowerCut];

    /// Whether the process ends at the operation.
    pub fn ends_process(self) -> bool {
        matches!(self, Self::Kill | Self::Torn | Self::PowerCut | Self::PartialPowerCut)
    }
}

/// An action at an operation, written as `kill@17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultPoint {
    /// What happens.
    pub action: FaultAction,
    /// The number of the operation, counted from 1 since the start of the process.
    pub operation: u64,
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            FaultAction::Fail => "fail",
            FaultAction::Full => "full",
            FaultAction::Freeze => "freeze",
            FaultAction::Kill => "kill",
            FaultAction::Torn => "torn",
            FaultAction::PowerCut => "power-cut",
            FaultAction::PartialPowerCut => "partial-power-cut",
            FaultAction::IgnoreSyncs => "ignore-syncs",
        };
        write!(f, "{action}@{}", self.operation)
    }
}

impl FromStr for FaultPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no fault; use fail@N, full@N, freeze@N, kill@N, torn@N, power-cut@N, partial-power-cut@N or ignore-syncs@N"
            )
        };
        let (action, operation) = text.split_once('@').ok_or_else(wrong)?;
        let action = match action {
            "fail" => FaultAction::Fail,
            "full" => FaultAction::Full,
            "freeze" => FaultAction::Freeze,
            "kill" => FaultAction::Kill,
            "torn" => FaultAction::Torn,
            "power-cut" => FaultAction::PowerCut,
            "partial-power-cut" => FaultAction::PartialPowerCut,
            "ignore-syncs" => FaultAction::IgnoreSyncs,
            _ => return Err(wrong()),
        };
        Ok(Self { action, operation: operation.parse().map_err(|_| wrong())? })
    }
}

/// An operation that changes a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Bytes are written at an offset.
    Write {
        /// The first byte.
        offset: u64,
        /// Number of bytes.
        count: usize,
    },
    /// A file gets another length.
    Truncate {
        /// The new length.
        length: u64,
    },
    /// A file or a folder is synced.
    Sync,
    /// A name is created, removed or changed.
    Name,
}

/// What the caller does with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Performs it.
    Perform,
    /// Fails with this error number.
    Refuse(c_int),
    /// Writes half of the bytes, or performs the operation if it has none, and then ends the process.
    PerformHalf,
}

/// The files of a data folder, with at most one fault.
#[derive(Debug)]
pub struct FileFaults {
    folder: PathBuf,
    fault: Option<FaultPoint>,
    operations: u64,
    disk: VolatileDisk,
}

impl FileFaults {
    /// Watches the files below `folder`. Names that a power cut brings back are kept in the folder `kept` meanwhile.
    ///
    /// # Errors
    /// If what an earlier process left there cannot be read.
    pub fn new(folder: PathBuf, kept: PathBuf, fault: Option<FaultPoint>) -> io::Result<Self> {
        Ok(Self { folder, fault, operations: 0, disk: VolatileDisk::open(kept)? })
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Whether a path is below the folder.
    pub fn covers(&self, path: &Path) -> bool {
        path.starts_with(&self.folder)
    }

    /// Counts an operation and decides what happens to it. Does not return if the process is to end before it.
    pub fn decide(&mut self) -> Decision {
        self.operations += 1;
        let Some(FaultPoint { action, operation }) = self.fault else { return Decision::Perform };
        let ended = match action {
            FaultAction::Full => self.operations >= operation + FULL_OPERATIONS,
            _ => self.operations > operation,
        };
        if self.operations < operation || ended {
            return Decision::Perform;
        }
        match action {
            FaultAction::Fail => Decision::Refuse(libc::EIO),
            FaultAction::Full => Decision::Refuse(libc::ENOSPC),
            FaultAction::Freeze => {
                crate::wait::pause_thread(FREEZE_TIME);
                Decision::Perform
            }
            FaultAction::Kill => self.kill(),
            FaultAction::Torn => Decision::PerformHalf,
            FaultAction::PowerCut => self.cut_power(None),
            FaultAction::PartialPowerCut => self.cut_power(Some(operation)),
            FaultAction::IgnoreSyncs => Decision::Perform,
        }
    }

    /// Whether the fault has happened.
    pub fn has_happened(&self) -> bool {
        self.fault.is_some_and(|fault| fault.operation <= self.operations)
    }

    /// Undoes everything that was not synced, or with a seed a random part of it, and ends the process.
    pub fn cut_power(&mut self, seed: Option<u64>) -> ! {
        let mut rng = seed.map(Rng::new);
        let undone = self.disk.undo(&mut || rng.as_mut().is_none_or(|rng| rng.below(2) == 0));
        end_process_after(undone)
    }

    /// Ends the process as SIGKILL does. What it had not synced can still be lost when the power is cut later.
    pub fn kill(&mut self) -> ! {
        end_process_after(self.disk.save())
    }

    /// Notes what an operation on an open file is about to change.
    pub fn before_file_change(&mut self, file: RawFd, operation: Operation) -> io::Result<()> {
        match operation {
            Operation::Write { offset, count } => self.disk.before_write(file, offset, count as u64),
            Operation::Truncate { length } => self.disk.before_truncate(file, length),
            Operation::Sync | Operation::Name => Ok(()),
        }
    }

    /// Notes the outcome of a sync of a file or a folder.
    pub fn after_sync(&mut self, file: RawFd, path: &Path, succeeded: bool) -> io::Result<()> {
        let is_ignored = self.fault.is_some_and(|fault| {
            fault.action == FaultAction::IgnoreSyncs && fault.operation <= self.operations
        });
        if is_ignored { Ok(()) } else { self.disk.after_sync(file, path, succeeded) }
    }

    /// Notes that a name is about to change.
    pub fn before_name_change(&mut self, change: NameChange) -> io::Result<()> {
        self.disk.before_name_change(change)
    }
}

/// Ends the process with SIGKILL, or with another signal if the simulation itself has failed.
fn end_process_after(simulated: io::Result<()>) -> ! {
    if let Err(error) = simulated {
        eprintln!("the simulated disk failed: {error}");
        std::process::abort();
    }
    #[expect(unsafe_code, reason = "the standard library sends no signals")]
    // SAFETY: sends a signal to this process; no memory is involved.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
    }
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_points_are_printed_as_they_are_parsed() {
        for action in FaultAction::ALL.into_iter().chain([FaultAction::IgnoreSyncs]) {
            let point = FaultPoint { action, operation: 17 };
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for wrong in ["", "kill", "kill@", "kill@x", "melt@3", "@1"] {
            assert!(wrong.parse::<FaultPoint>().unwrap_err().contains("kill@N"), "{wrong}");
        }
    }
}

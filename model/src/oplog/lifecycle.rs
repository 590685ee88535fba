//! Lifecycle events and admin requests: records of snapshots, updates and requests of operators, and their encoding.
//! They have the tags 64 to 79, among the entries and among the inbox events.

use super::OplogIndex;
use super::codec::{key, option, put_option, put_str, put_time, time};
use super::wire::{DecodeError, Reader, put_bytes, put_varint};
use crate::{IdempotencyKey, Timestamp};

/// The tags of [`LifecycleEvent`] among the entries.
pub(super) const ENTRY_TAGS: std::ops::RangeInclusive<u8> = 64..=79;
/// The tags of [`AdminRequest`] among the inbox events.
pub(super) const INBOX_TAGS: std::ops::RangeInclusive<u8> = 64..=79;

/// A change of a worker's instance or version between two invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The guest saved its state, and a fresh instance loaded it and replaced the old one. The entries of that
    /// instance's initialization follow.
    Snapshot {
        /// Time of the event.
        at: Timestamp,
        /// The saved state.
        state: SavedState,
    },
    /// Hint: a snapshot was due but failed.
    SnapshotRefused {
        /// Time of the event.
        at: Timestamp,
        /// The reason.
        details: String,
    },
    /// The worker runs another template version from here on.
    Updated {
        /// Time of the event.
        at: Timestamp,
        /// The version before.
        from: u32,
        /// The version from here on.
        to: u32,
        /// After a manual update: the state that the old version saved and the new version loaded. After an automatic
        /// update there is none; the new version replays the entries before this one, for which this entry is a hint.
        state: Option<SavedState>,
        /// If set, the files of the new version were merged into the worker's at this entry. If not, an automatic update
        /// gives the files of the new version to the worker from its first entry on, and a manual update gives it none.
        files: Option<FileConflicts>,
    },
    /// Hint: a requested update would have failed, so it was not applied. The worker is unchanged.
    UpdateRefused {
        /// Time of the event.
        at: Timestamp,
        /// The version that the worker keeps.
        from: u32,
        /// The requested version.
        to: u32,
        /// The requested mode.
        mode: UpdateMode,
        /// The entry at which the replay by the new version diverged, if that is the reason.
        index: Option<OplogIndex>,
        /// The reason.
        details: String,
    },
}

impl LifecycleEvent {
    /// Time of the event.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Snapshot { at, .. }
            | Self::SnapshotRefused { at, .. }
            | Self::Updated { at, .. }
            | Self::UpdateRefused { at, .. } => *at,
        }
    }

    /// The state that a guest saved and a fresh instance loaded. `None` if the event is a hint.
    pub fn saved_state(&self) -> Option<&SavedState> {
        match self {
            Self::Snapshot { state, .. } => Some(state),
            Self::Updated { state, .. } => state.as_ref(),
            Self::SnapshotRefused { .. } | Self::UpdateRefused { .. } => None,
        }
    }
}

/// The paths that both a worker and the version that it was updated to had changed. The worker's content stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileConflicts {
    /// Number of such paths.
    pub total: u64,
    /// The first of them, sorted: as many as fit into [`FILE_CONFLICTS_BYTES_MAX`].
    pub paths: Vec<String>,
}

/// Bytes of the paths that [`FileConflicts`] lists. The list is a hint for the operator, not data that the program needs.
pub const FILE_CONFLICTS_BYTES_MAX: usize = 4_096;

impl FileConflicts {
    /// Keeps the first of the sorted `paths`.
    pub fn new(mut paths: Vec<String>) -> Self {
        let total = paths.len() as u64;
        let mut bytes = 0;
        let fit = paths.iter().take_while(|path| {
            bytes += path.len();
            bytes <= FILE_CONFLICTS_BYTES_MAX
        });
        paths.truncate(fit.count());
        Self { total, paths }
    }
}

/// The saved state of a guest, with values that the host derives from the oplog before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The template version whose `save` wrote it.
    pub version: u32,
    /// The fingerprint of the engine that ran it.
    pub engine: String,
    /// Number of invocations that were started before.
    pub invocations: u64,
    /// The worker's monotonic clock at the time of the record, in nanoseconds.
    pub monotonic_nanos: u64,
    /// The image, or where it is stored.
    pub image: SnapshotImage,
}

/// The bytes of a saved state, or where they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotImage {
    /// The bytes are in this record.
    Inline(Vec<u8>),
    /// The bytes are in a separate blob, which is durable before this record.
    Blob {
        /// BLAKE3 of the bytes.
        hash: [u8; 32],
        /// Number of bytes.
        length: u64,
    },
}

impl SnapshotImage {
    /// BLAKE3 of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Self::Inline(bytes) => *blake3::hash(bytes).as_bytes(),
            Self::Blob { hash, length: _ } => *hash,
        }
    }
}

/// How a running worker is updated to another template version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMode {
    /// The new version replays the entries that the old version recorded.
    Automatic,
    /// The old version saves its state, the new one loads it.
    Manual,
}

/// A request of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// Cancels an accepted invocation that has not started. The cancellation is the outcome of its key.
    InvocationCancelled {
        /// Time of the request.
        at: Timestamp,
        /// The invocation's key.
        key: IdempotencyKey,
    },
    /// Updates the worker to another template version as soon as no invocation runs.
    UpdateRequested {
        /// Time of the request.
        at: Timestamp,
        /// How the worker is updated.
        mode: UpdateMode,
        /// The requested version.
        to: u32,
    },
    /// Withdraws the requested update, which has not been performed.
    UpdateWithdrawn {
        /// Time of the request.
        at: Timestamp,
    },
}

pub(super) fn put_lifecycle_event(out: &mut Vec<u8>, event: &LifecycleEvent) {
    match event {
        LifecycleEvent::Snapshot { at, state } => {
            out.push(64);
            put_time(out, *at);
            put_saved_state(out, state);
        }
        LifecycleEvent::SnapshotRefused { at, details } => {
            out.push(65);
            put_time(out, *at);
            put_str(out, details);
        }
        LifecycleEvent::Updated { at, from, to, state, files } => {
            out.push(if files.is_none() { 66 } else { 68 });
            put_time(out, *at);
            put_varint(out, u64::from(*from));
            put_varint(out, u64::from(*to));
            put_option(out, state.as_ref(), put_saved_state);
            if let Some(FileConflicts { total, paths }) = files {
                put_varint(out, *total);
                put_varint(out, paths.len() as u64);
                for path in paths {
                    put_str(out, path);
                }
            }
        }
        LifecycleEvent::UpdateRefused { at, from, to, mode, index, details } => {
            out.push(67);
            put_time(out, *at);
            put_varint(out, u64::from(*from));
            put_varint(out, u64::from(*to));
            put_update_mode(out, *mode);
            put_option(out, index.as_ref(), |out, index| put_varint(out, index.0));
            put_str(out, details);
        }
    }
}

pub(super) fn lifecycle_event(tag: u8, input: &mut Reader<'_>) -> Result<LifecycleEvent, DecodeError> {
    Ok(match tag {
        64 => LifecycleEvent::Snapshot { at: time(input)?, state: saved_state(input)? },
        65 => LifecycleEvent::SnapshotRefused { at: time(input)?, details: input.string()? },
        66 | 68 => LifecycleEvent::Updated {
            at: time(input)?,
            from: input.varint_as()?,
            to: input.varint_as()?,
            state: option(input, saved_state)?,
            files: if tag == 68 { Some(file_conflicts(input)?) } else { None },
        },
        67 => LifecycleEvent::UpdateRefused {
            at: time(input)?,
            from: input.varint_as()?,
            to: input.varint_as()?,
            mode: update_mode(input)?,
            index: option(input, |input| input.varint().map(OplogIndex))?,
            details: input.string()?,
        },
        tag => return Err(DecodeError::UnknownTag { what: "entry", tag }),
    })
}

fn file_conflicts(input: &mut Reader<'_>) -> Result<FileConflicts, DecodeError> {
    let total = input.varint()?;
    let paths = (0..input.count()?).map(|_| input.string()).collect::<Result<_, _>>()?;
    Ok(FileConflicts { total, paths })
}

fn put_saved_state(out: &mut Vec<u8>, state: &SavedState) {
    put_varint(out, u64::from(state.version));
    put_str(out, &state.engine);
    put_varint(out, state.invocations);
    put_varint(out, state.monotonic_nanos);
    match &state.image {
        SnapshotImage::Inline(bytes) => {
            out.push(0);
            put_bytes(out, bytes);
        }
        SnapshotImage::Blob { hash, length } => {
            out.push(1);
            put_varint(out, *length);
            out.extend_from_slice(hash);
        }
    }
}

fn saved_state(input: &mut Reader<'_>) -> Result<SavedState, DecodeError> {
    Ok(SavedState {
        version: input.varint_as()?,
        engine: input.string()?,
        invocations: input.varint()?,
        monotonic_nanos: input.varint()?,
        image: match input.byte()? {
            0 => SnapshotImage::Inline(input.bytes()?.to_vec()),
            1 => {
                let length = input.varint()?;
                SnapshotImage::Blob { hash: input.array()?, length }
            }
            tag => return Err(DecodeError::UnknownTag { what: "image", tag }),
        },
    })
}

fn put_update_mode(out: &mut Vec<u8>, mode: UpdateMode) {
    out.push(match mode {
        UpdateMode::Automatic => 0,
        UpdateMode::Manual => 1,
    });
}

fn update_mode(input: &mut Reader<'_>) -> Result<UpdateMode, DecodeError> {
    match input.byte()? {
        0 => Ok(UpdateMode::Automatic),
        1 => Ok(UpdateMode::Manual),
        tag => Err(DecodeError::UnknownTag { what: "update mode", tag }),
    }
}

pub(super) fn put_admin_request(out: &mut Vec<u8>, request: &AdminRequest) {
    match request {
        AdminRequest::InvocationCancelled { at, key } => {
            out.push(64);
            put_time(out, *at);
            put_str(out, key.as_str());
        }
        AdminRequest::UpdateRequested { at, mode, to } => {
            out.push(65);
            put_time(out, *at);
            put_update_mode(out, *mode);
            put_varint(out, u64::from(*to));
        }
        AdminRequest::UpdateWithdrawn { at } => {
            out.push(66);
            put_time(out, *at);
        }
    }
}

pub(super) fn admin_request(tag: u8, input: &mut Reader<'_>) -> Result<AdminRequest, DecodeError> {
    Ok(match tag {
        64 => AdminRequest::InvocationCancelled { at: time(input)?, key: key(input)? },
        65 => AdminRequest::UpdateRequested {
            at: time(input)?,
            mode: update_mode(input)?,
            to: input.varint_as()?,
        },
        66 => AdminRequest::UpdateWithdrawn { at: time(input)? },
        tag => return Err(DecodeError::UnknownTag { what: "inbox event", tag }),
    })
}

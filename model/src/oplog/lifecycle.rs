//! The turning points of a worker's life, as records of its oplog: snapshots, updates, and what operators ask for.
//! Tags 64 to 79 of entries and arrivals are these.

use super::OplogIndex;
use super::codec::{key, option, put_option, put_str, put_time, time};
use super::wire::{DecodeError, Reader, put_bytes, put_varint};
use crate::{IdempotencyKey, Timestamp};

/// The tags that [`LifecycleEvent`] has among the entries.
pub(super) const ENTRY_TAGS: std::ops::RangeInclusive<u8> = 64..=79;
/// The tags that [`AdminRequest`] has among the arrivals.
pub(super) const INBOX_TAGS: std::ops::RangeInclusive<u8> = 64..=79;

/// A turning point between two invocations of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The guest saved its state, and the worker went on as a fresh instance that had loaded it. What that instance's
    /// initialisation learnt follows.
    Snapshot {
        /// When.
        at: Timestamp,
        /// What it saved.
        state: SavedState,
    },
    /// Hint: a snapshot was due and could not be taken.
    SnapshotRefused {
        /// When.
        at: Timestamp,
        /// Why.
        details: String,
    },
    /// The worker runs another template version from here on.
    Updated {
        /// When.
        at: Timestamp,
        /// The version before.
        from: u32,
        /// The version from here on.
        to: u32,
        /// What the old version saved and the new one loaded, after a manual update. Without it, the new version
        /// replays what is recorded before this entry: a hint.
        state: Option<SavedState>,
    },
    /// Hint: an update was asked for and would have failed. The worker is as it was.
    UpdateRefused {
        /// When.
        at: Timestamp,
        /// The version that the worker goes on to run.
        from: u32,
        /// The version that it was to run.
        to: u32,
        /// How it was to be updated.
        mode: UpdateMode,
        /// The entry at which the new version asked for something else, if that is why.
        index: Option<OplogIndex>,
        /// Why.
        details: String,
    },
}

impl LifecycleEvent {
    /// When it was.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Snapshot { at, .. }
            | Self::SnapshotRefused { at, .. }
            | Self::Updated { at, .. }
            | Self::UpdateRefused { at, .. } => *at,
        }
    }

    /// What the guest saved and a fresh instance loaded, if it is more than a hint.
    pub fn state(&self) -> Option<&SavedState> {
        match self {
            Self::Snapshot { state, .. } => Some(state),
            Self::Updated { state, .. } => state.as_ref(),
            Self::SnapshotRefused { .. } | Self::UpdateRefused { .. } => None,
        }
    }
}

/// What a guest saved of itself, with what the host derives from the oplog before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The template version whose `save` wrote it.
    pub version: u32,
    /// The engine that ran it.
    pub engine: String,
    /// Invocations that were begun before.
    pub invocations: u64,
    /// The worker's monotonic clock at the time of the record, in nanoseconds.
    pub monotonic_nanos: u64,
    /// Where the image is.
    pub image: Image,
}

/// Where the bytes of a saved state are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// Here.
    Inline(Vec<u8>),
    /// In a blob of its own, durable before this record.
    Blob {
        /// BLAKE3 of the bytes.
        hash: [u8; 32],
        /// How many there are.
        length: u64,
    },
}

impl Image {
    /// BLAKE3 of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Self::Inline(bytes) => *blake3::hash(bytes).as_bytes(),
            Self::Blob { hash, length: _ } => *hash,
        }
    }
}

/// How a running worker comes to another template version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMode {
    /// The new version replays what the old one recorded.
    Automatic,
    /// The old version saves its state, the new one loads it.
    Manual,
}

/// What an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRequest {
    /// An accepted invocation that had not begun is not to run. Its key's outcome is this.
    InvocationCancelled {
        /// When.
        at: Timestamp,
        /// The invocation's key.
        key: IdempotencyKey,
    },
    /// The worker is to run another template version as soon as no invocation runs.
    UpdateRequested {
        /// When.
        at: Timestamp,
        /// How.
        mode: UpdateMode,
        /// The version.
        to: u32,
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
        LifecycleEvent::Updated { at, from, to, state } => {
            out.push(66);
            put_time(out, *at);
            put_varint(out, u64::from(*from));
            put_varint(out, u64::from(*to));
            put_option(out, state.as_ref(), put_saved_state);
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
        66 => LifecycleEvent::Updated {
            at: time(input)?,
            from: input.varint_as()?,
            to: input.varint_as()?,
            state: option(input, saved_state)?,
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

fn put_saved_state(out: &mut Vec<u8>, state: &SavedState) {
    put_varint(out, u64::from(state.version));
    put_str(out, &state.engine);
    put_varint(out, state.invocations);
    put_varint(out, state.monotonic_nanos);
    match &state.image {
        Image::Inline(bytes) => {
            out.push(0);
            put_bytes(out, bytes);
        }
        Image::Blob { hash, length } => {
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
            0 => Image::Inline(input.bytes()?.to_vec()),
            1 => {
                let length = input.varint()?;
                Image::Blob { hash: input.array()?, length }
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
        tag => Err(DecodeError::UnknownTag { what: "mode of an update", tag }),
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
        tag => return Err(DecodeError::UnknownTag { what: "arrival", tag }),
    })
}

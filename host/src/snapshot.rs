//! The image of a worker between two invocations: the bytes from its own `save`, and the host's state.
//!
//! Image version 1: the byte 1, the worker id, varint index of the image's entry, bytes from the guest, many host
//! sections (varint tag, bytes). Worker and index make every image a distinct blob, so an image can be deleted without
//! checking for other owners of the same bytes.
//!
//! Invariant: all host state that derives from the oplog and that a later call can observe is in an image or in the
//! [`SavedState`] beside it. Host state without a section makes the save fail.

use crate::imports::HttpState;
use crate::imports::policy::Policy;
use crate::state::WorkerState;
use crate::vfs::{FileTime, Vfs};
use golem_model::oplog::codec::{put_worker_id, worker_id};
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{OplogIndex, SavedState};
use golem_model::{Timestamp, WorkerId};

/// The interface that a component exports to support snapshots.
pub(crate) const INTERFACE: &str = "golem:durability/snapshot@1.0.0";

const VERSION: u8 = 1;

/// A saved state from which a worker continues without the entries before it.
#[derive(Debug, Clone)]
pub struct SnapshotBase {
    /// The index of its entry.
    pub index: OplogIndex,
    /// Time of the entry.
    pub at: Timestamp,
    /// The saved state in the entry.
    pub state: SavedState,
    /// The bytes of the state's image.
    pub image: Vec<u8>,
}

/// Why a state was not saved or not loaded. The instance is spent.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The guest refused, or the state cannot be saved or loaded.
    #[error("{details}")]
    Refused {
        /// The reason.
        details: String,
    },
    /// The instance stopped for a reason that is not about the state.
    #[error("the worker was stopped: {0:?}")]
    Stopped(crate::StopReason),
}

/// The phase of an instance, which restricts the calls that the guest may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InstancePhase {
    /// No restriction.
    #[default]
    Normal,
    /// The initialisation before a saved state is loaded. The guest may make calls that only read, but neither wait nor
    /// change anything: their records are appended only after the state was loaded.
    Starting,
    /// Its `save` runs.
    Saving,
    /// Its `load` runs.
    Loading,
}

impl InstancePhase {
    /// Why a call is not allowed now. `is_read_only`: the call only reads and is answered at once.
    pub(crate) fn deny_reason(self, function: &str, is_read_only: bool) -> Option<String> {
        let when = match self {
            Self::Normal => return None,
            Self::Starting if is_read_only => return None,
            Self::Starting => "while an instance is made that takes over a saved state",
            Self::Saving => "in save",
            Self::Loading => "in load",
        };
        Some(format!("{function} cannot be called {when}: save and load must not call outside the worker"))
    }
}

/// A decoded image.
#[derive(Debug)]
pub(crate) struct DecodedImage<'a> {
    /// The bytes from the guest's `save`.
    pub(crate) guest: &'a [u8],
    sections: Vec<(u64, &'a [u8])>,
}

/// Encodes the image of `worker` at the entry `index`.
pub(crate) fn encode(
    state: &WorkerState,
    worker: &WorkerId,
    index: OplogIndex,
    guest: &[u8],
) -> Result<Vec<u8>, String> {
    let sections = sections(state)?;
    let mut out = Vec::with_capacity(guest.len() + 64);
    out.push(VERSION);
    put_worker_id(&mut out, worker);
    put_varint(&mut out, index.0);
    put_bytes(&mut out, guest);
    put_varint(&mut out, sections.len() as u64);
    for (tag, bytes) in sections {
        put_varint(&mut out, tag);
        put_bytes(&mut out, &bytes);
    }
    Ok(out)
}

/// The worker to which an image belongs; `None` if the bytes are not an image.
pub fn image_owner(image: &[u8]) -> Option<WorkerId> {
    let mut input = Reader::new(image);
    if input.byte().ok()? != VERSION {
        return None;
    }
    worker_id(&mut input).ok()
}

/// Decodes an image. The caller has checked its hash.
pub(crate) fn decode(image: &[u8]) -> Result<DecodedImage<'_>, DecodeError> {
    let mut input = Reader::new(image);
    match input.byte()? {
        VERSION => {}
        tag => return Err(DecodeError::UnknownTag { what: "image version", tag }),
    }
    worker_id(&mut input)?;
    input.varint()?;
    let guest = input.bytes()?;
    let count = input.count()?;
    let sections =
        (0..count).map(|_| Ok((input.varint()?, input.bytes()?))).collect::<Result<_, DecodeError>>()?;
    input.finish()?;
    Ok(DecodedImage { guest, sections })
}

/// The files, encoded by `vfs::codec`, without open handles.
const FILES: u64 = 1;
/// The number of HTTP requests made so far.
const HTTP: u64 = 2;
/// The settings through `golem:durability/policy`.
const POLICY: u64 = 3;

/// The host state that the next invocation could observe. A tag is never reused.
fn sections(state: &WorkerState) -> Result<Vec<(u64, Vec<u8>)>, String> {
    if !state.calls.is_empty() {
        return Err(format!("{} calls of other workers are not finished", state.calls.len()));
    }
    let requests = state.objects.unanswered_requests().len();
    if requests > 0 {
        return Err(format!("{requests} HTTP requests are not answered"));
    }
    Ok(vec![
        (FILES, state.files.without_handles().encode()),
        (HTTP, state.http.encode()),
        (POLICY, state.policy.encode()),
    ])
}

/// The files of an image; none if it has no such section.
pub(crate) fn files(image: &DecodedImage<'_>) -> Result<Vfs, String> {
    match image.sections.iter().find(|(tag, _)| *tag == FILES) {
        Some((_, bytes)) => decode_files(bytes),
        None => Ok(Vfs::new(FileTime::default())),
    }
}

fn decode_files(bytes: &[u8]) -> Result<Vfs, String> {
    Vfs::decode(bytes).map_err(|error| format!("its files cannot be read: {error}"))
}

/// Restores the host state of an image.
pub(crate) fn restore(state: &mut WorkerState, image: &DecodedImage<'_>) -> Result<(), String> {
    for (tag, bytes) in &image.sections {
        match *tag {
            FILES => {
                let files = decode_files(bytes)?;
                state.limits.set_files_bytes(files.bytes());
                state.files = files;
            }
            POLICY => {
                let policy = Policy::decode(bytes);
                state.policy = policy.map_err(|error| format!("its policies cannot be read: {error}"))?;
            }
            HTTP => {
                let calls = HttpState::decode(bytes);
                state.http = calls.map_err(|error| format!("its requests cannot be read: {error}"))?;
            }
            tag => {
                return Err(format!(
                    "the image holds host state of kind {tag}, which this version does not know: a newer version \
                     wrote it"
                ));
            }
        }
    }
    Ok(())
}

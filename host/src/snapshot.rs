//! The image of a worker between two invocations: what its own `save` gave, and what the host knows beside.
//!
//! Image version 1: the byte 1, the worker id, varint index of the entry that the image belongs to, bytes of the guest,
//! many host sections (varint tag, bytes). Worker and index make every image a blob of its own, so that one can be
//! removed without asking who else has the same bytes.
//!
//! Invariant: all that the host derives from the oplog and a later call can tell is in an image or in the
//! [`SavedState`] beside it. A kind of host state that has no section refuses to be saved.

use crate::imports::HttpCalls;
use crate::imports::policy::Policy;
use crate::state::WorkerState;
use crate::vfs::Vfs;
use golem_model::oplog::codec::{put_worker_id, worker_id};
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{OplogIndex, SavedState};
use golem_model::{Timestamp, WorkerId};

/// The interface that components export to be saved and loaded.
pub(crate) const INTERFACE: &str = "golem:durability/snapshot@1.0.0";

const VERSION: u8 = 1;

/// A state from which a worker goes on without what came before.
#[derive(Debug, Clone)]
pub struct SnapshotBase {
    /// The entry that it belongs to.
    pub index: OplogIndex,
    /// When that was written.
    pub at: Timestamp,
    /// What that says.
    pub state: SavedState,
    /// The bytes of the state's image.
    pub image: Vec<u8>,
}

/// Why a state was not saved, or not loaded. The instance is spent.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The guest does not allow it.
    #[error("{details}")]
    Refused {
        /// What it said, or did instead.
        details: String,
    },
    /// It was stopped for a reason that says nothing about the state.
    #[error("the worker was stopped: {0:?}")]
    Stopped(crate::StopReason),
}

/// What the instance does, where that limits what it may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nothing special.
    #[default]
    Normal,
    /// It is made to take over a saved state. Its initialisation may learn things, but wait for nothing and change
    /// nothing: what it learnt is recorded only when the state was loaded.
    Starting,
    /// Its `save` runs.
    Saving,
    /// Its `load` runs.
    Loading,
}

impl Phase {
    /// Why a call cannot be made now; `observed` is one that is answered at once.
    pub(crate) fn refusal(self, function: &str, is_observation: bool) -> Option<String> {
        let when = match self {
            Self::Normal => return None,
            Self::Starting if is_observation => return None,
            Self::Starting => "while an instance is made that takes over a saved state",
            Self::Saving => "in save",
            Self::Loading => "in load",
        };
        Some(format!("{function} cannot be called {when}: save and load must not call outside the worker"))
    }
}

/// An image, read.
#[derive(Debug)]
pub(crate) struct DecodedImage<'a> {
    /// What the guest saved.
    pub(crate) guest: &'a [u8],
    sections: Vec<(u64, &'a [u8])>,
}

/// The image of `worker` at `index`.
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

/// Whose image it is; `None` if it is none.
pub fn image_owner(image: &[u8]) -> Option<WorkerId> {
    let mut input = Reader::new(image);
    if input.byte().ok()? != VERSION {
        return None;
    }
    worker_id(&mut input).ok()
}

/// Reads an image, which was checked against its hash before.
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

/// The files, as `vfs::codec` writes them, without what was open.
const FILES: u64 = 1;
/// How many HTTP requests it has made.
const HTTP: u64 = 2;
/// What it has chosen of `golem:durability/policy`.
const POLICY: u64 = 3;

/// What the host knows of the worker and its next invocation could tell. Tags are given once.
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

/// Takes over the host's part of an image.
pub(crate) fn restore(state: &mut WorkerState, image: &DecodedImage<'_>) -> Result<(), String> {
    for (tag, bytes) in &image.sections {
        match *tag {
            FILES => {
                let files =
                    Vfs::decode(bytes).map_err(|error| format!("its files cannot be read: {error}"))?;
                state.limits.set_files_bytes(files.bytes());
                state.files = files;
            }
            POLICY => {
                let policy = Policy::decode(bytes);
                state.policy = policy.map_err(|error| format!("its policies cannot be read: {error}"))?;
            }
            HTTP => {
                let calls = HttpCalls::decode(bytes);
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

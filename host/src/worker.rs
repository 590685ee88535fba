//! One activation of a worker.

use crate::ports::{PortError, Ports};
use crate::{Component, Control, Outcome, Replayed, Stop};
use golem_model::{AccountId, Entry, Invocation, OplogIndex, WorkerId};
use std::time::Duration;

/// Who the worker is: all that its entry `Created` fixes, and what the server sets.
#[derive(Debug, Clone)]
pub struct WorkerInit {
    /// The worker.
    pub id: WorkerId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The template version that it runs.
    pub template_version: u32,
    /// Command-line arguments that the guest sees.
    pub args: Vec<String>,
    /// Environment that the guest sees.
    pub env: Vec<(String, String)>,
    /// Seed of all its randomness.
    pub seed: [u8; 32],
    /// A wait longer than this parks the worker.
    pub suspend_after: Duration,
}

/// One activation: a worker's instance in memory, at some position of its oplog.
#[derive(Debug)]
pub struct Instance {
    end: OplogIndex,
}

impl Instance {
    /// Makes the worker's instance. `history` is its oplog from index 1, with the sources of queued invocations
    /// resolved to inline ones.
    pub async fn activate(
        component: &Component,
        init: WorkerInit,
        history: Vec<Entry>,
        ports: Ports,
        control: Control,
    ) -> Result<Self, Stop> {
        let _ = (component, init, history, ports, control);
        Err(Stop::Port(PortError::Discarded))
    }

    /// Replays every invocation that the oplog holds whole.
    pub async fn replay(&mut self) -> Result<Replayed, Stop> {
        Ok(Replayed::Ready)
    }

    /// Goes on with the invocation that [`Instance::replay`] found unfinished: first as recorded, then live.
    pub async fn resume(&mut self) -> Outcome {
        Outcome::Stopped(Stop::Port(PortError::Discarded))
    }

    /// Runs one invocation live. `arrival` is its position if it was accepted before.
    pub async fn invoke(&mut self, invocation: Invocation, arrival: Option<u64>) -> Outcome {
        let _ = (invocation, arrival);
        Outcome::Stopped(Stop::Port(PortError::Discarded))
    }

    /// The index of the last entry handed to the store.
    pub fn oplog_end(&self) -> OplogIndex {
        self.end
    }
}

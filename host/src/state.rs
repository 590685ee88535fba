//! The host's state of one worker, held by its wasmtime store.
//!
//! Imports do not see it: they get views of it (`imports::views`), and `lend` is the one file that splits the state into
//! them.

mod lend;

use crate::durable::{InvocationStart, Journal};
use crate::file_history::{PendingFileUpdates, UpdatedFiles};
use crate::imports::HttpState;
use crate::imports::calls::OpenCalls;
use crate::imports::policy::Policy;
use crate::imports::random::Random;
use crate::imports::stdio::Stdio;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::program::{Console, Handoff};
use crate::snapshot::InstancePhase;
use crate::vfs::{FileClock, Vfs};
use crate::{AcceptanceRecord, InterruptHandle, StopReason, WorkerInit};
use golem_model::{IdempotencyKey, Invocation, OplogIndex, Timestamp};
use std::sync::Arc;

/// The host's side of one worker.
#[derive(Debug)]
pub(crate) struct WorkerState {
    /// The worker's identity and settings.
    pub(crate) init: WorkerInit,
    /// The host objects behind the guest's handles.
    pub(crate) objects: Objects,
    /// The worker's oplog.
    pub(crate) journal: Journal,
    /// Interrupts the guest.
    pub(crate) interrupt_handle: InterruptHandle,
    /// Its files.
    pub(crate) files: Vfs,
    /// The updates whose files are not merged into its own yet.
    pub(crate) file_updates: PendingFileUpdates,
    /// The limits of its memory.
    pub(crate) limits: Limits,
    /// Calls to other workers that the guest has not finished.
    pub(crate) calls: OpenCalls,
    /// The state of its HTTP requests.
    pub(crate) http: HttpState,
    /// The guest's settings through `golem:durability/policy`.
    pub(crate) policy: Policy,
    /// The current invocation.
    pub(crate) invocation: InvocationState,
    /// Restricts the calls that the guest may make now.
    pub(crate) phase: InstancePhase,
    /// Why the host stopped the guest, while wasmtime unwinds it.
    stop: Option<StopReason>,
}

/// What changes when an invocation begins.
#[derive(Debug)]
pub(crate) struct InvocationState {
    /// The invocation and its open regions.
    pub(crate) current: CurrentInvocation,
    /// The guest's randomness.
    pub(crate) random: Random,
    /// The guest's output.
    pub(crate) stdio: Stdio,
    /// The guest's standard input and output as a program.
    pub(crate) console: Console,
    /// The time for file operations.
    pub(crate) file_clock: FileClock,
    /// Hands an event loop from one invocation to the next.
    pub(crate) handoff: Handoff,
}

/// The current invocation. Everything here is a function of the oplog.
#[derive(Debug, Default)]
pub(crate) struct CurrentInvocation {
    /// Its start in the oplog; `None` while the instance is created.
    pub(crate) start: Option<InvocationStart>,
    /// Its key; `None` while the instance is created.
    pub(crate) key: Option<IdempotencyKey>,
    /// Idempotency keys that it has generated.
    pub(crate) keys_generated: u64,
    /// The open atomic regions, the outermost first.
    pub(crate) regions: Vec<OplogIndex>,
}

impl WorkerState {
    /// The state of a worker that was created at `created`.
    pub(crate) fn new(
        init: WorkerInit,
        created: Timestamp,
        journal: Journal,
        interrupt_handle: InterruptHandle,
        limits: Limits,
    ) -> Self {
        let invocation = InvocationState {
            current: CurrentInvocation::default(),
            random: Random::new(&init.seed, 0),
            stdio: Stdio::default(),
            console: Console::default(),
            file_clock: FileClock::new(created),
            handoff: Handoff::default(),
        };
        Self {
            file_updates: PendingFileUpdates::new(&init.files.updates),
            init,
            objects: Objects::default(),
            journal,
            interrupt_handle,
            files: Vfs::new(invocation.file_clock.now()),
            limits,
            calls: OpenCalls::new(),
            http: HttpState::default(),
            policy: Policy::default(),
            invocation,
            phase: InstancePhase::Normal,
            stop: None,
        }
    }

    /// Gives a new worker a copy of its initial files.
    pub(crate) fn set_initial_files(&mut self) {
        if let Some(files) = &self.init.files.initial {
            self.files = files.to_vfs(self.invocation.file_clock.now());
            self.limits.set_files_bytes(self.files.bytes());
        }
    }

    /// Merges the files of the updates whose entries the replay has passed, between two invocations.
    pub(crate) fn apply_file_updates(&mut self) -> Result<(), StopReason> {
        let next = self.journal.replay().next_index()?;
        self.apply_file_updates_before(next).map_err(|details| StopReason::Trapped {
            details,
            retry: false,
            policy: None,
        })
    }

    /// Merges the files of the updates before the entry `next`.
    pub(crate) fn apply_file_updates_before(&mut self, next: OplogIndex) -> Result<(), String> {
        let now = self.invocation.file_clock.now();
        let pending = &mut self.file_updates;
        UpdatedFiles { files: &mut self.files, limits: &mut self.limits, pending }.apply_before(next, now)
    }

    /// Records the start of an invocation, and begins it.
    pub(crate) fn record_start(
        &mut self,
        next: Invocation,
        acceptance: AcceptanceRecord,
    ) -> Result<Arc<str>, StopReason> {
        self.journal.record_start(&self.interrupt_handle, &mut self.invocation, next, acceptance)
    }

    /// Stops the guest for this reason: the returned error makes wasmtime unwind it.
    pub(crate) fn stop(&mut self, stop: StopReason) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        wasmtime::Error::msg("the worker stops")
    }

    /// Why the host stopped the guest, if it did.
    pub(crate) fn take_stop(&mut self) -> Option<StopReason> {
        self.stop.take()
    }
}

impl InvocationState {
    /// Begins the next invocation, which started at `at`.
    pub(crate) fn begin(
        &mut self,
        key: IdempotencyKey,
        start: InvocationStart,
        at: Timestamp,
        console: Console,
    ) {
        self.current =
            CurrentInvocation { start: Some(start), key: Some(key), ..CurrentInvocation::default() };
        // The number is never reused, so an invocation does not repeat the random values of a reverted one.
        self.random = self.random.of_invocation(start.number);
        self.stdio.clear_stderr_tail();
        self.file_clock.set_wall(at);
        self.console = console;
    }
}

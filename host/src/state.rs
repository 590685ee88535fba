//! The host's state of one worker, held by its wasmtime store. The imports are methods of it.

use crate::durable::{CallFailure, InvocationStart, Journal};
use crate::files::Files;
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
use crate::{InterruptHandle, StopReason, WorkerInit};
use golem_model::{IdempotencyKey, OplogIndex, Timestamp};

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
    /// The guest's randomness.
    pub(crate) random: Random,
    /// The guest's output.
    pub(crate) stdio: Stdio,
    /// Its files.
    pub(crate) files: Vfs,
    /// The time for file operations.
    pub(crate) file_clock: FileClock,
    /// The limits of its memory.
    pub(crate) limits: Limits,
    /// Calls to other workers that the guest has not finished.
    pub(crate) calls: OpenCalls,
    /// The state of its HTTP requests.
    pub(crate) http: HttpState,
    /// The guest's settings through `golem:durability/policy`.
    pub(crate) policy: Policy,
    /// The guest's standard input and output.
    pub(crate) console: Console,
    /// Hands an event loop from one invocation to the next.
    pub(crate) handoff: Handoff,
    /// The current invocation.
    pub(crate) current: CurrentInvocation,
    /// Restricts the calls that the guest may make now.
    pub(crate) phase: InstancePhase,
    /// Why the host stopped the guest, while wasmtime unwinds it.
    stop: Option<StopReason>,
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
        stdio: Stdio,
        limits: Limits,
    ) -> Self {
        let random = Random::new(&init.seed, 0);
        let file_clock = FileClock::new(created);
        Self {
            init,
            objects: Objects::default(),
            journal,
            interrupt_handle,
            random,
            stdio,
            files: Vfs::new(file_clock.now()),
            file_clock,
            limits,
            calls: OpenCalls::new(),
            http: HttpState::default(),
            policy: Policy::default(),
            console: Console::default(),
            handoff: Handoff::default(),
            current: CurrentInvocation::default(),
            phase: InstancePhase::Normal,
            stop: None,
        }
    }

    /// Gives a new worker a copy of `files`.
    pub(crate) fn set_files(&mut self, files: &Files) {
        self.files = files.to_vfs(self.file_clock.now());
        self.limits.set_files_bytes(self.files.bytes());
    }

    /// Begins the next invocation, which started at `at`.
    pub(crate) fn begin_invocation(
        &mut self,
        key: IdempotencyKey,
        start: InvocationStart,
        at: Timestamp,
        console: Console,
    ) {
        self.current =
            CurrentInvocation { start: Some(start), key: Some(key), ..CurrentInvocation::default() };
        // The number is never reused, so an invocation does not repeat the random values of a reverted one.
        self.random = Random::new(&self.init.seed, start.number);
        self.stdio.clear_stderr_tail();
        self.file_clock.set_wall(at);
        self.console = console;
    }

    /// Converts `failure` to the error that makes wasmtime unwind the guest.
    pub(crate) fn raise(&mut self, failure: CallFailure) -> wasmtime::Error {
        match failure {
            CallFailure::Stop(stop) => self.stop(stop),
            CallFailure::Trap(text) => wasmtime::Error::msg(text),
        }
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

//! What wasmtime's store holds for one worker. The imports are methods of it.

use crate::durable::{CallFailure, InvocationStart, Journal};
use crate::files::Files;
use crate::imports::HttpCalls;
use crate::imports::calls::OpenCalls;
use crate::imports::policy::Policy;
use crate::imports::random::Random;
use crate::imports::stdio::Stdio;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::program::{Console, Handoff};
use crate::snapshot::Phase;
use crate::vfs::{FileClock, Vfs};
use crate::{InterruptHandle, StopReason, WorkerInit};
use golem_model::{IdempotencyKey, OplogIndex, Timestamp};

/// The host's side of one worker.
#[derive(Debug)]
pub(crate) struct WorkerState {
    /// Who the worker is.
    pub(crate) init: WorkerInit,
    /// What the guest holds handles to.
    pub(crate) objects: Objects,
    /// The worker's oplog.
    pub(crate) journal: Journal,
    /// Stops the guest.
    pub(crate) interrupt_handle: InterruptHandle,
    /// What the guest draws.
    pub(crate) random: Random,
    /// What the guest prints.
    pub(crate) stdio: Stdio,
    /// Its files.
    pub(crate) files: Vfs,
    /// What time it is for files.
    pub(crate) file_clock: FileClock,
    /// How far its memory may grow.
    pub(crate) limits: Limits,
    /// Calls of other workers that the guest has not finished.
    pub(crate) calls: OpenCalls,
    /// The HTTP requests that it makes.
    pub(crate) http: HttpCalls,
    /// What the guest has chosen of `golem:durability/policy`.
    pub(crate) policy: Policy,
    /// What standard input and output are to it.
    pub(crate) console: Console,
    /// Hands an event loop from one invocation to the next.
    pub(crate) handoff: Handoff,
    /// The invocation that runs.
    pub(crate) current: CurrentInvocation,
    /// What it may ask for now.
    pub(crate) phase: Phase,
    /// Why the guest was stopped, while wasmtime unwinds it.
    stop: Option<StopReason>,
}

/// The invocation that runs. Everything here is a function of the oplog.
#[derive(Debug, Default)]
pub(crate) struct CurrentInvocation {
    /// Its place in the oplog; `None` while the instance is made.
    pub(crate) start: Option<InvocationStart>,
    /// Its key; `None` while the instance is made.
    pub(crate) key: Option<IdempotencyKey>,
    /// Idempotency keys that it has made.
    pub(crate) keys_generated: u64,
    /// The atomic regions that are open, the outermost first.
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
            http: HttpCalls::default(),
            policy: Policy::default(),
            console: Console::default(),
            handoff: Handoff::default(),
            current: CurrentInvocation::default(),
            phase: Phase::Normal,
            stop: None,
        }
    }

    /// Gives a worker that has no memory yet a copy of `files`.
    pub(crate) fn set_files(&mut self, files: &Files) {
        self.files = files.copy(self.file_clock.now());
        self.limits.set_files_bytes(self.files.bytes());
    }

    /// Turns to the next invocation, which began at `at`.
    pub(crate) fn begin_invocation(
        &mut self,
        key: IdempotencyKey,
        start: InvocationStart,
        at: Timestamp,
        console: Console,
    ) {
        self.current =
            CurrentInvocation { start: Some(start), key: Some(key), ..CurrentInvocation::default() };
        // By the number that is never given twice: what an invocation that was set aside drew is drawn by no other.
        self.random = Random::new(&self.init.seed, start.number);
        self.stdio.begin();
        self.file_clock.wall(at);
        self.console = console;
    }

    /// The error that makes wasmtime unwind the guest for `failure`.
    pub(crate) fn raise(&mut self, failure: CallFailure) -> wasmtime::Error {
        match failure {
            CallFailure::Stop(stop) => self.stop(stop),
            CallFailure::Trap(text) => wasmtime::Error::msg(text),
        }
    }

    /// The error that makes wasmtime unwind the guest, which then has stopped for this reason.
    pub(crate) fn stop(&mut self, stop: StopReason) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        wasmtime::Error::msg("the worker stops")
    }

    /// Why the guest was stopped, if the host did it.
    pub(crate) fn take_stop(&mut self) -> Option<StopReason> {
        self.stop.take()
    }
}

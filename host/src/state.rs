//! What wasmtime's store holds for one worker. The imports are methods of it.

use crate::durable::{Failure, Journal};
use crate::imports::HttpCalls;
use crate::imports::calls::OpenCalls;
use crate::imports::random::Random;
use crate::imports::stdio::Stdio;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::vfs::{FileClock, Vfs};
use crate::{Control, Stop, WorkerInit};
use golem_model::{IdempotencyKey, Timestamp};

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
    pub(crate) control: Control,
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
    /// The invocation that runs.
    pub(crate) current: Current,
    /// Why the guest was stopped, while wasmtime unwinds it.
    stop: Option<Stop>,
}

/// The invocation that runs. Everything here is a function of the oplog.
#[derive(Debug, Default)]
pub(crate) struct Current {
    /// How many were begun: 0 while the instance is made, then from 1.
    pub(crate) number: u64,
    /// Its key; `None` while the instance is made.
    pub(crate) key: Option<IdempotencyKey>,
    /// Idempotency keys that it has made.
    pub(crate) keys_made: u64,
}

impl WorkerState {
    /// The state of a worker that was created at `created`.
    pub(crate) fn new(
        init: WorkerInit,
        created: Timestamp,
        journal: Journal,
        control: Control,
        stdio: Stdio,
        limits: Limits,
    ) -> Self {
        let random = Random::new(&init.seed, 0);
        let file_clock = FileClock::new(created);
        Self {
            init,
            objects: Objects::default(),
            journal,
            control,
            random,
            stdio,
            files: Vfs::new(file_clock.now()),
            file_clock,
            limits,
            calls: OpenCalls::new(),
            http: HttpCalls::default(),
            current: Current::default(),
            stop: None,
        }
    }

    /// Turns to the next invocation, which began at `at`.
    pub(crate) fn begin(&mut self, key: IdempotencyKey, at: Timestamp) {
        let number = self.current.number + 1;
        self.current = Current { number, key: Some(key), keys_made: 0 };
        self.random = Random::new(&self.init.seed, number);
        self.stdio.begin();
        self.file_clock.wall(at);
    }

    /// The error that makes wasmtime unwind the guest for `failure`.
    pub(crate) fn raise(&mut self, failure: Failure) -> wasmtime::Error {
        match failure {
            Failure::Stop(stop) => self.stop(stop),
            Failure::Trap(text) => wasmtime::Error::msg(text),
        }
    }

    /// The error that makes wasmtime unwind the guest, which then has stopped for this reason.
    pub(crate) fn stop(&mut self, stop: Stop) -> wasmtime::Error {
        self.stop.get_or_insert(stop);
        wasmtime::Error::msg("the worker stops")
    }

    /// Why the guest was stopped, if the host did it.
    pub(crate) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }
}

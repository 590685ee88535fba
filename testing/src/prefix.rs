//! Replay from every prefix of an oplog.

use crate::ports::SimulatedClock;
use crate::worker::{Failure, TestWorker};
use golem_model::oplog::InvocationSource;
use golem_model::{Convention, Entry, IdempotencyKey, Timestamp, Value};
use std::sync::Arc;

/// A prefix of the oplog that leads to other answers than the whole oplog.
#[derive(Debug, thiserror::Error)]
#[error("from the first {entries} entries of the oplog: {problem}")]
pub struct PrefixError {
    /// Number of entries in the prefix.
    pub entries: usize,
    /// The difference.
    pub problem: PrefixProblem,
}

/// The difference between a prefix and the whole oplog.
#[derive(Debug, thiserror::Error)]
pub enum PrefixProblem {
    /// An invocation gave no answer.
    #[error("the invocation {key} gave no answer: {failure}")]
    Failed {
        /// The invocation.
        key: IdempotencyKey,
        /// The reason.
        failure: Failure,
    },
    /// An invocation gave another answer.
    #[error("the invocation {key} of {function} answered {found:?}; it had answered {recorded:?}")]
    Differs {
        /// The invocation.
        key: IdempotencyKey,
        /// Its function.
        function: Arc<str>,
        /// The recorded answer.
        recorded: Option<Value>,
        /// The answer from this prefix.
        found: Option<Value>,
    },
}

/// A completed invocation as recorded.
struct Recorded {
    key: IdempotencyKey,
    function: Arc<str>,
    params: Vec<Value>,
    convention: Convention,
    result: Option<Value>,
    /// Number of entries up to and including its start.
    started: usize,
    /// Number of entries up to and including its completion.
    completed: usize,
}

impl TestWorker {
    /// Checks that the worker returns the same answers from every oplog that a crash may leave.
    ///
    /// For each prefix of the oplog, a new worker is created with that prefix. It resumes the
    /// invocation that is unfinished there, then runs the recorded invocations that follow, and
    /// each answer is compared with the recorded one. Each prefix is replayed twice: as one page,
    /// and in pages of one entry. The worker's answers must not depend on the time of day or
    /// contain oplog indices, because after the prefix the worker runs at a later time. Promises
    /// that the test completed are complete from the start. Returns the number of prefixes.
    pub async fn replay_from_every_prefix(&self) -> Result<usize, PrefixError> {
        self.replay_prefixes(None).await
    }

    /// Like [`TestWorker::replay_from_every_prefix`], for a worker that waits for its own promises: every promise that
    /// it waits for after the prefix is completed with `answer`, even if its index differs.
    pub async fn replay_from_every_prefix_answering(&self, answer: &[u8]) -> Result<usize, PrefixError> {
        self.replay_prefixes(Some(answer)).await
    }

    async fn replay_prefixes(&self, answer: Option<&[u8]>) -> Result<usize, PrefixError> {
        let oplog = self.oplog();
        let invocations = recorded(&oplog);
        for entries in 1..=oplog.len() {
            for page_entries in [usize::MAX, 1] {
                self.replay_prefix(&oplog[..entries], &invocations, answer, page_entries)
                    .await
                    .map_err(|problem| PrefixError { entries, problem })?;
            }
        }
        Ok(oplog.len())
    }

    async fn replay_prefix(
        &self,
        prefix: &[Entry],
        invocations: &[Recorded],
        promise_answer: Option<&[u8]>,
        page_entries: usize,
    ) -> Result<(), PrefixProblem> {
        let store = self.store.prefix(&self.init.id, prefix.len());
        let clock = SimulatedClock::new(latest(prefix)).jumping();
        let mut worker = TestWorker::from_parts(
            self.component.clone(),
            self.init.clone(),
            store,
            clock,
            self.http.clone(),
        );
        worker.page_entries = page_entries;
        for invocation in invocations.iter().filter(|invocation| invocation.completed > prefix.len()) {
            let begun = invocation.started <= prefix.len();
            let first = if begun {
                worker.resume().await
            } else {
                let (convention, params) = (invocation.convention, invocation.params.clone());
                worker.invoke_with_convention(convention, &invocation.function, params).await
            };
            let mut answer = worker.wait_over_time(first).await;
            while let (Err(Failure::Waiting(parked)), Some(promise_answer)) = (&answer, promise_answer) {
                for promise in &parked.promises {
                    worker.complete_promise(promise, promise_answer);
                }
                answer = worker.resume_over_time().await;
            }
            let found =
                answer.map_err(|failure| PrefixProblem::Failed { key: invocation.key.clone(), failure })?;
            // Compares texts: as text, a NaN equals itself.
            if format!("{found:?}") != format!("{:?}", invocation.result) {
                return Err(PrefixProblem::Differs {
                    key: invocation.key.clone(),
                    function: Arc::clone(&invocation.function),
                    recorded: invocation.result.clone(),
                    found,
                });
            }
        }
        Ok(())
    }
}

/// The completed invocations of an oplog.
fn recorded(oplog: &[Entry]) -> Vec<Recorded> {
    let mut invocations: Vec<Recorded> = Vec::new();
    let mut open = None;
    for (index, entry) in oplog.iter().enumerate() {
        match entry {
            Entry::InvocationStarted {
                key, source: InvocationSource::Inline { function, params }, ..
            } => {
                let (function, params) = (Arc::clone(function), params.clone());
                open = Some((key.clone(), function, params, Convention::Component, index + 1));
            }
            Entry::InvocationStarted {
                key,
                source: InvocationSource::Program { function, convention, input },
                ..
            } => {
                let (function, params) = (Arc::clone(function), vec![Value::String(input.clone())]);
                open = Some((key.clone(), function, params, *convention, index + 1));
            }
            Entry::InvocationCompleted { result, .. } => {
                if let Some((key, function, params, convention, started)) = open.take() {
                    let (result, completed) = (result.clone(), index + 1);
                    invocations.push(Recorded {
                        key,
                        function,
                        params,
                        convention,
                        result,
                        started,
                        completed,
                    });
                }
            }
            // Reverted invocations are not compared.
            Entry::Revert { from, .. } => {
                let kept = |started: usize| (started as u64) < from.0;
                invocations.retain(|invocation| kept(invocation.started));
                open = open.take().filter(|(_, _, _, _, started)| kept(*started));
            }
            Entry::InvocationStarted { source: InvocationSource::Queued { .. }, .. }
            | Entry::Created { .. }
            | Entry::Activated { .. }
            | Entry::HostCall { .. }
            | Entry::ClockReadings(_)
            | Entry::AttemptFailed { .. }
            | Entry::ProgramEnded { .. }
            | Entry::InvocationFailed { .. }
            | Entry::Suspended(_)
            | Entry::Configured { .. }
            | Entry::LifecycleEvent(_) => {}
        }
    }
    invocations
}

/// The latest wall time in an oplog.
fn latest(oplog: &[Entry]) -> Timestamp {
    let times = oplog.iter().filter_map(|entry| match entry {
        Entry::Created { at, .. }
        | Entry::Activated { at, .. }
        | Entry::InvocationStarted { at, .. }
        | Entry::InvocationCompleted { at, .. }
        | Entry::AttemptFailed { at, .. }
        | Entry::InvocationFailed { at, .. }
        | Entry::ProgramEnded { at }
        | Entry::Configured { at, .. }
        | Entry::Revert { at, .. } => Some(*at),
        Entry::Suspended(parked) => Some(parked.at),
        Entry::LifecycleEvent(event) => Some(event.at()),
        Entry::HostCall { .. } | Entry::ClockReadings(_) => None,
    });
    times.max().unwrap_or_default()
}

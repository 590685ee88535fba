//! Positions in the log, and waiting until they are durable.
//!
//! An answer of the executor that rests on rows leaves when these rows are durable (W1). An operation takes the
//! position of the last row that its answer rests on. It does so under the lock under which it reads or appends, and
//! waits for that position without the lock. Nothing is committed for a read, and a read does not wait if its rows are
//! durable already.
//!
//! Invariant: a row's number alone does not name a row. After a failed commit, the rows that are not in the store are
//! gone, and other rows get their numbers. A [`RowPosition`] therefore carries the generation of the state that
//! assigned the number, and waiting for a position of an earlier generation is an error.

use super::core::{Core, OnDurable, State, StoreHealth};
use super::history::WorkerLog;
use super::{Executor, ExecutorError};
use crate::storage::ports::{Seq, WorkerNum};
use golem_model::WorkerId;
use golem_model::oplog::codec::Row;
use tokio::sync::oneshot;

/// A row, and the generation of the state in which it has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowPosition {
    generation: u64,
    seq: Seq,
}

impl RowPosition {
    /// The position of a row in the state of `generation`.
    pub(crate) fn new(generation: u64, seq: Seq) -> Self {
        Self { generation, seq }
    }

    /// The position of another row in the same state.
    pub(crate) fn with_seq(self, seq: Seq) -> Self {
        Self { seq, ..self }
    }

    pub(crate) fn seq(self) -> Seq {
        self.seq
    }
}

impl State {
    /// The position of a row that was read or appended under this lock.
    pub(crate) fn row_position(&self, seq: Seq) -> RowPosition {
        RowPosition { generation: self.generation, seq }
    }

    /// The position of the last row in the log.
    pub(crate) fn last_position(&self) -> RowPosition {
        self.row_position(self.ledger.last_seq())
    }

    /// The position of the worker's last row. If its projection is not in memory, the store may have the row already,
    /// and otherwise it is at or before the last position.
    pub(crate) fn worker_position(&self, worker: WorkerNum) -> RowPosition {
        match self.ledger.projection(worker) {
            Some(projection) => self.row_position(Seq(projection.last_row)),
            None => self.last_position(),
        }
    }

    /// The position of the row that deleted the worker with this id, if the store does not have it yet.
    pub(crate) fn deletion_position(&self, id: &WorkerId) -> Option<RowPosition> {
        self.ledger.unwritten_deletion(id).map(|seq| self.row_position(seq))
    }
}

impl Executor {
    /// Number of answers that wait for a commit.
    pub fn answers_waiting(&self) -> usize {
        self.core.lock().on_durable.len()
    }
}

impl Core {
    /// Completes `on_durable` once `seq` is durable, or with an error if its commit fails.
    pub(crate) fn when_durable(state: &mut State, seq: Seq, on_durable: OnDurable) {
        if state.ledger.durable_seq() >= seq {
            super::committer::complete(on_durable, Ok(()));
        } else {
            let place = state.on_durable.partition_point(|(at, _)| *at <= seq);
            state.on_durable.insert(place, (seq, on_durable));
        }
    }

    /// Waits until the row at `position` is durable.
    pub(crate) async fn wait_until_durable(&self, position: RowPosition) -> Result<(), ExecutorError> {
        let rx = {
            let mut state = self.lock();
            Self::check_store_health(&state)?;
            if state.generation != position.generation {
                let reason = "a commit failed, and what this answer rests on may not be in the log; repeat the request";
                return Err(ExecutorError::Unavailable { reason: reason.into() });
            }
            if state.ledger.durable_seq() >= position.seq {
                return Ok(());
            }
            let (tx, rx) = oneshot::channel();
            Self::when_durable(&mut state, position.seq, OnDurable::Notify(tx));
            rx
        };
        rx.await.unwrap_or(Err(ExecutorError::ShuttingDown))
    }

    /// Waits until a row of `worker` is durable, and reads it.
    pub(crate) async fn read_durable_row(
        &self,
        worker: WorkerNum,
        position: RowPosition,
    ) -> Result<Row, ExecutorError> {
        self.wait_until_durable(position).await?;
        let seq = position.seq;
        self.read_store(move |store| WorkerLog::new(store, worker).row(seq)).await
    }

    /// Waits until everything that the log holds of the worker now is durable. `generation` is that of the state on which
    /// the answer of the caller rests.
    pub(crate) async fn wait_worker_durable(
        &self,
        worker: WorkerNum,
        generation: u64,
    ) -> Result<(), ExecutorError> {
        let last = self.lock().worker_position(worker);
        self.wait_until_durable(RowPosition { generation, ..last }).await
    }

    /// Waits until the state that `error` describes is durable, and returns `error`: for example, that a worker has
    /// failed. If that commit fails, returns that error instead, because the state is then another one.
    pub(crate) async fn durable_error(&self, position: RowPosition, error: ExecutorError) -> ExecutorError {
        self.wait_until_durable(position).await.err().unwrap_or(error)
    }

    fn check_store_health(state: &State) -> Result<(), ExecutorError> {
        match &state.health {
            StoreHealth::Up => Ok(()),
            StoreHealth::Down(reason) => Err(ExecutorError::Unavailable { reason: reason.clone() }),
        }
    }
}

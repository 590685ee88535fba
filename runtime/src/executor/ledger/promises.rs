//! Completing and deleting promises.

use super::{
    EncodedEvent, HostCallContext, Ledger, LedgerAction, PromiseOperation, PromiseSlot, Row, StepError,
    StepOutcome,
};
use crate::storage::ports::WorkerNum;
use golem_model::oplog::{Entry, InboxEvent};
use golem_model::promise::PromiseCompletion;
use golem_model::{PromiseId, Timestamp};

impl Ledger {
    pub(super) fn apply_promise(
        &mut self,
        now: Timestamp,
        owner: Option<WorkerNum>,
        promise: &PromiseId,
        operation: PromiseOperation,
        context: Option<HostCallContext>,
    ) -> Result<StepOutcome, StepError> {
        let mut record = None;
        if let Some(HostCallContext { worker, activation, buffered, call }) = context {
            self.check_activation(worker, activation, buffered.first())?;
            record = Some((worker, buffered.end(), call));
            // The buffered entries come first: they may contain the creation of this very promise.
            self.append_buffered(worker, buffered);
        }
        let slot = owner
            .and_then(|owner| self.projections.get(&owner))
            .filter(|cached| cached.projection.id == promise.worker)
            .and_then(|cached| cached.projection.promises.get(&promise.index.0))
            .copied();
        let event = match (slot, operation) {
            (Some(PromiseSlot::Pending), PromiseOperation::Complete(completion)) => Some(completion),
            (Some(_), PromiseOperation::Delete) => {
                Some(EncodedEvent::composed(InboxEvent::PromiseDeleted { at: now, promise: promise.index }))
            }
            (Some(PromiseSlot::Completed(_)), PromiseOperation::Complete(_)) | (None, _) => None,
        };
        let completion = match (slot, &event) {
            (None, _) => PromiseCompletion::Unknown,
            (Some(_), Some(_)) => PromiseCompletion::Completed,
            (Some(_), None) => PromiseCompletion::AlreadyCompleted,
        };
        let mut seq = self.last_seq;
        if let (Some(owner), Some(event)) = (owner, event) {
            // An interrupted worker continues when the promise that it waits for is completed (reference §1.2).
            if self
                .projections
                .get(&owner)
                .is_some_and(|cached| cached.projection.interrupted && cached.projection.waits_for(promise))
            {
                self.append_row(owner, Row::InboxEvent(InboxEvent::Resumed { at: now }));
            }
            seq = self.append_encoded(owner, event.into_row());
            self.actions.push(LedgerAction::PromiseSettled(promise.clone()));
            for waiter in self.promise_waiters.of(promise) {
                self.actions.push(LedgerAction::Wake(waiter));
            }
        }
        if let Some((worker, first, call)) = record {
            let answer = match completion {
                PromiseCompletion::Completed => 1,
                PromiseCompletion::AlreadyCompleted => 0,
                PromiseCompletion::Unknown => 2,
            };
            let entry = Entry::HostCall { call, response: vec![answer] };
            seq = self.append_row(worker, Row::Entries { first, entries: vec![entry] });
        }
        Ok(StepOutcome::Promise(completion, seq))
    }
}

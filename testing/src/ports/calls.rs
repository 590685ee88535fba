//! Calls to other workers, answered by the test.

use super::store::{Activation, MemoryStore, State, StoreEvent};
use async_trait::async_trait;
use golem_host::ports::{AnswerState, Calls, OutgoingCall, PortError};
use golem_model::call::{CallAnswer, CallReceipt, encode_answer, encode_call_receipt};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::{Entry, OplogIndex, WorkerId};
use std::sync::Arc;

/// Answers calls to other workers; `None` leaves a call without an answer.
pub type Answerer = Arc<dyn Fn(&OutgoingCall) -> Option<CallAnswer> + Send + Sync>;

impl MemoryStore {
    /// Answers every call with `answerer`, at once.
    pub fn answer_calls(
        &self,
        answerer: impl Fn(&OutgoingCall) -> Option<CallAnswer> + Send + Sync + 'static,
    ) {
        self.shared.state.lock().answerer = Some(Arc::new(answerer));
    }

    /// Answers a call from outside, durably.
    pub fn answer_call(&self, worker: &WorkerId, call: OplogIndex, answer: &CallAnswer) {
        {
            let mut state = self.shared.state.lock();
            let bytes = encode_answer(answer).into();
            state.events.push(StoreEvent::Answered { worker: worker.clone(), call, bytes, cause: None });
            state.committed = state.events.len();
        }
        self.notify_change();
    }
}

impl State {
    /// The state of the answer to what may be a call of the worker.
    pub(super) fn call_state(&self, worker: &WorkerId, call: OplogIndex) -> AnswerState {
        let answered = self.events.iter().find_map(|event| match event {
            StoreEvent::Answered { worker: of, call: at, bytes, .. } if of == worker && *at == call => {
                Some(bytes)
            }
            StoreEvent::Answered { .. }
            | StoreEvent::Appended { .. }
            | StoreEvent::Completed { .. }
            | StoreEvent::Deleted { .. }
            | StoreEvent::Wrote { .. } => None,
        });
        if let Some(bytes) = answered {
            return AnswerState::Answered(Arc::clone(bytes));
        }
        let position = usize::try_from(call.0).unwrap_or(usize::MAX).checked_sub(1);
        match position.and_then(|position| self.oplog(worker).into_iter().nth(position)) {
            Some(Entry::HostCall { call: HostCall { function: HostFunction::CallMake, .. }, response })
                if response.first() == Some(&0) =>
            {
                AnswerState::Pending
            }
            _ => AnswerState::Unknown,
        }
    }
}

#[async_trait]
impl Calls for Activation {
    async fn make(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: HostCall,
        outgoing: OutgoingCall,
    ) -> Result<Vec<u8>, PortError> {
        let mut state = self.store.shared.state.lock();
        state.check_writable(self)?;
        let index = first.plus(entries.len() as u64);
        let call_row = state.events.len() as u64;
        let response = encode_call_receipt(&Ok(CallReceipt { call_row, target: outgoing.target.clone() }));
        entries.push(Entry::HostCall { call, response: response.clone() });
        state.append(self, first, entries);
        let answer = state.answerer.clone().filter(|_| outgoing.reply).and_then(|answer| answer(&outgoing));
        if let Some(answer) = answer {
            let (worker, bytes) = (self.worker.clone(), encode_answer(&answer).into());
            let cause = Some((worker.clone(), index));
            state.events.push(StoreEvent::Answered { worker, call: index, bytes, cause });
        }
        Ok(response)
    }

    async fn answer(&self, call: OplogIndex) -> Result<AnswerState, PortError> {
        Ok(self.store.shared.state.lock().call_state(&self.worker, call))
    }

    async fn cancel(
        &self,
        first: OplogIndex,
        mut entries: Vec<Entry>,
        call: HostCall,
        number: OplogIndex,
    ) -> Result<Vec<u8>, PortError> {
        let mut state = self.store.shared.state.lock();
        state.check_writable(self)?;
        let over = state.call_state(&self.worker, number) != AnswerState::Pending;
        let response = vec![u8::from(!over)];
        entries.push(Entry::HostCall { call, response: response.clone() });
        state.append(self, first, entries);
        Ok(response)
    }
}

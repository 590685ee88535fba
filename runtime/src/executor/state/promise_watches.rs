//! Workers that wait for promises in memory: each is notified when one of its promises is settled, and of no other.
//!
//! Workers outside memory are in the ledger (`ledger/waits.rs`).

use golem_model::{OplogIndex, PromiseId, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// The waits that are under way, by promise.
#[derive(Debug, Default)]
pub(crate) struct PromiseWatches {
    by_owner: HashMap<WorkerId, BTreeMap<OplogIndex, Vec<Arc<Notify>>>>,
}

impl PromiseWatches {
    /// Number of waits.
    pub(crate) fn len(&self) -> usize {
        self.by_owner.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// A worker begins to wait.
    pub(crate) fn add(&mut self, promises: &[PromiseId], notify: &Arc<Notify>) {
        for promise in promises {
            let of_owner = self.by_owner.entry(promise.worker.clone()).or_default();
            of_owner.entry(promise.index).or_default().push(notify.clone());
        }
    }

    /// A worker does not wait any more.
    pub(crate) fn remove(&mut self, promises: &[PromiseId], notify: &Arc<Notify>) {
        for promise in promises {
            let Some(of_owner) = self.by_owner.get_mut(&promise.worker) else { continue };
            if let Some(watches) = of_owner.get_mut(&promise.index) {
                watches.retain(|watch| !Arc::ptr_eq(watch, notify));
                if watches.is_empty() {
                    of_owner.remove(&promise.index);
                }
            }
            if of_owner.is_empty() {
                self.by_owner.remove(&promise.worker);
            }
        }
    }

    /// The promise was completed or deleted.
    pub(crate) fn settle(&self, promise: &PromiseId) {
        let watches = self.by_owner.get(&promise.worker).and_then(|of_owner| of_owner.get(&promise.index));
        watches.into_iter().flatten().for_each(|watch| watch.notify_one());
    }

    /// The promises of `owner` from the index `from` on do not exist any more.
    pub(crate) fn settle_from_index(&self, owner: &WorkerId, from: OplogIndex) {
        let watches = self.by_owner.get(owner).into_iter().flat_map(|of_owner| of_owner.range(from..));
        watches.flat_map(|(_, watches)| watches).for_each(|watch| watch.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::{TemplateId, WorkerName};
    use uuid::Uuid;

    fn promise(index: u64) -> PromiseId {
        let name = WorkerName::new("w").unwrap();
        PromiseId { worker: WorkerId::new(TemplateId(Uuid::nil()), name), index: OplogIndex(index) }
    }

    /// Whether there is a notification, which is taken.
    fn is_notified(notify: &Notify) -> bool {
        let mut notified = std::pin::pin!(notify.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(notified.as_mut(), &mut context).is_ready()
    }

    #[test]
    fn a_wait_is_notified_of_its_promises_alone() {
        let mut watches = PromiseWatches::default();
        let (one, two) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        watches.add(&[promise(1), promise(2)], &one);
        watches.add(&[promise(2), promise(3)], &two);
        watches.settle(&promise(1));
        assert_eq!([&one, &two].map(|notify| is_notified(notify)), [true, false]);
        watches.settle(&promise(2));
        assert_eq!([&one, &two].map(|notify| is_notified(notify)), [true, true]);
        watches.settle_from_index(&promise(0).worker, OplogIndex(3));
        assert_eq!([&one, &two].map(|notify| is_notified(notify)), [false, true]);
        watches.settle(&promise(4));
        assert_eq!([&one, &two].map(|notify| is_notified(notify)), [false, false]);
        watches.remove(&[promise(1), promise(2)], &one);
        watches.remove(&[promise(2), promise(3)], &two);
        assert!(watches.by_owner.is_empty());
    }
}

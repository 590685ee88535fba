//! Snapshots of a worker through its own `save` and `load`.

use crate::worker::{Failure, TestWorker};
use golem_host::{History, Instance, ReloadTarget, ReplayEnd, SnapshotBase, SnapshotError, StopReason};
use golem_model::oplog::{LifecycleEvent, SnapshotImage};
use golem_model::{Entry, OplogIndex};

impl TestWorker {
    /// Saves the worker's state and continues as a fresh instance that has loaded it. The server does the same from
    /// time to time between two invocations, for components that export `golem:durability/snapshot`.
    pub async fn snapshot(&mut self) -> Result<(), Failure> {
        self.load().await?;
        let Some(instance) = &mut self.instance else { return Err(Failure::NothingUnfinished) };
        let outcome = match instance.save().await {
            Ok(bytes) => {
                instance.reload(ReloadTarget::Snapshot, SnapshotImage::Inline(bytes.clone()), &bytes).await
            }
            Err(error) => Err(error),
        };
        self.store.commit();
        outcome.map_err(|error| {
            self.instance = None;
            match error {
                SnapshotError::Refused { details } => Failure::NotSaved { details },
                SnapshotError::Stopped(stop) => stop.into(),
            }
        })
    }

    /// If `enabled`, loads the worker from its newest snapshot from now on, as the server does. Otherwise the worker is
    /// loaded from its first entry, which checks every snapshot.
    pub fn load_from_snapshots(&mut self, enabled: bool) {
        self.from_snapshots = enabled;
        self.evict();
    }

    /// The instance loaded from the newest snapshot, if there is one.
    pub(crate) async fn activate_from_snapshot(
        &self,
        ports: golem_host::ports::Ports,
    ) -> Option<Result<(Instance, ReplayEnd), StopReason>> {
        let mut history = self.oplog();
        let newest = history
            .iter()
            .rposition(|entry| matches!(entry, Entry::LifecycleEvent(LifecycleEvent::Snapshot { .. })))?;
        let rest = history.split_off(newest + 1);
        let Some(Entry::LifecycleEvent(LifecycleEvent::Snapshot { at, state })) = history.pop() else {
            return None;
        };
        let SnapshotImage::Inline(image) = state.image.clone() else { return None };
        let base = SnapshotBase { index: OplogIndex(newest as u64 + 1), at, state, image };
        let (init, interrupt_handle) = (self.init.clone(), self.interrupt_handle());
        let rest = History::from_entries(base.index, rest, self.page_entries);
        let loaded =
            Instance::activate_from(&self.component, init, base, rest, ports, interrupt_handle).await;
        Some(match loaded {
            Ok(mut instance) => instance.replay().await.map(|replayed| (instance, replayed)),
            Err(SnapshotError::Stopped(stop)) => Err(stop),
            Err(SnapshotError::Refused { details }) => {
                Err(StopReason::Trapped { details, retry: false, policy: None })
            }
        })
    }
}

//! Splits the state into the views of the imports. This is the only file that does so.

use super::WorkerState;
use crate::durable::Door;
use crate::imports::views::{
    BlobstoreView, CallsView, ClocksView, EnvironmentView, ExitView, FilesystemView, GuestFiles, HttpView,
    IoView, KeyValueView, KeysView, LoggingView, PolicyView, PromisesView, RandomView, RegionView,
    SocketsView, StdioView, Views, WorkersView,
};

/// The door of a state. A method would borrow the whole state.
macro_rules! door {
    ($state:ident) => {
        Door::new(&mut $state.journal, &$state.interrupt_handle, $state.phase, &mut $state.stop)
    };
}

impl Views for WorkerState {
    fn environment(&mut self) -> EnvironmentView<'_> {
        EnvironmentView { init: &self.init }
    }

    fn exit(&mut self) -> ExitView<'_> {
        ExitView { stdio: &self.invocation.stdio, door: door!(self) }
    }

    fn stdio(&mut self) -> StdioView<'_> {
        StdioView { objects: &mut self.objects }
    }

    fn clocks(&mut self) -> ClocksView<'_> {
        ClocksView {
            objects: &mut self.objects,
            door: door!(self),
            policy: &self.policy,
            file_clock: &mut self.invocation.file_clock,
        }
    }

    fn random(&mut self) -> RandomView<'_> {
        RandomView { random: &mut self.invocation.random }
    }

    fn io(&mut self) -> IoView<'_> {
        IoView {
            objects: &mut self.objects,
            door: door!(self),
            files: &mut self.files,
            file_updates: &mut self.file_updates,
            limits: &mut self.limits,
            invocation: &mut self.invocation,
        }
    }

    fn filesystem(&mut self) -> FilesystemView<'_> {
        FilesystemView {
            objects: &mut self.objects,
            files: GuestFiles {
                vfs: &mut self.files,
                clock: &self.invocation.file_clock,
                limits: &mut self.limits,
            },
        }
    }

    fn sockets(&mut self) -> SocketsView<'_> {
        SocketsView { objects: &mut self.objects }
    }

    fn http(&mut self) -> HttpView<'_> {
        HttpView {
            objects: &mut self.objects,
            door: door!(self),
            http: &mut self.http,
            policy: &self.policy,
            random: &self.invocation.random,
        }
    }

    fn logging(&mut self) -> LoggingView<'_> {
        LoggingView { door: door!(self) }
    }

    fn keyvalue(&mut self) -> KeyValueView<'_> {
        KeyValueView { objects: &mut self.objects, door: door!(self) }
    }

    fn blobstore(&mut self) -> BlobstoreView<'_> {
        BlobstoreView { objects: &mut self.objects, door: door!(self) }
    }

    fn promises(&mut self) -> PromisesView<'_> {
        PromisesView { objects: &mut self.objects, door: door!(self), worker: &self.init.id }
    }

    fn workers(&mut self) -> WorkersView<'_> {
        WorkersView { objects: &mut self.objects, door: door!(self), worker: &self.init.id }
    }

    fn calls(&mut self) -> CallsView<'_> {
        CallsView { objects: &mut self.objects, door: door!(self), calls: &mut self.calls, init: &self.init }
    }

    fn region(&mut self) -> RegionView<'_> {
        RegionView { objects: &mut self.objects, door: door!(self), current: &mut self.invocation.current }
    }

    fn keys(&mut self) -> KeysView<'_> {
        KeysView { current: &mut self.invocation.current, random: &self.invocation.random }
    }

    fn policy(&mut self) -> PolicyView<'_> {
        PolicyView {
            objects: &mut self.objects,
            door: door!(self),
            policy: &mut self.policy,
            server_retry: self.init.retry,
        }
    }
}

//! What each family of imports can reach of a worker: its view.
//!
//! A view borrows parts of the worker's state for one host call, so it costs a few pointers. Nearly all views lend the
//! object table and the door; the others lend plain data of the worker.
//!
//! Architecture invariant: the imports are generic over [`Views`], so they never see the whole state. They cannot name
//! the journal, because the fields of [`Door`] are private to `durable`, and therefore they cannot depend on the mode
//! (replay or live). The module `privacy` and the suite `tidy` check that.

use super::calls::OpenCalls;
use super::http::HttpState;
use super::policy::Policy;
use super::random::Random;
use super::stdio::Stdio;
use crate::WorkerInit;
use crate::durable::Door;
use crate::file_history::PendingFileUpdates;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::state::{CurrentInvocation, InvocationState};
use crate::vfs::{FileClock, Vfs};
use golem_model::{RetryPolicy, WorkerId};
use wasmtime::component::HasData;

/// Defines the views, and the trait with a getter for each.
macro_rules! views {
    ($(
        $(#[doc = $doc:literal])*
        $view:ident by $getter:ident { $($field:ident: $ty:ty,)* }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub(crate) struct $view<'a> {
                $(pub(crate) $field: $ty,)*
            }

            impl HasData for $view<'static> {
                type Data<'a> = $view<'a>;
            }
        )*

        /// A state that lends the views.
        pub(crate) trait Views: Send + 'static {
            $(fn $getter(&mut self) -> $view<'_>;)*
        }
    };
}

views! {
    /// `wasi:cli/environment`, `wasi:config`: the parameters of the worker's creation.
    EnvironmentView by environment {
        init: &'a WorkerInit,
    }

    /// `wasi:cli/exit`.
    ExitView by exit {
        stdio: &'a Stdio,
        door: Door<'a>,
    }

    /// `wasi:cli`: the handles of standard input, output and error.
    StdioView by stdio {
        objects: &'a mut Objects,
    }

    /// `wasi:clocks`.
    ClocksView by clocks {
        objects: &'a mut Objects,
        door: Door<'a>,
        policy: &'a Policy,
        file_clock: &'a mut FileClock,
    }

    /// `wasi:random`.
    RandomView by random {
        random: &'a mut Random,
    }

    /// `wasi:io`: streams and pollables of all other interfaces.
    IoView by io {
        objects: &'a mut Objects,
        door: Door<'a>,
        files: &'a mut Vfs,
        file_updates: &'a mut PendingFileUpdates,
        limits: &'a mut Limits,
        invocation: &'a mut InvocationState,
    }

    /// `wasi:filesystem`.
    FilesystemView by filesystem {
        objects: &'a mut Objects,
        files: GuestFiles<'a>,
    }

    /// `wasi:sockets`.
    SocketsView by sockets {
        objects: &'a mut Objects,
    }

    /// `wasi:http`.
    HttpView by http {
        objects: &'a mut Objects,
        door: Door<'a>,
        http: &'a mut HttpState,
        policy: &'a Policy,
        random: &'a Random,
    }

    /// `wasi:logging`.
    LoggingView by logging {
        door: Door<'a>,
    }

    /// `wasi:keyvalue`.
    KeyValueView by keyvalue {
        objects: &'a mut Objects,
        door: Door<'a>,
    }

    /// `wasi:blobstore`.
    BlobstoreView by blobstore {
        objects: &'a mut Objects,
        door: Door<'a>,
    }

    /// `golem:api/host`, `golem:durability/promises`.
    PromisesView by promises {
        objects: &'a mut Objects,
        door: Door<'a>,
        worker: &'a WorkerId,
    }

    /// `golem:durability/worker`.
    WorkersView by workers {
        objects: &'a mut Objects,
        door: Door<'a>,
        worker: &'a WorkerId,
    }

    /// `golem:durability/calls`, and the client interfaces of other workers.
    CallsView by calls {
        objects: &'a mut Objects,
        door: Door<'a>,
        calls: &'a mut OpenCalls,
        init: &'a WorkerInit,
    }

    /// `golem:durability/region`, `golem:durability/position`.
    RegionView by region {
        objects: &'a mut Objects,
        door: Door<'a>,
        current: &'a mut CurrentInvocation,
    }

    /// `golem:durability/keys`.
    KeysView by keys {
        current: &'a mut CurrentInvocation,
        random: &'a Random,
    }

    /// `golem:durability/policy`.
    PolicyView by policy {
        objects: &'a mut Objects,
        door: Door<'a>,
        policy: &'a mut Policy,
        server_retry: RetryPolicy,
    }
}

/// The worker's files, with their time and the limit of their size.
#[derive(Debug)]
pub(crate) struct GuestFiles<'a> {
    pub(crate) vfs: &'a mut Vfs,
    pub(crate) clock: &'a FileClock,
    pub(crate) limits: &'a mut Limits,
}

impl IoView<'_> {
    /// The worker's files.
    pub(super) fn files(&mut self) -> GuestFiles<'_> {
        GuestFiles { vfs: self.files, clock: &self.invocation.file_clock, limits: self.limits }
    }
}

/// Compile-time test: an import cannot name the fields of the door.
#[cfg(test)]
mod privacy {
    use super::Door;
    use std::ops::Deref;

    /// The type of a field that cannot be named.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Unnamed;

    /// Fields with the names of the door's.
    #[derive(Debug)]
    pub(crate) struct Fallback {
        journal: Unnamed,
        interrupt_handle: Unnamed,
        phase: Unnamed,
        stop: Unnamed,
    }

    // Field access skips a private field and continues with the target of `Deref`. This impl exists in tests only.
    impl Deref for Door<'_> {
        type Target = Fallback;

        fn deref(&self) -> &Fallback {
            &Fallback { journal: Unnamed, interrupt_handle: Unnamed, phase: Unnamed, stop: Unnamed }
        }
    }

    // If a field of the door is visible here, its type is not `Unnamed`, and this does not compile.
    const _: fn(&Door<'_>) -> [Unnamed; 4] =
        |door| [door.journal, door.interrupt_handle, door.phase, door.stop];
}

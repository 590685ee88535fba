//! `golem:api/host`: promises, and the worker's own address. There are two versions: the one published in 2023 without
//! a version number, and `@0.2.0`. They differ only in the width of a promise's oplog index.

use super::promises::not_found;
use crate::bindings::api::host as v2023;
use crate::bindings::api0_2_0::host as v0_2;
use crate::imports::views::{PromisesView, Views};
use golem_model::{OplogIndex, PromiseId, TemplateId, WorkerId, WorkerName};
use uuid::Uuid;
use wasmtime::Result;
use wasmtime::component::Linker;

/// Defines both versions.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    v2023::add_to_linker::<_, PromisesView<'_>>(linker, T::promises)?;
    v0_2::add_to_linker::<_, PromisesView<'_>>(linker, T::promises)
}

/// The largest oplog index that the interface of 2023 can represent.
const OPLOG_IDX_MAX: u64 = i32::MAX as u64;

/// Part of an error message: the interface to use for larger indices.
const WIDER_INTERFACE: &str = "golem:api/host@0.2.0 has no such limit";

/// Converts the records of one version from and to the model's types, and implements its functions.
macro_rules! version {
    ($version:ident, $index:ty, $limit:expr) => {
        impl $version::WorkerId {
            /// Converts a worker id to the record of this version.
            pub(super) fn from_model(worker: &WorkerId) -> Self {
                let (high_bits, low_bits) = worker.template.0.as_u64_pair();
                Self {
                    template_id: $version::TemplateId { uuid: $version::Uuid { high_bits, low_bits } },
                    worker_name: worker.name.to_string(),
                }
            }
        }

        impl $version::PromiseId {
            fn from_model(promise: &PromiseId) -> Result<Self> {
                let oplog_idx = <$index>::try_from(promise.index.0)?;
                Ok(Self { worker_id: $version::WorkerId::from_model(&promise.worker), oplog_idx })
            }

            /// Converts the record to a promise id. The error is the id as text: no promise can have an invalid worker
            /// name or a negative index.
            fn into_model(self) -> Result<PromiseId, String> {
                let $version::Uuid { high_bits, low_bits } = self.worker_id.template_id.uuid;
                let template = TemplateId(Uuid::from_u64_pair(high_bits, low_bits));
                let name = self.worker_id.worker_name;
                let impossible = format!("{template}/{name}@{}", self.oplog_idx);
                match (WorkerName::new(name), u64::try_from(self.oplog_idx)) {
                    (Ok(name), Ok(index)) => {
                        Ok(PromiseId { worker: WorkerId::new(template, name), index: OplogIndex(index) })
                    }
                    _ => Err(impossible),
                }
            }
        }

        impl $version::Host for PromisesView<'_> {
            async fn golem_create_promise(&mut self) -> Result<$version::PromiseId> {
                let promise = self.promise_create($limit).await?;
                $version::PromiseId::from_model(&promise)
            }

            async fn golem_await_promise(&mut self, promise: $version::PromiseId) -> Result<Vec<u8>> {
                match promise.into_model() {
                    Ok(promise) => self.promise_await(promise).await,
                    Err(text) => Err(self.door.raise(not_found(&text))),
                }
            }

            async fn golem_complete_promise(
                &mut self,
                promise: $version::PromiseId,
                data: Vec<u8>,
            ) -> Result<bool> {
                match promise.into_model() {
                    Ok(promise) => self.promise_complete(promise, data).await,
                    Err(text) => Err(self.door.raise(not_found(&text))),
                }
            }

            async fn golem_delete_promise(&mut self, promise: $version::PromiseId) -> Result<()> {
                match promise.into_model() {
                    Ok(promise) => self.promise_delete(promise).await,
                    // A promise with such an id cannot exist, so there is nothing to delete.
                    Err(_) => Ok(()),
                }
            }

            async fn get_self_uri(&mut self, function: String) -> Result<$version::Uri> {
                Ok($version::Uri { uri: format!("worker://{}/{function}", self.worker) })
            }
        }
    };
}

version!(v2023, i32, Some((OPLOG_IDX_MAX, WIDER_INTERFACE)));
version!(v0_2, u64, None);

impl PromisesView<'_> {
    /// Converts a promise id that `golem:durability` received. Traps if no promise can have this id.
    pub(super) fn checked_promise_id(&mut self, promise: v0_2::PromiseId) -> Result<PromiseId> {
        promise.into_model().map_err(|text| self.door.raise(not_found(&text)))
    }
}

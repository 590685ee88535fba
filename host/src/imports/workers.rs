//! `golem:durability/worker`: the worker's own id, and the metadata of other workers. The answers about other workers
//! are recorded.

use crate::bindings::durability::worker;
use crate::durable::{CallFailure, CallResponse, DurableCall, Effect, Live};
use crate::imports::views::{Views, WorkersView};
use crate::ports::{WorkerMetadata, WorkerPage, WorkerQuery};
use golem_model::oplog::codec::{put_worker_id, worker_id};
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use golem_model::oplog::{HostCall, HostFunction};
use golem_model::{OplogIndex, TemplateId, WorkerId, WorkerName, WorkerStatus};
use uuid::Uuid;
use wasmtime::Result;
use wasmtime::component::Linker;

pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    worker::add_to_linker::<_, WorkersView<'_>>(linker, T::workers)
}

/// Reads the metadata of a worker. The response is 0 if there is no such worker, or 1 and its metadata.
struct GetMetadata {
    worker: WorkerId,
}

impl DurableCall for GetMetadata {
    const FUNCTION: HostFunction = HostFunction::WorkerMetadata;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = Option<WorkerMetadata>;

    fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        put_worker_id(&mut out, &self.worker);
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let mut out = Vec::with_capacity(64);
        match live.worker_metadata(&self.worker).await? {
            None => out.push(0),
            Some(metadata) => {
                out.push(1);
                put_metadata(&mut out, &metadata);
            }
        }
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<Option<WorkerMetadata>, DecodeError> {
        let mut input = Reader::new(response);
        let metadata = read_option(&mut input, read_metadata)?;
        input.finish()?;
        Ok(metadata)
    }
}

/// Lists a page of workers. The response is their number and their metadata, then 0 for the last page, or 1 and the
/// name after which the next page begins.
struct ListWorkers {
    query: WorkerQuery,
}

impl DurableCall for ListWorkers {
    const FUNCTION: HostFunction = HostFunction::WorkerList;
    const EFFECT: Effect = Effect::ReadOnly;
    type Answer = WorkerPage;

    fn request(&self) -> Vec<u8> {
        let WorkerQuery { template, name_prefix, status, template_version, after } = &self.query;
        let mut out = Vec::with_capacity(40);
        out.extend_from_slice(template.0.as_bytes());
        put_option(&mut out, name_prefix.as_ref(), |out, prefix| put_bytes(out, prefix.as_bytes()));
        put_option(&mut out, status.as_ref(), |out, status| out.push(status_code(*status)));
        put_option(&mut out, template_version.as_ref(), |out, version| put_varint(out, u64::from(*version)));
        put_option(&mut out, after.as_ref(), |out, name| put_bytes(out, name.as_str().as_bytes()));
        out
    }

    async fn perform(&self, live: &mut Live<'_>, _: &HostCall) -> Result<CallResponse, CallFailure> {
        let page = live.worker_list(&self.query).await?;
        let mut out = Vec::with_capacity(64 * (page.workers.len() + 1));
        put_varint(&mut out, page.workers.len() as u64);
        for metadata in &page.workers {
            put_metadata(&mut out, metadata);
        }
        put_option(&mut out, page.next.as_ref(), |out, name| put_bytes(out, name.as_str().as_bytes()));
        Ok(CallResponse::Unrecorded(out))
    }

    fn answer(&self, _: OplogIndex, response: &[u8]) -> Result<WorkerPage, DecodeError> {
        let mut input = Reader::new(response);
        let count = input.count()?;
        let workers = (0..count).map(|_| read_metadata(&mut input)).collect::<Result<_, _>>()?;
        let next = read_option(&mut input, read_name)?;
        input.finish()?;
        Ok(WorkerPage { workers, next })
    }
}

fn put_metadata(out: &mut Vec<u8>, metadata: &WorkerMetadata) {
    put_worker_id(out, &metadata.id);
    put_varint(out, metadata.args.len() as u64);
    for arg in &metadata.args {
        put_bytes(out, arg.as_bytes());
    }
    put_varint(out, metadata.env.len() as u64);
    for (name, value) in &metadata.env {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
    out.push(status_code(metadata.status));
    put_varint(out, u64::from(metadata.template_version));
    put_varint(out, u64::from(metadata.retry_count));
}

fn read_metadata(input: &mut Reader<'_>) -> Result<WorkerMetadata, DecodeError> {
    let id = worker_id(input)?;
    let count = input.count()?;
    let args = (0..count).map(|_| input.string()).collect::<Result<_, _>>()?;
    let count = input.count()?;
    let env =
        (0..count).map(|_| Ok((input.string()?, input.string()?))).collect::<Result<_, DecodeError>>()?;
    let status = status_from_code(input.byte()?)?;
    Ok(WorkerMetadata {
        id,
        args,
        env,
        status,
        template_version: input.varint_as()?,
        retry_count: input.varint_as()?,
    })
}

fn read_name(input: &mut Reader<'_>) -> Result<WorkerName, DecodeError> {
    WorkerName::new(input.string()?).map_err(|_| DecodeError::Invalid("a worker name"))
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn read_option<'a, T>(
    input: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match input.byte()? {
        0 => Ok(None),
        1 => read(input).map(Some),
        tag => Err(DecodeError::UnknownTag { what: "option", tag }),
    }
}

/// The statuses of the model and of the interface. The position of a row is the status code in responses.
const STATUSES: [(WorkerStatus, worker::WorkerStatus); 7] = [
    (WorkerStatus::Running, worker::WorkerStatus::Running),
    (WorkerStatus::Idle, worker::WorkerStatus::Idle),
    (WorkerStatus::Suspended, worker::WorkerStatus::Suspended),
    (WorkerStatus::Interrupted, worker::WorkerStatus::Interrupted),
    (WorkerStatus::Retrying, worker::WorkerStatus::Retrying),
    (WorkerStatus::Failed, worker::WorkerStatus::Failed),
    (WorkerStatus::Exited, worker::WorkerStatus::Exited),
];

fn status_code(status: WorkerStatus) -> u8 {
    let index = STATUSES.iter().position(|(ours, _)| *ours == status);
    index.and_then(|index| u8::try_from(index).ok()).expect("every status is in the table")
}

fn status_from_code(code: u8) -> Result<WorkerStatus, DecodeError> {
    let found = STATUSES.get(usize::from(code));
    found.map(|(ours, _)| *ours).ok_or(DecodeError::UnknownTag { what: "worker status", tag: code })
}

impl WorkersView<'_> {
    /// Converts metadata to the record of the interface.
    fn to_wit(metadata: WorkerMetadata) -> worker::WorkerMetadata {
        let (_, status) = STATUSES[usize::from(status_code(metadata.status))];
        worker::WorkerMetadata {
            worker_id: worker::WorkerId::from_model(&metadata.id),
            args: metadata.args,
            env: metadata.env,
            status,
            template_version: metadata.template_version,
            retry_count: metadata.retry_count,
        }
    }
}

impl worker::Host for WorkersView<'_> {
    async fn self_id(&mut self) -> Result<worker::WorkerId> {
        Ok(worker::WorkerId::from_model(self.worker))
    }

    async fn metadata(&mut self, worker: worker::WorkerId) -> Result<Option<worker::WorkerMetadata>> {
        let template = template(worker.template_id);
        // No worker can have an invalid name, so the call needs no answer from the store.
        let Ok(name) = WorkerName::new(worker.worker_name) else { return Ok(None) };
        let metadata = self
            .door
            .call_durable(self.objects, GetMetadata { worker: WorkerId::new(template, name) })
            .await?;
        Ok(metadata.map(Self::to_wit))
    }

    async fn list(&mut self, filter: worker::Filter, cursor: Option<String>) -> Result<worker::Page> {
        let after = cursor.map(WorkerName::new).transpose().map_err(|error| {
            self.door.raise(CallFailure::Trap(format!("the cursor is none that a page gave: {error}")))
        })?;
        let ours = |status: worker::WorkerStatus| {
            STATUSES.iter().find(|(_, theirs)| *theirs == status).map(|(ours, _)| *ours)
        };
        let query = WorkerQuery {
            template: template(filter.template_id),
            name_prefix: filter.name_prefix,
            status: filter.status.and_then(ours),
            template_version: filter.template_version,
            after,
        };
        let page = self.door.call_durable(self.objects, ListWorkers { query }).await?;
        Ok(worker::Page {
            workers: page.workers.into_iter().map(Self::to_wit).collect(),
            cursor: page.next.map(String::from),
        })
    }
}

fn template(id: worker::TemplateId) -> TemplateId {
    TemplateId(Uuid::from_u64_pair(id.uuid.high_bits, id.uuid.low_bits))
}

//! `wasi:blobstore@0.2.0-draft`: containers of objects, which the workers of a project share.
//!
//! - `durable_calls`: the durable calls
//! - `objects`: containers, values and lists of names as plain data
//!
//! A guest fills a value through a stream, and the value is stored as a whole. If the guest has dropped the stream
//! before it calls `write-data`, the value is stored by that call; otherwise it is stored when the guest calls
//! `finish`. Programs use both orders.

mod durable_calls;
mod objects;

pub(crate) use objects::BlobObject;

use crate::bindings::wasi::blobstore::{blobstore, container, types};
use crate::imports::views::{BlobstoreView, Views};
use crate::objects::{Input, Object, Output};
use blobstore::ObjectId;
use container::{Container, StreamObjectNames};
use durable_calls::{GetContainer, GetObject, ListObjects, ObjectInfo, WriteCall, WriteFunction, function};
use golem_model::blobstore::{self as model, BlobOutcome, BlobWrite};
use golem_model::limits::KEY_VALUE_PAGE_KEYS;
use golem_model::shared::KeyPage;
use objects::{ObjectNames, OutgoingData};
use types::{ContainerMetadata, IncomingValue, ObjectMetadata, OutgoingValue};
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

/// The outer error traps. The inner result is for the guest: a value of the interface, or the text of its error.
type HostResult<T> = Result<std::result::Result<T, String>>;

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    types::add_to_linker::<_, BlobstoreView<'_>>(linker, T::blobstore)?;
    container::add_to_linker::<_, BlobstoreView<'_>>(linker, T::blobstore)?;
    blobstore::add_to_linker::<_, BlobstoreView<'_>>(linker, T::blobstore)
}

fn object_id(container: &str, object: &str) -> model::ObjectId {
    model::ObjectId { container: container.into(), object: object.into() }
}

fn model_id(id: &ObjectId) -> model::ObjectId {
    object_id(&id.container, &id.object)
}

fn no_container() -> String {
    BlobOutcome::NoContainer.to_string()
}

impl BlobstoreView<'_> {
    async fn blob_write<K: WriteFunction>(&mut self, write: BlobWrite) -> HostResult<()> {
        let outcome = self.door.call_durable(self.objects, WriteCall::<K>::new(write)).await?;
        Ok(outcome.and_then(|outcome| match outcome {
            BlobOutcome::Done => Ok(()),
            BlobOutcome::Exists | BlobOutcome::NoContainer | BlobOutcome::NoObject => {
                Err(outcome.to_string())
            }
        }))
    }

    async fn blob_put(&mut self, target: (String, String), bytes: Vec<u8>) -> HostResult<()> {
        let id = object_id(&target.0, &target.1);
        self.blob_write::<function::Put>(BlobWrite::Put { id, data: bytes.into() }).await
    }

    async fn blob_container(&mut self, name: &str) -> HostResult<u64> {
        let found = self.door.call_durable(self.objects, GetContainer { name: name.to_owned() }).await?;
        Ok(found.and_then(|found| found.ok_or_else(no_container)))
    }

    async fn blob_names(&mut self, names: &ObjectNames, limit: u64) -> HostResult<KeyPage> {
        let (container, after) = (names.container.clone(), names.after.clone());
        let found = self.door.call_durable(self.objects, ListObjects { container, after, limit }).await?;
        Ok(found.and_then(|page| page.ok_or_else(no_container)))
    }

    fn container_handle(&mut self, name: String) -> Result<Resource<Container>> {
        self.objects.insert(Object::Blob(BlobObject::Container(name)))
    }
}

impl types::Host for BlobstoreView<'_> {}

impl types::HostOutgoingValue for BlobstoreView<'_> {
    async fn new_outgoing_value(&mut self) -> Result<Resource<OutgoingValue>> {
        self.objects.insert(Object::Blob(BlobObject::Outgoing(OutgoingData::default())))
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> Result<std::result::Result<Resource<DynOutputStream>, ()>> {
        if std::mem::replace(&mut self.objects.outgoing_blob(value.rep())?.stream_taken, true) {
            return Ok(Err(()));
        }
        Ok(Ok(self.objects.insert_child(Object::Output(Output::Value(value.rep())), value.rep())?))
    }

    async fn finish(&mut self, value: Resource<OutgoingValue>) -> HostResult<()> {
        let OutgoingData { bytes, stream_taken: _, target } = self.objects.take_outgoing_blob(value.rep())?;
        match target {
            Some(target) => self.blob_put(target, bytes).await,
            None => Ok(Ok(())),
        }
    }

    async fn drop(&mut self, value: Resource<OutgoingValue>) -> Result<()> {
        self.objects.remove(value.rep()).map(drop)
    }
}

impl types::HostIncomingValue for BlobstoreView<'_> {
    async fn incoming_value_consume_sync(&mut self, value: Resource<IncomingValue>) -> HostResult<Vec<u8>> {
        let bytes = self.objects.incoming_blob(value.rep())?;
        self.objects.remove(value.rep())?;
        Ok(Ok(bytes.to_vec()))
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> HostResult<Resource<DynInputStream>> {
        let bytes = self.objects.incoming_blob(value.rep())?;
        self.objects.remove(value.rep())?;
        Ok(Ok(self.objects.insert(Object::Input(Input::Bytes { bytes, position: 0 }))?))
    }

    async fn size(&mut self, value: Resource<IncomingValue>) -> Result<u64> {
        Ok(self.objects.incoming_blob(value.rep())?.len() as u64)
    }

    async fn drop(&mut self, value: Resource<IncomingValue>) -> Result<()> {
        self.objects.remove(value.rep()).map(drop)
    }
}

impl container::Host for BlobstoreView<'_> {}

impl container::HostContainer for BlobstoreView<'_> {
    async fn name(&mut self, container: Resource<Container>) -> HostResult<String> {
        Ok(Ok(self.objects.container(container.rep())?))
    }

    async fn info(&mut self, container: Resource<Container>) -> HostResult<ContainerMetadata> {
        let name = self.objects.container(container.rep())?;
        let created = self.blob_container(&name).await?;
        Ok(created.map(|created_at| ContainerMetadata { name, created_at }))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> HostResult<Resource<IncomingValue>> {
        let container = self.objects.container(container.rep())?;
        match self
            .door
            .call_durable(self.objects, GetObject { id: object_id(&container, &name), start, end })
            .await?
        {
            Ok(Ok(bytes)) => Ok(Ok(self.objects.insert(Object::Blob(BlobObject::Incoming(bytes)))?)),
            Ok(Err(missing)) => Ok(Err(missing.to_string())),
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> HostResult<()> {
        let container = self.objects.container(container.rep())?;
        let open = self.objects.has_children(data.rep())?;
        let value = self.objects.outgoing_blob(data.rep())?;
        if value.stream_taken && !open {
            let bytes = value.bytes.clone();
            return self.blob_put((container, name), bytes).await;
        }
        // A guest that writes to a missing container gets the error here, before it fills the value.
        if let Err(missing) = self.blob_container(&container).await? {
            return Ok(Err(missing));
        }
        self.objects.update(data.rep(), |object| {
            if let Object::Blob(BlobObject::Outgoing(value)) = object {
                value.target = Some((container, name));
            }
        })?;
        Ok(Ok(()))
    }

    async fn list_objects(
        &mut self,
        container: Resource<Container>,
    ) -> HostResult<Resource<StreamObjectNames>> {
        let container = self.objects.container(container.rep())?;
        if let Err(missing) = self.blob_container(&container).await? {
            return Ok(Err(missing));
        }
        let names = ObjectNames { container, after: None, ended: false };
        Ok(Ok(self.objects.insert(Object::Blob(BlobObject::Names(names)))?))
    }

    async fn delete_object(&mut self, container: Resource<Container>, name: String) -> HostResult<()> {
        let container = self.objects.container(container.rep())?.into();
        self.blob_write::<function::Delete>(BlobWrite::Delete { container, objects: vec![name.into()] }).await
    }

    async fn delete_objects(&mut self, container: Resource<Container>, names: Vec<String>) -> HostResult<()> {
        let container = self.objects.container(container.rep())?.into();
        let objects = names.into_iter().map(Into::into).collect();
        self.blob_write::<function::Delete>(BlobWrite::Delete { container, objects }).await
    }

    async fn has_object(&mut self, container: Resource<Container>, name: String) -> HostResult<bool> {
        let container = self.objects.container(container.rep())?;
        let found =
            self.door.call_durable(self.objects, ObjectInfo { id: object_id(&container, &name) }).await?;
        Ok(found.and_then(|found| match found {
            Ok(_) => Ok(true),
            Err(BlobOutcome::NoObject) => Ok(false),
            Err(missing) => Err(missing.to_string()),
        }))
    }

    async fn object_info(
        &mut self,
        container: Resource<Container>,
        name: String,
    ) -> HostResult<ObjectMetadata> {
        let container = self.objects.container(container.rep())?;
        let found =
            self.door.call_durable(self.objects, ObjectInfo { id: object_id(&container, &name) }).await?;
        Ok(found.and_then(|found| match found {
            Ok((created_at, size)) => Ok(ObjectMetadata { name, container, created_at, size }),
            Err(missing) => Err(missing.to_string()),
        }))
    }

    async fn clear(&mut self, container: Resource<Container>) -> HostResult<()> {
        let name = self.objects.container(container.rep())?.into();
        self.blob_write::<function::Clear>(BlobWrite::Clear(name)).await
    }

    async fn drop(&mut self, container: Resource<Container>) -> Result<()> {
        self.objects.remove(container.rep()).map(drop)
    }
}

impl container::HostStreamObjectNames for BlobstoreView<'_> {
    async fn read_stream_object_names(
        &mut self,
        stream: Resource<StreamObjectNames>,
        len: u64,
    ) -> HostResult<(Vec<String>, bool)> {
        let mut names = self.objects.names(stream.rep())?;
        if names.ended || len == 0 {
            return Ok(Ok((Vec::new(), names.ended)));
        }
        match self.blob_names(&names, len).await? {
            Ok(page) => {
                names.ended = page.next.is_none();
                names.after = page.next.or(names.after);
                let ended = names.ended;
                self.objects
                    .update(stream.rep(), |object| *object = Object::Blob(BlobObject::Names(names)))?;
                Ok(Ok((page.keys, ended)))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn skip_stream_object_names(
        &mut self,
        stream: Resource<StreamObjectNames>,
        num: u64,
    ) -> HostResult<(u64, bool)> {
        let mut skipped = 0;
        while skipped < num {
            let wanted = (num - skipped).min(KEY_VALUE_PAGE_KEYS as u64);
            match self.read_stream_object_names(Resource::new_borrow(stream.rep()), wanted).await? {
                Ok((names, ended)) => {
                    skipped += names.len() as u64;
                    if ended {
                        return Ok(Ok((skipped, true)));
                    }
                }
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok((skipped, self.objects.names(stream.rep())?.ended)))
    }

    async fn drop(&mut self, stream: Resource<StreamObjectNames>) -> Result<()> {
        self.objects.remove(stream.rep()).map(drop)
    }
}

impl blobstore::Host for BlobstoreView<'_> {
    async fn create_container(&mut self, name: String) -> HostResult<Resource<Container>> {
        match self.blob_write::<function::Create>(BlobWrite::Create(name.as_str().into())).await? {
            Ok(()) => Ok(Ok(self.container_handle(name)?)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn get_container(&mut self, name: String) -> HostResult<Resource<Container>> {
        match self.blob_container(&name).await? {
            Ok(_) => Ok(Ok(self.container_handle(name)?)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn delete_container(&mut self, name: String) -> HostResult<()> {
        self.blob_write::<function::Remove>(BlobWrite::Remove(name.into())).await
    }

    async fn container_exists(&mut self, name: String) -> HostResult<bool> {
        let found = self.door.call_durable(self.objects, GetContainer { name }).await?;
        Ok(found.map(|found| found.is_some()))
    }

    async fn copy_object(&mut self, src: ObjectId, dest: ObjectId) -> HostResult<()> {
        let (from, to) = (model_id(&src), model_id(&dest));
        self.blob_write::<function::Copy>(BlobWrite::Copy { from, to, moves: false }).await
    }

    async fn move_object(&mut self, src: ObjectId, dest: ObjectId) -> HostResult<()> {
        let (from, to) = (model_id(&src), model_id(&dest));
        self.blob_write::<function::Move>(BlobWrite::Copy { from, to, moves: true }).await
    }
}

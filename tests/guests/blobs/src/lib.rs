//! Objects in containers, through bindings of `wasi:blobstore@0.2.0-draft`.

wit_bindgen::generate!({
    path: ["../../wit/wasi-io", "../../../wit/wasi-blobstore-0.2.0-draft", "wit"],
    world: "golem:blobs/blobs",
    generate_all,
});

use exports::golem::blobs::api::Guest;
use wasi::blobstore::blobstore::{self, ObjectId};
use wasi::blobstore::container::Container;
use wasi::blobstore::types::{IncomingValue, OutgoingValue};

struct Blobs;

fn fill(value: &OutgoingValue, data: &[u8]) {
    let stream = value.outgoing_value_write_body().expect("it is taken once");
    assert!(value.outgoing_value_write_body().is_err());
    for part in data.chunks(4096) {
        stream.blocking_write_and_flush(part).expect("it takes all");
    }
}

fn open(name: &str) -> Result<Container, String> {
    blobstore::get_container(name)
}

impl Guest for Blobs {
    fn create(container: String) -> Result<String, String> {
        blobstore::create_container(&container)?.name()
    }

    fn remove(container: String) -> Result<(), String> {
        blobstore::delete_container(&container)
    }

    fn exists(container: String) -> Result<bool, String> {
        blobstore::container_exists(&container)
    }

    fn clear(container: String) -> Result<(), String> {
        open(&container)?.clear()
    }

    fn put(container: String, object: String, data: Vec<u8>, early: bool) -> Result<(), String> {
        let container = open(&container)?;
        let value = OutgoingValue::new_outgoing_value();
        if early {
            container.write_data(&object, &value)?;
            fill(&value, &data);
        } else {
            fill(&value, &data);
            container.write_data(&object, &value)?;
        }
        OutgoingValue::finish(value)
    }

    fn get(container: String, object: String, start: u64, end: u64) -> Result<Vec<u8>, String> {
        let value = open(&container)?.get_data(&object, start, end)?;
        let size = value.size();
        let bytes = IncomingValue::incoming_value_consume_sync(value)?;
        assert_eq!(size, bytes.len() as u64);
        Ok(bytes)
    }

    fn read(container: String, object: String) -> Result<Vec<u8>, String> {
        let value = open(&container)?.get_data(&object, 0, u64::MAX)?;
        let stream = IncomingValue::incoming_value_consume_async(value)?;
        let mut bytes = Vec::new();
        while let Ok(part) = stream.blocking_read(5) {
            bytes.extend(part);
        }
        Ok(bytes)
    }

    fn has(container: String, object: String) -> Result<bool, String> {
        open(&container)?.has_object(&object)
    }

    fn info(container: String, object: String) -> Result<(u64, bool), String> {
        let container = open(&container)?;
        let info = container.object_info(&object)?;
        assert_eq!((info.name, info.container), (object, container.name()?));
        Ok((info.size, info.created_at >= container.info()?.created_at))
    }

    fn names(container: String, skipped: u64, page: u64) -> Result<Vec<String>, String> {
        let stream = open(&container)?.list_objects()?;
        let (_, mut ended) = stream.skip_stream_object_names(skipped)?;
        let mut names = Vec::new();
        while !ended {
            let (more, end) = stream.read_stream_object_names(page)?;
            names.extend(more);
            ended = end;
        }
        Ok(names)
    }

    fn delete(container: String, objects: Vec<String>) -> Result<(), String> {
        let container = open(&container)?;
        match &objects[..] {
            [one] => container.delete_object(one),
            many => container.delete_objects(many),
        }
    }

    fn copy(
        container: String,
        object: String,
        to_container: String,
        to_object: String,
        moves: bool,
    ) -> Result<(), String> {
        let from = ObjectId { container, object };
        let to = ObjectId { container: to_container, object: to_object };
        if moves { blobstore::move_object(&from, &to) } else { blobstore::copy_object(&from, &to) }
    }
}

export!(Blobs);

//! Buckets, through bindings of `wasi:keyvalue@0.1.0`, which uses resources.

wit_bindgen::generate!({
    path: ["../../wit/wasi-io", "../../../wit/wasi-keyvalue-0.1.0", "wit"],
    world: "golem:keyvalue-v01/keyvalue-v01",
    generate_all,
});

use exports::golem::keyvalue_v01::api::Guest;
use wasi::keyvalue::types::{Bucket, Error, IncomingValue, OutgoingValue};
use wasi::keyvalue::{atomic, eventual, eventual_batch};

struct KeyValue;

fn text(error: Error) -> String {
    error.trace()
}

fn open<T>(name: &str, f: impl FnOnce(&Bucket) -> Result<T, Error>) -> Result<T, String> {
    f(&Bucket::open_bucket(name).map_err(text)?).map_err(text)
}

fn outgoing(bytes: &[u8]) -> OutgoingValue {
    let value = OutgoingValue::new_outgoing_value();
    value.outgoing_value_write_body_sync(bytes).map_err(text).unwrap();
    value
}

fn incoming(value: IncomingValue) -> Vec<u8> {
    let size = value.incoming_value_size().map_err(text).unwrap();
    let bytes = value.incoming_value_consume_sync().map_err(text).unwrap();
    assert_eq!(size, bytes.len() as u64);
    bytes
}

impl Guest for KeyValue {
    fn set(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        open(&bucket, |bucket| eventual::set(bucket, &key, &outgoing(&value)))
    }

    fn get(bucket: String, key: String) -> Result<Option<Vec<u8>>, String> {
        open(&bucket, |bucket| eventual::get(bucket, &key)).map(|value| value.map(incoming))
    }

    fn delete(bucket: String, key: String) -> Result<(), String> {
        open(&bucket, |bucket| eventual::delete(bucket, &key))
    }

    fn exists(bucket: String, key: String) -> Result<bool, String> {
        open(&bucket, |bucket| eventual::exists(bucket, &key))
    }

    fn get_many(bucket: String, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, String> {
        let values = open(&bucket, |bucket| eventual_batch::get_many(bucket, &keys))?;
        Ok(values.into_iter().map(|value| value.map(incoming)).collect())
    }

    fn set_many(bucket: String, pairs: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        let values: Vec<_> = pairs.into_iter().map(|(key, value)| (key, outgoing(&value))).collect();
        let pairs: Vec<_> = values.iter().map(|(key, value)| (key.clone(), value)).collect();
        open(&bucket, |bucket| eventual_batch::set_many(bucket, &pairs))
    }

    fn delete_many(bucket: String, keys: Vec<String>) -> Result<(), String> {
        open(&bucket, |bucket| eventual_batch::delete_many(bucket, &keys))
    }

    fn keys(bucket: String) -> Result<Vec<String>, String> {
        open(&bucket, eventual_batch::keys)
    }

    fn increment(bucket: String, key: String, delta: i64) -> Result<i64, String> {
        open(&bucket, |bucket| atomic::increment(bucket, &key, delta.cast_unsigned())).map(u64::cast_signed)
    }

    fn compare_and_swap(bucket: String, key: String, old: u64, new: u64) -> Result<bool, String> {
        open(&bucket, |bucket| atomic::compare_and_swap(bucket, &key, old, new))
    }

    fn pass(bucket: String, key: String, value: Vec<u8>) -> Result<Vec<u8>, String> {
        open(&bucket, |bucket| {
            let outgoing = OutgoingValue::new_outgoing_value();
            let stream = outgoing.outgoing_value_write_body_async()?;
            value.chunks(4096).for_each(|part| stream.blocking_write_and_flush(part).unwrap());
            drop(stream);
            eventual::set(bucket, &key, &outgoing)?;
            let incoming = eventual::get(bucket, &key)?.expect("it was set");
            let stream = incoming.incoming_value_consume_async()?;
            let mut bytes = Vec::new();
            while let Ok(part) = stream.blocking_read(1_000) {
                bytes.extend(part);
            }
            Ok(bytes)
        })
    }

    fn size(bucket: String, key: String) -> Result<u64, String> {
        Self::get(bucket, key).map(|value| value.map_or(0, |value| value.len() as u64))
    }

    fn busy(bucket: String, count: u32) -> Result<i64, String> {
        let key = |number| format!("busy-{number}");
        for number in 0..count {
            Self::increment(bucket.clone(), key(number), i64::from(number) + 1)?;
        }
        let values = Self::get_many(bucket, (0..count).map(key).collect())?;
        let number =
            |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default()).unwrap().parse::<i64>();
        Ok(values.into_iter().map(|value| number(value).unwrap()).sum())
    }
}

export!(KeyValue);

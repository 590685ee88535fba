//! Buckets, through bindings of the interface of 2023, whose handles are numbers.

wit_bindgen::generate!({
    path: ["../../../wit/wasi-keyvalue", "wit"],
    world: "golem:keyvalue/keyvalue",
    generate_all,
});

use exports::golem::keyvalue::api::Guest;
use wasi::keyvalue::{atomic, batch, readwrite, types, wasi_cloud_error};

struct KeyValue;

fn text(error: u32) -> String {
    let text = wasi_cloud_error::trace(error);
    wasi_cloud_error::drop_error(error);
    text
}

fn open<T>(name: &str, f: impl FnOnce(u32) -> Result<T, u32>) -> Result<T, String> {
    let bucket = types::open_bucket(name).map_err(text)?;
    let answer = f(bucket).map_err(text);
    types::drop_bucket(bucket);
    answer
}

fn outgoing(bytes: &[u8]) -> u32 {
    let value = types::new_outgoing_value();
    types::outgoing_value_write_body_sync(value, bytes).unwrap();
    value
}

fn incoming(value: u32) -> Vec<u8> {
    let size = types::size(value);
    let bytes = types::incoming_value_consume_sync(value).unwrap();
    assert_eq!(size, bytes.len() as u64);
    types::drop_incoming_value(value);
    bytes
}

impl Guest for KeyValue {
    fn set(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        let value = outgoing(&value);
        let answer = open(&bucket, |bucket| readwrite::set(bucket, &key, value));
        types::drop_outgoing_value(value);
        answer
    }

    fn get(bucket: String, key: String) -> Result<Option<Vec<u8>>, String> {
        open(&bucket, |bucket| readwrite::get(bucket, &key)).map(|value| Some(incoming(value)))
    }

    fn delete(bucket: String, key: String) -> Result<(), String> {
        open(&bucket, |bucket| readwrite::delete(bucket, &key))
    }

    fn exists(bucket: String, key: String) -> Result<bool, String> {
        open(&bucket, |bucket| readwrite::exists(bucket, &key))
    }

    fn get_many(bucket: String, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, String> {
        let values = open(&bucket, |bucket| batch::get_many(bucket, &keys))?;
        Ok(values.into_iter().map(|value| Some(incoming(value))).collect())
    }

    fn set_many(bucket: String, pairs: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key, outgoing(&value))).collect();
        let answer = open(&bucket, |bucket| batch::set_many(bucket, &pairs));
        pairs.into_iter().for_each(|(_, value)| types::drop_outgoing_value(value));
        answer
    }

    fn delete_many(bucket: String, keys: Vec<String>) -> Result<(), String> {
        open(&bucket, |bucket| batch::delete_many(bucket, &keys))
    }

    fn keys(bucket: String) -> Result<Vec<String>, String> {
        open(&bucket, |bucket| Ok(batch::get_keys(bucket)))
    }

    fn increment(bucket: String, key: String, delta: i64) -> Result<i64, String> {
        open(&bucket, |bucket| atomic::increment(bucket, &key, delta.cast_unsigned())).map(u64::cast_signed)
    }

    fn compare_and_swap(bucket: String, key: String, old: u64, new: u64) -> Result<bool, String> {
        open(&bucket, |bucket| atomic::compare_and_swap(bucket, &key, old, new))
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

    fn use_dropped(name: String) -> Result<Option<Vec<u8>>, String> {
        let bucket = types::open_bucket(&name).map_err(text)?;
        types::drop_bucket(bucket);
        readwrite::get(bucket, "key").map(|value| Some(incoming(value))).map_err(text)
    }
}

export!(KeyValue);

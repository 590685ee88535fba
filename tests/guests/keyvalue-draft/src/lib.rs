//! Buckets, through bindings of `wasi:keyvalue@0.2.0-draft`.

wit_bindgen::generate!({
    path: ["../../../wit/wasi-keyvalue-0.2.0-draft", "wit"],
    world: "golem:keyvalue-draft/keyvalue-draft",
    generate_all,
});

use exports::golem::keyvalue_draft::api::Guest;
use wasi::keyvalue::store::{self, Bucket, Error};
use wasi::keyvalue::{atomics, batch};

struct KeyValue;

fn text(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no such store".to_owned(),
        Error::AccessDenied => "access denied".to_owned(),
        Error::Other(text) => text,
    }
}

fn open<T>(name: &str, f: impl FnOnce(&Bucket) -> Result<T, Error>) -> Result<T, String> {
    f(&store::open(name).map_err(text)?).map_err(text)
}

impl Guest for KeyValue {
    fn set(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        open(&bucket, |bucket| bucket.set(&key, &value))
    }

    fn get(bucket: String, key: String) -> Result<Option<Vec<u8>>, String> {
        open(&bucket, |bucket| bucket.get(&key))
    }

    fn delete(bucket: String, key: String) -> Result<(), String> {
        open(&bucket, |bucket| bucket.delete(&key))
    }

    fn exists(bucket: String, key: String) -> Result<bool, String> {
        open(&bucket, |bucket| bucket.exists(&key))
    }

    fn get_many(bucket: String, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, String> {
        let pairs = open(&bucket, |bucket| batch::get_many(bucket, &keys))?;
        Ok(pairs.into_iter().map(|pair| pair.map(|(_, value)| value)).collect())
    }

    fn set_many(bucket: String, pairs: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        open(&bucket, |bucket| batch::set_many(bucket, &pairs))
    }

    fn delete_many(bucket: String, keys: Vec<String>) -> Result<(), String> {
        open(&bucket, |bucket| batch::delete_many(bucket, &keys))
    }

    fn keys(bucket: String) -> Result<Vec<String>, String> {
        open(&bucket, |bucket| {
            let (mut keys, mut cursor) = (Vec::new(), None);
            loop {
                let page = bucket.list_keys(cursor)?;
                keys.extend(page.keys);
                cursor = page.cursor;
                if cursor.is_none() {
                    return Ok(keys);
                }
            }
        })
    }

    fn increment(bucket: String, key: String, delta: i64) -> Result<i64, String> {
        open(&bucket, |bucket| atomics::increment(bucket, &key, delta.cast_unsigned())).map(u64::cast_signed)
    }

    fn compare_and_swap(_: String, _: String, _: u64, _: u64) -> Result<bool, String> {
        Err("not in this version".to_owned())
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

//! The text form of ids: `7a3d6f2e-…` for a template, `<template>/<worker name>` for a worker,
//! `<template>/<worker name>@<oplog index>` for a promise.

use crate::{PromiseId, TemplateId, Uuid, WorkerId};
use std::fmt;
use std::str::FromStr;

/// The error for a text that is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    text: String,
    expected: &'static str,
}

/// Implements serde's traits for id types. An id is serialized as its text form.
macro_rules! serde_as_text {
    ($($id:ty),*) => {$(
        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Uuid, TemplateId, WorkerId, PromiseId);

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.expected)
    }
}

impl std::error::Error for IdError {}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.high_bits, self.low_bits);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

impl FromStr for Uuid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.to_owned(),
            expected: "a UUID such as 7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10",
        };
        let parts: Vec<&str> = text.split('-').collect();
        let lengths_fit = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
        let digits: String = parts.concat();
        if !lengths_fit || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let (high, low) = digits.split_at(16);
        let number = |digits| u64::from_str_radix(digits, 16).map_err(|_| error());
        Ok(Self { high_bits: number(high)?, low_bits: number(low)? })
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl FromStr for TemplateId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(Self { uuid: text.parse()? })
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.template_id, self.worker_name)
    }
}

impl FromStr for WorkerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((template, name)) if !name.is_empty() => {
                Ok(Self { template_id: template.parse()?, worker_name: name.to_owned() })
            }
            _ => Err(IdError { text: text.to_owned(), expected: "a worker id, <template>/<worker name>" }),
        }
    }
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.worker_id, self.oplog_idx)
    }
}

impl FromStr for PromiseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error =
            || IdError { text: text.to_owned(), expected: "a promise id, <template>/<worker name>@<index>" };
        let (worker, index) = text.rsplit_once('@').ok_or_else(error)?;
        Ok(Self { worker_id: worker.parse()?, oplog_idx: index.parse().map_err(|_| error())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        let parsed = text.parse::<PromiseId>();
        match expected {
            Ok(index) => {
                let id = parsed.unwrap();
                assert_eq!(id.oplog_idx, index);
                assert_eq!(id.to_string(), text);
            }
            Err(part) => {
                let error = parsed.unwrap_err().to_string();
                assert!(error.contains(part), "{error} should contain {part}");
            }
        }
    }

    #[test]
    fn promise_ids_are_formatted_and_parsed() {
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10/cart-1@10", Ok(10));
        check("00000000-0000-0000-0000-000000000000/ü@18446744073709551615", Ok(u64::MAX));
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10/cart-1", Err("a promise id"));
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10/cart-1@x", Err("a promise id"));
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10@1", Err("a worker id"));
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f1/a@1", Err("a UUID"));
        check("7a3d6f2e0c41-4a6b-9d3f-5b1e8c2a9f10/a@1", Err("a UUID"));
        check("7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f1g/a@1", Err("a UUID"));
    }
}

//! Modules for `#[serde(with = …)]` that accept the spellings of clients of different years.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text. It is sent as a string, and accepted as `{"value": …}` too.
pub(crate) mod text {
    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a string or {\"value\": string}")]
        enum Spelling {
            Plain(String),
            Object { value: String },
        }
        Ok(match Spelling::deserialize(deserializer)? {
            Spelling::Plain(text) | Spelling::Object { value: text } => text,
        })
    }
}

/// A text. It is sent as `{"value": …}`, and accepted as a string too.
pub(crate) mod text_object {
    use super::{Deserializer, Serialize, Serializer, text};

    #[derive(Serialize)]
    struct Object<'a> {
        value: &'a str,
    }

    pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        Object { value: text }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        text::deserialize(deserializer)
    }
}

/// A structure within a query string, which can contain only texts: it is sent and accepted as JSON text.
pub(crate) mod json_text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            None => serializer.serialize_none(),
            Some(value) => {
                serializer.serialize_some(&serde_json::to_string(value).map_err(S::Error::custom)?)
            }
        }
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| serde_json::from_str(&text).map_err(D::Error::custom)).transpose()
    }
}

/// A position. It is sent as a number, and accepted as a decimal string too.
pub(crate) mod index {
    use super::{Deserializer, Serializer};
    use serde::de::{Error, Unexpected, Visitor};
    use std::fmt;

    const EXPECTED: &str = "a whole number from 0, or its decimal digits as a string";

    // Serde's `with` passes references.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
    pub(crate) fn serialize<S: Serializer>(index: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*index)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        struct IndexVisitor;

        impl Visitor<'_> for IndexVisitor {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
                Ok(value)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
                u64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(value) if digits => Ok(value),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(IndexVisitor)
    }
}

/// Environment variables. They are sent as a list of pairs, and accepted as an object too.
pub(crate) mod pairs {
    use super::{Deserializer, Serialize, Serializer};
    use serde::de::{MapAccess, SeqAccess, Visitor};
    use std::fmt;

    type Pairs = Vec<(String, String)>;

    pub(crate) fn serialize<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
        pairs.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of [name, value] pairs, or an object of names and values")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Vec::new())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = seq.next_element()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_any(PairsVisitor)
    }
}

/// Bytes. They are sent as an array of numbers, and accepted as `{"base64": …}` too.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serialize, Serializer};
    use base64::Engine;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        bytes.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected an array of numbers from 0 to 255, or {\"base64\": string}")]
        enum Spelling {
            Plain(Vec<u8>),
            Object { base64: String },
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Plain(bytes) => Ok(bytes),
            Spelling::Object { base64 } => {
                base64::engine::general_purpose::STANDARD.decode(base64).map_err(serde::de::Error::custom)
            }
        }
    }
}

/// A list of actions. It is sent as `{"actions": […]}`, as the published client expects, and accepted as a plain list
/// too.
pub(crate) mod actions {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        list: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Object<'a, T> {
            actions: &'a [T],
        }
        Object { actions: list }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of actions, or {\"actions\": list}")]
        enum Spelling<T> {
            Plain(Vec<T>),
            Object { actions: Vec<T> },
        }
        Ok(match Spelling::deserialize(deserializer)? {
            Spelling::Plain(list) | Spelling::Object { actions: list } => list,
        })
    }
}

//! Writes typed values as JSON.
//!
//! [`TypedJson`] writes directly into a serializer. A large list is not converted to a tree of JSON values first, and
//! record fields keep the order of their type.

use super::{JsonError, Problem, describe, option_is_wrapped};
use crate::limits::VALUE_DEPTH_MAX;
use crate::template::Function;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error, SerializeMap, SerializeSeq, Serializer};

/// How a `list<u8>` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BytesFormat {
    /// An array of numbers, as clients of 2023 expect.
    #[default]
    Array,
    /// `{"base64": "…"}`, for clients that request it.
    Base64,
}

/// A value with its type, which serializes as JSON.
///
/// Serialization fails if the value does not match the type.
#[derive(Debug, Clone, Copy)]
pub struct TypedJson<'a> {
    ty: &'a Type,
    value: &'a Value,
    bytes: BytesFormat,
    depth: usize,
}

impl<'a> TypedJson<'a> {
    /// Pairs `value` with its type.
    pub fn new(ty: &'a Type, value: &'a Value, bytes: BytesFormat) -> Self {
        Self { ty, value, bytes, depth: 0 }
    }

    fn inner(&self, ty: &'a Type, value: &'a Value) -> Self {
        Self { ty, value, bytes: self.bytes, depth: self.depth + 1 }
    }
}

/// The result of a function, which serializes as an array with one element per result.
#[derive(Debug, Clone, Copy)]
pub struct ResultJson<'a> {
    function: &'a Function,
    value: Option<&'a Value>,
    bytes: BytesFormat,
}

impl<'a> ResultJson<'a> {
    /// Pairs the result of `function` with its type. `value` is `None` for a function without a result.
    pub fn new(function: &'a Function, value: Option<&'a Value>, bytes: BytesFormat) -> Self {
        Self { function, value, bytes }
    }
}

/// Converts `value`, which must be of type `ty`, to JSON.
pub fn to_json(ty: &Type, value: &Value) -> Result<serde_json::Value, JsonError> {
    serde_json::to_value(TypedJson::new(ty, value, BytesFormat::Array)).map_err(|error| type_mismatch(&error))
}

/// Converts the result of `function` to JSON: an array with one element per result.
pub fn result_to_json(function: &Function, value: Option<&Value>) -> Result<serde_json::Value, JsonError> {
    serde_json::to_value(ResultJson::new(function, value, BytesFormat::Array))
        .map_err(|error| type_mismatch(&error))
}

fn type_mismatch(error: &serde_json::Error) -> JsonError {
    JsonError { path: String::new(), problem: Problem::TypeMismatch(error.to_string()) }
}

impl serde::Serialize for ResultJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (&self.function.result, self.value) {
            (Some(ty), Some(value)) => [TypedJson::new(ty, value, self.bytes)].serialize(serializer),
            (None, None) => serializer.serialize_seq(Some(0))?.end(),
            (Some(ty), None) => Err(S::Error::custom(format!("expected {}, found no result", describe(ty)))),
            (None, Some(_)) => Err(S::Error::custom("expected no result, found one")),
        }
    }
}

impl serde::Serialize for TypedJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > VALUE_DEPTH_MAX {
            return Err(S::Error::custom(Problem::TooDeep));
        }
        let type_mismatch =
            || Err(S::Error::custom(format!("expected {}, found another type's value", describe(self.ty))));
        match (self.ty, self.value) {
            (Type::Bool, Value::Bool(v)) => serializer.serialize_bool(*v),
            (Type::S8, Value::S8(v)) => serializer.serialize_i8(*v),
            (Type::U8, Value::U8(v)) => serializer.serialize_u8(*v),
            (Type::S16, Value::S16(v)) => serializer.serialize_i16(*v),
            (Type::U16, Value::U16(v)) => serializer.serialize_u16(*v),
            (Type::S32, Value::S32(v)) => serializer.serialize_i32(*v),
            (Type::U32, Value::U32(v)) => serializer.serialize_u32(*v),
            (Type::S64, Value::S64(v)) => serializer.serialize_i64(*v),
            (Type::U64, Value::U64(v)) => serializer.serialize_u64(*v),
            (Type::F32, Value::F32(v)) => serialize_float(shortest_double(*v), serializer),
            (Type::F64, Value::F64(v)) => serialize_float(*v, serializer),
            (Type::Char, Value::Char(v)) => serializer.serialize_u32(u32::from(*v)),
            (Type::String, Value::String(v)) => serializer.serialize_str(v),
            (Type::List(inner), Value::Bytes(v)) if **inner == Type::U8 => match self.bytes {
                BytesFormat::Array => serializer.collect_seq(v),
                BytesFormat::Base64 => single_entry(serializer, "base64", &STANDARD.encode(v)),
            },
            (Type::List(inner), Value::List(items)) if **inner != Type::U8 => {
                serializer.collect_seq(items.iter().map(|item| self.inner(inner, item)))
            }
            (Type::Option(_), Value::Option(None)) => serializer.serialize_unit(),
            (Type::Option(inner), Value::Option(Some(v))) => {
                let payload = self.inner(inner, v);
                if option_is_wrapped(inner) {
                    single_entry(serializer, "some", &payload)
                } else {
                    payload.serialize(serializer)
                }
            }
            (Type::Result { ok, err }, Value::Result(side)) => match side {
                Ok(v) => self.case(serializer, "ok", ok.as_deref(), v.as_deref()),
                Err(v) => self.case(serializer, "err", err.as_deref(), v.as_deref()),
            },
            (Type::Tuple(types), Value::Tuple(items)) if types.len() == items.len() => {
                serializer.collect_seq(types.iter().zip(items).map(|(ty, item)| self.inner(ty, item)))
            }
            (Type::Record(fields), Value::Record(values)) if fields.len() == values.len() => {
                let fields = fields.iter().zip(values);
                serializer.collect_map(fields.map(|((name, ty), value)| (name, self.inner(ty, value))))
            }
            (Type::Variant(cases), Value::Variant(case, v)) => match cases.get(*case as usize) {
                Some((name, ty)) => self.case(serializer, name, ty.as_ref(), v.as_deref()),
                None => type_mismatch(),
            },
            (Type::Enum(names), Value::Enum(case)) => match names.get(*case as usize) {
                Some(name) => serializer.serialize_str(name),
                None => type_mismatch(),
            },
            (Type::Flags(names), Value::Flags(set)) => {
                let mut seq = serializer.serialize_seq(Some(set.len()))?;
                for flag in set {
                    match names.get(*flag as usize) {
                        Some(name) => seq.serialize_element(name)?,
                        None => return type_mismatch(),
                    }
                }
                seq.end()
            }
            _ => type_mismatch(),
        }
    }
}

impl<'a> TypedJson<'a> {
    /// Writes a case of a variant, or a side of a result, as an object with one key.
    fn case<S: Serializer>(
        &self,
        serializer: S,
        name: &str,
        ty: Option<&'a Type>,
        value: Option<&'a Value>,
    ) -> Result<S::Ok, S::Error> {
        match (ty, value) {
            (Some(ty), Some(value)) => single_entry(serializer, name, &self.inner(ty, value)),
            (None, None) => single_entry(serializer, name, &()),
            _ => Err(S::Error::custom(format!("the payload of \"{name}\" is missing or superfluous"))),
        }
    }
}

fn single_entry<S: Serializer>(
    serializer: S,
    key: &str,
    value: &impl serde::Serialize,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

fn serialize_float<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value == f64::INFINITY {
        serializer.serialize_str("Infinity")
    } else if value == f64::NEG_INFINITY {
        serializer.serialize_str("-Infinity")
    } else {
        serializer.serialize_f64(value)
    }
}

/// The `f64` that prints like the `f32` `value`. A stored 1.99 is thus written as 1.99 and not as 1.9900000095367432.
/// Reading rounds it to `value` again.
fn shortest_double(value: f32) -> f64 {
    let plain = f64::from(value);
    if !value.is_finite() || value.fract() == 0.0 {
        return plain;
    }
    match value.to_string().parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the condition checks that rounding returns `value`"
        )]
        Ok(short) if (short as f32).to_bits() == value.to_bits() => short,
        _ => plain,
    }
}

//! Converts values between wasmtime and the model.

use golem_model::{Type, Value, excerpt};
use std::sync::Arc;
use wasmtime::component::Val;

/// The error for a value that does not have the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub(crate) struct Mismatch {
    expected: String,
    found: String,
}

/// Bytes of a value in an error message, at most.
const FOUND_BYTES_SHOWN: usize = 100;

fn mismatch(expected: &Type, found: &impl std::fmt::Debug) -> Mismatch {
    Mismatch { expected: expected.summary(), found: excerpt(FOUND_BYTES_SHOWN, format_args!("{found:?}")) }
}

/// Converts `value`, of type `ty`, to wasmtime's value.
pub(crate) fn to_val(value: &Value, ty: &Type) -> Result<Val, Mismatch> {
    let error = || mismatch(ty, value);
    let side = |value: &Option<Box<Value>>, ty: &Option<Arc<Type>>| match (value, ty) {
        (Some(value), Some(ty)) => Ok(Some(Box::new(to_val(value, ty)?))),
        (None, None) => Ok(None),
        _ => Err(error()),
    };
    Ok(match (value, ty) {
        (Value::Bool(v), Type::Bool) => Val::Bool(*v),
        (Value::S8(v), Type::S8) => Val::S8(*v),
        (Value::U8(v), Type::U8) => Val::U8(*v),
        (Value::S16(v), Type::S16) => Val::S16(*v),
        (Value::U16(v), Type::U16) => Val::U16(*v),
        (Value::S32(v), Type::S32) => Val::S32(*v),
        (Value::U32(v), Type::U32) => Val::U32(*v),
        (Value::S64(v), Type::S64) => Val::S64(*v),
        (Value::U64(v), Type::U64) => Val::U64(*v),
        (Value::F32(v), Type::F32) => Val::Float32(*v),
        (Value::F64(v), Type::F64) => Val::Float64(*v),
        (Value::Char(v), Type::Char) => Val::Char(*v),
        (Value::String(v), Type::String) => Val::String(v.clone()),
        (Value::Bytes(bytes), Type::List(inner)) if **inner == Type::U8 => {
            Val::List(bytes.iter().copied().map(Val::U8).collect())
        }
        (Value::List(items), Type::List(inner)) => {
            Val::List(items.iter().map(|item| to_val(item, inner)).collect::<Result<_, _>>()?)
        }
        (Value::Option(None), Type::Option(_)) => Val::Option(None),
        (Value::Option(Some(v)), Type::Option(inner)) => Val::Option(Some(Box::new(to_val(v, inner)?))),
        (Value::Result(Ok(v)), Type::Result { ok, .. }) => Val::Result(Ok(side(v, ok)?)),
        (Value::Result(Err(v)), Type::Result { err, .. }) => Val::Result(Err(side(v, err)?)),
        (Value::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => Val::Tuple(
            items.iter().zip(types.iter()).map(|(item, ty)| to_val(item, ty)).collect::<Result<_, _>>()?,
        ),
        (Value::Record(items), Type::Record(fields)) if items.len() == fields.len() => Val::Record(
            items
                .iter()
                .zip(fields.iter())
                .map(|(item, (name, ty))| Ok((name.clone(), to_val(item, ty)?)))
                .collect::<Result<_, _>>()?,
        ),
        (Value::Variant(case, payload), Type::Variant(cases)) => {
            let (name, ty) = cases.get(*case as usize).ok_or_else(error)?;
            let payload = match (payload, ty) {
                (Some(payload), Some(ty)) => Some(Box::new(to_val(payload, ty)?)),
                (None, None) => None,
                _ => return Err(error()),
            };
            Val::Variant(name.clone(), payload)
        }
        (Value::Enum(case), Type::Enum(names)) => {
            Val::Enum(names.get(*case as usize).ok_or_else(error)?.clone())
        }
        (Value::Flags(set), Type::Flags(names)) => Val::Flags(
            set.iter()
                .map(|flag| names.get(*flag as usize).cloned().ok_or_else(error))
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(error()),
    })
}

/// Converts wasmtime's value, of type `ty`, to the model's.
pub(crate) fn from_val(val: Val, ty: &Type) -> Result<Value, Mismatch> {
    let side = |val: Option<Box<Val>>, ty: &Option<Arc<Type>>| match (val, ty) {
        (Some(val), Some(ty)) => Ok(Some(Box::new(from_val(*val, ty)?))),
        (None, None) => Ok(None),
        (val, _) => {
            let found = excerpt(FOUND_BYTES_SHOWN, format_args!("{val:?}"));
            Err(Mismatch { expected: "the other case's payload".to_owned(), found })
        }
    };
    Ok(match (val, ty) {
        (Val::Bool(v), Type::Bool) => Value::Bool(v),
        (Val::S8(v), Type::S8) => Value::S8(v),
        (Val::U8(v), Type::U8) => Value::U8(v),
        (Val::S16(v), Type::S16) => Value::S16(v),
        (Val::U16(v), Type::U16) => Value::U16(v),
        (Val::S32(v), Type::S32) => Value::S32(v),
        (Val::U32(v), Type::U32) => Value::U32(v),
        (Val::S64(v), Type::S64) => Value::S64(v),
        (Val::U64(v), Type::U64) => Value::U64(v),
        (Val::Float32(v), Type::F32) => Value::F32(v),
        (Val::Float64(v), Type::F64) => Value::F64(v),
        (Val::Char(v), Type::Char) => Value::Char(v),
        (Val::String(v), Type::String) => Value::String(v),
        (Val::List(items), Type::List(inner)) if **inner == Type::U8 => Value::Bytes(
            items
                .into_iter()
                .map(|item| match item {
                    Val::U8(byte) => Ok(byte),
                    other => Err(mismatch(inner, &other)),
                })
                .collect::<Result<_, _>>()?,
        ),
        (Val::List(items), Type::List(inner)) => {
            Value::List(items.into_iter().map(|item| from_val(item, inner)).collect::<Result<_, _>>()?)
        }
        (Val::Option(None), Type::Option(_)) => Value::Option(None),
        (Val::Option(Some(v)), Type::Option(inner)) => Value::Option(Some(Box::new(from_val(*v, inner)?))),
        (Val::Result(Ok(v)), Type::Result { ok, .. }) => Value::Result(Ok(side(v, ok)?)),
        (Val::Result(Err(v)), Type::Result { err, .. }) => Value::Result(Err(side(v, err)?)),
        (Val::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => Value::Tuple(
            items
                .into_iter()
                .zip(types.iter())
                .map(|(item, ty)| from_val(item, ty))
                .collect::<Result<_, _>>()?,
        ),
        (Val::Record(items), Type::Record(fields)) if items.len() == fields.len() => Value::Record(
            items
                .into_iter()
                .zip(fields.iter())
                .map(|((_, item), (_, ty))| from_val(item, ty))
                .collect::<Result<_, _>>()?,
        ),
        (Val::Variant(name, payload), Type::Variant(cases)) => {
            let Some(case) = cases.iter().position(|(case, _)| *case == name) else {
                return Err(mismatch(ty, &name));
            };
            let payload = match (payload, &cases[case].1) {
                (Some(payload), Some(ty)) => Some(Box::new(from_val(*payload, ty)?)),
                (None, None) => None,
                (payload, _) => return Err(mismatch(ty, &payload)),
            };
            Value::Variant(index(case), payload)
        }
        (Val::Enum(name), Type::Enum(names)) => Value::Enum(position(names, &name, ty)?),
        (Val::Flags(set), Type::Flags(names)) => {
            Value::Flags(set.iter().map(|flag| position(names, flag, ty)).collect::<Result<_, _>>()?)
        }
        (val, ty) => return Err(mismatch(ty, &val)),
    })
}

fn position(names: &[String], name: &str, ty: &Type) -> Result<u32, Mismatch> {
    names.iter().position(|known| known == name).map(index).ok_or_else(|| mismatch(ty, &name))
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a component has fewer than 2^32 cases")
}

//! Typed values: the common form of parameters and results in JSON, oplog and guest.
//!
//! [`Type`] is a component's type with all named types resolved. [`Value`] is a value of a type. It contains no names
//! of fields or cases, so its interpretation needs the type. `codec` has the binary encoding, `json` the JSON form.

pub mod codec;
pub mod json;

use serde::{Deserialize, Serialize};
use std::fmt;

/// A WIT type. Named types are replaced by their definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names of the primitive types are those of WIT")]
pub enum Type {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    /// `list<t>`.
    List(Box<Type>),
    /// `option<t>`.
    Option(Box<Type>),
    /// `result<ok, err>`; a missing side is a unit side.
    Result {
        ok: Option<Box<Type>>,
        err: Option<Box<Type>>,
    },
    /// `tuple<…>`.
    Tuple(Vec<Type>),
    /// Fields with names in kebab-case, in order.
    Record(Vec<(String, Type)>),
    /// Cases with names in kebab-case, in order; a case may have no payload.
    Variant(Vec<(String, Option<Type>)>),
    /// Case names in order.
    Enum(Vec<String>),
    /// Flag names in order.
    Flags(Vec<String>),
    /// A handle to the named resource. A handle cannot leave its component, so a function that uses one cannot be
    /// invoked.
    Handle(String),
}

/// A value of a [`Type`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names of the primitive values are those of WIT")]
pub enum Value {
    Bool(bool),
    S8(i8),
    U8(u8),
    S16(i16),
    U16(u16),
    S32(i32),
    U32(u32),
    S64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Char(char),
    String(String),
    /// The elements of any `list` except `list<u8>`.
    List(Vec<Value>),
    /// The elements of a `list<u8>`, always in this form.
    Bytes(Vec<u8>),
    Option(Option<Box<Value>>),
    /// A unit side carries `None`.
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    Tuple(Vec<Value>),
    /// Field values in the order of the type.
    Record(Vec<Value>),
    /// Index of the case, and its payload if it has one.
    Variant(u32, Option<Box<Value>>),
    /// Index of the case.
    Enum(u32),
    /// Indices of the flags that are set, ascending.
    Flags(Vec<u32>),
}

impl fmt::Display for Type {
    /// Prints a type in the notation of error messages and the command line (reference §6.3, template view).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T>(
            f: &mut fmt::Formatter<'_>,
            items: &[T],
            mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
        ) -> fmt::Result {
            for (i, x) in items.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                item(f, x)?;
            }
            Ok(())
        }
        fn side(ty: Option<&Type>) -> String {
            ty.map_or_else(|| "()".to_owned(), ToString::to_string)
        }
        match self {
            Self::Bool => f.write_str("bool"),
            Self::S8 => f.write_str("s8"),
            Self::U8 => f.write_str("u8"),
            Self::S16 => f.write_str("s16"),
            Self::U16 => f.write_str("u16"),
            Self::S32 => f.write_str("s32"),
            Self::U32 => f.write_str("u32"),
            Self::S64 => f.write_str("s64"),
            Self::U64 => f.write_str("u64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("chr"),
            Self::String => f.write_str("str"),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::Option(inner) => write!(f, "{inner}?"),
            Self::Result { ok, err } => {
                write!(f, "result({}, {})", side(ok.as_deref()), side(err.as_deref()))
            }
            Self::Tuple(items) => {
                f.write_str("(")?;
                list(f, items, |f, ty| write!(f, "{ty}"))?;
                f.write_str(")")
            }
            Self::Record(fields) => {
                f.write_str("{")?;
                list(f, fields, |f, (name, ty)| write!(f, "{name}: {ty}"))?;
                f.write_str("}")
            }
            Self::Variant(cases) => {
                f.write_str("variant(")?;
                list(f, cases, |f, (name, ty)| write!(f, "{name}: {}", side(ty.as_ref())))?;
                f.write_str(")")
            }
            Self::Enum(names) => {
                f.write_str("enum(")?;
                list(f, names, |f, name| f.write_str(name))?;
                f.write_str(")")
            }
            Self::Flags(names) => {
                f.write_str("flags(")?;
                list(f, names, |f, name| f.write_str(name))?;
                f.write_str(")")
            }
            Self::Handle(name) => write!(f, "handle({name})"),
        }
    }
}

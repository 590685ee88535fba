//! Typed values: the common form of parameters and results in JSON, oplog and guest.
//!
//! [`Type`] is a component's type with all named types resolved. [`Value`] is a value of a type. It contains no names
//! of fields or cases, so its interpretation needs the type. `codec` has the binary encoding, `json` the JSON form,
//! `pool` shares equal types.

pub mod codec;
pub mod json;
mod pool;

pub use pool::TypePool;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A WIT type. Named types are replaced by their definition.
///
/// A type that is used in several places is shared, so a clone is cheap. But every walk over a type visits each use,
/// and a component of ten kilobytes can have types with a billion uses. Invariant: the types of a component are counted
/// before they are converted to this form, see [`crate::limits::COMPONENT_TYPES_MAX`].
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
    List(Arc<Type>),
    /// `option<t>`.
    Option(Arc<Type>),
    /// `result<ok, err>`; a missing side is a unit side.
    Result {
        ok: Option<Arc<Type>>,
        err: Option<Arc<Type>>,
    },
    /// `tuple<…>`.
    Tuple(Arc<[Type]>),
    /// Fields with names in kebab-case, in order.
    Record(Arc<[(String, Type)]>),
    /// Cases with names in kebab-case, in order; a case may have no payload.
    Variant(Arc<[(String, Option<Type>)]>),
    /// Case names in order.
    Enum(Arc<[String]>),
    /// Flag names in order.
    Flags(Arc<[String]>),
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

/// Bytes of a type's text in a message, at most.
const SUMMARY_BYTES_MAX: usize = 500;

impl Type {
    /// The type as text for a message. A long text is cut and ends with `…`; its end is never produced.
    pub fn summary(&self) -> String {
        crate::excerpt(SUMMARY_BYTES_MAX, format_args!("{self}"))
    }
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
        fn side(f: &mut fmt::Formatter<'_>, ty: Option<&Type>) -> fmt::Result {
            match ty {
                Some(ty) => fmt::Display::fmt(ty, f),
                None => f.write_str("()"),
            }
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
                f.write_str("result(")?;
                side(f, ok.as_deref())?;
                f.write_str(", ")?;
                side(f, err.as_deref())?;
                f.write_str(")")
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
                list(f, cases, |f, (name, ty)| {
                    write!(f, "{name}: ")?;
                    side(f, ty.as_ref())
                })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_a_long_type_is_cut() {
        let pair = |ty: Type| Type::Tuple([ty.clone(), ty].into());
        assert_eq!(pair(Type::U8).summary(), "(u8, u8)");
        // 2^60 uses of one type: its whole text is never built.
        let long = (0..60).fold(Type::Record([("größe".to_owned(), Type::U8)].into()), |ty, _| pair(ty));
        let text = long.summary();
        assert!(text.ends_with('…'), "{text}");
        assert!(text.len() <= SUMMARY_BYTES_MAX + '…'.len_utf8(), "{} bytes", text.len());
    }
}

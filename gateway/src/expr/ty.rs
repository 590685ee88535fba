//! Types of expressions, and how they fit the types of a template.

use golem_model::{Type, excerpt};
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ty {
    /// JSON whose type is known only when the request arrives: the body.
    Any,
    /// Text of the request or of the definition. It converts to a number, a boolean or a character where one is expected.
    Text,
    /// `none`.
    Null,
    Bool,
    Number,
    String,
    Option(Arc<Ty>),
    List(Arc<Ty>),
    /// A list literal: one type per element.
    Tuple(Vec<Ty>),
    Record(Vec<(String, Ty)>),
    /// Names that only the request knows, with values of one type: the headers.
    Map(Arc<Ty>),
    /// A type of the template. [`Ty::view`] shows its outermost level in terms of the other variants if it has such.
    Typed(Type),
}

/// Whether the JSON of the option is `null` or `{"some": …}`.
pub(crate) fn is_wrapped(inner: &Type) -> bool {
    matches!(inner, Type::Option(_))
}

impl Ty {
    pub(crate) fn option(self) -> Self {
        match self.view() {
            Self::Null => Self::Null,
            Self::Any => Self::Any,
            Self::Option(inner) => Self::Option(inner),
            _ => Self::Option(Arc::new(self)),
        }
    }

    /// The type in terms of the other variants, where that takes constant time. Records, tuples, results, variants, enums,
    /// flags, handles, and options of options stay [`Ty::Typed`].
    pub(crate) fn view(&self) -> Self {
        let Self::Typed(ty) = self else { return self.clone() };
        match ty {
            Type::Bool => Self::Bool,
            Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::Char => Self::Number,
            Type::String => Self::String,
            Type::List(inner) => Self::List(Arc::new(Self::Typed(inner.as_ref().clone()))),
            Type::Option(inner) if !is_wrapped(inner) => {
                Self::Option(Arc::new(Self::Typed(inner.as_ref().clone())))
            }
            // Infinities and NaN are strings in JSON, so the value of a float may be either.
            Type::F32
            | Type::F64
            | Type::Option(_)
            | Type::Tuple(_)
            | Type::Record(_)
            | Type::Result { .. }
            | Type::Variant(_)
            | Type::Enum(_)
            | Type::Flags(_)
            | Type::Handle(_) => Self::Typed(ty.clone()),
        }
    }

    /// The type with a record or a tuple spelled out too.
    fn expand(&self) -> Self {
        match self.view() {
            Self::Typed(Type::Tuple(items)) => Self::Tuple(items.iter().cloned().map(Self::Typed).collect()),
            Self::Typed(Type::Record(fields)) => Self::Record(
                fields.iter().map(|(name, ty)| (name.clone(), Self::Typed(ty.clone()))).collect(),
            ),
            view => view,
        }
    }

    /// The type, spelled out if `other` is a literal of the same size. So the work of a join is bounded by the text of the
    /// expression, however large the types of the template are.
    fn expand_beside(&self, other: &Self) -> Self {
        match (self.view(), other) {
            (Self::Typed(Type::Tuple(items)), Self::Tuple(others)) if items.len() == others.len() => {
                self.expand()
            }
            (Self::Typed(Type::Record(fields)), Self::Record(others)) if fields.len() == others.len() => {
                self.expand()
            }
            (view, _) => view,
        }
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self, Self::Typed(Type::F32 | Type::F64))
    }

    /// Whether a value is a number, a boolean or a text, so that it can stand in a text or in a comparison.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(
            self.view(),
            Self::Any
                | Self::Text
                | Self::Bool
                | Self::Number
                | Self::String
                | Self::Typed(Type::Enum(_) | Type::F32 | Type::F64)
        )
    }

    /// A type that has the values of both, if there is one. This is the type of a condition with both as branches.
    pub(crate) fn join(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        let stringy = |ty: &Self| matches!(ty, Self::Text | Self::String | Self::Typed(Type::Enum(_)));
        let numeric = |ty: &Self| matches!(ty, Self::Number | Self::Typed(Type::F32 | Type::F64));
        Some(match (self.expand_beside(other), other.expand_beside(self)) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Null, _) => other.clone().option(),
            (_, Self::Null) => self.clone().option(),
            (Self::Option(a), Self::Option(b)) => Self::Option(Arc::new(a.join(&b)?)),
            (Self::Option(a), _) => Self::Option(Arc::new(a.join(other)?)),
            (_, Self::Option(b)) => Self::Option(Arc::new(self.join(&b)?)),
            (a, b) if stringy(&a) && stringy(&b) => Self::String,
            (a, b) if numeric(&a) && numeric(&b) => {
                if a.is_float() || b.is_float() {
                    Self::Typed(Type::F64)
                } else {
                    Self::Number
                }
            }
            (Self::List(a), Self::List(b)) => Self::List(Arc::new(a.join(&b)?)),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                Self::Tuple(a.iter().zip(&b).map(|(a, b)| a.join(b)).collect::<Option<_>>()?)
            }
            (Self::Tuple(items), Self::List(item)) | (Self::List(item), Self::Tuple(items)) => {
                let item = items.iter().try_fold(item.as_ref().clone(), |all, item| all.join(item))?;
                Self::List(Arc::new(item))
            }
            (Self::Tuple(a), Self::Tuple(b)) => {
                let mut all = a.iter().chain(&b).cloned();
                let first = all.next().unwrap_or(Self::Any);
                Self::List(Arc::new(all.try_fold(first, |all, item| all.join(&item))?))
            }
            (Self::Record(a), Self::Record(b)) if a.len() == b.len() => Self::Record(
                a.iter()
                    .map(|(name, ty)| {
                        let (_, other) = b.iter().find(|(other, _)| other == name)?;
                        Some((name.clone(), ty.join(other)?))
                    })
                    .collect::<Option<_>>()?,
            ),
            (a, b) if a == b => a,
            _ => return None,
        })
    }

    /// Whether `json` is a value of the type.
    #[cfg(test)]
    pub(crate) fn admits(&self, json: &Json) -> bool {
        match self {
            Self::Any => true,
            Self::Text | Self::String => json.is_string(),
            Self::Null => json.is_null(),
            Self::Bool => json.is_boolean(),
            Self::Number => json.is_number(),
            Self::Option(inner) => json.is_null() || inner.admits(json),
            Self::List(inner) => json.as_array().is_some_and(|items| items.iter().all(|x| inner.admits(x))),
            Self::Tuple(types) => json.as_array().is_some_and(|items| {
                items.len() == types.len() && types.iter().zip(items).all(|(ty, item)| ty.admits(item))
            }),
            Self::Record(types) => json.as_object().is_some_and(|fields| {
                fields.len() == types.len()
                    && types.iter().all(|(name, ty)| fields.get(name).is_some_and(|field| ty.admits(field)))
            }),
            Self::Map(inner) => json.as_object().is_some_and(|map| map.values().all(|x| inner.admits(x))),
            Self::Typed(ty) => golem_model::value::json::from_json(ty, json, "").is_ok(),
        }
    }

    /// Whether a value of this type can be a value of `target`. What only the request decides (the range of a number,
    /// the content of a text or of the body) is left to [`Ty::convert`] and to the conversion to typed values.
    pub(crate) fn fits(&self, target: &Type) -> Result<(), Mismatch> {
        if matches!(self, Self::Typed(ty) if ty == target) {
            return Ok(());
        }
        let mismatch = || {
            Err(Mismatch {
                path: String::new(),
                expected: target.summary(),
                found: self.to_string(),
                hint: "",
            })
        };
        let within =
            |step: String| move |error: Mismatch| Mismatch { path: format!("{step}{}", error.path), ..error };
        match (self.expand(), target) {
            (_, Type::Handle(_)) => mismatch(),
            (Self::Any, _)
            | (Self::Text, Type::Bool | Type::Char | Type::String | Type::Enum(_))
            | (Self::Bool, Type::Bool)
            | (Self::Number, Type::Char)
            | (Self::String, Type::String | Type::Enum(_))
            | (Self::Typed(Type::Enum(_)), Type::String)
            | (Self::Null, Type::Option(_)) => Ok(()),
            (Self::Text | Self::Number | Self::Typed(Type::F32 | Type::F64), target)
                if is_numeric(target) =>
            {
                Ok(())
            }
            (Self::Text | Self::String, Type::Variant(cases)) if cases.iter().any(|(_, ty)| ty.is_none()) => {
                Ok(())
            }
            (Self::Option(inner), Type::Option(target)) if !is_wrapped(target) => inner.fits(target),
            (Self::Option(_), _) => Err(Mismatch {
                path: String::new(),
                expected: target.summary(),
                found: self.to_string(),
                hint: "; it may be absent, so write a default after it: ?? …",
            }),
            (_, Type::Option(inner)) if !is_wrapped(inner) => self.fits(inner),
            (Self::List(item), Type::List(target)) => item.fits(target).map_err(within("[]".to_owned())),
            (Self::Tuple(items), Type::List(target)) => items
                .iter()
                .enumerate()
                .try_for_each(|(i, item)| item.fits(target).map_err(within(format!("[{i}]")))),
            (Self::Tuple(items), Type::Tuple(targets)) if items.len() == targets.len() => items
                .iter()
                .zip(targets.iter())
                .enumerate()
                .try_for_each(|(i, (item, target))| item.fits(target).map_err(within(format!("[{i}]")))),
            (Self::List(item), Type::Flags(_)) if item.is_scalar() => item.fits(&Type::String),
            (Self::Tuple(items), Type::Flags(_)) => {
                items.iter().try_for_each(|item| item.fits(&Type::String))
            }
            (Self::Record(fields), Type::Record(targets)) => {
                for (name, target) in targets.iter() {
                    match fields.iter().find(|(field, _)| field == name) {
                        Some((_, field)) => field.fits(target).map_err(within(format!(".{name}")))?,
                        None if matches!(target, Type::Option(_)) => {}
                        None => {
                            return Err(Mismatch {
                                path: format!(".{name}"),
                                expected: target.summary(),
                                found: "no such field".to_owned(),
                                hint: "",
                            });
                        }
                    }
                }
                Ok(())
            }
            (Self::Record(fields), Type::Result { .. } | Type::Variant(_)) if fields.len() == 1 => {
                let (name, payload) = &fields[0];
                let case = match target {
                    Type::Result { ok, .. } if name == "ok" => Some(ok.as_deref()),
                    Type::Result { err, .. } if name == "err" => Some(err.as_deref()),
                    Type::Variant(cases) => {
                        cases.iter().find(|(case, _)| case == name).map(|(_, ty)| ty.as_ref())
                    }
                    _ => None,
                };
                match case {
                    Some(Some(target)) => payload.fits(target).map_err(within(format!(".{name}"))),
                    Some(None) if matches!(payload.view(), Self::Null | Self::Any) => Ok(()),
                    _ => mismatch(),
                }
            }
            _ => mismatch(),
        }
    }

    /// Whether [`Ty::convert`] can change a value.
    pub(crate) fn contains_text(&self) -> bool {
        match self {
            Self::Text => true,
            Self::Option(inner) | Self::List(inner) | Self::Map(inner) => inner.contains_text(),
            Self::Tuple(items) => items.iter().any(Self::contains_text),
            Self::Record(fields) => fields.iter().any(|(_, ty)| ty.contains_text()),
            Self::Any | Self::Null | Self::Bool | Self::Number | Self::String | Self::Typed(_) => false,
        }
    }

    /// Converts the texts inside `json`, a value of this type, to the numbers, booleans and characters that `target`
    /// expects. A text that does not convert stays; the conversion to a typed value then reports it.
    pub(crate) fn convert(&self, target: &Type, json: &mut Json) {
        if !self.contains_text() {
            return;
        }
        match (self, target) {
            (Self::Option(_), _) if json.is_null() => {}
            (Self::Option(inner), _) => inner.convert(target, json),
            (_, Type::Option(target)) => self.convert(target, json),
            (Self::Text, _) => {
                if let Json::String(text) = json
                    && let Some(value) = scalar(target, text)
                {
                    *json = value;
                }
            }
            (Self::List(item), Type::List(target)) => {
                json.as_array_mut().into_iter().flatten().for_each(|json| item.convert(target, json));
            }
            (Self::Tuple(items), Type::List(target)) => {
                let values = json.as_array_mut().into_iter().flatten();
                items.iter().zip(values).for_each(|(item, json)| item.convert(target, json));
            }
            (Self::Tuple(items), Type::Tuple(targets)) => {
                let values = json.as_array_mut().into_iter().flatten();
                let types = items.iter().zip(targets.iter());
                types.zip(values).for_each(|((item, target), json)| item.convert(target, json));
            }
            (Self::Record(fields), Type::Record(_) | Type::Result { .. } | Type::Variant(_)) => {
                for (name, field) in fields {
                    let target = match target {
                        Type::Record(targets) => targets.iter().find(|(n, _)| n == name).map(|(_, ty)| ty),
                        Type::Result { ok, .. } if name == "ok" => ok.as_deref(),
                        Type::Result { err, .. } if name == "err" => err.as_deref(),
                        Type::Variant(cases) => {
                            cases.iter().find(|(n, _)| n == name).and_then(|(_, ty)| ty.as_ref())
                        }
                        _ => None,
                    };
                    if let (Some(target), Some(json)) = (target, json.get_mut(name)) {
                        field.convert(target, json);
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_numeric(ty: &Type) -> bool {
    matches!(
        ty,
        Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::F32
            | Type::F64
    )
}

/// The number that a text spells: an integer if it fits into 64 bits, otherwise a float.
pub(crate) fn number(text: &str) -> Option<serde_json::Number> {
    let begins = text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    begins.then(|| text.parse().ok()).flatten()
}

/// The JSON of the scalar that `text` spells in the type, if it is one.
pub(crate) fn scalar(ty: &Type, text: &str) -> Option<Json> {
    match ty {
        Type::Bool => text.parse().ok().map(Json::Bool),
        Type::Char => {
            let mut chars = text.chars();
            let first = chars.next()?;
            chars.next().is_none().then(|| Json::from(u32::from(first)))
        }
        ty if is_numeric(ty) => number(text).map(Json::Number),
        _ => None,
    }
}

/// A type does not fit another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The place inside the value, such as `.items[0]`.
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) hint: &'static str,
}

/// Bytes of a type in a message, at most.
const TYPE_BYTES_MAX: usize = 200;

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(TYPE_BYTES_MAX, format_args!("{}", Whole(self))))
    }
}

struct Whole<'a>(&'a Ty);

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ty::Any => f.write_str("any JSON"),
            Ty::Text => f.write_str("text"),
            Ty::Null => f.write_str("none"),
            Ty::Bool => f.write_str("bool"),
            Ty::Number => f.write_str("number"),
            Ty::String => f.write_str("str"),
            Ty::Option(inner) => write!(f, "{}?", Whole(inner)),
            Ty::List(inner) => write!(f, "[{}]", Whole(inner)),
            Ty::Map(_) => f.write_str("the headers"),
            Ty::Tuple(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { ", " } else { "" }, Whole(item))?;
                }
                f.write_str("]")
            }
            Ty::Record(fields) => {
                f.write_str("{")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {}", if i > 0 { ", " } else { "" }, Whole(ty))?;
                }
                f.write_str("}")
            }
            Ty::Typed(ty) => write!(f, "{ty}"),
        }
    }
}

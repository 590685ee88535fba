//! The cases of a match: what a pattern binds, and which values the arms cover.

use super::ast::{Binding, Pattern, PatternKind};
use super::check::{TypeError, TypeProblem, payload};
use super::ty::{Ty, is_wrapped};
use golem_model::Type;
use serde_json::Number;
use std::collections::BTreeSet;

/// The variable that a pattern binds. Marks the pattern if the option is wrapped.
pub(super) fn pattern_type(ty: &Ty, pattern: &mut Pattern) -> Result<Option<(String, Ty)>, TypeError> {
    let at = pattern.at;
    // `none` is a word of the language, and also a name that variants and enums use.
    let has_none = match ty {
        Ty::Typed(Type::Variant(cases)) => cases.iter().any(|(name, _)| name == "none"),
        Ty::Typed(Type::Enum(names)) => names.iter().any(|name| name == "none"),
        _ => false,
    };
    if has_none && pattern.kind == PatternKind::Null {
        pattern.kind =
            PatternKind::Case { name: "none".to_owned(), binding: Binding::Absent, wrapped: false };
    }
    let shown = {
        let mut text = String::new();
        super::print::print_pattern(&mut text, &pattern.kind);
        text
    };
    let no_case = |hint| Err((at, TypeProblem::NoCase { ty: ty.to_string(), pattern: shown.clone(), hint }));
    match &mut pattern.kind {
        PatternKind::Any => Ok(None),
        PatternKind::Null => match ty {
            Ty::Any | Ty::Null | Ty::Option(_) | Ty::Typed(Type::Option(_)) => Ok(None),
            _ => no_case(""),
        },
        PatternKind::Bool(_) => {
            if matches!(ty, Ty::Any | Ty::Bool) {
                Ok(None)
            } else {
                no_case("")
            }
        }
        PatternKind::Number(_) => {
            if matches!(ty, Ty::Any | Ty::Number | Ty::Text) || ty.is_float() {
                Ok(None)
            } else {
                no_case("")
            }
        }
        PatternKind::String(text) => match ty {
            Ty::Any | Ty::Text | Ty::String => Ok(None),
            Ty::Typed(Type::Enum(names)) if names.contains(text) => Ok(None),
            _ => no_case(""),
        },
        PatternKind::Case { name, binding, wrapped } => {
            *wrapped = matches!(ty, Ty::Typed(Type::Result { .. } | Type::Variant(_)));
            let payload = match ty {
                Ty::Any => Some(Ty::Any),
                Ty::Option(inner) if name == "some" => Some(inner.as_ref().clone()),
                Ty::Typed(Type::Option(inner)) if name == "some" => {
                    *wrapped = is_wrapped(inner);
                    Some(Ty::Typed(inner.as_ref().clone()))
                }
                Ty::Typed(Type::Result { ok, .. }) if name == "ok" => Some(payload(ok.as_deref())),
                Ty::Typed(Type::Result { err, .. }) if name == "err" => Some(payload(err.as_deref())),
                Ty::Typed(Type::Variant(cases)) => match cases.iter().find(|(case, _)| case == name) {
                    Some((_, Some(ty))) => Some(Ty::Typed(ty.clone())),
                    Some((_, None)) => None,
                    None => return no_case(""),
                },
                Ty::Typed(Type::Enum(names)) if names.contains(name) => None,
                Ty::Option(_) => return no_case("; an option has the cases some(x) and none"),
                Ty::Text | Ty::String => return no_case("; write a text in quotation marks"),
                _ => return no_case(""),
            };
            match (binding, payload) {
                (Binding::Named(variable), Some(ty)) => Ok(Some((variable.clone(), ty))),
                (Binding::Absent | Binding::Ignored, Some(_)) | (Binding::Absent, None) => Ok(None),
                (_, None) => Err((at, TypeProblem::NoPayload { name: name.clone() })),
            }
        }
    }
}

/// The cases that the arms of a match have covered.
pub(super) struct Cover {
    /// Cases that are not covered yet; `None` if the type has too many values to list.
    open: Option<BTreeSet<String>>,
    seen: Vec<String>,
    all: bool,
}

impl Cover {
    pub(super) fn of(ty: &Ty) -> Self {
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        let open = match ty {
            Ty::Bool => names(&["true", "false"]),
            Ty::Option(_) | Ty::Typed(Type::Option(_)) => names(&["some", "none"]),
            Ty::Null => names(&["none"]),
            Ty::Typed(Type::Result { .. }) => names(&["ok", "err"]),
            Ty::Typed(Type::Variant(cases)) => Some(cases.iter().map(|(name, _)| name.clone()).collect()),
            Ty::Typed(Type::Enum(cases)) => Some(cases.iter().cloned().collect()),
            _ => None,
        };
        Self { open, seen: Vec::new(), all: false }
    }

    /// Whether the pattern can still be reached.
    pub(super) fn add(&mut self, pattern: &PatternKind) -> bool {
        if self.all || self.open.as_ref().is_some_and(BTreeSet::is_empty) {
            return false;
        }
        let (key, name) = match pattern {
            PatternKind::Any => {
                self.all = true;
                return true;
            }
            PatternKind::Null => ("none".to_owned(), "none".to_owned()),
            PatternKind::Bool(value) => (value.to_string(), value.to_string()),
            PatternKind::Number(number) => (format!("number {}", normal(number)), String::new()),
            PatternKind::String(text) => (format!("text {text}"), text.clone()),
            PatternKind::Case { name, .. } => (format!("case {name}"), name.clone()),
        };
        match &mut self.open {
            Some(open) => open.remove(&name),
            None if self.seen.contains(&key) => false,
            None => {
                self.seen.push(key);
                true
            }
        }
    }

    pub(super) fn missing(&self) -> Option<String> {
        match &self.open {
            _ if self.all => None,
            Some(open) if open.is_empty() => None,
            Some(open) => Some(open.iter().take(10).cloned().collect::<Vec<_>>().join(", ")),
            None => Some("all values".to_owned()),
        }
    }
}

fn normal(number: &Number) -> String {
    number.as_f64().map_or_else(|| number.to_string(), |value| value.to_string())
}

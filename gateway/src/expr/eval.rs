//! Evaluates checked expressions.
//!
//! Invariant: every part of an expression is evaluated at most once, and the bytes that are copied or compared are
//! bounded by [`EVALUATION_BYTES_MAX`], so the time of an evaluation is bounded. The recursion is that of the tree,
//! which the parser bounds.

use super::ast::{At, Binding, Key, Kind, Node, Op, Pattern, PatternKind, Piece, Root, Step};
use super::ty::number;
use crate::limits::EVALUATION_BYTES_MAX;
use serde_json::{Map, Number, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The evaluation failed: a value of the request is missing or has another kind than the expression needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalProblem {
    /// The header is missing.
    #[error("the request has no header `{name}`")]
    NoHeader {
        /// The name.
        name: String,
    },
    /// The field is missing.
    #[error("no field `{field}` in {value}")]
    NoField {
        /// The field.
        field: String,
        /// What has no such field.
        value: String,
    },
    /// The element is missing.
    #[error("no element {index} in {value}")]
    NoElement {
        /// The index.
        index: String,
        /// What has no such element.
        value: String,
    },
    /// The value is not of the kind that is needed.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What is needed.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// The values cannot be compared.
    #[error("cannot compare {left} with {right}")]
    Incomparable {
        /// The left value.
        left: String,
        /// The right value.
        right: String,
    },
    /// No case of a match covers the value.
    #[error("no case of the match covers {value}")]
    NoCase {
        /// The value.
        value: String,
    },
    /// The evaluation copies or compares too much.
    #[error("the expression copies or compares more than {} MiB", EVALUATION_BYTES_MAX >> 20)]
    TooLarge,
}

/// A problem and its place.
pub(crate) type EvalError = (At, EvalProblem);

/// The values that an expression refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Env<'a> {
    /// Variables of path and query: an object.
    pub(crate) path: &'a Json,
    /// Variables of the query: an object.
    pub(crate) query: &'a Json,
    /// Headers with lower-case names: an object.
    pub(crate) headers: &'a Json,
    pub(crate) body: &'a Json,
    /// The list of results.
    pub(crate) response: &'a Json,
}

/// The value of the expression.
pub(crate) fn eval(node: &Node, env: Env<'_>) -> Result<Json, EvalError> {
    let mut evaluator = Evaluator { env, locals: Vec::new(), budget: EVALUATION_BYTES_MAX };
    let value = evaluator.node(node)?;
    evaluator.own(node.at, value)
}

struct Evaluator<'a> {
    env: Env<'a>,
    locals: Vec<Cow<'a, Json>>,
    /// Bytes that may still be copied or compared.
    budget: usize,
}

const NULL: &Json = &Json::Null;

impl<'a> Evaluator<'a> {
    fn node(&mut self, node: &Node) -> Result<Cow<'a, Json>, EvalError> {
        let at = node.at;
        let owned = match &node.kind {
            Kind::Bool(value) => Json::Bool(*value),
            Kind::Number(number) => Json::Number(number.clone()),
            Kind::String(text) | Kind::Text(text) => {
                self.charge(at, text.len())?;
                Json::String(text.clone())
            }
            Kind::Concat(pieces) => Json::String(self.concat(pieces)?),
            Kind::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.node(item)?;
                    values.push(self.own(item.at, value)?);
                }
                Json::Array(values)
            }
            Kind::Record(fields) => {
                let mut values = Map::with_capacity(fields.len());
                for (name, item) in fields {
                    let value = self.node(item)?;
                    self.charge(at, name.len())?;
                    values.insert(name.clone(), self.own(item.at, value)?);
                }
                Json::Object(values)
            }
            Kind::Root(root) => {
                let value = self.root(*root);
                return self.kept(at, value);
            }
            // The checker has replaced every name.
            Kind::Null | Kind::Name(_) => return Ok(Cow::Borrowed(NULL)),
            Kind::Path { base, steps } => {
                let mut value = self.node(base)?;
                let is_headers = base.kind == Kind::Root(Root::Headers);
                for (i, step) in steps.iter().enumerate() {
                    value = self.step(&value, step, is_headers && i == 0)?;
                }
                return Ok(value);
            }
            Kind::Default(items) => {
                let mut value = Cow::Borrowed(NULL);
                for item in items {
                    value = self.node(item)?;
                    if !value.is_null() {
                        break;
                    }
                }
                return Ok(value);
            }
            Kind::Not(inner) => Json::Bool(!self.boolean(inner)?),
            Kind::And(items) => Json::Bool(self.all_are(items, true)?),
            Kind::Or(items) => Json::Bool(!self.all_are(items, false)?),
            Kind::Compare { op, left, right, texts } => {
                let (left, right) = (self.node(left)?, self.node(right)?);
                Json::Bool(self.compare(at, *op, &left, &right, *texts)?)
            }
            Kind::If { branches, otherwise } => {
                for (condition, then) in branches {
                    if self.boolean(condition)? {
                        return self.node(then);
                    }
                }
                return self.node(otherwise);
            }
            Kind::Match { subject, arms } => {
                let value = self.node(subject)?;
                for (pattern, result) in arms {
                    if let Some(payload) = self.matches(pattern, &value)? {
                        let depth = self.locals.len();
                        self.locals.extend(payload);
                        let result = self.node(result);
                        self.locals.truncate(depth);
                        return result;
                    }
                }
                return Err((at, EvalProblem::NoCase { value: describe(&value) }));
            }
        };
        Ok(Cow::Owned(owned))
    }

    fn root(&mut self, root: Root) -> Cow<'a, Json> {
        match root {
            Root::Path => Cow::Borrowed(self.env.path),
            Root::Query => Cow::Borrowed(self.env.query),
            Root::Headers => Cow::Borrowed(self.env.headers),
            Root::Body => Cow::Borrowed(self.env.body),
            Root::Response => Cow::Borrowed(self.env.response),
            Root::Result => Cow::Borrowed(self.env.response.get(0).unwrap_or(NULL)),
            Root::Local(local) => self.locals.get(local).cloned().unwrap_or(Cow::Borrowed(NULL)),
        }
    }

    fn charge(&mut self, at: At, bytes: usize) -> Result<(), EvalError> {
        self.budget = self.budget.checked_sub(bytes).ok_or((at, EvalProblem::TooLarge))?;
        Ok(())
    }

    /// The value itself. A borrowed one is copied within the budget.
    fn own(&mut self, at: At, value: Cow<'a, Json>) -> Result<Json, EvalError> {
        match value {
            Cow::Owned(value) => Ok(value),
            Cow::Borrowed(value) => self.copy(at, value),
        }
    }

    fn copy(&mut self, at: At, value: &Json) -> Result<Json, EvalError> {
        // What a value occupies besides its text.
        self.charge(at, 8)?;
        Ok(match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
            Json::String(text) => {
                self.charge(at, text.len())?;
                Json::String(text.clone())
            }
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.copy(at, item)).collect::<Result<_, _>>()?)
            }
            Json::Object(fields) => {
                let mut copy = Map::new();
                for (name, value) in fields {
                    self.charge(at, name.len())?;
                    copy.insert(name.clone(), self.copy(at, value)?);
                }
                Json::Object(copy)
            }
        })
    }

    fn concat(&mut self, pieces: &[Piece]) -> Result<String, EvalError> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Code(code) => {
                    let value = self.node(code)?;
                    let text = text_of(&value).ok_or_else(|| {
                        let expected = "a number, a boolean or a text as a part of a text";
                        (code.at, EvalProblem::Kind { expected, found: describe(&value) })
                    })?;
                    self.charge(code.at, text.len())?;
                    out.push_str(&text);
                }
            }
        }
        Ok(out)
    }

    fn step(
        &mut self,
        value: &Cow<'a, Json>,
        step: &Step,
        is_header: bool,
    ) -> Result<Cow<'a, Json>, EvalError> {
        if value.is_null() && step.optional {
            return Ok(Cow::Borrowed(NULL));
        }
        let index = match &step.key {
            Key::Field(_) => None,
            Key::Index(index) => Some(self.node(index)?),
        };
        let name = match (&step.key, index.as_deref()) {
            (Key::Field(name), _) => Some(Cow::Borrowed(name.as_str())),
            (_, Some(Json::String(name))) if value.is_object() => Some(Cow::Owned(name.clone())),
            _ => None,
        };
        if let Some(name) = name {
            let found = self.part(value, |value| value.get(name.as_ref()));
            return match found {
                Some(found) => self.kept(step.at, found),
                None if step.optional => Ok(Cow::Borrowed(NULL)),
                None if is_header => Err((step.at, EvalProblem::NoHeader { name: name.into_owned() })),
                None => {
                    Err((step.at, EvalProblem::NoField { field: name.into_owned(), value: describe(value) }))
                }
            };
        }
        let index = index.unwrap_or(Cow::Borrowed(NULL));
        let position = match index.as_ref() {
            Json::Number(number) => Some(number.clone()),
            Json::String(text) => number(text),
            _ => None,
        };
        let Some(position) = position else {
            let expected = "a number as index";
            return Err((step.at, EvalProblem::Kind { expected, found: describe(&index) }));
        };
        let usable = position.as_u64().and_then(|position| usize::try_from(position).ok());
        let found = usable.and_then(|position| self.part(value, |value| value.get(position)));
        match found {
            Some(found) => self.kept(step.at, found),
            None if step.optional => Ok(Cow::Borrowed(NULL)),
            None => {
                let index = position.to_string();
                Err((step.at, EvalProblem::NoElement { index, value: describe(value) }))
            }
        }
    }

    /// A part of a value: borrowed if the value is, otherwise copied.
    #[expect(clippy::unused_self, reason = "ties the lifetime of the part to the environment")]
    fn part(
        &self,
        value: &Cow<'a, Json>,
        get: impl for<'b> Fn(&'b Json) -> Option<&'b Json>,
    ) -> Option<Cow<'a, Json>> {
        match value {
            Cow::Borrowed(value) => get(value).map(Cow::Borrowed),
            Cow::Owned(value) => get(value).cloned().map(Cow::Owned),
        }
    }

    fn kept(&mut self, at: At, value: Cow<'a, Json>) -> Result<Cow<'a, Json>, EvalError> {
        if let Cow::Owned(value) = &value {
            self.charge(at, size(value))?;
        }
        Ok(value)
    }

    fn boolean(&mut self, node: &Node) -> Result<bool, EvalError> {
        let value = self.node(node)?;
        match value.as_ref() {
            Json::Bool(value) => Ok(*value),
            Json::String(text) if text == "true" => Ok(true),
            Json::String(text) if text == "false" => Ok(false),
            _ => Err((node.at, EvalProblem::Kind { expected: "true or false", found: describe(&value) })),
        }
    }

    /// Whether all items have this value. Stops at the first one that has another.
    fn all_are(&mut self, items: &[Node], expected: bool) -> Result<bool, EvalError> {
        for item in items {
            if self.boolean(item)? != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn compare(
        &mut self,
        at: At,
        op: Op,
        left: &Json,
        right: &Json,
        texts: (bool, bool),
    ) -> Result<bool, EvalError> {
        if left.is_null() || right.is_null() {
            if op.is_equality() {
                return Ok((left.is_null() == right.is_null()) == (op == Op::Equal));
            }
            return Err((at, incomparable(left, right)));
        }
        let ordering = match (left, right) {
            (Json::Number(a), Json::Number(b)) => compare_numbers(a, b),
            (Json::Bool(a), Json::Bool(b)) => Some(a.cmp(b)),
            (Json::String(a), Json::String(b)) => {
                self.charge(at, a.len().min(b.len()))?;
                // In 2023 every text that looks like a number was one.
                match (texts, number(a), number(b)) {
                    ((true, true), Some(a), Some(b)) => compare_numbers(&a, &b),
                    _ => Some(a.cmp(b)),
                }
            }
            (Json::String(text), Json::Number(b)) if texts.0 => {
                number(text).and_then(|a| compare_numbers(&a, b))
            }
            (Json::Number(a), Json::String(text)) if texts.1 => {
                number(text).and_then(|b| compare_numbers(a, &b))
            }
            (Json::String(text), Json::Bool(b)) if texts.0 => text.parse::<bool>().ok().map(|a| a.cmp(b)),
            (Json::Bool(a), Json::String(text)) if texts.1 => text.parse::<bool>().ok().map(|b| a.cmp(&b)),
            _ => None,
        };
        let ordering = ordering.ok_or_else(|| (at, incomparable(left, right)))?;
        Ok(match op {
            Op::Less => ordering == Ordering::Less,
            Op::LessEqual => ordering != Ordering::Greater,
            Op::Greater => ordering == Ordering::Greater,
            Op::GreaterEqual => ordering != Ordering::Less,
            Op::Equal => ordering == Ordering::Equal,
            Op::NotEqual => ordering != Ordering::Equal,
        })
    }

    /// Whether the pattern covers the value, and the variable that it binds.
    #[expect(clippy::option_option, reason = "a pattern may cover a value and bind nothing")]
    fn matches(
        &mut self,
        pattern: &Pattern,
        value: &Cow<'a, Json>,
    ) -> Result<Option<Option<Cow<'a, Json>>>, EvalError> {
        let covers = match (&pattern.kind, value.as_ref()) {
            (PatternKind::Any, _) | (PatternKind::Null, Json::Null) => true,
            (PatternKind::Bool(expected), found) => found == &Json::Bool(*expected),
            (PatternKind::Number(expected), Json::Number(found)) => {
                compare_numbers(expected, found) == Some(Ordering::Equal)
            }
            (PatternKind::Number(expected), Json::String(text)) => {
                number(text).and_then(|found| compare_numbers(expected, &found)) == Some(Ordering::Equal)
            }
            (PatternKind::String(expected), Json::String(found)) => expected == found,
            (PatternKind::Case { name, binding, wrapped }, found) => {
                return self.case(pattern.at, name, binding, *wrapped, value, found);
            }
            _ => false,
        };
        Ok(covers.then_some(None))
    }

    #[expect(clippy::option_option, reason = "a pattern may cover a value and bind nothing")]
    fn case(
        &mut self,
        at: At,
        name: &str,
        binding: &Binding,
        wrapped: bool,
        value: &Cow<'a, Json>,
        found: &Json,
    ) -> Result<Option<Option<Cow<'a, Json>>>, EvalError> {
        let tagged = found.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key(name));
        let payload = if name == "some" && !wrapped {
            if found.is_null() {
                return Ok(None);
            }
            Some(value.clone())
        } else if tagged {
            self.part(value, |value| value.get(name))
        } else if found.as_str() == Some(name) {
            Some(Cow::Borrowed(NULL))
        } else {
            return Ok(None);
        };
        let payload = payload.unwrap_or(Cow::Borrowed(NULL));
        Ok(Some(match binding {
            Binding::Named(_) => Some(self.kept(at, payload)?),
            Binding::Absent | Binding::Ignored => None,
        }))
    }
}

/// Approximate bytes of a value.
fn size(value: &Json) -> usize {
    8 + match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
    }
}

fn incomparable(left: &Json, right: &Json) -> EvalProblem {
    EvalProblem::Incomparable { left: describe(left), right: describe(right) }
}

/// The order of two numbers, exact for integers.
fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    let integer = |n: &Number| n.as_u64().map(i128::from).or_else(|| n.as_i64().map(i128::from));
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// The text of a scalar, as it stands in a text.
pub(crate) fn text_of(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        Json::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Bytes of a value in a message, at most.
const VALUE_BYTES_MAX: usize = 100;

/// The value in a message.
pub(crate) fn describe(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("a list of {} elements", items.len()),
        Json::Object(fields) if fields.is_empty() => "an object without fields".to_owned(),
        Json::Object(fields) => {
            let names = fields.keys().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            golem_model::excerpt(VALUE_BYTES_MAX, format_args!("an object with the fields {names}"))
        }
        scalar => golem_model::excerpt(VALUE_BYTES_MAX, format_args!("{scalar}")),
    }
}

//! Resolves the names of an expression and computes its type.

use super::ast::{At, Key, Kind, Node, Op, Pattern, Piece, Root, Step};
use super::cases::{Cover, pattern_type};
use super::ty::Ty;
use crate::limits::CHECK_STEPS_MAX;
use golem_model::Type;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The expression has no type, or a type that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeProblem {
    /// The name is not defined.
    #[error("unknown name `{name}`{hint}")]
    UnknownName {
        /// The name.
        name: String,
        /// What may be meant.
        hint: String,
    },
    /// `request` or `worker` stands alone, or is followed by an unknown part.
    #[error("`{base}` has no part `{part}`; it has {known}")]
    UnknownPart {
        /// `request` or `worker`.
        base: &'static str,
        /// The part, empty if there is none.
        part: String,
        /// The parts that exist.
        known: &'static str,
    },
    /// The expression is evaluated before the worker is called.
    #[error("the worker's response is not known here; it can be used in `response` only")]
    NoResponse,
    /// The function has no result.
    #[error("the function has no result, so `{name}` is empty")]
    NoResult {
        /// What was written.
        name: &'static str,
    },
    /// The variable is not declared in the path of the route.
    #[error("the path of the route declares no variable `{name}`{hint}")]
    UnknownVariable {
        /// The name.
        name: String,
        /// How to declare it.
        hint: String,
    },
    /// The record type has no such field.
    #[error("no field `{field}` in {ty}")]
    NoField {
        /// The field.
        field: String,
        /// The type.
        ty: String,
    },
    /// The type has no parts of this kind.
    #[error("{ty} has no {part}{hint}")]
    NoParts {
        /// The type.
        ty: String,
        /// `fields` or `elements`.
        part: &'static str,
        /// What may be meant.
        hint: &'static str,
    },
    /// The constant index is beyond the end.
    #[error("no element {index}; there are {length}")]
    NoElement {
        /// The index.
        index: String,
        /// The number of elements.
        length: usize,
    },
    /// The value may be absent.
    #[error("{what} may be absent (it is {ty}); access it with `?.`, or write a default after it: ?? …")]
    MayBeAbsent {
        /// The expression's role.
        what: &'static str,
        /// Its type.
        ty: String,
    },
    /// The type is not the one that is needed.
    #[error("expected {expected}, found {found}{hint}")]
    Mismatch {
        /// What is needed.
        expected: String,
        /// The type that the expression has.
        found: String,
        /// What may be meant.
        hint: &'static str,
    },
    /// The two sides cannot be compared.
    #[error("cannot compare {left} with {right} by {op}")]
    Incomparable {
        /// The type of the left side.
        left: String,
        /// The type of the right side.
        right: String,
        /// The operator.
        op: &'static str,
    },
    /// The branches of a condition have different types.
    #[error("the branches have different types: {first} and {second}")]
    Branches {
        /// The type of the branches before.
        first: String,
        /// The type of this branch.
        second: String,
    },
    /// The pattern does not occur in the type.
    #[error("{ty} has no case `{pattern}`{hint}")]
    NoCase {
        /// The type.
        ty: String,
        /// The pattern.
        pattern: String,
        /// What may be meant.
        hint: &'static str,
    },
    /// The case has no payload.
    #[error("the case `{name}` has no payload; write it without parentheses")]
    NoPayload {
        /// The case.
        name: String,
    },
    /// The expression does not fit a parameter or another place with a type.
    #[error("{target}{path} needs {expected}, found {found}{hint}")]
    DoesNotFit {
        /// The place that has the type.
        target: String,
        /// The part of the value, such as `.items[0]`.
        path: String,
        /// The type of the part.
        expected: String,
        /// The type that the expression has there.
        found: String,
        /// What may be meant.
        hint: &'static str,
    },
    /// The constant is not a value of the type.
    #[error("{0}")]
    Constant(String),
    /// The types are too large.
    #[error(
        "checking this expression takes too many steps, because the types of the template have too many fields or cases; divide it"
    )]
    TooManySteps,
    /// The match does not cover every value.
    #[error("the match does not cover {missing}; add this case, or `_ => …`")]
    NotCovered {
        /// The cases that are not covered.
        missing: String,
    },
    /// An earlier arm covers the pattern.
    #[error("this case is never reached, because an earlier one covers it")]
    NotReached,
}

/// A problem and its place.
pub(crate) type TypeError = (At, TypeProblem);

/// What an expression can refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'a> {
    /// The variables of the path and the query, with their types.
    pub(crate) path: &'a [(String, Ty)],
    /// Those of the query.
    pub(crate) query: &'a [(String, Ty)],
    /// The result of the function, where a response exists.
    #[expect(clippy::option_option, reason = "a response may be unknown, and a function may have no result")]
    pub(crate) response: Option<Option<&'a Type>>,
}

/// What an expression refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Uses {
    /// Names of variables of path and query.
    pub(crate) variables: BTreeSet<String>,
    /// All variables, as a record.
    pub(crate) all_variables: bool,
    pub(crate) headers: bool,
    pub(crate) body: bool,
    pub(crate) response: bool,
    /// Any part of the request.
    pub(crate) request: bool,
}

/// Resolves the names in `node` and returns its type.
pub(crate) fn check(node: &mut Node, scope: &Scope<'_>, uses: &mut Uses) -> Result<Ty, TypeError> {
    Checker { scope, uses, locals: Vec::new(), steps: CHECK_STEPS_MAX }.node(node)
}

struct Checker<'a> {
    scope: &'a Scope<'a>,
    uses: &'a mut Uses,
    locals: Vec<(String, Ty)>,
    /// Fields and cases that may still be looked at.
    steps: usize,
}

const REQUEST_PARTS: &str = "path, query, headers and body, such as request.path.user-id";
const WORKER_PARTS: &str = "response (the list of results) and result (the one result)";

impl Checker<'_> {
    fn node(&mut self, node: &mut Node) -> Result<Ty, TypeError> {
        let at = node.at;
        Ok(match &mut node.kind {
            Kind::Null => Ty::Null,
            Kind::Bool(_) => Ty::Bool,
            Kind::Number(_) => Ty::Number,
            Kind::String(_) => Ty::String,
            Kind::Text(_) => Ty::Text,
            Kind::Concat(pieces) => {
                for piece in pieces {
                    if let Piece::Code(code) = piece {
                        let ty = self.node(code)?;
                        require_scalar(code.at, &ty, "a number, a boolean or a text as a part of a text")?;
                    }
                }
                Ty::String
            }
            Kind::List(items) => {
                Ty::Tuple(items.iter_mut().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            Kind::Record(fields) => {
                let fields = fields.iter_mut().map(|(name, value)| Ok((name.clone(), self.node(value)?)));
                Ty::Record(fields.collect::<Result<_, _>>()?)
            }
            Kind::Name(_) | Kind::Root(_) => {
                let mut steps = Vec::new();
                self.base(node, &mut steps)?
            }
            Kind::Path { base, steps } => {
                let mut ty = match base.kind {
                    Kind::Name(_) => self.base(base, steps)?,
                    _ => self.node(base)?,
                };
                let is_headers = base.kind == Kind::Root(Root::Headers);
                for (i, step) in steps.iter_mut().enumerate() {
                    if let (0, true, Key::Field(name)) = (i, is_headers, &mut step.key) {
                        name.make_ascii_lowercase();
                    }
                    ty = self.step(&ty, step)?;
                }
                ty
            }
            Kind::Default(items) => self.default(items)?,
            Kind::Not(inner) => self.boolean(inner)?,
            Kind::And(items) | Kind::Or(items) => {
                for item in items {
                    self.boolean(item)?;
                }
                Ty::Bool
            }
            Kind::Compare { op, left, right, texts } => {
                let (left, right) = (self.node(left)?, self.node(right)?);
                *texts = (left == Ty::Text, right == Ty::Text);
                comparable(at, *op, &left, &right)?;
                Ty::Bool
            }
            Kind::If { branches, otherwise } => {
                let mut all: Option<Ty> = None;
                for (condition, then) in branches {
                    self.boolean(condition)?;
                    let ty = self.node(then)?;
                    all = Some(branch(all, ty, then.at)?);
                }
                let ty = self.node(otherwise)?;
                branch(all, ty, otherwise.at)?
            }
            Kind::Match { subject, arms } => self.matching(at, subject, arms)?,
        })
    }

    /// Resolves the name at the beginning of a path. Removes the steps that belong to the name.
    fn base(&mut self, base: &mut Node, steps: &mut Vec<Step>) -> Result<Ty, TypeError> {
        let at = base.at;
        let Kind::Name(name) = &base.kind else { return self.node(base) };
        if let Some(local) = self.locals.iter().rposition(|(local, _)| local == name) {
            base.kind = Kind::Root(Root::Local(local));
            return Ok(self.locals[local].1.clone());
        }
        let part = match (name.as_str(), steps.first().map(|step| &step.key)) {
            // A step of `request` and `worker` is no access to a value, so `?.` means the same.
            ("request" | "worker", Some(Key::Field(part))) => part.clone(),
            _ => String::new(),
        };
        let root = match (name.as_str(), part.as_str()) {
            ("request", "path") | ("path", _) => Root::Path,
            ("request", "query") | ("query", _) => Root::Query,
            ("request", "headers" | "header") => Root::Headers,
            ("request", "body") => Root::Body,
            ("worker", "response") => Root::Response,
            ("worker", "result") => Root::Result,
            ("request", _) => {
                return Err((at, TypeProblem::UnknownPart { base: "request", part, known: REQUEST_PARTS }));
            }
            ("worker", _) => {
                return Err((at, TypeProblem::UnknownPart { base: "worker", part, known: WORKER_PARTS }));
            }
            _ => {
                let hint = match name.as_str() {
                    "response" | "result" => format!("; write worker.{name}"),
                    "body" | "headers" | "header" => format!("; write request.{name}"),
                    _ => format!("; known are request, worker and path; write a text as \"{name}\""),
                };
                return Err((at, TypeProblem::UnknownName { name: name.clone(), hint }));
            }
        };
        if !part.is_empty() {
            steps.remove(0);
        }
        let ty = self.root(root, at, steps)?;
        base.kind = Kind::Root(root);
        Ok(ty)
    }

    fn root(&mut self, root: Root, at: At, steps: &[Step]) -> Result<Ty, TypeError> {
        let field = match steps.first() {
            Some(Step { key: Key::Field(name), .. }) => Some(name),
            _ => None,
        };
        self.uses.request |= !matches!(root, Root::Response | Root::Result);
        match root {
            Root::Path | Root::Query => {
                let variables = if root == Root::Path { self.scope.path } else { self.scope.query };
                match field {
                    Some(name) if variables.iter().any(|(known, _)| known == name) => {
                        self.uses.variables.insert(name.clone());
                    }
                    Some(name) => {
                        let hint = match root {
                            Root::Path => {
                                format!("; declare it as {{{name}}}, or as ?{{{name}}} in the query")
                            }
                            _ => format!("; declare it as ?{{{name}}} at the end of the path"),
                        };
                        return Err((at, TypeProblem::UnknownVariable { name: name.clone(), hint }));
                    }
                    None => self.uses.all_variables = true,
                }
                Ok(Ty::Record(variables.to_vec()))
            }
            Root::Headers => {
                self.uses.headers = true;
                Ok(Ty::Map(Arc::new(Ty::Text)))
            }
            Root::Body => {
                self.uses.body = true;
                Ok(Ty::Any)
            }
            Root::Response | Root::Result => {
                let result = self.scope.response.ok_or((at, TypeProblem::NoResponse))?;
                self.uses.response = true;
                match (root, result) {
                    (Root::Response, result) => {
                        Ok(Ty::Tuple(result.into_iter().cloned().map(Ty::Typed).collect()))
                    }
                    (_, Some(result)) => Ok(Ty::Typed(result.clone())),
                    (_, None) => Err((at, TypeProblem::NoResult { name: "worker.result" })),
                }
            }
            Root::Local(local) => Ok(self.locals[local].1.clone()),
        }
    }

    /// Charges a search among the fields or cases of a type.
    fn charge(&mut self, at: At, ty: &Ty) -> Result<(), TypeError> {
        let cost = match ty {
            Ty::Typed(Type::Record(fields)) => fields.len(),
            Ty::Typed(Type::Tuple(items)) => items.len(),
            Ty::Typed(Type::Variant(cases)) => cases.len(),
            Ty::Typed(Type::Enum(cases)) => cases.len(),
            _ => 1,
        };
        self.steps = self.steps.checked_sub(cost).ok_or((at, TypeProblem::TooManySteps))?;
        Ok(())
    }

    fn step(&mut self, ty: &Ty, step: &mut Step) -> Result<Ty, TypeError> {
        let at = step.at;
        let (inner, absent) = match ty.view() {
            Ty::Option(inner) => (inner.view(), true),
            Ty::Null => {
                return if step.optional { Ok(Ty::Null) } else { Err((at, may_be_absent("the value", ty))) };
            }
            view => (view, false),
        };
        if absent && !step.optional {
            return Err((at, may_be_absent("the value", ty)));
        }
        self.charge(at, &inner)?;
        let found = match &mut step.key {
            Key::Field(name) => match &inner {
                Ty::Typed(Type::Record(fields)) => match fields.iter().find(|(field, _)| field == name) {
                    Some((_, ty)) => Ty::Typed(ty.clone()),
                    None => {
                        return Err((
                            at,
                            TypeProblem::NoField { field: name.clone(), ty: inner.to_string() },
                        ));
                    }
                },
                Ty::Any => Ty::Any,
                Ty::Map(inner) if step.optional => inner.as_ref().clone().option(),
                Ty::Map(inner) => inner.as_ref().clone(),
                Ty::Record(fields) => match fields.iter().find(|(field, _)| field == name) {
                    Some((_, ty)) => ty.clone(),
                    None => {
                        return Err((
                            at,
                            TypeProblem::NoField { field: name.clone(), ty: inner.to_string() },
                        ));
                    }
                },
                Ty::Typed(Type::Result { ok, err }) if matches!(name.as_str(), "ok" | "err") => {
                    step.optional = true;
                    payload(if name == "ok" { ok.as_deref() } else { err.as_deref() }).option()
                }
                Ty::Typed(Type::Variant(cases)) => match cases.iter().find(|(case, _)| case == name) {
                    Some((_, ty)) => {
                        step.optional = true;
                        payload(ty.as_ref()).option()
                    }
                    None => {
                        return Err((
                            at,
                            TypeProblem::NoField { field: name.clone(), ty: inner.to_string() },
                        ));
                    }
                },
                _ => {
                    let hint = match &inner {
                        Ty::Tuple(items) if items.len() == 1 => {
                            "; it is a list with one element, so write [0] before the field"
                        }
                        Ty::Typed(Type::Result { .. }) => "; it has .ok and .err, or use `match`",
                        _ => "",
                    };
                    return Err((at, TypeProblem::NoParts { ty: inner.to_string(), part: "fields", hint }));
                }
            },
            Key::Index(index) => {
                let index_ty = self.node(index)?;
                let is_index = match index_ty.view() {
                    Ty::Any | Ty::Text | Ty::Number => true,
                    // The name of a field of the body.
                    Ty::String => inner == Ty::Any,
                    _ => false,
                };
                if !is_index {
                    let (expected, found) = ("a number as index".to_owned(), index_ty.to_string());
                    return Err((index.at, TypeProblem::Mismatch { expected, found, hint: "" }));
                }
                match &inner {
                    Ty::Any => Ty::Any,
                    Ty::List(item) if step.optional => item.as_ref().clone().option(),
                    Ty::List(item) => item.as_ref().clone(),
                    Ty::Tuple(items) => element(at, items, index, step.optional)?,
                    Ty::Typed(Type::Tuple(items)) => {
                        let items: Vec<Ty> = items.iter().cloned().map(Ty::Typed).collect();
                        element(at, &items, index, step.optional)?
                    }
                    _ => {
                        return Err((
                            at,
                            TypeProblem::NoParts { ty: inner.to_string(), part: "elements", hint: "" },
                        ));
                    }
                }
            }
        };
        Ok(if absent { found.option() } else { found })
    }

    fn default(&mut self, items: &mut [Node]) -> Result<Ty, TypeError> {
        let mut all: Option<Ty> = None;
        let last = items.len().saturating_sub(1);
        for (i, item) in items.iter_mut().enumerate() {
            let ty = self.node(item)?;
            let present = match ty.view() {
                Ty::Option(inner) if i < last => Some(inner.as_ref().clone()),
                Ty::Null if i < last => None,
                _ => Some(ty),
            };
            if let Some(ty) = present {
                all = Some(branch(all, ty, item.at)?);
            }
        }
        Ok(all.unwrap_or(Ty::Null))
    }

    fn boolean(&mut self, node: &mut Node) -> Result<Ty, TypeError> {
        let ty = self.node(node)?;
        match ty.view() {
            Ty::Bool | Ty::Any | Ty::Text => Ok(Ty::Bool),
            Ty::Option(_) => Err((node.at, may_be_absent("the condition", &ty))),
            _ => Err((
                node.at,
                TypeProblem::Mismatch { expected: "a boolean".to_owned(), found: ty.to_string(), hint: "" },
            )),
        }
    }

    fn matching(
        &mut self,
        at: At,
        subject: &mut Node,
        arms: &mut [(Pattern, Node)],
    ) -> Result<Ty, TypeError> {
        let ty = self.node(subject)?.view();
        let mut all: Option<Ty> = None;
        self.charge(at, &ty)?;
        let mut cover = Cover::of(&ty);
        for (pattern, value) in arms {
            self.charge(pattern.at, &ty)?;
            let local = pattern_type(&ty, pattern)?;
            if !cover.add(&pattern.kind) {
                return Err((pattern.at, TypeProblem::NotReached));
            }
            let depth = self.locals.len();
            self.locals.extend(local);
            let value_ty = self.node(value);
            self.locals.truncate(depth);
            all = Some(branch(all, value_ty?, value.at)?);
        }
        match (cover.missing(), all) {
            (None, Some(all)) => Ok(all),
            (missing, _) => {
                let missing = missing.unwrap_or_else(|| "every value".to_owned());
                Err((at, TypeProblem::NotCovered { missing }))
            }
        }
    }
}

fn may_be_absent(what: &'static str, ty: &Ty) -> TypeProblem {
    TypeProblem::MayBeAbsent { what, ty: ty.to_string() }
}

pub(super) fn payload(ty: Option<&Type>) -> Ty {
    ty.map_or(Ty::Null, |ty| Ty::Typed(ty.clone()))
}

fn element(at: At, items: &[Ty], index: &Node, optional: bool) -> Result<Ty, TypeError> {
    if let Kind::Number(number) = &index.kind {
        let found = number.as_u64().and_then(|i| items.get(usize::try_from(i).ok()?));
        return match found {
            Some(ty) => Ok(ty.clone()),
            None if optional => Ok(Ty::Null),
            None => Err((at, TypeProblem::NoElement { index: number.to_string(), length: items.len() })),
        };
    }
    let mut all = items.iter().cloned();
    let Some(first) = all.next() else {
        return Err((at, TypeProblem::NoElement { index: "at any index".to_owned(), length: 0 }));
    };
    let item = all.try_fold(first, |all, item| {
        all.join(&item)
            .ok_or_else(|| (at, TypeProblem::Branches { first: all.to_string(), second: item.to_string() }))
    })?;
    Ok(if optional { item.option() } else { item })
}

fn branch(all: Option<Ty>, ty: Ty, at: At) -> Result<Ty, TypeError> {
    match all {
        None => Ok(ty),
        Some(all) => all
            .join(&ty)
            .ok_or_else(|| (at, TypeProblem::Branches { first: all.to_string(), second: ty.to_string() })),
    }
}

/// Requires a value that can stand in a text.
pub(crate) fn require_scalar(at: At, ty: &Ty, expected: &str) -> Result<(), TypeError> {
    if ty.is_scalar() {
        return Ok(());
    }
    Err((
        at,
        match ty.view() {
            Ty::Option(_) | Ty::Null => may_be_absent("the value", ty),
            _ => TypeProblem::Mismatch { expected: expected.to_owned(), found: ty.to_string(), hint: "" },
        },
    ))
}

fn comparable(at: At, op: Op, left: &Ty, right: &Ty) -> Result<(), TypeError> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Any,
        Text,
        Bool,
        Number,
        String,
        Null,
        Other,
    }
    fn class(ty: &Ty) -> Class {
        match ty.view() {
            Ty::Any => Class::Any,
            Ty::Text => Class::Text,
            Ty::Bool => Class::Bool,
            Ty::Number | Ty::Typed(Type::F32 | Type::F64) => Class::Number,
            Ty::String | Ty::Typed(Type::Enum(_)) => Class::String,
            Ty::Null => Class::Null,
            _ => Class::Other,
        }
    }
    // An absent value is unequal to every value that is present.
    let optional = |ty: &Ty| match ty.view() {
        Ty::Option(inner) => (class(&inner), true),
        _ => (class(ty), false),
    };
    let ((a, a_optional), (b, b_optional)) = (optional(left), optional(right));
    let null_test = op.is_equality()
        && match (a, b) {
            (Class::Null, _) => b_optional || matches!(b, Class::Any | Class::Null),
            (_, Class::Null) => a_optional || a == Class::Any,
            _ => false,
        };
    let fits = match (a, b) {
        (Class::Null | Class::Other, _) | (_, Class::Null | Class::Other) => false,
        (Class::Bool, Class::Bool) => op.is_equality(),
        (Class::Any | Class::Text, _) | (_, Class::Any | Class::Text) => true,
        (a, b) => a == b,
    };
    let absent = (a_optional || b_optional) && !op.is_equality();
    if null_test || (fits && !absent) {
        return Ok(());
    }
    if fits {
        return Err((at, may_be_absent("a side of the comparison", if a_optional { left } else { right })));
    }
    let (left, right) = (left.to_string(), right.to_string());
    Err((at, TypeProblem::Incomparable { left, right, op: op.symbol() }))
}

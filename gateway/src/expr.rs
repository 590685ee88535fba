//! Expressions: text with placeholders `${…}` that compute a value from a request and the response of a worker.
//!
//! An expression is parsed, checked against the types of a template, and then evaluated for each request.
//!
//! | module | contains |
//! |---|---|
//! | `ast` | the tree |
//! | `lex`, `parse`, `print` | text to tree, and back |
//! | `ty` | types, and how they fit those of a template |
//! | `check`, `cases` | names and types; the cases of a match |
//! | `eval` | values |
//!
//! Invariant: a checked expression evaluates to a value of its type, or fails with an error that names the place; it
//! never panics (property tests in `tests`).

pub(crate) mod ast;
mod cases;
mod check;
mod eval;
mod lex;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod ty;

pub use check::TypeProblem;
pub use eval::EvalProblem;
pub use parse::SyntaxProblem;

pub(crate) use check::{Scope, Uses};
pub(crate) use eval::{Env, text_of};
pub(crate) use print::is_name;
pub(crate) use ty::{Ty, scalar};

use ast::{At, Key, Kind, Node, Root};
use golem_model::Type;
use serde_json::Value as Json;
use std::fmt;

/// An error in an expression, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError<P> {
    /// The path of the text inside the JSON of the expression, such as `[0].name`; empty if the expression is one text.
    pub path: String,
    /// The line in the text, from 1.
    pub line: u32,
    /// The column in the line, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub problem: P,
}

impl<P: fmt::Display> fmt::Display for ExprError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}: {}", self.column, self.problem)
    }
}

impl<P: fmt::Display + fmt::Debug> std::error::Error for ExprError<P> {}

/// Why an expression does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileProblem {
    /// The text is not well-formed.
    #[error(transparent)]
    Syntax(#[from] SyntaxProblem),
    /// The expression has no type, or another than its place needs.
    #[error(transparent)]
    Type(#[from] TypeProblem),
}

/// Formats the text of an expression: one spelling of each operator, and white space and parentheses where they are
/// needed. The result means the same.
pub fn format(text: &str) -> Result<String, ExprError<SyntaxProblem>> {
    let (leaves, node) = parse::parse_json(&Json::String(text.to_owned()));
    node.map(|node| print::template(&node)).map_err(|(at, problem)| locate(&leaves, at, problem))
}

/// A part of the request's body, and the type that it must have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BodyPart {
    /// The fields from the body to the part.
    pub(crate) path: Vec<String>,
    pub(crate) ty: Type,
    pub(crate) required: bool,
}

/// The recursion is that of the tree, which the parser bounds.
fn body_parts(node: &Node, target: &Type, parts: &mut Vec<BodyPart>) {
    let mut part = |path, required| parts.push(BodyPart { path, ty: target.clone(), required });
    match (&node.kind, target) {
        (Kind::Root(Root::Body), _) => part(Vec::new(), true),
        (Kind::Path { base, steps }, _) if base.kind == Kind::Root(Root::Body) => {
            let path: Option<Vec<String>> = steps
                .iter()
                .map(|step| match &step.key {
                    Key::Field(name) => Some(name.clone()),
                    Key::Index(_) => None,
                })
                .collect();
            if let Some(path) = path {
                part(path, !steps.iter().any(|step| step.optional));
            }
        }
        (Kind::Default(items), _) => items.iter().for_each(|item| body_parts(item, target, parts)),
        (Kind::Record(fields), Type::Record(types)) => {
            for (name, field) in fields {
                if let Some((_, ty)) = types.iter().find(|(known, _)| known == name) {
                    body_parts(field, ty, parts);
                }
            }
        }
        (Kind::List(items), Type::List(ty)) => items.iter().for_each(|item| body_parts(item, ty, parts)),
        (Kind::List(items), Type::Tuple(types)) => {
            items.iter().zip(types.iter()).for_each(|(item, ty)| body_parts(item, ty, parts));
        }
        _ => {}
    }
}

/// A checked expression.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    node: Node,
    ty: Ty,
    leaves: Vec<String>,
    uses: Uses,
}

fn locate<P>(leaves: &[String], at: At, problem: P) -> ExprError<P> {
    let path = leaves.get(at.leaf as usize).cloned().unwrap_or_default();
    ExprError { path, line: at.line, column: at.column, problem }
}

impl Expr {
    /// Parses and checks an expression.
    pub(crate) fn compile(json: &Json, scope: &Scope<'_>) -> Result<Self, ExprError<CompileProblem>> {
        let (leaves, node) = parse::parse_json(json);
        let mut node = node.map_err(|(at, problem)| locate(&leaves, at, problem.into()))?;
        let mut uses = Uses::default();
        let ty = check::check(&mut node, scope, &mut uses);
        let ty = ty.map_err(|(at, problem)| locate(&leaves, at, problem.into()))?;
        Ok(Self { node, ty, leaves, uses })
    }

    pub(crate) const fn uses(&self) -> &Uses {
        &self.uses
    }

    pub(crate) const fn ty(&self) -> &Ty {
        &self.ty
    }

    /// The parts of the request's body that become a value of type `target` or a part of it, with their types.
    pub(crate) fn body_parts(&self, target: &Type) -> Vec<BodyPart> {
        let mut parts = Vec::new();
        body_parts(&self.node, target, &mut parts);
        parts
    }

    fn error(&self, problem: TypeProblem) -> ExprError<CompileProblem> {
        locate(&self.leaves, self.node.at, problem.into())
    }

    /// Whether the value depends on nothing.
    pub(crate) const fn is_constant(&self) -> bool {
        !self.uses.request && !self.uses.response
    }

    /// The value, if it depends on nothing.
    pub(crate) fn constant(&self) -> Option<Json> {
        let none = &Json::Null;
        let env = Env { path: none, query: none, headers: none, body: none, response: none };
        if self.is_constant() { eval::eval(&self.node, env).ok() } else { None }
    }

    /// Requires that the value fits `target`, the type of the place `name`. A constant is also converted.
    pub(crate) fn require(&self, name: &str, target: &Type) -> Result<(), ExprError<CompileProblem>> {
        self.ty.fits(target).map_err(|mismatch| {
            self.error(TypeProblem::DoesNotFit {
                target: name.to_owned(),
                path: mismatch.path,
                expected: mismatch.expected,
                found: mismatch.found,
                hint: mismatch.hint,
            })
        })?;
        if let Some(mut value) = self.constant() {
            self.ty.convert(target, &mut value);
            golem_model::value::json::from_json(target, &value, name)
                .map_err(|error| self.error(TypeProblem::Constant(error.to_string())))?;
        }
        Ok(())
    }

    /// Requires a number, a boolean or a text.
    pub(crate) fn require_scalar(&self, expected: &str) -> Result<(), ExprError<CompileProblem>> {
        check::require_scalar(self.node.at, &self.ty, expected)
            .map_err(|(at, problem)| locate(&self.leaves, at, problem.into()))
    }

    /// The value for a request.
    pub(crate) fn value(&self, env: Env<'_>) -> Result<Json, ExprError<EvalProblem>> {
        eval::eval(&self.node, env).map_err(|(at, problem)| locate(&self.leaves, at, problem))
    }

    /// The value, with texts converted to what `target` expects.
    pub(crate) fn value_for(&self, target: &Type, env: Env<'_>) -> Result<Json, ExprError<EvalProblem>> {
        let mut value = self.value(env)?;
        self.ty.convert(target, &mut value);
        Ok(value)
    }
}

//! The tree of an expression.

use serde_json::Number;

/// A place in the text of an expression.
///
/// A JSON structure contains several texts; `leaf` is the number of the text, in the order of the structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct At {
    pub(crate) leaf: u32,
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
}

/// A part of an expression with its place. Equality ignores the place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) kind: Kind,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What a part of an expression is.
///
/// Chains (`a && b && c`, `else if`, `a ?? b ?? c`, `a.b.c`) are lists, so the depth of the tree is the nesting that the
/// parser has counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `none` or `null`.
    Null,
    Bool(bool),
    Number(Number),
    /// A string literal inside `${…}`.
    String(String),
    /// Text outside `${…}`. It converts to a number or a boolean where one is expected.
    Text(String),
    /// Text with placeholders. Its value is a string.
    Concat(Vec<Piece>),
    List(Vec<Node>),
    Record(Vec<(String, Node)>),
    /// A name as it was written. The checker replaces it with [`Kind::Root`].
    Name(String),
    /// A resolved name.
    Root(Root),
    Path {
        base: Box<Node>,
        steps: Vec<Step>,
    },
    /// The first value that is present.
    Default(Vec<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare {
        op: Op,
        left: Box<Node>,
        right: Box<Node>,
        /// Whether each side is text of the request, which is converted to the type of the other side. Set by the
        /// checker.
        texts: (bool, bool),
    },
    If {
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
    },
    Match {
        subject: Box<Node>,
        arms: Vec<(Pattern, Node)>,
    },
}

/// A part of [`Kind::Concat`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Code(Node),
}

/// A value that an expression can start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// Variables of path and query.
    Path,
    /// Variables of the query.
    Query,
    Headers,
    Body,
    /// The list of results.
    Response,
    /// The one result.
    Result,
    /// The variable of a match arm, counted from the outermost.
    Local(usize),
}

/// An access to a part of a value.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at: At,
    /// `?.` or `?[`: a missing part is `none`.
    pub(crate) optional: bool,
    pub(crate) key: Key,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.optional == other.optional && self.key == other.key
    }
}

/// Which part of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Field(String),
    Index(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Op {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    pub(crate) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// The left side of a match arm.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) at: At,
    pub(crate) kind: PatternKind,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PatternKind {
    /// `_`
    Any,
    /// `none`
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    /// `ok(x)`, `some(x)`, `case`, `case(x)`.
    Case {
        name: String,
        binding: Binding,
        /// The JSON of the case is always `{"name": payload}`. Set by the checker.
        wrapped: bool,
    },
}

/// What a case pattern does with the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Binding {
    /// `case`
    Absent,
    /// `case(_)` or `case()`
    Ignored,
    /// `case(x)`
    Named(String),
}

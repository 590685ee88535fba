//! A worker's interface after checking: everything in here can be expressed in WIT.

use syn::Ident;

/// A worker made of a module.
#[derive(Debug)]
pub(crate) struct Worker {
    /// `namespace:name`, perhaps with `@version`.
    pub(crate) package: Package,
    /// The exported interface.
    pub(crate) interface: String,
    /// The module's doc comment.
    pub(crate) docs: Vec<String>,
    /// What survives between calls, if anything does.
    pub(crate) state: Option<State>,
    /// The exported functions, in the order of the source.
    pub(crate) functions: Vec<Function>,
    /// The types that they use, each after those that it uses itself. [`Type::Named`] points here.
    pub(crate) types: Vec<TypeDef>,
}

/// A WIT package's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

/// The state's type and how the first value of it is made.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ident: Ident,
    /// `new()`, otherwise `default()`.
    pub(crate) has_new: bool,
    /// How it is saved, if it is.
    pub(crate) save: Option<SaveOptions>,
}

/// How a state is saved and loaded.
#[derive(Debug)]
pub(crate) struct SaveOptions {
    /// The version of its shape.
    pub(crate) version: u32,
    /// Whether it has a function `migrate` for other versions.
    pub(crate) has_migrate: bool,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    pub(crate) receiver: Receiver,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Option<Type>,
}

/// How a function meets the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Not at all: a function of the module.
    None,
    /// `&self`
    Shared,
    /// `&mut self`
    Exclusive,
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) wit: String,
    pub(crate) ty: Type,
}

/// A type in WIT's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// `bool`, `u8` … `string`: the WIT spelling.
    Primitive(&'static str),
    List(Box<Type>),
    Option(Box<Type>),
    /// `None` is `()`.
    Result(Option<Box<Type>>, Option<Box<Type>>),
    Tuple(Vec<Type>),
    /// Index into [`Worker::types`].
    Named(usize),
}

#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) ident: Ident,
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Record(Vec<Field>),
    Flags(Vec<Field>),
    /// At least one case has a value.
    Variant(Vec<Case>),
    /// No case has a value.
    Enum(Vec<Case>),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    /// Always `bool` in flags.
    pub(crate) ty: Type,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) ident: Ident,
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    /// What the case carries; several values are a tuple in WIT.
    pub(crate) values: Vec<Type>,
}

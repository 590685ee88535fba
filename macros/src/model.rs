//! A worker's interface after the checks: everything in it can be expressed in WIT.

use syn::Ident;

/// A worker that a module defines.
#[derive(Debug)]
pub(crate) struct Worker {
    /// `namespace:name`, perhaps with `@version`.
    pub(crate) package: Package,
    /// The exported interface.
    pub(crate) interface: String,
    /// The module's doc comment.
    pub(crate) docs: Vec<String>,
    /// The state, if the worker has one.
    pub(crate) state: Option<State>,
    /// The exported functions, in the order of the source.
    pub(crate) functions: Vec<Function>,
    /// The types that the functions use. Each type follows the types that it refers to. [`Type::Named`] is an index
    /// into this list.
    pub(crate) types: Vec<TypeDef>,
}

/// A WIT package's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

/// The state's type, and how its first value is created.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ident: Ident,
    /// Whether the first value is created by `new()`; otherwise by `default()`.
    pub(crate) has_new: bool,
    /// How the state is saved, if it can be saved.
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

/// An exported function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) ident: Ident,
    /// Its name in WIT.
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    pub(crate) receiver: Receiver,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Option<Type>,
}

/// How a function accesses the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Not at all: it is a function of the module.
    None,
    /// `&self`
    Shared,
    /// `&mut self`
    Exclusive,
}

/// A parameter of a function.
#[derive(Debug)]
pub(crate) struct Param {
    /// Its name in WIT.
    pub(crate) wit: String,
    pub(crate) ty: Type,
}

/// A WIT type.
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

/// A named type that the module defines.
#[derive(Debug)]
pub(crate) struct TypeDef {
    pub(crate) ident: Ident,
    /// Its name in WIT.
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    pub(crate) kind: Kind,
}

/// The definition of a named type.
#[derive(Debug)]
pub(crate) enum Kind {
    Record(Vec<Field>),
    Flags(Vec<Field>),
    /// At least one case has a value.
    Variant(Vec<Case>),
    /// No case has a value.
    Enum(Vec<Case>),
}

/// A field of a record, or a flag.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    /// Its name in WIT.
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    /// Always `bool` in flags.
    pub(crate) ty: Type,
}

/// A case of a variant or an enum.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) ident: Ident,
    /// Its name in WIT.
    pub(crate) wit: String,
    pub(crate) docs: Vec<String>,
    /// The values of the case. Several values are one tuple in WIT.
    pub(crate) values: Vec<Type>,
}

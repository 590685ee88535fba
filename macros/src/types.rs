//! Converts Rust types to WIT types.

use crate::ast::{DefinedType, Module, docs};
use crate::model::{Case, Field, Kind, Type, TypeDef};
use crate::names;
use std::collections::BTreeMap;
use syn::{Fields, GenericArgument, Ident, PathArguments, Visibility};

/// Maximum number of flags in one type. The limit is that of the component model.
const FLAGS_MAX: usize = 32;

/// Collects errors, so that all mistakes are reported at once.
#[derive(Debug, Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn at(&mut self, tokens: impl quote::ToTokens, text: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, text));
    }

    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }

    /// The kebab-case name, or a placeholder after an error.
    pub(crate) fn kebab(&mut self, ident: &Ident) -> String {
        names::kebab(ident).unwrap_or_else(|error| {
            self.push(error);
            "unnamed".to_owned()
        })
    }
}

/// The names of one scope: from the WIT name to the Rust name.
#[derive(Debug, Default)]
pub(crate) struct Scope(BTreeMap<String, String>);

impl Scope {
    /// Declares the WIT name of `ident`. A second declaration of the same WIT name is an error.
    pub(crate) fn declare(&mut self, wit: &str, ident: &Ident, errors: &mut Errors) {
        if let Some(before) = self.0.insert(wit.to_owned(), ident.to_string())
            && wit != "unnamed"
        {
            errors.at(
                ident,
                format!("in WIT, `{ident}` and `{before}` are both called `{wit}`; rename one of them"),
            );
        }
    }
}

/// Converts types, and the definitions that they refer to.
#[derive(Debug)]
pub(crate) struct Converter<'a> {
    module: &'a Module,
    pub(crate) types: Vec<TypeDef>,
    /// The converted definitions by Rust name. `None` while the fields of the type are being converted.
    converted: BTreeMap<String, Option<Type>>,
    pub(crate) errors: Errors,
}

/// Stands for a type that could not be converted and for which an error was reported.
const PLACEHOLDER_TYPE: Type = Type::Primitive("bool");

impl<'a> Converter<'a> {
    pub(crate) fn new(module: &'a Module) -> Self {
        Self { module, types: Vec::new(), converted: BTreeMap::new(), errors: Errors::default() }
    }

    fn reject(&mut self, tokens: impl quote::ToTokens, text: impl std::fmt::Display) -> Type {
        self.errors.at(tokens, text);
        PLACEHOLDER_TYPE
    }

    pub(crate) fn convert(&mut self, ty: &syn::Type) -> Type {
        match ty {
            syn::Type::Paren(inner) => self.convert(&inner.elem),
            syn::Type::Group(inner) => self.convert(&inner.elem),
            syn::Type::Path(path) if path.qself.is_none() => self.convert_path(path),
            syn::Type::Tuple(tuple) if tuple.elems.is_empty() => {
                self.reject(ty, "`()` is possible only as a result; leave it out here")
            }
            syn::Type::Tuple(tuple) => Type::Tuple(tuple.elems.iter().map(|ty| self.convert(ty)).collect()),
            syn::Type::Reference(reference) => {
                let instead = match &*reference.elem {
                    syn::Type::Path(path) if path.path.is_ident("str") => "a `String`",
                    syn::Type::Slice(_) => "a `Vec`",
                    _ => "the value itself, without `&`",
                };
                let text = "references cannot be passed, because callers have another memory";
                self.reject(ty, format!("{text}; take {instead}"))
            }
            syn::Type::Slice(_) | syn::Type::Array(_) => {
                self.reject(ty, "arrays and slices cannot be passed; use a `Vec`")
            }
            syn::Type::ImplTrait(_) | syn::Type::TraitObject(_) => {
                self.reject(ty, "callers need a concrete type; write out which one it is")
            }
            syn::Type::BareFn(_) => self.reject(ty, "functions cannot be passed to or from a worker"),
            syn::Type::Never(_) => self.reject(ty, "an exported function must return; remove `-> !`"),
            _ => self.reject(ty, "this type cannot be passed to or from a worker"),
        }
    }

    /// Converts a function's result, or one side of a `Result`. `()` becomes `None`.
    pub(crate) fn convert_or_unit(&mut self, ty: &syn::Type) -> Option<Type> {
        match ty {
            syn::Type::Tuple(tuple) if tuple.elems.is_empty() => None,
            syn::Type::Paren(inner) => self.convert_or_unit(&inner.elem),
            _ => Some(self.convert(ty)),
        }
    }

    fn convert_path(&mut self, ty: &syn::TypePath) -> Type {
        let path = &ty.path;
        let Some(last) = path.segments.last() else { return PLACEHOLDER_TYPE };
        let name = last.ident.to_string();
        let here = path.segments.len() == 1 || path.segments.len() == 2 && path.segments[0].ident == "self";
        if here && self.module.state.as_ref().is_some_and(|state| state.ident == last.ident || name == "Self")
        {
            return self
                .reject(ty, "the worker's state stays in the worker; return the part that callers need");
        }
        if here && let Some(at) = self.module.types.iter().position(|defined| *defined.ident() == last.ident)
        {
            if !last.arguments.is_empty() {
                return self
                    .reject(&last.arguments, "WIT has no user-defined generic types; write out the type");
            }
            return self.define(at, &last.ident);
        }
        let known_root = || {
            let root = path.segments[0].ident.to_string();
            matches!(root.as_str(), "std" | "core" | "alloc")
        };
        if path.segments.len() > 1 && !known_root() {
            return self.reject(
                ty,
                format!("types of other modules cannot be in this worker's WIT; define `{name}` inside the module `{}`", self.module.ident),
            );
        }
        self.convert_standard(ty, &name, &last.arguments)
    }

    fn convert_standard(&mut self, ty: &syn::TypePath, name: &str, arguments: &PathArguments) -> Type {
        if let Some(primitive) = primitive(name) {
            return match arguments {
                PathArguments::None => Type::Primitive(primitive),
                PathArguments::AngleBracketed(_) | PathArguments::Parenthesized(_) => {
                    self.reject(arguments, format!("`{name}` takes no parameters"))
                }
            };
        }
        let parameters: Vec<&syn::Type> = match arguments {
            PathArguments::AngleBracketed(list) => list
                .args
                .iter()
                .filter_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(ty),
                    _ => None,
                })
                .collect(),
            PathArguments::None | PathArguments::Parenthesized(_) => Vec::new(),
        };
        match (name, parameters.as_slice()) {
            ("Vec", [item]) => Type::List(Box::new(self.convert(item))),
            ("Option", [item]) => Type::Option(Box::new(self.convert(item))),
            ("Result", [ok, error]) => {
                let (ok, error) = (self.convert_or_unit(ok), self.convert_or_unit(error));
                Type::Result(ok.map(Box::new), error.map(Box::new))
            }
            ("Result", _) => self.reject(ty, "write out both sides: `Result<T, E>`, for example `Result<u64, String>`"),
            ("Vec" | "Option", _) => self.reject(ty, format!("`{name}` needs a type parameter: `{name}<T>`")),
            _ => match suggestion(name) {
                Some(suggestion) => self.reject(ty, format!("`{name}` has no counterpart in WIT; {suggestion}")),
                None => self.reject(
                    ty,
                    format!(
                        "callers do not know the type `{name}`; define it as a `pub struct` or `pub enum` inside the \
                         module `{}`",
                        self.module.ident
                    ),
                ),
            },
        }
    }

    /// Converts the definition at index `at` of the module's types, which the code refers to at `mention`.
    fn define(&mut self, at: usize, mention: &Ident) -> Type {
        let module = self.module;
        let defined = &module.types[at];
        let name = defined.ident().to_string();
        match self.converted.get(&name) {
            Some(Some(ty)) => return ty.clone(),
            Some(None) => {
                return self.reject(
                    mention,
                    format!(
                        "`{name}` contains itself here, but WIT has no recursive types; keep the items in a `Vec` of \
                         the parent and refer to them by index"
                    ),
                );
            }
            None => {}
        }
        self.converted.insert(name.clone(), None);
        let ty = match defined {
            DefinedType::Alias(alias) => {
                self.reject_generics(&alias.generics);
                self.convert(&alias.ty)
            }
            DefinedType::Struct { item, flags } => {
                self.require_public(&item.vis, &item.ident);
                self.reject_generics(&item.generics);
                self.reject_cfg(&item.attrs);
                let kind = if *flags { self.flags(item) } else { self.record(item) };
                self.add(&item.ident, docs(&item.attrs), kind)
            }
            DefinedType::Enum { item, flags } => {
                self.require_public(&item.vis, &item.ident);
                self.reject_generics(&item.generics);
                self.reject_cfg(&item.attrs);
                if let Some(attribute) = flags {
                    self.errors
                        .at(attribute, "flags are a struct with one `bool` field for each flag, not an enum");
                }
                let kind = self.cases(item);
                self.add(&item.ident, docs(&item.attrs), kind)
            }
        };
        self.converted.insert(name, Some(ty.clone()));
        ty
    }

    fn add(&mut self, ident: &Ident, docs: Vec<String>, kind: Kind) -> Type {
        let wit = self.errors.kebab(ident);
        self.types.push(TypeDef { ident: ident.clone(), wit, docs, kind });
        Type::Named(self.types.len() - 1)
    }

    fn require_public(&mut self, visibility: &Visibility, ident: &Ident) {
        if !matches!(visibility, Visibility::Public(_)) {
            self.errors
                .at(ident, format!("an exported function uses `{ident}`, so callers see it; make it `pub`"));
        }
    }

    fn reject_generics(&mut self, generics: &syn::Generics) {
        if !generics.params.is_empty() {
            self.errors.at(generics, "a type that callers see cannot be generic; write out the types");
        }
    }

    pub(crate) fn reject_cfg(&mut self, attributes: &[syn::Attribute]) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            self.errors.at(
                attribute,
                "the exported interface cannot depend on how the worker is compiled; remove `cfg` here",
            );
        }
    }

    fn record(&mut self, item: &syn::ItemStruct) -> Kind {
        let fields = match &item.fields {
            Fields::Named(fields) if !fields.named.is_empty() => self.fields(fields),
            Fields::Named(_) | Fields::Unit => {
                self.errors.at(
                    &item.ident,
                    "a record in WIT has at least one field; add one, or do without the struct",
                );
                Vec::new()
            }
            Fields::Unnamed(fields) => {
                self.errors.at(
                    fields,
                    format!("the fields of a record have names: `pub struct {} {{ name: … }}`", item.ident),
                );
                Vec::new()
            }
        };
        Kind::Record(fields)
    }

    fn flags(&mut self, item: &syn::ItemStruct) -> Kind {
        let Fields::Named(named) = &item.fields else {
            self.errors.at(&item.ident, "flags are a struct with one `bool` field for each flag");
            return Kind::Flags(Vec::new());
        };
        for field in &named.named {
            if !matches!(&field.ty, syn::Type::Path(path) if path.path.is_ident("bool")) {
                self.errors.at(
                    &field.ty,
                    "a flag is on or off; make this a `bool`, or the struct a record without `flags`",
                );
                return Kind::Flags(Vec::new());
            }
        }
        let fields = self.fields(named);
        if fields.is_empty() || fields.len() > FLAGS_MAX {
            self.errors.at(
                &item.ident,
                format!("a flags type has 1 to {FLAGS_MAX} flags; this one has {}", fields.len()),
            );
        }
        Kind::Flags(fields)
    }

    fn fields(&mut self, fields: &syn::FieldsNamed) -> Vec<Field> {
        let mut scope = Scope::default();
        let mut converted = Vec::new();
        for field in &fields.named {
            let Some(ident) = &field.ident else { continue };
            self.reject_cfg(&field.attrs);
            let wit = self.errors.kebab(ident);
            scope.declare(&wit, ident, &mut self.errors);
            let ty = self.convert(&field.ty);
            converted.push(Field { ident: ident.clone(), wit, docs: docs(&field.attrs), ty });
        }
        converted
    }

    fn cases(&mut self, item: &syn::ItemEnum) -> Kind {
        let mut scope = Scope::default();
        let mut cases = Vec::new();
        for variant in &item.variants {
            self.reject_cfg(&variant.attrs);
            let wit = self.errors.kebab(&variant.ident);
            scope.declare(&wit, &variant.ident, &mut self.errors);
            let values = match &variant.fields {
                Fields::Unit => Vec::new(),
                Fields::Unnamed(fields) => {
                    fields.unnamed.iter().map(|field| self.convert(&field.ty)).collect()
                }
                Fields::Named(fields) => {
                    self.errors.at(
                        fields,
                        format!(
                            "a case in WIT carries one value: define `pub struct {0} {{ … }}` and write `{0}({0})`",
                            variant.ident
                        ),
                    );
                    Vec::new()
                }
            };
            cases.push(Case { ident: variant.ident.clone(), wit, docs: docs(&variant.attrs), values });
        }
        if cases.is_empty() {
            self.errors.at(&item.ident, "an enum in WIT has at least one case; add one");
        }
        if cases.iter().all(|case| case.values.is_empty()) { Kind::Enum(cases) } else { Kind::Variant(cases) }
    }
}

fn primitive(name: &str) -> Option<&'static str> {
    Some(match name {
        "bool" => "bool",
        "u8" => "u8",
        "u16" => "u16",
        "u32" => "u32",
        "u64" => "u64",
        "i8" => "s8",
        "i16" => "s16",
        "i32" => "s32",
        "i64" => "s64",
        "f32" => "f32",
        "f64" => "f64",
        "char" => "char",
        "String" => "string",
        _ => return None,
    })
}

/// What to use instead of a well-known type that has no counterpart in WIT.
fn suggestion(name: &str) -> Option<&'static str> {
    Some(match name {
        "usize" => "its size differs between machines: use `u32` or `u64`",
        "isize" => "its size differs between machines: use `i32` or `i64`",
        "u128" | "i128" => "use two `u64`, or a `String` with the digits",
        "str" | "Cow" | "PathBuf" | "OsString" => "use `String`",
        "HashMap" | "BTreeMap" => "use a list of pairs, `Vec<(K, V)>`",
        "HashSet" | "BTreeSet" | "VecDeque" | "LinkedList" | "BinaryHeap" => "use `Vec<T>`",
        "Box" | "Rc" | "Arc" | "RefCell" | "Cell" | "Mutex" => "use the type inside it",
        "Duration" => "use a number with its unit in the name, for example `timeout_ms: u64`",
        "SystemTime" | "Instant" => "use the seconds since 1970 as `u64`",
        "NonZero" | "NonZeroU32" | "NonZeroU64" => "use the plain number",
        "PromiseId" | "WorkerId" | "Uuid" => "use a `String` and the id's `to_string()`",
        "Self" => "write out the type's name",
        _ => return None,
    })
}

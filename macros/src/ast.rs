//! Finds the functions, types and state of a worker's module. Most errors are reported by [`crate::valid`], not here.

use crate::fallback::is_flags;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeSet;
use syn::{Attribute, FnArg, Ident, ImplItem, Item, ItemMod, Signature, Type, Visibility};

/// A worker's module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) ident: Ident,
    pub(crate) docs: Vec<String>,
    pub(crate) state: Option<State>,
    /// The exported functions: functions of the module and methods of the state, in the order of the source.
    pub(crate) functions: Vec<Function>,
    /// All types that the module defines, including those that no exported function uses.
    pub(crate) types: Vec<DefinedType>,
}

/// The struct whose value is kept between calls.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ident: Ident,
    /// Whether it has a function `new` without parameters.
    pub(crate) has_new: bool,
    /// Whether it derives `Serialize` and `Deserialize`, so that it can be saved and loaded.
    pub(crate) is_saved: bool,
    /// Whether it has a function `migrate`, which converts a state that another version saved.
    pub(crate) has_migrate: bool,
}

/// A function or method that is exported.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// Whether it is defined in an `impl` of the state.
    pub(crate) is_method: bool,
}

/// A type that the module defines.
#[derive(Debug)]
pub(crate) enum DefinedType {
    Struct { item: syn::ItemStruct, flags: bool },
    Enum { item: syn::ItemEnum, flags: Option<Box<Attribute>> },
    Alias(syn::ItemType),
}

impl DefinedType {
    pub(crate) fn ident(&self) -> &Ident {
        match self {
            Self::Struct { item, .. } => &item.ident,
            Self::Enum { item, .. } => &item.ident,
            Self::Alias(item) => &item.ident,
        }
    }

    fn tokens(&self) -> TokenStream {
        match self {
            Self::Struct { item, .. } => item.fields.to_token_stream(),
            Self::Enum { item, .. } => item.variants.to_token_stream(),
            Self::Alias(item) => item.ty.to_token_stream(),
        }
    }
}

/// A struct with public methods that take `self`: either the state or a type with helper methods.
struct StateCandidate<'a> {
    ident: &'a Ident,
    methods: Vec<&'a syn::ImplItemFn>,
}

impl Module {
    /// Collects the content of a module, and removes the attributes that only this macro understands.
    pub(crate) fn from_item(module: &mut ItemMod) -> syn::Result<Self> {
        let ident = module.ident.clone();
        let Some((_, items)) = &mut module.content else {
            return Err(syn::Error::new_spanned(
                module.semi,
                format!("the worker's code must be inline: `mod {ident} {{ … }}`, not in a separate file"),
            ));
        };
        let types = items.iter_mut().filter_map(defined_type).collect::<Vec<_>>();
        let candidates = state_candidates(items, &types);
        let state = choose_state(&candidates, items, &types)?;
        let functions = exported_functions(items, state.as_ref().map(|state| &state.ident));
        let state = match state {
            Some(state) => Some(State {
                has_new: has_new(items, &state.ident)?,
                is_saved: types.iter().any(|ty| *ty.ident() == state.ident && derives_serde(ty)),
                has_migrate: has_migrate(items, &state.ident),
                ident: state.ident,
            }),
            None => None,
        };
        Ok(Self { ident, docs: docs(&module.attrs), state, functions, types })
    }
}

fn defined_type(item: &mut Item) -> Option<DefinedType> {
    fn take_flags(attributes: &mut Vec<Attribute>) -> Option<Attribute> {
        let at = attributes.iter().position(is_flags)?;
        Some(attributes.remove(at))
    }
    match item {
        Item::Struct(item) => {
            let flags = take_flags(&mut item.attrs).is_some();
            Some(DefinedType::Struct { item: item.clone(), flags })
        }
        Item::Enum(item) => {
            let flags = take_flags(&mut item.attrs).map(Box::new);
            Some(DefinedType::Enum { item: item.clone(), flags })
        }
        Item::Type(item) => Some(DefinedType::Alias(item.clone())),
        _ => None,
    }
}

/// The type and the block, if the item is an inherent `impl`.
fn self_type(item: &Item) -> Option<(&Ident, &syn::ItemImpl)> {
    let Item::Impl(block) = item else { return None };
    match (&block.trait_, &*block.self_ty) {
        (None, Type::Path(path)) if path.qself.is_none() => Some((&path.path.segments.last()?.ident, block)),
        _ => None,
    }
}

fn public_methods(block: &syn::ItemImpl) -> impl Iterator<Item = &syn::ImplItemFn> {
    block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) if is_public(&function.vis) && !is_test_only(&function.attrs) => {
            Some(function)
        }
        _ => None,
    })
}

fn state_candidates<'a>(items: &'a [Item], types: &'a [DefinedType]) -> Vec<StateCandidate<'a>> {
    let mut candidates: Vec<StateCandidate<'a>> = Vec::new();
    for (ident, block) in items.iter().filter_map(self_type) {
        let is_struct =
            |ty: &DefinedType| matches!(ty, DefinedType::Struct { item, .. } if item.ident == *ident);
        // The identifier of the definition, because errors about the state are reported there.
        let Some(ident) = types.iter().find(|defined| is_struct(defined)).map(DefinedType::ident) else {
            continue;
        };
        let callable = public_methods(block).filter(|function| function.sig.receiver().is_some());
        match candidates.iter_mut().find(|candidate| candidate.ident == ident) {
            Some(candidate) => candidate.methods.extend(callable),
            None => candidates.push(StateCandidate { ident, methods: callable.collect() }),
        }
    }
    candidates.retain(|candidate| !candidate.methods.is_empty());
    candidates
}

/// The one candidate that no exported function takes or returns.
fn choose_state(
    candidates: &[StateCandidate<'_>],
    items: &[Item],
    types: &[DefinedType],
) -> syn::Result<Option<State>> {
    let mut used = BTreeSet::new();
    for item in items {
        if let Item::Fn(function) = item
            && is_public(&function.vis)
        {
            collect_idents(signature_types(&function.sig), &mut used);
        }
    }
    for candidate in candidates {
        for method in &candidate.methods {
            let mut of_method = BTreeSet::new();
            collect_idents(signature_types(&method.sig), &mut of_method);
            // A method that names its own type does not make that type a parameter.
            of_method.remove(&candidate.ident.to_string());
            used.extend(of_method);
        }
    }
    // Add the types that the used types refer to, until there are no more.
    loop {
        let before = used.len();
        for defined in
            types.iter().filter(|defined| used.contains(&defined.ident().to_string())).collect::<Vec<_>>()
        {
            collect_idents(defined.tokens(), &mut used);
        }
        if used.len() == before {
            break;
        }
    }
    let mut left = candidates.iter().filter(|candidate| !used.contains(&candidate.ident.to_string()));
    match (left.next(), left.next()) {
        (Some(state), None) => Ok(Some(State {
            ident: state.ident.clone(),
            has_new: false,
            is_saved: false,
            has_migrate: false,
        })),
        (None, _) => Ok(None),
        (Some(first), Some(second)) => Err(syn::Error::new(
            second.ident.span(),
            format!(
                "`{}` and `{}` both have public methods, and a worker has one state; keep everything in one struct, or \
                 make the methods of the other one `pub(crate)`",
                first.ident, second.ident
            ),
        )),
    }
}

fn signature_types(signature: &Signature) -> TokenStream {
    let mut tokens = signature.output.to_token_stream();
    for argument in &signature.inputs {
        if let FnArg::Typed(argument) = argument {
            argument.ty.to_tokens(&mut tokens);
        }
    }
    tokens
}

fn collect_idents(tokens: TokenStream, into: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                into.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect_idents(group.stream(), into),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn exported_functions(items: &[Item], state: Option<&Ident>) -> Vec<Function> {
    let mut functions = Vec::new();
    for item in items {
        if let Item::Fn(function) = item
            && is_public(&function.vis)
            && !is_test_only(&function.attrs)
        {
            functions.push(Function {
                attributes: function.attrs.clone(),
                signature: function.sig.clone(),
                is_method: false,
            });
        }
        if let Some((ident, block)) = self_type(item)
            && Some(ident) == state
        {
            functions.extend(public_methods(block).filter(|function| !is_constructor(&function.sig)).map(
                |function| Function {
                    attributes: function.attrs.clone(),
                    signature: function.sig.clone(),
                    is_method: true,
                },
            ));
        }
    }
    functions
}

fn is_constructor(signature: &Signature) -> bool {
    signature.ident == "new" && signature.receiver().is_none()
}

/// Whether a struct derives both traits of serde, by their usual names.
fn derives_serde(defined: &DefinedType) -> bool {
    let DefinedType::Struct { item, .. } = defined else { return false };
    let mut derived = BTreeSet::new();
    for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            derived.extend(meta.path.segments.last().map(|segment| segment.ident.to_string()));
            Ok(())
        });
        // The compiler reports invalid syntax in `derive`.
        drop(parsed);
    }
    ["Serialize", "Deserialize"].iter().all(|name| derived.contains(*name))
}

/// Whether the state has a function `migrate` that takes no `self`.
fn has_migrate(items: &[Item], state: &Ident) -> bool {
    let blocks = items.iter().filter_map(self_type).filter(|(ident, _)| *ident == state);
    blocks.flat_map(|(_, block)| &block.items).any(|item| {
        matches!(item, ImplItem::Fn(function) if function.sig.ident == "migrate" && function.sig.receiver().is_none())
    })
}

/// Whether the state has a function `new`, public or not. A `new` with parameters is an error.
fn has_new(items: &[Item], state: &Ident) -> syn::Result<bool> {
    let blocks = items.iter().filter_map(self_type).filter(|(ident, _)| *ident == state);
    for item in blocks.flat_map(|(_, block)| &block.items) {
        if let ImplItem::Fn(function) = item
            && is_constructor(&function.sig)
        {
            return match function.sig.inputs.first() {
                None => Ok(true),
                Some(argument) => Err(syn::Error::new_spanned(
                    argument,
                    "`new` cannot take parameters, because a worker is created without arguments; remove them, and \
                     export a function that initializes the state",
                )),
            };
        }
    }
    Ok(false)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether the item is only for tests (`#[test]` or `#[cfg(test)]`), so not part of the worker.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// The lines of doc comments.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<String> {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value
        {
            // `lines` of an empty text returns none, but an empty line separates paragraphs.
            if text.value().is_empty() {
                lines.push(String::new());
            }
            lines.extend(
                text.value().lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()),
            );
        }
    }
    lines
}

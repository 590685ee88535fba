//! Generates the code that connects a module with the bindings of its WIT.
//!
//! The code is inside the user's module and exists for WebAssembly only. It consists of the bindings that wit-bindgen
//! generates from the WIT, the state, and a function for each export. Such a function converts its arguments, calls the
//! user's function, and converts the result. The user's types are separate from the generated ones, so that they may
//! have any derives and methods. A type that contains none of the user's types needs no conversion.

use crate::model::{Case, Function, Kind, Package, Receiver, SaveOptions, State, Type, TypeDef, Worker};
use crate::{names, wit};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, ItemMod};

/// The direction of a conversion.
#[derive(Debug, Clone, Copy)]
enum Direction {
    /// An argument: from the generated type to the user's type.
    ToUser,
    /// A result: from the user's type to the generated type.
    ToCaller,
}

/// The user's module with the generated code.
pub(crate) fn expand(worker: &Worker, module: &ItemMod) -> TokenStream {
    let ItemMod { attrs, vis, unsafety, mod_token, ident, content, .. } = module;
    let items = content.iter().flat_map(|(_, items)| items);
    let (inner, outer): (Vec<_>, Vec<_>) =
        attrs.iter().partition(|attribute| matches!(attribute.style, syn::AttrStyle::Inner(_)));
    let first_state = worker.state.as_ref().map(first_state_check);
    let glue = glue(worker);
    quote! {
        #(#outer)*
        #[cfg_attr(
            not(target_family = "wasm"),
            allow(dead_code, reason = "on native targets, only tests call the exported functions")
        )]
        #[allow(
            clippy::needless_pass_by_value,
            clippy::option_option,
            reason = "exported functions take arguments by value, and WIT has options of options"
        )]
        #vis #unsafety #mod_token #ident {
            #(#inner)*
            #(#items)*
            #first_state
            #glue
        }
    }
}

/// Code that fails to compile at the state's name unless its first value can be created. It exists on every target.
fn first_state_check(state: &State) -> TokenStream {
    let (ident, first) = (&state.ident, first_state(state));
    quote_spanned!(ident.span()=> const _: fn() -> #ident = #first;)
}

fn first_state(state: &State) -> TokenStream {
    let ident = &state.ident;
    if state.has_new {
        quote!(#ident::new)
    } else {
        quote_spanned!(ident.span()=> <#ident as ::core::default::Default>::default)
    }
}

/// The path of the interface's module in the generated bindings.
pub(crate) fn interface_path(package: &Package, interface: &str) -> TokenStream {
    let (namespace, name) = (names::binding_snake(&package.namespace), names::binding_snake(&package.name));
    let interface = names::binding_snake(interface);
    quote!(exports::#namespace::#name::#interface)
}

fn glue(worker: &Worker) -> TokenStream {
    let (text, world) = (wit::print(worker), wit::world_name(worker));
    let suffix = format!("golem-worker-{}-{}", worker.package, worker.interface);
    let interface = interface_path(&worker.package, &worker.interface);
    let state = worker.state.as_ref().map(|state| {
        let first = first_state(state);
        let ident = &state.ident;
        quote! {
            ::std::thread_local! {
                static STATE: ::core::cell::RefCell<super::#ident> = ::core::cell::RefCell::new({
                    use super::#ident;
                    #first()
                });
            }
        }
    });
    let snapshot = worker.state.as_ref().and_then(|state| Some(snapshot(state, state.save.as_ref()?)));
    let functions = worker.functions.iter().map(|function| exported_function(function, worker));
    let conversions = worker.types.iter().map(|ty| conversions(ty, &worker.types));
    quote! {
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(warnings, missing_docs, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery, reason = "generated")]
        mod __golem_worker {
            ::golem::__private::wit_bindgen::generate!({
                inline: #text,
                path: [],
                world: #world,
                runtime_path: "::golem::__private::wit_bindgen::rt",
                type_section_suffix: #suffix,
            });

            use #interface as bound;

            #state

            struct Exports;

            impl bound::Guest for Exports {
                #(#functions)*
            }

            #snapshot

            #(#conversions)*

            export!(Exports);
        }
    }
}

/// The exports that save and load the state.
fn snapshot(state: &State, options: &SaveOptions) -> TokenStream {
    let State { ident, .. } = state;
    let version = options.version;
    let migrate = if options.has_migrate {
        quote!(::core::option::Option::Some(super::#ident::migrate))
    } else {
        quote!(::core::option::Option::None)
    };
    quote! {
        impl exports::golem::durability::snapshot::Guest for Exports {
            fn save() -> ::core::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                STATE.with_borrow(|state| ::golem::__private::save(#version, state))
            }

            fn load(bytes: ::std::vec::Vec<u8>) -> ::core::result::Result<(), ::std::string::String> {
                let loaded = ::golem::__private::load(#version, &bytes, #migrate)?;
                STATE.set(loaded);
                ::core::result::Result::Ok(())
            }
        }
    }
}

fn exported_function(function: &Function, worker: &Worker) -> TokenStream {
    let types = &worker.types;
    let name = names::binding_snake(&function.wit);
    let arguments: Vec<Ident> = (0..function.params.len()).map(|i| format_ident!("argument{i}")).collect();
    let bound: Vec<TokenStream> =
        function.params.iter().map(|param| binding_type(&param.ty, types)).collect();
    let passed: Vec<TokenStream> = function
        .params
        .iter()
        .zip(&arguments)
        .map(|(param, argument)| convert(&param.ty, types, Direction::ToUser, quote!(#argument)))
        .collect();
    let user = &function.ident;
    let call = match (function.receiver, &worker.state) {
        (Receiver::Shared, Some(State { ident, .. })) => {
            quote!(STATE.with_borrow(|state| super::#ident::#user(state, #(#passed),*)))
        }
        (Receiver::Exclusive, Some(State { ident, .. })) => {
            quote!(STATE.with_borrow_mut(|state| super::#ident::#user(state, #(#passed),*)))
        }
        _ => quote!(super::#user(#(#passed),*)),
    };
    match &function.result {
        None => quote!(fn #name(#(#arguments: #bound),*) { #call }),
        Some(ty) => {
            let result = binding_type(ty, types);
            let converted = convert(ty, types, Direction::ToCaller, quote!(result));
            quote! {
                fn #name(#(#arguments: #bound),*) -> #result {
                    let result = #call;
                    #converted
                }
            }
        }
    }
}

/// The type that the binding generator uses for `ty`.
fn binding_type(ty: &Type, types: &[TypeDef]) -> TokenStream {
    match ty {
        Type::Primitive("string") => quote!(::std::string::String),
        Type::Primitive(name) => {
            // WIT's signed integers are called s8 to s64.
            let rust = match name.strip_prefix('s') {
                Some(bits) => format!("i{bits}"),
                None => (*name).to_owned(),
            };
            let ident = Ident::new(&rust, proc_macro2::Span::call_site());
            quote!(::core::primitive::#ident)
        }
        Type::List(item) => {
            let item = binding_type(item, types);
            quote!(::std::vec::Vec<#item>)
        }
        Type::Option(item) => {
            let item = binding_type(item, types);
            quote!(::core::option::Option<#item>)
        }
        Type::Result(ok, error) => {
            let side =
                |ty: &Option<Box<Type>>| ty.as_ref().map_or_else(|| quote!(()), |ty| binding_type(ty, types));
            let (ok, error) = (side(ok), side(error));
            quote!(::core::result::Result<#ok, #error>)
        }
        Type::Tuple(items) => {
            let items = items.iter().map(|item| binding_type(item, types));
            quote!((#(#items,)*))
        }
        Type::Named(at) => {
            let name = names::binding_type(&types[*at].wit);
            quote!(bound::#name)
        }
    }
}

/// Whether the user's type and the generated type are the same.
fn needs_no_conversion(ty: &Type) -> bool {
    match ty {
        Type::Primitive(_) => true,
        Type::List(item) | Type::Option(item) => needs_no_conversion(item),
        Type::Result(ok, error) => [ok, error].into_iter().flatten().all(|side| needs_no_conversion(side)),
        Type::Tuple(items) => items.iter().all(needs_no_conversion),
        Type::Named(_) => false,
    }
}

fn convert(ty: &Type, types: &[TypeDef], direction: Direction, value: TokenStream) -> TokenStream {
    if needs_no_conversion(ty) {
        return value;
    }
    let each = |ty: &Type| {
        let converted = convert(ty, types, direction, quote!(item));
        quote!(|item| #converted)
    };
    match ty {
        Type::Primitive(_) => value,
        Type::List(item) => {
            let each = each(item);
            quote!(::core::iter::Iterator::collect::<::std::vec::Vec<_>>(::core::iter::Iterator::map(
                ::core::iter::IntoIterator::into_iter(#value), #each
            )))
        }
        Type::Option(item) => {
            let each = each(item);
            quote!(#value.map(#each))
        }
        Type::Result(ok, error) => {
            let mut converted = value;
            if let Some(ok) = ok.as_ref().filter(|ok| !needs_no_conversion(ok)) {
                let each = each(ok);
                converted = quote!(#converted.map(#each));
            }
            if let Some(error) = error.as_ref().filter(|error| !needs_no_conversion(error)) {
                let each = each(error);
                converted = quote!(#converted.map_err(#each));
            }
            converted
        }
        Type::Tuple(items) => {
            let parts: Vec<Ident> = (0..items.len()).map(|i| format_ident!("part{i}")).collect();
            let converted =
                items.iter().zip(&parts).map(|(item, part)| convert(item, types, direction, quote!(#part)));
            quote!({ let (#(#parts,)*) = #value; (#(#converted,)*) })
        }
        Type::Named(at) => {
            let function = converter(&types[*at], direction);
            quote!(#function(#value))
        }
    }
}

fn converter(ty: &TypeDef, direction: Direction) -> Ident {
    let name = ty.wit.replace('-', "_");
    match direction {
        Direction::ToUser => format_ident!("{name}_in"),
        Direction::ToCaller => format_ident!("{name}_out"),
    }
}

/// The two functions that convert a type that the user defined.
fn conversions(ty: &TypeDef, types: &[TypeDef]) -> TokenStream {
    let user = &ty.ident;
    let bound = names::binding_type(&ty.wit);
    let (inwards, outwards) = (converter(ty, Direction::ToUser), converter(ty, Direction::ToCaller));
    let (body_in, body_out) = match &ty.kind {
        Kind::Record(fields) => {
            let of = |direction| {
                fields.iter().map(move |field| {
                    let (user_name, binding_name) = (&field.ident, names::binding_snake(&field.wit));
                    match direction {
                        Direction::ToUser => {
                            let value = convert(&field.ty, types, direction, quote!(value.#binding_name));
                            quote!(#user_name: #value)
                        }
                        Direction::ToCaller => {
                            let value = convert(&field.ty, types, direction, quote!(value.#user_name));
                            quote!(#binding_name: #value)
                        }
                    }
                })
            };
            let (fields_in, fields_out) = (of(Direction::ToUser), of(Direction::ToCaller));
            (quote!(super::#user { #(#fields_in),* }), quote!(bound::#bound { #(#fields_out),* }))
        }
        Kind::Flags(fields) => {
            let user_name: Vec<&Ident> = fields.iter().map(|field| &field.ident).collect();
            let binding_name: Vec<Ident> =
                fields.iter().map(|field| names::binding_flag(&field.wit)).collect();
            (
                quote!(super::#user { #(#user_name: value.contains(bound::#bound::#binding_name)),* }),
                quote!({
                    let mut flags = bound::#bound::empty();
                    #(flags.set(bound::#bound::#binding_name, value.#user_name);)*
                    flags
                }),
            )
        }
        Kind::Enum(cases) | Kind::Variant(cases) => {
            let bound = &bound;
            let arms =
                |direction| cases.iter().map(move |case| match_arm(case, user, bound, types, direction));
            let (arms_in, arms_out) = (arms(Direction::ToUser), arms(Direction::ToCaller));
            (quote!(match value { #(#arms_in)* }), quote!(match value { #(#arms_out)* }))
        }
    };
    quote! {
        fn #inwards(value: bound::#bound) -> super::#user { #body_in }
        fn #outwards(value: super::#user) -> bound::#bound { #body_out }
    }
}

fn match_arm(
    case: &Case,
    user: &Ident,
    bound: &Ident,
    types: &[TypeDef],
    direction: Direction,
) -> TokenStream {
    let (user_name, binding_name) = (&case.ident, names::binding_case(&case.wit));
    let parts: Vec<Ident> = (0..case.values.len()).map(|i| format_ident!("part{i}")).collect();
    let converted: Vec<TokenStream> = case
        .values
        .iter()
        .zip(&parts)
        .map(|(ty, part)| convert(ty, types, direction, quote!(#part)))
        .collect();
    // Several values of a case are one tuple in WIT.
    let tuple = |items: &[TokenStream]| match items {
        [] => quote!(),
        [item] => quote!((#item)),
        several => quote!(((#(#several),*))),
    };
    let plain = |items: &[TokenStream]| if items.is_empty() { quote!() } else { quote!((#(#items),*)) };
    let names: Vec<TokenStream> = parts.iter().map(|part| quote!(#part)).collect();
    match direction {
        Direction::ToUser => {
            let (pattern, value) = (tuple(&names), plain(&converted));
            quote!(bound::#bound::#binding_name #pattern => super::#user::#user_name #value,)
        }
        Direction::ToCaller => {
            let (pattern, value) = (plain(&names), tuple(&converted));
            quote!(super::#user::#user_name #pattern => bound::#bound::#binding_name #value,)
        }
    }
}

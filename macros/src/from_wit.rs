//! Workers that implement a WIT file: `#[golem::worker(wit = "wit", world = "cart")] impl Guest for Cart`.

use crate::attr::WitOptions;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::path::PathBuf;
use syn::ItemImpl;
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

/// The `impl` with the bindings of its world.
pub(crate) fn expand(arguments: TokenStream, block: &ItemImpl) -> syn::Result<TokenStream> {
    let Some((_, path, _)) = &block.trait_ else {
        return Err(syn::Error::new_spanned(
            &block.self_ty,
            "`#[golem::worker]` belongs on the module that contains this `impl`; with `wit = \"…\"`, on `impl Guest for …`",
        ));
    };
    let options = WitOptions::parse(arguments)?;
    let exports = Exports::read(&options)?;
    let import = if path.is_ident("Guest") {
        let module = exports.single_module(&options)?;
        Some(quote!(
            #[allow(unused_imports, reason = "an implementation need not name every type")]
            use #module::*;
        ))
    } else {
        None
    };
    let (wit, world) = (&options.wit, &exports.world);
    let ty = &block.self_ty;
    Ok(quote! {
        /// The bindings of the world's imports and exports.
        #[allow(warnings, missing_docs, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery, reason = "generated")]
        mod bindings {
            ::golem::__private::wit_bindgen::generate!({
                path: #wit,
                world: #world,
                generate_all,
                runtime_path: "::golem::__private::wit_bindgen::rt",
            });
        }

        #import

        #block

        // On native targets, only tests call the exported functions; this marks the type as used.
        const _: fn() = || { let _: Option<#ty> = None; };

        // Only a component has exports; their symbols do not link on native targets.
        #[cfg(target_family = "wasm")]
        bindings::export!(#ty with_types_in bindings);
    })
}

/// The exports of a world.
#[derive(Debug)]
struct Exports {
    world: String,
    /// The module with the trait `Guest` of each exported interface. For functions that the world itself exports, it is
    /// the root of the bindings.
    modules: Vec<TokenStream>,
}

impl Exports {
    fn read(options: &WitOptions) -> syn::Result<Self> {
        let wit_error = |text: String| syn::Error::new(options.wit.span(), text);
        #[expect(
            clippy::disallowed_methods,
            reason = "cargo passes the folder of the crate to macros in the environment"
        )]
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let path = PathBuf::from(root).join(options.wit.value());
        if !path.exists() {
            return Err(wit_error(format!(
                "cannot find `{}`; the path is relative to the folder with Cargo.toml",
                options.wit.value()
            )));
        }
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(&path).map_err(|error| wit_error(format!("{error:?}")))?;
        let name = options.world.as_ref().map(syn::LitStr::value);
        let world = resolve.select_world(&[package], name.as_deref()).map_err(|error| {
            let worlds: Vec<_> =
                resolve.packages[package].worlds.keys().map(|name| format!("`{name}`")).collect();
            let known = if worlds.is_empty() { "none".to_owned() } else { worlds.join(", ") };
            let span = options.world.as_ref().map_or(options.wit.span(), syn::LitStr::span);
            syn::Error::new(span, format!("{error}; worlds in this package: {known}"))
        })?;
        Self::of_world(&resolve, world, options)
    }

    fn of_world(resolve: &Resolve, world: WorldId, options: &WitOptions) -> syn::Result<Self> {
        let world = &resolve.worlds[world];
        let (mut modules, mut has_functions) = (Vec::new(), false);
        for (key, item) in &world.exports {
            match (key, item) {
                (WorldKey::Interface(id), _) => {
                    let interface = &resolve.interfaces[*id];
                    let package = interface.package.map(|id| &resolve.packages[id].name);
                    if let (Some(package), Some(name)) = (package, &interface.name) {
                        let namespace = module_ident(&package.namespace);
                        let (package, name) = (module_ident(&package.name), module_ident(name));
                        modules.push(quote!(bindings::exports::#namespace::#package::#name));
                    }
                }
                (WorldKey::Name(name), WorldItem::Interface { .. }) => {
                    let name = module_ident(name);
                    modules.push(quote!(bindings::exports::#name));
                }
                (WorldKey::Name(_), WorldItem::Function(_)) => has_functions = true,
                (WorldKey::Name(_), WorldItem::Type { .. }) => {}
            }
        }
        if has_functions {
            modules.push(quote!(bindings));
        }
        if modules.is_empty() {
            return Err(syn::Error::new(
                options.world.as_ref().unwrap_or(&options.wit).span(),
                format!("the world `{}` exports no interface and no function", world.name),
            ));
        }
        Ok(Self { world: world.name.clone(), modules })
    }

    /// The only module with a trait `Guest`. If there are several, the name `Guest` is ambiguous, which is an error.
    fn single_module(&self, options: &WitOptions) -> syn::Result<&TokenStream> {
        match self.modules.as_slice() {
            [only] => Ok(only),
            several => {
                let paths: Vec<String> = several
                    .iter()
                    .map(|path| format!("`{}::Guest`", path.to_string().replace(' ', "")))
                    .collect();
                Err(syn::Error::new(
                    options.world.as_ref().unwrap_or(&options.wit).span(),
                    format!(
                        "the world `{}` exports several traits, so `Guest` is ambiguous: implement {} by their full \
                        names, with this attribute on one of them",
                        self.world,
                        paths.join(" and ")
                    ),
                ))
            }
        }
    }
}

fn module_ident(name: &str) -> syn::Ident {
    let ident = crate::names::binding_snake(name);
    format_ident!("{ident}")
}

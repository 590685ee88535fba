//! Workers that begin with a WIT file: `#[golem::worker(wit = "wit", world = "cart")] impl Guest for Cart`.

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
            "`#[golem::worker]` goes on the module that holds this `impl`; with `wit = \"…\"`, on `impl Guest for …`",
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
        /// What the world imports and exports, as the binding generator writes it.
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

        // Natively nobody calls what a worker exports, except tests.
        const _: fn() = || { let _: Option<#ty> = None; };

        // Only a component has exports; natively their names do not link.
        #[cfg(target_family = "wasm")]
        bindings::export!(#ty with_types_in bindings);
    })
}

/// What a world exports.
#[derive(Debug)]
struct Exports {
    world: String,
    /// Where the trait `Guest` of each exported interface is; for functions that the world itself exports, the root.
    modules: Vec<TokenStream>,
}

impl Exports {
    fn read(options: &WitOptions) -> syn::Result<Self> {
        let wit_error = |text: String| syn::Error::new(options.wit.span(), text);
        #[expect(
            clippy::disallowed_methods,
            reason = "cargo tells macros in the environment where the crate is"
        )]
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let path = PathBuf::from(root).join(options.wit.value());
        if !path.exists() {
            return Err(wit_error(format!(
                "there is no `{}`; the path is seen from the folder with Cargo.toml",
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
                format!("the world `{}` exports nothing that could be called", world.name),
            ));
        }
        Ok(Self { world: world.name.clone(), modules })
    }

    /// The one module whose `Guest` a bare name can mean.
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
                        "the world `{}` exports several traits, so `Guest` alone is not enough: implement {} by their \
                         full names, with this attribute on one of them",
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

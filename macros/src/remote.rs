//! Calls of other workers: `#[golem::remote("wit/golem-counter-client.wit")] mod counter {}`.
//!
//! `golem template client` creates the file. This macro generates bindings from it. All clients of a component share
//! the types of `golem::rpc`.

use crate::fallback;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::path::PathBuf;
use syn::{ItemMod, LitStr};
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

/// The WIT of `golem:rpc`, which every client uses.
const RPC_WIT: &str = include_str!("../../wit/golem-rpc/types.wit");

/// The usage of the attribute, for error messages.
const USAGE: &str = "write `#[golem::remote(\"wit/golem-counter-client.wit\")] mod counter {}`, with the path of a \
                     file that `golem template client` created";

/// The module with the functions of the client interface.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(arguments, item.clone()).unwrap_or_else(|error| fallback::expand(&error, item))
}

fn try_expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let path = syn::parse2::<LitStr>(arguments).map_err(|_| syn::Error::new(Span::call_site(), USAGE))?;
    let module = syn::parse2::<ItemMod>(item).map_err(|_| syn::Error::new(Span::call_site(), USAGE))?;
    let Some((_, items)) = &module.content else {
        return Err(syn::Error::new_spanned(&module.ident, "write the module's braces: `mod name {}`"));
    };
    let error = |text: String| syn::Error::new(path.span(), text);
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo passes the folder of the crate to macros in the environment"
    )]
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let text = std::fs::read_to_string(PathBuf::from(root).join(path.value())).map_err(|source| {
        error(format!(
            "cannot read `{}`: {source}; the path is relative to the folder with Cargo.toml",
            path.value()
        ))
    })?;
    let client = ClientPackage::read(&path.value(), &text).map_err(error)?;

    let ClientPackage { inline, suffix, modules } = &client;
    let reexport = match modules.as_slice() {
        [only] => quote!(pub use self::bindings::#only::*;),
        several => quote!(#(pub use self::bindings::#several;)*),
    };
    let ItemMod { attrs, vis, ident, .. } = &module;
    let path_from_manifest = format!("/{}", path.value());
    Ok(quote! {
        #(#attrs)*
        #vis mod #ident {
            #(#items)*

            #[doc(hidden)]
            #[allow(warnings, missing_docs, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction, clippy::nursery, reason = "generated")]
            mod bindings {
                ::golem::__private::wit_bindgen::generate!({
                    inline: #inline,
                    path: [],
                    world: "golem:remote/remote",
                    generate_all,
                    runtime_path: "::golem::__private::wit_bindgen::rt",
                    type_section_suffix: #suffix,
                    with: { "golem:rpc/types@1.0.0": ::golem::rpc },
                });
                // Makes cargo rebuild the crate when the file changes.
                const _: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), #path_from_manifest));
            }

            #[allow(unused_imports, reason = "a caller need not use every function")]
            #reexport
        }
    })
}

/// A client package in the form of the binding generator's input.
struct ClientPackage {
    /// WIT text: a world that imports the package's interfaces, and all packages that it needs.
    inline: String,
    /// Makes the name of the link section different from those of other bindings in the component.
    suffix: String,
    /// The paths of the generated modules of its interfaces.
    modules: Vec<TokenStream>,
}

impl ClientPackage {
    /// Parses the text of the file. Returns the error text if it is invalid.
    fn read(file: &str, text: &str) -> Result<Self, String> {
        let parse = |name: &str, text: &str| {
            UnresolvedPackageGroup::parse(name, text).map_err(|(map, error)| error.render(&map))
        };
        let mut resolve = Resolve::default();
        let groups = (parse(file, text)?, parse("golem-rpc.wit", RPC_WIT)?);
        let package = match resolve.push_groups(groups.0, vec![groups.1]) {
            Ok(package) => package,
            Err(error) => return Err(error.render(&resolve.source_map)),
        };
        Self::of_package(&resolve, package, text)
    }

    fn of_package(resolve: &Resolve, package: PackageId, text: &str) -> Result<Self, String> {
        let package = &resolve.packages[package];
        let name = &package.name;
        if !name.name.ends_with("-client") {
            return Err(format!(
                "`{name}` is not a client package, which would have the name `{}:{}-client`; create one with \
                `golem template client`",
                name.namespace, name.name
            ));
        }
        let (mut imports, mut modules) = (String::new(), Vec::new());
        for interface in package.interfaces.keys() {
            imports.push_str("import ");
            imports.push_str(&name.interface_id(interface));
            imports.push_str(";\n");
            let (namespace, package) = (module_ident(&name.namespace), module_ident(&name.name));
            let interface = module_ident(interface);
            modules.push(quote!(#namespace::#package::#interface));
        }
        let inline = format!(
            "package golem:remote;\nworld remote {{\n{imports}}}\n{}\n{}\n",
            nest_package(text),
            nest_package(RPC_WIT)
        );
        Ok(Self { inline, suffix: format!("golem-remote-{name}"), modules })
    }
}

/// Converts the text of a file with one package to a nested package of another file.
fn nest_package(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 10);
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("package ").and_then(|line| line.trim_end().strip_suffix(';')) {
            Some(name) if !open => {
                open = true;
                out.extend(["package ", name, " {"]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out.push('}');
    out
}

fn module_ident(name: &str) -> syn::Ident {
    let ident = crate::names::binding_snake(name);
    format_ident!("{ident}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_becomes_a_separate_world() {
        let text = "// Text.\npackage a:b-client@1.0.0;\n\ninterface api {\n  use golem:rpc/types@1.0.0.{rpc-error};\n  \
                    f: func(worker: string) -> result<_, rpc-error>;\n}\n";
        let client = ClientPackage::read("client.wit", text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(client.modules.len(), 1);
        assert_eq!(client.modules[0].to_string(), "a :: b_client :: api");
        // The input of the generator must be valid WIT.
        UnresolvedPackageGroup::parse("inline.wit", &client.inline)
            .unwrap_or_else(|(map, error)| panic!("{}", error.render(&map)));
        assert!(client.inline.contains("import a:b-client/api@1.0.0;"), "{}", client.inline);
        let error = ClientPackage::read("x.wit", "package a:b;\ninterface api { f: func(); }\n").err();
        assert!(error.is_some_and(|text| text.contains("`a:b-client`")));
    }
}

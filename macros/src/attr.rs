//! Parses the arguments of the attribute.

use crate::model::Package;
use crate::names;
use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::{LitStr, Path};

/// Arguments on a module.
#[derive(Debug, Default)]
pub(crate) struct ModuleOptions {
    pub(crate) package: Option<Package>,
    pub(crate) interface: Option<String>,
    /// The version of the state's shape, and the place of the option for errors.
    pub(crate) state_version: Option<(u32, Span)>,
}

/// Arguments on an `impl`.
#[derive(Debug)]
pub(crate) struct WitOptions {
    pub(crate) wit: LitStr,
    pub(crate) world: Option<LitStr>,
}

impl ModuleOptions {
    pub(crate) fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        for (key, value) in pairs(arguments)? {
            match name(&key).as_str() {
                "package" => options.package = Some(package(&value)?),
                "interface" => options.interface = Some(interface(&value)?),
                "state_version" => options.state_version = Some((state_version(&value)?, value.span())),
                "wit" | "world" => {
                    return Err(syn::Error::new_spanned(
                        key,
                        "a module's WIT is derived from its functions; to start from a WIT file, put \
                         `#[golem::worker(wit = \"…\")]` on `impl Guest for …`",
                    ));
                }
                other => return Err(unknown(&key, other, "`package`, `interface` and `state_version`")),
            }
        }
        Ok(options)
    }
}

impl WitOptions {
    pub(crate) fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let (mut wit, mut world) = (None, None);
        for (key, value) in pairs(arguments)? {
            match name(&key).as_str() {
                "wit" => wit = Some(value),
                "world" => world = Some(value),
                other => return Err(unknown(&key, other, "`wit` and `world`")),
            }
        }
        let wit = wit.ok_or_else(|| {
            syn::Error::new(
                Span::call_site(),
                "on an `impl`, say where the WIT is: `#[golem::worker(wit = \"wit\")]`; without a WIT file, put the \
                 attribute on a module",
            )
        })?;
        Ok(Self { wit, world })
    }
}

/// Parses `key = "value", …`. Each key may occur once.
fn pairs(arguments: TokenStream) -> syn::Result<Vec<(Path, LitStr)>> {
    let mut pairs: Vec<(Path, LitStr)> = Vec::new();
    let parser = syn::meta::parser(|meta| {
        let value =
            meta.value().map_err(|_| meta.error("an option needs a value: `name = \"value\"`"))?.parse()?;
        if pairs.iter().any(|(key, _)| *key == meta.path) {
            return Err(meta.error("this option is given twice"));
        }
        pairs.push((meta.path, value));
        Ok(())
    });
    parser.parse2(arguments)?;
    Ok(pairs)
}

fn name(path: &Path) -> String {
    path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn unknown(key: &Path, name: &str, known: &str) -> syn::Error {
    syn::Error::new_spanned(key, format!("unknown option `{name}`; the options are {known}"))
}

fn state_version(value: &LitStr) -> syn::Result<u32> {
    let number = value.value();
    number.parse().map_err(|_| {
        syn::Error::new(
            value.span(),
            format!("`{number}` is not a version of a state; write a number, as in \"2\""),
        )
    })
}

fn package(value: &LitStr) -> syn::Result<Package> {
    let error = |text: String| syn::Error::new(value.span(), text);
    let text = value.value();
    let (path, version) = match text.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (text.as_str(), None),
    };
    let Some((namespace, name)) = path.split_once(':') else {
        return Err(error("a package is written `namespace:name` or `namespace:name@1.2.3`".to_owned()));
    };
    if let Some(message) = names::kebab_error(namespace).or_else(|| names::kebab_error(name)) {
        return Err(error(message));
    }
    if let Some(version) = version {
        let number =
            |part: &str| part == "0" || part.parse::<u64>().is_ok_and(|_| !part.starts_with(['0', '+']));
        if version.split('.').count() != 3 || !version.split('.').all(number) {
            return Err(error(format!("`{version}` is not a version; write three numbers, as in 1.0.0")));
        }
    }
    if let Some(owner) = reserved(namespace, name) {
        return Err(error(format!("the package `{path}` belongs to {owner}; choose another name")));
    }
    Ok(Package {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        version: version.map(str::to_owned),
    })
}

/// The owner of a package that workers must not redefine, if it is such a package.
pub(crate) fn reserved(namespace: &str, name: &str) -> Option<&'static str> {
    match (namespace, name) {
        ("golem", "api" | "durability" | "rpc" | "sdk") => Some("Golem's Runtime API"),
        ("wasi", _) => Some("WASI"),
        _ => None,
    }
}

fn interface(value: &LitStr) -> syn::Result<String> {
    match names::kebab_error(&value.value()) {
        Some(message) => Err(syn::Error::new(value.span(), message)),
        None => Ok(value.value()),
    }
}

//! Checks a module. All errors are reported at once, each at the wrong token.

use crate::ast;
use crate::ast::{Module, docs};
use crate::attr::{self, ModuleOptions};
use crate::model::{Function, Package, Param, Receiver, SaveOptions, State, Worker};
use crate::types::{Converter, Scope};
use syn::{FnArg, Pat, ReturnType};

/// Checks a module and returns the worker that it defines.
pub(crate) fn check(module: &Module, options: &ModuleOptions) -> syn::Result<Worker> {
    let mut converter = Converter::new(module);
    let package = options.package.clone().unwrap_or_else(|| default_package(module, &mut converter));
    let functions: Vec<Function> =
        module.functions.iter().map(|function| check_function(function, &mut converter)).collect();
    if functions.is_empty() {
        converter.errors.at(
            &module.ident,
            "this worker exports nothing: give it a `pub fn`, or a struct with `pub fn` methods that take `&self` or \
             `&mut self`",
        );
    }
    let mut scope = Scope::default();
    for ty in &converter.types {
        scope.declare(&ty.wit, &ty.ident, &mut converter.errors);
    }
    for (function, found) in functions.iter().zip(&module.functions) {
        scope.declare(&function.wit, &found.signature.ident, &mut converter.errors);
    }
    if let Some((_, span)) = options.state_version
        && !module.state.as_ref().is_some_and(|state| state.is_saved)
    {
        let text = "the worker has no state that can be saved: derive serde's `Serialize` and `Deserialize` for the \
                    worker's struct, or remove this option";
        converter.errors.push(syn::Error::new(span, text));
    }
    let state_version = options.state_version.map_or(1, |(version, _)| version);
    converter.errors.finish()?;
    Ok(Worker {
        package,
        interface: options.interface.clone().unwrap_or_else(|| "api".to_owned()),
        docs: module.docs.clone(),
        state: module.state.as_ref().map(|state| State {
            ident: state.ident.clone(),
            has_new: state.has_new,
            save: state
                .is_saved
                .then_some(SaveOptions { version: state_version, has_migrate: state.has_migrate }),
        }),
        functions,
        types: converter.types,
    })
}

fn default_package(module: &Module, converter: &mut Converter<'_>) -> Package {
    let name = converter.errors.kebab(&module.ident);
    if let Some(owner) = attr::reserved("golem", &name) {
        converter.errors.at(
            &module.ident,
            format!(
                "the package `golem:{name}` belongs to {owner}; rename the module or choose a package: \
                 `#[golem::worker(package = \"acme:{name}\")]`"
            ),
        );
    }
    Package { namespace: "golem".to_owned(), name, version: None }
}

fn check_function(function: &ast::Function, converter: &mut Converter<'_>) -> Function {
    let signature = &function.signature;
    converter.reject_cfg(&function.attributes);
    if let Some(token) = &signature.asyncness {
        converter.errors.at(
            token,
            "exported functions cannot be `async`: a worker is suspended as a whole while it waits; use blocking calls",
        );
    }
    if let Some(token) = &signature.unsafety {
        converter
            .errors
            .at(token, "callers cannot uphold the contract of an `unsafe` function; remove `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        converter.errors.at(abi, "exported functions are ordinary Rust functions; remove `extern`");
    }
    let wit = converter.errors.kebab(&signature.ident);
    let mut checked = Function {
        ident: signature.ident.clone(),
        wit,
        docs: docs(&function.attributes),
        receiver: Receiver::None,
        params: Vec::new(),
        result: None,
    };
    if !signature.generics.params.is_empty() {
        converter.errors.at(
            &signature.generics,
            "callers cannot choose type parameters; write out the types, or make the function `pub(crate)`",
        );
        // The signature refers to the type parameters; each reference would cause another error.
        return checked;
    }
    let mut scope = Scope::default();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(found) => checked.receiver = check_receiver(found, converter),
            FnArg::Typed(typed) => checked.params.push(check_param(typed, &mut scope, converter)),
        }
    }
    if function.is_method && signature.receiver().is_none() {
        converter.errors.at(
            &signature.ident,
            "a public function of the state takes `&self` or `&mut self`; without them, move it out of the `impl` or make \
             it `pub(crate)`",
        );
    }
    checked.result = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => converter.convert_or_unit(ty),
    };
    checked
}

fn check_receiver(receiver: &syn::Receiver, converter: &mut Converter<'_>) -> Receiver {
    match (&receiver.reference, &receiver.mutability, &receiver.colon_token) {
        (Some(_), None, None) => Receiver::Shared,
        (Some(_), Some(_), None) => Receiver::Exclusive,
        _ => {
            converter
                .errors
                .at(receiver, "the worker keeps its state after the call; take `&self` or `&mut self`");
            Receiver::Shared
        }
    }
}

fn check_param(param: &syn::PatType, scope: &mut Scope, converter: &mut Converter<'_>) -> Param {
    let wit = match &*param.pat {
        Pat::Ident(pattern) if pattern.subpat.is_none() => {
            let wit = converter.errors.kebab(&pattern.ident);
            scope.declare(&wit, &pattern.ident, &mut converter.errors);
            wit
        }
        other => {
            converter
                .errors
                .at(other, "callers need a name for this parameter; name it here and destructure it inside");
            "unnamed".to_owned()
        }
    };
    Param { wit, ty: converter.convert(&param.ty) }
}

//! Links: for each interface that a template's workers call, the template whose workers they call.
//!
//! An upload decides the links, one for each client interface that the component imports, and stores them with the
//! version. So the target of a call never changes for a version. Pure.

use golem_host::ports::ExpectedResult;
use golem_host::{CallForm, ClientFunction, ClientInterface};
use golem_model::template::{Export, Function};
use golem_model::{TemplateId, Type};
use std::collections::BTreeMap;

/// Links by the name of the called interface.
pub type Links = BTreeMap<String, TemplateId>;

/// A template that can be the target of a link, with the exports of its newest version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) id: TemplateId,
    pub(super) name: &'a str,
    pub(super) exports: &'a [Export],
}

/// Why a component cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No template exports the interface.
    #[error(
        "the component calls workers through {import}, and no template of the project exports {interface}; upload one \
         that does first"
    )]
    NoTemplate {
        /// The client interface that the component imports.
        import: String,
        /// The interface that it calls.
        interface: String,
    },
    /// Several templates export the interface.
    #[error(
        "the component calls workers through {import}, and several templates of the project export {interface}: {}. \
         Choose one with the upload: \"links\": {{\"{interface}\": \"<template id>\"}}, or --link {interface}=<template>",
        candidates.join(", ")
    )]
    Ambiguous {
        /// The client interface that the component imports.
        import: String,
        /// The interface that it calls.
        interface: String,
        /// Names and ids of these templates.
        candidates: Vec<String>,
    },
    /// The template that the upload names does not fit.
    #[error(
        "the link of {interface} names template {template}, which {problem}{}",
        candidates_text(candidates)
    )]
    InvalidChoice {
        /// The interface that the component calls.
        interface: String,
        /// The template that the upload names.
        template: TemplateId,
        /// What is wrong with it.
        problem: &'static str,
        /// Names and ids of the templates that export the interface.
        candidates: Vec<String>,
    },
    /// The upload names a link for an interface that the component does not call.
    #[error(
        "a link was given for {interface}, but the component does not import its client{}",
        if imported.is_empty() { String::new() } else { format!("; it calls {}", imported.join(", ")) }
    )]
    UnusedLink {
        /// The interface that the upload names.
        interface: String,
        /// Interfaces that the component calls.
        imported: Vec<String>,
    },
    /// The component was built for another signature of a function.
    #[error(
        "{import}#{function} does not fit template {template} ({name}): {details}. Generate the client again from the exports of that template"
    )]
    FunctionMismatch {
        /// The client interface that the component imports.
        import: String,
        /// The client function.
        function: String,
        /// The template that the link refers to.
        template: TemplateId,
        /// Name of the template.
        name: String,
        /// How the signatures differ.
        details: String,
    },
}

fn candidates_text(candidates: &[String]) -> String {
    if candidates.is_empty() {
        "; no template of the project exports it".to_owned()
    } else {
        format!("; it is exported by {}", candidates.join(", "))
    }
}

/// Finds the template for each client interface.
///
/// `requested` are the links that the upload names. `previous` are the links of the previous version: one is kept if
/// the upload names none for its interface and its template still exports that interface.
pub(super) fn resolve(
    clients: &[ClientInterface],
    requested: &Links,
    previous: &Links,
    templates: &[Candidate<'_>],
) -> Result<Links, LinkError> {
    if let Some(interface) =
        requested.keys().find(|interface| !clients.iter().any(|client| *client.interface == ***interface))
    {
        let imported = clients.iter().map(|client| client.interface.to_string()).collect();
        return Err(LinkError::UnusedLink { interface: interface.clone(), imported });
    }
    let mut links = Links::new();
    for client in clients {
        let interface = client.interface.to_string();
        let template = choose_template(client, &interface, requested, previous, templates)?;
        check_functions(client, template)?;
        links.insert(interface, template.id);
    }
    Ok(links)
}

fn choose_template<'a, 'b>(
    client: &ClientInterface,
    interface: &str,
    requested: &Links,
    previous: &Links,
    templates: &'a [Candidate<'b>],
) -> Result<&'a Candidate<'b>, LinkError> {
    let exporting: Vec<&Candidate<'_>> = templates
        .iter()
        .filter(|template| interface_functions(template.exports, interface).is_some())
        .collect();
    let described =
        || exporting.iter().map(|template| format!("{} ({})", template.id, template.name)).collect();
    if let Some(id) = requested.get(interface) {
        let problem = if templates.iter().any(|template| template.id == *id) {
            "does not export that interface in its newest version"
        } else {
            "does not belong to this project"
        };
        let found = exporting.iter().find(|template| template.id == *id).copied();
        return found.ok_or_else(|| LinkError::InvalidChoice {
            interface: interface.to_owned(),
            template: *id,
            problem,
            candidates: described(),
        });
    }
    if let Some(kept) = previous.get(interface)
        && let Some(template) = exporting.iter().find(|template| template.id == *kept)
    {
        return Ok(template);
    }
    let import = client.import.clone();
    match exporting.as_slice() {
        [one] => Ok(one),
        [] => Err(LinkError::NoTemplate { import, interface: interface.to_owned() }),
        _ => Err(LinkError::Ambiguous { import, interface: interface.to_owned(), candidates: described() }),
    }
}

fn interface_functions<'a>(exports: &'a [Export], interface: &str) -> Option<&'a [Function]> {
    exports.iter().find_map(|export| match export {
        Export::Interface { name, functions } if name == interface => Some(functions.as_slice()),
        Export::Interface { .. } | Export::Function(_) => None,
    })
}

/// Checks that the template exports the functions that the component was built for, with the same types.
fn check_functions(interface: &ClientInterface, template: &Candidate<'_>) -> Result<(), LinkError> {
    let exported = interface_functions(template.exports, &interface.interface).unwrap_or_default();
    for client in &interface.functions {
        find_mismatch(client, exported).map_or(Ok(()), |details| {
            Err(LinkError::FunctionMismatch {
                import: interface.import.clone(),
                function: client.name.clone(),
                template: template.id,
                name: template.name.to_owned(),
                details,
            })
        })?;
    }
    Ok(())
}

fn find_mismatch(client: &ClientFunction, exported: &[Function]) -> Option<String> {
    let name = client.function.rsplit('/').next().unwrap_or_default();
    let Some(function) = exported.iter().find(|function| function.name == name) else {
        let names: Vec<&str> = exported.iter().map(|function| function.name.as_str()).collect();
        return Some(format!("it exports no function {name}, but {}", names.join(", ")));
    };
    if client.form != CallForm::Finish {
        let types = |params: &[golem_model::template::Param]| {
            params.iter().map(|param| param.ty.clone()).collect::<Vec<Type>>()
        };
        let (built_for, exports) = (types(&client.params), types(&function.params));
        if built_for != exports {
            return Some(format!("{name} takes ({}), not ({})", type_list(&exports), type_list(&built_for)));
        }
    }
    let returned = function.result.as_ref();
    (!client.result.accepts(returned)).then(|| {
        let returned = returned.map_or_else(|| "nothing".to_owned(), Type::summary);
        let built_for = match &client.result {
            ExpectedResult::Value(ty) => ty.summary(),
            ExpectedResult::Unspecified | ExpectedResult::Nothing => "nothing".to_owned(),
        };
        format!("{name} returns {returned}, not {built_for}")
    })
}

fn type_list(types: &[Type]) -> String {
    types.iter().map(Type::summary).collect::<Vec<_>>().join(", ")
}

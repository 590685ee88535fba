//! Reads a definition from an OpenAPI document.

use super::{ALTERNATIVES, BRIDGE, CONNECT, DEFINITION, ROUTE};
use crate::definition::{ApiDefinition, Binding, Format, ParseError, Route, from_text};
use crate::limits::ERRORS_REPORTED_MAX;
use crate::route::Method;
use golem_model::ProjectId;
use serde_json::{Map, Value as Json};

/// A document has no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The text is neither JSON nor YAML.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A part of the document is missing or malformed.
    #[error("{place}: {problem}")]
    Document {
        /// The place, such as `paths./users/{id}.get`.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

fn fail(place: impl Into<String>, problem: impl Into<String>) -> ImportError {
    ImportError::Document { place: place.into(), problem: problem.into() }
}

/// Reads a definition from an OpenAPI 3.0 or 3.1 document whose operations have worker bindings. All errors are reported
/// at once. The definition is not yet checked against its templates.
///
/// The binding of an operation is in `x-golem-route` (`binding`, and optionally `path` and `order`), or in
/// `x-golem-worker-bridge` as in documents of 2024. Without `path`, the pattern of the route follows from the path and the
/// query parameters of the operation.
pub fn import(text: &str, format: Format) -> Result<ApiDefinition, Vec<ImportError>> {
    let document: Json = from_text(text, format).map_err(|error| vec![error.into()])?;
    let mut errors = Vec::new();
    let version = document.get("openapi").and_then(Json::as_str).unwrap_or_default();
    if !version.starts_with("3.") {
        errors.push(fail("openapi", "the document is not OpenAPI 3; convert it first"));
    }
    let own = |field: &str, old: &str, info: &str| {
        let found = document.get(DEFINITION).and_then(|own| own.get(field));
        let found = found.or_else(|| document.get(old)).or_else(|| document.get("info")?.get(info));
        found.and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let id = own("id", "x-golem-api-definition-id", "title");
    // A title is a sentence; an id is a word.
    let id = id.trim().replace(char::is_whitespace, "-").to_lowercase();
    let version = own("version", "x-golem-api-definition-version", "version");
    let project_id: Option<ProjectId> = document
        .get(DEFINITION)
        .and_then(|own| own.get("projectId"))
        .and_then(Json::as_str)
        .and_then(|text| text.parse().ok());
    let draft = document.get(DEFINITION).and_then(|own| own.get("draft")).and_then(Json::as_bool);
    let mut routes: Vec<(u64, Route)> = Vec::new();
    match document.get("paths").and_then(Json::as_object) {
        None => errors.push(fail("paths", "the document has no paths")),
        Some(paths) => {
            for (path, item) in paths {
                path_item(path, item, &mut routes, &mut errors);
            }
        }
    }
    if !errors.is_empty() {
        errors.truncate(ERRORS_REPORTED_MAX);
        return Err(errors);
    }
    // Stable: operations without an order stay behind those with one, in the order of the document.
    routes.sort_by_key(|(order, _)| *order);
    let routes = routes.into_iter().map(|(_, route)| route).collect();
    Ok(ApiDefinition { id, version, project_id, draft: draft.unwrap_or(true), routes })
}

fn path_item(path: &str, item: &Json, routes: &mut Vec<(u64, Route)>, errors: &mut Vec<ImportError>) {
    let shared = item.get("parameters");
    for method in Method::ALL {
        let name = match method {
            Method::Connect => CONNECT.to_owned(),
            method => method.as_str().to_ascii_lowercase(),
        };
        let Some(operation) = item.get(&name) else { continue };
        let place = format!("paths.{path}.{name}");
        let found = own_route(operation).or_else(|| bridge(operation)).or_else(|| bridge(item));
        let Some(found) = found else {
            let problem = format!(
                "no `{ROUTE}`; add it with the worker that answers: {{\"binding\": {{\"template\": …, \"workerId\": …, \
                 \"functionName\": …, \"functionParams\": […]}}}}"
            );
            errors.push(fail(place, problem));
            continue;
        };
        let alternatives = operation.get(ALTERNATIVES).and_then(Json::as_array).into_iter().flatten();
        let all = [(found, ROUTE.to_owned())].into_iter().chain(
            alternatives.enumerate().map(|(i, route)| (route.clone(), format!("{ALTERNATIVES}[{i}]"))),
        );
        for (route, field) in all {
            let written = route.get("path").and_then(Json::as_str).map(str::to_owned);
            let pattern = written.map_or_else(|| pattern(path, [shared, operation.get("parameters")]), Ok);
            let binding = route.get("binding").cloned().unwrap_or_default();
            let binding = serde_json::from_value::<Binding>(binding);
            match (pattern, binding) {
                (Ok(path), Ok(binding)) => {
                    let order = route.get("order").and_then(Json::as_u64).unwrap_or(u64::MAX);
                    routes.push((order, Route { method, path, binding }));
                }
                (pattern, binding) => {
                    errors.extend(pattern.err().map(|problem| fail(place.clone(), problem)));
                    let problem = binding.err().map(|error| error.to_string());
                    errors.extend(problem.map(|problem| fail(format!("{place}.{field}.binding"), problem)));
                }
            }
        }
    }
}

fn own_route(operation: &Json) -> Option<Json> {
    operation.get(ROUTE).cloned()
}

/// The binding of a document of 2024, as a route.
fn bridge(operation: &Json) -> Option<Json> {
    let bridge = operation.get(BRIDGE)?.as_object()?;
    let names = [
        ("template", "template-id"),
        ("workerId", "worker-id"),
        ("functionName", "function-name"),
        ("functionParams", "function-params"),
        ("response", "response"),
    ];
    let mut binding = Map::new();
    for (name, old) in names {
        binding.extend(bridge.get(old).map(|value| (name.to_owned(), value.clone())));
    }
    let mut route = Map::new();
    route.insert("binding".to_owned(), Json::Object(binding));
    Some(Json::Object(route))
}

/// The pattern of an operation's path and query parameters.
fn pattern(path: &str, parameters: [Option<&Json>; 2]) -> Result<String, String> {
    let all = parameters.into_iter().flatten().filter_map(Json::as_array).flatten();
    let mut path = path.to_owned();
    let mut query: Vec<String> = Vec::new();
    for parameter in all {
        if parameter.get("$ref").is_some() {
            return Err("parameters with `$ref` are not resolved; write the parameter here".to_owned());
        }
        let text = |field: &str| parameter.get(field).and_then(Json::as_str).unwrap_or_default();
        let name = text("name");
        let ty = parameter.get("schema").and_then(scalar).map_or_else(String::new, |ty| format!(": {ty}"));
        match text("in") {
            "path" => path = path.replace(&format!("{{{name}}}"), &format!("{{{name}{ty}}}")),
            "query" => {
                let required = parameter.get("required").and_then(Json::as_bool).unwrap_or(false);
                query.push(format!("{{{name}{}{ty}}}", if required { "" } else { "?" }));
            }
            _ => {}
        }
    }
    if query.is_empty() { Ok(path) } else { Ok(format!("{path}?{}", query.join("&"))) }
}

/// The type of a variable with this schema; none for text.
fn scalar(schema: &Json) -> Option<&'static str> {
    let text = |field: &str| schema.get(field).and_then(Json::as_str).unwrap_or_default();
    let is_natural = schema.get("minimum").and_then(Json::as_f64).is_some_and(|minimum| minimum >= 0.0);
    Some(match (text("type"), text("format")) {
        ("boolean", _) => "bool",
        ("integer", "int8") => "s8",
        ("integer", "uint8") => "u8",
        ("integer", "int16") => "s16",
        ("integer", "uint16") => "u16",
        ("integer", "uint32") => "u32",
        ("integer", "uint64") => "u64",
        ("integer", "int32") if is_natural => "u32",
        ("integer", "int32") => "s32",
        ("integer", _) if is_natural => "u64",
        ("integer", _) => "s64",
        ("number", "float") => "f32",
        ("number", _) => "f64",
        ("string", "char") => "char",
        _ => return None,
    })
}

//! Writes a definition as an OpenAPI document.

use super::schema::{object_of, schema};
use super::{ALTERNATIVES, CONNECT, DEFINITION, ROUTE};
use crate::definition::{CompiledApi, CompiledRoute, Mode, Route};
use crate::exchange::is_response_status;
use crate::route::{Method, Scalar, Segment, encoded};
use golem_model::Type;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The readers of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The owner of the API: the document contains the bindings, and [`import`](super::import) of it gives the same
    /// definition.
    Owner,
    /// The callers of the API: the document has no extensions. It does not show templates, workers and functions.
    Callers,
}

impl CompiledApi {
    /// The definition as an OpenAPI 3.1 document. `server` is the address at which it is deployed.
    pub fn to_openapi(&self, server: Option<&str>, audience: Audience) -> Json {
        let definition = self.definition();
        let mut own = json!({"id": definition.id, "version": definition.version, "draft": definition.draft});
        if let Some(project) = definition.project_id {
            own["projectId"] = json!(project);
        }
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {"title": definition.id, "version": definition.version},
        });
        let is_owner = audience == Audience::Owner;
        if is_owner {
            document[DEFINITION] = own;
        }
        if let Some(server) = server {
            document["servers"] = json!([{"url": server}]);
        }
        // Paths that differ in the names of their captures are one path in OpenAPI. The first route's names are used.
        let mut keys: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        let mut paths: Map<String, Json> = Map::new();
        for (order, (route, compiled)) in definition.routes.iter().zip(&self.routes).enumerate() {
            let (key, names) = keys.entry(shape(compiled, |_| String::new())).or_insert_with(|| {
                let names = compiled.pattern.segments.iter().filter_map(Segment::name).map(str::to_owned);
                (shape(compiled, str::to_owned), names.collect())
            });
            if route.method == Method::Connect && !is_owner {
                continue;
            }
            let item = paths.entry(key.clone()).or_insert_with(|| json!({}));
            let method = match route.method {
                Method::Connect => CONNECT.to_owned(),
                method => method.as_str().to_ascii_lowercase(),
            };
            let own = json!({"order": order, "path": route.path, "binding": route.binding});
            match item.get_mut(&method) {
                None => {
                    let mut operation = operation(order, route, compiled, names);
                    if is_owner {
                        operation[ROUTE] = own;
                        operation["summary"] = json!(format!("{} of a worker", compiled.name));
                    }
                    item[method] = operation;
                }
                Some(_) if !is_owner => {}
                Some(operation) => match operation.get_mut(ALTERNATIVES).and_then(Json::as_array_mut) {
                    Some(alternatives) => alternatives.push(own),
                    None => operation[ALTERNATIVES] = json!([own]),
                },
            }
        }
        document["paths"] = Json::Object(paths);
        document
    }
}

/// The path with names of captures as `name` gives them.
fn shape(route: &CompiledRoute, name: impl Fn(&str) -> String) -> String {
    let segments = route.pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{}", encoded(text)),
        Segment::Capture { name: own, .. } | Segment::Rest { name: own } => format!("/{{{}}}", name(own)),
    });
    let path: String = segments.collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

fn operation(order: usize, route: &Route, compiled: &CompiledRoute, names: &[String]) -> Json {
    let mut parameters = Vec::new();
    let captures = compiled.pattern.segments.iter().filter(|segment| segment.name().is_some());
    for (segment, name) in captures.zip(names) {
        let ty = match segment {
            Segment::Capture { ty, .. } => *ty,
            Segment::Literal(_) | Segment::Rest { .. } => None,
        };
        let mut parameter = json!({"name": name, "in": "path", "required": true, "schema": variable(ty)});
        if matches!(segment, Segment::Rest { .. }) {
            parameter["description"] = json!("One or more segments, with `/` between them.");
        }
        parameters.push(parameter);
    }
    for query in &compiled.pattern.query {
        parameters.push(json!({
            "name": query.name, "in": "query", "required": query.required, "schema": variable(query.ty),
        }));
    }
    let mut operation = json!({
        "operationId": format!("route-{order}"),
        "responses": responses(route, compiled),
    });
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if compiled.uses_body {
        let params = compiled.params.iter().zip(&compiled.function.params);
        let parts: Vec<_> = params.flat_map(|(expr, param)| expr.body_parts(&param.ty)).collect();
        let schema = if parts.is_empty() { json!({}) } else { object_of(&parts) };
        operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
    }
    operation
}

fn variable(ty: Option<Scalar>) -> Json {
    match ty {
        None => json!({"type": "string"}),
        Some(Scalar::Char) => json!({"type": "string", "format": "char", "minLength": 1, "maxLength": 1}),
        Some(ty) => schema(&ty.to_type()),
    }
}

fn responses(route: &Route, compiled: &CompiledRoute) -> Json {
    let with_body = |description: &str, schema: &Json| json!({"description": description, "content": {"application/json": {"schema": schema}}});
    let mut responses = Map::new();
    let result = compiled.function.result.as_ref();
    match (&route.binding.response, compiled.mode) {
        (_, Mode::Accept) => {
            responses.insert("202".to_owned(), json!({"description": "The invocation is accepted."}));
        }
        (Some(_), Mode::Await) => {
            let constant = compiled.mapping.status.as_ref().and_then(crate::expr::Expr::constant);
            let status = constant.as_ref().and_then(is_response_status);
            let status = status.map_or_else(|| "default".to_owned(), |status| status.to_string());
            responses.insert(status, with_body("As the route maps the result.", &json!({})));
        }
        (None, Mode::Await) => match result {
            None => {
                responses.insert("204".to_owned(), json!({"description": "The function has no result."}));
            }
            Some(Type::Option(inner)) => {
                responses.insert("200".to_owned(), with_body("The value.", &schema(inner)));
                responses.insert("404".to_owned(), json!({"description": "There is no value."}));
            }
            Some(Type::Result { ok, err }) => {
                let side = |ty: Option<&Type>| ty.map_or_else(|| json!({}), schema);
                let ok_response = match ok {
                    Some(ok) => ("200", with_body("The value.", &side(Some(ok)))),
                    None => ("204", json!({"description": "Success without a value."})),
                };
                responses.insert(ok_response.0.to_owned(), ok_response.1);
                responses.insert("4XX".to_owned(), with_body("The error.", &side(err.as_deref())));
            }
            Some(result) => {
                responses.insert("200".to_owned(), with_body("The result.", &schema(result)));
            }
        },
    }
    responses.entry("400").or_insert_with(|| json!({"description": "The request does not fit the route."}));
    Json::Object(responses)
}

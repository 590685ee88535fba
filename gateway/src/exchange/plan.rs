//! From a request to an invocation.

use super::GatewayError;
use crate::definition::{CompiledApi, CompiledRoute, Mode};
use crate::expr::{Env, Expr, scalar, text_of};
use crate::route::{Lookup, Method, Scalar, Segment, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use golem_model::value::json::from_json;
use golem_model::{IdempotencyKey, TemplateId, Type, Value, WorkerName};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// A request, as the listener received it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// Path and query, not decoded, such as `/users/1?active=true`.
    pub target: &'a str,
    /// The headers in order. Names are compared without case.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// The invocation that a request becomes.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Plan {
    /// The index of the route.
    pub route: usize,
    /// The template of the worker.
    pub template: TemplateId,
    /// The worker's name. The worker is created if it does not exist.
    pub worker: WorkerName,
    /// The full name of the function.
    pub function: Arc<str>,
    /// One value per parameter.
    pub params: Vec<Value>,
    /// The idempotency key that the request carries. Without one, the invocation is anonymous.
    pub key: Option<IdempotencyKey>,
    /// Whether the response waits for the result.
    pub mode: Mode,
    pub(super) inputs: Inputs,
}

/// The parts of a request that expressions can use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inputs {
    path: Json,
    query: Json,
    headers: Json,
    body: Json,
}

impl Inputs {
    pub(super) const fn env<'a>(&'a self, response: &'a Json) -> Env<'a> {
        Env { path: &self.path, query: &self.query, headers: &self.headers, body: &self.body, response }
    }
}

impl CompiledApi {
    /// Finds the route of a request and evaluates its binding.
    pub fn plan(&self, request: &Request<'_>) -> Result<Plan, GatewayError> {
        let target = Target::parse(request.target)?;
        let method = Method::from_name(request.method).ok_or_else(|| GatewayError::UnknownMethod {
            method: golem_model::excerpt(40, format_args!("{}", request.method)),
        })?;
        let index = match self.tree.lookup(method, &target) {
            Lookup::Found(index) => index,
            Lookup::MissingQuery { names, .. } => return Err(GatewayError::MissingQuery { names }),
            Lookup::OtherMethods(allowed) => return Err(GatewayError::MethodNotAllowed { allowed }),
            Lookup::NotFound => return Err(GatewayError::NoRoute),
        };
        let route = &self.routes[index];
        let inputs = inputs(route, &target, request)?;
        let env = inputs.env(&Json::Null);
        let failed = |field: &str| {
            let field = format!("routes[{index}].binding.{field}");
            move |error| GatewayError::Binding { field, error }
        };
        let worker = route.worker.value(env).map_err(failed("workerId"))?;
        let worker = text_of(&worker).unwrap_or_default();
        let worker = WorkerName::new(worker).map_err(|error| GatewayError::WorkerName(error.to_string()))?;
        let mut params = Vec::with_capacity(route.params.len());
        for (i, (expr, param)) in route.params.iter().zip(&route.function.params).enumerate() {
            let json = expr.value_for(&param.ty, env).map_err(failed(&format!("functionParams[{i}]")))?;
            params.push(from_json(&param.ty, &json, &param.name).map_err(GatewayError::Param)?);
        }
        let key = key(route.key.as_ref(), request.headers, env).map_err(|error| match error {
            KeyError::Expression(error) => failed("idempotencyKey")(error),
            KeyError::Invalid(error) => error.into(),
        })?;
        let (template, mode, function) = (route.template, route.mode, Arc::clone(&route.name));
        Ok(Plan { route: index, template, worker, function, params, key, mode, inputs })
    }
}

enum KeyError {
    Expression(crate::expr::ExprError<crate::expr::EvalProblem>),
    Invalid(golem_model::invocation::IdempotencyKeyError),
}

fn key(
    expr: Option<&Expr>,
    headers: &[(String, String)],
    env: Env<'_>,
) -> Result<Option<IdempotencyKey>, KeyError> {
    let chosen = expr.map(|expr| expr.value(env)).transpose().map_err(KeyError::Expression)?;
    let chosen = chosen.filter(|value| !value.is_null());
    // A list or an object from the body is no key; its text is empty, which is refused.
    let text = chosen.map(|value| text_of(&value).unwrap_or_default().into_owned());
    // Two values of the header are joined with a space, which is refused.
    let text = text.or_else(|| header(headers, "idempotency-key"));
    text.map(|text| IdempotencyKey::new(text).map_err(KeyError::Invalid)).transpose()
}

fn inputs(route: &CompiledRoute, target: &Target, request: &Request<'_>) -> Result<Inputs, GatewayError> {
    let mut path = Map::new();
    for (i, segment) in route.pattern.segments.iter().enumerate() {
        match segment {
            Segment::Literal(_) => {}
            Segment::Capture { name, ty } => {
                let text = target.segments.get(i).map_or("", String::as_str);
                path.insert(name.clone(), variable(name, *ty, text)?);
            }
            Segment::Rest { name } => {
                let rest = target.segments.get(i..).unwrap_or_default();
                if rest.iter().any(|segment| segment.contains('/')) {
                    return Err(GatewayError::EncodedSlash { name: name.clone() });
                }
                path.insert(name.clone(), Json::String(rest.join("/")));
            }
        }
    }
    let mut query = Map::new();
    for parameter in &route.pattern.query {
        let mut values = target.query.iter().filter(|(name, _)| *name == parameter.name);
        let value = match (values.next(), values.next()) {
            (None, _) => Json::Null,
            (Some((name, text)), None) => variable(name, parameter.ty, text)?,
            (Some(_), Some(_)) => {
                return Err(GatewayError::RepeatedQuery { name: parameter.name.clone() });
            }
        };
        query.insert(parameter.name.clone(), value.clone());
        path.insert(parameter.name.clone(), value);
    }
    let mut headers: Map<String, Json> = Map::new();
    if route.uses_headers {
        for (name, _) in request.headers {
            let name = name.to_ascii_lowercase();
            if !headers.contains_key(&name) {
                let value = header(request.headers, &name).unwrap_or_default();
                headers.insert(name, Json::String(value));
            }
        }
    }
    let body = if route.uses_body {
        body(&header(request.headers, "content-type").unwrap_or_default(), request.body)?
    } else {
        Json::Null
    };
    Ok(Inputs { path: Json::Object(path), query: Json::Object(query), headers: Json::Object(headers), body })
}

/// The value of a header. The values of a header that occurs several times are joined.
fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    let mut values =
        headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let mut all = values.next()?.clone();
    for value in values {
        all.push_str(if name == "cookie" { "; " } else { ", " });
        all.push_str(value);
    }
    Some(all)
}

/// The value of a variable of path or query.
fn variable(name: &str, ty: Option<Scalar>, text: &str) -> Result<Json, GatewayError> {
    let Some(ty) = ty.map(Scalar::to_type) else { return Ok(Json::String(text.to_owned())) };
    let value = scalar(&ty, text).unwrap_or_else(|| Json::String(text.to_owned()));
    // Decimal strings are a spelling of 64-bit integers in JSON, but a variable of the type must be a number.
    let fits = from_json(&ty, &value, name).map_err(GatewayError::Variable)?;
    match (fits, ty) {
        (Value::F32(_) | Value::F64(_), _) | (_, Type::String | Type::Bool | Type::Char) => Ok(value),
        (Value::U64(number), _) => Ok(Json::from(number)),
        (Value::S64(number), _) => Ok(Json::from(number)),
        _ => Ok(value),
    }
}

fn body(content_type: &str, bytes: &[u8]) -> Result<Json, GatewayError> {
    if bytes.is_empty() {
        return Ok(Json::Null);
    }
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let utf8 = || {
        std::str::from_utf8(bytes)
            .map_err(|error| GatewayError::Body { expected: "UTF-8", detail: error.to_string() })
    };
    match media.as_str() {
        "application/octet-stream" => {
            let mut object = Map::new();
            object.insert("base64".to_owned(), Json::String(STANDARD.encode(bytes)));
            Ok(Json::Object(object))
        }
        "application/x-www-form-urlencoded" => form(utf8()?),
        media if media.starts_with("text/") => Ok(Json::String(utf8()?.to_owned())),
        media if media.is_empty() || media == "application/json" || media.ends_with("+json") => {
            serde_json::from_slice(bytes)
                .map_err(|error| GatewayError::Body { expected: "JSON", detail: error.to_string() })
        }
        _ => {
            let found = golem_model::excerpt(100, format_args!("{content_type}"));
            Err(GatewayError::MediaType { found })
        }
    }
}

/// The fields of a form. The values of a field that occurs several times are a list.
fn form(text: &str) -> Result<Json, GatewayError> {
    let mut fields = Map::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = |text: &str| {
            crate::route::percent_decoded(&text.replace('+', " ")).ok_or_else(|| GatewayError::Body {
                expected: "form data",
                detail: "a name or a value is not percent-encoded UTF-8".to_owned(),
            })
        };
        let value = Json::String(decoded(value)?);
        match fields.entry(decoded(name)?) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Json::Array(values) => values.push(value),
                first => {
                    let values = vec![first.take(), value];
                    *first = Json::Array(values);
                }
            },
        }
    }
    Ok(Json::Object(fields))
}

//! From the result of an invocation to a response.
//!
//! Without a mapping, the response follows from the type of the result:
//!
//! | result | status | body |
//! |---|---|---|
//! | none | 204 | empty |
//! | `option<t>` | 200, or 404 for `none` | the value; for `none` an error text |
//! | `result<t, e>` | that of `ok`, or for `err` one of 400 to 499 | the value of `ok` or of `err` |
//! | any other | 200 | the value |

use super::{GatewayError, Plan};
use crate::definition::{CompiledApi, CompiledRoute};
use crate::expr::{Env, text_of};
use golem_model::value::json::result_to_json;
use golem_model::{Type, Value};
use serde_json::{Value as Json, json};

/// A response, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers. Names are in lower case. The length of the body is not among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Names of error cases, and the status that they stand for. A name also stands for its status when other words precede
/// it: `user-not-found`.
const STATUS_OF_ERRORS: &[(&str, u16)] = &[
    ("unauthorized", 401),
    ("unauthenticated", 401),
    ("payment-required", 402),
    ("forbidden", 403),
    ("access-denied", 403),
    ("permission-denied", 403),
    ("not-found", 404),
    ("does-not-exist", 404),
    ("conflict", 409),
    ("already-exists", 409),
    ("gone", 410),
    ("expired", 410),
    ("precondition-failed", 412),
    ("too-large", 413),
    ("unprocessable", 422),
    ("locked", 423),
    ("too-many-requests", 429),
    ("rate-limited", 429),
    ("quota-exceeded", 429),
];

/// The status for the error of a result. `error` is the JSON of a value of the type `ty`.
fn error_status(ty: Option<&Type>, error: &Json) -> u16 {
    let case = match (ty, error) {
        (Some(Type::Enum(_)), Json::String(case)) => Some(case.as_str()),
        (Some(Type::Variant(_)), Json::Object(cases)) => cases.keys().next().map(String::as_str),
        _ => None,
    };
    let matches = |case: &str, name: &str| {
        case.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('-'))
    };
    let found = case.and_then(|case| STATUS_OF_ERRORS.iter().find(|(name, _)| matches(case, name)));
    found.map_or(400, |(_, status)| *status)
}

/// The status, if the value is one that a response can have.
pub(crate) fn is_response_status(value: &Json) -> Option<u16> {
    let number = match value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    number.and_then(|number| u16::try_from(number).ok()).filter(|status| (200..=599).contains(status))
}

/// Whether the text is a name of a header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 100 && name.bytes().all(valid)
}

/// Whether the text is a value of a header. Line ends would begin another header.
pub(crate) fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Why a definition cannot set the header, if it cannot.
pub(crate) fn is_forbidden_header(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let frames =
        ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
    let of_server = ["date", "server"];
    if frames.contains(&name.as_str()) || name.starts_with("proxy-") {
        return Some("it belongs to the connection, and the gateway sets it");
    }
    of_server.contains(&name.as_str()).then_some("the gateway sets it")
}

impl CompiledApi {
    /// The response for the result of the invocation `plan`. `result` is `None` for a function without a result.
    pub fn respond(&self, plan: &Plan, result: Option<&Value>) -> Result<Response, GatewayError> {
        let failed = |field: &str, detail: String| GatewayError::Mapping {
            field: format!("routes[{}].binding.{field}", plan.route),
            detail: format!(": {detail}"),
        };
        let Some(route) = self.routes.get(plan.route) else {
            return Err(failed("response", "the plan belongs to another definition".to_owned()));
        };
        let json = result_to_json(&route.function, result)
            .map_err(|error| failed("response", format!("the result of {}: {error}", route.name)))?;
        let env = plan.inputs.env(&json);
        let (default_status, default_body) = by_default(route.function.result.as_ref(), json.get(0));
        let status = match &route.mapping.status {
            None => default_status,
            Some(status) => {
                let value =
                    status.value(env).map_err(|error| failed("response.status", error.to_string()))?;
                is_response_status(&value).ok_or_else(|| {
                    failed("response.status", format!("{value} is no status from 200 to 599"))
                })?
            }
        };
        let body = match &route.mapping.body {
            None => default_body,
            Some(body) => Some(body.value(env).map_err(|error| failed("response.body", error.to_string()))?),
        };
        let headers = headers(route, env)
            .map_err(|(name, detail)| failed(&format!("response.headers.{name}"), detail))?;
        encode(status, headers, body).map_err(|detail| failed("response.body", detail))
    }
}

/// Status and body by the type of the result.
fn by_default(ty: Option<&Type>, value: Option<&Json>) -> (u16, Option<Json>) {
    let (Some(ty), Some(value)) = (ty, value) else { return (204, None) };
    match (ty, value) {
        (Type::Option(_), Json::Null) => (404, Some(json!({"error": "not found"}))),
        (Type::Option(inner), value) => {
            // An option of an option has its payload under a name.
            let wrapped = matches!(**inner, Type::Option(_)).then(|| value.get("some")).flatten();
            by_default(Some(inner), Some(wrapped.unwrap_or(value)))
        }
        (Type::Result { ok, err }, Json::Object(sides)) => match (sides.get("ok"), sides.get("err")) {
            (Some(value), _) => by_default(ok.as_deref(), Some(value)),
            (_, Some(error)) => {
                let status = error_status(err.as_deref(), error);
                let body = if err.is_some() {
                    error.clone()
                } else {
                    json!({"error": "the worker returned an error"})
                };
                (status, Some(body))
            }
            _ => (200, Some(value.clone())),
        },
        (_, value) => (200, Some(value.clone())),
    }
}

/// The headers of the mapping. A header whose value is absent is left out.
fn headers(route: &CompiledRoute, env: Env<'_>) -> Result<Vec<(String, String)>, (String, String)> {
    let mut headers = Vec::new();
    for (name, expr) in &route.mapping.headers {
        let failed = |detail: String| (name.clone(), detail);
        let value = expr.value(env).map_err(|error| failed(error.to_string()))?;
        if value.is_null() {
            continue;
        }
        let text = text_of(&value).ok_or_else(|| failed("the value is no text".to_owned()))?;
        if !is_header_value(&text) {
            return Err(failed("the value has characters other than visible ASCII and spaces".to_owned()));
        }
        headers.push((name.clone(), text.into_owned()));
    }
    Ok(headers)
}

/// The bytes of the body. Its content type decides: JSON, or the text or the bytes themselves.
fn encode(status: u16, mut headers: Vec<(String, String)>, body: Option<Json>) -> Result<Response, String> {
    let has_no_body = matches!(status, 204 | 205 | 304);
    let Some(body) = body.filter(|_| !has_no_body) else {
        return Ok(Response { status, headers, body: Vec::new() });
    };
    let given = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let media =
        given.unwrap_or("application/json").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bytes = if media == "application/json" || media.ends_with("+json") {
        body.to_string().into_bytes()
    } else {
        match &body {
            Json::Array(items) => items
                .iter()
                .map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                .collect::<Option<Vec<u8>>>()
                .ok_or_else(|| format!("a body of the type {media} is a text or a list of bytes"))?,
            Json::Null => Vec::new(),
            other => match text_of(other) {
                Some(text) => text.into_owned().into_bytes(),
                None => {
                    return Err(format!(
                        "a body of the type {media} is a text or a list of bytes, not an object"
                    ));
                }
            },
        }
    };
    if given.is_none() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Response { status, headers, body: bytes })
}

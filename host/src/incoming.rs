//! An HTTP request for a worker's `wasi:http/incoming-handler`, as an invocation.
//!
//! Request and response are ordinary values, so queue, keys, oplog, replay and retries work as for any invocation.
//! Handles exist only inside the instance.

use golem_model::Value;
use golem_model::template::Functions;

/// The function name under which such an invocation is recorded. A component cannot export a function of this name:
/// there the name contains the interface's version.
pub const INCOMING_HTTP: &str = "wasi:http/incoming-handler/handle";

/// The beginning and the end of the handler's name in a component.
const INTERFACE: &str = "wasi:http/incoming-handler@0.2.";
const FUNCTION: &str = "/handle";

/// A field's name and value.
type Field = (String, Vec<u8>);

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingRequest {
    /// The method.
    pub method: String,
    /// Path and query that the worker sees.
    pub path_with_query: String,
    /// The authority that the HTTP client named.
    pub authority: Option<String>,
    /// Header fields, with their names in lower case.
    pub headers: Vec<Field>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A worker's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Header fields, with their names in lower case.
    pub headers: Vec<Field>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Fields after the body.
    pub trailers: Option<Vec<Field>>,
}

/// The full name of the function among `functions` that handles HTTP requests.
pub fn find_http_handler(functions: &Functions) -> Option<&str> {
    functions.names().find(|name| is_http_handler(name))
}

/// Whether a function of this full name handles HTTP requests.
pub fn is_http_handler(name: &str) -> bool {
    name == INCOMING_HTTP || (name.starts_with(INTERFACE) && name.ends_with(FUNCTION))
}

fn fields_value(fields: Vec<Field>) -> Value {
    let pair = |(name, value)| Value::Tuple(vec![Value::String(name), Value::Bytes(value)]);
    Value::List(fields.into_iter().map(pair).collect())
}

fn fields(value: Value) -> Option<Vec<Field>> {
    let Value::List(pairs) = value else { return None };
    let pair = |pair| match pair {
        Value::Tuple(items) => match <[Value; 2]>::try_from(items) {
            Ok([Value::String(name), Value::Bytes(value)]) => Some((name, value)),
            _ => None,
        },
        _ => None,
    };
    pairs.into_iter().map(pair).collect()
}

impl IncomingRequest {
    /// Converts the request to the parameter of an invocation.
    pub fn into_value(self) -> Value {
        let Self { method, path_with_query, authority, headers, body } = self;
        Value::Record(vec![
            Value::String(method),
            Value::String(path_with_query),
            Value::Option(authority.map(|authority| Box::new(Value::String(authority)))),
            fields_value(headers),
            Value::Bytes(body),
        ])
    }

    /// Converts back from [`IncomingRequest::into_value`].
    pub fn from_value(value: Value) -> Option<Self> {
        let Value::Record(parts) = value else { return None };
        let [method, path, authority, headers, body] = <[Value; 5]>::try_from(parts).ok()?;
        let authority = match authority {
            Value::Option(None) => None,
            Value::Option(Some(authority)) => match *authority {
                Value::String(authority) => Some(authority),
                _ => return None,
            },
            _ => return None,
        };
        match (method, path, body) {
            (Value::String(method), Value::String(path_with_query), Value::Bytes(body)) => {
                Some(Self { method, path_with_query, authority, headers: fields(headers)?, body })
            }
            _ => None,
        }
    }
}

impl HttpReply {
    /// Converts the result of an invocation: a response, or why there is none.
    pub fn into_value(reply: Result<Self, String>) -> Value {
        Value::Result(match reply {
            Ok(Self { status, headers, body, trailers }) => Ok(Some(Box::new(Value::Record(vec![
                Value::U16(status),
                fields_value(headers),
                Value::Bytes(body),
                Value::Option(trailers.map(|trailers| Box::new(fields_value(trailers)))),
            ])))),
            Err(text) => Err(Some(Box::new(Value::String(text)))),
        })
    }

    /// Converts back from [`HttpReply::into_value`].
    pub fn from_value(value: Value) -> Option<Result<Self, String>> {
        match value {
            Value::Result(Ok(Some(response))) => {
                let Value::Record(parts) = *response else { return None };
                let [status, headers, body, trailers] = <[Value; 4]>::try_from(parts).ok()?;
                let trailers = match trailers {
                    Value::Option(None) => None,
                    Value::Option(Some(trailers)) => Some(fields(*trailers)?),
                    _ => return None,
                };
                match (status, body) {
                    (Value::U16(status), Value::Bytes(body)) => {
                        Some(Ok(Self { status, headers: fields(headers)?, body, trailers }))
                    }
                    _ => None,
                }
            }
            Value::Result(Err(Some(text))) => match *text {
                Value::String(text) => Some(Err(text)),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_round_trip_through_values() {
        let headers = vec![("a".to_owned(), b"1".to_vec()), ("a".to_owned(), b"\xff".to_vec())];
        for authority in [None, Some("example.com".to_owned())] {
            let request = IncomingRequest {
                method: "PUT".to_owned(),
                path_with_query: "/a?b".to_owned(),
                authority,
                headers: headers.clone(),
                body: b"body".to_vec(),
            };
            assert_eq!(IncomingRequest::from_value(request.clone().into_value()), Some(request));
        }
        for trailers in [None, Some(headers.clone())] {
            let response = HttpReply { status: 418, headers: headers.clone(), body: Vec::new(), trailers };
            let value = HttpReply::into_value(Ok(response.clone()));
            assert_eq!(HttpReply::from_value(value), Some(Ok(response)));
        }
        let none = HttpReply::into_value(Err("why".to_owned()));
        assert_eq!(HttpReply::from_value(none), Some(Err("why".to_owned())));
        assert_eq!(IncomingRequest::from_value(Value::Bool(true)), None);
        assert_eq!(HttpReply::from_value(Value::Record(Vec::new())), None);
    }

    #[test]
    fn the_handler_is_found_in_any_version() {
        assert!(is_http_handler("wasi:http/incoming-handler@0.2.0/handle"));
        assert!(is_http_handler("wasi:http/incoming-handler@0.2.12/handle"));
        assert!(!is_http_handler("wasi:http/incoming-handler@0.3.0/handle"));
        assert!(!is_http_handler("my:http/incoming-handler@0.2.0/handle"));
    }
}

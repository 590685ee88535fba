//! Converts the function name and parameters of a request to a call.

use super::error::ApiError;
use crate::catalog::Version;
use crate::text::nearest;
use golem_model::template::Functions;
use golem_model::{Convention, Function, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Function names in an error message, at most.
const NAMES_LISTED_MAX: usize = 20;

/// Finds the function that a request calls `name` ([`Functions::find`]), if it can be invoked.
pub(super) fn find_function<'a>(
    functions: &'a Functions,
    name: &str,
) -> Result<(&'a Arc<str>, &'a Arc<Function>), ApiError> {
    let found = functions.find(name).ok_or_else(|| unknown_function(functions, name))?;
    if golem_host::is_http_handler(found.0) {
        return Err(ApiError::invalid(format!(
            "the function {} cannot be invoked like this: it answers HTTP requests; send them to \
             /v1/templates/TEMPLATE/workers/WORKER/http/PATH",
            found.0
        )));
    }
    if found.1.has_handles() {
        return Err(ApiError::invalid(format!(
            "the function {} cannot be invoked: it takes or returns a resource, which cannot leave its component",
            found.0
        )));
    }
    Ok(found)
}

fn unknown_function(functions: &Functions, name: &str) -> ApiError {
    let names: Vec<&str> = functions.names().collect();
    let shown: String = name.chars().take(200).collect();
    // Often only the last part is misspelled, or the interface is missing.
    let last = |name: &'_ str| name.rsplit('/').next().map(str::to_owned);
    let meant = nearest(name, names.iter().copied())
        .or_else(|| names.iter().copied().find(|full| last(full) == last(name)))
        .map_or_else(|| ".".to_owned(), |meant| format!(": did you mean {meant:?}?"));
    let known = match names.len() {
        0 => "no functions".to_owned(),
        1..=NAMES_LISTED_MAX => names.join(", "),
        count => format!("{} and {} more", names[..NAMES_LISTED_MAX].join(", "), count - NAMES_LISTED_MAX),
    };
    let text = format!("Unknown function {shown:?}{meant} The template exports {known}");
    ApiError::invalid(text)
}

/// A function of a template version, with parameters of its types.
pub(super) struct PreparedCall {
    pub(super) name: Arc<str>,
    pub(super) function: Arc<Function>,
    /// For a program, its input as one text.
    pub(super) params: Vec<Value>,
    pub(super) convention: Convention,
}

/// Finds the function and converts its parameters.
pub(super) fn prepare_call(
    version: &Version,
    name: &str,
    convention: Convention,
    params: &serde_json::Value,
) -> Result<PreparedCall, ApiError> {
    let (name, function) = find_function(&version.functions, name)?;
    let params = if convention.is_program() {
        if !function.params.is_empty() {
            return Err(ApiError::invalid(
                "The exported function should not have any parameters when using the stdio calling convention",
            ));
        }
        vec![Value::String(params.to_string())]
    } else {
        golem_model::value::json::params_from_json(function, params)
            .map_err(|error| ApiError::invalid(error.to_string()))?
    };
    Ok(PreparedCall { name: name.clone(), function: function.clone(), params, convention })
}

/// The result of a program as JSON: its output if that is JSON, the output as a string if not, `null` if there is none.
pub(super) fn output_json(result: Option<&Value>) -> Cow<'_, str> {
    let text = match result {
        Some(Value::String(text)) => text.as_str(),
        _ => "",
    };
    if text.is_empty() {
        return Cow::Borrowed("null");
    }
    // Parsed only as a check. The output itself is returned, so that long numbers and the order of fields are
    // preserved.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Cow::Borrowed(text.trim_ascii()),
        Err(_) => Cow::Owned(serde_json::Value::from(text).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::template::Param;
    use golem_model::{Export, Type};

    fn functions() -> Functions {
        let function = |name: &str, result| Function { name: name.into(), params: Vec::new(), result };
        Functions::new(&[
            Export::Interface {
                name: "golem:counter/api".into(),
                functions: vec![function("increment", Some(Type::U64)), function("get", Some(Type::U64))],
            },
            Export::Interface { name: "wasi:cli/run@0.2.12".into(), functions: vec![function("run", None)] },
            Export::Interface { name: "a:b/twice@1.0.0".into(), functions: vec![function("f", None)] },
            Export::Interface { name: "a:b/twice@2.0.0".into(), functions: vec![function("f", None)] },
            Export::Function(function("run", None)),
            Export::Function(Function {
                name: "open".into(),
                params: vec![Param {
                    name: "f".into(),
                    ty: Type::List(Arc::new(Type::Handle("file".into()))),
                }],
                result: None,
            }),
        ])
    }

    #[test]
    fn functions_are_found_by_every_form_of_their_name() {
        let functions = functions();
        for (name, found) in [
            ("golem:counter/api/get", "golem:counter/api/get"),
            ("run", "run"),
            ("golem:template/run", "run"),
            ("wasi:cli/run/run", "wasi:cli/run@0.2.12/run"),
            ("wasi:cli/run@0.2.12/run", "wasi:cli/run@0.2.12/run"),
            ("a:b/twice@2.0.0/f", "a:b/twice@2.0.0/f"),
        ] {
            assert_eq!(find_function(&functions, name).unwrap().0.as_ref(), found);
        }
    }

    #[test]
    fn an_unknown_function_is_answered_with_the_known_ones() {
        let functions = functions();
        for (name, part) in [
            ("golem:counter/api/gett", "did you mean \"golem:counter/api/get\"?"),
            ("increment", "did you mean \"golem:counter/api/increment\"?"),
            ("x/run", "did you mean \"run\"?"),
            (":/run", "Unknown function"),
            ("nothing", "The template exports a:b/twice@1.0.0/f, a:b/twice@2.0.0/f, golem:counter/api/get, "),
            ("a:b/twice/f", "did you mean \"a:b/twice@1.0.0/f\"?"),
            ("open", "takes or returns a resource"),
        ] {
            let text = find_function(&functions, name).unwrap_err().to_string();
            assert!(text.contains(part), "{name}: {text}");
        }
    }

    #[test]
    fn the_output_of_a_program_is_json_or_a_text() {
        for (text, expected) in [
            ("", "null"),
            ("null", "null"),
            ("{\"b\": 1, \"a\": [2]}\n", "{\"b\": 1, \"a\": [2]}"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("hello", "\"hello\""),
            ("one\ntwo\n", "\"one\\ntwo\\n\""),
            ("1 2", "\"1 2\""),
            ("\n", "\"\\n\""),
            ("NaN", "\"NaN\""),
        ] {
            assert_eq!(output_json(Some(&Value::String(text.to_owned()))), expected, "{text:?}");
        }
        assert_eq!(output_json(None), "null");
    }
}

//! Reads typed values from JSON.

use super::{JsonError, Problem, describe, join_names, option_is_wrapped};
use crate::limits::{JSON_OMITTED_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::template::Function;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use std::cell::Cell;

/// Reads a value of type `ty`. `path` is the path of `json` in error messages.
pub fn from_json(ty: &Type, json: &Json, path: &str) -> Result<Value, JsonError> {
    let omitted = Cell::new(JSON_OMITTED_BYTES_MAX);
    read(ty, json, Position::outermost(&omitted)).map_err(|error| error.into_json_error(path))
}

/// Reads the parameters of `function`: an array with one element per parameter.
pub fn params_from_json(function: &Function, json: &Json) -> Result<Vec<Value>, JsonError> {
    let Json::Array(items) = json else {
        let expected = format!("an array of {} parameters", function.params.len());
        let problem = Problem::Mismatch { expected, found: kind_of(json) };
        return Err(JsonError { path: "params".to_owned(), problem });
    };
    if items.len() != function.params.len() {
        let problem = Problem::ParamCount { got: items.len(), expected: function.params.len() };
        return Err(JsonError { path: "params".to_owned(), problem });
    }
    let omitted = Cell::new(JSON_OMITTED_BYTES_MAX);
    let mut values = Vec::with_capacity(items.len());
    for (i, (param, item)) in function.params.iter().zip(items).enumerate() {
        let value = read(&param.ty, item, Position::outermost(&omitted));
        values.push(value.map_err(|error| error.into_json_error(&format!("params[{i}]")))?);
    }
    Ok(values)
}

/// Where a value is read.
#[derive(Clone, Copy)]
struct Position<'a> {
    /// Nesting depth.
    depth: usize,
    /// Bytes that values of omitted fields may still have, see [`JSON_OMITTED_BYTES_MAX`].
    omitted: &'a Cell<usize>,
}

impl<'a> Position<'a> {
    fn outermost(omitted: &'a Cell<usize>) -> Self {
        Self { depth: 0, omitted }
    }

    fn inner(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Counts a field that the JSON omits. A value has its name when it is passed to the guest.
    fn omit(self, name: &str) -> ReadResult<()> {
        match self.omitted.get().checked_sub(name.len() + size_of::<(String, Value)>()) {
            Some(left) => {
                self.omitted.set(left);
                Ok(())
            }
            None => fail(Problem::TooManyOmitted),
        }
    }
}

/// A problem and the path to it. The callers of a failed read append their steps, from the innermost to the outermost.
struct ReadError {
    problem: Problem,
    steps: Vec<PathStep>,
}

enum PathStep {
    Index(usize),
    Key(String),
}

impl ReadError {
    fn into_json_error(self, start: &str) -> JsonError {
        let mut path = start.to_owned();
        for step in self.steps.iter().rev() {
            match step {
                PathStep::Index(index) => {
                    path.push('[');
                    path.push_str(&index.to_string());
                    path.push(']');
                }
                PathStep::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            }
        }
        JsonError { path, problem: self.problem }
    }

    #[expect(clippy::unnecessary_box_returns, reason = "the error is boxed in the `Result` that contains it")]
    fn with_step(mut self: Box<Self>, step: PathStep) -> Box<Self> {
        self.steps.push(step);
        self
    }
}

/// The error is boxed, so that it does not enlarge the `Result` of a successful read.
type ReadResult<T> = Result<T, Box<ReadError>>;

fn fail<T>(problem: Problem) -> ReadResult<T> {
    Err(Box::new(ReadError { problem, steps: Vec::new() }))
}

fn mismatch<T>(ty: &Type, json: &Json) -> ReadResult<T> {
    fail(Problem::Mismatch { expected: describe(ty), found: kind_of(json) })
}

/// Names the kind of a JSON value in an error message.
fn kind_of(json: &Json) -> String {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
    .to_owned()
}

/// Quotes a text of the caller, or a name of the component, in an error message: shortened, and on one line.
pub(super) fn escaped_excerpt(text: &str) -> String {
    const CHARS_SHOWN_MAX: usize = 64;
    let mut short: String = text.chars().take(CHARS_SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARS_SHOWN_MAX).is_some() {
        short.push('…');
    }
    short
}

fn read(ty: &Type, json: &Json, at: Position<'_>) -> ReadResult<Value> {
    if at.depth > VALUE_DEPTH_MAX {
        return fail(Problem::TooDeep);
    }
    Ok(match ty {
        Type::Bool => match json {
            Json::Bool(v) => Value::Bool(*v),
            _ => return mismatch(ty, json),
        },
        Type::S8 => Value::S8(signed(ty, json, "s8", i8::MIN.into(), i8::MAX.into())?),
        Type::U8 => Value::U8(unsigned(ty, json, "u8", u8::MAX.into())?),
        Type::S16 => Value::S16(signed(ty, json, "s16", i16::MIN.into(), i16::MAX.into())?),
        Type::U16 => Value::U16(unsigned(ty, json, "u16", u16::MAX.into())?),
        Type::S32 => Value::S32(signed(ty, json, "s32", i32::MIN.into(), i32::MAX.into())?),
        Type::U32 => Value::U32(unsigned(ty, json, "u32", u32::MAX.into())?),
        Type::S64 => Value::S64(signed(ty, json, "s64", i64::MIN, i64::MAX)?),
        Type::U64 => Value::U64(unsigned(ty, json, "u64", u64::MAX)?),
        Type::F32 => Value::F32(float32(ty, json)?),
        Type::F64 => Value::F64(float(ty, json)?),
        Type::Char => Value::Char(character(ty, json)?),
        Type::String => match json {
            Json::String(text) => Value::String(text.clone()),
            _ => return mismatch(ty, json),
        },
        Type::List(inner) if **inner == Type::U8 => Value::Bytes(bytes(ty, json)?),
        Type::List(inner) => match json {
            Json::Array(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    values.push(read(inner, item, at.inner()).map_err(|e| e.with_step(PathStep::Index(i)))?);
                }
                Value::List(values)
            }
            _ => return mismatch(ty, json),
        },
        Type::Option(inner) => Value::Option(option(ty, inner, json, at)?),
        Type::Result { ok, err } => result(ty, ok.as_deref(), err.as_deref(), json, at)?,
        Type::Tuple(types) => match json {
            Json::Array(items) if items.len() == types.len() => {
                let mut values = Vec::with_capacity(items.len());
                for (i, (ty, item)) in types.iter().zip(items).enumerate() {
                    values.push(read(ty, item, at.inner()).map_err(|e| e.with_step(PathStep::Index(i)))?);
                }
                Value::Tuple(values)
            }
            Json::Array(items) => return fail(Problem::Length { expected: types.len(), found: items.len() }),
            _ => return mismatch(ty, json),
        },
        Type::Record(fields) => record(ty, fields, json, at)?,
        Type::Variant(cases) => variant(ty, cases, json, at)?,
        Type::Enum(names) => match json {
            Json::String(name) => Value::Enum(name_index("case", names.iter(), name)?),
            _ => return mismatch(ty, json),
        },
        Type::Flags(names) => match json {
            Json::Array(items) => {
                let mut set = Vec::with_capacity(items.len().min(names.len()));
                for (i, item) in items.iter().enumerate() {
                    let flag = match item {
                        Json::String(name) => name_index("flag", names.iter(), name),
                        _ => fail(Problem::Mismatch {
                            expected: "the name of a flag".to_owned(),
                            found: kind_of(item),
                        }),
                    };
                    set.push(flag.map_err(|e| e.with_step(PathStep::Index(i)))?);
                }
                set.sort_unstable();
                set.dedup();
                Value::Flags(set)
            }
            _ => return mismatch(ty, json),
        },
        Type::Handle(name) => return fail(Problem::Handle(escaped_excerpt(name))),
    })
}

/// The largest whole number up to which all whole numbers are exact in an `f64`, 2⁵³. JSON numbers with a fraction or
/// an exponent are parsed as `f64`.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number from a JSON number. For 64-bit types a decimal string is accepted too, because the JSON numbers
/// of many clients have fewer digits.
fn integer(ty: &Type, json: &Json) -> ReadResult<i128> {
    match json {
        Json::Number(number) => {
            if let Some(v) = number.as_u64() {
                return Ok(v.into());
            }
            if let Some(v) = number.as_i64() {
                return Ok(v.into());
            }
            // `3.0` and `1e3` are whole numbers too. Above 2⁵³ the parser has already rounded.
            let v = number.as_f64().unwrap_or(f64::NAN);
            if v.fract() != 0.0 || !v.is_finite() {
                return fail(Problem::Mismatch {
                    expected: describe(ty),
                    found: format!("the number {number}"),
                });
            }
            // Saturates far outside the range of every type.
            #[expect(clippy::cast_possible_truncation, reason = "a float that does not fit saturates")]
            let rounded = v as i128;
            let in_64_bits = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&rounded);
            if v.abs() > FLOAT_EXACT_MAX && in_64_bits {
                let found = format!("the inexact number {number}; write all digits");
                return fail(Problem::Mismatch { expected: describe(ty), found });
            }
            Ok(rounded)
        }
        Json::String(text) if matches!(ty, Type::S64 | Type::U64) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                let found =
                    format!("the string \"{}\", which is not a decimal number", escaped_excerpt(text));
                return fail(Problem::Mismatch { expected: describe(ty), found });
            }
            // Only too many digits can make this fail, and then the value is far outside 64 bits.
            Ok(text.parse().unwrap_or(if text.starts_with('-') { i128::MIN } else { i128::MAX }))
        }
        _ => mismatch(ty, json),
    }
}

fn out_of_range<T>(json: &Json, name: &'static str, min: &str, max: &str) -> ReadResult<T> {
    let value = match json {
        Json::String(text) => escaped_excerpt(text),
        other => escaped_excerpt(&other.to_string()),
    };
    fail(Problem::Range { value, min: min.to_owned(), max: max.to_owned(), ty: name })
}

fn signed<T: TryFrom<i64>>(ty: &Type, json: &Json, name: &'static str, min: i64, max: i64) -> ReadResult<T> {
    let value = integer(ty, json)?;
    match i64::try_from(value).ok().and_then(|v| T::try_from(v).ok()) {
        Some(value) => Ok(value),
        None => out_of_range(json, name, &min.to_string(), &max.to_string()),
    }
}

fn unsigned<T: TryFrom<u64>>(ty: &Type, json: &Json, name: &'static str, max: u64) -> ReadResult<T> {
    let value = integer(ty, json)?;
    match u64::try_from(value).ok().and_then(|v| T::try_from(v).ok()) {
        Some(value) => Ok(value),
        None => out_of_range(json, name, "0", &max.to_string()),
    }
}

fn float(ty: &Type, json: &Json) -> ReadResult<f64> {
    match json {
        Json::Number(number) => match number.as_f64() {
            Some(value) => Ok(value),
            None => mismatch(ty, json),
        },
        Json::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => mismatch(ty, json),
        },
        _ => mismatch(ty, json),
    }
}

fn float32(ty: &Type, json: &Json) -> ReadResult<f32> {
    let wide = float(ty, json)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding is what f32 means; overflow is checked below"
    )]
    let narrow = wide as f32;
    if wide.is_finite() && narrow.is_infinite() {
        return out_of_range(json, "f32", &format!("{:e}", f32::MIN), &format!("{:e}", f32::MAX));
    }
    Ok(narrow)
}

fn character(ty: &Type, json: &Json) -> ReadResult<char> {
    match json {
        Json::Number(_) => {
            let code = integer(ty, json)?;
            match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(v) => Ok(v),
                None => fail(Problem::Mismatch {
                    expected: describe(ty),
                    found: format!("{code}, which is not the code point of a character"),
                }),
            }
        }
        Json::String(text) => {
            let mut chars = text.chars();
            if let (Some(v), None) = (chars.next(), chars.next()) {
                Ok(v)
            } else {
                let found = format!("the string \"{}\"", escaped_excerpt(text));
                fail(Problem::Mismatch { expected: describe(ty), found })
            }
        }
        _ => mismatch(ty, json),
    }
}

fn bytes(ty: &Type, json: &Json) -> ReadResult<Vec<u8>> {
    match json {
        Json::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (i, item) in items.iter().enumerate() {
                let byte = unsigned(&Type::U8, item, "u8", u8::MAX.into());
                out.push(byte.map_err(|e| e.with_step(PathStep::Index(i)))?);
            }
            Ok(out)
        }
        Json::Object(object) => match object.get("base64") {
            Some(Json::String(text)) if object.len() == 1 => STANDARD.decode(text).or_else(|e| {
                fail(Problem::Base64(e.to_string()))
                    .map_err(|e| e.with_step(PathStep::Key("base64".to_owned())))
            }),
            _ => mismatch(ty, json),
        },
        _ => mismatch(ty, json),
    }
}

fn option(ty: &Type, inner: &Type, json: &Json, at: Position<'_>) -> ReadResult<Option<Box<Value>>> {
    if json.is_null() {
        return Ok(None);
    }
    let value = if option_is_wrapped(inner) {
        match json {
            Json::Object(object) if object.len() == 1 => match object.get("some") {
                Some(payload) => read(inner, payload, at.inner())
                    .map_err(|e| e.with_step(PathStep::Key("some".to_owned())))?,
                None => return mismatch(ty, json),
            },
            _ => return mismatch(ty, json),
        }
    } else {
        read(inner, json, at.inner())?
    };
    Ok(Some(Box::new(value)))
}

fn result(
    outer: &Type,
    ok: Option<&Type>,
    err: Option<&Type>,
    json: &Json,
    at: Position<'_>,
) -> ReadResult<Value> {
    let Json::Object(object) = json else { return mismatch(outer, json) };
    let side = |name: &str, ty: Option<&Type>, payload: &Json| {
        payload_of(ty, payload, at).map_err(|e| e.with_step(PathStep::Key(name.to_owned())))
    };
    // If both are given, `ok` is used, as in 2023.
    if let Some(payload) = object.get("ok") {
        Ok(Value::Result(Ok(side("ok", ok, payload)?)))
    } else if let Some(payload) = object.get("err") {
        Ok(Value::Result(Err(side("err", err, payload)?)))
    } else {
        let keys = join_names(object.keys().cloned().collect::<Vec<_>>().iter());
        let found = if object.is_empty() { "an empty object".to_owned() } else { format!("the key {keys}") };
        fail(Problem::Mismatch { expected: describe(outer), found })
    }
}

/// Reads the payload of a case, or of a side of a result. Without a type, only null is accepted.
fn payload_of(ty: Option<&Type>, json: &Json, at: Position<'_>) -> ReadResult<Option<Box<Value>>> {
    match ty {
        Some(ty) => Ok(Some(Box::new(read(ty, json, at.inner())?))),
        None if json.is_null() => Ok(None),
        None => fail(Problem::Mismatch {
            expected: "null, as there is no payload".to_owned(),
            found: kind_of(json),
        }),
    }
}

fn record(outer: &Type, fields: &[(String, Type)], json: &Json, at: Position<'_>) -> ReadResult<Value> {
    let Json::Object(object) = json else { return mismatch(outer, json) };
    let mut values = Vec::with_capacity(fields.len());
    for (name, ty) in fields {
        values.push(match (object.get(name), ty) {
            (Some(field), _) => {
                read(ty, field, at.inner()).map_err(|e| e.with_step(PathStep::Key(name.clone())))?
            }
            (None, Type::Option(_)) => {
                at.omit(name)?;
                Value::Option(None)
            }
            (None, _) => {
                return fail(Problem::MissingField { field: escaped_excerpt(name), ty: describe(ty) });
            }
        });
    }
    Ok(Value::Record(values))
}

fn variant(
    outer: &Type,
    cases: &[(String, Option<Type>)],
    json: &Json,
    at: Position<'_>,
) -> ReadResult<Value> {
    let names = || cases.iter().map(|(name, _)| name);
    match json {
        Json::String(name) => {
            let case = name_index("case", names(), name)?;
            match &cases[case as usize].1 {
                None => Ok(Value::Variant(case, None)),
                Some(ty) => fail(Problem::MissingPayload { case: escaped_excerpt(name), ty: describe(ty) }),
            }
        }
        Json::Object(object) => {
            let mut entries = object.iter();
            let (Some((name, payload)), None) = (entries.next(), entries.next()) else {
                let found = format!("an object with {} keys", object.len());
                return fail(Problem::Mismatch { expected: describe(outer), found });
            };
            let case = name_index("case", names(), name)?;
            let payload = payload_of(cases[case as usize].1.as_ref(), payload, at)
                .map_err(|e| e.with_step(PathStep::Key(name.clone())))?;
            Ok(Value::Variant(case, payload))
        }
        _ => mismatch(outer, json),
    }
}

fn name_index<'a>(
    what: &'static str,
    mut names: impl ExactSizeIterator<Item = &'a String> + Clone,
    name: &str,
) -> ReadResult<u32> {
    let all = names.clone();
    match names.position(|known| known == name).and_then(|index| u32::try_from(index).ok()) {
        Some(index) => Ok(index),
        None => fail(Problem::UnknownName { what, name: escaped_excerpt(name), known: join_names(all) }),
    }
}

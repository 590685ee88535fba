//! Values of the oplog as JSON, written directly. The oplog has no names of record fields and cases: they come from the
//! template, where it has a function that fits.

use crate::catalog::Template;
use golem_model::value::codec::encoded_bytes;
use golem_model::value::json::{BytesFormat, TypedJson};
use golem_model::{Function, Type, Value, excerpt};
use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes of a value that cannot be shown without its type, at most.
const UNTYPED_BYTES_SHOWN: usize = 1_000;

/// Bytes of these values in the oplog, about.
pub(super) fn values_bytes(values: &[Value]) -> usize {
    values.iter().map(encoded_bytes).sum()
}

/// Writes parameters, with the types of the newest version whose function accepts them.
pub(super) fn write_params(
    template: &Template,
    name: &str,
    params: &[Value],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut versions = template.versions().iter().rev();
    let typed = versions.find_map(|version| {
        let (_, function) = version.functions.get(name)?;
        // `fits` writes the JSON without keeping it: a value of another type fails only where it differs.
        fits(function, params).then(|| Params { function, params })
    });
    match typed {
        Some(typed) => serde_json::to_writer(out, &typed)?,
        None => serde_json::to_writer(out, &params.iter().map(UntypedValue).collect::<Vec<_>>())?,
    }
    Ok(())
}

fn fits(function: &Arc<Function>, params: &[Value]) -> bool {
    function.params.len() == params.len()
        && serde_json::to_writer(io::sink(), &Params { function, params }).is_ok()
}

struct Params<'a> {
    function: &'a Function,
    params: &'a [Value],
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let typed = self.function.params.iter().zip(self.params);
        serializer
            .collect_seq(typed.map(|(param, value)| TypedJson::new(&param.ty, value, BytesFormat::Array)))
    }
}

/// A value without its type.
pub(super) struct UntypedValue<'a>(pub(super) &'a Value);

impl Serialize for UntypedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ty = match self.0 {
            Value::Bool(_) => Type::Bool,
            Value::S8(_) => Type::S8,
            Value::U8(_) => Type::U8,
            Value::S16(_) => Type::S16,
            Value::U16(_) => Type::U16,
            Value::S32(_) => Type::S32,
            Value::U32(_) => Type::U32,
            Value::S64(_) => Type::S64,
            Value::U64(_) => Type::U64,
            Value::F32(_) => Type::F32,
            Value::F64(_) => Type::F64,
            Value::Char(_) => Type::Char,
            Value::String(_) => Type::String,
            Value::List(items) | Value::Tuple(items) | Value::Record(items) => {
                return serializer.collect_seq(items.iter().map(UntypedValue));
            }
            Value::Option(inner) => return inner.as_deref().map(UntypedValue).serialize(serializer),
            Value::Result(Ok(value)) => {
                return serializer.collect_map([("ok", value.as_deref().map(UntypedValue))]);
            }
            Value::Result(Err(value)) => {
                return serializer.collect_map([("err", value.as_deref().map(UntypedValue))]);
            }
            Value::Bytes(_) | Value::Variant(..) | Value::Enum(_) | Value::Flags(_) => {
                return serializer.serialize_str(&excerpt(UNTYPED_BYTES_SHOWN, format_args!("{:?}", self.0)));
            }
        };
        TypedJson::new(&ty, self.0, BytesFormat::Array).serialize(serializer)
    }
}

/// Bytes as text with escapes.
pub(super) struct EscapedBytes<'a>(pub(super) &'a [u8]);

impl Serialize for EscapedBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_without_types_are_readable() {
        let some = |value| Value::Option(Some(Box::new(value)));
        for (value, expected) in [
            (Value::U64(7), json!(7)),
            (Value::String("a".to_owned()), json!("a")),
            (Value::Option(None), json!(null)),
            (some(Value::Record(vec![Value::Bool(true), Value::S8(-1)])), json!([true, -1])),
            (Value::Result(Ok(None)), json!({ "ok": null })),
            (Value::Result(Err(Some(Box::new(Value::U8(1))))), json!({ "err": 1 })),
            (Value::Enum(3), json!("Enum(3)")),
        ] {
            assert_eq!(serde_json::to_value(UntypedValue(&value)).unwrap(), expected, "{value:?}");
        }
        let long = serde_json::to_value(UntypedValue(&Value::Bytes(vec![7; 100_000]))).unwrap();
        assert!(long.as_str().unwrap().len() <= UNTYPED_BYTES_SHOWN + '…'.len_utf8());
    }
}

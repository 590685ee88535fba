//! JSON schemas of types: the JSON form that `golem_model::value::json` reads and writes.

use crate::limits::SCHEMA_NODES_MAX;
use golem_model::Type;
use serde_json::{Map, Value as Json, json};

/// The schema of a type. Beyond [`SCHEMA_NODES_MAX`] parts, the remaining ones are any value.
pub(super) fn schema(ty: &Type) -> Json {
    of(ty, &mut { SCHEMA_NODES_MAX })
}

fn integer(format: &str, min: i128, max: i128) -> Json {
    let number = |value: i128| {
        u64::try_from(value).map_or_else(|_| json!(i64::try_from(value).unwrap_or(i64::MIN)), |v| json!(v))
    };
    json!({"type": "integer", "format": format, "minimum": number(min), "maximum": number(max)})
}

fn object(fields: Vec<(String, Json, bool)>) -> Json {
    let required: Vec<String> =
        fields.iter().filter(|(_, _, required)| *required).map(|(name, ..)| name.clone()).collect();
    let properties: Map<String, Json> = fields.into_iter().map(|(name, schema, _)| (name, schema)).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// An object with exactly this field.
fn tagged(name: &str, payload: Json) -> Json {
    let mut object = object(vec![(name.to_owned(), payload, true)]);
    object["additionalProperties"] = json!(false);
    object
}

fn of(ty: &Type, left: &mut usize) -> Json {
    let Some(rest) = left.checked_sub(1) else { return json!({}) };
    *left = rest;
    let no_value = || json!({"type": "null"});
    match ty {
        Type::Bool => json!({"type": "boolean"}),
        Type::S8 => integer("int8", i8::MIN.into(), i8::MAX.into()),
        Type::U8 => integer("uint8", 0, u8::MAX.into()),
        Type::S16 => integer("int16", i16::MIN.into(), i16::MAX.into()),
        Type::U16 => integer("uint16", 0, u16::MAX.into()),
        Type::S32 => integer("int32", i32::MIN.into(), i32::MAX.into()),
        Type::U32 => integer("uint32", 0, u32::MAX.into()),
        Type::S64 => integer("int64", i64::MIN.into(), i64::MAX.into()),
        Type::U64 => integer("uint64", 0, u64::MAX.into()),
        Type::F32 => json!({"type": "number", "format": "float"}),
        Type::F64 => json!({"type": "number", "format": "double"}),
        Type::Char => json!({"type": "integer", "minimum": 0, "maximum": 0x10_FFFF}),
        Type::String => json!({"type": "string"}),
        Type::List(inner) => json!({"type": "array", "items": of(inner, left)}),
        Type::Option(inner) if matches!(**inner, Type::Option(_)) => {
            json!({"anyOf": [tagged("some", of(inner, left)), no_value()]})
        }
        Type::Option(inner) => json!({"anyOf": [of(inner, left), no_value()]}),
        Type::Result { ok, err } => {
            let mut side =
                |name, ty: Option<&Type>| tagged(name, ty.map_or_else(no_value, |ty| of(ty, left)));
            json!({"oneOf": [side("ok", ok.as_deref()), side("err", err.as_deref())]})
        }
        Type::Tuple(types) => {
            let items: Vec<Json> = types.iter().map(|ty| of(ty, left)).collect();
            json!({"type": "array", "prefixItems": items, "minItems": types.len(), "maxItems": types.len()})
        }
        Type::Record(fields) => object(
            fields
                .iter()
                .map(|(name, ty)| (name.clone(), of(ty, left), !matches!(ty, Type::Option(_))))
                .collect(),
        ),
        Type::Variant(cases) => {
            let cases: Vec<Json> = cases
                .iter()
                .map(|(name, ty)| tagged(name, ty.as_ref().map_or_else(no_value, |ty| of(ty, left))))
                .collect();
            json!({"oneOf": cases})
        }
        Type::Enum(names) => json!({"type": "string", "enum": names}),
        Type::Flags(names) => {
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "enum": names}})
        }
        Type::Handle(_) => json!({}),
    }
}

/// The schema of an object with these parts. A part is a path of fields.
pub(super) fn object_of(parts: &[crate::expr::BodyPart]) -> Json {
    if let Some(whole) = parts.iter().find(|part| part.path.is_empty()) {
        return schema(&whole.ty);
    }
    let mut names: Vec<&String> = parts.iter().filter_map(|part| part.path.first()).collect();
    names.sort_unstable();
    names.dedup();
    let fields = names.into_iter().map(|name| {
        let below = parts.iter().filter(|part| part.path.first() == Some(name));
        let below: Vec<crate::expr::BodyPart> = below
            .map(|part| crate::expr::BodyPart { path: part.path[1..].to_vec(), ..part.clone() })
            .collect();
        let required = below.iter().any(|part| part.required && !matches!(part.ty, Type::Option(_)));
        (name.clone(), object_of(&below), required)
    });
    object(fields.collect())
}

//! The exports of a template version in its row: a table of types, and functions that refer to types by their position.
//!
//! A row has a size in proportion to the component, like the types in memory. Rows of earlier versions spell out each
//! type at each use; they are read, and their types are shared.
//!
//! ```json
//! {"types": ["U8", {"List": 0}, {"Record": [["name", 1], ["data", 1]]}],
//!  "items": [{"Interface": {"name": "p:n/i", "functions": [{"name": "f", "params": [["p", 2]], "result": 0}]}}]}
//! ```
//!
//! Invariant: a type refers only to types before it. So no row makes a type that contains itself.

use super::{Export, Function, Param};
use crate::value::{Type, TypePool};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Default, Serialize, Deserialize)]
struct StoredExports {
    types: Vec<StoredType>,
    items: Vec<StoredExport>,
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredExport {
    Interface { name: String, functions: Vec<StoredFunction> },
    Function(StoredFunction),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFunction {
    name: String,
    params: Vec<(String, u32)>,
    result: Option<u32>,
}

/// A type whose parts are positions in [`StoredExports::types`].
#[derive(Debug, Serialize, Deserialize)]
enum StoredType {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List(u32),
    Option(u32),
    Result { ok: Option<u32>, err: Option<u32> },
    Tuple(Vec<u32>),
    Record(Vec<(String, u32)>),
    Variant(Vec<(String, Option<u32>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Handle(String),
}

pub(super) fn serialize<S: Serializer>(exports: &[Export], serializer: S) -> Result<S::Ok, S::Error> {
    let mut table = TableWriter::default();
    let items = exports.iter().map(|export| table.export(export)).collect();
    StoredExports { types: table.types, items }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Export>, D::Error> {
    deserializer.deserialize_any(EitherForm)
}

/// Writes each type once.
#[derive(Default)]
struct TableWriter<'a> {
    types: Vec<StoredType>,
    known: HashMap<&'a Type, u32>,
}

impl<'a> TableWriter<'a> {
    fn export(&mut self, export: &'a Export) -> StoredExport {
        match export {
            Export::Interface { name, functions } => StoredExport::Interface {
                name: name.clone(),
                functions: functions.iter().map(|function| self.function(function)).collect(),
            },
            Export::Function(function) => StoredExport::Function(self.function(function)),
        }
    }

    fn function(&mut self, function: &'a Function) -> StoredFunction {
        let params = function.params.iter();
        StoredFunction {
            name: function.name.clone(),
            params: params.map(|param| (param.name.clone(), self.position(&param.ty))).collect(),
            result: function.result.as_ref().map(|ty| self.position(ty)),
        }
    }

    /// The position of `ty`, which is appended if it is new.
    fn position(&mut self, ty: &'a Type) -> u32 {
        if let Some(known) = self.known.get(ty) {
            return *known;
        }
        let stored = match ty {
            Type::Bool => StoredType::Bool,
            Type::S8 => StoredType::S8,
            Type::U8 => StoredType::U8,
            Type::S16 => StoredType::S16,
            Type::U16 => StoredType::U16,
            Type::S32 => StoredType::S32,
            Type::U32 => StoredType::U32,
            Type::S64 => StoredType::S64,
            Type::U64 => StoredType::U64,
            Type::F32 => StoredType::F32,
            Type::F64 => StoredType::F64,
            Type::Char => StoredType::Char,
            Type::String => StoredType::String,
            Type::List(inner) => StoredType::List(self.position(inner)),
            Type::Option(inner) => StoredType::Option(self.position(inner)),
            Type::Result { ok, err } => StoredType::Result {
                ok: ok.as_deref().map(|ty| self.position(ty)),
                err: err.as_deref().map(|ty| self.position(ty)),
            },
            Type::Tuple(types) => StoredType::Tuple(types.iter().map(|ty| self.position(ty)).collect()),
            Type::Record(fields) => StoredType::Record(
                fields.iter().map(|(name, ty)| (name.clone(), self.position(ty))).collect(),
            ),
            Type::Variant(cases) => StoredType::Variant(
                cases
                    .iter()
                    .map(|(name, ty)| (name.clone(), ty.as_ref().map(|ty| self.position(ty))))
                    .collect(),
            ),
            Type::Enum(names) => StoredType::Enum(names.to_vec()),
            Type::Flags(names) => StoredType::Flags(names.to_vec()),
            Type::Handle(name) => StoredType::Handle(name.clone()),
        };
        let position = u32::try_from(self.types.len()).expect("a component has fewer than 2^32 types");
        self.types.push(stored);
        self.known.insert(ty, position);
        position
    }
}

/// Reads the table, or the form of earlier versions: an array of exports.
struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Vec<Export>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the exports of a template")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let stored = StoredExports::deserialize(MapAccessDeserializer::new(map))?;
        let types = read_types(stored.types).map_err(A::Error::custom)?;
        let items = stored.items.into_iter().map(|item| item.read(&types));
        items.collect::<Result<_, _>>().map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let mut exports = Vec::<Export>::deserialize(SeqAccessDeserializer::new(items))?;
        let mut pool = TypePool::default();
        for export in &mut exports {
            let functions = match export {
                Export::Interface { functions, .. } => functions.as_mut_slice(),
                Export::Function(function) => std::slice::from_mut(function),
            };
            for function in functions {
                let params = function.params.iter_mut().map(|param| &mut param.ty);
                for ty in params.chain(&mut function.result) {
                    *ty = pool.share(ty);
                }
            }
        }
        Ok(exports)
    }
}

/// A type or a function refers to a position that is not defined before it.
#[derive(Debug, thiserror::Error)]
#[error("position {0} of the table of types is referred to before it is defined")]
struct UnknownPosition(u32);

fn at(types: &[Type], position: u32) -> Result<Type, UnknownPosition> {
    types.get(position as usize).cloned().ok_or(UnknownPosition(position))
}

fn read_types(stored: Vec<StoredType>) -> Result<Vec<Type>, UnknownPosition> {
    let mut types = Vec::with_capacity(stored.len());
    for ty in stored {
        let ty = ty.read(&types)?;
        types.push(ty);
    }
    Ok(types)
}

impl StoredType {
    /// The type, whose parts are among `types`.
    fn read(self, types: &[Type]) -> Result<Type, UnknownPosition> {
        let part = |position: u32| at(types, position).map(Arc::new);
        Ok(match self {
            Self::Bool => Type::Bool,
            Self::S8 => Type::S8,
            Self::U8 => Type::U8,
            Self::S16 => Type::S16,
            Self::U16 => Type::U16,
            Self::S32 => Type::S32,
            Self::U32 => Type::U32,
            Self::S64 => Type::S64,
            Self::U64 => Type::U64,
            Self::F32 => Type::F32,
            Self::F64 => Type::F64,
            Self::Char => Type::Char,
            Self::String => Type::String,
            Self::List(inner) => Type::List(part(inner)?),
            Self::Option(inner) => Type::Option(part(inner)?),
            Self::Result { ok, err } => {
                Type::Result { ok: ok.map(part).transpose()?, err: err.map(part).transpose()? }
            }
            Self::Tuple(items) => {
                Type::Tuple(items.into_iter().map(|item| at(types, item)).collect::<Result<_, _>>()?)
            }
            Self::Record(fields) => Type::Record(
                fields
                    .into_iter()
                    .map(|(name, ty)| Ok((name, at(types, ty)?)))
                    .collect::<Result<_, UnknownPosition>>()?,
            ),
            Self::Variant(cases) => Type::Variant(
                cases
                    .into_iter()
                    .map(|(name, ty)| Ok((name, ty.map(|ty| at(types, ty)).transpose()?)))
                    .collect::<Result<_, UnknownPosition>>()?,
            ),
            Self::Enum(names) => Type::Enum(names.into()),
            Self::Flags(names) => Type::Flags(names.into()),
            Self::Handle(name) => Type::Handle(name),
        })
    }
}

impl StoredExport {
    fn read(self, types: &[Type]) -> Result<Export, UnknownPosition> {
        Ok(match self {
            Self::Interface { name, functions } => {
                let functions = functions.into_iter().map(|function| function.read(types));
                Export::Interface { name, functions: functions.collect::<Result<_, _>>()? }
            }
            Self::Function(function) => Export::Function(function.read(types)?),
        })
    }
}

impl StoredFunction {
    fn read(self, types: &[Type]) -> Result<Function, UnknownPosition> {
        let params = self.params.into_iter().map(|(name, ty)| Ok(Param { name, ty: at(types, ty)? }));
        Ok(Function {
            name: self.name,
            params: params.collect::<Result<_, UnknownPosition>>()?,
            result: self.result.map(|ty| at(types, ty)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        exports: Vec<Export>,
    }

    fn every_kind() -> Type {
        let named = |name: &str, ty: Type| (name.to_owned(), ty);
        let primitive = [
            Type::Bool,
            Type::S8,
            Type::U8,
            Type::S16,
            Type::U16,
            Type::S32,
            Type::U32,
            Type::S64,
            Type::U64,
            Type::F32,
            Type::F64,
            Type::Char,
            Type::String,
        ];
        let list = Type::List(Arc::new(Type::Tuple(primitive.into())));
        let fields = [
            named("a", list.clone()),
            named("b", Type::Option(Arc::new(list.clone()))),
            named("c", Type::Result { ok: None, err: Some(Arc::new(list)) }),
            named("d", Type::Variant([("x".to_owned(), None), ("y".to_owned(), Some(Type::U8))].into())),
            named("e", Type::Enum(["p".to_owned()].into())),
            named("f", Type::Flags(["q".to_owned()].into())),
            named("g", Type::Handle("file".to_owned())),
        ];
        Type::Record(fields.into())
    }

    fn exports() -> Vec<Export> {
        let param = |name: &str| Param { name: name.to_owned(), ty: every_kind() };
        let function = |name: &str| Function {
            name: name.to_owned(),
            params: vec![param("a"), param("b")],
            result: Some(every_kind()),
        };
        let nothing = Function { name: "nothing".to_owned(), params: Vec::new(), result: None };
        vec![
            Export::Interface { name: "p:n/i".to_owned(), functions: vec![function("f"), nothing] },
            Export::Function(function("run")),
        ]
    }

    #[test]
    fn a_row_has_each_type_once_and_is_read_again() {
        let row = Row { exports: exports() };
        let stored = serde_json::to_value(&row).unwrap();
        let types = stored["exports"]["types"].as_array().unwrap();
        // Thirteen primitive types, their tuple, its list, its option, a result, variant, enum, flags, handle, record.
        assert_eq!(types.len(), 22, "{types:?}");
        assert_eq!(serde_json::from_value::<Row>(stored).unwrap(), row);
    }

    #[test]
    fn a_row_of_an_earlier_version_is_read_and_shared() {
        let old = json!({ "exports": exports() });
        let read: Row = serde_json::from_value(old).unwrap();
        assert_eq!(read, Row { exports: exports() });
        let [Export::Interface { functions, .. }, Export::Function(run)] = read.exports.as_slice() else {
            panic!("{read:?}");
        };
        let fields = |ty: &Type| match ty {
            Type::Record(fields) => Arc::clone(fields),
            other => panic!("{other:?}"),
        };
        assert!(Arc::ptr_eq(&fields(&functions[0].params[0].ty), &fields(&run.params[1].ty)));
    }

    #[test]
    fn reading_a_row_takes_memory_for_its_types_and_not_for_their_uses() {
        // The last type has 2^60 uses of the first one.
        let tuples = (0..60_u32).map(|under| json!({ "Tuple": [under, under] }));
        let types: Vec<_> = std::iter::once(json!("U8")).chain(tuples).collect();
        let function = json!({ "name": "f", "params": [], "result": 60 });
        let row = json!({ "exports": { "types": types, "items": [{ "Function": function }] } });
        let read: Row = serde_json::from_value(row).unwrap();
        let [Export::Function(function)] = read.exports.as_slice() else { panic!("one function") };
        let mut ty = function.result.clone().unwrap();
        let mut depth = 0;
        while let Type::Tuple(parts) = &ty {
            assert_eq!(parts.len(), 2);
            depth += 1;
            ty = parts[0].clone();
        }
        assert_eq!(depth, 60);
    }

    #[test]
    fn a_table_that_refers_forward_is_refused() {
        for types in [json!([{ "List": 0 }]), json!([{ "List": 1 }, "U8"]), json!([])] {
            let function = json!({ "name": "f", "params": [["p", 0]], "result": null });
            let row = json!({ "exports": { "types": types, "items": [{ "Function": function }] } });
            let error = serde_json::from_value::<Row>(row).unwrap_err().to_string();
            assert!(error.contains("of the table of types"), "{error}");
        }
    }
}

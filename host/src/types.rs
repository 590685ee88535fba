//! The types of a component's functions: converted from wasmtime's form to the model's, within limits.
//!
//! In a component a type is written once and used by reference. A tuple of itself, eighteen levels
//! deep, takes hundreds of bytes and has 2^18 uses of its innermost type. Descriptions of a
//! component, such as the metadata of its template, spell out each use. So every use is counted
//! here, before anything is built from it.

use crate::component::ComponentError;
use golem_model::limits::{COMPONENT_NAME_BYTES_MAX, COMPONENT_TYPES_MAX, TYPE_DEPTH_MAX};
use golem_model::template::Param;
use golem_model::value::TypePool;
use golem_model::{Function, Type};
use std::sync::Arc;
use wasmtime::component::types::{ComponentFunc, Type as Ty};

/// A limit of the types of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypeLimit {
    /// [`COMPONENT_TYPES_MAX`].
    #[error(
        "a component has at most {COMPONENT_TYPES_MAX} types and names, each counted at every place that uses it"
    )]
    Types,
    /// [`COMPONENT_NAME_BYTES_MAX`].
    #[error(
        "a component has at most {COMPONENT_NAME_BYTES_MAX} bytes of names, each counted at every place that uses it"
    )]
    NameBytes,
    /// [`TYPE_DEPTH_MAX`].
    #[error("a type is nested at most {TYPE_DEPTH_MAX} levels deep")]
    Depth,
}

/// Reads types of one component and counts them.
#[derive(Debug)]
pub(crate) struct TypeReader {
    pool: TypePool,
    types_left: usize,
    name_bytes_left: usize,
}

impl TypeReader {
    pub(crate) fn new() -> Self {
        Self {
            pool: TypePool::default(),
            types_left: COMPONENT_TYPES_MAX,
            name_bytes_left: COMPONENT_NAME_BYTES_MAX,
        }
    }

    /// A function, whose full name is `path` in error messages.
    pub(crate) fn function(
        &mut self,
        name: &str,
        ty: &ComponentFunc,
        path: impl Fn() -> String,
    ) -> Result<Function, ComponentError> {
        self.read_function(name, ty).map_err(|limit| too_large(&path(), limit))
    }

    /// The name of an interface.
    pub(crate) fn interface_name(&mut self, name: &str) -> Result<String, ComponentError> {
        self.name(name).map_err(|limit| too_large(name, limit))
    }

    fn read_function(&mut self, name: &str, ty: &ComponentFunc) -> Result<Function, TypeLimit> {
        let name = self.name(name)?;
        let params =
            ty.params().map(|(name, ty)| Ok(Param { name: self.name(name)?, ty: self.shared(&ty)? }));
        let params = params.collect::<Result<_, TypeLimit>>()?;
        let result = ty.results().next().map(|ty| self.shared(&ty)).transpose()?;
        Ok(Function { name, params, result })
    }

    fn shared(&mut self, ty: &Ty) -> Result<Type, TypeLimit> {
        let ty = self.read(ty, 1)?;
        Ok(self.pool.share(&ty))
    }

    fn name(&mut self, name: &str) -> Result<String, TypeLimit> {
        self.count_use()?;
        self.name_bytes_left = self.name_bytes_left.checked_sub(name.len()).ok_or(TypeLimit::NameBytes)?;
        Ok(name.to_owned())
    }

    fn count_use(&mut self) -> Result<(), TypeLimit> {
        self.types_left = self.types_left.checked_sub(1).ok_or(TypeLimit::Types)?;
        Ok(())
    }

    /// Converts wasmtime's type to the model's. `depth` is its nesting depth, from 1.
    fn read(&mut self, ty: &Ty, depth: usize) -> Result<Type, TypeLimit> {
        self.count_use()?;
        if depth > TYPE_DEPTH_MAX {
            return Err(TypeLimit::Depth);
        }
        let mut part = |ty: Ty| self.read(&ty, depth + 1);
        Ok(match ty {
            Ty::Bool => Type::Bool,
            Ty::S8 => Type::S8,
            Ty::U8 => Type::U8,
            Ty::S16 => Type::S16,
            Ty::U16 => Type::U16,
            Ty::S32 => Type::S32,
            Ty::U32 => Type::U32,
            Ty::S64 => Type::S64,
            Ty::U64 => Type::U64,
            Ty::Float32 => Type::F32,
            Ty::Float64 => Type::F64,
            Ty::Char => Type::Char,
            Ty::String => Type::String,
            Ty::List(list) => Type::List(Arc::new(part(list.ty())?)),
            Ty::Option(option) => Type::Option(Arc::new(part(option.ty())?)),
            Ty::Result(result) => {
                let ok = result.ok().map(&mut part).transpose()?.map(Arc::new);
                let err = result.err().map(&mut part).transpose()?.map(Arc::new);
                Type::Result { ok, err }
            }
            Ty::Tuple(tuple) => Type::Tuple(tuple.types().map(part).collect::<Result<_, _>>()?),
            Ty::Record(record) => {
                let fields = record
                    .fields()
                    .map(|field| Ok((self.name(field.name)?, self.read(&field.ty, depth + 1)?)));
                Type::Record(fields.collect::<Result<_, TypeLimit>>()?)
            }
            Ty::Variant(variant) => {
                let cases = variant.cases().map(|case| {
                    let payload = case.ty.map(|ty| self.read(&ty, depth + 1)).transpose()?;
                    Ok((self.name(case.name)?, payload))
                });
                Type::Variant(cases.collect::<Result<_, TypeLimit>>()?)
            }
            Ty::Enum(cases) => {
                Type::Enum(cases.names().map(|name| self.name(name)).collect::<Result<_, _>>()?)
            }
            Ty::Flags(flags) => {
                Type::Flags(flags.names().map(|name| self.name(name)).collect::<Result<_, _>>()?)
            }
            Ty::Own(_) => Type::Handle("own resource".to_owned()),
            Ty::Borrow(_) => Type::Handle("borrowed resource".to_owned()),
            // These types need component-model features that the engine disables, so no component has them.
            Ty::Map(_) | Ty::FixedLengthList(_) | Ty::Future(_) | Ty::Stream(_) | Ty::ErrorContext => {
                Type::Handle("unsupported type".to_owned())
            }
        })
    }
}

fn too_large(path: &str, limit: TypeLimit) -> ComponentError {
    ComponentError::TypesTooLarge { function: name_excerpt(path), limit }
}

/// Bytes of a name in an error message, at most. A component's names may have a hundred thousand bytes.
const NAME_BYTES_SHOWN: usize = 200;

/// A name for an error message.
pub(crate) fn name_excerpt(name: &str) -> String {
    let shown = &name[..name.floor_char_boundary(NAME_BYTES_SHOWN)];
    if shown.len() < name.len() { format!("{shown}…") } else { name.to_owned() }
}

/// The first handle in `ty`. A function with a handle cannot be invoked from outside.
pub(crate) fn handle_in(ty: &Type) -> Option<&str> {
    match ty {
        Type::Handle(name) => Some(name),
        Type::List(inner) | Type::Option(inner) => handle_in(inner),
        Type::Result { ok, err } => {
            ok.as_deref().and_then(handle_in).or_else(|| err.as_deref().and_then(handle_in))
        }
        Type::Tuple(types) => types.iter().find_map(handle_in),
        Type::Record(fields) => fields.iter().find_map(|(_, ty)| handle_in(ty)),
        Type::Variant(cases) => cases.iter().find_map(|(_, ty)| ty.as_ref().and_then(handle_in)),
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::F32
        | Type::F64
        | Type::Char
        | Type::String
        | Type::Enum(_)
        | Type::Flags(_) => None,
    }
}

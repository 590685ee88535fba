//! Templates: uploaded components, their versions and their exports.

mod stored;

use crate::{FailureOptions, ProjectId, TemplateId, Timestamp, Type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One uploaded version of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template.
    pub id: TemplateId,
    /// The version: 0 for the first upload, plus 1 for each further upload.
    pub version: u32,
    /// The project that the template belongs to.
    pub project: ProjectId,
    /// The template's name, unique in its project.
    pub name: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the component: its name in the blob store and in the cache of compiled code.
    pub content_hash: [u8; 32],
    /// The exports of the component.
    #[serde(with = "stored")]
    pub exports: Vec<Export>,
    /// The producers sections of the component: the tools that built it.
    pub producers: Vec<Producers>,
    /// The templates whose workers its workers call, by the interface that those templates export.
    #[serde(default)]
    pub links: BTreeMap<String, TemplateId>,
    /// The initial files of its workers, if the upload contained any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<ShippedFiles>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Default failure options of workers that are created from it.
    #[serde(default)]
    pub failure_options: FailureOptions,
}

impl TemplateVersion {
    /// Size of everything that was uploaded for this version: the component and its files, in bytes.
    pub fn stored_bytes(&self) -> u64 {
        self.size_bytes + self.files.map_or(0, |files| files.size_bytes)
    }
}

/// The uploaded archive of a template version's initial files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippedFiles {
    /// Size of the archive in bytes.
    pub size_bytes: u64,
    /// BLAKE3 of the archive: its name in the blob store.
    pub content_hash: [u8; 32],
}

/// An export of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Export {
    /// An interface with its functions; `name` is `package:name/interface`, with `@version` if it has one.
    Interface {
        /// The interface's full name.
        name: String,
        /// Its functions in the order of the component.
        functions: Vec<Function>,
    },
    /// A function that the world exports directly.
    Function(Function),
}

/// An exported function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name without the interface.
    pub name: String,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// The result, if there is one.
    pub result: Option<Type>,
}

impl Function {
    /// Whether a parameter or the result contains a resource handle. Such a function cannot be called from outside the
    /// component.
    pub fn has_handles(&self) -> bool {
        fn contains_handle(ty: &Type) -> bool {
            match ty {
                Type::Handle(_) => true,
                Type::List(inner) | Type::Option(inner) => contains_handle(inner),
                Type::Result { ok, err } => ok.iter().chain(err).any(|ty| contains_handle(ty)),
                Type::Tuple(items) => items.iter().any(contains_handle),
                Type::Record(fields) => fields.iter().any(|(_, ty)| contains_handle(ty)),
                Type::Variant(cases) => cases.iter().filter_map(|(_, ty)| ty.as_ref()).any(contains_handle),
                _ => false,
            }
        }
        self.params.iter().any(|param| contains_handle(&param.ty)) || self.result.iter().any(contains_handle)
    }
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name in WIT.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// One producers section of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producers {
    /// The section's fields, such as `language` and `processed-by`.
    pub fields: Vec<ProducerField>,
}

/// A field of a producers section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerField {
    /// The field's name.
    pub name: String,
    /// Name and version of each tool.
    pub values: Vec<(String, String)>,
}

/// The functions of a template version, by full name.
///
/// The full name of an interface's function is `package:name/interface/function`. The full name of a function that the
/// world exports is `function`; callers may also write `package:name/function` (reference §5.1), which the REST API
/// resolves before the lookup.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    by_name: std::collections::BTreeMap<Arc<str>, Arc<Function>>,
}

impl Functions {
    /// Indexes `exports`.
    pub fn new(exports: &[Export]) -> Self {
        let mut by_name = std::collections::BTreeMap::new();
        for export in exports {
            match export {
                Export::Interface { name, functions } => {
                    for function in functions {
                        by_name.insert(
                            Arc::from(format!("{name}/{}", function.name)),
                            Arc::new(function.clone()),
                        );
                    }
                }
                Export::Function(function) => {
                    by_name.insert(Arc::from(function.name.as_str()), Arc::new(function.clone()));
                }
            }
        }
        Self { by_name }
    }

    /// The function with exactly this full name, and the name.
    pub fn get(&self, name: &str) -> Option<(&Arc<str>, &Arc<Function>)> {
        self.by_name.get_key_value(name)
    }

    /// The function that a request calls `name`, and its full name.
    ///
    /// A function exported by the world can be called by its own name or with a package (`pkg:name/function`), because both
    /// were in use. The component does not contain its package's name, so any package is accepted. The version of an
    /// interface can be omitted (`wasi:cli/run/run`), as in 2023, if the component exports only one version.
    pub fn find(&self, name: &str) -> Option<(&Arc<str>, &Arc<Function>)> {
        let of_world = || {
            let (package, function) = name.rsplit_once('/')?;
            let (namespace, rest) = package.split_once(':')?;
            let is_package = !namespace.is_empty() && !rest.is_empty() && !rest.contains(['/', ':']);
            if is_package { self.get(function) } else { None }
        };
        let unversioned = || {
            let wanted = name.rsplit_once('/')?;
            let mut same = self.names().filter(|known| {
                let parts = known.split_once('@');
                parts.and_then(|(interface, rest)| Some((interface, rest.rsplit_once('/')?.1)))
                    == Some(wanted)
            });
            match (same.next(), same.next()) {
                (Some(one), None) => self.get(one),
                _ => None,
            }
        };
        self.get(name).or_else(of_world).or_else(unversioned)
    }

    /// All full names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(AsRef::as_ref)
    }
}

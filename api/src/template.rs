//! Templates: `/v1/templates`.

use crate::compat;
use golem_model as model;
use golem_model::{OnFailure, ProjectId, RetryPolicy, TemplateId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One version of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Template and version.
    pub versioned_template_id: VersionedTemplateId,
    /// Template and version again, for clients of 2023.
    pub user_template_id: NestedTemplateId,
    /// Template and version again, for clients of 2023.
    pub protected_template_id: NestedTemplateId,
    /// Its name.
    pub template_name: TemplateName,
    /// Size of the uploaded component in bytes.
    pub template_size: u64,
    /// Size of the uploaded archive of its workers' initial files in bytes; missing if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_size: Option<u64>,
    /// Its exports and the tools that built it.
    pub metadata: TemplateMetadata,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// The templates whose workers its workers call, by the interface that those export; missing if there are none.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
}

/// Links to templates, by the interface that those export, such as `golem:cart/api`.
pub type Links = BTreeMap<String, TemplateId>;

/// Template and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionedTemplateId {
    /// The template.
    #[serde(alias = "templateId")]
    pub raw_template_id: TemplateId,
    /// The version, from 0.
    pub version: u32,
}

/// A [`VersionedTemplateId`] inside an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NestedTemplateId {
    /// Template and version.
    #[serde(alias = "versionedTemplateId")]
    pub versioned_component_id: VersionedTemplateId,
}

/// A template's name, sent as `{"value": name}`; a plain string is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateName(#[serde(with = "compat::text_object")] pub String);

/// Metadata of a template's component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateMetadata {
    /// Its exports.
    pub exports: Vec<Export>,
    /// The tools that built it.
    pub producers: Vec<Producers>,
}

/// One producers section of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producers {
    /// Its fields.
    pub fields: Vec<ProducerField>,
}

/// A field of a producers section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerField {
    /// Its name, such as `language`.
    pub name: String,
    /// The tools.
    pub values: Vec<Producer>,
}

/// A tool and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// The tool.
    pub name: String,
    /// Its version; empty if it is unknown.
    pub version: String,
}

/// An export of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Export {
    /// An interface.
    Instance {
        /// `package:name/interface`.
        name: String,
        /// Its functions.
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
    /// Its parameters in order.
    pub parameters: Vec<FunctionParameter>,
    /// One unnamed result, or none.
    pub results: Vec<FunctionResult>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionParameter {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(alias = "typ")]
    pub tpe: Type,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionResult {
    /// Its name. Always null: results of current components are unnamed.
    pub name: Option<String>,
    /// Its type.
    #[serde(alias = "typ")]
    pub tpe: Type,
}

/// A type, as `{"U64": {}}` or `{"List": …}`.
///
/// The primitive cases have braces because each of them is sent as an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of the primitive types are those of WIT")]
pub enum Type {
    Bool {},
    S8 {},
    U8 {},
    S16 {},
    U16 {},
    S32 {},
    U32 {},
    S64 {},
    U64 {},
    F32 {},
    F64 {},
    Chr {},
    Str {},
    /// `list<t>`.
    List(Box<Type>),
    /// `option<t>`.
    Option(Box<Type>),
    /// The types of ok and err; null stands for a unit type.
    Result(Option<Box<Type>>, Option<Box<Type>>),
    /// `tuple<…>`.
    Tuple(Vec<Type>),
    /// Fields in order.
    Record(Vec<(String, Type)>),
    /// Cases in order; null stands for no payload.
    Variant(Vec<(String, Option<Type>)>),
    /// Names of the cases in order.
    Enum(Vec<String>),
    /// Names of the flags in order.
    Flags(Vec<String>),
    /// A handle to the named resource. Clients of 2023 do not know this case. A function that uses a handle cannot be
    /// invoked from outside.
    Handle(String),
}

/// The part of a multipart upload that describes the upload.
///
/// The part is named `field0` or `query`. The part with the component is named `template` or `component`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateQuery {
    /// The project; by default the account's default project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// The template's name. `templateName`, and the name as `{"value": …}`, are accepted too.
    #[serde(alias = "templateName", with = "compat::text")]
    pub component_name: String,
    /// The templates whose workers the component calls, by the interface that those export. A link may be missing if
    /// only one template of the project exports the interface.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// How often a failed invocation of its workers is retried; by default according to the server's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// What happens to its workers after the last attempt; by default `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// Query of `PUT /v1/templates/{id}/upload`. Missing fields keep their value from the previous version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TemplateUpdateQuery {
    /// How often a failed invocation of its workers is retried: the policy as JSON.
    #[serde(default, with = "compat::json_text", skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// What happens to its workers after the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// [`Links`] as JSON. A link that is not named is kept from the previous version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<String>,
}

/// Query of `GET /v1/templates`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TemplateListQuery {
    /// Only templates of this project; by default the account's default project.
    #[serde(default, alias = "projectId", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Only templates of this name.
    #[serde(
        default,
        alias = "templateName",
        alias = "component-name",
        skip_serializing_if = "Option::is_none"
    )]
    pub template_name: Option<String>,
}

/// Query of `GET /v1/templates/{id}/download`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TemplateDownloadQuery {
    /// The version; by default the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

impl From<&model::TemplateVersion> for Template {
    fn from(template: &model::TemplateVersion) -> Self {
        let id = VersionedTemplateId { raw_template_id: template.id, version: template.version };
        let nested = NestedTemplateId { versioned_component_id: id };
        Self {
            versioned_template_id: id,
            user_template_id: nested,
            protected_template_id: nested,
            template_name: TemplateName(template.name.clone()),
            template_size: template.size_bytes,
            files_size: template.files.map(|files| files.size_bytes),
            metadata: TemplateMetadata {
                // Functions with handles are left out: the published clients do not know `Handle` and would fail to
                // parse the whole list.
                exports: template
                    .exports
                    .iter()
                    .filter(|export| !matches!(export, model::Export::Function(function) if function.has_handles()))
                    .map(Export::from)
                    .collect(),
                producers: template.producers.iter().map(Producers::from).collect(),
            },
            project_id: template.project,
            links: template.links.clone(),
        }
    }
}

impl From<&model::template::Producers> for Producers {
    fn from(producers: &model::template::Producers) -> Self {
        let tool =
            |(name, version): &(String, String)| Producer { name: name.clone(), version: version.clone() };
        let field = |field: &model::template::ProducerField| ProducerField {
            name: field.name.clone(),
            values: field.values.iter().map(tool).collect(),
        };
        Self { fields: producers.fields.iter().map(field).collect() }
    }
}

impl From<&model::Export> for Export {
    fn from(export: &model::Export) -> Self {
        match export {
            model::Export::Interface { name, functions } => Self::Instance {
                name: name.clone(),
                functions: functions
                    .iter()
                    .filter(|function| !function.has_handles())
                    .map(Function::from)
                    .collect(),
            },
            model::Export::Function(function) => Self::Function(function.into()),
        }
    }
}

impl From<&model::Function> for Function {
    fn from(function: &model::Function) -> Self {
        let parameter = |param: &model::template::Param| FunctionParameter {
            name: param.name.clone(),
            tpe: (&param.ty).into(),
        };
        Self {
            name: function.name.clone(),
            parameters: function.params.iter().map(parameter).collect(),
            results: function.result.iter().map(|ty| FunctionResult { name: None, tpe: ty.into() }).collect(),
        }
    }
}

impl From<&model::Type> for Type {
    fn from(ty: &model::Type) -> Self {
        let boxed = |ty: &model::Type| Box::new(Self::from(ty));
        match ty {
            model::Type::Bool => Self::Bool {},
            model::Type::S8 => Self::S8 {},
            model::Type::U8 => Self::U8 {},
            model::Type::S16 => Self::S16 {},
            model::Type::U16 => Self::U16 {},
            model::Type::S32 => Self::S32 {},
            model::Type::U32 => Self::U32 {},
            model::Type::S64 => Self::S64 {},
            model::Type::U64 => Self::U64 {},
            model::Type::F32 => Self::F32 {},
            model::Type::F64 => Self::F64 {},
            model::Type::Char => Self::Chr {},
            model::Type::String => Self::Str {},
            model::Type::List(inner) => Self::List(boxed(inner)),
            model::Type::Option(inner) => Self::Option(boxed(inner)),
            model::Type::Result { ok, err } => {
                Self::Result(ok.as_deref().map(boxed), err.as_deref().map(boxed))
            }
            model::Type::Tuple(items) => Self::Tuple(items.iter().map(Self::from).collect()),
            model::Type::Record(fields) => {
                Self::Record(fields.iter().map(|(name, ty)| (name.clone(), ty.into())).collect())
            }
            model::Type::Variant(cases) => Self::Variant(
                cases.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(Self::from))).collect(),
            ),
            model::Type::Enum(names) => Self::Enum(names.to_vec()),
            model::Type::Flags(names) => Self::Flags(names.to_vec()),
            model::Type::Handle(name) => Self::Handle(name.clone()),
        }
    }
}

impl From<&Type> for model::Type {
    fn from(ty: &Type) -> Self {
        let boxed = |ty: &Type| Arc::new(Self::from(ty));
        match ty {
            Type::Bool {} => Self::Bool,
            Type::S8 {} => Self::S8,
            Type::U8 {} => Self::U8,
            Type::S16 {} => Self::S16,
            Type::U16 {} => Self::U16,
            Type::S32 {} => Self::S32,
            Type::U32 {} => Self::U32,
            Type::S64 {} => Self::S64,
            Type::U64 {} => Self::U64,
            Type::F32 {} => Self::F32,
            Type::F64 {} => Self::F64,
            Type::Chr {} => Self::Char,
            Type::Str {} => Self::String,
            Type::List(inner) => Self::List(boxed(inner)),
            Type::Option(inner) => Self::Option(boxed(inner)),
            Type::Result(ok, err) => {
                Self::Result { ok: ok.as_deref().map(boxed), err: err.as_deref().map(boxed) }
            }
            Type::Tuple(items) => Self::Tuple(items.iter().map(Self::from).collect()),
            Type::Record(fields) => {
                Self::Record(fields.iter().map(|(name, ty)| (name.clone(), ty.into())).collect())
            }
            Type::Variant(cases) => Self::Variant(
                cases.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(Self::from))).collect(),
            ),
            Type::Enum(names) => Self::Enum(names.as_slice().into()),
            Type::Flags(names) => Self::Flags(names.as_slice().into()),
            Type::Handle(name) => Self::Handle(name.clone()),
        }
    }
}

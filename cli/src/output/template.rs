//! The view of a template. It shows each exported function as a signature.

use golem_api::template::{Export, Function, Template};
use golem_model::{TemplateId, Type};
use serde::Serialize;

/// A template in the form in which it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateView {
    /// Id of the template.
    pub template_id: TemplateId,
    /// Version of the template.
    pub template_version: u32,
    /// Name of the template.
    pub template_name: String,
    /// Size of the component in bytes.
    pub template_size: u64,
    /// Size of the archive of initial files in bytes, if the template has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_size: Option<u64>,
    /// Signatures of the exported functions. Each begins with the name that `--function` accepts.
    pub exports: Vec<String>,
}

impl From<&Template> for TemplateView {
    fn from(template: &Template) -> Self {
        let mut exports = Vec::new();
        for export in &template.metadata.exports {
            match export {
                Export::Instance { name, functions } => {
                    exports
                        .extend(functions.iter().map(|function| format!("{name}/{}", signature(function))));
                }
                Export::Function(function) => exports.push(signature(function)),
            }
        }
        Self {
            template_id: template.versioned_template_id.raw_template_id,
            template_version: template.versioned_template_id.version,
            template_name: template.template_name.0.clone(),
            template_size: template.template_size,
            files_size: template.files_size,
            exports,
        }
    }
}

/// Formats a function as `function(param: type, …) => result`.
fn signature(function: &Function) -> String {
    let params: Vec<String> = function
        .parameters
        .iter()
        .map(|param| format!("{}: {}", param.name, Type::from(&param.tpe)))
        .collect();
    let results: Vec<String> = function
        .results
        .iter()
        .map(|result| match &result.name {
            Some(name) => format!("{name}: {}", Type::from(&result.tpe)),
            None => Type::from(&result.tpe).to_string(),
        })
        .collect();
    let results = if results.is_empty() { "()".to_owned() } else { results.join(", ") };
    format!("{}({}) => {results}", function.name, params.join(", "))
}

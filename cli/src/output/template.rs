//! The view of a template: its exports as lines that say how to call them.

use golem_api::template::{Export, Function, Template};
use golem_model::{TemplateId, Type};
use serde::Serialize;

/// A template as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateView {
    /// The template.
    pub template_id: TemplateId,
    /// The version.
    pub template_version: u32,
    /// Its name.
    pub template_name: String,
    /// Bytes of its WebAssembly.
    pub template_size: u64,
    /// Bytes of the archive of files that its workers begin with, if it ships any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_size: Option<u64>,
    /// A line for each function, which begins with the name that `--function` takes.
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

/// `function(param: type, …) => result`.
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

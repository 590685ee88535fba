//! Projects and templates: what is uploaded, whose it is, and the compiled code of it.
//!
//! Everything but the bytes of components is in memory; the store is read once, at start. `templates` has the
//! versions and the uploads, `components` the compiled code, `projects` the namespaces.
//!
//! Invariant: a component's bytes are durable before a row names them, and a row before anybody hears of it.

mod components;
mod links;
mod projects;
mod templates;

pub use links::{LinkError, Links};
pub use projects::Projects;
pub use templates::{Template, TemplateParts, Templates, UploadError, Version};

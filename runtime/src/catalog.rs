//! Templates: uploads, compiled code, and the limits of a plan on them.
//!
//! - `templates`: templates, their versions, uploads
//! - `components`: compiled code
//! - `files`: archives of files
//! - `links`: the template that a call goes to
//! - `quotas`: compares an account's usage with its plan
//! - `host_authorization`: authorizes host calls on other projects
//!
//! All rows are in memory; the store is read once, at start, and again after a failed write. Components and archives
//! are read when they are needed.
//!
//! Invariant: a component's bytes are durable before a row refers to them, and a row is durable before it is visible in
//! memory.

mod components;
mod files;
mod host_authorization;
mod links;
mod quotas;
mod templates;

pub use files::ArchiveError;
pub use links::{LinkError, Links};
pub use quotas::WorkerQuotas;
pub use templates::{Template, TemplateParts, Templates, Upload, UploadError, Version};

use crate::identity::UNLIMITED;

//! Templates: what is uploaded, the compiled code of it, and how much of it there may be.
//!
//! Everything but the bytes of components is in memory; the store is read once, at start. `templates` has the
//! versions and the uploads, `components` the compiled code, `quotas` what accounts use of their plan.
//!
//! Invariant: a component's bytes are durable before a row names them, and a row before anybody hears of it.

mod components;
mod files;
mod links;
mod quotas;
mod templates;

pub use files::ArchiveError;
pub use links::{LinkError, Links};
pub use quotas::Quotas;
pub use templates::{Template, TemplateParts, Templates, Upload, UploadError, Version};

use crate::identity::UNLIMITED;

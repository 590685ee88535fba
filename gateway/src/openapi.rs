//! Definitions as OpenAPI 3.1 documents, and back.
//!
//! An operation has the extension `x-golem-route` with the order, the pattern and the binding of its route. A route that
//! OpenAPI cannot express beside another (same path and method, other query parameters) is in `x-golem-alternatives` of
//! the operation. So importing an exported document gives the same definition. Other tools read the rest: parameters,
//! bodies and responses with JSON schemas of the template's types.

mod export;
mod import;
mod schema;
#[cfg(test)]
mod tests;

pub use export::Audience;
pub use import::{ImportError, import};

/// The route of an operation: an object with `order`, `path` and `binding`.
const ROUTE: &str = "x-golem-route";
/// Further routes with the path and the method of the operation: a list of such objects.
const ALTERNATIVES: &str = "x-golem-alternatives";
/// The definition's own fields.
const DEFINITION: &str = "x-golem-api-definition";
/// The binding as documents of 2024 have it.
const BRIDGE: &str = "x-golem-worker-bridge";
/// The field of a path for the method CONNECT, which OpenAPI does not know.
const CONNECT: &str = "x-golem-connect";

//! Turns WIT into guest code: text in, text out.
//!
//! - [`wit`] parses WIT packages and prints them again.
//! - [`world`] adds the Runtime API to the world of a user.
//! - [`lang`] generates bindings, projects and build recipes, with a folder for each language.
//! - [`component`] encodes the output of a compiler as a component.
//! - [`cargo`] finds the component in the messages of a build.
//! - [`client`] generates the interfaces by which workers call each other.
//! - [`sdk`] generates the Rust bindings of the guest library.
//!
//! Architecture invariant: nothing here reads a file, an environment variable or the network at run time. Callers pass
//! the text and write the results, so that a command, a build script and a test produce the same bytes.

pub mod cargo;
pub mod client;
pub mod component;
mod error;
mod files;
pub mod lang;
pub mod sdk;
pub mod wit;
pub mod world;

pub use error::Error;
pub use files::Files;
pub use lang::Language;
pub use world::{Source, World};

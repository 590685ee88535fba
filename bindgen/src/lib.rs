//! Turns WIT into guest code: text in, text out.
//!
//! - [`wit`] reads WIT packages from text and prints them again.
//! - [`world`] puts the Runtime API beside the world that a user wrote.
//! - [`lang`] writes bindings, projects and build recipes, a folder for each language.
//! - [`component`] makes a component of what a compiler gives.
//! - [`client`] writes the interfaces by which workers call each other.
//! - [`rust`] writes the Rust bindings that the guest library is built on.
//!
//! Architecture invariant: nothing here reads a file, an environment variable or the network. Callers bring the text and
//! decide where results go, so that a command, a build script and a test produce the same bytes.

pub mod client;
pub mod component;
mod error;
mod files;
pub mod lang;
pub mod rust;
pub mod wit;
pub mod world;

pub use error::Error;
pub use files::Files;
pub use lang::Language;
pub use world::{Source, World};

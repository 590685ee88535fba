//! Turns WIT into guest code: text in, text out.
//!
//! - [`wit`] reads WIT packages from text and prints them again.
//! - [`client`] writes the interfaces by which workers call each other.
//! - [`rust`] writes the Rust bindings that the guest library is built on.
//!
//! Architecture invariant: nothing here reads a file, an environment variable or the network. Callers bring the text and
//! decide where results go, so that a command, a build script and a test produce the same bytes.

pub mod client;
mod error;
pub mod rust;
pub mod wit;

pub use error::Error;

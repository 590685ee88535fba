//! HTTP requests of workers to the outside: where they may go, and the client that carries them.
//!
//! - `policy`: which hosts and addresses may be reached (section `outbound_http` of the settings)
//! - `connect`: names to addresses to connections, each checked
//! - `client`: one request out, one response in
//! - `tls`: whom requests over TLS trust
//! - `failure`: what libraries say, in the host's words
//!
//! Invariant: an address is checked after its name was resolved and before it is connected to, so that a name cannot
//! lead where its address may not.
//! Invariant: nothing here repeats a request that may have reached its target, and no redirection is followed.

mod client;
mod connect;
mod failure;
mod policy;
mod tls;

pub use client::{AllowEveryProject, OutboundClient, OutboundLimits, ProjectPolicy};
pub use policy::{HostPattern, HostPatternError, OutboundPolicy};
pub use tls::{RootsError, TrustedRoots};

//! HTTP requests that workers send: which hosts they may reach, and the client that sends them.
//!
//! - `policy`: which hosts and addresses may be reached (section `outbound_http` of the settings)
//! - `connect`: resolves a name, checks its addresses and connects
//! - `client`: sends one request and receives its response
//! - `tls`: the root certificates that requests trust
//! - `failure`: maps the libraries' errors to [`HttpFailure`](golem_host::ports::HttpFailure)
//!
//! Invariant: an address is checked after its name was resolved and before the connection is made, so a name cannot
//! lead to an address that is not allowed.
//! Invariant: nothing here repeats a request that may have reached its target, or follows a redirection.

mod client;
mod connect;
mod failure;
mod policy;
mod tls;

pub use client::{AllowEveryProject, OutboundClient, OutboundLimits, ProjectOutboundPolicy};
pub use policy::{HostPattern, HostPatternError, OutboundPolicy};
pub use tls::{RootsError, TrustedRoots};

//! The HTTP server: one accept loop for any router.
//!
//! `server` accepts, limits and drains connections; `refuse` answers connections beyond the limit; `body` reads request
//! bodies within limits of size and time. Architecture invariant: nothing here depends on what the router serves.

mod body;
mod refuse;
mod server;

pub use body::{BodyError, BodyLimits, read_body};
pub use server::{ConnectionPermit, Draining, HttpCounters, HttpLimits, HttpServer, bind, serve};

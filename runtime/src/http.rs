//! Serving HTTP: one accept loop for every router.
//!
//! `server` accepts, bounds and drains connections; `body` reads request bodies within limits of size and time.
//! Knows nothing of what is served.

mod body;
mod refuse;
mod server;

pub use body::{BodyError, BodyLimits, read_body};
pub use server::{ConnectionPermit, Draining, HttpCounters, HttpLimits, HttpServer, bind, serve};

//! From a request to an invocation, and from its result to a response.
//!
//! | module | contains |
//! |---|---|
//! | `plan` | the request: its variables, its body, and the invocation that it becomes |
//! | `reply` | the response for a result, by the route's mapping or by default |
//! | `error` | why there is no invocation or no mapped response, with status and body |

mod error;
mod plan;
mod reply;
#[cfg(test)]
mod tests;

pub use error::GatewayError;
pub use plan::{Plan, Request};
pub use reply::Response;
pub(crate) use reply::{is_forbidden_header, is_header_name, is_header_value, is_response_status};

//! `wasi:http`: requests that a worker sends and requests that it answers, durably.
//!
//! A request is sent once its intent is durable. The response is recorded before the guest sees it, and a request whose
//! response was recorded is not sent again. The requests in flight are in `durable::exchange`. This module has the host
//! objects, as plain data, and the recorded calls.
//!
//! - `fields`: header fields and their rules
//! - `objects`: the data of requests, responses, bodies and options
//! - `outgoing`, `body`: requests and responses that the guest creates, and their bodies
//! - `send`: sending a request and receiving the head of its response
//! - `incoming`: reading responses, their bodies and trailers
//! - `serve`: requests that the guest handles
//! - `wire`, `failure`: the encoding in the oplog

mod body;
mod failure;
mod fields;
mod incoming;
mod objects;
mod outgoing;
mod send;
mod serve;
mod wire;

pub(crate) use objects::{HttpObject, UnansweredRequest};
pub(crate) use send::{HttpState, take_response};
pub(crate) use serve::HandlerArgs;
pub(crate) use wire::{decode_response_state, encode_response_state};

use crate::imports::views::{HttpView, Views};
use crate::objects::Object;
use fields::FieldsError;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::{HeaderError, HttpError};

/// Defines the interfaces of `wasi:http`.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    let mut options = types::LinkOptions::default();
    options.informational_outbound_responses(true);
    types::add_to_linker::<_, HttpView<'_>>(linker, &options, T::http)?;
    outgoing_handler::add_to_linker::<_, HttpView<'_>>(linker, T::http)
}

impl types::Host for HttpView<'_> {
    fn convert_error_code(&mut self, error: HttpError) -> Result<ErrorCode> {
        error.downcast()
    }

    fn convert_header_error(&mut self, error: HeaderError) -> Result<types::HeaderError> {
        error.downcast()
    }

    /// The HTTP error code of a stream error, if the stream is the body of a response.
    fn http_error_code(&mut self, error: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(match self.objects.get(error.rep())? {
            Object::Http(HttpObject::Failure(failure)) => Some(failure::error_code(failure)),
            _ => None,
        })
    }
}

impl From<FieldsError> for HeaderError {
    fn from(error: FieldsError) -> Self {
        match error {
            FieldsError::Syntax => types::HeaderError::InvalidSyntax.into(),
            FieldsError::Forbidden => types::HeaderError::Forbidden.into(),
            FieldsError::Immutable => types::HeaderError::Immutable.into(),
            FieldsError::TooLarge => Self::trap(error),
        }
    }
}

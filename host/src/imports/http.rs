//! `wasi:http`: a world in which every request is denied.
//!
//! Guests build requests as everywhere (fields, options, bodies are whole), for libraries do so before they ask
//! for anything; then `outgoing-handler.handle` answers `HTTP-request-denied`. So no response exists, and as the
//! host calls no `incoming-handler`, no incoming request either. Deterministic, no entries.
//!
//! - `fields`: header fields and their rules
//! - `objects`: the data of requests, responses, bodies, options
//! - `outgoing`: what guests make; `incoming`: what they could only get

mod fields;
mod incoming;
mod objects;
mod outgoing;

pub(crate) use objects::Http;

use crate::state::WorkerState;
use fields::FieldsError;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, FutureIncomingResponse, OutgoingRequest, RequestOptions,
};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::{HeaderError, HttpError, HttpResult};

/// Defines the interfaces of `wasi:http`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    let mut options = types::LinkOptions::default();
    options.informational_outbound_responses(true);
    types::add_to_linker::<_, HasSelf<WorkerState>>(linker, &options, |state| state)?;
    outgoing_handler::add_to_linker::<_, HasSelf<WorkerState>>(linker, |state| state)
}

impl types::Host for WorkerState {
    fn convert_error_code(&mut self, error: HttpError) -> Result<ErrorCode> {
        error.downcast()
    }

    fn convert_header_error(&mut self, error: HeaderError) -> Result<types::HeaderError> {
        error.downcast()
    }

    /// No stream of ours is an HTTP response, so no error of a stream is one of HTTP.
    fn http_error_code(&mut self, _: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl outgoing_handler::Host for WorkerState {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<FutureIncomingResponse>> {
        self.objects.remove_request(request.rep()).map_err(HttpError::trap)?;
        if let Some(options) = options {
            self.objects.remove_request_options(options.rep()).map_err(HttpError::trap)?;
        }
        Err(ErrorCode::HttpRequestDenied.into())
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

//! Bodies that guests write. A body is buffered as a whole until the guest finishes it.

use super::failure;
use super::objects::{BodyOwner, BodyState, Content, ResponseFuture};
use super::outgoing::FieldsHandle;
use crate::imports::views::{HttpView, IoView};
use crate::objects::{Object, Output};
use crate::ports::HttpFailure;
use bytes::Bytes;
use golem_model::limits::HTTP_BODY_BYTES_MAX;
use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, OutgoingBody};
use wasmtime_wasi_http::p2::{HttpError, HttpResult};
use wasmtime_wasi_io::streams::{StreamError, StreamResult};

impl IoView<'_> {
    /// Appends bytes that the guest wrote to the stream of the body at `body`.
    pub(crate) fn http_body_write(&mut self, body: u32, bytes: &[u8]) -> StreamResult<()> {
        let room = self.objects.update_body(body, |body| {
            let fits = body.bytes.len() + bytes.len() <= HTTP_BODY_BYTES_MAX;
            if fits {
                body.bytes.extend_from_slice(bytes);
            }
            fits
        });
        if room.map_err(StreamError::Trap)? {
            Ok(())
        } else {
            Err(StreamError::LastOperationFailed(format_err!(
                "the body of an HTTP message can have at most {HTTP_BODY_BYTES_MAX} bytes"
            )))
        }
    }
}

impl HttpView<'_> {
    /// Detaches a body from its request or response, which was dropped.
    pub(super) fn detach_body(&mut self, written: &BodyState, response: bool) -> Result<()> {
        match written {
            BodyState::Open(body) => {
                self.objects.update_body(*body, |body| body.owner = BodyOwner::Dropped { response })
            }
            BodyState::Untouched | BodyState::Done(_) | BodyState::Broken(_) => Ok(()),
        }
    }

    /// Updates the owner of a body: the body is complete, or it failed. Sends the request if it waited for the body.
    fn complete_body(&mut self, owner: BodyOwner, body: Result<Content, HttpFailure>) -> Result<()> {
        let to_state = |body| match body {
            Ok(content) => BodyState::Done(content),
            Err(failure) => BodyState::Broken(failure),
        };
        match owner {
            BodyOwner::Request(rep) => {
                self.objects.update_request(rep, |request| request.body = to_state(body))
            }
            BodyOwner::Response(rep) => {
                self.objects.update_response(rep, |response| response.body = to_state(body))
            }
            BodyOwner::Sent(rep) => {
                let future = self.objects.update_response_future(rep, |future| {
                    std::mem::replace(future, ResponseFuture::Failed(HttpFailure::Unfinished))
                })?;
                let future = match (future, body) {
                    (ResponseFuture::Unsent(request_head), Ok(content)) => {
                        match self.send(&request_head, content)? {
                            Ok(sent) => ResponseFuture::Sent(sent),
                            Err(failure) => ResponseFuture::Failed(failure),
                        }
                    }
                    (ResponseFuture::Unsent(_), Err(failure)) => ResponseFuture::Failed(failure),
                    (other, _) => other,
                };
                self.objects.update_response_future(rep, |slot| *slot = future)
            }
            BodyOwner::Reply => {
                self.set_reply_body(to_state(body));
                Ok(())
            }
            BodyOwner::Dropped { .. } => Ok(()),
        }
    }
}

impl types::HostOutgoingBody for HttpView<'_> {
    fn write(&mut self, body: Resource<OutgoingBody>) -> Result<Result<Resource<DynOutputStream>, ()>> {
        let rep = body.rep();
        if self.objects.update_body(rep, |body| std::mem::replace(&mut body.stream_taken, true))? {
            return Ok(Err(()));
        }
        self.objects.insert_child(Object::Output(Output::HttpBody(rep)), rep).map(Ok)
    }

    fn finish(&mut self, body: Resource<OutgoingBody>, trailers: Option<FieldsHandle>) -> HttpResult<()> {
        let body = self.objects.remove_body(body.rep()).map_err(HttpError::trap)?;
        let trailers = match trailers {
            Some(trailers) => Some(self.objects.remove_fields(trailers.rep()).map_err(HttpError::trap)?),
            None => None,
        };
        let written = body.bytes.len() as u64;
        if body.length.is_none_or(|length| length == written) {
            let content = Content { bytes: Bytes::from(body.bytes), trailers };
            return self.complete_body(body.owner, Ok(content)).map_err(HttpError::trap);
        }
        self.complete_body(body.owner, Err(HttpFailure::Unfinished)).map_err(HttpError::trap)?;
        Err(match body.owner {
            BodyOwner::Request(_) | BodyOwner::Sent(_) | BodyOwner::Dropped { response: false } => {
                ErrorCode::HttpRequestBodySize(Some(written)).into()
            }
            BodyOwner::Response(_) | BodyOwner::Reply | BodyOwner::Dropped { response: true } => {
                ErrorCode::HttpResponseBodySize(Some(written)).into()
            }
        })
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> Result<()> {
        let body = self.objects.remove_body(body.rep())?;
        self.complete_body(body.owner, Err(HttpFailure::Unfinished))
    }
}

/// The error of a request whose body was not finished.
pub(super) fn body_error(failure: &HttpFailure) -> HttpError {
    failure::error_code(failure).into()
}

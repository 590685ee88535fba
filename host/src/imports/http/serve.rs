//! Requests that a guest handles, and its replies.
//!
//! Request and reply are complete values: the request is a parameter of the invocation, and the reply is its result. So
//! nothing here writes an oplog entry. A reply is sent after the commit of the invocation's end, like every result
//! (W4).

use super::fields::Fields;
use super::objects::{BodyOwner, BodySource, BodyState, Content, HttpObject, ReceivedBody, ReceivedRequest};
use super::outgoing::{FieldsHandle, method_to_wit};
use crate::imports::views::HttpView;
use crate::incoming::{HttpReply, IncomingRequest};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use golem_model::Value;
use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi_http::p2::HttpResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, IncomingBody, Method, OutgoingResponse, ResponseOutparam, Scheme,
};

/// The reply of the guest.
#[derive(Debug)]
pub(super) enum Reply {
    /// A response, whose body may be incomplete.
    Given {
        /// The status code.
        status: u16,
        /// Header fields.
        headers: Fields,
        /// The body.
        body: BodyState,
    },
    /// The guest set an error instead of a response. This is the text for the caller.
    Refused(String),
}

/// The two parameters of the guest's handler.
pub(crate) type HandlerArgs = (Resource<types::IncomingRequest>, Resource<ResponseOutparam>);

impl HttpView<'_> {
    /// Creates the objects for the guest's handler: the received request, and the out-parameter for the reply.
    pub(crate) fn new_handler_args(&mut self, request: IncomingRequest) -> Result<HandlerArgs> {
        self.http.reply = None;
        let IncomingRequest { method, path_with_query, authority, headers, body } = request;
        let method = ::http::Method::from_bytes(method.as_bytes())
            .map_err(|_| format_err!("the request's method {method:?} is no method"))?;
        let mut received = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            received.append(name, HeaderValue::from_bytes(&value)?);
        }
        let source = BodySource::Buffered { bytes: Bytes::from(body), end: Ok(None) };
        let received_request = ReceivedRequest {
            method,
            path_with_query,
            authority,
            headers: Fields::received(&received)?,
            body: Some(source),
        };
        let request = self.new_http(HttpObject::ReceivedRequest(received_request))?;
        let out = self.new_http(HttpObject::Outparam)?;
        Ok((request, out))
    }

    /// Takes the reply after the guest's handler has returned.
    pub(crate) fn take_reply(&mut self) -> Result<Value> {
        let reply = match self.http.reply.take() {
            None => Err("the worker gave no response".to_owned()),
            Some(Reply::Refused(text)) => Err(text),
            Some(Reply::Given { status, headers, body }) => {
                self.detach_body(&body, true)?;
                let content = match body {
                    BodyState::Untouched => Ok(Content::default()),
                    BodyState::Done(content) => Ok(content),
                    BodyState::Open(_) | BodyState::Broken(_) => {
                        Err("the worker did not finish the body of its response".to_owned())
                    }
                };
                content.map(|Content { bytes, trailers }| HttpReply {
                    status,
                    headers: headers.entries(),
                    body: bytes.into(),
                    trailers: trailers.map(|trailers| trailers.entries()),
                })
            }
        };
        Ok(HttpReply::into_value(reply))
    }

    /// Sets the body of the reply.
    pub(super) fn set_reply_body(&mut self, written: BodyState) {
        if let Some(Reply::Given { body, .. }) = &mut self.http.reply {
            *body = written;
        }
    }
}

impl types::HostIncomingRequest for HttpView<'_> {
    fn method(&mut self, request: Resource<types::IncomingRequest>) -> Result<Method> {
        Ok(method_to_wit(&self.objects.received_request(request.rep())?.method))
    }

    fn path_with_query(&mut self, request: Resource<types::IncomingRequest>) -> Result<Option<String>> {
        Ok(Some(self.objects.received_request(request.rep())?.path_with_query.clone()))
    }

    fn scheme(&mut self, request: Resource<types::IncomingRequest>) -> Result<Option<Scheme>> {
        self.objects.received_request(request.rep())?;
        Ok(Some(Scheme::Http))
    }

    fn authority(&mut self, request: Resource<types::IncomingRequest>) -> Result<Option<String>> {
        Ok(self.objects.received_request(request.rep())?.authority.clone())
    }

    fn headers(&mut self, request: Resource<types::IncomingRequest>) -> Result<FieldsHandle> {
        let headers = self.objects.received_request(request.rep())?.headers.clone();
        self.new_fields(headers)
    }

    fn consume(
        &mut self,
        request: Resource<types::IncomingRequest>,
    ) -> Result<Result<Resource<IncomingBody>, ()>> {
        let source = self
            .objects
            .update_received_request(request.rep(), |received_request| received_request.body.take())?;
        let Some(source) = source else { return Ok(Err(())) };
        self.new_http(HttpObject::ReceivedBody(ReceivedBody { source, stream_taken: false })).map(Ok)
    }

    fn drop(&mut self, request: Resource<types::IncomingRequest>) -> Result<()> {
        self.objects.remove_received_request(request.rep()).map(drop)
    }
}

impl types::HostResponseOutparam for HttpView<'_> {
    /// Not supported, because an invocation has one result.
    fn send_informational(
        &mut self,
        _: Resource<ResponseOutparam>,
        _: u16,
        headers: FieldsHandle,
    ) -> HttpResult<()> {
        let removed = self.objects.remove_fields(headers.rep());
        removed.map_err(wasmtime_wasi_http::p2::HttpError::trap)?;
        Err(ErrorCode::InternalError(Some("responses of status 1xx are not offered".to_owned())).into())
    }

    fn set(
        &mut self,
        out: Resource<ResponseOutparam>,
        response: std::result::Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> Result<()> {
        self.objects.remove_outparam(out.rep())?;
        let reply = match response {
            Err(code) => Reply::Refused(format!("the worker answered with the error {code:?}")),
            Ok(response) => {
                let response = self.objects.remove_response(response.rep())?;
                if let BodyState::Open(body) = response.body {
                    self.objects.update_body(body, |body| body.owner = BodyOwner::Reply)?;
                }
                Reply::Given { status: response.status, headers: response.headers, body: response.body }
            }
        };
        self.http.reply = Some(reply);
        Ok(())
    }

    fn drop(&mut self, out: Resource<ResponseOutparam>) -> Result<()> {
        self.objects.remove_outparam(out.rep())
    }
}

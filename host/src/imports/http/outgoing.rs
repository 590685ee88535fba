//! Objects that guests create: fields, requests, responses, options. Bodies are in `body`.

use super::fields::Fields;
use super::objects::{Body, BodyOwner, BodyState, HttpObject, Options, Request, Response};
use crate::imports::views::HttpView;
use crate::objects::Object;
use ::http::uri::{Authority, PathAndQuery};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, Method, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, Scheme,
};
use wasmtime_wasi_http::p2::{HeaderError, HeaderResult};

pub(super) type FieldsHandle = Resource<types::Fields>;

/// Bytes of a method or a scheme. The known ones have fewer than ten; a longer text is refused.
const TOKEN_BYTES_MAX: usize = 64;

impl HttpView<'_> {
    pub(super) fn new_http<T: 'static>(&mut self, object: HttpObject) -> Result<Resource<T>> {
        self.objects.insert(Object::Http(object))
    }

    pub(super) fn new_fields(&mut self, fields: Fields) -> Result<FieldsHandle> {
        self.new_http(HttpObject::Fields(fields))
    }
}

impl types::HostFields for HttpView<'_> {
    fn new(&mut self) -> Result<FieldsHandle> {
        self.new_fields(Fields::default())
    }

    fn from_list(&mut self, entries: Vec<(String, Vec<u8>)>) -> HeaderResult<FieldsHandle> {
        let mut fields = Fields::default();
        for (name, value) in entries {
            fields.append(&name, value)?;
        }
        self.new_fields(fields).map_err(HeaderError::trap)
    }

    fn get(&mut self, fields: FieldsHandle, name: String) -> Result<Vec<Vec<u8>>> {
        Ok(self.objects.fields(fields.rep())?.get(&name))
    }

    fn has(&mut self, fields: FieldsHandle, name: String) -> Result<bool> {
        Ok(self.objects.fields(fields.rep())?.has(&name))
    }

    fn set(&mut self, fields: FieldsHandle, name: String, values: Vec<Vec<u8>>) -> HeaderResult<()> {
        let set = self.objects.update_fields(fields.rep(), |fields| fields.set(&name, values));
        Ok(set.map_err(HeaderError::trap)??)
    }

    fn delete(&mut self, fields: FieldsHandle, name: String) -> HeaderResult<()> {
        let deleted = self.objects.update_fields(fields.rep(), |fields| fields.delete(&name));
        Ok(deleted.map_err(HeaderError::trap)??)
    }

    fn append(&mut self, fields: FieldsHandle, name: String, value: Vec<u8>) -> HeaderResult<()> {
        let appended = self.objects.update_fields(fields.rep(), |fields| fields.append(&name, value));
        Ok(appended.map_err(HeaderError::trap)??)
    }

    fn entries(&mut self, fields: FieldsHandle) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(self.objects.fields(fields.rep())?.entries())
    }

    fn clone(&mut self, fields: FieldsHandle) -> Result<FieldsHandle> {
        let copy = self.objects.fields(fields.rep())?.mutable_copy();
        self.new_fields(copy)
    }

    fn drop(&mut self, fields: FieldsHandle) -> Result<()> {
        self.objects.remove_fields(fields.rep()).map(drop)
    }
}

impl types::HostOutgoingRequest for HttpView<'_> {
    fn new(&mut self, headers: FieldsHandle) -> Result<Resource<OutgoingRequest>> {
        let headers = self.objects.remove_fields(headers.rep())?.immutable();
        self.new_http(HttpObject::Request(Request {
            method: ::http::Method::GET,
            scheme: None,
            authority: None,
            path_with_query: None,
            headers,
            body: BodyState::Untouched,
        }))
    }

    fn body(&mut self, request: Resource<OutgoingRequest>) -> Result<Result<Resource<OutgoingBody>, ()>> {
        let of = self.objects.request(request.rep())?;
        if of.body != BodyState::Untouched {
            return Ok(Err(()));
        }
        let body = Body::new(BodyOwner::Request(request.rep()), &of.headers);
        let body = self.new_http::<OutgoingBody>(HttpObject::Body(body))?;
        self.objects.update_request(request.rep(), |request| request.body = BodyState::Open(body.rep()))?;
        Ok(Ok(body))
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> Result<Method> {
        Ok(method_to_wit(&self.objects.request(request.rep())?.method))
    }

    fn set_method(&mut self, request: Resource<OutgoingRequest>, method: Method) -> Result<Result<(), ()>> {
        let Some(method) = method_from_wit(method) else { return Ok(Err(())) };
        self.objects.update_request(request.rep(), |request| request.method = method).map(Ok)
    }

    fn path_with_query(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<String>> {
        Ok(self.objects.request(request.rep())?.path_with_query.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        path_with_query: Option<String>,
    ) -> Result<Result<(), ()>> {
        if path_with_query.as_deref().is_some_and(|path| !is_path_with_query(path)) {
            return Ok(Err(()));
        }
        self.objects
            .update_request(request.rep(), |request| request.path_with_query = path_with_query)
            .map(Ok)
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<Scheme>> {
        Ok(self.objects.request(request.rep())?.scheme.as_ref().map(scheme_to_wit))
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<Scheme>,
    ) -> Result<Result<(), ()>> {
        let Ok(scheme) = scheme.map(|scheme| scheme_from_wit(scheme).ok_or(())).transpose() else {
            return Ok(Err(()));
        };
        self.objects.update_request(request.rep(), |request| request.scheme = scheme).map(Ok)
    }

    fn authority(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<String>> {
        Ok(self.objects.request(request.rep())?.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> Result<Result<(), ()>> {
        if authority.as_deref().is_some_and(|authority| authority.parse::<Authority>().is_err()) {
            return Ok(Err(()));
        }
        self.objects.update_request(request.rep(), |request| request.authority = authority).map(Ok)
    }

    fn headers(&mut self, request: Resource<OutgoingRequest>) -> Result<FieldsHandle> {
        let headers = self.objects.request(request.rep())?.headers.clone();
        self.new_fields(headers)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> Result<()> {
        let request = self.objects.remove_request(request.rep())?;
        self.detach_body(&request.body, false)
    }
}

impl types::HostOutgoingResponse for HttpView<'_> {
    fn new(&mut self, headers: FieldsHandle) -> Result<Resource<OutgoingResponse>> {
        let headers = self.objects.remove_fields(headers.rep())?.immutable();
        self.new_http(HttpObject::Response(Response { status: 200, headers, body: BodyState::Untouched }))
    }

    fn status_code(&mut self, response: Resource<OutgoingResponse>) -> Result<u16> {
        Ok(self.objects.response(response.rep())?.status)
    }

    fn set_status_code(
        &mut self,
        response: Resource<OutgoingResponse>,
        status: u16,
    ) -> Result<Result<(), ()>> {
        if ::http::StatusCode::from_u16(status).is_err() {
            return Ok(Err(()));
        }
        self.objects.update_response(response.rep(), |response| response.status = status).map(Ok)
    }

    fn headers(&mut self, response: Resource<OutgoingResponse>) -> Result<FieldsHandle> {
        let headers = self.objects.response(response.rep())?.headers.clone();
        self.new_fields(headers)
    }

    fn body(&mut self, response: Resource<OutgoingResponse>) -> Result<Result<Resource<OutgoingBody>, ()>> {
        let of = self.objects.response(response.rep())?;
        if of.body != BodyState::Untouched {
            return Ok(Err(()));
        }
        let body = Body::new(BodyOwner::Response(response.rep()), &of.headers);
        let body = self.new_http::<OutgoingBody>(HttpObject::Body(body))?;
        self.objects
            .update_response(response.rep(), |response| response.body = BodyState::Open(body.rep()))?;
        Ok(Ok(body))
    }

    fn drop(&mut self, response: Resource<OutgoingResponse>) -> Result<()> {
        let response = self.objects.remove_response(response.rep())?;
        self.detach_body(&response.body, true)
    }
}

impl types::HostRequestOptions for HttpView<'_> {
    fn new(&mut self) -> Result<Resource<RequestOptions>> {
        self.new_http(HttpObject::Options(Options::default()))
    }

    fn connect_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.objects.request_options(options.rep())?.connect)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        nanos: Option<u64>,
    ) -> Result<Result<(), ()>> {
        self.objects.update_request_options(options.rep(), |options| options.connect = nanos).map(Ok)
    }

    fn first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.objects.request_options(options.rep())?.first_byte)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        nanos: Option<u64>,
    ) -> Result<Result<(), ()>> {
        self.objects.update_request_options(options.rep(), |options| options.first_byte = nanos).map(Ok)
    }

    fn between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.objects.request_options(options.rep())?.between_bytes)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        nanos: Option<u64>,
    ) -> Result<Result<(), ()>> {
        self.objects.update_request_options(options.rep(), |options| options.between_bytes = nanos).map(Ok)
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> Result<()> {
        self.objects.remove_request_options(options.rep()).map(drop)
    }
}

fn method_from_wit(method: Method) -> Option<::http::Method> {
    Some(match method {
        Method::Get => ::http::Method::GET,
        Method::Head => ::http::Method::HEAD,
        Method::Post => ::http::Method::POST,
        Method::Put => ::http::Method::PUT,
        Method::Delete => ::http::Method::DELETE,
        Method::Connect => ::http::Method::CONNECT,
        Method::Options => ::http::Method::OPTIONS,
        Method::Trace => ::http::Method::TRACE,
        Method::Patch => ::http::Method::PATCH,
        Method::Other(name) if name.len() <= TOKEN_BYTES_MAX => {
            ::http::Method::from_bytes(name.as_bytes()).ok()?
        }
        Method::Other(_) => return None,
    })
}

pub(super) fn method_to_wit(method: &::http::Method) -> Method {
    match method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn scheme_from_wit(scheme: Scheme) -> Option<::http::uri::Scheme> {
    match scheme {
        Scheme::Http => Some(::http::uri::Scheme::HTTP),
        Scheme::Https => Some(::http::uri::Scheme::HTTPS),
        Scheme::Other(name) if (1..=TOKEN_BYTES_MAX).contains(&name.len()) => name.parse().ok(),
        Scheme::Other(_) => None,
    }
}

fn scheme_to_wit(scheme: &::http::uri::Scheme) -> Scheme {
    match scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

/// Checks a path with a query. Empty text means that the URI ends with the authority. A fragment is refused, because it
/// is not sent to a server and would be dropped silently.
fn is_path_with_query(text: &str) -> bool {
    let start = text.is_empty() || text.starts_with(['/', '?']);
    start && !text.contains('#') && (text.is_empty() || text.parse::<PathAndQuery>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_schemes_survive_conversion() {
        let other = |name: &str| Method::Other(name.to_owned());
        assert!(matches!(method_from_wit(Method::Patch).as_ref().map(method_to_wit), Some(Method::Patch)));
        assert!(matches!(method_from_wit(other("GET")).as_ref().map(method_to_wit), Some(Method::Get)));
        assert!(
            matches!(method_from_wit(other("brew")).as_ref().map(method_to_wit), Some(Method::Other(name)) if name == "brew")
        );
        for bad in ["", "two words", "a\r\nb", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(method_from_wit(other(bad)).is_none(), "{bad:?}");
            assert!(scheme_from_wit(Scheme::Other(bad.to_owned())).is_none(), "{bad:?}");
        }
        assert!(matches!(scheme_from_wit(Scheme::Https).as_ref().map(scheme_to_wit), Some(Scheme::Https)));
        let ftp = scheme_from_wit(Scheme::Other("ftp".to_owned()));
        assert!(matches!(ftp.as_ref().map(scheme_to_wit), Some(Scheme::Other(name)) if name == "ftp"));
    }

    #[test]
    fn paths_start_with_a_slash_or_a_query() {
        for good in ["", "/", "/a/b?c=d&e=%20", "?q"] {
            assert!(is_path_with_query(good), "{good:?}");
        }
        for bad in ["a", "http://a/", "/a b", "/a#b", "/\r\n", "*"] {
            assert!(!is_path_with_query(bad), "{bad:?}");
        }
    }
}

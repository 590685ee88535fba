//! Requests that a guest is given: none yet.

use crate::imports::absent::{absent, answers};
use crate::state::WorkerState;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::HttpResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingResponse, ResponseOutparam,
    Scheme,
};

impl types::HostIncomingRequest for WorkerState {
    answers! { Err(absent("wasi:http/types#incoming-request"));
        method(Resource<IncomingRequest>) -> Result<Method>;
        path_with_query(Resource<IncomingRequest>) -> Result<Option<String>>;
        scheme(Resource<IncomingRequest>) -> Result<Option<Scheme>>;
        authority(Resource<IncomingRequest>) -> Result<Option<String>>;
        headers(Resource<IncomingRequest>) -> Result<Resource<Fields>>;
        consume(Resource<IncomingRequest>) -> Result<Result<Resource<IncomingBody>, ()>>;
        drop(Resource<IncomingRequest>) -> Result<()>;
    }
}

impl types::HostResponseOutparam for WorkerState {
    answers! { Err(ErrorCode::HttpRequestDenied.into());
        send_informational(Resource<ResponseOutparam>, u16, Resource<Fields>) -> HttpResult<()>;
    }

    answers! { Err(absent("wasi:http/types#response-outparam"));
        set(Resource<ResponseOutparam>, Result<Resource<OutgoingResponse>, ErrorCode>) -> Result<()>;
        drop(Resource<ResponseOutparam>) -> Result<()>;
    }
}

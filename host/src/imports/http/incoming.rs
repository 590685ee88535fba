//! What guests could only be given: incoming requests and responses. There are none.

use crate::imports::absent::{absent, answers};
use crate::state::WorkerState;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynPollable};
use wasmtime_wasi_http::p2::HttpResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, Fields, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingRequest,
    IncomingResponse, Method, OutgoingResponse, ResponseOutparam, Scheme,
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

impl types::HostIncomingResponse for WorkerState {
    answers! { Err(absent("wasi:http/types#incoming-response"));
        status(Resource<IncomingResponse>) -> Result<u16>;
        headers(Resource<IncomingResponse>) -> Result<Resource<Fields>>;
        consume(Resource<IncomingResponse>) -> Result<Result<Resource<IncomingBody>, ()>>;
        drop(Resource<IncomingResponse>) -> Result<()>;
    }
}

impl types::HostIncomingBody for WorkerState {
    answers! { Err(absent("wasi:http/types#incoming-body"));
        stream(Resource<IncomingBody>) -> Result<Result<Resource<DynInputStream>, ()>>;
        finish(Resource<IncomingBody>) -> Result<Resource<FutureTrailers>>;
        drop(Resource<IncomingBody>) -> Result<()>;
    }
}

impl types::HostFutureTrailers for WorkerState {
    answers! { Err(absent("wasi:http/types#future-trailers"));
        subscribe(Resource<FutureTrailers>) -> Result<Resource<DynPollable>>;
        get(Resource<FutureTrailers>)
            -> Result<Option<Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>>>;
        drop(Resource<FutureTrailers>) -> Result<()>;
    }
}

impl types::HostFutureIncomingResponse for WorkerState {
    answers! { Err(absent("wasi:http/types#future-incoming-response"));
        subscribe(Resource<FutureIncomingResponse>) -> Result<Resource<DynPollable>>;
        get(Resource<FutureIncomingResponse>)
            -> Result<Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>>;
        drop(Resource<FutureIncomingResponse>) -> Result<()>;
    }
}

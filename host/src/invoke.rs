//! One call of an exported function: finds the function, converts the parameters, converts the result.
//!
//! Functions are called by their dynamic types, where each byte of a `list<u8>` becomes a value of forty bytes.
//! Functions that take or return only bytes are called by their static type instead.

use crate::Component;
use crate::component::Callable;
use crate::imports::HandlerArgs;
use crate::imports::views::Views;
use crate::incoming::{INCOMING_HTTP, IncomingRequest};
use crate::state::WorkerState;
use crate::value::{from_val, to_val};
use golem_model::limits::ENTRY_BYTES_MAX;
use golem_model::template::Param;
use golem_model::value::codec::encoded_bytes;
use golem_model::{Function, Invocation, Type, Value};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Func, Instance, Val};

/// Names of functions in an error message, at most.
const NAMES_SHOWN_MAX: usize = 20;

/// A call whose function was found and whose parameters were converted.
pub(crate) struct PreparedCall {
    index: ComponentExportIndex,
    function: Arc<Function>,
    params: Params,
}

enum Params {
    /// One `list<u8>`; the result is a `list<u8>` or nothing.
    Bytes(Vec<u8>),
    /// No parameters; the result is a `list<u8>`.
    NoneForBytes,
    /// Any other parameters.
    Values(Vec<Val>),
    /// An HTTP request for the component's handler; the result is its response.
    Http(Box<IncomingRequest>),
}

/// Why a call has no result.
pub(crate) enum InvokeError {
    /// The call was not possible, or its result cannot be used. Another attempt would fail in the same way.
    Refused(String),
    /// The guest was stopped.
    Stopped(wasmtime::Error),
}

impl PreparedCall {
    /// Finds the function of an invocation and converts its parameters. A program has no parameters: it reads its
    /// input.
    pub(crate) fn for_invocation(component: &Component, invocation: &Invocation) -> Result<Self, String> {
        let params = if invocation.convention.is_program() { &[][..] } else { &invocation.params };
        Self::new(component, &invocation.function, params)
    }

    /// Finds the function `name` of `component` and converts `params`. An error is a text for the caller.
    fn new(component: &Component, name: &str, params: &[Value]) -> Result<Self, String> {
        if name == INCOMING_HTTP {
            return Self::http(component, params);
        }
        let Some(Callable { index, function, handle }) = component.callable(name) else {
            let mut names: Vec<&str> = component.functions().names().take(NAMES_SHOWN_MAX + 1).collect();
            if names.len() > NAMES_SHOWN_MAX {
                names[NAMES_SHOWN_MAX] = "…";
            }
            return Err(format!(
                "the component exports no function {name}; it exports: {}",
                names.join(", ")
            ));
        };
        if let Some(handle) = handle {
            return Err(format!(
                "{name} cannot be invoked: it takes or gives a handle ({handle}), which cannot leave a component"
            ));
        }
        if params.len() != function.params.len() {
            let (wanted, given) = (function.params.len(), params.len());
            return Err(format!("{name} takes {wanted} parameters, {given} were given"));
        }
        let params = match (params, function.result.as_ref()) {
            ([Value::Bytes(bytes)], result)
                if is_bytes(&function.params[0].ty) && result.is_none_or(is_bytes) =>
            {
                Params::Bytes(bytes.clone())
            }
            ([], Some(result)) if is_bytes(result) => Params::NoneForBytes,
            _ => {
                let convert = |(value, param): (&Value, &Param)| {
                    to_val(value, &param.ty)
                        .map_err(|error| format!("parameter {} of {name}: {error}", param.name))
                };
                Params::Values(params.iter().zip(&function.params).map(convert).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { index: *index, function: Arc::clone(function), params })
    }

    /// Prepares an HTTP request for the component's handler.
    fn http(component: &Component, params: &[Value]) -> Result<Self, String> {
        let Some(Callable { index, function, .. }) = component.http_handler() else {
            return Err("the component exports no wasi:http/incoming-handler@0.2".to_owned());
        };
        let request = match params {
            [request] => IncomingRequest::from_value(request.clone()),
            _ => None,
        };
        let request = request.ok_or("the parameter of an HTTP request is not one")?;
        Ok(Self { index: *index, function: Arc::clone(function), params: Params::Http(Box::new(request)) })
    }

    /// Makes the call.
    pub(crate) async fn call(
        self,
        store: &mut Store<WorkerState>,
        exports: &Instance,
    ) -> Result<Option<Value>, InvokeError> {
        let Some(func) = exports.get_func(&mut *store, self.index) else {
            return Err(InvokeError::Refused(format!(
                "the instance exports no function {}",
                self.function.name
            )));
        };
        let called = match (&self.params, &self.function.result) {
            (Params::Http(request), _) => call_http_handler(store, func, request).await.map(Some),
            (Params::Bytes(bytes), None) => {
                call_typed::<_, ()>(store, func, (bytes.as_slice(),)).await.map(|()| None)
            }
            (Params::Bytes(bytes), Some(_)) => {
                call_typed(store, func, (bytes.as_slice(),)).await.map(bytes_value).map(Some)
            }
            (Params::NoneForBytes, _) => call_typed(store, func, ()).await.map(bytes_value).map(Some),
            (Params::Values(params), None) => func.call_async(store, params, &mut []).await.map(|()| None),
            (Params::Values(params), Some(ty)) => {
                let mut results = [Val::Bool(false)];
                let called = func.call_async(store, params, &mut results).await;
                let [result] = results;
                match called.map(|()| from_val(result, ty)) {
                    Ok(Err(error)) => {
                        let details = format!("the result of {}: {error}", self.function.name);
                        return Err(InvokeError::Refused(details));
                    }
                    Ok(Ok(result)) => Ok(Some(result)),
                    Err(error) => Err(error),
                }
            }
        };
        let result = called.map_err(InvokeError::Stopped)?;
        let bytes = result.as_ref().map_or(0, encoded_bytes);
        if bytes > ENTRY_BYTES_MAX {
            return Err(InvokeError::Refused(format!(
                "the result of {} needs {bytes} bytes; at most {ENTRY_BYTES_MAX} can be recorded",
                self.function.name
            )));
        }
        Ok(result)
    }
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(inner) if **inner == Type::U8)
}

fn bytes_value((bytes,): (Vec<u8>,)) -> Value {
    Value::Bytes(bytes)
}

async fn call_http_handler(
    store: &mut Store<WorkerState>,
    func: Func,
    request: &IncomingRequest,
) -> wasmtime::Result<Value> {
    let handles = store.data_mut().http().new_handler_args(request.clone())?;
    func.typed::<HandlerArgs, ()>(&*store)?.call_async(&mut *store, handles).await?;
    store.data_mut().http().take_reply()
}

/// Calls a function by its static type.
pub(crate) async fn call_typed<P, R>(
    store: &mut Store<WorkerState>,
    func: Func,
    params: P,
) -> wasmtime::Result<R>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift + Send + Sync + 'static,
{
    func.typed::<P, R>(&*store)?.call_async(store, params).await
}

//! Client interfaces: imports by which a component calls other workers.
//!
//! The client interface generated for `p:n/i` is `p:n-client/i`. It has up to four functions for each function `f` of
//! `p:n/i`. They are distinguished by name and type, because a component's imports contain only the functions that it
//! uses:
//!
//! | function | parameters | result |
//! |---|---|---|
//! | `f` | the worker's name, those of `f` | `result<R, rpc-error>` |
//! | `send-f` | the worker's name, those of `f`, `option<datetime>` | `result<_, rpc-error>` |
//! | `start-f` | the worker's name, those of `f` | `u64` |
//! | `finish-f` | `u64` | `option<result<R, rpc-error>>` |
//!
//! The host defines them by their dynamic types, which are known only once a component is compiled. The links of the
//! template version ([`crate::WorkerInit::links`]) determine the template of the called worker.

use crate::component::ComponentError;
use crate::imports::views::Views;
use crate::ports::ExpectedResult;
use crate::state::WorkerState;
use crate::types::{TypeReader, handle_in};
use crate::value::{from_val, to_val};
use golem_model::call::CallError;
use golem_model::template::Param;
use golem_model::{Function, Type, Value};
use std::sync::Arc;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

/// A client interface that a component imports.
#[derive(Debug, Clone)]
pub struct ClientInterface {
    /// Its name: `p:n-client/i`, with a version if it has one.
    pub import: String,
    /// The interface whose workers it calls: `p:n/i`, with the same version.
    pub interface: Arc<str>,
    /// Its functions that the component uses.
    pub functions: Vec<Arc<ClientFunction>>,
}

/// A function of a client interface.
#[derive(Debug)]
pub struct ClientFunction {
    /// Its name in the client interface.
    pub name: String,
    /// The interface of the called function.
    pub interface: Arc<str>,
    /// The full name of the called function.
    pub function: Arc<str>,
    /// The form of the call.
    pub form: CallForm,
    /// The parameters of the called function; meaningless for [`CallForm::Finish`].
    pub params: Arc<[Param]>,
    /// The result of the called function, if this form specifies it.
    pub result: ExpectedResult,
    /// Types of the client function itself.
    own_params: Vec<Type>,
    own_result: Type,
}

/// The form of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallForm {
    /// Calls and waits for the answer.
    Await,
    /// Calls without an answer.
    Send,
    /// Calls and continues; [`CallForm::Finish`] takes the answer.
    Start,
    /// Takes the answer of a [`CallForm::Start`].
    Finish,
}

/// The called interface of a client interface, derived from the name alone.
fn called_interface(import: &str) -> Option<String> {
    let (package, rest) = import.split_once('/')?;
    Some(format!("{}/{rest}", package.strip_suffix("-client")?))
}

/// The client interfaces that `component` imports.
pub(crate) fn find_imports(component: &Component) -> Result<Vec<ClientInterface>, ComponentError> {
    let engine = component.engine();
    let mut types = TypeReader::new();
    let mut found = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let Some(interface) = called_interface(name).map(Arc::<str>::from) else { continue };
        let mut functions = Vec::new();
        for (function, item) in instance.exports(engine) {
            if let ComponentItem::ComponentFunc(ty) = item.ty {
                let path = || format!("{name}#{function}");
                let own = types.function(function, &ty, path)?;
                let client = parse_client(&interface, own)
                    .map_err(|details| ComponentError::ClientForm { function: path(), details })?;
                functions.push(Arc::new(client));
            }
        }
        if !functions.is_empty() {
            found.push(ClientInterface { import: name.to_owned(), interface, functions });
        }
    }
    Ok(found)
}

fn parse_client(interface: &Arc<str>, own: Function) -> Result<ClientFunction, &'static str> {
    let Function { name, params, result } = own;
    let result = result.ok_or("it has no result")?;
    if params.iter().map(|param| &param.ty).chain([&result]).any(|ty| handle_in(ty).is_some()) {
        return Err("it takes or gives a handle, which cannot leave a component");
    }
    let (form, function, called, called_result) = parse_form(&name, &params, &result)?;
    let function = Arc::from(format!("{interface}/{function}"));
    Ok(ClientFunction {
        name,
        interface: Arc::clone(interface),
        function,
        form,
        params: called.into(),
        result: called_result,
        own_params: params.into_iter().map(|param| param.ty).collect(),
        own_result: result,
    })
}

type ParsedForm<'a> = (CallForm, &'a str, Vec<Param>, ExpectedResult);

fn parse_form<'a>(name: &'a str, params: &[Param], result: &Type) -> Result<ParsedForm<'a>, &'static str> {
    if let (Some(function), Type::Option(inner)) = (name.strip_prefix("finish-"), result)
        && let Some(called) = ok_side(inner)
        && params.iter().map(|param| &param.ty).eq([&Type::U64])
    {
        return Ok((CallForm::Finish, function, Vec::new(), called));
    }
    let Some((Param { ty: Type::String, .. }, rest)) = params.split_first() else {
        return Err("its first parameter is not the name of a worker, a string");
    };
    if let (Some(function), Type::U64) = (name.strip_prefix("start-"), result) {
        return Ok((CallForm::Start, function, rest.to_vec(), ExpectedResult::Unspecified));
    }
    let Some(called) = ok_side(result) else {
        return Err("its result is not of the type result<…, golem:rpc/types.rpc-error>");
    };
    if let (Some(function), ExpectedResult::Nothing, Some((at, rest))) =
        (name.strip_prefix("send-"), &called, rest.split_last())
        && at.ty == Type::Option(Arc::new(datetime()))
    {
        return Ok((CallForm::Send, function, rest.to_vec(), ExpectedResult::Unspecified));
    }
    Ok((CallForm::Await, name, rest.to_vec(), called))
}

/// The ok side of a `result<…, rpc-error>`.
fn ok_side(ty: &Type) -> Option<ExpectedResult> {
    match ty {
        Type::Result { ok, err: Some(error) } if **error == CallError::ty() => {
            Some(ok.as_deref().map_or(ExpectedResult::Nothing, |ty| ExpectedResult::Value(ty.clone())))
        }
        _ => None,
    }
}

/// `wasi:clocks/wall-clock.datetime`.
fn datetime() -> Type {
    Type::Record([("seconds".to_owned(), Type::U64), ("nanoseconds".to_owned(), Type::U32)].into())
}

/// Defines the functions of these interfaces.
pub(crate) fn define(
    linker: &mut Linker<WorkerState>,
    interfaces: &[ClientInterface],
) -> wasmtime::Result<()> {
    for interface in interfaces {
        let mut instance = linker.instance(&interface.import)?;
        for client in &interface.functions {
            let client = Arc::clone(client);
            let name = client.name.clone();
            instance.func_new_async(&name, move |mut store, _, params, results| {
                let client = Arc::clone(&client);
                Box::new(async move {
                    let lifted = params.iter().zip(&client.own_params);
                    let lifted =
                        lifted
                            .map(|(value, ty)| from_val(value.clone(), ty))
                            .collect::<Result<Vec<Value>, _>>()?;
                    let answer = store.data_mut().calls().client_call(&client, lifted).await?;
                    let lowered = match to_val(&answer, &client.own_result) {
                        Ok(lowered) => lowered,
                        // The called worker was updated since the call was made.
                        Err(mismatch) => {
                            to_val(&client.incompatible_result(&mismatch.to_string()), &client.own_result)?
                        }
                    };
                    if let Some(result) = results.first_mut() {
                        *result = lowered;
                    }
                    Ok(())
                })
            })?;
        }
    }
    Ok(())
}

impl ClientFunction {
    /// The answer in place of a result that does not have the expected type.
    fn incompatible_result(&self, mismatch: &str) -> Value {
        let text = format!(
            "the result of {} has another type than the caller was built for: {mismatch}",
            self.function
        );
        let error = Value::Result(Err(Some(Box::new(CallError::Incompatible(text).to_value()))));
        match self.form {
            CallForm::Finish => Value::Option(Some(Box::new(error))),
            CallForm::Await | CallForm::Send | CallForm::Start => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, params: &[&Type], result: &Type, expected: Result<(CallForm, &str, usize), &str>) {
        let params: Vec<Param> =
            params.iter().map(|ty| Param { name: "p".to_owned(), ty: (*ty).clone() }).collect();
        match (parse_form(name, &params, result), expected) {
            (Ok((form, function, params, _)), Ok(expected)) => {
                assert_eq!((form, function, params.len()), expected, "{name}");
            }
            (Err(text), Err(part)) => assert!(text.contains(part), "{text} should contain {part}"),
            (found, expected) => panic!("{name}: found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn forms_are_recognised_by_name_and_type() {
        let outcome =
            |ok: Option<Type>| Type::Result { ok: ok.map(Arc::new), err: Some(Arc::new(CallError::ty())) };
        let at = &Type::Option(Arc::new(datetime()));
        let (name, number) = (&Type::String, &Type::U32);
        let (nothing, counted) = (&outcome(None), &outcome(Some(Type::U32)));
        check("add", &[name, number], counted, Ok((CallForm::Await, "add", 1)));
        check("send-add", &[name, number, at], nothing, Ok((CallForm::Send, "add", 1)));
        check("start-add", &[name, number], &Type::U64, Ok((CallForm::Start, "add", 1)));
        let taken = &Type::Option(Arc::new(counted.clone()));
        check("finish-add", &[&Type::U64], taken, Ok((CallForm::Finish, "add", 0)));
        // Functions whose own names begin like another form.
        check("send-mail", &[name, name], nothing, Ok((CallForm::Await, "send-mail", 1)));
        check("start-engine", &[name], counted, Ok((CallForm::Await, "start-engine", 0)));
        check("send-send-mail", &[name, name, at], nothing, Ok((CallForm::Send, "send-mail", 1)));
        // No valid form.
        check("add", &[number], nothing, Err("name of a worker"));
        check("add", &[name], number, Err("rpc-error"));
        check(
            "add",
            &[name],
            &Type::Result { ok: None, err: Some(Arc::new(Type::String)) },
            Err("rpc-error"),
        );
    }

    #[test]
    fn the_interface_follows_from_the_import() {
        assert_eq!(called_interface("golem:cart-client/api").as_deref(), Some("golem:cart/api"));
        assert_eq!(called_interface("golem:cart-client/api@1.2.0").as_deref(), Some("golem:cart/api@1.2.0"));
        assert_eq!(called_interface("golem:cart/api-client"), None);
        assert_eq!(called_interface("client"), None);
    }
}

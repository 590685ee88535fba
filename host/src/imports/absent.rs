//! Resource types that a guest can import, and of which the runtime never creates an instance.
//!
//! Their methods must be defined, because components that import them would not link otherwise. Wasmtime checks every
//! handle before it calls a host method, so a guest cannot reach these methods. If one is reached nevertheless, it
//! returns an error or traps; it does not panic.

use wasmtime::format_err;

/// Defines methods that return the same result for all arguments. Begin with `async` if the trait's methods are async.
macro_rules! fixed_answers {
    (async $answer:expr; $($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(async fn $method(&mut self, $(_: $argument),*) -> $result {
            $answer
        })*
    };
    ($answer:expr; $($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(&mut self, $(_: $argument),*) -> $result {
            $answer
        })*
    };
}

pub(super) use fixed_answers;

/// The trap of a method whose result type has no error.
pub(super) fn absent_resource(resource: &str) -> wasmtime::Error {
    format_err!("a worker never holds a {resource}: this version of the runtime gives none out")
}

//! Resources that a guest can name but never hold, because nothing gives it one.
//!
//! Their methods must be defined, or components that import them would not link. Wasmtime checks every handle
//! before it calls us, so no guest reaches them; should one do so, it is told the truth and nothing panics.

use wasmtime::format_err;

/// Defines methods that answer the same whatever they are asked. `async` as the trait has it.
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

/// The trap of a method that has no error to give.
pub(super) fn absent_resource(resource: &str) -> wasmtime::Error {
    format_err!("a worker never holds a {resource}: this version of the runtime gives none out")
}

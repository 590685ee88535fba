//! The attribute macros of the guest library.
//!
//! A worker's module goes through these, in this order:
//!
//! - `attr` reads the arguments of the attribute.
//! - `ast` finds what the module exports: functions, the state, the types they use.
//! - `valid` turns that into a `model::Worker`, or into errors at the tokens that are wrong.
//! - `wit` prints the worker's interface as WIT.
//! - `expand` writes the code that joins the two, for WebAssembly only.
//! - `fallback` is what the compiler sees instead when there are errors: the module as it was, so that one mistake gives
//!   one message.
//!
//! `from_wit` is the other way round: an `impl` of the trait that a WIT file gives. `remote` makes functions of the client
//! by which a worker calls others.
//!
//! Invariant: on targets other than WebAssembly, the module stays the plain Rust that the user wrote.

mod ast;
mod attr;
mod expand;
mod fallback;
mod from_wit;
mod model;
mod names;
mod remote;
#[cfg(test)]
mod tests;
mod types;
mod valid;
mod wit;

use proc_macro2::TokenStream;
use quote::quote;

/// Makes a worker of a module, or of the implementation of a WIT interface.
///
/// # On a module
///
/// ```
/// #[golem::worker]
/// mod counter {
///     #[derive(Default)]
///     pub struct Counter { count: u64 }
///
///     impl Counter {
///         /// Adds one.
///         pub fn increment(&mut self) -> u64 {
///             self.count += 1;
///             self.count
///         }
///     }
/// }
/// # fn main() {}
/// ```
///
/// What becomes an exported function: each `pub fn` of the module, and each `pub fn` with `&self` or `&mut self` of the
/// state. What is not `pub` (or only `pub(crate)`) stays inside.
///
/// What is the state: the struct that has such methods. At most one struct can be that, not counting those that exported
/// functions take or return: methods of these are their own business. It is made by its function `new()`, if it has one,
/// or by `Default`, when the worker is first called.
///
/// If it derives serde's `Serialize` and `Deserialize`, it is saved from time to time, and the worker comes back from what
/// was saved instead of from its whole history; see `golem::state`.
///
/// | Rust | WIT |
/// | --- | --- |
/// | `bool`, `u8` to `u64`, `i8` to `i64`, `f32`, `f64`, `char` | `bool`, `u8` to `u64`, `s8` to `s64`, `f32`, `f64`, `char` |
/// | `String`, `Vec<T>`, `Option<T>`, `Result<T, E>`, tuples | `string`, `list<t>`, `option<t>`, `result<t, e>`, `tuple<…>` |
/// | `pub struct` with named fields | `record` |
/// | `pub enum` without values | `enum` |
/// | `pub enum` with values, such as `Card(String)` | `variant` |
/// | `pub struct` with `bool` fields and [`#[golem::flags]`](macro@flags) | `flags` |
///
/// Names become kebab-case: `add_item` is called as `add-item`. Doc comments go along.
///
/// Options: `package = "acme:shop@1.0.0"` (otherwise `golem:` and the name of the module), `interface = "cart"` (otherwise
/// `api`), `state_version = "2"` (otherwise 1), the version of the state's shape. A function's full name is
/// `<package>/<interface>/<function>`.
///
/// # On an `impl`, with a WIT file
///
/// ```ignore
/// struct Cart;
///
/// #[golem::worker(wit = "wit", world = "cart")]
/// impl Guest for Cart {
///     fn add_item(item: ProductItem) {
///         println!("{}", item.name);
///     }
/// }
/// ```
///
/// `wit` is the folder or file with the WIT, seen from `Cargo.toml`; `world` can be left out if there is only one. The
/// trait `Guest` and the types of the interface that the world exports come into scope, and everything that was generated is
/// in the module `bindings`. Golem's own interfaces need not be named in the WIT: this crate brings them.
#[proc_macro_attribute]
pub fn worker(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_worker(arguments.into(), item.into()).into()
}

/// Fills a module with the functions of a client: calls of workers of another template, or of the same one.
///
/// ```ignore
/// #[golem::remote("wit/golem-counter-client.wit")]
/// mod counter {}
///
/// let count = counter::increment("the-worker")?;
/// ```
///
/// The path, seen from `Cargo.toml`, is that of the file that `golem template client` has written. If its package has one
/// interface, the functions and types of that are in the module; otherwise a module for each interface.
#[proc_macro_attribute]
pub fn remote(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    remote::expand(arguments.into(), item.into()).into()
}

/// Marks a struct of a worker's module as a set of flags: named switches that are on or off.
///
/// ```
/// #[golem::worker]
/// mod access {
///     #[golem::flags]
///     pub struct Permissions {
///         pub read: bool,
///         pub write: bool,
///     }
///
///     pub fn can_change(permissions: Permissions) -> bool {
///         permissions.read && permissions.write
///     }
/// }
/// # fn main() {}
/// ```
///
/// In WIT this is `flags permissions { read, write }`; callers see the list of those that are on.
#[proc_macro_attribute]
pub fn flags(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    // `worker` takes the attribute away from the types of its module, so that this runs elsewhere only.
    let (arguments, item) = (TokenStream::from(arguments), TokenStream::from(item));
    let error = syn::Error::new(
        proc_macro2::Span::call_site(),
        "`flags` has a meaning only inside a module with `#[golem::worker]`; move the struct there",
    )
    .into_compile_error();
    drop(arguments);
    quote!(#error #item).into()
}

fn expand_worker(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let result = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Mod(module)) => expand_module(arguments, module),
        Ok(syn::Item::Impl(block)) => from_wit::expand(arguments, &block),
        Ok(other) => Err(syn::Error::new_spanned(
            first_token(&other),
            "`#[golem::worker]` goes on a module, `mod name { … }`, or, with `wit = \"…\"`, on an `impl` of a trait",
        )),
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| fallback::expand(&error, item))
}

fn expand_module(arguments: TokenStream, mut module: syn::ItemMod) -> syn::Result<TokenStream> {
    let options = attr::ModuleOptions::parse(arguments)?;
    let parsed = ast::Module::from_item(&mut module)?;
    let worker = valid::check(&parsed, &options)?;
    Ok(expand::expand(&worker, &module))
}

/// Where to point at a whole item: at its first word, not at a hundred lines.
fn first_token(tokens: &impl quote::ToTokens) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .find(|token| !matches!(token, proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Group(_)))
        .map(TokenStream::from)
        .unwrap_or_default()
}

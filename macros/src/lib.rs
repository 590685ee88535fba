//! The attribute macros of the guest library.
//!
//! A worker's module passes through these modules, in this order:
//!
//! - `attr` parses the arguments of the attribute.
//! - `ast` finds the exports of the module: functions, the state, and the types that they use.
//! - `valid` checks them. It returns a `model::Worker`, or errors at the wrong tokens.
//! - `wit` prints the worker's interface as WIT.
//! - `expand` generates the code that connects the module with the bindings of the WIT, for WebAssembly only.
//! - `fallback` replaces `expand` when there are errors: the module stays as it was, so that one mistake causes one
//!   message.
//!
//! `from_wit` handles the other direction: an `impl` of the trait that is generated from a WIT file. `remote` generates
//! client functions, with which a worker calls other workers.
//!
//! Invariant: on targets other than WebAssembly, the module stays the plain Rust of the user.

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

/// Turns a module, or the implementation of a WIT interface, into a worker.
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
/// **Exported functions** are each `pub fn` of the module, and each `pub fn` of the state with `&self` or `&mut self`.
/// Functions that are private or `pub(crate)` are not exported.
///
/// **The state** is the struct with such methods. Structs that exported functions take or return do not count, and
/// their methods are not exported. At most one other struct may have public methods. The state is created when the
/// worker is first called: by its function `new()` if it has one, else by `Default`.
///
/// If the state derives serde's `Serialize` and `Deserialize`, it is saved from time to time. The worker then recovers
/// from the saved state instead of its whole history; see `golem::state`.
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
/// Names become kebab-case: callers call `add_item` as `add-item`. Doc comments are copied into the WIT.
///
/// Options:
///
/// | Option | Meaning | Default |
/// | --- | --- | --- |
/// | `package = "acme:shop@1.0.0"` | the WIT package | `golem:` and the name of the module |
/// | `interface = "cart"` | the exported interface | `api` |
/// | `state_version = "2"` | the version of the state's shape | 1 |
///
/// A function's full name is `<package>/<interface>/<function>`.
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
/// `wit` is the path of the folder or file with the WIT, relative to the folder with `Cargo.toml`. `world` can be left
/// out if there is only one. The trait `Guest` and the types of the exported interface are brought into scope. The
/// module `bindings` contains all generated code. The WIT need not import Golem's own interfaces, because this crate
/// contains their bindings.
#[proc_macro_attribute]
pub fn worker(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_worker(arguments.into(), item.into()).into()
}

/// Fills a module with client functions, which call workers of another template or of the same one.
///
/// ```ignore
/// #[golem::remote("wit/golem-counter-client.wit")]
/// mod counter {}
///
/// let count = counter::increment("the-worker")?;
/// ```
///
/// The path is that of a file that `golem template client` created, relative to the folder with `Cargo.toml`. If its
/// package has one interface, the module contains the functions and types of the interface. Otherwise it contains a
/// module for each interface.
#[proc_macro_attribute]
pub fn remote(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    remote::expand(arguments.into(), item.into()).into()
}

/// Marks a struct of a worker's module as a set of flags, each of which is on or off.
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
/// In WIT this is `flags permissions { read, write }`. In JSON, the value is the list of the flags that are on.
#[proc_macro_attribute]
pub fn flags(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    // `worker` removes the attribute from the types of its module, so this runs only for other items.
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
            "`#[golem::worker]` belongs on a module, `mod name { … }`, or, with `wit = \"…\"`, on an `impl` of a trait",
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

/// The first word of an item. Errors about the whole item are reported there, not on all its lines.
fn first_token(tokens: &impl quote::ToTokens) -> TokenStream {
    tokens
        .to_token_stream()
        .into_iter()
        .find(|token| !matches!(token, proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Group(_)))
        .map(TokenStream::from)
        .unwrap_or_default()
}

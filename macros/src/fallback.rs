//! What the compiler sees when the macro has errors to report.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;

/// The errors, and the item without our attributes inside it: other code goes on finding what it refers to, so that one
/// mistake does not cause a hundred more messages.
pub(crate) fn expand(error: &syn::Error, item: TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    let item = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Mod(mut module)) => {
            FlagsRemover.visit_item_mod_mut(&mut module);
            quote!(#[allow(dead_code, reason = "there are errors to mend first")] #module)
        }
        // Its trait comes from the bindings, which there are none of.
        Ok(syn::Item::Impl(_)) => TokenStream::new(),
        Ok(other) => other.into_token_stream(),
        Err(_) => item,
    };
    quote!(#errors #item)
}

/// Takes `#[golem::flags]` away.
pub(crate) struct FlagsRemover;

impl VisitMut for FlagsRemover {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        item.attrs.retain(|attribute| !is_flags(attribute));
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        item.attrs.retain(|attribute| !is_flags(attribute));
    }
}

/// `#[golem::flags]`, or `#[flags]` where that was imported.
pub(crate) fn is_flags(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("flags")
        || (path.segments.len() == 2
            && path.segments[0].ident == "golem"
            && path.segments[1].ident == "flags")
}

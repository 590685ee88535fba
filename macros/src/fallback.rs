//! The output of the macro when there are errors.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;

/// The errors, and the item without the attributes of this crate. Other code can still refer to the item, so that one
/// mistake does not cause many more messages.
pub(crate) fn expand(error: &syn::Error, item: TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    let item = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Mod(mut module)) => {
            FlagsRemover.visit_item_mod_mut(&mut module);
            quote!(#[allow(dead_code, reason = "the errors of the macro are reported instead")] #module)
        }
        // Left out: its trait is defined by the bindings, which are not generated.
        Ok(syn::Item::Impl(_)) => TokenStream::new(),
        Ok(other) => other.into_token_stream(),
        Err(_) => item,
    };
    quote!(#errors #item)
}

/// Removes `#[golem::flags]`.
pub(crate) struct FlagsRemover;

impl VisitMut for FlagsRemover {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        item.attrs.retain(|attribute| !is_flags(attribute));
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        item.attrs.retain(|attribute| !is_flags(attribute));
    }
}

/// Whether the attribute is `#[golem::flags]`, or `#[flags]` after an import.
pub(crate) fn is_flags(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("flags")
        || (path.segments.len() == 2
            && path.segments[0].ident == "golem"
            && path.segments[1].ident == "flags")
}

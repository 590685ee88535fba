//! Conversions between names in Rust, in WIT, and in the generated bindings.

use proc_macro2::Span;
use syn::Ident;

/// Keywords of WIT. As names they are written with `%` in front.
const WIT_KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "float32",
    "float64",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// Keywords of Rust. The binding generator appends `_` to them.
const RUST_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct",
    "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where",
    "while", "yield",
];

/// Converts a Rust name to kebab-case: `add_item` and `AddItem` to `add-item`, `HTTPError` to `http-error`.
///
/// A number is joined to the word before it (`item_2` becomes `item2`), because older WIT tools reject words that begin
/// with a digit.
pub(crate) fn kebab(ident: &Ident) -> syn::Result<String> {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    if let Some(found) = text.chars().find(|c| !c.is_ascii()) {
        return Err(syn::Error::new(
            ident.span(),
            format!(
                "the character `{found}` cannot be part of a name in WIT; use the letters a to z, digits and `_`"
            ),
        ));
    }
    let mut words: Vec<String> = Vec::new();
    for part in text.split('_').filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        for (i, c) in chars.iter().enumerate() {
            let boundary = match i.checked_sub(1).map(|before| chars[before]) {
                None => true,
                Some(before) if c.is_ascii_uppercase() => {
                    !before.is_ascii_uppercase() || chars.get(i + 1).is_some_and(char::is_ascii_lowercase)
                }
                Some(_) => false,
            };
            match words.last_mut() {
                Some(word) if !boundary || c.is_ascii_digit() => word.push(c.to_ascii_lowercase()),
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
        }
    }
    match words.first() {
        None => Err(syn::Error::new(ident.span(), "a name in WIT needs at least one letter")),
        Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(syn::Error::new(ident.span(), "a name in WIT cannot begin with a digit"))
        }
        Some(_) => Ok(words.join("-")),
    }
}

/// Writes a name as in a WIT file.
pub(crate) fn escape_keyword(name: &str) -> String {
    if WIT_KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}

/// The name of a function, a parameter, a field or a module in the generated bindings, from its WIT name.
pub(crate) fn binding_snake(name: &str) -> Ident {
    let keyword = if RUST_KEYWORDS.contains(&name) { "_" } else { "" };
    Ident::new(&format!("{}{keyword}", name.replace('-', "_")), Span::call_site())
}

/// The name of a type in the generated bindings, from its WIT name.
pub(crate) fn binding_type(name: &str) -> Ident {
    // The trait with the exported functions is called `Guest`.
    if name == "guest" { Ident::new("Guest_", Span::call_site()) } else { binding_case(name) }
}

/// The name of a case of an enum or a variant in the generated bindings, from its WIT name.
pub(crate) fn binding_case(name: &str) -> Ident {
    let mut camel = String::new();
    for word in name.split('-') {
        let mut chars = word.chars();
        camel.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    // `Self` is the only keyword in camel case.
    if camel == "Self" {
        camel.push('_');
    }
    Ident::new(&camel, Span::call_site())
}

/// The name of a flag in the generated bindings, from its WIT name.
pub(crate) fn binding_flag(name: &str) -> Ident {
    Ident::new(&name.replace('-', "_").to_ascii_uppercase(), Span::call_site())
}

/// The error in a kebab-case name that the user wrote, if there is one.
pub(crate) fn kebab_error(name: &str) -> Option<String> {
    let word_fits = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    (!name.split('-').all(word_fits)).then(|| {
        format!("`{name}` is not a name in WIT: use words of lower-case letters and digits, joined by `-`, as in `shopping-cart`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_names_become_kebab_case() {
        for (rust, expected) in [
            ("add_item", "add-item"),
            ("AddItem", "add-item"),
            ("HTTPError", "http-error"),
            ("Http2Server", "http2-server"),
            ("Base64Data", "base64-data"),
            ("X509", "x509"),
            ("item_2", "item2"),
            ("_unused", "unused"),
            ("r#type", "type"),
            ("SHOUT", "shout"),
            ("a", "a"),
            ("userID", "user-id"),
        ] {
            let ident: Ident = syn::parse_str(rust).unwrap();
            assert_eq!(kebab(&ident).unwrap(), expected, "{rust}");
            assert_eq!(kebab_error(expected), None);
        }
        for rust in ["größe", "_1", "__"] {
            assert!(kebab(&Ident::new(rust, Span::call_site())).is_err(), "{rust}");
        }
    }

    #[test]
    fn generated_names_are_known() {
        assert_eq!(binding_snake("type"), "type_");
        assert_eq!(binding_snake("add-item"), "add_item");
        assert_eq!(binding_type("guest"), "Guest_");
        assert_eq!(binding_type("http2-server"), "Http2Server");
        assert_eq!(binding_flag("read-only"), "READ_ONLY");
        assert_eq!(escape_keyword("list"), "%list");
        assert_eq!(escape_keyword("lists"), "lists");
        assert!(kebab_error("Cart").is_some() && kebab_error("a--b").is_some() && kebab_error("").is_some());
    }
}

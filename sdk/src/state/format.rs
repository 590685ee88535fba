//! The bytes of a saved state: constants, and reading the head of an item.
//!
//! The bytes are CBOR (RFC 8949) with these choices. Everything that serde's data model distinguishes and that a
//! `deserialize_any` can report has bytes of its own; the other bytes are those that the crate `ciborium` writes.
//!
//! | value | item |
//! |---|---|
//! | `None` | null |
//! | `Some(v)` | tag 7 and the item of `v` |
//! | `()`, a unit struct | undefined |
//! | `bool` | false, true |
//! | an integer | an integer, or a bignum (tags 2 and 3) if it needs more than 64 bits |
//! | `f32`, `f64` | the shortest float with the same bits |
//! | an `f32` that is NaN | tag 9 and its bits as an integer, because a conversion to `f64` may change them |
//! | an `f64` that is NaN | a float of 64 bits |
//! | `char` | tag 8 and a text |
//! | text, bytes | a text, bytes |
//! | a list, tuple or tuple struct | an array |
//! | a map, a struct | a map; fields are entries with their name as key |
//! | a variant without values | its name as text |
//! | another variant | a map with one entry: its name, and its value, array or map |
//! | a newtype struct | its value |
//!
//! An array or map whose length serde does not give has the indefinite form.

use super::error::{Error, Step};
use ciborium_ll::{Decoder, Encoder, Header};

/// The first byte of a saved state. Format 1 had no such byte: it is one map in CBOR, which begins with `OLD_FORMAT`.
///
/// A byte that once had a meaning is never given another.
pub(super) const FORMAT: u8 = 2;
/// The first byte of a state in format 1: a map with two entries.
pub(super) const OLD_FORMAT: u8 = 0xa2;

/// Marks the value of a `Some`.
pub(super) const TAG_SOME: u64 = 7;
/// Marks a `char`.
pub(super) const TAG_CHAR: u64 = 8;
/// Marks the bits of an `f32` that is NaN.
pub(super) const TAG_F32_BITS: u64 = 9;

/// Arrays, maps and `Some`s that may contain each other in a state. Saving and loading have the same limit.
///
/// A guest has a stack of 512 KiB. Measured with wasmtime 48 and the profile of `golem new`, it overflows at 904 levels
/// for a struct of 26 fields, at 1,632 for JSON and at 3,840 for a linked list. A state in the older format with the 256
/// maps and lists that its reader accepted fits.
pub(super) const LEVELS_MAX: usize = 512;
/// The same for the older format, whose reader did not count options.
pub(super) const OLD_LEVELS_MAX: usize = 1024;

pub(super) fn too_deep(levels_max: usize) -> Error {
    Error::new(format_args!(
        "values are nested deeper than {levels_max} levels (each list, map, struct, variant with values and `Some` is \
         one); keep them in a `Vec` or a map and refer to them by index or key"
    ))
}

/// Appends the head of an item.
pub(super) fn push_head(out: &mut Vec<u8>, header: Header) {
    // The longest head: a byte and an integer of 64 bits.
    let mut buffer = [0; 9];
    let mut rest = &mut buffer[..];
    let written = Encoder::from(&mut rest).push(header);
    debug_assert!(written.is_ok(), "every head fits into the buffer");
    let unused = rest.len();
    out.extend_from_slice(&buffer[..buffer.len() - unused]);
}

/// The head of the item at the beginning of `bytes`, and its length.
pub(super) fn read_head(bytes: &[u8]) -> Result<(Header, usize), Error> {
    let mut decoder = Decoder::from(bytes);
    match decoder.pull() {
        Ok(header) => Ok((header, decoder.offset())),
        Err(ciborium_ll::Error::Io(_)) => Err(Error::new("the saved bytes end too early")),
        Err(ciborium_ll::Error::Syntax(_)) => {
            Err(Error::new(format_args!("{:#04x} does not begin a CBOR item", bytes[0])))
        }
    }
}

/// The step to an entry whose key has these bytes.
pub(super) fn step_of_key(key: &[u8]) -> Step {
    let unnamed = || Step::Key("a key that is not text or a number".to_owned());
    let mut rest = key;
    loop {
        let Ok((header, length)) = read_head(rest) else { return unnamed() };
        rest = &rest[length..];
        return match header {
            Header::Tag(_) => continue,
            Header::Text(Some(length)) => match rest.get(..length).map(std::str::from_utf8) {
                Some(Ok(text)) => Step::Name(text.to_owned()),
                _ => unnamed(),
            },
            Header::Positive(number) => Step::Key(number.to_string()),
            Header::Negative(inverted) => Step::Key((!i128::from(inverted)).to_string()),
            _ => unnamed(),
        };
    }
}

//! Bytes in the format of [`format`](super::format), or in the older one, to values.
//!
//! Invariant: input of any kind produces a value or an error. Lengths are compared with the remaining input before
//! anything is allocated, and the nesting is limited.

use super::error::{Error, Step};
use super::format::{
    LEVELS_MAX, OLD_LEVELS_MAX, TAG_CHAR, TAG_F32_BITS, TAG_SOME, read_head, step_of_key, too_deep,
};
use ciborium_ll::{Header, simple, tag};
use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Unexpected, Visitor};
use std::ops::Range;

/// The format of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateFormat {
    /// Written by [`encode`](super::encode::encode).
    Tagged,
    /// Written by the crate `ciborium`: null is `None` and the unit, and a `Some` is its value.
    Old,
}

/// Decodes the value that takes all of `bytes`, and returns whether it may differ from the value that was encoded.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], format: StateFormat) -> Result<(T, bool), Error> {
    let mut input = Deserializer::new(bytes, format);
    let value = T::deserialize(&mut input)?;
    match input.rest().len() {
        rest if rest > 0 && format == StateFormat::Tagged => {
            Err(Error::new(format_args!("{rest} bytes follow the state")))
        }
        _ => Ok((value, input.guessed)),
    }
}

pub(super) struct Deserializer<'de> {
    bytes: &'de [u8],
    at: usize,
    format: StateFormat,
    /// Arrays, maps and `Some`s that are open.
    levels: usize,
    /// Whether a value was requested without its type, as for untagged enums and flattened fields, or was ignored. Then
    /// two different values of a type may have the same bytes.
    guessed: bool,
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(bytes: &'de [u8], format: StateFormat) -> Self {
        Self { bytes, at: 0, format, levels: 0, guessed: false }
    }

    /// The bytes that were not read yet.
    pub(super) fn rest(&self) -> &'de [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Result<Header, Error> {
        Ok(read_head(self.rest())?.0)
    }

    fn pull(&mut self) -> Result<Header, Error> {
        let (header, length) = read_head(self.rest())?;
        self.at += length;
        Ok(header)
    }

    /// The head of a value whose type is known. Marks that the type does not need are skipped: a field may have been an
    /// option when it was saved.
    fn pull_value(&mut self) -> Result<Header, Error> {
        loop {
            match self.pull()? {
                Header::Tag(TAG_SOME | TAG_CHAR) if self.format == StateFormat::Tagged => {}
                header @ Header::Tag(tag::BIGPOS | tag::BIGNEG) => return Ok(header),
                Header::Tag(_) if self.format == StateFormat::Old => {}
                header => return Ok(header),
            }
        }
    }

    fn take(&mut self, length: Option<usize>) -> Result<&'de [u8], Error> {
        let length = length.ok_or_else(|| Error::new("a text or bytes in segments are not supported"))?;
        let taken = self.rest().get(..length).ok_or_else(|| Error::new("the saved bytes end too early"))?;
        self.at += length;
        Ok(taken)
    }

    fn take_text(&mut self, length: Option<usize>) -> Result<&'de str, Error> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Error::new("a text is not UTF-8"))
    }

    /// The magnitude of an integer after its head, and whether it is negative (then all bits are inverted).
    fn integer(&mut self, header: Header, expected: &dyn de::Expected) -> Result<(bool, u128), Error> {
        let negative = match header {
            Header::Positive(number) => return Ok((false, number.into())),
            Header::Negative(inverted) => return Ok((true, inverted.into())),
            Header::Tag(tag @ (tag::BIGPOS | tag::BIGNEG)) => tag == tag::BIGNEG,
            other => return Err(unexpected(other, expected)),
        };
        let header = self.pull()?;
        let Header::Bytes(length) = header else { return Err(unexpected(header, expected)) };
        let bytes = self.take(length)?;
        if bytes.len() > size_of::<u128>() {
            return Err(Error::new("an integer has more than 128 bits"));
        }
        Ok((negative, bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))))
    }

    /// An integer for a type of up to 64 bits.
    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let header = self.pull_value()?;
        let (negative, magnitude) = self.integer(header, &visitor)?;
        match (negative, u64::try_from(magnitude), i64::try_from(magnitude)) {
            (false, Ok(number), _) => visitor.visit_u64(number),
            (true, _, Ok(inverted)) => visitor.visit_i64(!inverted),
            _ => visit_big(negative, magnitude, visitor),
        }
    }

    fn visit_float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Float(number) => visitor.visit_f64(number),
            Header::Tag(TAG_F32_BITS) => visitor.visit_f32(self.f32_bits()?),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn f32_bits(&mut self) -> Result<f32, Error> {
        match self.pull()? {
            Header::Positive(bits) => u32::try_from(bits).ok().map(f32::from_bits),
            _ => None,
        }
        .ok_or_else(|| Error::new("an f32 that is not a number has no bits"))
    }

    fn enter(&mut self) -> Result<(), Error> {
        let levels_max = match self.format {
            StateFormat::Tagged => LEVELS_MAX,
            StateFormat::Old => OLD_LEVELS_MAX,
        };
        if self.levels == levels_max {
            return Err(too_deep(levels_max));
        }
        self.levels += 1;
        Ok(())
    }

    fn visit_some<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let value = visitor.visit_some(&mut *self)?;
        self.levels -= 1;
        Ok(value)
    }

    fn visit_array<V: Visitor<'de>>(&mut self, length: Option<usize>, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut items = Items::new(self, length);
        let value = visitor.visit_seq(&mut items)?;
        items.finish()?;
        self.levels -= 1;
        Ok(value)
    }

    fn visit_map_entries<V: Visitor<'de>>(
        &mut self,
        length: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.enter()?;
        // Flattened fields are in a map of unknown length.
        self.guessed |= length.is_none();
        let mut items = Items::new(self, length);
        let value = visitor.visit_map(&mut items)?;
        items.finish()?;
        self.levels -= 1;
        Ok(value)
    }
}

/// An integer that needs more than 64 bits.
fn visit_big<'de, V: Visitor<'de>>(negative: bool, magnitude: u128, visitor: V) -> Result<V::Value, Error> {
    match i128::try_from(magnitude) {
        Ok(inverted) if negative => visitor.visit_i128(!inverted),
        _ if negative => Err(Error::new("an integer has more than 128 bits")),
        _ => visitor.visit_u128(magnitude),
    }
}

#[cold]
fn unexpected(header: Header, expected: &dyn de::Expected) -> Error {
    let found = match header {
        Header::Positive(number) => Unexpected::Unsigned(number),
        Header::Negative(inverted) => match i64::try_from(inverted) {
            Ok(inverted) => Unexpected::Signed(!inverted),
            Err(_) => Unexpected::Other("integer of 128 bits"),
        },
        Header::Float(number) => Unexpected::Float(number),
        Header::Simple(simple::FALSE) => Unexpected::Bool(false),
        Header::Simple(simple::TRUE) => Unexpected::Bool(true),
        Header::Simple(simple::NULL) => Unexpected::Other("`None`"),
        Header::Simple(simple::UNDEFINED) => Unexpected::Unit,
        Header::Simple(_) => Unexpected::Other("a simple value without a meaning"),
        Header::Bytes(_) => Unexpected::Other("bytes"),
        Header::Text(_) => Unexpected::Other("text"),
        Header::Array(_) => Unexpected::Seq,
        Header::Map(_) => Unexpected::Map,
        Header::Tag(_) => Unexpected::Other("a tag"),
        Header::Break => Unexpected::Other("the end of a list"),
    };
    de::Error::invalid_type(found, expected)
}

macro_rules! forward {
    ($($function:ident => $to:ident)*) => {$(
        fn $function<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$to(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.guessed = true;
        let tagged = self.format == StateFormat::Tagged;
        loop {
            return match self.pull()? {
                Header::Positive(number) => visitor.visit_u64(number),
                Header::Negative(inverted) => match i64::try_from(inverted) {
                    Ok(inverted) => visitor.visit_i64(!inverted),
                    Err(_) => visitor.visit_i128(!i128::from(inverted)),
                },
                Header::Float(number) => visitor.visit_f64(number),
                Header::Simple(simple::FALSE) => visitor.visit_bool(false),
                Header::Simple(simple::TRUE) => visitor.visit_bool(true),
                Header::Simple(simple::UNDEFINED) if tagged => visitor.visit_unit(),
                Header::Simple(simple::NULL | simple::UNDEFINED) => visitor.visit_none(),
                Header::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
                Header::Text(length) => visitor.visit_borrowed_str(self.take_text(length)?),
                Header::Array(length) => self.visit_array(length, visitor),
                Header::Map(length) => self.visit_map_entries(length, visitor),
                header @ Header::Tag(tag::BIGPOS | tag::BIGNEG) => {
                    let (negative, magnitude) = self.integer(header, &visitor)?;
                    visit_big(negative, magnitude, visitor)
                }
                Header::Tag(TAG_SOME) if tagged => self.visit_some(visitor),
                Header::Tag(TAG_CHAR) if tagged => {
                    let header = self.pull()?;
                    match header {
                        Header::Text(length) => visit_char(self.take_text(length)?, visitor),
                        other => Err(unexpected(other, &visitor)),
                    }
                }
                Header::Tag(TAG_F32_BITS) if tagged => visitor.visit_f32(self.f32_bits()?),
                Header::Tag(_) if !tagged => continue,
                header @ (Header::Tag(_) | Header::Simple(_) | Header::Break) => {
                    Err(unexpected(header, &visitor))
                }
            };
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Simple(simple::FALSE) => visitor.visit_bool(false),
            Header::Simple(simple::TRUE) => visitor.visit_bool(true),
            other => Err(unexpected(other, &visitor)),
        }
    }

    forward! {
        deserialize_i8 => visit_integer
        deserialize_i16 => visit_integer
        deserialize_i32 => visit_integer
        deserialize_i64 => visit_integer
        deserialize_u8 => visit_integer
        deserialize_u16 => visit_integer
        deserialize_u32 => visit_integer
        deserialize_u64 => visit_integer
        deserialize_f32 => visit_float
        deserialize_f64 => visit_float
        deserialize_string => deserialize_str
        deserialize_byte_buf => deserialize_bytes
        deserialize_ignored_any => deserialize_any
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let header = self.pull_value()?;
        let (negative, magnitude) = self.integer(header, &visitor)?;
        match i128::try_from(magnitude) {
            Ok(magnitude) => visitor.visit_i128(if negative { !magnitude } else { magnitude }),
            Err(_) => visit_big(negative, magnitude, visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let header = self.pull_value()?;
        match self.integer(header, &visitor)? {
            (false, magnitude) => visitor.visit_u128(magnitude),
            (true, magnitude) => visit_big(true, magnitude, visitor),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Text(length) => visit_char(self.take_text(length)?, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Text(length) => visitor.visit_borrowed_str(self.take_text(length)?),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            Header::Array(length) => self.visit_array(length, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.peek()?, self.format) {
            (Header::Simple(simple::NULL), _) | (Header::Simple(simple::UNDEFINED), StateFormat::Old) => {
                self.pull()?;
                visitor.visit_none()
            }
            (Header::Tag(TAG_SOME), StateFormat::Tagged) => {
                self.pull()?;
                self.visit_some(visitor)
            }
            // The field was not an option when it was saved, or the older format does not mark it.
            _ => self.visit_some(visitor),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.pull_value()?, self.format) {
            (Header::Simple(simple::UNDEFINED), _) | (Header::Simple(simple::NULL), StateFormat::Old) => {
                visitor.visit_unit()
            }
            (other, _) => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Array(length) => self.visit_array(length, visitor),
            Header::Bytes(length) => {
                let mut items = SeqDeserializer::<_, Error>::new(self.take(length)?.iter().copied());
                let value = visitor.visit_seq(&mut items)?;
                if self.format == StateFormat::Tagged {
                    items.end()?;
                }
                Ok(value)
            }
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pull_value()? {
            Header::Map(length) => self.visit_map_entries(length, visitor),
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let begin = self.at;
        match self.pull_value()? {
            Header::Text(_) => {
                self.at = begin;
                visitor.visit_enum(Variant { input: self, name: 0..0, has_value: false })
            }
            Header::Map(Some(1)) => {
                self.enter()?;
                let value = visitor.visit_enum(Variant { input: self, name: 0..0, has_value: true })?;
                self.levels -= 1;
                Ok(value)
            }
            other => Err(unexpected(other, &visitor)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let begin = self.at;
        match self.pull_value()? {
            Header::Text(length) => visitor.visit_borrowed_str(self.take_text(length)?),
            Header::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            // A key of a flattened map may be a number.
            _ => {
                self.at = begin;
                self.deserialize_any(visitor)
            }
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn visit_char<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, Error> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => visitor.visit_char(char),
        _ => Err(de::Error::invalid_value(Unexpected::Str(text), &visitor)),
    }
}

/// The items of an array, or the entries of a map.
struct Items<'a, 'de> {
    input: &'a mut Deserializer<'de>,
    /// The number of items that follow. `None`: as many as there are before the end mark.
    left: Option<usize>,
    count: usize,
    /// Where the key of the present entry is.
    key: Range<usize>,
}

impl<'a, 'de> Items<'a, 'de> {
    fn new(input: &'a mut Deserializer<'de>, length: Option<usize>) -> Self {
        Self { input, left: length, count: 0, key: 0..0 }
    }

    /// Whether there is another item.
    fn advance(&mut self) -> Result<bool, Error> {
        match &mut self.left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None => {
                if self.input.peek()? == Header::Break {
                    self.input.pull()?;
                    self.left = Some(0);
                    return Ok(false);
                }
            }
        }
        self.count += 1;
        Ok(true)
    }

    /// Checks that the type has used all items.
    fn finish(&mut self) -> Result<(), Error> {
        // The writer of the older format did not check the announced lengths, and its reader did not need them.
        if self.input.format == StateFormat::Old {
            return Ok(());
        }
        let used = self.count;
        if self.advance()? {
            return Err(Error::new(format_args!(
                "there are more items or entries than the {used} of the type"
            )));
        }
        Ok(())
    }

    /// For the capacity of a collection. Each item takes at least one byte of input.
    fn hint(&self) -> Option<usize> {
        self.left.map(|left| left.min(self.input.rest().len()))
    }
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let index = self.count - 1;
        seed.deserialize(&mut *self.input).map(Some).map_err(|error| error.inside(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        let begin = self.input.at;
        let key = seed.deserialize(&mut *self.input).map_err(|error| {
            // The key itself may be the mistake, such as the name of a field that does not exist.
            error.inside(step_of_key(&self.input.bytes[begin..]))
        })?;
        self.key = begin..self.input.at;
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.input)
            .map_err(|error| error.inside(step_of_key(&self.input.bytes[self.key.clone()])))
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// A variant: its name alone, or its name and its value.
struct Variant<'a, 'de> {
    input: &'a mut Deserializer<'de>,
    name: Range<usize>,
    has_value: bool,
}

impl Variant<'_, '_> {
    fn require_value(&self) -> Result<(), Error> {
        if self.has_value {
            Ok(())
        } else {
            Err(Error::new("the variant was saved without a value").inside(self.step()))
        }
    }

    fn step(&self) -> Step {
        step_of_key(&self.input.bytes[self.name.clone()])
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), Error> {
        let begin = self.input.at;
        let variant = seed.deserialize(&mut *self.input)?;
        self.name = begin..self.input.at;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.has_value {
            return <() as de::Deserialize>::deserialize(&mut *self.input)
                .map_err(|error| error.inside(self.step()));
        }
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.require_value()?;
        seed.deserialize(&mut *self.input).map_err(|error| error.inside(self.step()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.require_value()?;
        de::Deserializer::deserialize_tuple(&mut *self.input, length, visitor)
            .map_err(|error| error.inside(self.step()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.require_value()?;
        de::Deserializer::deserialize_map(&mut *self.input, visitor)
            .map_err(|error| error.inside(self.step()))
    }
}

//! Values to bytes in the format of [`format`](super::format).

use super::error::{Error, Step};
use super::format::{LEVELS_MAX, TAG_CHAR, TAG_F32_BITS, TAG_SOME, push_head, step_of_key, too_deep};
use ciborium_ll::{Header, simple, tag};
use serde::{Serialize, ser};
use std::ops::Range;

/// In an encoding of [`encode_typed`]: marks a list, whose order may be that of a hash set.
pub(super) const TAG_LIST: u64 = 0;

/// Appends the encoding of `value` to `out`. Returns whether a field was omitted (`skip_serializing_if`): the default that
/// loading gives it may be another value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<bool, Error> {
    let mut serializer = Serializer { out, levels: 0, typed: false, omitted: false };
    value.serialize(&mut serializer)?;
    Ok(serializer.omitted)
}

/// An encoding for comparisons. It also shows what [`encode`] omits because a loaded value does not need it: the size
/// of integers, and the names of structs and enums.
pub(super) fn encode_typed<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer { out: &mut out, levels: 0, typed: true, omitted: false })?;
    Ok(out)
}

struct Serializer<'o> {
    out: &'o mut Vec<u8>,
    /// Arrays, maps and `Some`s that are open.
    levels: usize,
    typed: bool,
    /// Whether a field was omitted.
    omitted: bool,
}

impl Serializer<'_> {
    fn push(&mut self, header: Header) {
        push_head(self.out, header);
    }

    /// In a typed encoding, marks the next item with its kind in serde's data model.
    fn mark(&mut self, kind: &str, name: &str, variant: &str) {
        if self.typed {
            let parts = [kind, name, variant];
            let hash = parts.iter().fold(super::exact::HASH_SEED, |hash, part| {
                super::exact::mix(super::exact::hash_bytes(hash, part.as_bytes()), part.len() as u64)
            });
            self.push(Header::Tag(hash | 1 << 63));
        }
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.levels == LEVELS_MAX {
            return Err(too_deep(LEVELS_MAX));
        }
        self.levels += 1;
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.push(Header::Text(Some(text.len())));
        self.out.extend_from_slice(text.as_bytes());
    }

    fn signed(&mut self, number: i64) {
        self.push(match u64::try_from(number) {
            Ok(number) => Header::Positive(number),
            Err(_) => Header::Negative(!number.cast_unsigned()),
        });
    }

    /// An integer of 128 bits, with all bits inverted if it is negative.
    fn big(&mut self, magnitude: u128, negative: bool) {
        match u64::try_from(magnitude) {
            Ok(number) if negative => self.push(Header::Negative(number)),
            Ok(number) => self.push(Header::Positive(number)),
            Err(_) => {
                let bytes = magnitude.to_be_bytes();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                self.push(Header::Tag(if negative { tag::BIGNEG } else { tag::BIGPOS }));
                self.push(Header::Bytes(Some(bytes.len() - zeros)));
                self.out.extend_from_slice(&bytes[zeros..]);
            }
        }
    }

    /// Begins a variant with values: a map with one entry.
    fn variant(&mut self, variant: &str) -> Result<(), Error> {
        self.enter()?;
        self.push(Header::Map(Some(1)));
        self.text(variant);
        Ok(())
    }
}

impl<'a, 'o> Serializer<'o> {
    fn array(&'a mut self, length: Option<usize>) -> Result<Items<'a, 'o>, Error> {
        self.items(length, Header::Array)
    }

    fn map(&'a mut self, length: Option<usize>) -> Result<Items<'a, 'o>, Error> {
        self.items(length, Header::Map)
    }

    fn items(
        &'a mut self,
        length: Option<usize>,
        header: fn(Option<usize>) -> Header,
    ) -> Result<Items<'a, 'o>, Error> {
        self.enter()?;
        let begin = self.out.len();
        self.push(header(length));
        let head = begin..self.out.len();
        Ok(Items { serializer: self, header, head, length, count: 0, key: None, levels: 1, variant: None })
    }
}

impl<'a, 'o> ser::Serializer for &'a mut Serializer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a, 'o>;
    type SerializeTuple = Items<'a, 'o>;
    type SerializeTupleStruct = Items<'a, 'o>;
    type SerializeTupleVariant = Items<'a, 'o>;
    type SerializeMap = Items<'a, 'o>;
    type SerializeStruct = Items<'a, 'o>;
    type SerializeStructVariant = Items<'a, 'o>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.push(Header::Simple(if value { simple::TRUE } else { simple::FALSE }));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.mark("i8", "", "");
        self.signed(value.into());
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.mark("i16", "", "");
        self.signed(value.into());
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.mark("i32", "", "");
        self.signed(value.into());
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.mark("i64", "", "");
        self.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.mark("i128", "", "");
        let negative = value.is_negative();
        let bits = value.cast_unsigned();
        self.big(if negative { !bits } else { bits }, negative);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.mark("u8", "", "");
        self.push(Header::Positive(value.into()));
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.mark("u16", "", "");
        self.push(Header::Positive(value.into()));
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.mark("u32", "", "");
        self.push(Header::Positive(value.into()));
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.mark("u64", "", "");
        self.push(Header::Positive(value));
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.mark("u128", "", "");
        self.big(value, false);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.mark("f32", "", "");
        if value.is_nan() {
            self.push(Header::Tag(TAG_F32_BITS));
            self.push(Header::Positive(value.to_bits().into()));
        } else {
            self.push(Header::Float(value.into()));
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.mark("f64", "", "");
        if value.is_nan() {
            // Not through `Header::Float`: its conversions to shorter floats may change the bits of a NaN.
            self.out.push(0xfb);
            self.out.extend_from_slice(&value.to_bits().to_be_bytes());
        } else {
            self.push(Header::Float(value));
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.push(Header::Tag(TAG_CHAR));
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.push(Header::Bytes(Some(value.len())));
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.push(Header::Simple(simple::NULL));
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.enter()?;
        self.push(Header::Tag(TAG_SOME));
        value.serialize(&mut *self)?;
        self.levels -= 1;
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.push(Header::Simple(simple::UNDEFINED));
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        self.mark("unit struct", name, "");
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.mark("variant", name, "");
        self.text(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.mark("newtype struct", name, "");
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.mark("variant", name, variant);
        self.variant(variant)?;
        value.serialize(&mut *self).map_err(|error| error.inside(Step::Name(variant.to_owned())))?;
        self.levels -= 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a, 'o>, Error> {
        if self.typed {
            self.push(Header::Tag(TAG_LIST));
        }
        self.array(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'a, 'o>, Error> {
        self.array(Some(length))
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Items<'a, 'o>, Error> {
        self.mark("tuple struct", name, "");
        self.array(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a, 'o>, Error> {
        self.mark("variant", name, variant);
        self.variant(variant)?;
        Ok(Items { levels: 2, variant: Some(variant), ..self.array(Some(length))? })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Items<'a, 'o>, Error> {
        self.map(length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Items<'a, 'o>, Error> {
        self.mark("struct", name, "");
        self.map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a, 'o>, Error> {
        self.mark("variant", name, variant);
        self.variant(variant)?;
        Ok(Items { levels: 2, variant: Some(variant), ..self.map(Some(length))? })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The items of an open array, or the entries of an open map.
struct Items<'a, 'o> {
    serializer: &'a mut Serializer<'o>,
    header: fn(Option<usize>) -> Header,
    /// Where the head is in the output.
    head: Range<usize>,
    /// The number of items that the head contains.
    length: Option<usize>,
    count: usize,
    /// Where the key of the open entry is in the output.
    key: Option<Range<usize>>,
    levels: usize,
    variant: Option<&'static str>,
}

impl Items<'_, '_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let index = self.count;
        self.count += 1;
        value.serialize(&mut *self.serializer).map_err(|error| self.locate(error, Step::Index(index)))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.count += 1;
        self.serializer.text(name);
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| self.locate(error, Step::Name(name.to_owned())))
    }

    #[cold]
    fn locate(&self, error: Error, step: Step) -> Error {
        let error = error.inside(step);
        match self.variant {
            Some(variant) => error.inside(Step::Name(variant.to_owned())),
            None => error,
        }
    }

    fn finish(self) -> Result<(), Error> {
        if self.key.is_some() {
            return Err(Error::new("a map's key was serialized without a value"));
        }
        match self.length {
            None => self.serializer.push(Header::Break),
            Some(length) if length == self.count => {}
            // The announced length is only a hint for serde, but the head must be right.
            Some(_) => {
                let mut head = Vec::new();
                push_head(&mut head, (self.header)(Some(self.count)));
                self.serializer.out.splice(self.head, head);
            }
        }
        self.serializer.levels -= self.levels;
        Ok(())
    }
}

macro_rules! sequence {
    ($($of:ident . $function:ident)*) => {$(
        impl ser::$of for Items<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn $function<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

sequence! {
    SerializeSeq.serialize_element
    SerializeTuple.serialize_element
    SerializeTupleStruct.serialize_field
    SerializeTupleVariant.serialize_field
}

macro_rules! fields {
    ($($of:ident)*) => {$(
        impl ser::$of for Items<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
                self.serializer.omitted = true;
                Ok(())
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Items<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let begin = self.serializer.out.len();
        key.serialize(&mut *self.serializer).map_err(|error| error.inside(Step::Key("a key".to_owned())))?;
        self.key = Some(begin..self.serializer.out.len());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some(key) = self.key.take() else {
            return Err(Error::new("a map's value was serialized without a key"));
        };
        self.count += 1;
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| error.inside(step_of_key(&self.serializer.out[key])))
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

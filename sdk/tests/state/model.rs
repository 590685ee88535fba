//! Generated values of serde's whole data model, also those that no derive produces.
//!
//! A value is serialized with the function of its kind, and deserialized with the function of the same kind, as a type
//! would do it. The second test deserializes without a type, as serde does for untagged enums and flattened fields.

use super::{load, reload, save};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Deserialize, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;

const NAMES: &[&str] = &["a", "b", "c", "d", "type", "", "ä b"];

/// A value with its kind. Floats are given by their bits.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(u32),
    F64(u64),
    Char(char),
    Str(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Value>),
    Unit,
    UnitStruct,
    Newtype(Box<Value>),
    Seq(Vec<Value>, Hint),
    Tuple(Vec<Value>),
    TupleStruct(Vec<Value>),
    Map(Vec<(Value, Value)>, Hint),
    Struct(Vec<Value>, Hint),
    UnitVariant(usize),
    NewtypeVariant(usize, Box<Value>),
    TupleVariant(usize, Vec<Value>),
    StructVariant(usize, Vec<Value>),
}

/// The length that a collection announces.
#[derive(Debug, Clone, Copy)]
enum Hint {
    Right,
    Unknown,
    Wrong(usize),
}

/// A hint is not part of the value.
impl PartialEq for Hint {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Hint {
    fn length(self, length: usize) -> Option<usize> {
        match self {
            Self::Right => Some(length),
            Self::Unknown => None,
            Self::Wrong(wrong) => Some(wrong),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let hint = prop_oneof![Just(Hint::Right), Just(Hint::Unknown), (0..300_usize).prop_map(Hint::Wrong)];
    let nan32 = prop_oneof![Just(0x7f80_0001_u32), Just(0xffc0_1234), Just(0x8000_0000), Just(0x7fc0_0000)];
    let nan64 = prop_oneof![
        Just(0x7ff0_0000_0000_0001_u64),
        Just(0xfff8_0000_2000_0000),
        Just(0x8000_0000_0000_0000),
        Just(0x7ff8_0000_0000_0000),
        any::<f32>().prop_map(|float| f64::from(float).to_bits()),
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<i16>().prop_map(Value::I16),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from), Just(i128::MIN), Just(i128::MAX)]
            .prop_map(Value::I128),
        any::<u8>().prop_map(Value::U8),
        any::<u16>().prop_map(Value::U16),
        any::<u32>().prop_map(Value::U32),
        any::<u64>().prop_map(Value::U64),
        prop_oneof![any::<u128>(), any::<u64>().prop_map(u128::from), Just(u128::MAX)].prop_map(Value::U128),
        prop_oneof![any::<u32>(), nan32].prop_map(Value::F32),
        prop_oneof![any::<u64>(), nan64].prop_map(Value::F64),
        any::<char>().prop_map(Value::Char),
        any::<String>().prop_map(Value::Str),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        Just(Value::None),
        Just(Value::Unit),
        Just(Value::UnitStruct),
        (0..NAMES.len()).prop_map(Value::UnitVariant),
    ];
    leaf.prop_recursive(6, 60, 6, move |value| {
        let fields = vec(value.clone(), 0..NAMES.len());
        let several = vec(value.clone(), 0..5);
        prop_oneof![
            3 => value.clone().prop_map(|value| Value::Some(Box::new(value))),
            1 => value.clone().prop_map(|value| Value::Newtype(Box::new(value))),
            1 => (several.clone(), hint.clone()).prop_map(|(items, hint)| Value::Seq(items, hint)),
            1 => several.clone().prop_map(Value::Tuple),
            1 => several.clone().prop_map(Value::TupleStruct),
            1 => (vec((value.clone(), value.clone()), 0..5), hint.clone())
                .prop_map(|(entries, hint)| Value::Map(entries, hint)),
            1 => (fields.clone(), hint.clone()).prop_map(|(fields, hint)| Value::Struct(fields, match hint {
                Hint::Unknown => Hint::Right,
                hint => hint,
            })),
            1 => (0..NAMES.len(), value).prop_map(|(at, value)| Value::NewtypeVariant(at, Box::new(value))),
            1 => (0..NAMES.len(), several).prop_map(|(at, items)| Value::TupleVariant(at, items)),
            1 => (0..NAMES.len(), fields).prop_map(|(at, fields)| Value::StructVariant(at, fields)),
        ]
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I8(value) => serializer.serialize_i8(*value),
            Self::I16(value) => serializer.serialize_i16(*value),
            Self::I32(value) => serializer.serialize_i32(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U8(value) => serializer.serialize_u8(*value),
            Self::U16(value) => serializer.serialize_u16(*value),
            Self::U32(value) => serializer.serialize_u32(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F32(bits) => serializer.serialize_f32(f32::from_bits(*bits)),
            Self::F64(bits) => serializer.serialize_f64(f64::from_bits(*bits)),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Str(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::None => serializer.serialize_none(),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Unit => serializer.serialize_unit(),
            Self::UnitStruct => serializer.serialize_unit_struct("UnitStruct"),
            Self::Newtype(value) => serializer.serialize_newtype_struct("Newtype", value),
            Self::Seq(items, hint) => {
                let mut seq = serializer.serialize_seq(hint.length(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(item))?;
                tuple.end()
            }
            Self::TupleStruct(items) => {
                let mut tuple = serializer.serialize_tuple_struct("TupleStruct", items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Self::Map(entries, hint) => {
                let mut map = serializer.serialize_map(hint.length(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Struct(fields, hint) => {
                let length = hint.length(fields.len()).unwrap_or(fields.len());
                let mut fields_of = serializer.serialize_struct("Struct", length)?;
                NAMES
                    .iter()
                    .zip(fields)
                    .try_for_each(|(name, value)| fields_of.serialize_field(name, value))?;
                fields_of.end()
            }
            Self::UnitVariant(at) => serializer.serialize_unit_variant("Enum", 0, NAMES[*at]),
            Self::NewtypeVariant(at, value) => {
                serializer.serialize_newtype_variant("Enum", 0, NAMES[*at], value)
            }
            Self::TupleVariant(at, items) => {
                let mut tuple = serializer.serialize_tuple_variant("Enum", 0, NAMES[*at], items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_field(item))?;
                tuple.end()
            }
            Self::StructVariant(at, fields) => {
                let mut fields_of =
                    serializer.serialize_struct_variant("Enum", 0, NAMES[*at], fields.len())?;
                NAMES
                    .iter()
                    .zip(fields)
                    .try_for_each(|(name, value)| fields_of.serialize_field(name, value))?;
                fields_of.end()
            }
        }
    }
}

/// Reads a value of the kind of another one. Also its visitor: it accepts what the kind of the other one accepts.
#[derive(Clone, Copy)]
struct Like<'a>(&'a Value);

impl<'de> DeserializeSeed<'de> for Like<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.0 {
            Value::Bool(_) => input.deserialize_bool(self),
            Value::I8(_) => i8::deserialize(input).map(Value::I8),
            Value::I16(_) => i16::deserialize(input).map(Value::I16),
            Value::I32(_) => i32::deserialize(input).map(Value::I32),
            Value::I64(_) => i64::deserialize(input).map(Value::I64),
            Value::I128(_) => i128::deserialize(input).map(Value::I128),
            Value::U8(_) => u8::deserialize(input).map(Value::U8),
            Value::U16(_) => u16::deserialize(input).map(Value::U16),
            Value::U32(_) => u32::deserialize(input).map(Value::U32),
            Value::U64(_) => u64::deserialize(input).map(Value::U64),
            Value::U128(_) => u128::deserialize(input).map(Value::U128),
            Value::F32(_) => f32::deserialize(input).map(|float| Value::F32(float.to_bits())),
            Value::F64(_) => f64::deserialize(input).map(|float| Value::F64(float.to_bits())),
            Value::Char(_) => char::deserialize(input).map(Value::Char),
            Value::Str(_) => String::deserialize(input).map(Value::Str),
            Value::Bytes(_) => input.deserialize_byte_buf(self),
            Value::None | Value::Some(_) => input.deserialize_option(self),
            Value::Unit => input.deserialize_unit(self),
            Value::UnitStruct => input.deserialize_unit_struct("UnitStruct", self),
            Value::Newtype(_) => input.deserialize_newtype_struct("Newtype", self),
            Value::Seq(..) => input.deserialize_seq(self),
            Value::Tuple(items) => input.deserialize_tuple(items.len(), self),
            Value::TupleStruct(items) => input.deserialize_tuple_struct("TupleStruct", items.len(), self),
            Value::Map(..) => input.deserialize_map(self),
            Value::Struct(..) => input.deserialize_struct("Struct", NAMES, self),
            Value::UnitVariant(_)
            | Value::NewtypeVariant(..)
            | Value::TupleVariant(..)
            | Value::StructVariant(..) => input.deserialize_enum("Enum", NAMES, self),
        }
    }
}

impl Like<'_> {
    /// The items of a list or tuple, one like each of `like`.
    fn items<'de, A: SeqAccess<'de>>(like: &[Value], mut input: A) -> Result<Vec<Value>, A::Error> {
        let mut items = Vec::new();
        for item in like {
            match input.next_element_seed(Like(item))? {
                Some(item) => items.push(item),
                None => return Err(de::Error::custom("an item is missing")),
            }
        }
        Ok(items)
    }

    fn fields<'de, A: MapAccess<'de>>(like: &[Value], mut input: A) -> Result<Vec<Value>, A::Error> {
        let mut fields = Vec::new();
        for (name, value) in NAMES.iter().zip(like) {
            match input.next_key::<String>()? {
                Some(found) if found == *name => fields.push(input.next_value_seed(Like(value))?),
                found => return Err(de::Error::custom(format_args!("{found:?} instead of {name}"))),
            }
        }
        Ok(fields)
    }
}

struct Fields<'a>(&'a [Value]);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields or items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, input: A) -> Result<Vec<Value>, A::Error> {
        Like::items(self.0, input)
    }

    fn visit_map<A: MapAccess<'de>>(self, input: A) -> Result<Vec<Value>, A::Error> {
        Like::fields(self.0, input)
    }
}

impl<'de> Visitor<'de> for Like<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value like {:?}", self.0)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.to_vec()))
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.0 {
            Value::Some(like) => Like(like).deserialize(input).map(|value| Value::Some(Box::new(value))),
            other => Err(de::Error::custom(format_args!("a Some instead of {other:?}"))),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(if matches!(self.0, Value::UnitStruct) { Value::UnitStruct } else { Value::Unit })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.0 {
            Value::Newtype(like) => {
                Like(like).deserialize(input).map(|value| Value::Newtype(Box::new(value)))
            }
            other => Err(de::Error::custom(format_args!("a newtype instead of {other:?}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        match self.0 {
            Value::Seq(like, hint) => {
                let items = Like::items(like, &mut input)?;
                match input.next_element::<de::IgnoredAny>()? {
                    Some(_) => Err(de::Error::custom("there are more items")),
                    None => Ok(Value::Seq(items, *hint)),
                }
            }
            Value::Tuple(like) => Like::items(like, input).map(Value::Tuple),
            Value::TupleStruct(like) => Like::items(like, input).map(Value::TupleStruct),
            other => Err(de::Error::custom(format_args!("a list instead of {other:?}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        match self.0 {
            Value::Map(like, hint) => {
                let mut entries = Vec::new();
                for (key, value) in like {
                    match input.next_key_seed(Like(key))? {
                        Some(key) => entries.push((key, input.next_value_seed(Like(value))?)),
                        None => return Err(de::Error::custom("an entry is missing")),
                    }
                }
                Ok(Value::Map(entries, *hint))
            }
            Value::Struct(like, hint) => Like::fields(like, input).map(|fields| Value::Struct(fields, *hint)),
            other => Err(de::Error::custom(format_args!("a map instead of {other:?}"))),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, input: A) -> Result<Value, A::Error> {
        let (name, variant): (String, _) = input.variant()?;
        let at = NAMES.iter().position(|known| *known == name).ok_or_else(|| de::Error::custom(&name))?;
        match self.0 {
            Value::UnitVariant(_) => variant.unit_variant().map(|()| Value::UnitVariant(at)),
            Value::NewtypeVariant(_, like) => variant
                .newtype_variant_seed(Like(like))
                .map(|value| Value::NewtypeVariant(at, Box::new(value))),
            Value::TupleVariant(_, like) => {
                variant.tuple_variant(like.len(), Fields(like)).map(|items| Value::TupleVariant(at, items))
            }
            Value::StructVariant(_, like) => {
                variant.struct_variant(NAMES, Fields(like)).map(|fields| Value::StructVariant(at, fields))
            }
            other => Err(de::Error::custom(format_args!("a variant instead of {other:?}"))),
        }
    }
}

thread_local! {
    /// The value whose kinds a [`TypedValue`] has.
    static KINDS: RefCell<Value> = const { RefCell::new(Value::Unit) };
}

/// A value as a state: its type is that of the value in `KINDS`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypedValue(Value);

impl Serialize for TypedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TypedValue {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        KINDS.with_borrow(|kinds| Like(kinds).deserialize(input)).map(Self)
    }
}

/// Generated states, one after the other of its own type.
pub(crate) fn typed_value() -> impl Strategy<Value = TypedValue> {
    value().prop_map(TypedValue)
}

impl TypedValue {
    /// Makes the type of this value that of the following ones.
    pub(crate) fn choose_type(&self) {
        KINDS.set(self.0.clone());
    }
}

/// A value that is read without a type.
#[derive(Debug, Clone, PartialEq)]
struct UntypedValue(Value);

impl<'de> Deserialize<'de> for UntypedValue {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(UntypedVisitor).map(Self)
    }
}

impl Serialize for UntypedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct UntypedVisitor;

impl<'de> Visitor<'de> for UntypedVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::I64(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::I128(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::U64(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::U128(value))
    }

    fn visit_f32<E: de::Error>(self, value: f32) -> Result<Value, E> {
        Ok(Value::F32(value.to_bits()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::F64(value.to_bits()))
    }

    fn visit_char<E: de::Error>(self, value: char) -> Result<Value, E> {
        Ok(Value::Char(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Str(value.to_owned()))
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.to_vec()))
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        UntypedValue::deserialize(input).map(|value| Value::Some(Box::new(value.0)))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Unit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = input.next_element::<UntypedValue>()? {
            items.push(item.0);
        }
        Ok(Value::Seq(items, Hint::Right))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = input.next_entry::<UntypedValue, UntypedValue>()? {
            entries.push((key.0, value.0));
        }
        Ok(Value::Map(entries, Hint::Right))
    }
}

/// What is left of a value without its type.
fn without_type(value: &Value) -> Value {
    let signed = |value: i64| u64::try_from(value).map_or(Value::I64(value), Value::U64);
    let several = |items: &[Value]| Value::Seq(items.iter().map(without_type).collect(), Hint::Right);
    let name = |at: usize| Value::Str(NAMES[at].to_owned());
    let fields = |fields: &[Value]| {
        let entries = fields.iter().enumerate().map(|(at, value)| (name(at), without_type(value)));
        Value::Map(entries.collect(), Hint::Right)
    };
    let variant = |at: usize, value| Value::Map(vec![(name(at), value)], Hint::Right);
    match value {
        Value::I8(value) => signed((*value).into()),
        Value::I16(value) => signed((*value).into()),
        Value::I32(value) => signed((*value).into()),
        Value::I64(value) => signed(*value),
        Value::I128(value) => match (u64::try_from(*value), i64::try_from(*value), u128::try_from(*value)) {
            (Ok(value), ..) => Value::U64(value),
            (_, Ok(value), _) => Value::I64(value),
            (_, _, Ok(value)) => Value::U128(value),
            _ => Value::I128(*value),
        },
        Value::U8(value) => Value::U64((*value).into()),
        Value::U16(value) => Value::U64((*value).into()),
        Value::U32(value) => Value::U64((*value).into()),
        Value::U128(value) => u64::try_from(*value).map_or(Value::U128(*value), Value::U64),
        Value::F32(bits) if !f32::from_bits(*bits).is_nan() => {
            Value::F64(f64::from(f32::from_bits(*bits)).to_bits())
        }
        Value::Some(value) => Value::Some(Box::new(without_type(value))),
        Value::UnitStruct => Value::Unit,
        Value::Newtype(value) => without_type(value),
        Value::Seq(items, _) | Value::Tuple(items) | Value::TupleStruct(items) => several(items),
        Value::Map(entries, hint) => Value::Map(
            entries.iter().map(|(key, value)| (without_type(key), without_type(value))).collect(),
            *hint,
        ),
        Value::Struct(values, _) => fields(values),
        Value::UnitVariant(at) => name(*at),
        Value::NewtypeVariant(at, value) => variant(*at, without_type(value)),
        Value::TupleVariant(at, items) => variant(*at, several(items)),
        Value::StructVariant(at, values) => variant(*at, fields(values)),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn every_value_is_loaded_as_it_was(state in typed_value()) {
        state.choose_type();
        prop_assert_eq!(reload(&state), Ok(state));
    }

    #[test]
    fn a_value_without_a_type_keeps_what_serde_distinguishes(state in typed_value()) {
        state.choose_type();
        let bytes = save(1, &state).unwrap();
        let expected = without_type(&state.0);
        prop_assert_eq!(load::<UntypedValue>(1, &bytes, None).map(|loaded| loaded.0), Ok(expected));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_value(
        state in typed_value(),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        end in any::<proptest::sample::Index>(),
    ) {
        state.choose_type();
        let mut bytes = save(1, &state).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        // Neither a panic nor an allocation of a length that the bytes claim.
        drop(load::<TypedValue>(1, &bytes, None));
        drop(load::<UntypedValue>(1, &bytes, None));
    }
}

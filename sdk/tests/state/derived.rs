//! Types with serde's derives, around the values that are easily confused.

use super::check;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Marker;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<Option<i64>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    first: Option<Option<u8>>,
    second: Option<()>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    third: Option<Option<Marker>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    One(Option<Option<char>>),
    Nothing(()),
    Two(Option<()>, Marker),
    Named {
        maybe: Option<Option<bool>>,
        inner: Inner,
    },
    Flat {
        own: Option<()>,
        #[serde(flatten)]
        inner: Inner,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Named {
        maybe: Option<Option<f32>>,
        done: Option<()>,
        letter: Option<char>,
        nested: Option<Box<Internal>>,
    },
    Inner(Inner),
    Marker(Marker),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    Unit,
    One(Option<Option<u8>>),
    Two(Option<()>, char),
    Named { maybe: Option<Option<Marker>> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Flag(bool),
    Number(i64),
    Text(String),
    Letter(char),
    Pair(Option<()>, Option<Option<bool>>),
    External(External),
    Named { maybe: Option<Option<u8>>, done: Option<()> },
    Maybe(Option<Option<bool>>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    nested: Option<Option<Option<u8>>>,
    unit: Option<()>,
    marker: Option<Option<Marker>>,
    wrapped: Option<Wrapped>,
    list: Vec<Option<Option<String>>>,
    by_key: BTreeMap<Option<char>, Option<()>>,
    pair: (Option<i128>, Option<Option<u128>>),
    result: Result<Option<()>, Option<Marker>>,
    external: Vec<External>,
    internal: Vec<Internal>,
    adjacent: Vec<Adjacent>,
    untagged: Vec<Option<Untagged>>,
    json: Option<serde_json::Value>,
    #[serde(flatten)]
    flat: Inner,
    #[serde(flatten)]
    more: BTreeMap<String, Option<Option<u8>>>,
}

fn nested<T: Strategy<Value: Clone>>(value: T) -> impl Strategy<Value = Option<Option<T::Value>>> {
    option::of(option::of(value))
}

fn inner() -> impl Strategy<Value = Inner> {
    (nested(any::<u8>()), option::of(Just(())), nested(Just(Marker)))
        .prop_map(|(first, second, third)| Inner { first, second, third })
}

fn external() -> impl Strategy<Value = External> {
    prop_oneof![
        Just(External::Unit),
        nested(any::<char>()).prop_map(External::One),
        Just(External::Nothing(())),
        option::of(Just(())).prop_map(|unit| External::Two(unit, Marker)),
        (nested(any::<bool>()), inner()).prop_map(|(maybe, inner)| External::Named { maybe, inner }),
        (option::of(Just(())), inner()).prop_map(|(own, inner)| External::Flat { own, inner }),
    ]
}

fn float() -> impl Strategy<Value = f32> {
    prop_oneof![any::<f32>().prop_filter("NaN is not equal to itself", |float| !float.is_nan()), Just(-0.0)]
}

fn internal() -> impl Strategy<Value = Internal> {
    let leaf =
        prop_oneof![Just(Internal::Unit), inner().prop_map(Internal::Inner), Just(Internal::Marker(Marker)),];
    leaf.prop_recursive(3, 4, 1, |nested_in| {
        (
            nested(float()),
            option::of(Just(())),
            option::of(any::<char>()),
            option::of(nested_in.prop_map(Box::new)),
        )
            .prop_map(|(maybe, done, letter, nested)| Internal::Named {
                maybe,
                done,
                letter,
                nested,
            })
    })
}

fn adjacent() -> impl Strategy<Value = Adjacent> {
    prop_oneof![
        Just(Adjacent::Unit),
        nested(any::<u8>()).prop_map(Adjacent::One),
        (option::of(Just(())), any::<char>()).prop_map(|(unit, char)| Adjacent::Two(unit, char)),
        nested(Just(Marker)).prop_map(|maybe| Adjacent::Named { maybe }),
    ]
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![
        any::<bool>().prop_map(Untagged::Flag),
        any::<i64>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        any::<char>().prop_map(Untagged::Letter),
        (option::of(Just(())), nested(any::<bool>())).prop_map(|(unit, maybe)| Untagged::Pair(unit, maybe)),
        (nested(any::<u8>()), option::of(Just(()))).prop_map(|(maybe, done)| Untagged::Named { maybe, done }),
        // Its unit variant is text, which is another variant here.
        external()
            .prop_filter("it is text", |external| *external != External::Unit)
            .prop_map(Untagged::External),
        nested(any::<bool>()).prop_map(Untagged::Maybe),
    ]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |value| {
        prop_oneof![
            vec(value.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), value, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn everything()(
        nested_number in option::of(nested(any::<u8>())),
        unit in option::of(Just(())),
        marker in nested(Just(Marker)),
        wrapped in option::of(nested(any::<i64>()).prop_map(Wrapped)),
        list in vec(nested(any::<String>()), 0..4),
        by_key in btree_map(option::of(any::<char>()), option::of(Just(())), 0..4),
        pair in (option::of(any::<i128>()), nested(any::<u128>())),
        result in prop_oneof![
            option::of(Just(())).prop_map(Ok),
            option::of(Just(Marker)).prop_map(Err),
        ],
    )(
        external in vec(external(), 0..4),
        internal in vec(internal(), 0..4),
        adjacent in vec(adjacent(), 0..4),
        untagged in vec(option::of(untagged()), 0..6),
        json in option::of(json()),
        flat in inner(),
        more in btree_map("more_[a-z]{0,3}", nested(any::<u8>()), 0..4),
        (nested, unit, marker, wrapped, list, by_key, pair, result) in
            Just((nested_number, unit, marker, wrapped, list, by_key, pair, result)),
    ) -> Everything {
        Everything {
            nested, unit, marker, wrapped, list, by_key, pair, result, external, internal, adjacent, untagged, json,
            flat, more,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sealed {
    external: External,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    internal: Internal,
}

proptest! {
    #[test]
    fn derived_types_are_loaded_as_they_were(
        external in external(),
        internal in internal(),
        adjacent in adjacent(),
        untagged in untagged(),
        json in json(),
    ) {
        check(&external);
        check(&internal);
        check(&adjacent);
        check(&untagged);
        check(&Some(json));
    }

    #[test]
    fn sets_and_maps_have_no_order(
        sets in vec(proptest::collection::hash_set(any::<u16>(), 0..20), 0..4),
        texts in proptest::collection::hash_map(any::<String>(), proptest::option::of(untagged()), 0..8),
    ) {
        let texts: HashMap<String, Option<Untagged>> = texts;
        let sets: Vec<HashSet<u16>> = sets;
        check(&(sets, texts));
    }

    #[test]
    fn flattened_fields_are_loaded_as_they_were(external in external(), inner in inner(), internal in internal()) {
        // The fields of a flattened newtype variant are those of the struct.
        prop_assume!(!matches!(internal, Internal::Inner(_)));
        check(&Sealed { external, inner, internal });
    }

    #[test]
    fn everything_together_is_loaded_as_it_was(state in everything()) {
        check(&state);
    }
}

#[test]
fn the_cases_that_were_lost_in_format_1_are_kept() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Options {
        answers: HashMap<String, Option<Option<String>>>,
        asked: Option<Option<u32>>,
        done: Option<()>,
        marker: Option<Marker>,
        tree: Option<serde_json::Value>,
    }
    check(&Options {
        answers: [("nothing".to_owned(), Some(None)), ("something".to_owned(), Some(Some("x".to_owned())))]
            .into(),
        asked: Some(None),
        done: Some(()),
        marker: Some(Marker),
        tree: Some(serde_json::Value::Null),
    });
}

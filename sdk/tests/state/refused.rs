//! What cannot be kept is refused when it is saved, with the name of the field.

use super::old_shapes::links;
use super::{check, load, reload, save};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Arrays, maps and `Some`s of a state that is just accepted.
const LEVELS_MAX: usize = 512;

#[track_caller]
fn check_refused<T: Serialize + serde::de::DeserializeOwned>(state: &T, path: &str, reason: &str) {
    match save(1, state) {
        Ok(_) => panic!("the state was saved"),
        Err(error) => {
            let expected = format!("the state cannot be saved: `{path}`: {reason}");
            assert!(error.starts_with(&expected), "{error:?} instead of {expected:?}");
        }
    }
}

const AMBIGUOUS: &str = "serde would load another value than it saves here";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Nothing,
    Maybe(Option<u8>),
    Small(u8),
    Large(u64),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Answers {
    by_name: BTreeMap<String, (u8, Answer)>,
    set: BTreeSet<u8>,
}

#[test]
fn variants_that_cannot_be_told_apart_are_refused() {
    let with = |answer: &Answer| Answers {
        by_name: [("first one".to_owned(), (1, Answer::Nothing)), ("second".to_owned(), (2, answer.clone()))]
            .into(),
        set: [3].into(),
    };
    check(&with(&Answer::Maybe(Some(1))));
    check_refused(&with(&Answer::Maybe(None)), "by_name.second[1]", AMBIGUOUS);
    check_refused(&with(&Answer::Small(1)), "by_name.second[1]", AMBIGUOUS);
    check(&with(&Answer::Large(300)));
}

#[test]
fn flattened_maps_that_share_their_entries_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        inner: Inner,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        name: String,
        #[serde(flatten)]
        first: BTreeMap<String, u8>,
        #[serde(flatten)]
        second: BTreeMap<String, u8>,
    }
    let with = |first: &[&str], second: &[&str]| {
        let map = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), 1)).collect();
        Outer { inner: Inner { name: String::new(), first: map(first), second: map(second) } }
    };
    check(&with(&[], &[]));
    // Both maps are loaded with the entries of both.
    check_refused(&with(&["a"], &[]), "inner.a", AMBIGUOUS);
    check_refused(&with(&["a"], &["b"]), "inner.a", AMBIGUOUS);
    check_refused(&with(&[], &["b"]), "inner.b", AMBIGUOUS);
    check_refused(&with(&["name"], &[]), "inner", "duplicate field `name`");
}

#[test]
fn a_flattened_option_that_is_saved_as_nothing_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        name: String,
        #[serde(flatten)]
        inner: Option<Inner>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        number: Option<u8>,
    }
    check(&Outer { name: String::new(), inner: Some(Inner { number: None }) });
    // Without the field `number`, serde loads `Some(Inner { number: None })`.
    check_refused(&Outer { name: String::new(), inner: None }, "number", AMBIGUOUS);
}

#[test]
fn an_omitted_field_with_another_default_is_refused() {
    #[expect(clippy::unnecessary_wraps, reason = "serde requires the type of the field")]
    fn ten() -> Option<u32> {
        Some(10)
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Limited {
        #[serde(default = "ten", skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
    }

    check(&Limited { limit: Some(3), name: String::new() });
    check_refused(&Limited { limit: None, name: "n".to_owned() }, "limit", AMBIGUOUS);
}

/// Documents a limit: serde gives the format the same data for both variants.
#[test]
fn untagged_variants_with_equal_data_are_loaded_as_the_first() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Degrees {
        Celsius(f64),
        Fahrenheit(f64),
    }

    check(&Degrees::Celsius(1.0));
    let bytes = save(1, &Degrees::Fahrenheit(1.0)).unwrap();
    assert_eq!(load(1, &bytes, None), Ok(Degrees::Celsius(1.0)));
}

#[test]
fn integers_that_serde_cannot_buffer_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        event: Vec<Event>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Event {
        Paid { amount: u128 },
    }
    let error = save(1, &Outer { event: vec![Event::Paid { amount: u128::MAX }] }).unwrap_err();
    assert!(error.starts_with("the state cannot be saved: `event[0].amount`: "), "{error}");
}

#[test]
fn names_that_differ_for_saving_and_loading_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "new"), default)]
        old: u8,
    }
    check_refused(&(0_u8, Renamed { old: 1 }), "[1].new", AMBIGUOUS);
}

#[test]
fn a_type_that_loads_less_than_it_saves_is_refused() {
    /// Saves two numbers and loads one.
    #[derive(Debug, PartialEq)]
    struct Lossy;
    impl Serialize for Lossy {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (1_u8, 2_u8).serialize(serializer)
        }
    }
    impl<'de> Deserialize<'de> for Lossy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <(u8,)>::deserialize(deserializer).map(|_| Self)
        }
    }
    let state: BTreeMap<u64, Option<Lossy>> = [(7, Some(Lossy))].into();
    check_refused(&state, "[7]", "there are more items or entries than the 1 of the type");
}

#[test]
fn nesting_has_one_limit_for_saving_and_loading() {
    // Each link is a map, and all but the last have a Some around it.
    let deepest = u32::try_from(LEVELS_MAX / 2).unwrap();
    check(&links(deepest));
    let reason = format!("values are nested deeper than {LEVELS_MAX} levels ");
    check_refused(&links(deepest + 1), "rest.rest.rest.rest.rest.rest.rest.rest….rest.rest.rest", &reason);
    check_refused(
        &BTreeMap::from([("a b".to_owned(), vec![links(deepest)])]),
        "[\"a b\"][0].rest.rest.rest.rest.rest.rest….rest.rest.rest",
        &reason,
    );
    // Such bytes were not saved, and are refused.
    let mut bytes = vec![2, 1];
    bytes.extend([0x81].repeat(100_000));
    let error = load::<serde_json::Value>(1, &bytes, None).unwrap_err();
    assert!(error.contains(&reason), "{error}");
}

#[test]
fn deep_types_of_every_kind_have_the_same_limit() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(Option<Box<Newtype>>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Tree {
        Leaf,
        Node(Vec<Tree>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Leaf,
        Node { next: Box<Tagged> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Node { next: Box<Untagged> },
        Leaf(u8),
    }
    /// Values of growing depth are loaded as they were up to the limit, and refused beyond it.
    fn check_growing<T>(first: T, levels: usize, grow: impl Fn(T) -> T)
    where
        T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let near = LEVELS_MAX / levels - 3;
        let (mut state, mut accepted) = ((0..near).fold(first, |state, _| grow(state)), near * levels);
        loop {
            match reload(&state) {
                Ok(loaded) => assert_eq!(loaded, state),
                Err(error) => {
                    assert!(error.contains("nested deeper than"), "{error}");
                    break;
                }
            }
            state = grow(state);
            accepted += levels;
        }
        assert!((LEVELS_MAX..=LEVELS_MAX + levels).contains(&accepted), "{accepted} levels were accepted");
    }
    check_growing(Newtype(None), 1, |inner| Newtype(Some(Box::new(inner))));
    check_growing(Tree::Leaf, 2, |inner| Tree::Node(vec![inner]));
    check_growing(Tagged::Leaf, 1, |next| Tagged::Node { next: Box::new(next) });
    check_growing(Untagged::Leaf(0), 1, |next| Untagged::Node { next: Box::new(next) });
    check_growing(serde_json::Value::Null, 1, |inner| serde_json::json!([inner]));
}

//! A state is loaded by a newer type without a migration, if the change is one of these.

use super::{load, save};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// Saves `before` and loads it as `after`.
#[track_caller]
fn check<B: Serialize + DeserializeOwned, A: DeserializeOwned + PartialEq + Debug>(before: &B, after: &A) {
    assert_eq!(load::<A>(1, &save(1, before).unwrap(), None).as_ref(), Ok(after));
}

#[test]
fn fields_may_be_added_removed_and_reordered() {
    #[derive(Serialize, Deserialize)]
    struct Before {
        a: Option<Option<u8>>,
        removed: Vec<Option<()>>,
        b: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        b: String,
        #[serde(default)]
        added: u64,
        maybe: Option<Option<u8>>,
        a: Option<Option<u8>>,
    }
    let before = Before { a: Some(None), removed: vec![None, Some(())], b: "b".to_owned() };
    check(&before, &After { b: "b".to_owned(), added: 0, maybe: None, a: Some(None) });
}

#[test]
fn a_field_may_become_an_option_and_an_option_that_is_present_a_field() {
    check(&(5_u8, (), "x".to_owned()), &(Some(5_u8), Some(()), Some(Some("x".to_owned()))));
    check(&(Some(5_u8), Some(Some(())), Some('x')), &(5_u8, (), 'x'));
    let absent = save(1, &(None::<u8>,)).unwrap();
    assert_eq!(
        load::<(u8,)>(1, &absent, None).unwrap_err(),
        "the saved state is of another shape than this one: `[0]`: invalid type: `None`, expected u8"
    );
}

#[test]
fn numbers_may_become_wider_and_a_char_a_text() {
    check(
        &(200_u8, -5_i8, 1.5_f32, 'x', u64::MAX),
        &(200_u64, -5_i128, 1.5_f64, "x".to_owned(), i128::from(u64::MAX)),
    );
    check(&("x".to_owned(), 7_u64), &('x', 7_u8));
}

#[test]
fn variants_may_be_added_and_reordered() {
    #[derive(Serialize, Deserialize)]
    enum Before {
        Unit,
        Pair(u8, Option<u8>),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum After {
        Added,
        Pair(u8, Option<u8>),
        Unit,
    }
    check(&vec![Before::Unit, Before::Pair(1, Some(2))], &vec![After::Unit, After::Pair(1, Some(2))]);
}

#[test]
fn an_error_names_the_place_of_the_value() {
    #[derive(Serialize, Deserialize)]
    struct Before {
        list: Vec<(u8, Pair<u8>)>,
    }
    #[derive(Debug, Deserialize)]
    struct After {
        #[expect(dead_code, reason = "it is never loaded")]
        list: Vec<(u8, Pair<String>)>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    enum Pair<T> {
        Pair(u8, Option<T>),
    }
    let bytes = save(1, &Before { list: vec![(1, Pair::Pair(1, Some(2)))] }).unwrap();
    assert_eq!(
        load::<After>(1, &bytes, None).unwrap_err(),
        "the saved state is of another shape than this one: `list[0][1].Pair[1]`: invalid type: integer `2`, \
         expected a string"
    );
}

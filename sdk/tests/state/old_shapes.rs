//! The states of the fixtures. The fixtures were written by a program that contains this file and the guest library
//! that wrote format 1. The file does not change, except for types that are added for new fixtures.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Marker;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metres(pub(crate) f64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Empty,
    Circle(f32),
    Line(Option<i16>, char),
    Box { width: u64, label: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(crate) enum Event {
    Opened,
    Moved { by: Option<i64>, note: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Number(i64),
    Text(String),
    Maybe { value: Option<bool> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Links {
    pub(crate) value: u32,
    pub(crate) rest: Option<Box<Links>>,
}

/// Everything that format 1 kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Everything {
    pub(crate) integers: (i8, i16, i32, i64, i128, u8, u16, u32, u64, u128),
    pub(crate) small: (i128, u128),
    pub(crate) floats: (f32, f64, f64, f64),
    pub(crate) text: (char, String, String),
    pub(crate) bytes: Vec<u8>,
    pub(crate) present: Option<Option<Vec<Option<u8>>>>,
    pub(crate) absent: Option<u8>,
    pub(crate) unit: (),
    pub(crate) marker: Marker,
    pub(crate) metres: Metres,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) events: Vec<Event>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) by_pair: BTreeMap<(i32, String), f64>,
    pub(crate) by_option: BTreeMap<Option<u8>, Result<u8, String>>,
    pub(crate) nested: Links,
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Option<i64>>,
}

pub(crate) fn links(count: u32) -> Links {
    (1..count).fold(Links { value: 0, rest: None }, |rest, value| Links { value, rest: Some(Box::new(rest)) })
}

pub(crate) fn everything() -> Everything {
    Everything {
        integers: (
            i8::MIN,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            i128::MIN,
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX,
            u128::MAX,
        ),
        small: (-1, 23),
        floats: (f32::MIN_POSITIVE, -0.0, f64::NEG_INFINITY, 0.1 + 0.2),
        text: ('ä', String::new(), "x".repeat(5000)),
        bytes: vec![0, 127, 255],
        present: Some(Some(vec![Some(1), None])),
        absent: None,
        unit: (),
        marker: Marker,
        metres: Metres(1e300),
        shapes: vec![
            Shape::Empty,
            Shape::Circle(1.5),
            Shape::Line(None, '\u{10ffff}'),
            Shape::Box { width: 7, label: Some("seven".to_owned()) },
        ],
        events: vec![Event::Opened, Event::Moved { by: Some(-3), note: None }],
        answers: vec![
            Answer::Number(-5),
            Answer::Text("yes".to_owned()),
            Answer::Maybe { value: Some(true) },
            Answer::Maybe { value: None },
        ],
        by_pair: [((-1, "a".to_owned()), f64::INFINITY), ((2, String::new()), f64::MAX)].into(),
        by_option: [(None, Ok(1)), (Some(2), Err("two".to_owned()))].into(),
        nested: links(20),
        more: [("extra".to_owned(), Some(9)), ("none".to_owned(), None)].into(),
    }
}

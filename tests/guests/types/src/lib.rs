//! Echoes a value of every WIT type.

wit_bindgen::generate!({ path: "wit", world: "types" });

use exports::golem::types::api::{self, Alias, Color, Everything, ManyFlags, Nested, Permissions, Shape};
use exports::golem::types::more;

struct Types;

macro_rules! echo {
    ($($name:ident: $type:ty,)*) => {
        $(fn $name(value: $type) -> $type {
            value
        })*
    };
}

impl api::Guest for Types {
    echo! {
        echo_bool: bool,
        echo_u8: u8,
        echo_u16: u16,
        echo_u32: u32,
        echo_u64: u64,
        echo_s8: i8,
        echo_s16: i16,
        echo_s32: i32,
        echo_s64: i64,
        echo_f32: f32,
        echo_f64: f64,
        echo_char: char,
        echo_string: String,
        echo_bytes: Vec<u8>,
        echo_list: Vec<String>,
        echo_tuple: (u32, String, bool),
        echo_option: Option<u32>,
        echo_option_option: Option<Option<u32>>,
        echo_result: Result<u32, String>,
        echo_result_ok: Result<u32, ()>,
        echo_result_error: Result<(), String>,
        echo_result_unit: Result<(), ()>,
        echo_record: Everything,
        echo_nested: Nested,
        echo_variant: Shape,
        echo_enum: Color,
        echo_flags: Permissions,
        echo_many_flags: ManyFlags,
        echo_alias: Alias,
    }

    fn nothing() {}

    #[rustfmt::skip]
    fn sum(
        a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64,
        j: u64, k: u64, l: u64, m: u64, n: u64, o: u64, p: u64, q: u64, r: u64,
    ) -> u64 {
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r].into_iter().fold(0, u64::wrapping_add)
    }

    fn zeros(count: u32) -> Vec<u8> {
        vec![0; count as usize]
    }
}

impl more::Guest for Types {
    fn nothing() -> String {
        "nothing more".to_owned()
    }
}

// Functions that the world exports directly are in the trait `Guest` at the root.
impl Guest for Types {
    fn run(name: String) -> String {
        format!("ran {name}")
    }
}

export!(Types);

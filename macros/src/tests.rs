//! Tests from text to text: modules, and the WIT or the error that results.

use crate::{ast, attr, valid, wit};

/// Checks the WIT of `module`, ignoring whitespace. `expected` is the WIT, or a part of the error message.
fn check(arguments: &str, module: &str, expected: Result<&str, &str>) {
    let mut module: syn::ItemMod = syn::parse_str(module).expect("the test's module is Rust");
    let printed =
        attr::ModuleOptions::parse(syn::parse_str(arguments).expect("the test's arguments are tokens"))
            .and_then(|options| valid::check(&ast::Module::from_item(&mut module)?, &options))
            .map(|worker| wit::print(&worker));
    match (printed, expected) {
        (Ok(text), Ok(expected)) => {
            wit_parser::Resolve::default().push_str("worker.wit", &text).unwrap_or_else(|error| {
                panic!("{text}\nis no WIT: {error:?}");
            });
            let dedented = |text: &str| {
                text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
            };
            assert_eq!(dedented(&text), dedented(expected));
        }
        (Err(error), Err(part)) => {
            let text = error.to_string();
            assert!(text.contains(part), "{text} should contain {part}");
        }
        (Ok(text), Err(part)) => panic!("{text}\nshould have been an error with {part}"),
        (Err(error), Ok(_)) => panic!("unexpected error: {error}"),
    }
}

#[test]
fn a_counter_has_the_wit_that_callers_expect() {
    check(
        "",
        "/// Counts.
         mod my_counter {
             #[derive(Default)] pub struct Counter { count: u64 }
             impl Counter {
                 /// Adds one.
                 ///
                 /// Returns the count.
                 pub fn increment(&mut self) -> u64 { self.count += 1; self.count }
                 pub fn get(&self) -> u64 { self.count }
                 pub(crate) fn helper(&self) {}
                 fn other(&self) {}
             }
         }",
        Ok("package golem:my-counter;
            /// Counts.
            interface api {
              /// Adds one.
              ///
              /// Returns the count.
              increment: func() -> u64;
              get: func() -> u64;
            }
            world worker {
              export api;
            }"),
    );
}

#[test]
fn types_are_carried_over() {
    check(
        "package = \"acme:shop@1.0.0\", interface = \"worker\"",
        "mod m {
             /// Something to buy.
             pub struct Item { /// What it is called.
                 pub name: String, pub price: f32, pub r#type: Kind, count: std::option::Option<i64> }
             pub enum Kind { Food, NonFood }
             pub enum Payment { Cash, Card(String), Split(u8, Vec<Payment2>) }
             pub struct Payment2 { pub tuple: (u16, char) }
             #[flags] pub struct Can { pub read: bool, pub write_all: bool }
             pub struct Unused { map: std::collections::HashMap<u8, u8> }
             type Items = Vec<Item>;
             pub fn buy(items: Items, _how: Payment) -> Result<(), String> { Ok(()) }
             pub fn list() -> Result<Can, ()> { Err(()) }
             pub fn r#use(mut a: bool) -> Result<(), ()> { Ok(()) }
             #[cfg(test)] pub fn test(x: &str) {}
         }",
        Ok("package acme:shop@1.0.0;
            interface worker {
              enum kind {
                food,
                non-food,
              }
              /// Something to buy.
              record item {
                /// What it is called.
                name: string,
                price: f32,
                %type: kind,
                count: option<s64>,
              }
              record payment2 {
                %tuple: tuple<u16, char>,
              }
              variant payment {
                cash,
                card(string),
                split(tuple<u8, list<payment2>>),
              }
              flags can {
                read,
                write-all,
              }
              buy: func(items: list<item>, how: payment) -> result<_, string>;
              %list: func() -> result<can>;
              %use: func(a: bool) -> result;
            }
            world worker-world {
              export worker;
            }"),
    );
}

#[test]
fn the_state_is_the_struct_that_no_function_takes_or_returns() {
    let item = "pub struct Item { pub price: u32 } impl Item { pub fn total(&self) -> u32 { 1 } }";
    let cart = "pub struct Cart { items: Vec<Item> }
                impl Cart { fn new() -> Self { Cart { items: vec![] } } pub fn add(&mut self, item: Option<Item>) {} }";
    let expected = "package golem:m;
        interface api {
          record item {
            price: u32,
          }
          add: func(item: option<item>);
        }
        world worker {
          export api;
        }";
    check("", &format!("mod m {{ {item} {cart} }}"), Ok(expected));
    check("", &format!("mod m {{ {cart} {item} }}"), Ok(expected));
    // Without a state, a type with methods is just a type.
    check("", &format!("mod m {{ {item} pub fn add(item: Option<Item>) {{}} }}"), Ok(expected));
}

#[test]
fn names_must_stay_apart() {
    check("", "mod m { pub fn a(x_1: u8, x1: u8) {} }", Err("both called `x1`"));
    check("", "mod m { pub struct A { a_b: u8, aB: u8 } pub fn a(a: A) {} }", Err("both called `a-b`"));
    check("", "mod m { pub enum A { Ab, AB } pub fn f(a: A) {} }", Err("both called `ab`"));
    check("", "mod m { pub fn größe() {} }", Err("`ö` cannot be part"));
    check("", "mod m;", Err("must be inline"));
    check("package = \"a:b@1\"", "mod m { pub fn f() {} }", Err("is not a version"));
    check("package = \"a:b@1.02.3\"", "mod m { pub fn f() {} }", Err("is not a version"));
    check("package = \"ab\"", "mod m { pub fn f() {} }", Err("namespace:name"));
    check("package = \"wasi:io\"", "mod m { pub fn f() {} }", Err("belongs to WASI"));
    check("interface = \"Api\"", "mod m { pub fn f() {} }", Err("`Api` is not a name"));
    check("interface = \"a\", interface = \"b\"", "mod m { pub fn f() {} }", Err("given twice"));
    check("wit = \"wit\"", "mod m { pub fn f() {} }", Err("impl Guest for"));
}

#[test]
fn types_without_a_counterpart_are_refused() {
    for (ty, part) in [
        ("()", "leave it out here"),
        ("&[u8]", "take a `Vec`"),
        ("&Item", "without `&`"),
        ("[u8; 4]", "use a `Vec`"),
        ("impl Fn()", "write out which one"),
        ("Box<dyn Fn()>", "use the type inside it"),
        ("fn()", "functions cannot be passed"),
        ("Vec", "`Vec<T>`"),
        ("Result<u8>", "both sides"),
        ("String<u8>", "takes no parameters"),
        ("std::time::Duration", "timeout_ms"),
        ("crate::Other", "inside the module `m`"),
        ("Other", "inside the module `m`"),
        ("*const u8", "cannot be passed"),
        ("i128", "two `u64`"),
        ("Empty", "at least one field"),
        ("Never", "at least one case"),
        ("Unit", "at least one field"),
        ("Vec<Node>", "contains itself"),
    ] {
        let types = "pub struct Item { pub a: u8 } pub struct Empty {} pub enum Never {} pub struct Unit;
                     pub struct Node { pub next: Option<Node> }";
        check("", &format!("mod m {{ {types} pub fn f(value: {ty}) {{}} }}"), Err(part));
    }
}

#[test]
fn a_state_that_can_be_saved_is_exported() {
    let module = "mod counter {
        #[derive(Default, serde::Serialize, Deserialize)] pub struct Counter { count: u64 }
        impl Counter { pub fn get(&self) -> u64 { self.count } }
    }";
    let expected = "package golem:counter;
        interface api {
          get: func() -> u64;
        }
        world worker {
          export api;
          export golem:durability/snapshot@1.0.0;
        }
        package golem:durability@1.0.0 {
          interface snapshot {
            save: func() -> result<list<u8>, string>;
            load: func(bytes: list<u8>) -> result<_, string>;
          }
        }";
    check("", module, Ok(expected));
    check("state_version = \"7\"", module, Ok(expected));
    check("state_version = \"seven\"", module, Err("`seven` is not a version of a state"));
    let half = module.replace("Deserialize", "Clone");
    check("state_version = \"2\"", &half, Err("the worker has no state that can be saved: derive serde's"));
}

/// The macro contains a copy of the interface `snapshot`. This compares it with the published WIT file.
#[test]
fn the_copy_of_the_snapshot_interface_matches_the_published_one() {
    let published = include_str!("../../wit/golem-durability/snapshot.wit");
    for function in
        ["save: func() -> result<list<u8>, string>;", "load: func(bytes: list<u8>) -> result<_, string>;"]
    {
        assert!(published.contains(function), "{function}");
        assert!(wit::SNAPSHOT.contains(function), "{function}");
    }
}

//! Saves and loads its own state: texts in a hash map, whose order is random for each instance.

wit_bindgen::generate!({ path: "wit", world: "saves", generate_all });

use golem::durability::position;

use exports::golem::durability::snapshot;
use exports::golem::saves::api;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Default)]
struct State {
    texts: HashMap<String, u64>,
    filler: Vec<u8>,
    fault: String,
    /// A position in the invocation that selected the fault.
    position: u64,
    calls: u64,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(f)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

struct Saves;

impl api::Guest for Saves {
    fn add(text: String) -> u64 {
        let at = now();
        with_state(|state| {
            state.calls += 1;
            state.texts.insert(text, at);
            state.texts.len() as u64
        })
    }

    fn all() -> Vec<String> {
        with_state(|state| state.texts.keys().cloned().collect())
    }

    fn times() -> u64 {
        with_state(|state| state.texts.values().fold(0, |sum, at| at.wrapping_add(sum)))
    }

    fn touch() {}

    fn calls() -> u64 {
        with_state(|state| state.calls)
    }

    fn spoil(what: String) {
        let position = if what == "jump-save" { position::get() } else { 0 };
        with_state(|state| (state.fault, state.position) = (what, position));
    }

    fn note(text: String) {
        let mut file = OpenOptions::new().create(true).append(true).open("/notes").unwrap();
        writeln!(file, "{text}").unwrap();
    }

    fn notes() -> String {
        fs::read_to_string("/notes").unwrap_or_default()
    }

    fn grow(bytes: u32) {
        with_state(|state| state.filler = vec![7; bytes as usize]);
    }
}

impl snapshot::Guest for Saves {
    fn save() -> Result<Vec<u8>, String> {
        with_state(|state| {
            match state.fault.as_str() {
                "refuse-save" => return Err("not now".to_owned()),
                "trap-save" => panic!("spoilt"),
                "call-save" => drop(now()),
                "jump-save" => position::jump(state.position),
                _ => {}
            }
            let mut lines = vec![state.fault.clone(), "7".repeat(state.filler.len())];
            lines.extend(state.texts.iter().map(|(text, at)| format!("{at} {text}")));
            Ok(lines.join("\n").into_bytes())
        })
    }

    fn load(bytes: Vec<u8>) -> Result<(), String> {
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut lines = text.lines();
        let fault = lines.next().ok_or("it is empty")?.to_owned();
        match fault.as_str() {
            "refuse-load" => return Err("not this".to_owned()),
            "call-load" => drop(now()),
            _ => {}
        }
        let filler = lines.next().ok_or("it has no filler")?.len();
        let mut texts = HashMap::new();
        for line in lines {
            let (at, text) = line.split_once(' ').ok_or("a line has no time")?;
            texts.insert(text.to_owned(), at.parse().map_err(|_| "a time is no number")?);
        }
        with_state(|state| *state = State { texts, filler: vec![7; filler], fault, ..State::default() });
        Ok(())
    }
}

export!(Saves);

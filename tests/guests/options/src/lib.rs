//! A state with the values that are easily lost when it is saved, and with deep values.

#[golem::worker(package = "golem:options")]
mod options {
    use serde::{Deserialize, Serialize};
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Marker;

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Chain {
        value: u32,
        rest: Option<Box<Chain>>,
    }

    /// A link with many fields: loading it takes much of the stack.
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Wide {
        names: (String, String, String),
        first: Option<String>,
        second: Option<Option<String>>,
        third: Vec<u8>,
        by_name: BTreeMap<String, u64>,
        by_number: HashMap<u32, Vec<String>>,
        set: BTreeSet<u32>,
        unsigned: u64,
        signed: i128,
        float: f64,
        letter: char,
        array: [u64; 8],
        texts: Vec<String>,
        more: Option<Option<u128>>,
        rest: Option<Box<Wide>>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Step {
        Waiting { answer: Option<Option<u8>>, done: Option<()>, inner: Option<Box<Step>> },
        Idle,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Value {
        Letter(char),
        Text(String),
        Maybe(Option<Option<bool>>),
    }

    /// Answers of a slow service: not asked yet, asked and there is nothing, asked and there is something.
    #[derive(Default, Serialize, Deserialize)]
    pub struct Options {
        answers: HashMap<String, Option<Option<String>>>,
        asked: Option<Option<u32>>,
        done: Option<()>,
        marker: Option<Marker>,
        tree: Option<serde_json::Value>,
        steps: Vec<Step>,
        values: Vec<Value>,
        not_numbers: (f32, f64),
        chain: Option<Box<Chain>>,
        wide: Option<Box<Wide>>,
        ambiguous: Vec<Value>,
        calls: u64,
    }

    impl Options {
        /// Sets everything to the value that is hard to keep.
        pub fn prepare(&mut self) -> String {
            self.asked = Some(None);
            self.done = Some(());
            self.marker = Some(Marker);
            self.answers.insert("nothing".to_owned(), Some(None));
            self.answers.insert("something".to_owned(), Some(Some("x".to_owned())));
            self.tree = Some(serde_json::Value::Null);
            let idle = Some(Box::new(Step::Idle));
            self.steps = vec![Step::Waiting { answer: Some(None), done: Some(()), inner: idle }];
            self.values = vec![Value::Letter('x'), Value::Text("word".to_owned()), Value::Maybe(Some(None))];
            self.not_numbers = (f32::from_bits(0x7f80_0001), f64::from_bits(0xfff8_0000_0000_1234));
            self.show()
        }

        /// Makes a chain of so many links.
        pub fn grow(&mut self, links: u32) {
            self.chain = None;
            for value in 0..links {
                self.chain = Some(Box::new(Chain { value, rest: self.chain.take() }));
            }
        }

        /// Makes a chain of so many wide links.
        pub fn widen(&mut self, links: u32) {
            self.wide = None;
            for _ in 0..links {
                self.wide = Some(Box::new(Wide { rest: self.wide.take(), ..Wide::default() }));
            }
        }

        /// Sets a value that serde saves like another one, or removes it.
        pub fn confuse(&mut self, text: Option<String>) {
            // A text of one letter is a `Value::Letter` when it is loaded.
            self.ambiguous = text.into_iter().map(Value::Text).collect();
        }

        /// The state, except how often this function was called. The same after any snapshot, crash or update.
        pub fn show(&mut self) -> String {
            self.calls += 1;
            let mut answers: Vec<_> = self.answers.iter().collect();
            answers.sort();
            let links = std::iter::successors(self.chain.as_deref(), |link| link.rest.as_deref()).count();
            let wide = std::iter::successors(self.wide.as_deref(), |link| link.rest.as_deref()).count();
            let (single, double) = (self.not_numbers.0.to_bits(), self.not_numbers.1.to_bits());
            format!(
                "{:?} {:?} {:?} {answers:?} {:?} {:?} {:?} {single:x} {double:x} {links} {wide} {:?}",
                self.asked, self.done, self.marker, self.tree, self.steps, self.values, self.ambiguous
            )
        }
    }
}

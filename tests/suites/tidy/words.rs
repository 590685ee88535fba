//! Rules for prose: words and phrases that no file of the repository contains.
//!
//! The list is `words.txt`, one word or phrase per line with a hint. The rule covers code, comments, messages and
//! pages. It has no exceptions but generated files, third-party text and the list itself.

use crate::{check, files};

/// The list of words.
const LIST: &str = include_str!("words.txt");

/// The path of the list, which contains all the words.
const LIST_PATH: &str = "tests/suites/tidy/words.txt";

/// Name endings of files that are generated or contain third-party text. Bindings of the SDK, the OpenAPI document and
/// the authorization table are generated from sources that this rule covers.
const EXCEPTED: &[&str] = &[
    "Cargo.lock",
    "LICENSE",
    "sdk/src/bindings.rs",
    "tests/golden/openapi.json",
    "tests/golden/authorization.txt",
];

/// A word or phrase that must not be used.
struct Avoided {
    /// Its words in lower case; more than one for a phrase.
    words: Vec<String>,
    /// What to write instead.
    hint: String,
}

/// Reads lines of the form `word | hint`. Empty lines and lines with `#` are comments.
fn parse(list: &str) -> Vec<Avoided> {
    let lines = list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (words, hint) = line
                .split_once(" | ")
                .unwrap_or_else(|| panic!("{LIST_PATH}: `{line}` is not `word | hint`"));
            let words = words.split_whitespace().map(str::to_lowercase).collect();
            Avoided { words, hint: hint.trim().to_owned() }
        })
        .collect()
}

/// A word of a text: its letters in lower case, its line from 1, and whether only white space, comment markers and
/// line continuations separate it from the word before.
struct Word {
    letters: String,
    line: usize,
    follows: bool,
}

fn words_of(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut line, mut inside, mut follows) = (1, false, false);
    for c in text.chars() {
        if c.is_alphanumeric() {
            if !inside {
                words.push(Word { letters: String::new(), line, follows });
            }
            if let Some(word) = words.last_mut() {
                word.letters.extend(c.to_lowercase());
            }
            (inside, follows) = (true, true);
        } else {
            inside = false;
            follows = follows && (c.is_whitespace() || "/!#*>|\\".contains(c));
            line += usize::from(c == '\n');
        }
    }
    words
}

/// Lines and hints of all avoided words in a text.
fn find(text: &str, list: &[Avoided]) -> Vec<(usize, String)> {
    let words = words_of(text);
    let mut found = Vec::new();
    for (index, first) in words.iter().enumerate() {
        for avoided in list {
            let Some(phrase) = words.get(index..index + avoided.words.len()) else { continue };
            let same = phrase.iter().zip(&avoided.words).all(|(word, expected)| word.letters == *expected);
            if same && phrase.iter().skip(1).all(|word| word.follows) {
                found.push((first.line, format!("`{}`; {}", avoided.words.join(" "), avoided.hint)));
            }
        }
    }
    found
}

#[test]
fn no_file_contains_an_avoided_word() {
    let list = parse(LIST);
    let mut findings = Vec::new();
    let (excepted, texts): (Vec<_>, Vec<_>) = files::texts()
        .into_iter()
        .filter(|file| file.path != LIST_PATH)
        .partition(|file| EXCEPTED.iter().any(|end| file.path.ends_with(end)));
    for end in EXCEPTED {
        if !excepted.iter().any(|file| file.path.ends_with(end)) {
            findings.push(format!("{end} does not exist, remove its exception"));
        }
    }
    for file in texts {
        for (line, finding) in find(&file.text, &list) {
            findings.push(format!("{}:{line}: {finding}", file.path));
        }
    }
    check("prose avoids the words in tests/suites/tidy/words.txt; write as the hint says", &findings);
}

#[test]
fn words_and_phrases_are_found_as_a_whole() {
    let list = parse("# comment\n\nfoo | say bar\nred herring | say fish\n");
    let check = |text: &str, expected: &[usize]| {
        let lines: Vec<usize> = find(text, &list).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, expected, "{text:?}");
    };
    check("", &[]);
    check("Foo and\nFOO's, `foo_bar`, foo-bar", &[1, 2, 2, 2]);
    check("food and fo o", &[]);
    check("a red herring", &[1]);
    check("/// a Red\n/// herring", &[1]);
    check("\"a red \\\n herring\"", &[1]);
    check("red. Herring, red-herring, herring red", &[]);
    assert_eq!(find("foo", &list)[0].1, "`foo`; say bar");
}

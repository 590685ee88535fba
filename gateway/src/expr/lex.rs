//! Cuts the code inside `${…}` into tokens.

use super::ast::At;
use super::parse::SyntaxProblem;
use serde_json::Number;

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Number(Number),
    /// The beginning of a string literal.
    Quote(char),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// The token in an error message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{}`", golem_model::excerpt(60, format_args!("{name}"))),
            Self::Number(number) => format!("the number {number}"),
            Self::Quote(_) => "a string".to_owned(),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// Symbols, longer ones before their prefixes, and the symbol that they stand for.
const SYMBOLS: &[(&str, &str)] = &[
    ("?.", "?."),
    ("?[", "?["),
    ("??", "??"),
    ("<=", "<="),
    ("≤", "<="),
    (">=", ">="),
    ("≥", ">="),
    ("==", "=="),
    ("!=", "!="),
    ("≠", "!="),
    ("&&", "&&"),
    ("||", "||"),
    ("=>", "=>"),
    ("<", "<"),
    (">", ">"),
    ("!", "!"),
    (".", "."),
    (",", ","),
    (":", ":"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    ("{", "{"),
    ("}", "}"),
];

pub(crate) fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(crate) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// A position in a text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) rest: &'a str,
    pub(crate) at: At,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str, leaf: u32) -> Self {
        Self { rest: text, at: At { leaf, line: 1, column: 1 } }
    }

    pub(crate) fn next_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    pub(crate) fn skip(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            for _ in text.chars() {
                self.next_char();
            }
        }
        found
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let begin = self.rest;
        while self.rest.chars().next().is_some_and(&accept) {
            self.next_char();
        }
        &begin[..begin.len() - self.rest.len()]
    }

    pub(crate) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// The next token. White space before it is skipped; the place of the token is that of the cursor after
    /// [`Cursor::skip_space`].
    pub(crate) fn token(&mut self) -> Result<Token, SyntaxProblem> {
        self.skip_space();
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let negative = first == '-' && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() || negative {
            return self.number();
        }
        if begins_name(first) {
            return Ok(Token::Name(self.take_while(continues_name).to_owned()));
        }
        if first == '"' || first == '\'' {
            self.next_char();
            return Ok(Token::Quote(first));
        }
        for (written, symbol) in SYMBOLS {
            if self.skip(written) {
                return Ok(Token::Symbol(symbol));
            }
        }
        Err(SyntaxProblem::Character { found: first })
    }

    fn number(&mut self) -> Result<Token, SyntaxProblem> {
        let before = self.clone();
        self.skip("-");
        self.take_while(|c| c.is_ascii_digit());
        let fraction = self.rest.starts_with('.') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if fraction {
            self.next_char();
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.rest.starts_with(['e', 'E']) {
            self.next_char();
            let _signed = self.skip("-") || self.skip("+");
            self.take_while(|c| c.is_ascii_digit());
        }
        let text = &before.rest[..before.rest.len() - self.rest.len()];
        let joined = self.rest.starts_with(continues_name);
        let number = if joined { None } else { text.parse().ok() };
        number.map(Token::Number).ok_or_else(|| {
            let tail: String = self.rest.chars().take_while(|c| continues_name(*c)).take(20).collect();
            SyntaxProblem::Number { found: format!("{text}{tail}") }
        })
    }
}

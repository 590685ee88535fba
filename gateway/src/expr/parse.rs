//! Parses templates: text with placeholders `${…}`, and JSON structures with templates as leaves.
//!
//! Invariant: the recursion is bounded by [`EXPRESSION_DEPTH_MAX`].

use super::ast::{At, Binding, Key, Kind, Node, Op, Pattern, PatternKind, Piece, Step};
use super::lex::{Cursor, Token};
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};
use serde_json::Value as Json;

/// The text of an expression is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxProblem {
    /// Another token was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What may stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// The character begins no token.
    #[error("unexpected character {found:?}; operators are < <= > >= == != && || ! ?? and `.` `[ ]`")]
    Character {
        /// The character.
        found: char,
    },
    /// The number is malformed.
    #[error("`{found}` is not a number; write digits, such as 200 or -1.5, and texts in quotation marks")]
    Number {
        /// The beginning of the number.
        found: String,
    },
    /// The escape sequence is unknown.
    #[error("unknown escape sequence `\\{found}` in a string; known are \\\" \\' \\\\ \\$ \\n \\r \\t")]
    Escape {
        /// The character after the backslash.
        found: char,
    },
    /// A string literal or a placeholder has no end.
    #[error("{what} has no end; add `{missing}`")]
    Unclosed {
        /// What has no end.
        what: &'static str,
        /// The text that ends it.
        missing: char,
    },
    /// A record literal has two fields of one name.
    #[error("the field \"{name}\" occurs twice")]
    DuplicateField {
        /// The name.
        name: String,
    },
    /// The expression is nested too deeply.
    #[error("nested deeper than {EXPRESSION_DEPTH_MAX} levels; split the expression")]
    TooDeep,
    /// The texts of the expression are too long.
    #[error("longer than {EXPRESSION_BYTES_MAX} bytes; split the expression")]
    TooLong,
    /// JSON null is not an expression.
    #[error("null is not an expression; leave the field out, or write \"${{none}}\"")]
    Null,
}

/// A problem and its place.
pub(crate) type SyntaxError = (At, SyntaxProblem);

/// Parses a JSON value. Returns the tree, and the path of each text inside the structure.
pub(crate) fn parse_json(json: &Json) -> (Vec<String>, Result<Node, SyntaxError>) {
    let mut structure = Structure { leaves: Vec::new(), bytes: 0 };
    let node = structure.node(json, "", EXPRESSION_DEPTH_MAX);
    (structure.leaves, node)
}

/// Parses a template that is not part of a structure.
#[cfg(test)]
pub(crate) fn parse_template(text: &str) -> Result<Node, SyntaxError> {
    parse_json(&Json::String(text.to_owned())).1
}

struct Structure {
    leaves: Vec<String>,
    bytes: usize,
}

impl Structure {
    fn node(&mut self, json: &Json, path: &str, depth: usize) -> Result<Node, SyntaxError> {
        let leaf = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
        let at = At { leaf, line: 1, column: 1 };
        self.leaves.push(path.to_owned());
        let depth = depth.checked_sub(1).ok_or((at, SyntaxProblem::TooDeep))?;
        let cost = match json {
            Json::String(text) => text.len(),
            _ => 4,
        };
        self.bytes += cost;
        if self.bytes > EXPRESSION_BYTES_MAX {
            return Err((at, SyntaxProblem::TooLong));
        }
        let kind = match json {
            Json::Null => return Err((at, SyntaxProblem::Null)),
            Json::Bool(value) => Kind::Bool(*value),
            Json::Number(value) => Kind::Number(value.clone()),
            Json::String(text) => return Parser { cursor: Cursor::new(text, leaf), depth }.template(),
            Json::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(i, item)| self.node(item, &format!("{path}[{i}]"), depth));
                Kind::List(items.collect::<Result<_, _>>()?)
            }
            Json::Object(fields) => {
                let mut nodes = Vec::with_capacity(fields.len());
                for (name, value) in fields {
                    self.bytes += name.len();
                    nodes.push((name.clone(), self.node(value, &format!("{path}.{name}"), depth)?));
                }
                Kind::Record(nodes)
            }
        };
        Ok(Node { at, kind })
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    /// Levels that may still be opened.
    depth: usize,
}

impl Parser<'_> {
    fn template(mut self) -> Result<Node, SyntaxError> {
        let at = self.cursor.at;
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            // `\\${` is the text `${`; a backslash elsewhere is a backslash.
            let backslashes = self.cursor.rest.len() - self.cursor.rest.trim_start_matches('\\').len();
            if backslashes > 0 && self.cursor.rest[backslashes..].starts_with("${") {
                for _ in 0..backslashes {
                    self.cursor.next_char();
                }
                text.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    self.cursor.skip("${");
                    text.push_str("${");
                }
            } else if self.cursor.rest.starts_with("${") {
                push_text(&mut pieces, &mut text);
                pieces.push(Piece::Code(self.placeholder()?));
            } else if let Some(c) = self.cursor.next_char() {
                text.push(c);
            } else {
                break;
            }
        }
        if pieces.is_empty() {
            return Ok(Node { at, kind: Kind::Text(text) });
        }
        push_text(&mut pieces, &mut text);
        if pieces.len() == 1
            && let Some(Piece::Code(node)) = pieces.pop()
        {
            return Ok(node);
        }
        Ok(Node { at, kind: Kind::Concat(pieces) })
    }

    /// `${ expression }`
    fn placeholder(&mut self) -> Result<Node, SyntaxError> {
        let opened = self.cursor.at;
        self.cursor.skip("${");
        let node = self.expression()?;
        match self.peek()? {
            Token::Symbol("}") => {
                self.take()?;
                Ok(node)
            }
            Token::End => {
                Err((opened, SyntaxProblem::Unclosed { what: "the placeholder `${`", missing: '}' }))
            }
            _ => Err(self.expected("an operator, or `}` at the end of the placeholder")),
        }
    }

    fn peek(&mut self) -> Result<Token, SyntaxError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        self.cursor.clone().token().map_err(|problem| (at, problem))
    }

    fn take(&mut self) -> Result<(At, Token), SyntaxError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        self.cursor.token().map(|token| (at, token)).map_err(|problem| (at, problem))
    }

    fn expected(&mut self, expected: &'static str) -> SyntaxError {
        self.cursor.skip_space();
        let at = self.cursor.at;
        match self.peek() {
            Ok(token) => (at, SyntaxProblem::Expected { expected, found: token.describe() }),
            Err(error) => error,
        }
    }

    fn skip_symbol(&mut self, symbol: &'static str) -> Result<bool, SyntaxError> {
        let found = self.peek()? == Token::Symbol(symbol);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    fn skip_word(&mut self, word: &str) -> Result<bool, SyntaxError> {
        let found = matches!(self.peek()?, Token::Name(name) if name == word);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    fn require(&mut self, symbol: &'static str, expected: &'static str) -> Result<(), SyntaxError> {
        if self.skip_symbol(symbol)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn expression(&mut self) -> Result<Node, SyntaxError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        self.depth = self.depth.checked_sub(1).ok_or((at, SyntaxProblem::TooDeep))?;
        let node = self
            .chain(&["||"], "or", Kind::Or, |parser| parser.chain(&["&&"], "and", Kind::And, Self::negation));
        self.depth += 1;
        node
    }

    fn chain(
        &mut self,
        symbols: &[&'static str],
        word: &str,
        kind: fn(Vec<Node>) -> Kind,
        item: impl Fn(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<Node, SyntaxError> {
        let first = item(self)?;
        let at = first.at;
        let mut items = vec![first];
        loop {
            let mut more = false;
            for symbol in symbols {
                more = more || self.skip_symbol(symbol)?;
            }
            if !more && (word.is_empty() || !self.skip_word(word)?) {
                break;
            }
            items.push(item(self)?);
        }
        match items.pop() {
            Some(only) if items.is_empty() => Ok(only),
            last => {
                items.extend(last);
                Ok(Node { at, kind: kind(items) })
            }
        }
    }

    fn negation(&mut self) -> Result<Node, SyntaxError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        if !self.skip_symbol("!")? && !self.skip_word("not")? {
            return self.comparison();
        }
        self.depth = self.depth.checked_sub(1).ok_or((at, SyntaxProblem::TooDeep))?;
        let inner = self.negation()?;
        self.depth += 1;
        Ok(Node { at, kind: Kind::Not(Box::new(inner)) })
    }

    fn comparison(&mut self) -> Result<Node, SyntaxError> {
        let left = self.default()?;
        let Some(op) = self.operator()? else { return Ok(left) };
        let at = self.cursor.at;
        self.take()?;
        let right = self.default()?;
        if self.operator()?.is_some() {
            return Err(self.expected("`&&` or `||` between two comparisons"));
        }
        let (left, right) = (Box::new(left), Box::new(right));
        Ok(Node { at, kind: Kind::Compare { op, left, right, texts: (false, false) } })
    }

    fn operator(&mut self) -> Result<Option<Op>, SyntaxError> {
        Ok(match self.peek()? {
            Token::Symbol("<") => Some(Op::Less),
            Token::Symbol("<=") => Some(Op::LessEqual),
            Token::Symbol(">") => Some(Op::Greater),
            Token::Symbol(">=") => Some(Op::GreaterEqual),
            Token::Symbol("==") => Some(Op::Equal),
            Token::Symbol("!=") => Some(Op::NotEqual),
            _ => None,
        })
    }

    fn default(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.chain(&["??"], "", Kind::Default, Self::postfix)?;
        if let Kind::Default(items) = &mut node.kind {
            // The default also replaces a missing part: `request.body.name ?? "anonymous"`.
            let last = items.len() - 1;
            for item in &mut items[..last] {
                if let Kind::Path { steps, .. } = &mut item.kind {
                    for step in steps {
                        step.optional = true;
                    }
                }
            }
        }
        Ok(node)
    }

    fn postfix(&mut self) -> Result<Node, SyntaxError> {
        let base = self.primary()?;
        let mut steps = Vec::new();
        loop {
            let symbol = self.peek()?;
            let at = self.cursor.at;
            let (optional, is_field) = match symbol {
                Token::Symbol(".") => (false, true),
                Token::Symbol("?.") => (true, true),
                Token::Symbol("[") => (false, false),
                Token::Symbol("?[") => (true, false),
                _ => break,
            };
            self.take()?;
            let key = if is_field {
                match self.peek()? {
                    Token::Name(name) => {
                        self.take()?;
                        Key::Field(name)
                    }
                    Token::Quote(_) => Key::Field(self.plain_string("a field name without placeholders")?),
                    _ => return Err(self.expected("the name of a field; write an index as `[0]`")),
                }
            } else {
                let index = self.expression()?;
                self.require("]", "`]` after the index")?;
                Key::Index(Box::new(index))
            };
            steps.push(Step { at, optional, key });
        }
        if steps.is_empty() {
            return Ok(base);
        }
        let at = base.at;
        Ok(match base.kind {
            Kind::Path { base, steps: mut first } => {
                first.append(&mut steps);
                Node { at, kind: Kind::Path { base, steps: first } }
            }
            kind => Node { at, kind: Kind::Path { base: Box::new(Node { at, kind }), steps } },
        })
    }

    fn primary(&mut self) -> Result<Node, SyntaxError> {
        let token = self.peek()?;
        let at = self.cursor.at;
        let kind = match token {
            Token::Quote(_) => self.string()?,
            Token::Number(number) => {
                self.take()?;
                Kind::Number(number)
            }
            Token::Name(name) => match name.as_str() {
                "if" => self.condition()?,
                "match" => self.matching()?,
                "then" | "else" | "elseif" | "and" | "or" => return Err(self.expected("a value")),
                _ => {
                    self.take()?;
                    match name.as_str() {
                        "true" => Kind::Bool(true),
                        "false" => Kind::Bool(false),
                        "none" | "null" => Kind::Null,
                        _ => Kind::Name(name),
                    }
                }
            },
            Token::Symbol("(") => {
                self.take()?;
                let node = self.expression()?;
                self.require(")", "an operator, or `)`")?;
                return Ok(node);
            }
            Token::Symbol("[") => {
                self.take()?;
                let items = self.list("]", "`,` or `]` after an element of the list", Self::expression)?;
                Kind::List(items)
            }
            Token::Symbol("{") => {
                self.take()?;
                self.record()?
            }
            _ => {
                return Err(
                    self.expected("a value, such as request.body.name, \"text\", 200 or if … then … else …")
                );
            }
        };
        Ok(Node { at, kind })
    }

    /// Items that are separated by commas, up to `end`. A comma before `end` is accepted.
    fn list<T>(
        &mut self,
        end: &'static str,
        expected: &'static str,
        item: impl Fn(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = Vec::new();
        while !self.skip_symbol(end)? {
            items.push(item(self)?);
            if !self.skip_symbol(",")? {
                self.require(end, expected)?;
                break;
            }
        }
        Ok(items)
    }

    fn record(&mut self) -> Result<Kind, SyntaxError> {
        let fields = self.list("}", "`,` or `}` after a field of the record", |parser| {
            parser.cursor.skip_space();
            let at = parser.cursor.at;
            let name = match parser.peek()? {
                Token::Name(name) => {
                    parser.take()?;
                    name
                }
                Token::Quote(_) => parser.plain_string("a field name without placeholders")?,
                _ => return Err(parser.expected("the name of a field, or `}`")),
            };
            parser.require(":", "`:` and the value of the field")?;
            Ok((at, name, parser.expression()?))
        })?;
        let mut names = std::collections::BTreeSet::new();
        for (at, name, _) in &fields {
            if !names.insert(name) {
                return Err((*at, SyntaxProblem::DuplicateField { name: name.clone() }));
            }
        }
        Ok(Kind::Record(fields.into_iter().map(|(_, name, value)| (name, value)).collect()))
    }

    fn string(&mut self) -> Result<Kind, SyntaxError> {
        let (opened, token) = self.take()?;
        let quote = if let Token::Quote(quote) = token { quote } else { '"' };
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            if self.cursor.rest.starts_with("${") {
                push_text(&mut pieces, &mut text);
                pieces.push(Piece::Code(self.placeholder()?));
                continue;
            }
            let at = self.cursor.at;
            match self.cursor.next_char() {
                None => return Err((opened, SyntaxProblem::Unclosed { what: "the string", missing: quote })),
                Some('\\') => match self.cursor.next_char() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\'' | '\\' | '$')) => text.push(c),
                    Some(found) => return Err((at, SyntaxProblem::Escape { found })),
                    None => {
                        return Err((opened, SyntaxProblem::Unclosed { what: "the string", missing: quote }));
                    }
                },
                Some(c) if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        if pieces.is_empty() {
            return Ok(Kind::String(text));
        }
        push_text(&mut pieces, &mut text);
        Ok(Kind::Concat(pieces))
    }

    fn plain_string(&mut self, expected: &'static str) -> Result<String, SyntaxError> {
        self.cursor.skip_space();
        let at = self.cursor.at;
        match self.string()? {
            Kind::String(text) => Ok(text),
            _ => Err((at, SyntaxProblem::Expected { expected, found: "a placeholder".to_owned() })),
        }
    }

    fn condition(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let mut branches = Vec::new();
        loop {
            let condition = self.expression()?;
            if !self.skip_word("then")? {
                return Err(self.expected("`then` after the condition"));
            }
            branches.push((condition, self.expression()?));
            if self.skip_word("elseif")? {
                continue;
            }
            if !self.skip_word("else")? {
                return Err(self.expected("`else`; every condition needs a value for both cases"));
            }
            if !self.skip_word("if")? {
                break;
            }
        }
        let otherwise = Box::new(self.expression()?);
        Ok(Kind::If { branches, otherwise })
    }

    fn matching(&mut self) -> Result<Kind, SyntaxError> {
        self.take()?;
        let subject = Box::new(self.expression()?);
        self.require("{", "`{` and the cases of the match")?;
        let arms = self.list("}", "`,` or `}` after a case of the match", |parser| {
            let pattern = parser.pattern()?;
            parser.require("=>", "`=>` and the value of the case")?;
            Ok((pattern, parser.expression()?))
        })?;
        Ok(Kind::Match { subject, arms })
    }

    fn pattern(&mut self) -> Result<Pattern, SyntaxError> {
        let token = self.peek()?;
        let at = self.cursor.at;
        let kind = match token {
            Token::Number(number) => {
                self.take()?;
                PatternKind::Number(number)
            }
            Token::Quote(_) => PatternKind::String(self.plain_string("a text without placeholders")?),
            Token::Name(name) => {
                self.take()?;
                match name.as_str() {
                    "_" => PatternKind::Any,
                    "none" | "null" => PatternKind::Null,
                    "true" => PatternKind::Bool(true),
                    "false" => PatternKind::Bool(false),
                    _ => PatternKind::Case { name, binding: self.binding()?, wrapped: false },
                }
            }
            _ => return Err(self.expected("a case, such as ok(x), err(e), some(x), none, \"text\" or _")),
        };
        Ok(Pattern { at, kind })
    }

    fn binding(&mut self) -> Result<Binding, SyntaxError> {
        if !self.skip_symbol("(")? {
            return Ok(Binding::Absent);
        }
        let binding = match self.peek()? {
            Token::Symbol(")") => Binding::Ignored,
            Token::Name(name) => {
                self.take()?;
                if name == "_" { Binding::Ignored } else { Binding::Named(name) }
            }
            _ => return Err(self.expected("the name of a variable for the payload, or `_`")),
        };
        self.require(")", "`)` after the name of the variable")?;
        Ok(binding)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

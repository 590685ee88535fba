//! Prints a tree as text that parses to the same tree.

use super::ast::{Binding, Key, Kind, Node, PatternKind, Piece};
use std::fmt::Write;

/// The text of a template: the outermost level of an expression.
pub(crate) fn template(node: &Node) -> String {
    let mut out = String::new();
    match &node.kind {
        Kind::Text(text) => text_outside(&mut out, text, false),
        Kind::Concat(pieces) if pieces.len() > 1 => {
            for (i, piece) in pieces.iter().enumerate() {
                match piece {
                    Piece::Text(text) => text_outside(&mut out, text, i + 1 < pieces.len()),
                    Piece::Code(code) => placeholder(&mut out, code),
                }
            }
        }
        _ => placeholder(&mut out, node),
    }
    out
}

/// Text outside placeholders. Backslashes are doubled where `${` follows them.
fn text_outside(out: &mut String, text: &str, before_code: bool) {
    let double = |out: &mut String, text: &str| {
        out.push_str(text);
        let kept = text.trim_end_matches('\\').len();
        out.push_str(&text[kept..]);
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        double(out, before);
        out.push_str("\\${");
        rest = after;
    }
    if before_code { double(out, rest) } else { out.push_str(rest) }
}

fn placeholder(out: &mut String, node: &Node) {
    out.push_str("${");
    code(out, node, Level::Or);
    out.push('}');
}

/// Precedence, from the loosest to the tightest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Compare,
    Default,
    Postfix,
}

const fn level(kind: &Kind) -> Level {
    match kind {
        // `else` takes everything to its right.
        Kind::If { .. } | Kind::Or(_) => Level::Or,
        Kind::And(_) => Level::And,
        Kind::Not(_) => Level::Not,
        Kind::Compare { .. } => Level::Compare,
        Kind::Default(_) => Level::Default,
        _ => Level::Postfix,
    }
}

const fn tighter(level: Level) -> Level {
    match level {
        Level::Or => Level::And,
        Level::And => Level::Not,
        Level::Not => Level::Compare,
        Level::Compare => Level::Default,
        Level::Default | Level::Postfix => Level::Postfix,
    }
}

fn code(out: &mut String, node: &Node, least: Level) {
    let own = level(&node.kind);
    if own < least {
        out.push('(');
        code(out, node, Level::Or);
        out.push(')');
        return;
    }
    let chain = |out: &mut String, items: &[Node], symbol: &str| {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push_str(symbol);
            }
            code(out, item, tighter(own));
        }
    };
    match &node.kind {
        Kind::Null => out.push_str("none"),
        Kind::Bool(value) => {
            let _infallible = write!(out, "{value}");
        }
        Kind::Number(value) => {
            let _infallible = write!(out, "{value}");
        }
        Kind::String(text) | Kind::Text(text) => quoted(out, &[Piece::Text(text.clone())]),
        Kind::Concat(pieces) => quoted(out, pieces),
        Kind::List(items) => {
            out.push('[');
            separated(out, items, |out, item| code(out, item, Level::Or));
            out.push(']');
        }
        Kind::Record(fields) => {
            out.push('{');
            separated(out, fields, |out, (name, value)| {
                quoted(out, &[Piece::Text(name.clone())]);
                out.push_str(": ");
                code(out, value, Level::Or);
            });
            out.push('}');
        }
        Kind::Name(name) => out.push_str(name),
        Kind::Root(root) => {
            let _infallible = write!(out, "{root:?}");
        }
        Kind::Path { base, steps } => {
            code(out, base, Level::Postfix);
            for step in steps {
                if step.optional {
                    out.push('?');
                }
                match &step.key {
                    Key::Field(name) if is_name(name) => {
                        out.push('.');
                        out.push_str(name);
                    }
                    Key::Field(name) => {
                        out.push('.');
                        quoted(out, &[Piece::Text(name.clone())]);
                    }
                    Key::Index(index) => {
                        out.push('[');
                        code(out, index, Level::Or);
                        out.push(']');
                    }
                }
            }
        }
        Kind::Default(items) => chain(out, items, " ?? "),
        Kind::Not(inner) => {
            out.push('!');
            code(out, inner, Level::Not);
        }
        Kind::And(items) => chain(out, items, " && "),
        Kind::Or(items) => chain(out, items, " || "),
        Kind::Compare { op, left, right, .. } => {
            code(out, left, Level::Default);
            let _infallible = write!(out, " {} ", op.symbol());
            code(out, right, Level::Default);
        }
        Kind::If { branches, otherwise } => {
            for (i, (condition, then)) in branches.iter().enumerate() {
                out.push_str(if i > 0 { " else if " } else { "if " });
                code(out, condition, Level::Or);
                out.push_str(" then ");
                code(out, then, Level::Or);
            }
            out.push_str(" else ");
            code(out, otherwise, Level::Or);
        }
        Kind::Match { subject, arms } => {
            out.push_str("match ");
            code(out, subject, Level::Or);
            out.push_str(" { ");
            separated(out, arms, |out, (pattern, value)| {
                print_pattern(out, &pattern.kind);
                out.push_str(" => ");
                code(out, value, Level::Or);
            });
            out.push_str(" }");
        }
    }
}

fn separated<T>(out: &mut String, items: &[T], print: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        print(out, item);
    }
}

pub(crate) fn print_pattern(out: &mut String, pattern: &PatternKind) {
    match pattern {
        PatternKind::Any => out.push('_'),
        PatternKind::Null => out.push_str("none"),
        PatternKind::Bool(value) => {
            let _infallible = write!(out, "{value}");
        }
        PatternKind::Number(value) => {
            let _infallible = write!(out, "{value}");
        }
        PatternKind::String(text) => quoted(out, &[Piece::Text(text.clone())]),
        PatternKind::Case { name, binding, .. } => {
            out.push_str(name);
            match binding {
                Binding::Absent => {}
                Binding::Ignored => out.push_str("(_)"),
                Binding::Named(variable) => {
                    let _infallible = write!(out, "({variable})");
                }
            }
        }
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(super::lex::begins_name) && chars.all(super::lex::continues_name)
}

fn quoted(out: &mut String, pieces: &[Piece]) {
    out.push('"');
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                for c in text.chars() {
                    match c {
                        '"' => out.push_str("\\\""),
                        '\\' => out.push_str("\\\\"),
                        '$' => out.push_str("\\$"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        '\t' => out.push_str("\\t"),
                        c => out.push(c),
                    }
                }
            }
            Piece::Code(node) => placeholder(out, node),
        }
    }
    out.push('"');
}

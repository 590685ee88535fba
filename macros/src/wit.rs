//! Prints a worker's interface as WIT.

use crate::model::{Function, Kind, Package, Type, TypeDef, Worker};
use crate::names::escape_keyword;
use std::fmt::{self, Write as _};

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", escape_keyword(&self.namespace), escape_keyword(&self.name))?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

/// The world's name. It is not visible to callers, but must differ from the interface's name.
pub(crate) fn world_name(worker: &Worker) -> &'static str {
    if worker.interface == "worker" { "worker-world" } else { "worker" }
}

/// Prints the whole package.
pub(crate) fn print(worker: &Worker) -> String {
    let mut text = format!("package {};\n\n", worker.package);
    docs(&mut text, "", &worker.docs);
    line(&mut text, "", format_args!("interface {} {{", escape_keyword(&worker.interface)));
    for ty in &worker.types {
        define(&mut text, ty, &worker.types);
        text.push('\n');
    }
    for (i, function) in worker.functions.iter().enumerate() {
        if i > 0 && !function.docs.is_empty() {
            text.push('\n');
        }
        docs(&mut text, INDENT, &function.docs);
        line(
            &mut text,
            INDENT,
            format_args!("{}: {};", escape_keyword(&function.wit), signature(function, &worker.types)),
        );
    }
    text.push_str("}\n\n");
    line(&mut text, "", format_args!("world {} {{", world_name(worker)));
    line(&mut text, INDENT, format_args!("export {};", escape_keyword(&worker.interface)));
    let saved = worker.state.as_ref().is_some_and(|state| state.save.is_some());
    if saved {
        line(&mut text, INDENT, format_args!("export golem:durability/snapshot@1.0.0;"));
    }
    text.push_str("}\n");
    if saved {
        text.push_str(SNAPSHOT);
    }
    text
}

/// A copy of `wit/golem-durability/snapshot.wit`; a test compares them.
pub(crate) const SNAPSHOT: &str = "
package golem:durability@1.0.0 {
  interface snapshot {
    save: func() -> result<list<u8>, string>;
    load: func(bytes: list<u8>) -> result<_, string>;
  }
}
";

const INDENT: &str = "  ";

fn line(text: &mut String, indent: &str, content: fmt::Arguments<'_>) {
    writeln!(text, "{indent}{content}").expect("writing to a string does not fail");
}

fn docs(text: &mut String, indent: &str, lines: &[String]) {
    for content in lines {
        line(text, indent, format_args!("{}", format!("/// {content}").trim_end()));
    }
}

fn signature(function: &Function, types: &[TypeDef]) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", escape_keyword(&param.wit), type_text(&param.ty, types)))
        .collect();
    let result =
        function.result.as_ref().map(|ty| format!(" -> {}", type_text(ty, types))).unwrap_or_default();
    format!("func({}){result}", params.join(", "))
}

fn type_text(ty: &Type, types: &[TypeDef]) -> String {
    let side = |ty: &Option<Box<Type>>| ty.as_ref().map(|ty| type_text(ty, types));
    match ty {
        Type::Primitive(name) => (*name).to_owned(),
        Type::List(item) => format!("list<{}>", type_text(item, types)),
        Type::Option(item) => format!("option<{}>", type_text(item, types)),
        Type::Result(ok, error) => match (side(ok), side(error)) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{ok}>"),
            (None, Some(error)) => format!("result<_, {error}>"),
            (Some(ok), Some(error)) => format!("result<{ok}, {error}>"),
        },
        Type::Tuple(items) => {
            format!(
                "tuple<{}>",
                items.iter().map(|item| type_text(item, types)).collect::<Vec<_>>().join(", ")
            )
        }
        Type::Named(at) => escape_keyword(&types[*at].wit),
    }
}

fn define(text: &mut String, ty: &TypeDef, types: &[TypeDef]) {
    let deeper = "    ";
    let (keyword, items): (_, Vec<(&[String], String)>) = match &ty.kind {
        Kind::Record(fields) => (
            "record",
            fields
                .iter()
                .map(|f| (&*f.docs, format!("{}: {}", escape_keyword(&f.wit), type_text(&f.ty, types))))
                .collect(),
        ),
        Kind::Flags(fields) => ("flags", fields.iter().map(|f| (&*f.docs, escape_keyword(&f.wit))).collect()),
        Kind::Enum(cases) => ("enum", cases.iter().map(|c| (&*c.docs, escape_keyword(&c.wit))).collect()),
        Kind::Variant(cases) => (
            "variant",
            cases
                .iter()
                .map(|case| {
                    let value = match case.values.as_slice() {
                        [] => String::new(),
                        [value] => format!("({})", type_text(value, types)),
                        several => format!("({})", type_text(&Type::Tuple(several.to_vec()), types)),
                    };
                    (&*case.docs, format!("{}{value}", escape_keyword(&case.wit)))
                })
                .collect(),
        ),
    };
    docs(text, INDENT, &ty.docs);
    line(text, INDENT, format_args!("{keyword} {} {{", escape_keyword(&ty.wit)));
    for (lines, item) in items {
        docs(text, deeper, lines);
        line(text, deeper, format_args!("{item},"));
    }
    line(text, INDENT, format_args!("}}"));
}

//! C++: bindings by wit-bindgen, compiled with Zig's C++ compiler.

use super::c::{split_arguments, zig_recipe};
use super::{BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, skeleton};
use crate::{Error, Files, World};

/// C++.
#[derive(Debug)]
pub(super) struct Cpp;

impl Language for Cpp {
    fn name(&self) -> &'static str {
        "cpp"
    }

    fn title(&self) -> &'static str {
        "C++"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["cxx", "cplusplus"]
    }

    fn tier(&self) -> u8 {
        2
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let mut generator = wit_bindgen_cpp::Opts::default().build(None);
        let mut files = super::generate(self.title(), &mut *generator, world)?;
        files.push("golem.hpp", include_str!("golem.hpp").replace("{{world}}", &world.snake_name()));
        Ok(files)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        let text = include_str!("cart.cpp")
            .replace("{{namespace_cpp}}", &identifier(&project.namespace))
            .replace("{{package_cpp}}", &identifier(&project.package));
        Some(skeleton::project(project, self.title(), "src/cart.cpp", &text, &[]))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        let world = layout.world?.snake_name();
        let mut args =
            split_arguments("c++ -std=c++23 -fno-exceptions -target wasm32-wasi -Os -mexec-model=reactor -s");
        args.push(format!("-I{GENERATED}"));
        args.extend(layout.sources.iter().cloned());
        args.extend([format!("{GENERATED}/{world}.cpp"), format!("{GENERATED}/{world}_component_type.o")]);
        args.extend(["-o".to_owned(), format!("{BUILD}/core.wasm")]);
        Some(zig_recipe(args))
    }

    fn source_extensions(&self) -> &'static [&'static str] {
        &[".cpp", ".cc", ".cxx"]
    }
}

/// Spells a WIT name as the C++ generator does: a keyword gets an underscore at its end.
fn identifier(name: &str) -> String {
    const KEYWORDS: &[&str] = &[
        "alignas",
        "alignof",
        "and",
        "asm",
        "auto",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "class",
        "compl",
        "concept",
        "const",
        "continue",
        "decltype",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "mutable",
        "namespace",
        "new",
        "noexcept",
        "not",
        "nullptr",
        "operator",
        "or",
        "private",
        "protected",
        "public",
        "register",
        "requires",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typedef",
        "typeid",
        "typename",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "while",
        "xor",
    ];
    let snake = name.replace('-', "_");
    if KEYWORDS.contains(&snake.as_str()) { format!("{snake}_") } else { snake }
}

//! C: bindings by wit-bindgen, compiled with Zig's C compiler, which includes headers and a linker.
//!
//! [`ZIG`] is also used by the languages that Zig compiles or that use the C bindings.

use super::{Artifact, BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, Step, Tool, skeleton};
use crate::{Error, Files, World};

/// C.
#[derive(Debug)]
pub(super) struct C;

/// Zig, which also compiles C and C++.
pub(super) static ZIG: Tool = Tool {
    title: "Zig",
    programs: &["zig", "python-zig"],
    version_args: &["version"],
    version: "0.17.",
    install: "install Zig 0.17, for example with `pip install ziglang==0.17.1`, which calls it python-zig",
};

impl Language for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn title(&self) -> &'static str {
        "C"
    }

    fn tier(&self) -> u8 {
        2
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        bindings(self.title(), world)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        Some(skeleton::project(project, self.title(), "src/cart.c", include_str!("cart.c"), &[]))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        let world = layout.world?.snake_name();
        let mut args = split_arguments("cc -target wasm32-wasi -Os -mexec-model=reactor -Wall -s");
        args.push(format!("-I{GENERATED}"));
        args.extend(layout.sources.iter().cloned());
        args.extend([format!("{GENERATED}/{world}.c"), format!("{GENERATED}/{world}_component_type.o")]);
        args.extend(["-o".to_owned(), format!("{BUILD}/core.wasm")]);
        Some(zig_recipe(args))
    }

    fn source_extensions(&self) -> &'static [&'static str] {
        &[".c"]
    }
}

/// The C bindings of a world, and the Runtime API for C.
pub(super) fn bindings(language: &'static str, world: &World) -> Result<Files, Error> {
    let mut files = super::generate(language, &mut *wit_bindgen_c::Opts::default().build(), world)?;
    files.push("golem.h", include_str!("golem.h").replace("{{world}}", &world.snake_name()));
    Ok(files)
}

/// A recipe with one call of Zig. Its output is a core module with the types of the world.
pub(super) fn zig_recipe(args: Vec<String>) -> Recipe {
    let step = Step { tool: &ZIG, args, env: Vec::new(), folder: "", stdout: None };
    Recipe {
        steps: vec![step],
        artifact: Artifact::Core { path: format!("{BUILD}/core.wasm"), has_world_type: true },
    }
}

/// Splits `text` at white space into arguments.
pub(super) fn split_arguments(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

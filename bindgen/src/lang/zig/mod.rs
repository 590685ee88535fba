//! Zig: uses the C bindings. Zig translates their header, and compiles the C bindings and the program together.

use super::c::{self, ZIG, split_arguments};
use super::{Artifact, BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, Step, skeleton};
use crate::{Error, Files, World};

/// Zig.
#[derive(Debug)]
pub(super) struct Zig;

impl Language for Zig {
    fn name(&self) -> &'static str {
        "zig"
    }

    fn title(&self) -> &'static str {
        "Zig"
    }

    fn tier(&self) -> u8 {
        3
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let mut files = c::bindings(self.title(), world)?;
        files.push("golem.zig", include_str!("golem.zig").replace("{{world}}", &world.snake_name()));
        Ok(files)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        Some(skeleton::project(project, self.title(), "src/main.zig", include_str!("cart.zig"), &[]))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        let world = layout.world?.snake_name();
        let core = format!("{BUILD}/core.wasm");
        let step = |args: String| Step {
            tool: &ZIG,
            args: split_arguments(&args),
            env: Vec::new(),
            folder: "",
            stdout: None,
        };
        // C files belong to the module that comes after them on the command line.
        let build = step(format!(
            "build-exe -target wasm32-wasi -mexec-model=reactor -fno-entry -rdynamic -O ReleaseSmall -fstrip -lc \
             -I{GENERATED} {GENERATED}/{world}.c {GENERATED}/{world}_component_type.o --dep golem \
             -Mroot=src/main.zig --dep c -Mgolem={GENERATED}/golem.zig -Mc={BUILD}/c.zig -femit-bin={core}"
        ));
        let mut translate =
            step(format!("translate-c -target wasm32-wasi -lc -I{GENERATED} {GENERATED}/golem.h"));
        translate.stdout = Some(format!("{BUILD}/c.zig"));
        Some(Recipe {
            steps: vec![translate, build],
            artifact: Artifact::Core { path: core, has_world_type: true },
        })
    }
}

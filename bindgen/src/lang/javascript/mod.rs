//! JavaScript: built with componentize-js, which includes the engine SpiderMonkey. (The smaller engine of
//! componentize-qjs is not used: it reads 64-bit integers as floating-point numbers and so loses bits of ids.)
//!
//! The tool generates the bindings from the WIT during a build. The files generated here are the WIT with the Runtime
//! API, and a module that wraps the Runtime API for JavaScript.

use super::c::split_arguments;
use super::{Artifact, BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, Step, Tool, skeleton};
use crate::{Error, Files, World};

/// JavaScript.
#[derive(Debug)]
pub(super) struct JavaScript;

static COMPONENTIZE_JS: Tool = Tool {
    title: "componentize-js",
    programs: &["node_modules/.bin/componentize-js", "componentize-js"],
    version_args: &["--version"],
    version: "0.23.",
    install: "install it with `npm install` in the project's folder, or anywhere with \
              `npm install @bytecodealliance/componentize-js@0.23.0`",
};

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        "javascript"
    }

    fn title(&self) -> &'static str {
        "JavaScript"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["js", "node"]
    }

    fn tier(&self) -> u8 {
        2
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let mut files = Files::default();
        files.push_below("wit", world.wit_files());
        files.push("golem.js", include_str!("golem.js"));
        Ok(files)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        let others = [("package.json", include_str!("package.json.txt"))];
        Some(skeleton::project(project, self.title(), "src/main.js", include_str!("cart.js"), &others))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        let world = layout.world?.name();
        let made = format!("{BUILD}/component.wasm");
        let args = split_arguments(&format!(
            "src/main.js --wit {GENERATED}/wit -n {world} -d http -d fetch-event -o {made}"
        ));
        let step = Step { tool: &COMPONENTIZE_JS, args, env: Vec::new(), folder: "", stdout: None };
        Some(Recipe { steps: vec![step], artifact: Artifact::Component(made) })
    }
}

//! Python: built with componentize-py, which includes an interpreter.
//!
//! The tool generates the bindings from the WIT during a build. The files generated here are the WIT with the Runtime
//! API, and a module that wraps the Runtime API for Python.

use super::c::split_arguments;
use super::{Artifact, BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, Step, Tool, skeleton};
use crate::{Error, Files, World};

/// Python.
#[derive(Debug)]
pub(super) struct Python;

static COMPONENTIZE_PY: Tool = Tool {
    title: "componentize-py",
    programs: &["componentize-py"],
    version_args: &["--version"],
    version: "0.25.",
    install: "install it with `pip install componentize-py==0.25.1`",
};

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn title(&self) -> &'static str {
        "Python"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["py"]
    }

    fn tier(&self) -> u8 {
        2
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let mut files = Files::default();
        files.push_below("wit", world.wit_files());
        files.push("golem.py", include_str!("golem.py"));
        Ok(files)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        Some(skeleton::project(project, self.title(), "src/app.py", include_str!("app.py"), &[]))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        let world = layout.world?.name();
        let made = format!("{BUILD}/component.wasm");
        let args = split_arguments(&format!(
            "-d {GENERATED}/wit -w {world} componentize -p src -p {GENERATED} app -o {made}"
        ));
        let step = Step { tool: &COMPONENTIZE_PY, args, env: Vec::new(), folder: "", stdout: None };
        Some(Recipe { steps: vec![step], artifact: Artifact::Component(made) })
    }
}

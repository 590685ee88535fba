//! Rust: workers by the guest library, which makes the WIT of the code; bindings for a world of one's own by wit-bindgen.

use super::c::words;
use super::{Language, Layout, Made, Project, Recipe, Step, Tool, template};
use crate::{Error, Files, World};

/// Rust.
#[derive(Debug)]
pub(super) struct Rust;

static CARGO: Tool = Tool {
    title: "cargo",
    programs: &["cargo"],
    version_args: &["--version"],
    version: "cargo 1.",
    install: "install Rust from rustup.rs, and its target with `rustup target add wasm32-wasip2`",
};

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn title(&self) -> &'static str {
        "Rust"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["rs"]
    }

    fn tier(&self) -> u8 {
        2
    }

    fn wit_first(&self) -> bool {
        false
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let options = wit_bindgen_rust::Opts {
            format: true,
            generate_all: true,
            pub_export_macro: true,
            ..wit_bindgen_rust::Opts::default()
        };
        super::generate(self.title(), &mut options.build(), world)
    }

    fn project(&self, project: &Project) -> Option<Files> {
        let texts = [
            ("Cargo.toml", include_str!("cargo.toml.txt")),
            ("src/lib.rs", include_str!("cart.rs")),
            ("README.md", include_str!("readme.md.txt")),
            (".gitignore", "/target/\n/build/\n"),
        ];
        Some(template::files(project, &texts))
    }

    fn recipe(&self, layout: &Layout<'_>) -> Option<Recipe> {
        // A target folder of its own, whatever the environment says: the component must be found.
        let args = words("build --release --target wasm32-wasip2 --target-dir target");
        let file = layout.name.replace('-', "_");
        Some(Recipe {
            steps: vec![Step { tool: &CARGO, args, env: Vec::new(), folder: "", stdout: None }],
            made: Made::Component(format!("target/wasm32-wasip2/release/{file}.wasm")),
        })
    }
}

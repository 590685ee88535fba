//! The world that bindings are generated for: the user's world and the Runtime API.
//!
//! A user's WIT declares the interfaces that a worker exports and the other workers that it calls. It does not name the
//! Runtime API: the generated world includes the user's world and adds the imports of the Runtime API. Imports that a
//! program does not use are not in its component.

use crate::Error;
use crate::files::Files;
use crate::wit::{self, Package};
use std::fmt::Write as _;
use wit_parser::{Resolve, WorldId};

/// The packages of the Runtime API in one file, and the packages that they depend on: name, folder, text.
const RUNTIME_API: &[(&str, &str, &str)] = &[
    ("golem:api", "golem-api", include_str!("../../wit/golem-api-0.2.0/host.wit")),
    ("wasi:io", "wasi-io", include_str!("../wit/wasi-io.wit")),
    ("wasi:logging", "wasi-logging", include_str!("../wit/wasi-logging.wit")),
    ("wasi:keyvalue", "wasi-keyvalue", include_str!("../../wit/wasi-keyvalue-0.2.0-draft2/keyvalue.wit")),
    ("golem:rpc", "golem-rpc", include_str!("../../wit/golem-rpc/types.wit")),
];

/// The files of the package `golem:durability`.
const DURABILITY: &[(&str, &str)] = &[
    ("calls.wit", include_str!("../../wit/golem-durability/calls.wit")),
    ("keys.wit", include_str!("../../wit/golem-durability/keys.wit")),
    ("policy.wit", include_str!("../../wit/golem-durability/policy.wit")),
    ("position.wit", include_str!("../../wit/golem-durability/position.wit")),
    ("promises.wit", include_str!("../../wit/golem-durability/promises.wit")),
    ("region.wit", include_str!("../../wit/golem-durability/region.wit")),
    ("snapshot.wit", include_str!("../../wit/golem-durability/snapshot.wit")),
    ("worker.wit", include_str!("../../wit/golem-durability/worker.wit")),
    ("world.wit", include_str!("../../wit/golem-durability/world.wit")),
];

/// The interfaces that every worker may import.
const IMPORTS: &[&str] = &[
    "golem:api/host@0.2.0",
    "golem:durability/calls@1.0.0",
    "golem:durability/keys@1.0.0",
    "golem:durability/policy@1.0.0",
    "golem:durability/position@1.0.0",
    "golem:durability/promises@1.0.0",
    "golem:durability/region@1.0.0",
    "golem:durability/worker@1.0.0",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:logging/logging@0.1.0-draft",
];

/// The WIT that declares a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The package that declares the world.
    pub main: Package,
    /// The packages that it names, in any order.
    pub dependencies: Vec<Package>,
}

impl Source {
    /// Extracts the world of a built component.
    pub fn component(wasm: &[u8]) -> Result<Self, Error> {
        let failed = |source| Error::Component { source };
        let (resolve, main) = match wit_component::decode(wasm).map_err(failed)? {
            wit_component::DecodedWasm::Component(resolve, world) => {
                let package = resolve.worlds[world].package;
                (resolve, package.ok_or_else(|| failed(anyhow::anyhow!("its world is in no package")))?)
            }
            wit_component::DecodedWasm::WitPackage(resolve, package) => (resolve, package),
        };
        let print = |id| {
            let package = &resolve.packages[id].name;
            let name = format!("{}-{}.wit", package.namespace, package.name);
            Ok(Package::file(name, wit::print(&resolve, id)?))
        };
        let others = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main);
        Ok(Self { main: print(main)?, dependencies: others.map(print).collect::<Result<_, Error>>()? })
    }
}

/// A user's world with the Runtime API, resolved.
#[derive(Debug, Clone)]
pub struct World {
    name: String,
    main: Package,
    dependencies: Vec<Package>,
    resolve: Resolve,
    id: WorldId,
}

impl World {
    /// Loads the world `name` of `source`. Without a name, `source` must have exactly one world.
    pub fn load(source: &Source, name: Option<&str>) -> Result<Self, Error> {
        let mut dependencies = source.dependencies.clone();
        let given: Vec<String> =
            dependencies.iter().chain([&source.main]).filter_map(declared_package).collect();
        let missing = |package: &str| !given.iter().any(|known| known == package);
        dependencies.extend(runtime_api().filter(|(name, _)| missing(name)).map(|(_, package)| package));

        let (resolve, package) = wit::resolve(&source.main, &dependencies)?;
        let worlds = &resolve.packages[package].worlds;
        let name = match name {
            Some(name) if worlds.contains_key(name) => name,
            Some(name) => {
                return Err(Error::NoSuchWorld {
                    package: resolve.packages[package].name.to_string(),
                    world: name.to_owned(),
                    worlds: worlds.keys().cloned().collect(),
                });
            }
            None => match worlds.keys().collect::<Vec<_>>()[..] {
                [only] => only,
                _ => {
                    return Err(Error::WhichWorld {
                        package: resolve.packages[package].name.to_string(),
                        worlds: worlds.keys().cloned().collect(),
                    });
                }
            },
        };
        let of = &resolve.packages[package].name;
        let at = of.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        let full = format!("{}:{}/%{name}{at}", of.namespace, of.name);
        let mut text = format!(
            "// The world of the bindings: the project's world and the Runtime API. Generated by golem-bindgen.\n\
             package golem:project;\n\nworld %{name} {{\n    include {full};\n"
        );
        for import in IMPORTS {
            writeln!(text, "    import {import};").expect("writing to a String cannot fail");
        }
        text.push_str("}\n");
        let main = Package::file("world.wit", text);
        dependencies.push(source.main.clone());
        let name = name.to_owned();
        let (resolve, package) = wit::resolve(&main, &dependencies)?;
        let id = resolve.packages[package].worlds[&name];
        Ok(Self { name, main, dependencies, resolve, id })
    }

    /// Its name, as in WIT.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name in `snake_case`, as in C, Rust and Python.
    pub fn snake_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The resolved packages, and the id of the world in them.
    pub fn resolved(&self) -> (&Resolve, WorldId) {
        (&self.resolve, self.id)
    }

    /// The package of the world, and all other packages.
    pub(crate) fn packages(&self) -> (&Package, &[Package]) {
        (&self.main, &self.dependencies)
    }

    /// Its WIT files in the layout that WIT tools expect: the package of the world, and `deps` with a folder for each
    /// other package.
    pub fn wit_files(&self) -> Files {
        let mut files = Files::default();
        for (file, text) in &self.main.files {
            files.push(file, text.as_bytes());
        }
        for package in &self.dependencies {
            let folder = package.name.trim_end_matches(".wit");
            for (file, text) in &package.files {
                files.push(format!("deps/{folder}/{file}"), text.as_bytes());
            }
        }
        files
    }
}

fn runtime_api() -> impl Iterator<Item = (&'static str, Package)> {
    let single = RUNTIME_API.iter().map(|(package, folder, text)| {
        let files = vec![(format!("{folder}.wit"), (*text).to_owned())];
        (*package, Package { name: (*folder).to_owned(), files })
    });
    let files = DURABILITY.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    single.chain([("golem:durability", Package { name: "golem-durability".to_owned(), files })])
}

/// The name of the package that a folder of WIT declares, without its version. A package that the user provides
/// replaces the package of the same name in the Runtime API.
fn declared_package(package: &Package) -> Option<String> {
    let line = |text: &str| {
        let rest = text.lines().find_map(|line| line.trim().strip_prefix("package "))?.to_owned();
        rest.split(['@', ';', ' ', '{']).next().map(str::to_owned)
    };
    package.files.iter().find_map(|(_, text)| line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: &str =
        "package acme:shop@1.2.0; interface api { add: func(name: string); } world cart { export api; }";

    fn source(text: &str) -> Source {
        Source { main: Package::file("main.wit", text), dependencies: Vec::new() }
    }

    #[test]
    fn the_runtime_api_is_imported_without_being_named() {
        let world = World::load(&source(CART), None).unwrap();
        let (resolve, id) = world.resolved();
        let imports: Vec<String> =
            resolve.worlds[id].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        for import in IMPORTS {
            assert!(imports.iter().any(|found| found == import), "{import} is not among {imports:?}");
        }
        let exports: Vec<String> =
            resolve.worlds[id].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        assert_eq!(exports, ["acme:shop/api@1.2.0"]);
    }

    #[test]
    fn a_package_of_the_user_replaces_ours() {
        let logging = "package wasi:logging@0.1.0-draft; interface logging { enum level { loud } \
                       log: func(level: level, context: string, message: string); }";
        let mut source = source(CART);
        source.dependencies.push(Package::file("logging.wit", logging));
        let texts = World::load(&source, None).unwrap().wit_files();
        let all: Vec<&str> =
            texts.iter().map(|(path, _)| path).filter(|path| path.contains("logging")).collect();
        assert_eq!(all, ["deps/logging/logging.wit"]);
    }

    #[test]
    fn keywords_of_wit_can_be_names_of_worlds() {
        let text = "package acme:shop; interface api { f: func(); } world %interface { export api; }";
        assert_eq!(World::load(&source(text), Some("interface")).unwrap().name(), "interface");
    }

    /// In every language, the same text results in the same bytes.
    #[test]
    fn bindings_are_deterministic() {
        for language in crate::lang::all() {
            let make = || language.bindings(&World::load(&source(CART), None).unwrap()).unwrap();
            let files = make();
            assert_eq!(files, make(), "{}", language.name());
            assert!(files.iter().count() > 0, "{}", language.name());
        }
    }
}

//! Parses WIT packages and prints them.

use crate::Error;
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup};

/// One WIT package: the files of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The folder's name, for messages.
    pub name: String,
    /// File names and their text.
    pub files: Vec<(String, String)>,
}

impl Package {
    /// A package in one file.
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Self {
        let name = name.into();
        Self { files: vec![(name.clone(), text.into())], name }
    }

    fn parse(&self) -> Result<UnresolvedPackageGroup, Error> {
        let mut map = SourceMap::default();
        // Sorted by name, so that the order of the folder's listing does not matter.
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort();
        for (name, text) in files {
            map.push_str(&format!("{}/{name}", self.name), text.as_str());
        }
        map.parse().map_err(|(map, error)| Error::Parse {
            package: self.name.clone(),
            source: anyhow::anyhow!("{}", error.render(&map)),
        })
    }
}

/// Resolves `main` with the packages that it names. `dependencies` may be in any order.
pub fn resolve(main: &Package, dependencies: &[Package]) -> Result<(Resolve, PackageId), Error> {
    let parsed = main.parse()?;
    let others = dependencies.iter().map(Package::parse).collect::<Result<Vec<_>, _>>()?;
    let mut resolve = Resolve::default();
    match resolve.push_groups(parsed, others) {
        Ok(package) => Ok((resolve, package)),
        Err(error) => Err(Error::Resolve {
            packages: std::iter::once(main)
                .chain(dependencies)
                .map(|p| p.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            source: anyhow::anyhow!("{}", error.render(&resolve.source_map)),
        }),
    }
}

/// Prints one package as WIT in a canonical layout, with its comments.
pub fn print(resolve: &Resolve, package: PackageId) -> Result<String, Error> {
    let mut printer = wit_component::WitPrinter::default();
    printer
        .print(resolve, package, &[])
        .map_err(|source| Error::Print { package: resolve.packages[package].name.to_string(), source })?;
    Ok(format!("{}\n", printer.output.to_string().trim_end()))
}

/// The version in `package wasi:io@<version>;`.
pub fn wasi_io_version(text: &str) -> Result<&str, Error> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("package wasi:io@")?.strip_suffix(';'))
        .ok_or(Error::WasiIoVersion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(main: &str, dependency: &str, expected: Result<&str, &str>) {
        let main = Package::file("main.wit", main);
        let dependency = Package::file("dependency.wit", dependency);
        let printed = resolve(&main, &[dependency]).and_then(|(resolve, package)| print(&resolve, package));
        match (printed, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(error), Err(part)) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                assert!(text.contains(part), "{text} should contain {part}");
            }
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn packages_are_read_and_printed() {
        let dependency = "package a:b@1.0.0; interface types { type size = u32; }";
        check(
            "package c:d; interface i { use a:b/types@1.0.0.{size}; /// Grows.\n grow: func(by: size); }",
            dependency,
            Ok(
                "package c:d;\n\ninterface i {\n  use a:b/types@1.0.0.{size};\n\n  /// Grows.\n  grow: func(by: size);\n}\n",
            ),
        );
        check("package c:d; interface i { grow func(); }", dependency, Err("main.wit"));
        check("package c:d; interface i { use a:b/types@2.0.0.{size}; }", dependency, Err("a:b"));
    }

    #[test]
    fn the_version_of_wasi_io_is_found() {
        assert_eq!(wasi_io_version("// text\npackage wasi:io@0.2.12;\n").unwrap(), "0.2.12");
        assert!(wasi_io_version("package wasi:io;").is_err());
    }
}

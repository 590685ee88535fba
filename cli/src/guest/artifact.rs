//! Chooses the component of a project among the files that cargo built.

use super::GuestError;
use golem_bindgen::cargo::CargoArtifact;
use std::path::{Path, PathBuf};

/// The path of the component of the package with this manifest: its library, or else its program. Among several
/// programs it is the one with the project's name.
pub fn choose(built: &[CargoArtifact], manifest: &Path, name: &str) -> Result<PathBuf, GuestError> {
    // Cargo resolves symbolic links in the folder that it runs in, and the caller may have written one.
    let same = |path: &str| match (Path::new(path).canonicalize(), manifest.canonicalize()) {
        (Ok(found), Ok(wanted)) => found == wanted,
        _ => Path::new(path) == manifest,
    };
    let built: Vec<&CargoArtifact> = built.iter().filter(|each| same(&each.manifest)).collect();
    let library = built.iter().find(|each| each.library);
    let named = || built.iter().find(|each| each.target == name);
    let only = || if let [only] = &built[..] { Some(only) } else { None };
    if let Some(found) = library.or_else(named).or_else(only) {
        return Ok(PathBuf::from(&found.wasm));
    }
    let manifest = manifest.to_owned();
    if built.is_empty() {
        return Err(GuestError::NoComponent { manifest });
    }
    let programs = built.iter().map(|each| each.target.clone()).collect();
    Err(GuestError::SeveralComponents { manifest, programs, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(manifest: &Path, target: &str, library: bool) -> CargoArtifact {
        let manifest = manifest.display().to_string();
        CargoArtifact { manifest, target: target.to_owned(), library, wasm: format!("/t/{target}.wasm") }
    }

    fn check(built: &[CargoArtifact], manifest: &Path, expected: Result<&str, &str>) {
        let found = choose(built, manifest, "cart").map(|path| path.display().to_string());
        match (&found, expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            _ => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn the_component_of_the_project_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("cart/Cargo.toml");
        std::fs::create_dir(folder.path().join("cart")).unwrap();
        std::fs::write(&manifest, "").unwrap();
        let linked = folder.path().join("linked");
        std::os::unix::fs::symlink(folder.path().join("cart"), &linked).unwrap();

        let library = |name| built(&manifest, name, true);
        let program = |name| built(&manifest, name, false);
        let other = built(&folder.path().join("other/Cargo.toml"), "cart", true);
        check(&[other.clone(), program("cart"), library("shop")], &manifest, Ok("/t/shop.wasm"));
        check(&[library("shop")], &linked.join("Cargo.toml"), Ok("/t/shop.wasm"));
        check(&[program("tool")], &manifest, Ok("/t/tool.wasm"));
        check(&[program("tool"), program("cart")], &manifest, Ok("/t/cart.wasm"));
        check(&[program("tool"), program("shop")], &manifest, Err("several programs (tool, shop): name one"));
        check(&[other], &manifest, Err("Cargo.toml builds no component: add a section [lib]"));
    }
}

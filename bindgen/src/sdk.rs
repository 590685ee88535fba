//! Rust bindings for the guest library.

use crate::Error;
use crate::wit::{self, Package};
use wit_bindgen_rust::{Opts, WithOption};

/// The world of the guest library: all interfaces of Golem that a worker may import.
const WORLD: &str = "
package golem:sdk;

world sdk {
    import golem:api/host@0.2.0;
    include golem:durability/durability@1.0.0;
    import golem:rpc/types@1.0.0;
    import wasi:keyvalue/store@0.2.0-draft2;
    import wasi:keyvalue/atomics@0.2.0-draft2;
    import wasi:keyvalue/batch@0.2.0-draft2;
    import wasi:logging/logging@0.1.0-draft;
}
";

/// The first lines of the generated file. A test of this crate fails if the file is stale.
const HEADER: &str = "\
// The guest library's bindings, generated from `wit/` by the crate golem-bindgen.
// `BLESS=1 cargo test -p golem-bindgen` writes them anew.
";

/// Generates the guest library's bindings from the Runtime API in `runtime_api` and the text of `wasi:io`.
///
/// The interfaces return the pollable type of the crate `wasip2`, so that a worker can wait for their pollables
/// together with sockets and timers. That crate uses a newer version of `wasi:io` than the Runtime API, so the version
/// in the Runtime API's text is replaced by the version of `wasi_io`.
pub fn generate_bindings(runtime_api: &[Package], wasi_io: &str) -> Result<String, Error> {
    let version = wit::wasi_io_version(wasi_io)?;
    let mut packages: Vec<Package> = runtime_api.to_vec();
    for (_, text) in packages.iter_mut().flat_map(|package| &mut package.files) {
        *text = text.replace("wasi:io/poll@0.2.0", &format!("wasi:io/poll@{version}"));
    }
    packages.push(Package::file("wasi-io.wit", wasi_io));
    packages.push(Package::file("wasi-logging.wit", include_str!("../wit/wasi-logging.wit")));
    let (mut resolve, package) = wit::resolve(&Package::file("sdk.wit", WORLD), &packages)?;
    let failed = |source| Error::Generate { language: "Rust", world: "golem:sdk/sdk".to_owned(), source };
    let world = resolve.select_world(&[package], Some("sdk")).map_err(failed)?;
    let mut generator = Opts {
        format: true,
        generate_all: true,
        // Workers generate the bindings of their clients themselves, and these use the types of `golem:rpc`.
        generate_unused_types: true,
        // The name of the link section must differ from that of a worker's own bindings.
        type_section_suffix: Some("golem-sdk".to_owned()),
        additional_derive_attributes: ["Eq", "PartialEq", "Hash"].map(str::to_owned).into(),
        // These contain a float and a handle, which have no total equality.
        additional_derive_ignore: ["retry-policy", "cas-error"].map(str::to_owned).into(),
        with: vec![(format!("wasi:io/poll@{version}"), WithOption::Path("::wasip2::io::poll".to_owned()))],
        ..Opts::default()
    }
    .build();
    let mut files = wit_bindgen_core::Files::default();
    wit_bindgen_core::WorldGenerator::generate(&mut generator, &mut resolve, world, &mut files)
        .map_err(failed)?;
    let mut sources = files.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    match (sources.next(), sources.next()) {
        (Some(source), None) => Ok(format!("{HEADER}{source}")),
        (None, _) => Err(failed(anyhow::anyhow!("the generator wrote no file"))),
        (Some(_), Some(_)) => Err(failed(anyhow::anyhow!("the generator wrote more than one file"))),
    }
}

//! States that guest libraries before format 2 have saved, and bytes that no guest library has saved.

use super::model::typed_value;
use super::old_shapes::{Everything, Links, Marker, everything, links};
use super::{check, load, save};
use golem::state::SavedState;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const EVERYTHING: &[u8] = include_bytes!("fixtures/everything-1.bin");
/// As deep as a state of format 1 can be that was ever loaded.
const LINKS: &[u8] = include_bytes!("fixtures/links-1.bin");
/// Options whose values format 1 did not keep.
const OPTIONS: &[u8] = include_bytes!("fixtures/options-1.bin");

type Options = (Option<Option<u8>>, Option<Option<u8>>, Option<()>, Option<()>, Option<Marker>);

#[test]
fn states_in_format_1_are_loaded_and_saved_in_format_2() {
    assert_eq!(load(3, EVERYTHING, None), Ok(everything()));
    check(&everything());
    assert_eq!(load(1, LINKS, None), Ok(links(255)));
    check(&links(255));
    assert_eq!(load::<Options>(1, OPTIONS, None), Ok((Some(Some(5)), None, None, None, None)));
    assert_eq!(EVERYTHING[0], 0xa2);
    assert_eq!(save(3, &everything()).unwrap()[..2], [2, 3]);
}

#[test]
fn states_in_format_1_are_migrated() {
    let migrate = |saved: SavedState<'_>| match saved.version() {
        3 => Ok(saved.read::<Everything>()?.nested),
        other => Err(format!("unknown version {other}")),
    };
    assert_eq!(load(4, EVERYTHING, Some(migrate)), Ok(links(20)));
    assert_eq!(load(4, LINKS, Some(migrate)), Err("unknown version 1".to_owned()));
    assert_eq!(
        load::<Links>(4, LINKS, None).unwrap_err(),
        "the state was saved in its version 1, this is version 4: it needs a function `migrate`"
    );
}

#[test]
fn bytes_that_are_no_state_are_rejected() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "this was not saved by a worker in Rust: it is empty"),
        (b"something else", "this was not saved by a worker in Rust: it begins with the byte 0x73"),
        (&[2], "this was not saved by a worker in Rust: the saved bytes end too early"),
        (&[2, 0x60], "this was not saved by a worker in Rust: it has no version"),
        (&[0xa2, 0], "this was not saved by a worker in Rust: "),
        (
            &[3, 1, 0],
            "the state is in format 3 and this worker reads formats up to 2: build it with a newer version of golem-sdk",
        ),
    ];
    for (bytes, expected) in cases {
        let error = load::<u8>(1, bytes, None).unwrap_err();
        assert!(error.starts_with(expected), "{bytes:?}: {error}");
    }
    let mut longer = save(1, &5_u8).unwrap();
    longer.push(0);
    assert_eq!(
        load::<u8>(1, &longer, None).unwrap_err(),
        "the saved state is of another shape than this one: 1 bytes follow the state"
    );
}

/// The record that format 1 consists of.
#[derive(Serialize, Deserialize)]
struct Record<T> {
    version: u32,
    state: T,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

proptest! {
    #[test]
    fn format_1_is_read_as_its_writer_reads_it(state in typed_value()) {
        state.choose_type();
        let mut bytes = Vec::new();
        ciborium::into_writer(&Record { version: 1, state }, &mut bytes).unwrap();
        // Format 1 loses some values, and then its reader may reject what it has written.
        let version = ciborium::from_reader::<Version, _>(&bytes[..]);
        let record = ciborium::from_reader::<Record<super::model::TypedValue>, _>(&bytes[..]);
        if let (Ok(Version { version: 1 }), Ok(record)) = (version, record) {
            prop_assert_eq!(load(1, &bytes, None), Ok(record.state));
        }
    }
}

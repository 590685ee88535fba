//! The files of the carried guest library: `sdk` and `macros` as in the tree, with plain manifests.
//!
//! The relative paths are those of the tree, because the macros include a file outside their folder.
//! The test `cli/tests/sdk_source.rs` compares the list with the tree.

/// The version of the guest library: that of the whole workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The paths and texts, in the order in which they are hashed.
pub const FILES: &[(&str, &str)] = &[
    ("LICENSE", include_str!("../../../../LICENSE")),
    ("macros/Cargo.toml", include_str!("macros.toml.txt")),
    ("macros/src/ast.rs", include_str!("../../../../macros/src/ast.rs")),
    ("macros/src/attr.rs", include_str!("../../../../macros/src/attr.rs")),
    ("macros/src/expand.rs", include_str!("../../../../macros/src/expand.rs")),
    ("macros/src/fallback.rs", include_str!("../../../../macros/src/fallback.rs")),
    ("macros/src/from_wit.rs", include_str!("../../../../macros/src/from_wit.rs")),
    ("macros/src/lib.rs", include_str!("../../../../macros/src/lib.rs")),
    ("macros/src/model.rs", include_str!("../../../../macros/src/model.rs")),
    ("macros/src/names.rs", include_str!("../../../../macros/src/names.rs")),
    ("macros/src/remote.rs", include_str!("../../../../macros/src/remote.rs")),
    ("macros/src/types.rs", include_str!("../../../../macros/src/types.rs")),
    ("macros/src/valid.rs", include_str!("../../../../macros/src/valid.rs")),
    ("macros/src/wit.rs", include_str!("../../../../macros/src/wit.rs")),
    ("sdk/Cargo.toml", include_str!("sdk.toml.txt")),
    ("sdk/src/bindings.rs", include_str!("../../../../sdk/src/bindings.rs")),
    ("sdk/src/call.rs", include_str!("../../../../sdk/src/call.rs")),
    ("sdk/src/durability.rs", include_str!("../../../../sdk/src/durability.rs")),
    ("sdk/src/guard.rs", include_str!("../../../../sdk/src/guard.rs")),
    ("sdk/src/id.rs", include_str!("../../../../sdk/src/id.rs")),
    ("sdk/src/kv.rs", include_str!("../../../../sdk/src/kv.rs")),
    ("sdk/src/lib.rs", include_str!("../../../../sdk/src/lib.rs")),
    ("sdk/src/logging.rs", include_str!("../../../../sdk/src/logging.rs")),
    ("sdk/src/promise.rs", include_str!("../../../../sdk/src/promise.rs")),
    ("sdk/src/rpc.rs", include_str!("../../../../sdk/src/rpc.rs")),
    ("sdk/src/state.rs", include_str!("../../../../sdk/src/state.rs")),
    ("sdk/src/state/decode.rs", include_str!("../../../../sdk/src/state/decode.rs")),
    ("sdk/src/state/encode.rs", include_str!("../../../../sdk/src/state/encode.rs")),
    ("sdk/src/state/error.rs", include_str!("../../../../sdk/src/state/error.rs")),
    ("sdk/src/state/exact.rs", include_str!("../../../../sdk/src/state/exact.rs")),
    ("sdk/src/state/format.rs", include_str!("../../../../sdk/src/state/format.rs")),
    ("sdk/src/transaction.rs", include_str!("../../../../sdk/src/transaction.rs")),
    ("wit/golem-rpc/types.wit", include_str!("../../../../wit/golem-rpc/types.wit")),
];

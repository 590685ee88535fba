//! What the server says about itself: `/healthcheck` (200, empty) and `/v1/version`.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The server's version.
    pub version: String,
}

//! Health and version of the server: `/healthcheck` (200, empty) and `/v1/version`.

use serde::{Deserialize, Serialize};

/// Response of `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The server's version.
    pub version: String,
}

//! The state of a device login, which the client keeps between its start and its end.
//!
//! The server stores nothing in between, so a login survives a restart. The client may see the device code: programs
//! that use GitHub directly have it too. The MAC ensures that the client sends back exactly what it received.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use golem_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// A device login in progress.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceSession {
    pub(super) device_code: String,
    pub(super) interval: Duration,
    pub(super) expires: Timestamp,
}

impl std::fmt::Debug for DeviceSession {
    /// Omits the device code.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Encodes and decodes sessions.
pub(super) struct SessionCodec {
    mac_key: [u8; 32],
}

impl SessionCodec {
    /// Derives the MAC key from the data folder's secret key.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self { mac_key: blake3::derive_key("golem 2023 device login session mac", secret) }
    }

    /// Encodes a session as text, with a MAC.
    pub(super) fn encode(&self, session: &DeviceSession) -> String {
        let body = serde_json::to_vec(session).expect("a session contains only JSON values");
        let mac = blake3::keyed_hash(&self.mac_key, &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(mac.as_bytes()))
    }

    /// Decodes a text that this server encoded; `None` for any other text.
    pub(super) fn decode(&self, text: &str) -> Option<DeviceSession> {
        let (body, mac) = text.trim().split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let expected = blake3::keyed_hash(&self.mac_key, &body);
        if !bool::from(expected.as_bytes().ct_eq(mac.as_slice())) {
            return None;
        }
        serde_json::from_slice(&body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_sessions_are_decoded() {
        let sessions = SessionCodec::new(&[7; 32]);
        let session = DeviceSession {
            device_code: "secret-code".to_owned(),
            interval: Duration::from_secs(5),
            expires: Timestamp::from_nanos(9),
        };
        let text = sessions.encode(&session);
        assert_eq!(sessions.decode(&text), Some(session.clone()));
        assert_eq!(SessionCodec::new(&[8; 32]).decode(&text), None);
        assert!(!format!("{session:?}").contains("secret-code"));
        let mut other = text.clone();
        other.replace_range(0..1, if text.starts_with('A') { "B" } else { "A" });
        for bad in ["", ".", "a.b", &text[1..], &other] {
            assert_eq!(sessions.decode(bad), None, "{bad}");
        }
    }
}

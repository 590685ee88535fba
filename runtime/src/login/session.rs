//! What a client carries from the start of a device login to its end.
//!
//! Nothing is kept here between the two, so that a login survives a restart. The client could hold the device code
//! itself, as programs do that talk to GitHub without us; the MAC makes sure that it brings back what it was given.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use golem_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// A device login under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceSession {
    pub(super) device_code: String,
    pub(super) interval: Duration,
    pub(super) expires: Timestamp,
}

impl std::fmt::Debug for DeviceSession {
    /// Without the code.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Writes and reads sessions.
pub(super) struct SessionCodec {
    mac_key: [u8; 32],
}

impl SessionCodec {
    /// Under the data folder's secret.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self { mac_key: blake3::derive_key("golem 2023 device login session mac", secret) }
    }

    /// The session as text.
    pub(super) fn encode(&self, session: &DeviceSession) -> String {
        let body = serde_json::to_vec(session).expect("a session is texts and numbers");
        let mac = blake3::keyed_hash(&self.mac_key, &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(mac.as_bytes()))
    }

    /// The session in a text that was made here.
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
    fn only_what_was_made_here_is_read() {
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

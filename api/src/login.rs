//! Login through an identity provider: `/v1/oauth2`, `/login/oauth2/device`.
//!
//! Every login returns an [`UnsafeToken`](crate::token::UnsafeToken).

use golem_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Query of `POST /v1/oauth2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2Query {
    /// The identity provider; `github`.
    pub provider: String,
    /// An access token of the provider.
    #[serde(alias = "access-token")]
    pub access_token: String,
}

/// Response of `POST /login/oauth2/device/start`. The body of the next request, `…/complete`, is `encoded_session` as a
/// JSON string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Data {
    /// The page on which the user confirms the login.
    pub url: String,
    /// The code that the user enters there.
    pub user_code: String,
    /// When the login attempt expires.
    pub expires: Timestamp,
    /// Identifies the login attempt.
    pub encoded_session: String,
}

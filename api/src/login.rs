//! Login through an identity provider: `/v1/oauth2`, `/login/oauth2/device`.
//!
//! Every one of these ends in an [`UnsafeToken`](crate::token::UnsafeToken).

use golem_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Query of `POST /v1/oauth2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2Query {
    /// Who vouches; `github`.
    pub provider: String,
    /// The provider's token.
    #[serde(alias = "access-token")]
    pub access_token: String,
}

/// Answer of `POST /login/oauth2/device/start`. The next request, `…/complete`, has `encoded_session` as a bare JSON
/// string for its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Data {
    /// Where the user confirms.
    pub url: String,
    /// What the user types there.
    pub user_code: String,
    /// Until when.
    pub expires: Timestamp,
    /// Names the attempt.
    pub encoded_session: String,
}

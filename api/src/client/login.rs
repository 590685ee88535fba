//! Requests for the login through an identity provider. They need no token.

use super::{Client, ClientError};
use crate::login::{OAuth2Data, OAuth2Query};
use crate::token::UnsafeToken;
use reqwest::Method;

impl Client {
    /// `POST /v1/oauth2`: exchanges an access token of `provider`, which is `github`, for a token.
    pub async fn login_by_access_token(
        &self,
        provider: &str,
        access_token: &str,
    ) -> Result<UnsafeToken, ClientError> {
        let query = OAuth2Query { provider: provider.to_owned(), access_token: access_token.to_owned() };
        self.json(self.request(Method::POST, &["v1", "oauth2"]).query(&query)).await
    }

    /// `POST /login/oauth2/device/start`: starts a login; returns a code and the page on which the user enters it.
    pub async fn login_start(&self) -> Result<OAuth2Data, ClientError> {
        self.json(self.request(Method::POST, &["login", "oauth2", "device", "start"])).await
    }

    /// `POST /login/oauth2/device/complete`: waits until the user has confirmed, which can take minutes, and returns a
    /// token.
    pub async fn login_complete(&self, encoded_session: &str) -> Result<UnsafeToken, ClientError> {
        let path = ["login", "oauth2", "device", "complete"];
        self.json(self.request(Method::POST, &path).json(&encoded_session)).await
    }
}

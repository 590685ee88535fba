//! Login through an identity provider. None of these requests carries a token.

use super::{Client, ClientError};
use crate::login::{OAuth2Data, OAuth2Query};
use crate::token::UnsafeToken;
use reqwest::Method;

impl Client {
    /// `POST /v1/oauth2`: a token for who has an access token of `provider`, which is `github`.
    pub async fn login_by_access_token(
        &self,
        provider: &str,
        access_token: &str,
    ) -> Result<UnsafeToken, ClientError> {
        let query = OAuth2Query { provider: provider.to_owned(), access_token: access_token.to_owned() };
        self.json(self.request(Method::POST, &["v1", "oauth2"]).query(&query)).await
    }

    /// `POST /login/oauth2/device/start`: what a person types where.
    pub async fn login_start(&self) -> Result<OAuth2Data, ClientError> {
        self.json(self.request(Method::POST, &["login", "oauth2", "device", "start"])).await
    }

    /// `POST /login/oauth2/device/complete`: a token, once the person has confirmed. That can take minutes.
    pub async fn login_complete(&self, encoded_session: &str) -> Result<UnsafeToken, ClientError> {
        let path = ["login", "oauth2", "device", "complete"];
        self.json(self.request(Method::POST, &path).json(&encoded_session)).await
    }
}

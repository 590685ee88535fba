//! Login through GitHub.

use super::Services;
use super::account::audit;
use super::error::ApiError;
use super::extract::{JsonBody, QueryParams};
use super::token::unsafe_token;
use crate::identity::NewToken;
use crate::login::LoginError;
use axum::Json;
use axum::extract::State;
use golem_api::login::{OAuth2Data, OAuth2Query};
use golem_api::token::UnsafeToken;
use http::StatusCode;
use std::sync::Arc;

/// `POST /v1/oauth2`: exchanges an access token of the provider for a token of this server.
pub(super) async fn login_with_access_token(
    State(services): State<Arc<Services>>,
    QueryParams(query): QueryParams<OAuth2Query>,
) -> Result<Json<UnsafeToken>, ApiError> {
    Ok(token_response(&services.login.login_with_access_token(&query.provider, &query.access_token).await?))
}

/// `POST /login/oauth2/device/start`: the page and the code with which a person confirms.
pub(super) async fn device_start(
    State(services): State<Arc<Services>>,
) -> Result<Json<OAuth2Data>, ApiError> {
    let started = services.login.device_start().await?;
    Ok(Json(OAuth2Data {
        url: started.url,
        user_code: started.user_code,
        expires: started.expires,
        encoded_session: started.encoded_session,
    }))
}

/// `POST /login/oauth2/device/complete`: waits for the confirmation and returns a token.
pub(super) async fn device_complete(
    State(services): State<Arc<Services>>,
    JsonBody(encoded_session): JsonBody<String>,
) -> Result<Json<UnsafeToken>, ApiError> {
    tokio::select! {
        new = services.login.device_complete(&encoded_session) => Ok(token_response(&new?)),
        () = services.stopping.cancelled() => Err(ApiError::shutting_down()),
    }
}

fn token_response(new: &NewToken) -> Json<UnsafeToken> {
    audit(new.token.account, "logged in", &new.token.id);
    Json(unsafe_token(new))
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        let text = error.to_string();
        match error {
            LoginError::NotConfigured | LoginError::UnknownProvider(_) | LoginError::BadSession => {
                Self::invalid(text)
            }
            LoginError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(5),
            LoginError::Refused(_) => Self::new(StatusCode::UNAUTHORIZED, text),
            LoginError::InvitationRequired(_) => Self::new(StatusCode::FORBIDDEN, text),
            LoginError::External(_) => {
                tracing::warn!("{text}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
            LoginError::Identity(error) => error.into(),
        }
    }
}

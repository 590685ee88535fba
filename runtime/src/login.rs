//! Login: from somebody whom GitHub knows to a token of ours.
//!
//! `github` speaks to GitHub; `session` is what a client carries from the start of a device login to its end; `web` is
//! the small HTTP client under it.
//!
//! Invariant: an account is found by the number that GitHub gave the user, never by an e-mail address, which people
//! can change here. Invariant: no secret of GitHub's (access tokens, device codes) is stored or logged.

mod github;
mod json_client;
mod session;

pub use json_client::ProviderError;

use crate::config::LoginSettings;
use crate::identity::{Directory, IdentityError, InvitationRequired, NewToken};
use github::{DevicePoll, GitHub};
use golem_host::ports::Clock;
use golem_model::Timestamp;
use session::{DeviceSession, SessionCodec};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What GitHub asks clients to add to their interval when they are too fast and it does not say by how much.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The least time between two questions to GitHub about a login.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Logs people in.
pub struct Login {
    /// `None` if the settings name no client.
    github: Option<GitHub>,
    session_codec: SessionCodec,
    directory: Directory,
    clock: Arc<dyn Clock>,
    attempts: Semaphore,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("configured", &self.github.is_some()).finish_non_exhaustive()
    }
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// This server knows no provider.
    #[error(
        "login is not configured on this server: set login.github_client_id to the client id of a GitHub app; on the \
         machine of the server no login is needed, its token is in the file root-token of the data folder"
    )]
    NotConfigured,
    /// Another provider than ours.
    #[error("Invalid provider {0:?}: this server knows `github`")]
    UnknownProvider(String),
    /// The session was not made here.
    #[error(
        "Invalid encodedSession: it was not made by this server; begin again with /login/oauth2/device/start"
    )]
    BadSession,
    /// Too many at a time.
    #[error("too many logins are under way; come again after the seconds in the header Retry-After")]
    Busy,
    /// The provider does not know them, or they did not confirm.
    #[error("External login failed: {0}")]
    Refused(String),
    /// They may not have an account here.
    #[error(transparent)]
    InvitationRequired(#[from] InvitationRequired),
    /// The provider did not answer as it should.
    #[error("External service call failed: {0}")]
    External(String),
    /// Our side of it failed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<ProviderError> for LoginError {
    fn from(error: ProviderError) -> Self {
        Self::External(error.to_string())
    }
}

/// What a person is shown at the start of a device login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogin {
    /// Where they confirm.
    pub url: String,
    /// What they type there.
    pub user_code: String,
    /// Until when.
    pub expires: Timestamp,
    /// What the client brings back.
    pub encoded_session: String,
}

/// Who GitHub says they are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GitHubUser {
    /// Their number there.
    id: u64,
    name: String,
    /// Primary address; may be empty.
    email: String,
    /// Addresses that GitHub has confirmed.
    confirmed: Vec<String>,
}

impl Login {
    /// As the settings say. `secret` is the data folder's.
    pub fn new(
        settings: &LoginSettings,
        directory: Directory,
        clock: Arc<dyn Clock>,
        secret: &[u8; 32],
    ) -> Result<Self, ProviderError> {
        let github = if settings.github_client_id.is_empty() { None } else { Some(GitHub::new(settings)?) };
        let attempts = usize::try_from(settings.attempts_max).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self {
            github,
            session_codec: SessionCodec::new(secret),
            directory,
            clock,
            attempts: Semaphore::new(attempts.min(Semaphore::MAX_PERMITS)),
        })
    }

    fn github(&self) -> Result<&GitHub, LoginError> {
        self.github.as_ref().ok_or(LoginError::NotConfigured)
    }

    /// Logs in who has an access token of the provider.
    pub async fn login_with_access_token(&self, provider: &str, token: &str) -> Result<NewToken, LoginError> {
        if provider != "github" {
            return Err(LoginError::UnknownProvider(provider.chars().take(100).collect()));
        }
        let github = self.github()?;
        let _attempt = self.attempts.try_acquire().map_err(|_| LoginError::Busy)?;
        github.check_token(token).await?;
        self.issue_token(github.user(token).await?).await
    }

    /// Begins a device login.
    pub async fn device_start(&self) -> Result<DeviceLogin, LoginError> {
        let github = self.github()?;
        let _attempt = self.attempts.try_acquire().map_err(|_| LoginError::Busy)?;
        let code = github.device_code().await?;
        let expires = self.clock.now().plus(code.expires_in);
        let session = DeviceSession { device_code: code.secret, interval: code.interval, expires };
        Ok(DeviceLogin {
            url: code.verification_uri,
            user_code: code.user_code,
            expires,
            encoded_session: self.session_codec.encode(&session),
        })
    }

    /// Waits until the person has confirmed at the provider, or has not in time, and logs them in.
    pub async fn device_complete(&self, encoded_session: &str) -> Result<NewToken, LoginError> {
        let github = self.github()?;
        let session = self.session_codec.decode(encoded_session).ok_or(LoginError::BadSession)?;
        let _attempt = self.attempts.try_acquire().map_err(|_| LoginError::Busy)?;
        let mut interval = session.interval.max(INTERVAL_MIN);
        loop {
            if self.clock.now() >= session.expires {
                return Err(LoginError::Refused("the code has expired; begin again".to_owned()));
            }
            let mut wait = interval;
            match github.poll(&session.device_code).await? {
                DevicePoll::Confirmed(token) => return self.issue_token(github.user(&token).await?).await,
                DevicePoll::Pending => {}
                DevicePoll::SlowDown(asked) => {
                    interval = asked.unwrap_or(interval + SLOW_DOWN).max(interval);
                    wait = interval;
                }
                DevicePoll::RateLimited(after) => wait = after.max(interval),
            }
            self.clock.sleep_until(self.clock.elapsed() + wait).await;
        }
    }

    /// A token for the person's account, which is made if they have none and may have one.
    async fn issue_token(&self, user: GitHubUser) -> Result<NewToken, LoginError> {
        let external = format!("github:{}", user.id);
        let account =
            self.directory.account_ensure_external(external, user.name, user.email, user.confirmed).await??;
        Ok(self.directory.token_issue(account.id, None).await?)
    }
}

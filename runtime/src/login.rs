//! Login: exchanges proof of a GitHub identity for a token of this server.
//!
//! `github` is the client of GitHub, `json_client` the HTTP client below it. `session` encodes the state of a device
//! login, which the client keeps between its start and its end.
//!
//! Invariant: an account is found by the user's id at GitHub, never by an e-mail address, because people can change the
//! address of an account here. Invariant: no secret of GitHub (access token, device code) is stored or logged.

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

/// GitHub's documented increment of the polling interval, for a `slow_down` response that does not name an interval.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The shortest interval between two polls of a login.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Logs people in.
pub struct Login {
    /// `None` if the settings name no client id.
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

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The settings name no client id.
    #[error(
        "login is not configured on this server: set login.github_client_id to the client id of a GitHub app; without \
         a login, use the token in the file root-token of the server's data folder"
    )]
    NotConfigured,
    /// The request names another provider than `github`.
    #[error("Invalid provider {0:?}: this server knows `github`")]
    UnknownProvider(String),
    /// The session was not encoded by this server.
    #[error(
        "Invalid encodedSession: it was not created by this server; start again with /login/oauth2/device/start"
    )]
    BadSession,
    /// Too many logins are in progress.
    #[error("too many logins are in progress; retry after the seconds in the header Retry-After")]
    Busy,
    /// GitHub does not accept the credentials, or the person did not confirm.
    #[error("External login failed: {0}")]
    Refused(String),
    /// A new account needs an invitation, and none of the addresses has one.
    #[error(transparent)]
    InvitationRequired(#[from] InvitationRequired),
    /// GitHub could not be reached, or its response is unexpected.
    #[error("External service call failed: {0}")]
    External(String),
    /// The account or the token could not be created.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<ProviderError> for LoginError {
    fn from(error: ProviderError) -> Self {
        Self::External(error.to_string())
    }
}

/// Result of starting a device login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogin {
    /// The page where the person confirms the login.
    pub url: String,
    /// The code that the person types there.
    pub user_code: String,
    /// When the code expires.
    pub expires: Timestamp,
    /// The state of the login, which the client sends back to complete it.
    pub encoded_session: String,
}

/// A user as GitHub describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GitHubUser {
    /// The user's id at GitHub.
    id: u64,
    name: String,
    /// Primary e-mail address; may be empty.
    email: String,
    /// E-mail addresses that GitHub has verified.
    confirmed: Vec<String>,
}

impl Login {
    /// Creates the service from the settings. `secret` is the data folder's secret key.
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

    /// Logs in with an access token of the provider.
    pub async fn login_with_access_token(&self, provider: &str, token: &str) -> Result<NewToken, LoginError> {
        if provider != "github" {
            return Err(LoginError::UnknownProvider(provider.chars().take(100).collect()));
        }
        let github = self.github()?;
        let _attempt = self.attempts.try_acquire().map_err(|_| LoginError::Busy)?;
        github.check_token(token).await?;
        self.issue_token(github.user(token).await?).await
    }

    /// Starts a device login.
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

    /// Polls until the person has confirmed at GitHub, then logs in. Fails when the code expires.
    pub async fn device_complete(&self, encoded_session: &str) -> Result<NewToken, LoginError> {
        let github = self.github()?;
        let session = self.session_codec.decode(encoded_session).ok_or(LoginError::BadSession)?;
        let _attempt = self.attempts.try_acquire().map_err(|_| LoginError::Busy)?;
        let mut interval = session.interval.max(INTERVAL_MIN);
        loop {
            if self.clock.now() >= session.expires {
                return Err(LoginError::Refused("the code has expired; start the login again".to_owned()));
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

    /// Creates a token for the user's account. Creates the account if there is none and the user may have one.
    async fn issue_token(&self, user: GitHubUser) -> Result<NewToken, LoginError> {
        let external = format!("github:{}", user.id);
        let account =
            self.directory.account_ensure_external(external, user.name, user.email, user.confirmed).await??;
        Ok(self.directory.token_issue(account.id, None).await?)
    }
}

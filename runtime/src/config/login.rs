//! Section `login`: login through GitHub.

use super::setting::{SecretText, section};

section! {
    /// Login through GitHub.
    LoginSettings = "login" {
        /// Client id of a GitHub app that has the device flow enabled. Without it, login is disabled.
        github_client_id: String = String::new(), ();
        /// Client secret of the app. With it, access tokens that were issued for other apps are refused.
        github_client_secret: SecretText = SecretText::default(), ();
        /// URL of GitHub's login pages.
        github_url: String = "https://github.com".to_owned(), ();
        /// URL of GitHub's API.
        github_api_url: String = "https://api.github.com".to_owned(), ();
        /// Milliseconds to wait for a response of GitHub.
        request_ms_max: u64 = 10_000, 1..=600_000;
        /// Logins in progress at the same time; further ones are answered 429.
        attempts_max: u64 = 256, 1..=100_000;
    }
}

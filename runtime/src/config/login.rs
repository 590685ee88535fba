//! Section `login`: how people get tokens by themselves.

use super::setting::{SecretText, section};

section! {
    /// How people get tokens by themselves.
    LoginSettings = "login" {
        /// Client id of a GitHub app with the device flow switched on. Without it nobody can log in.
        github_client_id: String = String::new(), ();
        /// Its client secret. With it, access tokens that were made for other apps are refused.
        github_client_secret: SecretText = SecretText::default(), ();
        /// Where people log in.
        github_url: String = "https://github.com".to_owned(), ();
        /// Where GitHub tells who they are.
        github_api_url: String = "https://api.github.com".to_owned(), ();
        /// Milliseconds that GitHub may take for an answer.
        request_ms_max: u64 = 10_000, 1..=600_000;
        /// Logins under way at a time; one more is answered 429.
        attempts_max: u64 = 256, 1..=100_000;
    }
}

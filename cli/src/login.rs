//! Obtains a token by device login and stores it.
//!
//! Invariant: only the owner of the file with the stored token can read it.

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::profile::{AUTHENTICATION_FILE, config_directory};
use golem_api::client::{Client, ClientOptions};
use golem_api::token::UnsafeToken;
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Logs in and stores the token. Returns `None` if the server does not support device login.
pub(crate) async fn log_in(global: &GlobalArgs, home: Option<&Path>) -> Result<Option<String>, CliError> {
    let options = ClientOptions { token: None, allow_insecure: global.allow_insecure };
    let client = Client::with_options(&global.base_url, options)?;
    let started = match client.login_start().await {
        Ok(started) => started,
        Err(error) if error.status() == Some(400) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Instructions for the user, not a result: they go to standard error.
    eprintln!("To log in, open this page:\n\n    {}\n", started.url);
    eprintln!("and enter this code, which expires at {}:\n\n    {}\n", started.expires, started.user_code);
    eprintln!("Waiting...");
    let token = client.login_complete(&started.encoded_session).await?;
    store_token(global, home, &token)?;
    Ok(Some(token.secret.0))
}

fn store_token(global: &GlobalArgs, home: Option<&Path>, token: &UnsafeToken) -> Result<(), CliError> {
    let Some(directory) = config_directory(global, home) else { return Ok(()) };
    let path = directory.join(AUTHENTICATION_FILE);
    // The secret is a plain string, as in the file that the 2023 command line tool wrote.
    let text = json!({ "data": token.data, "secret": token.secret.0 }).to_string();
    write_private(&directory, &path, &text).map_err(|source| CliError::Write { path, source })
}

/// Writes a file that only its owner can read. The rename replaces an existing file, whatever its permissions are.
fn write_private(directory: &Path, path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::create_dir_all(directory)?;
    let temporary = path.with_extension("tmp");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&temporary, path)
}

//! Creates the client for the selected server and finds its token.
//!
//! The first source that provides a token is used:
//!
//! 1. `--auth-token` or `GOLEM_AUTH_TOKEN`
//! 2. the file `root-token` in the folder given by `--data-dir` or `GOLEM_DATA_DIR`
//! 3. `cloud_authentication.json` in the configuration directory
//! 4. for a server on this machine: `golem-data/root-token`, where `golem server` stores it by default
//! 5. a device login, if the server supports it; the token is then stored in `cloud_authentication.json`
//!
//! Invariant: the token of source 4 is sent to a server on this machine only.

use crate::args::GlobalArgs;
use crate::error::CliError;
use golem_api::client::{Client, ClientOptions};
use golem_api::token::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tracing::info;

/// Name of the file in a server's data folder that contains the secret of its first token.
const ROOT_TOKEN_FILE: &str = "root-token";
/// Name of the file in the configuration directory that contains the stored token. The 2023 command line tool used the
/// same file.
pub(crate) const AUTHENTICATION_FILE: &str = "cloud_authentication.json";
/// The default data folder of a server.
const DATA_DIR_DEFAULT: &str = "golem-data";

/// Creates the client for the server that `global` selects. `token` is the secret of a token.
pub fn client(global: &GlobalArgs, token: String) -> Result<Client, CliError> {
    let options = ClientOptions { token: Some(token), allow_insecure: global.allow_insecure };
    Ok(Client::with_options(&global.base_url, options)?)
}

/// Finds the secret of the token in the sources 1 to 4 (see the module's documentation).
pub fn token(global: &GlobalArgs, home: Option<&Path>) -> Result<String, CliError> {
    if let Some(token) = &global.auth_token {
        return Ok(token.clone());
    }
    if let Some(data_dir) = &global.data_dir {
        let path = Path::new(data_dir).join(ROOT_TOKEN_FILE);
        return read_optional(&path)?.map(trimmed).ok_or(CliError::NoRootToken { path });
    }
    if let Some(path) = config_directory(global, home).map(|directory| directory.join(AUTHENTICATION_FILE))
        && let Some(text) = read_optional(&path)?
    {
        #[derive(Deserialize)]
        struct Stored {
            secret: Secret,
        }
        info!(path = %path.display(), "using the stored token");
        return match serde_json::from_str::<Stored>(&text) {
            Ok(stored) => Ok(stored.secret.0),
            Err(source) => Err(CliError::StoredToken { path, source }),
        };
    }
    if is_local(&global.base_url) {
        let path: PathBuf = [DATA_DIR_DEFAULT, ROOT_TOKEN_FILE].iter().collect();
        if let Some(text) = read_optional(&path)? {
            info!(path = %path.display(), "using the local server's token");
            return Ok(trimmed(text));
        }
    }
    Err(CliError::NoToken)
}

/// The configuration directory: `--config-directory`, otherwise `.golem` in the home folder.
pub(crate) fn config_directory(global: &GlobalArgs, home: Option<&Path>) -> Option<PathBuf> {
    global.config_directory.clone().or_else(|| Some(home?.join(".golem")))
}

fn trimmed(text: impl AsRef<str>) -> String {
    text.as_ref().trim().to_owned()
}

fn read_optional(path: &Path) -> Result<Option<String>, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CliError::Read { path: path.to_owned(), source }),
    }
}

/// Whether the address of a server is an address of this machine.
fn is_local(base_url: &str) -> bool {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // In `localhost:x@elsewhere`, the host is `elsewhere`.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for local in
            ["http://localhost:9881", "http://127.0.0.1:1/", "https://[::1]:9881", "http://LOCALHOST"]
        {
            assert!(is_local(local), "{local}");
        }
        for elsewhere in [
            "http://example.com",
            "http://localhost.example.com",
            "http://localhost@example.com",
            "http://127.0.0.1:80@example.com/",
            "http://10.0.0.1:9881",
            "http://example.com/localhost",
            "",
        ] {
            assert!(!is_local(elsewhere), "{elsewhere}");
        }
    }
}

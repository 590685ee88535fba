//! Which server to talk to, and with which token.
//!
//! The token is, in this order: `--auth-token` or `GOLEM_AUTH_TOKEN`; the file `root-token` in the folder given by
//! `--data-dir` or `GOLEM_DATA_DIR`; `cloud_authentication.json` in the configuration directory; and for a server on
//! this machine, `golem-data/root-token`, where `golem server` puts it if it is told nothing. Where there is none, a server
//! that logs people in is asked for one, which is kept in `cloud_authentication.json`.
//!
//! Invariant: a token that was not named for it is never sent to another machine than this one.

use crate::args::Global;
use crate::error::CliError;
use golem_api::client::{Client, ClientOptions};
use golem_api::token::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tracing::info;

/// Where a server writes the secret of its first token, in its data folder.
const ROOT_TOKEN_FILE: &str = "root-token";
/// Where the hosted service's tool kept its token, in the configuration directory.
pub(crate) const AUTHENTICATION_FILE: &str = "cloud_authentication.json";
/// The data folder of a server that is told nothing.
const DATA_DIR_DEFAULT: &str = "golem-data";

/// The client that `global` asks for, with the secret of a token.
pub fn client(global: &Global, token: String) -> Result<Client, CliError> {
    let options = ClientOptions { token: Some(token), allow_insecure: global.allow_insecure };
    Ok(Client::with_options(&global.base_url, options)?)
}

/// The secret of the token that `global` asks for.
pub fn token(global: &Global, home: Option<&Path>) -> Result<String, CliError> {
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

/// The configuration directory.
pub(crate) fn config_directory(global: &Global, home: Option<&Path>) -> Option<PathBuf> {
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

/// Whether a server's address is this machine's.
fn is_local(base_url: &str) -> bool {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // `localhost:x@elsewhere` is elsewhere.
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
    fn only_this_machine_is_local() {
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

//! Creates rows and secrets at the first start, and checks them at every later start.
//!
//! Invariant: the token's file is durable before its row, so that there is no row whose secret is lost. Until the row
//! is durable, the file has another name (`root-token.new`). After a crash in between, the next start finds that file
//! and completes the steps.

use super::account::new_account;
use super::secret_file;
use super::token::secret_hash;
use crate::entropy::Entropy;
use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_host::ports::Clock;
use golem_model::{Account, AccountId, ProjectId, Role, Token, TokenId};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// Name of the file with the secret of a token of the root account. Its mode is 0600.
pub const ROOT_TOKEN_FILE: &str = "root-token";
/// Name of the file with the key that authenticates invocation keys and login sessions. Its mode is 0600.
pub const SECRET_KEY_FILE: &str = "secret-key";
/// Name of the root token's file until its row is durable.
const ROOT_TOKEN_STAGED: &str = "root-token.new";

/// Validity of a root token: longer than any server lives, and a date that all clients can parse.
const ROOT_TOKEN_LIFE: Duration = Duration::from_hours(100 * 365 * 24);

/// What the server needs from [`bootstrap`].
#[derive(Debug)]
pub struct ServerSecrets {
    /// The data folder's secret key.
    pub secret_key: [u8; 32],
    /// Path of the file with the root token.
    pub token_file: PathBuf,
}

/// Why `bootstrap` failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A file cannot be read or written.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What failed: "read" or "write".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file does not contain a token.
    #[error("{} does not hold a token (a UUID); remove the file, and the next start creates a new token", path.display())]
    RootToken {
        /// The file.
        path: PathBuf,
    },
    /// The file does not contain a key.
    #[error("{} does not hold a key of 32 bytes, it has {length}; restore it from a copy, or remove it: \
             the next start creates a new one, and invocation keys that were issued before are refused", path.display())]
    SecretKey {
        /// The file.
        path: PathBuf,
        /// Length of the file in bytes.
        length: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates what is missing in `dir` and in `catalog`. This process must hold the folder's lock.
pub fn bootstrap(
    dir: &Path,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<ServerSecrets, BootstrapError> {
    let first = catalog.accounts()?.is_empty();
    let secret_key = secret_key(&dir.join(SECRET_KEY_FILE), entropy, first)?;
    let token_file = root_token(dir, catalog, clock, entropy)?;
    Ok(ServerSecrets { secret_key, token_file })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BootstrapError> {
    secret_file::read(path).map_err(|source| BootstrapError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, secret: &[u8]) -> Result<(), BootstrapError> {
    secret_file::write(path, secret).map_err(|source| BootstrapError::File {
        operation: "write",
        path: path.to_owned(),
        source,
    })
}

fn secret_key(path: &Path, entropy: &dyn Entropy, first: bool) -> Result<[u8; 32], BootstrapError> {
    if let Some(bytes) = read(path)? {
        return bytes
            .as_slice()
            .try_into()
            .map_err(|_| BootstrapError::SecretKey { path: path.to_owned(), length: bytes.len() });
    }
    if !first {
        tracing::warn!(path = %path.display(), "the secret key was missing and a new one was created: invocation keys that were issued before are refused");
    }
    let mut key = [0; 32];
    entropy.fill(&mut key);
    write(path, &key)?;
    Ok(key)
}

fn root_token(
    dir: &Path,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<PathBuf, BootstrapError> {
    let path = dir.join(ROOT_TOKEN_FILE);
    let staged_path = dir.join(ROOT_TOKEN_STAGED);
    let now = clock.now();
    let mut writes = Vec::new();
    let accounts = catalog.accounts()?;
    // Access to the data folder makes an administrator. So the root token belongs to the oldest administrator; if there
    // is none, the oldest account becomes one.
    let administrator = |account: &&Account| account.roles.contains(&Role::Admin);
    let oldest = |account: &&Account| (account.created_at, account.id);
    let root =
        accounts.iter().filter(administrator).min_by_key(oldest).map(|account| account.id).or_else(|| {
            let first = accounts.iter().min_by_key(oldest)?;
            let roles = first.roles.iter().copied().chain([Role::Admin]).collect();
            writes.push(CatalogWrite::AccountChanged(Account { roles, ..first.clone() }));
            Some(first.id)
        });
    let root = root.unwrap_or_else(|| {
        let account = Account {
            id: AccountId(entropy.uuid()),
            name: "root".to_owned(),
            email: String::new(),
            created_at: now,
            roles: [Role::Admin].into(),
            external: None,
        };
        let id = account.id;
        writes.extend(new_account(account, ProjectId(entropy.uuid())));
        id
    });

    let tokens = catalog.tokens()?;
    let parse = |bytes: &[u8], path: &Path| {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| Uuid::try_parse(text.trim()).ok())
            .ok_or_else(|| BootstrapError::RootToken { path: path.to_owned() })
    };
    let in_file = read(&path)?.map(|bytes| parse(&bytes, &path)).transpose()?;
    let secret = match in_file {
        Some(secret) => secret,
        // An earlier start may have crashed between the file and its row, or between the row and the rename.
        None => match read(&staged_path)?.map(|bytes| parse(&bytes, &staged_path)).transpose()? {
            Some(secret) => secret,
            None => write_staged_secret(&staged_path, entropy)?,
        },
    };
    let hash = secret_hash(secret);
    if !tokens.iter().any(|token| token.secret_hash == hash) {
        if in_file.is_some() && !tokens.is_empty() {
            // The token is not made valid again: it may have been revoked on purpose.
            tracing::warn!(path = %path.display(), "the token in this file is unknown, it may have been revoked; remove the file, and the next start creates a new one");
        } else {
            if in_file.is_none() && !tokens.is_empty() {
                tracing::warn!(path = %path.display(), "the root token's file was missing: a new token was created, older ones stay valid until they are revoked");
            }
            writes.push(CatalogWrite::Token(Token {
                id: TokenId(entropy.uuid()),
                account: root,
                secret_hash: hash,
                created_at: now,
                expires_at: now.plus(ROOT_TOKEN_LIFE),
            }));
        }
    }
    if !writes.is_empty() {
        catalog.write(&writes)?;
    }
    if in_file.is_none() {
        secret_file::rename(&staged_path, &path).map_err(|source| BootstrapError::File {
            operation: "write",
            path: path.clone(),
            source,
        })?;
    }
    Ok(path)
}

/// Creates a secret and writes it to the file for a token without a row.
fn write_staged_secret(path: &Path, entropy: &dyn Entropy) -> Result<Uuid, BootstrapError> {
    let secret = entropy.uuid();
    write(path, secret.to_string().as_bytes())?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use crate::storage::memory::MemoryStore;
    use std::os::unix::fs::PermissionsExt;

    fn start(dir: &Path, store: &MemoryStore) -> Result<ServerSecrets, BootstrapError> {
        bootstrap(dir, store, &SystemClock::new(), &SystemEntropy)
    }

    #[test]
    fn the_first_start_creates_rows_and_secrets_and_the_next_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::default();
        let first = start(dir.path(), &store).unwrap();
        let token = std::fs::read_to_string(&first.token_file).unwrap();
        assert_eq!(store.accounts().unwrap().len(), 1);
        assert_eq!(store.projects().unwrap()[0].name, "default-project");
        assert_eq!(store.tokens().unwrap()[0].secret_hash, secret_hash(token.parse().unwrap()));
        for file in [ROOT_TOKEN_FILE, SECRET_KEY_FILE] {
            let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let second = start(dir.path(), &store).unwrap();
        assert_eq!(second.secret_key, first.secret_key);
        assert_eq!(std::fs::read_to_string(&second.token_file).unwrap(), token);
        assert_eq!(store.tokens().unwrap().len(), 1);
    }

    #[test]
    fn a_missing_token_file_causes_a_new_token() {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::default();
        let path = start(dir.path(), &store).unwrap().token_file;
        let old = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        start(dir.path(), &store).unwrap();
        assert_ne!(std::fs::read_to_string(&path).unwrap(), old);
        assert_eq!(store.tokens().unwrap().len(), 2);
        assert_eq!(store.accounts().unwrap().len(), 1);
    }

    #[test]
    fn a_crash_between_file_row_and_rename_is_repaired() {
        // A crash after the file, before the row.
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::default();
        let secret = Uuid::from_u128(7);
        std::fs::write(dir.path().join(ROOT_TOKEN_STAGED), secret.to_string()).unwrap();
        let path = start(dir.path(), &store).unwrap().token_file;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), secret.to_string());
        assert_eq!(store.tokens().unwrap().len(), 1);
        // A crash after the row, before the rename.
        std::fs::rename(&path, dir.path().join(ROOT_TOKEN_STAGED)).unwrap();
        let path = start(dir.path(), &store).unwrap().token_file;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), secret.to_string());
        assert_eq!(store.tokens().unwrap().len(), 1);
    }

    #[test]
    fn files_with_other_contents_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(ROOT_TOKEN_FILE), "hello").unwrap();
        let error = start(dir.path(), &MemoryStore::default()).unwrap_err().to_string();
        assert!(error.contains("does not hold a token"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SECRET_KEY_FILE), "short").unwrap();
        let error = start(dir.path(), &MemoryStore::default()).unwrap_err().to_string();
        assert!(error.contains("it has 5"), "{error}");
    }

    #[test]
    fn a_token_file_written_before_the_first_start_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::default();
        let secret = Uuid::from_u128(9);
        std::fs::write(dir.path().join(ROOT_TOKEN_FILE), format!("{secret}\n")).unwrap();
        start(dir.path(), &store).unwrap();
        assert_eq!(store.tokens().unwrap()[0].secret_hash, secret_hash(secret));
    }
}

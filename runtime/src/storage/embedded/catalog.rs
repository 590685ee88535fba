//! Accounts, projects, tokens and templates: a JSON column, and columns for uniqueness and removal.

use super::connection::Opener;
use super::writer::WriteFailure;
use super::{EmbeddedStore, WriteTarget, deleted_names, values};
use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_model::{Account, Grant, Invitation, MonthlyUsage, Policy, Project, TemplateVersion, Token};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only key of the table `switch`.
const INVITATION_NEEDED: &str = "invitation_needed";

impl Catalog for EmbeddedStore {
    fn write(&self, writes: &[CatalogWrite]) -> Result<(), StoreError> {
        self.write_with(WriteTarget::Catalog, |writer| {
            writer.transact(|writer| {
                writes.iter().try_for_each(|write| write_one(&self.opener, writer.connection(), write))
            })?;
            let leaves_garbage = |write: &CatalogWrite| {
                matches!(write, CatalogWrite::ProjectRemoved(_) | CatalogWrite::TemplateRemoved(_))
            };
            if writes.iter().any(leaves_garbage) {
                writer.expect_abandoned();
            }
            Ok(())
        })
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read_rows("account", "SELECT data FROM account ORDER BY id")
    }

    fn projects(&self) -> Result<Vec<Project>, StoreError> {
        self.read_rows("project", "SELECT data FROM project ORDER BY id")
    }

    fn policies(&self) -> Result<Vec<Policy>, StoreError> {
        self.read_rows("policy", "SELECT data FROM policy ORDER BY id")
    }

    fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.read_rows("project_grant", "SELECT data FROM project_grant ORDER BY id")
    }

    fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.read_rows("token", "SELECT data FROM token ORDER BY id")
    }

    fn invited(&self) -> Result<Vec<Invitation>, StoreError> {
        self.read_rows("invited", "SELECT data FROM invited ORDER BY email")
    }

    fn invitation_needed(&self) -> Result<Option<bool>, StoreError> {
        self.readers.with(|connection| {
            connection
                .prepare_cached("SELECT is_on FROM switch WHERE name = ?")
                .and_then(|mut statement| {
                    statement.query_row([INVITATION_NEEDED], |row| row.get(0)).optional()
                })
                .map_err(|error| self.opener.store_error("read", error))
        })
    }

    fn usage(&self) -> Result<Vec<MonthlyUsage>, StoreError> {
        self.read_rows("usage", "SELECT data FROM usage ORDER BY account")
    }

    fn template_versions(&self) -> Result<Vec<TemplateVersion>, StoreError> {
        self.read_rows("template_version", "SELECT data FROM template_version ORDER BY project, id, version")
    }
}

impl EmbeddedStore {
    fn read_rows<T: DeserializeOwned>(&self, table: &'static str, sql: &str) -> Result<Vec<T>, StoreError> {
        self.readers.with(|connection| {
            let failed = |error| self.opener.store_error("read", error);
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let mut rows = statement.query([]).map_err(failed)?;
            let mut found = Vec::new();
            // One text is in memory at a time.
            while let Some(row) = rows.next().map_err(failed)? {
                let text = row.get_ref(0).and_then(|text| Ok(text.as_str()?)).map_err(failed)?;
                found.push(serde_json::from_str(text).map_err(|error| {
                    self.opener.corrupt_error(format!("table {table}"), error.to_string())
                })?);
            }
            Ok(found)
        })
    }
}

/// Why a row is not written.
enum PutError {
    /// It conflicts with another row, its parent row is missing, or it has child rows.
    Conflict,
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for PutError {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
            Self::Conflict
        } else {
            Self::Sql(error)
        }
    }
}

/// Name of a row's kind, for error messages.
fn row_kind(write: &CatalogWrite) -> &'static str {
    match write {
        CatalogWrite::Account(_) | CatalogWrite::AccountChanged(_) | CatalogWrite::AccountRemoved(_) => {
            "account"
        }
        CatalogWrite::Project(_) | CatalogWrite::ProjectRemoved(_) => "project",
        CatalogWrite::Policy(_) => "policy",
        CatalogWrite::Grant(_) | CatalogWrite::GrantRemoved(_) => "grant",
        CatalogWrite::Token(_) | CatalogWrite::TokenRemoved(_) => "token",
        CatalogWrite::Invitation(_) | CatalogWrite::InvitedRemoved(_) | CatalogWrite::InvitationNeeded(_) => {
            "invitation"
        }
        CatalogWrite::MonthlyUsage(_) => "usage",
        CatalogWrite::TemplateVersion(_) | CatalogWrite::TemplateRemoved(_) => "template",
    }
}

fn write_one(opener: &Opener, connection: &Connection, write: &CatalogWrite) -> Result<(), WriteFailure> {
    apply_write(connection, write).map_err(|error| match error {
        PutError::Conflict => WriteFailure::Refused(StoreError::Conflict { what: row_kind(write) }),
        PutError::Sql(error) => WriteFailure::Broken(opener.store_error("write", error)),
    })
}

fn apply_write(connection: &Connection, write: &CatalogWrite) -> Result<(), PutError> {
    let run = |sql: &str, params: &[&dyn ToSql]| -> Result<usize, PutError> {
        Ok(connection.prepare_cached(sql)?.execute(params)?)
    };
    match write {
        CatalogWrite::Account(account) => {
            let sql = "INSERT INTO account (id, external, data) VALUES (?, ?, ?)";
            run(sql, params![account.id.0.as_bytes(), account.external, json(account)])?;
        }
        CatalogWrite::AccountChanged(account) => {
            let sql = "UPDATE account SET external = ?2, data = ?3 WHERE id = ?1";
            if run(sql, params![account.id.0.as_bytes(), account.external, json(account)])? == 0 {
                return Err(PutError::Conflict);
            }
        }
        CatalogWrite::AccountRemoved(id) => {
            let id = id.0.as_bytes();
            if exists(connection, "SELECT EXISTS (SELECT 1 FROM project WHERE owner = ?)", id)? {
                return Err(PutError::Conflict);
            }
            run("DELETE FROM token WHERE account = ?", params![id])?;
            run("DELETE FROM project_grant WHERE grantee = ?", params![id])?;
            run("DELETE FROM usage WHERE account = ?", params![id])?;
            run("DELETE FROM account WHERE id = ?", params![id])?;
        }
        CatalogWrite::Project(project) => {
            let sql = "INSERT INTO project (id, owner, is_default, data) VALUES (?, ?, ?, ?)";
            let (id, owner) = (project.id.0.as_bytes(), project.owner.0.as_bytes());
            run(sql, params![id, owner, project.default, json(project)])?;
        }
        CatalogWrite::ProjectRemoved(id) => {
            let id = id.0.as_bytes();
            if exists(connection, "SELECT EXISTS (SELECT 1 FROM template_version WHERE project = ?)", id)? {
                return Err(PutError::Conflict);
            }
            run("DELETE FROM project_grant WHERE project = ?", params![id])?;
            run("DELETE FROM project WHERE id = ?", params![id])?;
            // A project may have gigabytes of values. They are removed in small steps later, not in this transaction.
            values::mark_project_abandoned(connection, id)?;
        }
        CatalogWrite::Policy(policy) => {
            let sql = "INSERT INTO policy (id, data) VALUES (?, ?)";
            run(sql, params![policy.id.0.as_bytes(), json(policy)])?;
        }
        CatalogWrite::Grant(grant) => {
            let sql = "INSERT INTO project_grant (id, project, grantee, data) VALUES (?, ?, ?, ?)";
            let (project, grantee) = (grant.project.0.as_bytes(), grant.grantee.0.as_bytes());
            run(sql, params![grant.id.0.as_bytes(), project, grantee, json(grant)])?;
        }
        CatalogWrite::GrantRemoved(id) => {
            run("DELETE FROM project_grant WHERE id = ?", params![id.0.as_bytes()])?;
        }
        CatalogWrite::Token(token) => {
            let sql = "INSERT INTO token (id, account, data) VALUES (?, ?, ?)";
            run(sql, params![token.id.0.as_bytes(), token.account.0.as_bytes(), json(token)])?;
        }
        CatalogWrite::TokenRemoved(id) => {
            run("DELETE FROM token WHERE id = ?", params![id.0.as_bytes()])?;
        }
        CatalogWrite::Invitation(invited) => {
            let sql = "INSERT INTO invited (email, data) VALUES (?, ?) ON CONFLICT DO NOTHING";
            run(sql, params![invited.email, json(invited)])?;
        }
        CatalogWrite::InvitedRemoved(email) => {
            run("DELETE FROM invited WHERE email = ?", params![email])?;
        }
        CatalogWrite::InvitationNeeded(needed) => {
            run(
                "INSERT OR REPLACE INTO switch (name, is_on) VALUES (?, ?)",
                params![INVITATION_NEEDED, needed],
            )?;
        }
        CatalogWrite::MonthlyUsage(usage) => {
            let sql = "INSERT OR REPLACE INTO usage (account, data) VALUES (?, ?)";
            run(sql, params![usage.account.0.as_bytes(), json(usage)])?;
        }
        CatalogWrite::TemplateVersion(version) => {
            if !is_next_version(connection, version)? {
                return Err(PutError::Conflict);
            }
            let sql =
                "INSERT INTO template_version (id, version, project, name, data) VALUES (?, ?, ?, ?, ?)";
            let (id, project) = (version.id.0.as_bytes(), version.project.0.as_bytes());
            run(sql, params![id, version.version, project, version.name, json(version)])?;
        }
        CatalogWrite::TemplateRemoved(id) => {
            run("DELETE FROM template_version WHERE id = ?", params![id.0.as_bytes()])?;
            // A template may have millions of deleted names. They are removed in small steps later.
            deleted_names::mark_template_removed(connection, id.0.as_bytes())?;
        }
    }
    Ok(())
}

fn exists(connection: &Connection, sql: &str, id: &[u8; 16]) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))
}

/// Whether this is version 0 of a new id, or the next version in the same project. The project must exist, and no other
/// template in it may have the name.
fn is_next_version(connection: &Connection, version: &TemplateVersion) -> rusqlite::Result<bool> {
    let project = version.project.0.as_bytes();
    if !exists(connection, "SELECT EXISTS (SELECT 1 FROM project WHERE id = ?)", project)? {
        return Ok(false);
    }
    let last: Option<(u32, [u8; 16])> = connection
        .prepare_cached(
            "SELECT version, project FROM template_version WHERE id = ? ORDER BY version DESC LIMIT 1",
        )?
        .query_row([version.id.0.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_successor = match last {
        None => version.version == 0,
        Some((last, of)) => last.checked_add(1) == Some(version.version) && of == *project,
    };
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM template_version WHERE project = ? AND name = ? AND id <> ?)",
        )?
        .query_row((project, &version.name, version.id.0.as_bytes()), |row| row.get(0))?;
    Ok(is_successor && !taken)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types have string keys only, so JSON can hold them")
}

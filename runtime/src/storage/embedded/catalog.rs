//! Accounts, projects, tokens and templates: JSON beside the columns by which they must be unique.

use super::connection::Opener;
use super::writer::Failure;
use super::{EmbeddedStore, Target};
use crate::storage::ports::{Catalog, CatalogWrite, StoreError};
use golem_model::{Account, Project, TemplateVersion, Token};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Catalog for EmbeddedStore {
    fn write(&self, writes: &[CatalogWrite]) -> Result<(), StoreError> {
        self.write_with(Target::Other, |writer| {
            writer.transact(|writer| {
                writes.iter().try_for_each(|write| write_one(&self.opener, writer.connection(), write))
            })
        })
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.all("account", "SELECT data FROM account ORDER BY id")
    }

    fn projects(&self) -> Result<Vec<Project>, StoreError> {
        self.all("project", "SELECT data FROM project ORDER BY id")
    }

    fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.all("token", "SELECT data FROM token ORDER BY id")
    }

    fn template_versions(&self) -> Result<Vec<TemplateVersion>, StoreError> {
        self.all("template_version", "SELECT data FROM template_version ORDER BY project, id, version")
    }
}

impl EmbeddedStore {
    fn all<T: DeserializeOwned>(&self, table: &'static str, sql: &str) -> Result<Vec<T>, StoreError> {
        self.readers.with(|connection| {
            let texts: Vec<String> = connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
                .map_err(|error| self.opener.failed("read", error))?;
            texts
                .iter()
                .map(|text| {
                    serde_json::from_str(text)
                        .map_err(|error| self.opener.corrupt(format!("table {table}"), error.to_string()))
                })
                .collect()
        })
    }
}

fn write_one(opener: &Opener, connection: &Connection, write: &CatalogWrite) -> Result<(), Failure> {
    let (what, outcome) = match write {
        CatalogWrite::Account(account) => (
            "account",
            insert(
                connection,
                "INSERT INTO account (id, data) VALUES (?, ?)",
                params![account.id.0.as_bytes(), json(account)],
            ),
        ),
        CatalogWrite::Project(project) => (
            "project",
            insert(
                connection,
                "INSERT INTO project (id, owner, is_default, data) VALUES (?, ?, ?, ?)",
                params![project.id.0.as_bytes(), project.owner.0.as_bytes(), project.default, json(project)],
            ),
        ),
        CatalogWrite::Token(token) => (
            "token",
            insert(
                connection,
                "INSERT INTO token (id, data) VALUES (?, ?)",
                params![token.id.0.as_bytes(), json(token)],
            ),
        ),
        CatalogWrite::TokenRemoved(id) => {
            ("token", insert(connection, "DELETE FROM token WHERE id = ?", params![id.0.as_bytes()]))
        }
        CatalogWrite::TemplateVersion(version) => {
            match template_version_fits(connection, version) {
                Ok(true) => {}
                Ok(false) => return Err(Failure::Refused(StoreError::Conflict { what: "template" })),
                Err(error) => return Err(Failure::Broken(opener.failed("read", error))),
            }
            let sql =
                "INSERT INTO template_version (id, version, project, name, data) VALUES (?, ?, ?, ?, ?)";
            let params = params![
                version.id.0.as_bytes(),
                version.version,
                version.project.0.as_bytes(),
                version.name,
                json(version),
            ];
            ("template", insert(connection, sql, params))
        }
        CatalogWrite::TemplateRemoved(id) => (
            "template",
            insert(connection, "DELETE FROM template_version WHERE id = ?", params![id.0.as_bytes()]),
        ),
    };
    outcome.map_err(|error| {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
            Failure::Refused(StoreError::Conflict { what })
        } else {
            Failure::Broken(opener.failed("write", error))
        }
    })
}

fn insert(connection: &Connection, sql: &str, params: &[&dyn ToSql]) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

/// Version 0 of a new id, or the next version in the same project; and no other template there has the name.
fn template_version_fits(connection: &Connection, version: &TemplateVersion) -> rusqlite::Result<bool> {
    let last: Option<(u32, [u8; 16])> = connection
        .prepare_cached(
            "SELECT version, project FROM template_version WHERE id = ? ORDER BY version DESC LIMIT 1",
        )?
        .query_row([version.id.0.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let follows = match last {
        None => version.version == 0,
        Some((last, project)) => {
            last.checked_add(1) == Some(version.version) && project == version.project.0.into_bytes()
        }
    };
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM template_version WHERE project = ? AND name = ? AND id <> ?)",
        )?
        .query_row((version.project.0.as_bytes(), &version.name, version.id.0.as_bytes()), |row| {
            row.get(0)
        })?;
    Ok(follows && !taken)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these types have string keys only, so JSON can hold them")
}

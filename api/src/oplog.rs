//! A worker's oplog and its queue, for people to look at: `…/workers/{name}/oplog`, `…/queue`.

use golem_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Entries in a page of an oplog, if the query does not say how many.
pub const OPLOG_COUNT_DEFAULT: usize = 100;

/// Entries in a page of an oplog, at most.
pub const OPLOG_COUNT_MAX: usize = 1_000;

/// Query of `GET …/oplog`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OplogQuery {
    /// The first index to look at; the oplog's first entry if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Entries wanted, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Words that an entry must have, all of them, whatever their case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A part of an oplog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OplogPage {
    /// The entries, ascending.
    pub entries: Vec<OplogEntry>,
    /// The `from` of the next page, if there is one.
    pub next: Option<u64>,
    /// The index of the oplog's last entry.
    pub end: u64,
}

/// One entry of an oplog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OplogEntry {
    /// Its position, from 1.
    pub index: u64,
    /// What kind of entry it is, such as `invocation-started`.
    pub kind: String,
    /// When it was written, where that is recorded.
    pub at: Option<Timestamp>,
    /// What it says, in words.
    pub text: String,
    /// What it holds; which fields there are depends on the kind, and may become more.
    pub details: serde_json::Value,
}

/// An invocation that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedInvocation {
    /// Its key; null if its caller gave none.
    pub key: Option<String>,
    /// Its function.
    pub function: String,
    /// When it was accepted; null for one that is accepted only together with its outcome.
    pub accepted_at: Option<Timestamp>,
    /// Whether it has begun. One that has cannot be cancelled.
    pub begun: bool,
}

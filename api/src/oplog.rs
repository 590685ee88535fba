//! A worker's oplog and its queue, in a readable form: `…/workers/{name}/oplog`, `…/oplog/{index}`, `…/queue`.

use golem_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Number of entries in a page of an oplog by default.
pub const OPLOG_COUNT_DEFAULT: usize = 100;

/// Maximum number of entries in a page of an oplog. A page whose entries are large has fewer.
pub const OPLOG_COUNT_MAX: usize = 1_000;

/// Query of `GET …/oplog`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OplogQuery {
    /// The index at which the page starts; by default the oplog's first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Maximum number of entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Only entries that contain all these words, regardless of case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A page of an oplog.
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
    /// The kind of entry, such as `invocation-started`.
    pub kind: String,
    /// When it was written, if that is recorded.
    pub at: Option<Timestamp>,
    /// A description of the entry.
    pub text: String,
    /// The content of the entry. The fields depend on the kind; new fields may be added.
    pub details: serde_json::Value,
    /// Whether `details` has only the length of a long field. `GET …/oplog/{index}` has the whole entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// An invocation that is pending or running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedInvocation {
    /// Its key; null if its caller gave none.
    pub key: Option<String>,
    /// Its function.
    pub function: String,
    /// When it was accepted; null for an invocation that is recorded only together with its outcome.
    pub accepted_at: Option<Timestamp>,
    /// Whether it has started. A started invocation cannot be cancelled.
    pub begun: bool,
}

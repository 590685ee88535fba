//! Lists of workers, and their filters.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, IdPath, QueryParams};
use super::worker::metadata;
use crate::executor::{WorkerRange, WorkerView};
use crate::identity::Action;
use axum::Json;
use axum::extract::State;
use golem_api::worker::{WORKER_COUNT_DEFAULT, WORKER_COUNT_MAX, WorkersMetadata};
use golem_model::{TemplateId, Timestamp, WorkerStatus};
use std::cmp::Ordering;
use std::sync::Arc;

/// `GET …/workers`.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    IdPath(template): IdPath<TemplateId>,
    QueryParams(pairs): QueryParams<Vec<(String, String)>>,
) -> Result<Json<WorkersMetadata>, ApiError> {
    services.authorize_template(principal, Action::ViewWorker, template)?;
    let Query { filters, cursor, count } = Query::parse(pairs)?;
    let range = WorkerRange { template, prefix: prefix(&filters), after: cursor, count };
    let matches = |view: &WorkerView| filters.iter().all(|filter| filter.matches(view));
    let page = services.executor.list(range, matches).await?;
    let shown = page.workers.into_iter().map(|view| {
        let created_at = Some(view.created_at);
        golem_api::worker::WorkerMetadata { created_at, ..metadata(view) }
    });
    Ok(Json(WorkersMetadata { workers: shown.collect(), cursor: page.next }))
}

struct Query {
    filters: Vec<Filter>,
    cursor: String,
    count: usize,
}

impl Query {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut query = Self { filters: Vec::new(), cursor: String::new(), count: WORKER_COUNT_DEFAULT };
        for (name, value) in pairs {
            match name.as_str() {
                "filter" => {
                    query
                        .filters
                        .push(Filter::parse(&value).map_err(|what| {
                            ApiError::invalid(format!("Invalid filter {value:?}: {what}"))
                        })?);
                }
                "cursor" => query.cursor = value,
                "count" => {
                    let count = value.parse().ok().filter(|count| (1..=WORKER_COUNT_MAX).contains(count));
                    query.count = count.ok_or_else(|| {
                        ApiError::invalid(format!(
                            "Invalid query: count must be from 1 to {WORKER_COUNT_MAX}"
                        ))
                    })?;
                }
                // Unknown parameters are ignored: later clients send more, for example `precise`.
                _ => {}
            }
        }
        Ok(query)
    }
}

/// The common prefix of the names of all matching workers. It bounds the range of workers to read.
fn prefix(filters: &[Filter]) -> String {
    let prefixes = filters.iter().filter_map(|filter| match filter {
        Filter::Name(NameCondition::StartsWith(prefix) | NameCondition::Is(prefix)) => Some(prefix.as_str()),
        _ => None,
    });
    prefixes.max_by_key(|prefix| prefix.len()).unwrap_or_default().to_owned()
}

/// A condition on a worker.
#[derive(Debug, Clone, PartialEq)]
enum Filter {
    Name(NameCondition),
    Status(bool, WorkerStatus),
    Version(Comparison, u32),
    CreatedAt(Comparison, Timestamp),
}

/// A condition on a worker's name.
#[derive(Debug, Clone, PartialEq)]
enum NameCondition {
    Is(String),
    IsNot(String),
    Contains(String),
    ContainsNot(String),
    StartsWith(String),
}

/// A comparison of ordered values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" | "==" | "eq" | "equal" => Self::Equal,
            "!=" | "ne" | "notequal" => Self::NotEqual,
            "<" | "lt" | "less" => Self::Less,
            "<=" | "le" | "lessequal" => Self::LessEqual,
            ">" | "gt" | "greater" => Self::Greater,
            ">=" | "ge" | "greaterequal" => Self::GreaterEqual,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

const STATUSES: [WorkerStatus; 7] = [
    WorkerStatus::Running,
    WorkerStatus::Idle,
    WorkerStatus::Suspended,
    WorkerStatus::Interrupted,
    WorkerStatus::Retrying,
    WorkerStatus::Failed,
    WorkerStatus::Exited,
];

const FILTER_FORM: &str = "write a property, a comparison and a value with blanks between, as `status = Idle`, \
                    `name startswith cart-`, `version >= 2` or `created_at > 2026-01-01T00:00:00Z`";

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        let (property, rest) = text.trim().split_once(' ').ok_or(FILTER_FORM)?;
        let (operator, value) = rest.trim_start().split_once(' ').ok_or(FILTER_FORM)?;
        let (operator, value) = (operator.to_ascii_lowercase(), value.trim());
        let comparison = Comparison::parse(&operator);
        let unsupported = |others: &str| format!("{property} is compared by {others}, not by {operator}");
        match property.to_ascii_lowercase().as_str() {
            "name" => {
                let value = value.to_owned();
                Ok(Self::Name(match (comparison, operator.as_str()) {
                    (Some(Comparison::Equal), _) => NameCondition::Is(value),
                    (Some(Comparison::NotEqual), _) => NameCondition::IsNot(value),
                    (None, "like") => NameCondition::Contains(value),
                    (None, "notlike") => NameCondition::ContainsNot(value),
                    (None, "startswith") => NameCondition::StartsWith(value),
                    _ => return Err(unsupported("=, !=, like, notlike or startswith")),
                }))
            }
            "status" => {
                let named = |status: &&WorkerStatus| status.to_string().eq_ignore_ascii_case(value);
                let status = STATUSES.iter().find(named).copied();
                let status = status.ok_or_else(|| {
                    let all: Vec<String> = STATUSES.iter().map(ToString::to_string).collect();
                    format!("there is no status {value}; the statuses are {}", all.join(", "))
                })?;
                match comparison {
                    Some(Comparison::Equal) => Ok(Self::Status(true, status)),
                    Some(Comparison::NotEqual) => Ok(Self::Status(false, status)),
                    _ => Err(unsupported("= or !=")),
                }
            }
            "version" => {
                let comparison = comparison.ok_or_else(|| unsupported("=, !=, <, <=, > or >="))?;
                let version =
                    value.parse().map_err(|_| format!("{value} is no version: a whole number from 0"))?;
                Ok(Self::Version(comparison, version))
            }
            "created_at" | "createdat" | "created-at" => {
                let comparison = comparison.ok_or_else(|| unsupported("=, !=, <, <=, > or >="))?;
                let at = value.parse().map_err(|_| format!("{value} is no time as 2026-01-01T00:00:00Z"))?;
                Ok(Self::CreatedAt(comparison, at))
            }
            _ => Err(format!("there is no property {property}: name, status, version, created_at")),
        }
    }

    fn matches(&self, view: &WorkerView) -> bool {
        let name = view.id.name.as_str();
        match self {
            Self::Name(NameCondition::Is(text)) => name == text,
            Self::Name(NameCondition::IsNot(text)) => name != text,
            Self::Name(NameCondition::Contains(text)) => name.contains(text.as_str()),
            Self::Name(NameCondition::ContainsNot(text)) => !name.contains(text.as_str()),
            Self::Name(NameCondition::StartsWith(text)) => name.starts_with(text.as_str()),
            Self::Status(is, status) => (view.status == *status) == *is,
            Self::Version(comparison, version) => comparison.holds(view.template_version.cmp(version)),
            Self::CreatedAt(comparison, at) => comparison.holds(view.created_at.cmp(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_parsed_in_all_forms() {
        let name = |text| Filter::Name(text);
        for (text, expected) in [
            ("name = cart-1", name(NameCondition::Is("cart-1".to_owned()))),
            ("name startswith cart-", name(NameCondition::StartsWith("cart-".to_owned()))),
            ("name  like  art", name(NameCondition::Contains("art".to_owned()))),
            ("status == idle", Filter::Status(true, WorkerStatus::Idle)),
            ("Status ne Failed", Filter::Status(false, WorkerStatus::Failed)),
            ("version >= 2", Filter::Version(Comparison::GreaterEqual, 2)),
            (
                "created_at < 1970-01-01T00:00:01Z",
                Filter::CreatedAt(Comparison::Less, Timestamp::from_nanos(1_000_000_000)),
            ),
        ] {
            assert_eq!(Filter::parse(text), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("", "write a property"),
            ("name", "write a property"),
            ("name cart", "write a property"),
            ("size = 3", "there is no property size"),
            ("name > a", "name is compared by"),
            ("status > Idle", "status is compared by"),
            ("status = Tired", "the statuses are Running, Idle"),
            ("version = one", "one is no version"),
            ("created_at > today", "today is no time"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_longest_prefix_bounds_the_range() {
        let filters = ["name like x", "name startswith ca", "name = cart", "version = 1"];
        let filters: Vec<Filter> = filters.iter().map(|text| Filter::parse(text).unwrap()).collect();
        assert_eq!(prefix(&filters), "cart");
        assert_eq!(prefix(&[]), "");
    }
}

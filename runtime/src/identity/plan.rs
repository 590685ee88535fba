//! The plan: limits of an account, and what happens when one is reached. All accounts have the same plan.

use super::Directory;
use super::directory::IdentityError;
use super::project::project_not_found;
use super::state::DirectoryState;
use super::token::Principal;
use crate::config::PlanSettings;
use crate::storage::ports::CatalogWrite;
use golem_model::{AccountId, MonthlyUsage, ProjectId, TemplateId, TemplateVersion, Timestamp};
use std::fmt;
use uuid::Uuid;

/// A limit of this size means unlimited: it is the largest number that the REST representation of a plan can hold.
pub const UNLIMITED: u64 = i32::MAX as u64;

/// What templates store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageUsage {
    /// Number of templates.
    pub templates: u64,
    /// Bytes of all versions of these templates.
    pub bytes: u64,
}

/// The limits of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The plan's id.
    pub id: Uuid,
    /// The plan's limits.
    pub limits: PlanSettings,
}

impl Plan {
    /// The plan that the settings describe.
    pub fn new(limits: PlanSettings) -> Self {
        Self { id: Uuid::nil(), limits }
    }
}

/// A resource that a plan limits. Its names in REST are those of 2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanResource {
    /// Projects of the account.
    Projects,
    /// Templates in all projects of the account.
    Templates,
    /// Workers of all templates of the account.
    Workers,
    /// Bytes of all versions of all templates of the account, and of the names of their deleted workers.
    StorageBytes,
    /// Bytes uploaded in this month.
    MonthlyUploadBytes,
}

impl PlanResource {
    /// The resource's name in a plan, its setting, and a description.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Projects => ("projectLimit", "plan.projects_max", "projects"),
            Self::Templates => ("componentLimit", "plan.templates_max", "templates"),
            Self::Workers => ("instanceLimit", "plan.workers_max", "workers"),
            Self::StorageBytes => (
                "storageLimit",
                "plan.storage_bytes_max",
                "bytes of stored templates and names of deleted workers",
            ),
            Self::MonthlyUploadBytes => (
                "monthlyUploadLimit",
                "plan.monthly_upload_bytes_max",
                "bytes of uploaded templates in a month",
            ),
        }
    }
}

/// A limit of the plan is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanLimitError {
    /// The limited resource.
    pub resource: PlanResource,
    /// The plan's limit.
    pub limit: u64,
    /// How much the account uses already.
    pub used: u64,
    /// How much more was requested.
    pub requested: u64,
}

impl std::error::Error for PlanLimitError {}

impl fmt::Display for PlanLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, limit, used, requested } = self;
        let (name, setting, words) = resource.names();
        write!(f, "Limit exceeded: the plan allows {limit} {words} ({name}), the account has used {used}")?;
        if *requested != 1 {
            write!(f, " and this would add {requested}")?;
        }
        match resource {
            PlanResource::MonthlyUploadBytes => f.write_str("; wait for the next month")?,
            PlanResource::Projects | PlanResource::Templates | PlanResource::Workers => {
                f.write_str("; delete some")?;
            }
            PlanResource::StorageBytes => f.write_str("; delete some templates")?,
        }
        write!(f, ", or have the operator raise the setting {setting}")
    }
}

/// Checks that `requested` more stays within the limit.
pub(crate) fn check(
    resource: PlanResource,
    limit: u64,
    used: u64,
    requested: u64,
) -> Result<(), PlanLimitError> {
    if limit >= UNLIMITED || used.saturating_add(requested) <= limit {
        Ok(())
    } else {
        Err(PlanLimitError { resource, limit, used, requested })
    }
}

impl Directory {
    /// What an account has used in the current month.
    pub fn usage(&self, account: AccountId) -> MonthlyUsage {
        self.state().usage(account, self.clock().now())
    }

    /// Adds to what accounts have used in the current month. Unknown accounts are ignored.
    pub async fn report_gas(&self, updates: Vec<(AccountId, i64)>) -> Result<(), IdentityError> {
        self.change(move |directory, state| {
            let now = directory.clock().now();
            let known = updates.iter().filter(|(account, _)| state.account(*account).is_some());
            let writes = known.map(|(account, gas)| {
                let usage = state.usage(*account, now);
                CatalogWrite::MonthlyUsage(MonthlyUsage { gas: usage.gas.saturating_add(*gas), ..usage })
            });
            Ok(((), writes.collect()))
        })
        .await
    }

    /// Checks that the owner of `project` may upload `bytes`, and returns the owner's usage including them. `new` says
    /// whether the upload creates a template. `storage_usage` computes what projects store.
    fn usage_with_upload(
        &self,
        state: &DirectoryState,
        project: ProjectId,
        new: bool,
        bytes: u64,
        storage_usage: impl FnOnce(&[ProjectId]) -> StorageUsage,
    ) -> Result<MonthlyUsage, IdentityError> {
        let owner = state.project(project).ok_or_else(|| project_not_found(project))?.owner;
        let limits = &self.plan().limits;
        if limits.templates_max < UNLIMITED || limits.storage_bytes_max < UNLIMITED {
            let projects: Vec<ProjectId> = state.projects_of(owner).map(|project| project.id).collect();
            let storage_usage = storage_usage(&projects);
            if new {
                check(PlanResource::Templates, limits.templates_max, storage_usage.templates, 1)?;
            }
            check(PlanResource::StorageBytes, limits.storage_bytes_max, storage_usage.bytes, bytes)?;
        }
        let usage = state.usage(owner, self.clock().now());
        check(
            PlanResource::MonthlyUploadBytes,
            limits.monthly_upload_bytes_max,
            usage.uploaded_bytes,
            bytes,
        )?;
        Ok(MonthlyUsage { uploaded_bytes: usage.uploaded_bytes.saturating_add(bytes), ..usage })
    }

    /// Checks that an upload would be accepted now.
    pub(crate) fn check_upload(
        &self,
        project: ProjectId,
        new: bool,
        bytes: u64,
        storage_usage: impl FnOnce(&[ProjectId]) -> StorageUsage,
    ) -> Result<(), IdentityError> {
        self.usage_with_upload(&self.state(), project, new, bytes, storage_usage).map(drop)
    }

    /// Writes a template version and counts it as an upload of its owner. Blocks the thread.
    pub(crate) fn template_write(
        &self,
        version: TemplateVersion,
        storage_usage: impl FnOnce(&[ProjectId]) -> StorageUsage,
    ) -> Result<(), IdentityError> {
        self.commit(|directory, state| {
            let (new, bytes) = (version.version == 0, version.stored_bytes());
            let usage = directory.usage_with_upload(state, version.project, new, bytes, storage_usage)?;
            Ok(((), vec![CatalogWrite::TemplateVersion(version), CatalogWrite::MonthlyUsage(usage)]))
        })
    }

    /// Removes a template's rows. Blocks the thread.
    pub(crate) fn template_remove(&self, id: TemplateId) -> Result<(), IdentityError> {
        self.commit(|_, _| Ok(((), vec![CatalogWrite::TemplateRemoved(id)])))
    }
}

/// Limits the requests of each account per second, as a token bucket that holds the requests of one second.
#[derive(Debug)]
pub struct RequestRates {
    per_second: u64,
    buckets: parking_lot::Mutex<std::collections::HashMap<AccountId, Bucket>>,
}

/// The token bucket of an account.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests available now, in billionths of a request.
    balance: u128,
    at: std::time::Duration,
}

const NANOS_PER_REQUEST: u128 = 1_000_000_000;

impl RequestRates {
    /// Allows `per_second` requests for each account; 0 means unlimited.
    pub fn new(per_second: u64) -> Self {
        Self { per_second, buckets: parking_lot::Mutex::default() }
    }

    /// Counts a request of `principal` at time `now`. An error is the number of seconds after which to retry.
    pub fn admit(&self, principal: Principal, now: std::time::Duration) -> Result<(), u32> {
        if self.per_second == 0 {
            return Ok(());
        }
        let full = u128::from(self.per_second) * NANOS_PER_REQUEST;
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(principal.account()).or_insert(Bucket { balance: full, at: now });
        let earned = now.saturating_sub(bucket.at).as_nanos() * u128::from(self.per_second);
        *bucket = Bucket { balance: full.min(bucket.balance + earned), at: now.max(bucket.at) };
        if bucket.balance >= NANOS_PER_REQUEST {
            bucket.balance -= NANOS_PER_REQUEST;
            return Ok(());
        }
        // At least one request per second is allowed.
        Err(1)
    }
}

/// Checks that a token's expiry is in the future.
pub(super) fn check_expiry(expires_at: Timestamp, now: Timestamp) -> Result<(), IdentityError> {
    if expires_at > now {
        return Ok(());
    }
    let text = format!("Invalid expiresAt: {expires_at} is in the past; name a time in the future");
    Err(IdentityError::Invalid(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_model::TokenId;
    use std::time::Duration;

    #[test]
    fn a_limit_is_named_with_usage() {
        assert_eq!(check(PlanResource::Workers, 3, 2, 1), Ok(()));
        assert_eq!(
            check(PlanResource::Workers, 3, 3, 1).unwrap_err().to_string(),
            "Limit exceeded: the plan allows 3 workers (instanceLimit), the account has used 3; delete some, or have \
             the operator raise the setting plan.workers_max"
        );
        assert_eq!(
            check(PlanResource::MonthlyUploadBytes, 10, 8, 3).unwrap_err().to_string(),
            "Limit exceeded: the plan allows 10 bytes of uploaded templates in a month (monthlyUploadLimit), the \
             account has used 8 and this would add 3; wait for the next month, or have the operator raise the \
             setting plan.monthly_upload_bytes_max"
        );
        assert!(check(PlanResource::Projects, 0, u64::MAX, u64::MAX).is_err());
        assert_eq!(check(PlanResource::Projects, UNLIMITED, u64::MAX, u64::MAX), Ok(()));
    }

    #[test]
    fn requests_are_counted_for_each_account() {
        let principal = |number| Principal::new(AccountId(Uuid::from_u128(number)), TokenId(Uuid::nil()));
        let rates = RequestRates::new(2);
        let at = Duration::from_millis;
        assert_eq!(rates.admit(principal(1), at(0)), Ok(()));
        assert_eq!(rates.admit(principal(1), at(0)), Ok(()));
        assert_eq!(rates.admit(principal(1), at(499)), Err(1));
        assert_eq!(rates.admit(principal(2), at(499)), Ok(()));
        assert_eq!(rates.admit(principal(1), at(500)), Ok(()));
        assert_eq!(rates.admit(principal(1), at(500)), Err(1));
        // The bucket does not hold more than one second's requests.
        for _ in 0..2 {
            assert_eq!(rates.admit(principal(1), at(60_000)), Ok(()));
        }
        assert_eq!(rates.admit(principal(1), at(60_000)), Err(1));
        let unlimited = RequestRates::new(0);
        assert!((0..1_000).all(|_| unlimited.admit(principal(1), at(0)).is_ok()));
    }
}

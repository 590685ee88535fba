//! Permits of accounts: a bound on what one account does at the same time.

use golem_model::AccountId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The same number of permits for each account.
#[derive(Debug)]
pub(super) struct AccountPermits {
    per_account: usize,
    /// Accounts whose permits are in use or waited for.
    in_use: Mutex<HashMap<AccountId, Arc<Semaphore>>>,
}

/// A permit, which is returned when it is dropped.
#[derive(Debug)]
pub(super) struct AccountPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl AccountPermits {
    pub(super) fn new(per_account: usize) -> Self {
        Self { per_account, in_use: Mutex::default() }
    }

    /// Waits for one of the account's permits. Callers get them in the order in which they came.
    pub(super) async fn acquire(&self, account: AccountId) -> AccountPermit {
        let permits = {
            let mut in_use = self.in_use.lock();
            // A permit or a caller that waits keeps the semaphore of its account.
            in_use.retain(|_, permits| Arc::strong_count(permits) > 1);
            let permits = in_use.entry(account);
            Arc::clone(permits.or_insert_with(|| Arc::new(Semaphore::new(self.per_account))))
        };
        // The semaphore is never closed.
        AccountPermit { _permit: permits.acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use uuid::Uuid;

    #[tokio::test]
    async fn each_account_has_its_own_permits() {
        let permits = AccountPermits::new(2);
        let (busy, other) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let first = permits.acquire(busy).await;
        let _second = permits.acquire(busy).await;
        let mut third = Box::pin(permits.acquire(busy));
        assert!(third.as_mut().now_or_never().is_none());
        assert!(permits.acquire(other).now_or_never().is_some());
        drop(first);
        third.await;
        assert_eq!(permits.in_use.lock().len(), 2);
        let _other = permits.acquire(other).await;
        assert_eq!(permits.in_use.lock().len(), 2);
    }

    #[tokio::test]
    async fn accounts_without_permits_take_no_memory() {
        let permits = AccountPermits::new(1);
        for number in 0..100 {
            permits.acquire(AccountId(Uuid::from_u128(number))).await;
            assert!(permits.in_use.lock().len() <= 2);
        }
    }
}

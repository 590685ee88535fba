//! Section `plan`: limits of an account.

use super::setting::section;

/// The largest number that a plan can hold in REST. It means unlimited.
const MAX: u64 = i32::MAX as u64;

section! {
    /// Limits of an account.
    PlanSettings = "plan" {
        /// Projects of an account; one more is answered 403. Here and below, 2147483647 means unlimited.
        projects_max: u64 = MAX, 0..=MAX;
        /// Templates in all projects of an account; one more is answered 403.
        templates_max: u64 = MAX, 0..=MAX;
        /// Workers of all templates of an account; one more is answered 403.
        workers_max: u64 = MAX, 0..=MAX;
        /// Bytes of all versions of all templates of an account; more is answered 403.
        storage_bytes_max: u64 = MAX, 0..=MAX;
        /// Bytes of templates that an account uploads in a calendar month; more is answered 403.
        monthly_upload_bytes_max: u64 = MAX, 0..=MAX;
        /// Processing units of an account in a calendar month, as shown in the plan and counted by
        /// `/v1/resource-limits`.
        monthly_gas_max: u64 = 1_000_000_000_000, 0..=(1 << 53);
        /// Requests of an account per second, which may arrive at once; further ones are answered 429. 0 means
        /// unlimited.
        requests_per_second_max: u64 = 0, 0..=1_000_000;
    }
}

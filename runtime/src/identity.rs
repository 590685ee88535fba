//! Authentication and authorization.
//!
//! `bootstrap` creates the rows and secrets of the first start. [`Directory`] owns all rows; one file here for each
//! noun: `account` (with roles), `project`, `grant` (with policies), `token`, `invite` (the whitelist), `plan` (limits
//! and usage). `token` authenticates: it turns a request's header into a [`Principal`]. `authorize` decides what a
//! principal may do and returns a [`Scope`] as proof.
//!
//! Invariant: of a token's secret only the hash is kept, in the store and in memory, and the secret is not logged. In the
//! data folder, only the root token's file and `secret-key` contain secrets in clear text.

mod account;
mod authorize;
mod bootstrap;
mod directory;
mod grant;
mod invite;
mod plan;
mod project;
mod secret_file;
mod state;
mod token;

pub use account::InvitationRequired;
pub use authorize::{
    AccountAction, AccountScope, Action, AuthorizationError, Decision, Operation, Relationship, Scope,
    SystemAction, SystemScope, decide,
};
pub use bootstrap::{BootstrapError, ROOT_TOKEN_FILE, SECRET_KEY_FILE, ServerSecrets, bootstrap};
pub use directory::{Directory, IdentityError};
pub use grant::GrantPolicy;
pub use plan::{Plan, PlanLimitError, PlanResource, RequestRates, StorageUsage, UNLIMITED};
pub use project::NewProject;
pub use token::{AuthenticationError, NewToken, Principal, secret_hash};

pub(crate) use plan::check as check_limit;

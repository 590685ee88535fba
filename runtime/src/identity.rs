//! Who asks, and what they may.
//!
//! `bootstrap` makes the rows and secrets of a first start; [`Directory`] keeps all rows of identity, a file here for
//! each noun: `account` (with roles), `project`, `grant` (with policies), `token`, `invite` (the whitelist), `plan`
//! (limits and usage). `token` turns a request's header into a [`Principal`]; `authorize` decides what a principal may
//! and gives a [`Scope`] as proof.
//!
//! Invariant: no secret is kept in the store, in memory or in the log: of a token there is only a hash.

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
    AccountAct, AccountScope, Act, Action, AuthorizationError, Decision, Scope, Standing, SystemAct,
    SystemScope, decide,
};
pub use bootstrap::{BootstrapError, ROOT_TOKEN_FILE, SECRET_KEY_FILE, ServerSecrets, bootstrap};
pub use directory::{Directory, IdentityError};
pub use grant::GrantPolicy;
pub use plan::{Plan, PlanLimitError, PlanResource, RequestRates, StorageUsage, UNLIMITED};
pub use project::NewProject;
pub use token::{AuthenticationError, NewToken, Principal, secret_hash};

pub(crate) use plan::check as check_limit;

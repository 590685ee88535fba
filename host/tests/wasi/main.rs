//! WASI 0.2 from the guest's side: everything links, and unsupported functions are denied.

mod config;
mod denied;
mod guest;
mod links;
mod logging;

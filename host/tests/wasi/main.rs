//! WASI 0.2 as guests meet it: everything links, and what is not offered is denied politely.

mod config;
mod denied;
mod guest;
mod links;
mod logging;

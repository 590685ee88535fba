//! `wasi:config`: gives access to the worker's environment (docs/decisions).
//!
//! The calls write no oplog entries, because the environment is fixed when the worker is created. WASI has only drafts
//! of the interface, so no crate that we use contains its bindings. Its two functions are defined here by their types.

use crate::imports::views::{EnvironmentView, Views};
use types::ConfigError;
use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::cli::environment::Host as _;

/// The interface names that programs import. The functions are the same; the oldest draft called it `runtime`.
const INTERFACES: [&str; 3] =
    ["wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1", "wasi:config/runtime@0.2.0-draft"];

/// The result of a function of the interface.
type FunctionResult<T> = (Result<T, ConfigError>,);

pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    for interface in INTERFACES {
        let mut interface = linker.instance(interface)?;
        interface.func_wrap("get", |mut store: StoreContextMut<'_, T>, (key,): (String,)| {
            get(store.data_mut().environment(), &key)
        })?;
        interface.func_wrap("get-all", |mut store: StoreContextMut<'_, T>, (): ()| {
            get_all(store.data_mut().environment())
        })?;
    }
    Ok(())
}

fn get(mut view: EnvironmentView<'_>, key: &str) -> Result<FunctionResult<Option<String>>> {
    Ok((Ok(lookup(&view.get_environment()?, key)),))
}

fn get_all(mut view: EnvironmentView<'_>) -> Result<FunctionResult<Vec<(String, String)>>> {
    Ok((Ok(view.get_environment()?),))
}

/// Finds the variable named `key`, or else the variable named [`env_name`] of `key`.
fn lookup(env: &[(String, String)], key: &str) -> Option<String> {
    let find = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    find(key).or_else(|| find(&env_name(key)))
}

/// Spells a configuration key as an environment variable: `database.pool-size` becomes `DATABASE_POOL_SIZE`.
fn env_name(key: &str) -> String {
    let spelled = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    key.chars().map(spelled).collect()
}

#[allow(unsafe_code, reason = "wasmtime's derive implements its unsafe traits for the type")]
mod types {
    use wasmtime::component::{ComponentType, Lower};

    /// The error of the interface. It is needed for the types of the functions only: reading the environment never
    /// fails.
    #[derive(Debug, Clone, ComponentType, Lower)]
    #[component(variant)]
    #[allow(dead_code, reason = "the interface declares these cases, and the host never returns them")]
    pub(super) enum ConfigError {
        #[component(name = "upstream")]
        Upstream(String),
        #[component(name = "io")]
        Io(String),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_up_by_their_own_name_and_then_in_environment_spelling() {
        let env = [("DB_URL", "upper"), ("db.url", "exact"), ("Q_1", "one"), ("q_1", "two")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (key, expected) in [
            ("db.url", Some("exact")),
            ("db-url", Some("upper")),
            ("DB_URL", Some("upper")),
            ("q.1", Some("one")),
            ("q_1", Some("two")),
            ("", None),
            ("größe", None),
        ] {
            assert_eq!(lookup(&env, key).as_deref(), expected, "{key}");
        }
    }
}

//! `wasi:config`: the worker's environment under another name (docs/decisions).
//!
//! Nothing is recorded: the environment is fixed when the worker is made. WASI has only drafts of the interface, so
//! no crate that we use carries its bindings; its two functions are defined here by their types.

use crate::state::WorkerState;
use types::ConfigError;
use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::cli::environment;

/// The names under which programs import it. The functions are the same; the oldest draft called it `runtime`.
const INTERFACES: [&str; 3] =
    ["wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-rc.1", "wasi:config/runtime@0.2.0-draft"];

/// What a function of the interface returns.
type FunctionResult<T> = (Result<T, ConfigError>,);

pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    for interface in INTERFACES {
        let mut interface = linker.instance(interface)?;
        interface.func_wrap("get", get)?;
        interface.func_wrap("get-all", get_all)?;
    }
    Ok(())
}

fn get(
    mut store: StoreContextMut<'_, WorkerState>,
    (key,): (String,),
) -> Result<FunctionResult<Option<String>>> {
    let env = environment::Host::get_environment(store.data_mut())?;
    Ok((Ok(lookup(&env, &key)),))
}

fn get_all(
    mut store: StoreContextMut<'_, WorkerState>,
    (): (),
) -> Result<FunctionResult<Vec<(String, String)>>> {
    Ok((Ok(environment::Host::get_environment(store.data_mut())?),))
}

/// The variable of that name; else the one whose name is the key as environments spell it.
fn lookup(env: &[(String, String)], key: &str) -> Option<String> {
    let find = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    find(key).or_else(|| find(&env_name(key)))
}

/// `database.pool-size` is `DATABASE_POOL_SIZE`.
fn env_name(key: &str) -> String {
    let spelled = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    key.chars().map(spelled).collect()
}

#[allow(unsafe_code, reason = "wasmtime's derive implements its unsafe traits for the type")]
mod types {
    use wasmtime::component::{ComponentType, Lower};

    /// Why there is no answer. The environment is always there, so it is only part of the functions' types.
    #[derive(Debug, Clone, ComponentType, Lower)]
    #[component(variant)]
    #[allow(dead_code, reason = "part of the interface, and never the case here")]
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
    fn keys_are_variables_by_their_own_name_or_as_environments_spell_them() {
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

//! Reads settings from environment variables.

use super::setting::RawValue;
use super::{ConfigError, SettingValue};
use std::ffi::OsString;
use std::path::PathBuf;

const PREFIX: &str = "GOLEM_";
const ORIGIN: &str = "the environment";
/// Variables of the client commands, which are in the same program.
const CLIENT_VARIABLES: [&str; 3] = ["GOLEM_BASE_URL", "GOLEM_AUTH_TOKEN", "GOLEM_ALLOW_INSECURE"];

/// Settings found in the environment.
pub(super) struct Environment {
    /// The TOML file, from `GOLEM_CONFIG`.
    pub(super) file: Option<PathBuf>,
    pub(super) values: Vec<SettingValue>,
    /// Warnings about variables that begin with `GOLEM_` and are unknown. They may belong to another program.
    pub(super) warnings: Vec<String>,
}

/// Selects the settings among `variables`.
///
/// A variable that is similar to a setting's, or has the prefix of a section, is refused as a spelling error. A server
/// that ignored it would run with a setting that its operator believes to be changed.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[String],
) -> Result<Environment, ConfigError> {
    let known: Vec<(String, &String)> = keys.iter().map(|key| (spelling(key), key)).collect();
    let mut found = Environment { file: None, values: Vec::new(), warnings: Vec::new() };
    let mut variables: Vec<(String, OsString)> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    for (name, value) in variables {
        if name == "GOLEM_CONFIG" {
            found.file = Some(PathBuf::from(value));
        } else if let Some((_, key)) = known.iter().find(|(spelling, _)| *spelling == name) {
            let text = value.into_string().map_err(|value| ConfigError::Invalid {
                key: name.clone(),
                origin: ORIGIN.to_owned(),
                found: format!("{}", value.display()),
                expected: "UTF-8".to_owned(),
            })?;
            found.values.push(SettingValue {
                key: (*key).clone(),
                spelling: name,
                origin: ORIGIN.to_owned(),
                raw: RawValue::Text(text),
            });
        } else if !CLIENT_VARIABLES.contains(&name.as_str()) {
            let nearest = crate::text::nearest(&name, known.iter().map(|(spelling, _)| spelling.as_str()));
            let section = keys
                .iter()
                .filter_map(|key| key.split_once('.'))
                .any(|(section, _)| name.starts_with(&format!("{}_", spelling(section))));
            if nearest.is_some() || section {
                return Err(ConfigError::Unknown {
                    key: name,
                    origin: ORIGIN.to_owned(),
                    nearest: nearest.map(str::to_owned),
                    known: known.into_iter().map(|(spelling, _)| spelling).collect(),
                });
            }
            found.warnings.push(format!(
                "the environment variable {name} is not a setting of the server; it is ignored"
            ));
        }
    }
    Ok(found)
}

/// The environment variable of a dotted key, for example of `http.body_bytes_max`.
fn spelling(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

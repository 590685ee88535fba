//! The command line of `golem server`.

use super::setting::RawValue;
use super::{ConfigError, SettingValue};
use std::path::PathBuf;

/// Runs the server.
///
/// Each setting can also be set by an environment variable (GOLEM_DATA_DIR, GOLEM_HTTP_BODY_BYTES_MAX, …) or in a TOML
/// file. The command line takes precedence over the environment, the environment over the file. `--settings` lists all
/// settings.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerArgs {
    /// The TOML file with settings (environment: GOLEM_CONFIG)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that contains all data of the server; created if it is missing [default: golem-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Host and port to listen on; port 0 selects a free one [default: 127.0.0.1:9881]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// What to log to standard error: a level, or target=level directives [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Format of log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Any other setting, for example --set http.body_bytes_max=1000000; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Prints all settings with their defaults as a TOML file, and exits
    #[arg(long)]
    pub settings: bool,
}

impl ServerArgs {
    pub(super) fn values(&self) -> Result<Vec<SettingValue>, ConfigError> {
        let origin = "the command line";
        let mut values = Vec::new();
        for pair in &self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| ConfigError::Invalid {
                key: "--set".to_owned(),
                origin: origin.to_owned(),
                found: format!("{pair:?}"),
                expected: "KEY=VALUE, for example http.body_bytes_max=1000000".to_owned(),
            })?;
            values.push(SettingValue {
                key: key.trim().to_owned(),
                spelling: key.trim().to_owned(),
                origin: origin.to_owned(),
                raw: RawValue::Text(value.to_owned()),
            });
        }
        for (key, spelling, value) in [
            ("data_dir", "--data-dir", &self.data_dir),
            ("listen", "--listen", &self.listen),
            ("log", "--log", &self.log),
            ("log_format", "--log-format", &self.log_format),
        ] {
            if let Some(value) = value {
                values.push(SettingValue {
                    key: key.to_owned(),
                    spelling: spelling.to_owned(),
                    origin: origin.to_owned(),
                    raw: RawValue::Text(value.clone()),
                });
            }
        }
        Ok(values)
    }
}

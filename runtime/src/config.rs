//! Settings of the server: their sources, names, values and defaults.
//!
//! They are read once, at start. The command line takes precedence over the environment (`GOLEM_…`), the environment
//! over the TOML file, the file over the defaults. `setting` has the types of values and the macro that declares a
//! section; each other file is a section of the TOML file or a source.
//!
//! Invariant: every setting exists in all sources. `http.body_bytes_max` in the file is `GOLEM_HTTP_BODY_BYTES_MAX` in
//! the environment and `--set http.body_bytes_max=…` on the command line. Architecture invariant: `main` passes the
//! environment to this module, and no other module of the server reads it (clippy's `disallowed_methods` forbids
//! `env::var`).

mod args;
mod engine;
mod environment;
mod http;
mod login;
mod outbound_http;
mod plan;
mod setting;
mod workers;

pub use args::ServerArgs;
pub use engine::EngineSettings;
pub use http::HttpSettings;
pub use login::LoginSettings;
pub use outbound_http::{Hosts, OutboundHttpSettings, PrivateAddresses};
pub use plan::PlanSettings;
pub use setting::SecretText;
pub use workers::WorkerSettings;

use setting::{RawValue, Section, SettingInfo};
use std::ffi::OsString;
use std::path::PathBuf;

/// All settings of a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The settings outside any section.
    pub server: ServerSettings,
    /// Section `http`.
    pub http: HttpSettings,
    /// Section `workers`.
    pub workers: WorkerSettings,
    /// Section `engine`.
    pub engine: EngineSettings,
    /// Section `plan`.
    pub plan: PlanSettings,
    /// Section `outbound_http`.
    pub outbound_http: OutboundHttpSettings,
    /// Section `login`.
    pub login: LoginSettings,
}

/// The settings outside any section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The folder that contains all data of the server.
    pub data_dir: PathBuf,
    /// Host and port to listen on; port 0 selects a free one.
    pub listen: String,
    /// What to log: a level, or `target=level` directives separated by commas.
    pub log: String,
    /// Format of log lines.
    pub log_format: LogFormat,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("golem-data"),
            listen: "127.0.0.1:9881".to_owned(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Readable text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Section for ServerSettings {
    const NAME: &'static str = "";

    fn settings() -> Vec<SettingInfo> {
        let key = |name, about, default: &str, expected: &str| SettingInfo {
            name,
            about,
            default: default.to_owned(),
            expected: expected.to_owned(),
        };
        vec![
            key("data_dir", "The folder that contains all data of the server.", "golem-data", "a folder"),
            key(
                "listen",
                "Host and port to listen on; port 0 selects a free one.",
                "127.0.0.1:9881",
                LISTEN_EXPECTED,
            ),
            key(
                "log",
                "What to log.",
                "info",
                "a level (error, warn, info, debug, trace) or target=level, …",
            ),
            key("log_format", "Format of log lines.", "text", LOG_FORMAT_EXPECTED),
        ]
    }

    fn set(&mut self, field: &str, raw: &RawValue) -> Option<Result<(), String>> {
        let Some(text) = raw.as_text() else {
            let known = matches!(field, "data_dir" | "listen" | "log" | "log_format");
            return known.then(|| Err("a text".to_owned()));
        };
        Some(match field {
            "data_dir" if text.is_empty() => Err("a folder".to_owned()),
            "data_dir" => {
                self.data_dir = PathBuf::from(text);
                Ok(())
            }
            "listen" => match text.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    text.clone_into(&mut self.listen);
                    Ok(())
                }
                _ => Err(LISTEN_EXPECTED.to_owned()),
            },
            "log" => {
                text.clone_into(&mut self.log);
                Ok(())
            }
            "log_format" => match text {
                "text" => {
                    self.log_format = LogFormat::Text;
                    Ok(())
                }
                "json" => {
                    self.log_format = LogFormat::Json;
                    Ok(())
                }
                _ => Err(LOG_FORMAT_EXPECTED.to_owned()),
            },
            _ => return None,
        })
    }
}

const LISTEN_EXPECTED: &str = "host:port, for example 127.0.0.1:9881";
const LOG_FORMAT_EXPECTED: &str = "text or json";

/// Why settings are refused. Each message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {}, line {line}, column {column} is not TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// The parser's message.
        message: String,
    },
    /// There is no setting with this key.
    #[error("unknown setting `{key}` in {origin}; {}", known_text(nearest.as_deref(), known))]
    Unknown {
        /// The key as the source spells it.
        key: String,
        /// Name of the source.
        origin: String,
        /// The known key that is most similar.
        nearest: Option<String>,
        /// The known keys.
        known: Vec<String>,
    },
    /// The value is not allowed for the setting.
    #[error("the setting `{key}` in {origin} is {found}; it must be {expected}")]
    Invalid {
        /// The key as the source spells it.
        key: String,
        /// Name of the source.
        origin: String,
        /// The refused value.
        found: String,
        /// Description of the allowed values.
        expected: String,
    },
}

fn known_text(nearest: Option<&str>, known: &[String]) -> String {
    let list = known.join(", ");
    nearest.map_or_else(
        || format!("the known settings are {list}"),
        |nearest| format!("did you mean `{nearest}`? The known settings are {list}"),
    )
}

/// One value from one source, not yet interpreted.
struct SettingValue {
    /// Dotted key, as in the TOML file.
    key: String,
    /// The key as the source spells it.
    spelling: String,
    /// Name of the source.
    origin: String,
    raw: RawValue,
}

impl Config {
    /// Reads all sources, and returns the settings and warnings. `environment` contains the process's variables.
    pub fn load(
        args: &ServerArgs,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let environment = environment::read(environment, &all_keys())?;
        let mut values = match args.config.as_ref().or(environment.file.as_ref()) {
            Some(path) => read_file(path)?,
            None => Vec::new(),
        };
        values.extend(environment.values);
        values.extend(args.values()?);
        let mut config = Self::default();
        for value in values {
            config.apply(&value)?;
        }
        Ok((config, environment.warnings))
    }

    fn apply(&mut self, value: &SettingValue) -> Result<(), ConfigError> {
        let (section, field) = value.key.split_once('.').unwrap_or(("", &value.key));
        let set = match section {
            ServerSettings::NAME => self.server.set(field, &value.raw),
            HttpSettings::NAME => self.http.set(field, &value.raw),
            WorkerSettings::NAME => self.workers.set(field, &value.raw),
            EngineSettings::NAME => self.engine.set(field, &value.raw),
            PlanSettings::NAME => self.plan.set(field, &value.raw),
            OutboundHttpSettings::NAME => self.outbound_http.set(field, &value.raw),
            LoginSettings::NAME => self.login.set(field, &value.raw),
            _ => None,
        };
        match set {
            Some(Ok(())) => Ok(()),
            Some(Err(expected)) => Err(ConfigError::Invalid {
                key: value.spelling.clone(),
                origin: value.origin.clone(),
                found: value.raw.to_string(),
                expected,
            }),
            None => Err(unknown_setting(&value.key, &value.spelling, &value.origin)),
        }
    }

    /// All settings with their defaults, as a TOML file with comments.
    pub fn default_toml() -> String {
        let mut text = String::from("# Settings of the golem server and their defaults.\n");
        let mut section = "";
        for (key, about) in all_settings() {
            let (of, field) = key.split_once('.').unwrap_or(("", &key));
            if of != section {
                section = match of {
                    HttpSettings::NAME => HttpSettings::NAME,
                    WorkerSettings::NAME => WorkerSettings::NAME,
                    EngineSettings::NAME => EngineSettings::NAME,
                    OutboundHttpSettings::NAME => OutboundHttpSettings::NAME,
                    PlanSettings::NAME => PlanSettings::NAME,
                    _ => LoginSettings::NAME,
                };
                text.extend(["\n[", section, "]\n"]);
            }
            let quoted = if of.is_empty() { format!("\"{}\"", about.default) } else { about.default };
            text.extend(["\n# ", about.about, " (", &about.expected, ")\n", field, " = ", &quoted, "\n"]);
        }
        text
    }
}

/// The dotted keys of all settings.
fn all_keys() -> Vec<String> {
    all_settings().into_iter().map(|(key, _)| key).collect()
}

fn all_settings() -> Vec<(String, SettingInfo)> {
    fn of<S: Section>() -> impl Iterator<Item = (String, SettingInfo)> {
        S::settings().into_iter().map(|key| {
            let dotted =
                if S::NAME.is_empty() { key.name.to_owned() } else { format!("{}.{}", S::NAME, key.name) };
            (dotted, key)
        })
    }
    of::<ServerSettings>()
        .chain(of::<HttpSettings>())
        .chain(of::<WorkerSettings>())
        .chain(of::<EngineSettings>())
        .chain(of::<PlanSettings>())
        .chain(of::<OutboundHttpSettings>())
        .chain(of::<LoginSettings>())
        .collect()
}

fn unknown_setting(key: &str, spelling: &str, origin: &str) -> ConfigError {
    let known = all_keys();
    ConfigError::Unknown {
        key: spelling.to_owned(),
        origin: origin.to_owned(),
        nearest: crate::text::nearest(key, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    }
}

/// Reads the values in a TOML file.
fn read_file(path: &std::path::Path) -> Result<Vec<SettingValue>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        ConfigError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            message: error.message().replace('\n', " "),
        }
    })?;
    let origin = path.display().to_string();
    let mut values = Vec::new();
    let mut push = |key: String, value: toml::Value| {
        values.push(SettingValue {
            spelling: key.clone(),
            key,
            origin: origin.clone(),
            raw: RawValue::Toml(value),
        });
    };
    for (key, value) in table {
        match value {
            toml::Value::Table(fields) => {
                let known = all_keys().iter().any(|k| k.starts_with(&format!("{key}.")));
                if !known {
                    return Err(unknown_setting(&key, &format!("[{key}]"), &origin));
                }
                for (field, value) in fields {
                    push(format!("{key}.{field}"), value);
                }
            }
            value => push(key, value),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, environment: &[(&str, &str)], args: &ServerArgs) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golem.toml");
        std::fs::write(&path, toml).unwrap();
        let mut environment: Vec<_> =
            environment.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect();
        environment.push(("GOLEM_CONFIG".into(), path.clone().into()));
        Config::load(args, environment)
            .map(|(config, _)| config)
            .map_err(|e| e.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn later_sources_win() {
        let args = ServerArgs { listen: Some("0.0.0.0:3".into()), ..ServerArgs::default() };
        let config = load(
            "listen = \"0.0.0.0:1\"\nlog = \"warn\"\n[http]\nbody_bytes_max = 1000\nuploads_max = 2\n",
            &[("GOLEM_LISTEN", "0.0.0.0:2"), ("GOLEM_HTTP_BODY_BYTES_MAX", "2000"), ("PATH", "/bin")],
            &args,
        )
        .unwrap();
        assert_eq!(config.server.listen, "0.0.0.0:3");
        assert_eq!(config.server.log, "warn");
        assert_eq!((config.http.body_bytes_max, config.http.uploads_max), (2000, 2));
        assert_eq!(config.workers, WorkerSettings::default());
    }

    #[test]
    fn a_mistake_is_explained() {
        for (toml, environment, set, part) in [
            (
                "[http]\nbody_byte_max = 1",
                None,
                None,
                "unknown setting `http.body_byte_max` in FILE; did you mean `http.body_bytes_max`?",
            ),
            ("lissten = \"x\"", None, None, "unknown setting `lissten` in FILE; did you mean `listen`?"),
            (
                "[nothing]\nx = 1",
                None,
                None,
                "unknown setting `[nothing]` in FILE; the known settings are data_dir, listen",
            ),
            (
                "[http]\nuploads_max = \"many\"",
                None,
                None,
                "the setting `http.uploads_max` in FILE is \"many\"; it must be a number from 1 to",
            ),
            ("[http]\nuploads_max = 0", None, None, "is 0; it must be a number from 1 to"),
            ("http = 1", None, None, "unknown setting `http` in FILE"),
            ("listen = 1", None, None, "the setting `listen` in FILE is 1; it must be a text"),
            ("a = = 1", None, None, "FILE, line 1, column 5 is not TOML"),
            (
                "",
                Some(("GOLEM_HTTP_NOTHING", "1")),
                None,
                "unknown setting `GOLEM_HTTP_NOTHING` in the environment",
            ),
            ("", Some(("GOLEM_LISTN", "1")), None, "did you mean `GOLEM_LISTEN`?"),
            (
                "",
                Some(("GOLEM_LISTEN", "1")),
                None,
                "the setting `GOLEM_LISTEN` in the environment is \"1\"; it must be host:port",
            ),
            ("", Some(("GOLEM_LOG_FORMAT", "xml")), None, "it must be text or json"),
            ("", None, Some("http.uploads_max"), "it must be KEY=VALUE"),
            ("", None, Some("x=1"), "unknown setting `x` in the command line"),
            ("", None, Some("workers.retry_multiplier=0.5"), "it must be a number from 1 to"),
        ] {
            let args =
                ServerArgs { set: set.map(str::to_owned).into_iter().collect(), ..ServerArgs::default() };
            let environment: Vec<_> = environment.into_iter().collect();
            let error = load(toml, &environment, &args).unwrap_err();
            assert!(error.contains(part), "{error}\nshould contain\n{part}");
            assert!(!error.contains('\n'), "{error} should be one line");
        }
    }

    #[test]
    fn a_secret_is_read_but_not_printed() {
        let config = load("[login]\ngithub_client_secret = \"hush\"", &[], &ServerArgs::default()).unwrap();
        assert_eq!(config.login.github_client_secret.reveal(), "hush");
        let printed = format!("{config:?}");
        assert!(!printed.contains("hush") && printed.contains("github_client_secret: \"***\""), "{printed}");
        let error = load("[login]\ngithub_client_secret = 1", &[], &ServerArgs::default()).unwrap_err();
        assert!(error.contains("it must be a text"), "{error}");
    }

    #[test]
    fn the_documented_settings_are_the_defaults() {
        let config = load(&Config::default_toml(), &[], &ServerArgs::default()).unwrap();
        assert_eq!(config, Config::default());
    }
}

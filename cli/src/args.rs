//! Options that several commands share.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueEnum};
use golem_model::retry::RetryPolicyError;
use golem_model::{FailureOptions, OnFailure, ProjectId, RetryPolicy, TemplateId, WorkerName};
use std::path::PathBuf;

/// The address on which a server listens by default.
pub const BASE_URL_DEFAULT: &str = "http://localhost:9881";

/// Options of every command. They are accepted before and after the command's name.
#[derive(Clone, Args)]
pub struct GlobalArgs {
    /// Address of the server
    #[arg(long, short = 'u', alias = "golem-url", env = "GOLEM_BASE_URL", value_name = "URL",
        default_value = BASE_URL_DEFAULT, global = true, help_heading = HEADING)]
    pub base_url: String,
    /// Secret of the token that authenticates the requests
    #[arg(long, short = 'T', env = "GOLEM_AUTH_TOKEN", hide_env_values = true, value_name = "SECRET",
        global = true, help_heading = HEADING)]
    pub auth_token: Option<String>,
    /// Data folder of a local server: use the token in its file `root-token`
    // A `String`, because `golem server` has an option of the same name and clap treats both as one argument.
    #[arg(long, env = "GOLEM_DATA_DIR", value_name = "DIR", global = true, help_heading = HEADING)]
    pub data_dir: Option<String>,
    /// Folder that contains `cloud_authentication.json` [default: $HOME/.golem]
    #[arg(long, short = 'D', value_name = "DIR", global = true, help_heading = HEADING)]
    pub config_directory: Option<PathBuf>,
    /// Output format of results
    #[arg(long, short = 'F', value_enum, default_value_t = Format::Yaml, global = true, help_heading = HEADING)]
    pub format: Format,
    /// Accept any TLS certificate
    #[arg(long, env = "GOLEM_ALLOW_INSECURE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(),
        global = true, help_heading = HEADING)]
    pub allow_insecure: bool,
    /// Log more on standard error; can be repeated
    #[arg(long, short = 'v', action = ArgAction::Count, global = true, help_heading = HEADING)]
    pub verbose: u8,
    /// Log less on standard error; can be repeated
    #[arg(long, short = 'q', action = ArgAction::Count, global = true, help_heading = HEADING)]
    pub quiet: u8,
}

const HEADING: &str = "Client options";

impl std::fmt::Debug for GlobalArgs {
    /// Omits the token: a secret must not be logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GlobalArgs")
            .field("base_url", &self.base_url)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// The output format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// JSON, for programs.
    Json,
    /// YAML, for people.
    #[default]
    Yaml,
}

/// Selects a project: by id or by name, otherwise the caller's default project.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// Id of the project
    #[arg(long, short = 'P', value_name = "UUID", conflicts_with = "project_name")]
    pub project_id: Option<ProjectId>,
    /// Name of the project
    #[arg(long, short = 'p', value_name = "NAME")]
    pub project_name: Option<String>,
}

/// Selects a template: by id, or by name in a project.
#[derive(Debug, Clone, Args)]
pub struct TemplateArgs {
    /// Id of the template
    #[arg(long, short = 'C', value_name = "UUID", required_unless_present = "template_name",
        conflicts_with_all = ["template_name", "project_id", "project_name"])]
    pub template_id: Option<TemplateId>,
    /// Name of the template
    #[arg(long, short = 't', value_name = "NAME")]
    pub template_name: Option<String>,
    /// The project that contains the named template.
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Selects a worker: by template and name.
#[derive(Debug, Clone, Args)]
pub struct WorkerArgs {
    /// The worker's template.
    #[command(flatten)]
    pub template: TemplateArgs,
    /// Name of the worker
    #[arg(long, short = 'w', value_name = "NAME")]
    pub worker_name: WorkerName,
}

/// Links of an uploaded component: the templates that its workers call.
#[derive(Debug, Clone, Default, Args)]
pub struct LinkArgs {
    /// Calls through INTERFACE go to workers of TEMPLATE (an id or a name); can be repeated. Required if several
    /// templates of the project export the interface
    #[arg(long = "link", value_name = "INTERFACE=TEMPLATE", value_parser = parse_link)]
    pub links: Vec<(String, String)>,
}

fn parse_link(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((interface, template)) if interface.contains('/') && !template.is_empty() => {
            Ok((interface.to_owned(), template.to_owned()))
        }
        _ => Err("a link is written as package:name/interface=template".to_owned()),
    }
}

/// Options for the failures of workers.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct FailureArgs {
    /// What happens after the last attempt of an invocation has failed
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_failure: Option<OnFailureArg>,
    /// Attempts of an invocation in total, including the first one
    #[arg(long, value_name = "NUMBER")]
    pub max_attempts: Option<u32>,
    /// Delay after the first failed attempt, in milliseconds
    #[arg(long, value_name = "MS", requires = "max_attempts")]
    pub min_delay_ms: Option<u64>,
    /// Longest delay after a failed attempt, in milliseconds
    #[arg(long, value_name = "MS", requires = "max_attempts")]
    pub max_delay_ms: Option<u64>,
    /// Factor by which each delay is longer than the previous one
    #[arg(long, value_name = "FACTOR", requires = "max_attempts")]
    pub multiplier: Option<f64>,
}

/// What happens after the last attempt of an invocation has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnFailureArg {
    /// The worker fails and accepts no invocations until it is recovered
    Fail,
    /// The invocation is reverted and the worker continues with its state before the invocation
    Rollback,
}

impl FailureArgs {
    /// Converts the options into what REST accepts. An option that is absent stays unset, so that the setting
    /// of the template or of the server applies.
    pub fn options(self) -> Result<FailureOptions, RetryPolicyError> {
        let on_failure = self.on_failure.map(|on_failure| match on_failure {
            OnFailureArg::Fail => OnFailure::Fail,
            OnFailureArg::Rollback => OnFailure::Rollback,
        });
        let defaults = RetryPolicy::default();
        let policy = |attempts| {
            let min = self.min_delay_ms.unwrap_or(defaults.delay_ms_min());
            let max = self.max_delay_ms.unwrap_or(defaults.delay_ms_max().max(min));
            RetryPolicy::new(attempts, min, max, self.multiplier.unwrap_or(defaults.multiplier))
        };
        Ok(FailureOptions { retry_policy: self.max_attempts.map(policy).transpose()?, on_failure })
    }
}

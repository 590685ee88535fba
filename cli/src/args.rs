//! Options that more than one command takes.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueEnum};
use golem_model::retry::RetryPolicyError;
use golem_model::{FailureOptions, OnFailure, ProjectId, RetryPolicy, TemplateId, WorkerName};
use std::path::PathBuf;

/// Where a local server listens if it is not told otherwise.
pub const BASE_URL_DEFAULT: &str = "http://localhost:9881";

/// Options of every command; they may stand before it or after it.
#[derive(Clone, Args)]
pub struct Global {
    /// Address of the server
    #[arg(long, short = 'u', alias = "golem-url", env = "GOLEM_BASE_URL", value_name = "URL",
        default_value = BASE_URL_DEFAULT, global = true, help_heading = HEADING)]
    pub base_url: String,
    /// Secret of the token to use
    #[arg(long, short = 'T', env = "GOLEM_AUTH_TOKEN", hide_env_values = true, value_name = "SECRET",
        global = true, help_heading = HEADING)]
    pub auth_token: Option<String>,
    /// Data folder of a local server, to use the token in its file `root-token`
    // A text, as `golem server` has an option of this name too, and clap takes them for one.
    #[arg(long, env = "GOLEM_DATA_DIR", value_name = "DIR", global = true, help_heading = HEADING)]
    pub data_dir: Option<String>,
    /// Folder of `cloud_authentication.json` [default: $HOME/.golem]
    #[arg(long, short = 'D', value_name = "DIR", global = true, help_heading = HEADING)]
    pub config_directory: Option<PathBuf>,
    /// How to print results
    #[arg(long, short = 'F', value_enum, default_value_t = Format::Yaml, global = true, help_heading = HEADING)]
    pub format: Format,
    /// Take any TLS certificate
    #[arg(long, env = "GOLEM_ALLOW_INSECURE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new(),
        global = true, help_heading = HEADING)]
    pub allow_insecure: bool,
    /// Say more on standard error; can be repeated
    #[arg(long, short = 'v', action = ArgAction::Count, global = true, help_heading = HEADING)]
    pub verbose: u8,
    /// Say less on standard error; can be repeated
    #[arg(long, short = 'q', action = ArgAction::Count, global = true, help_heading = HEADING)]
    pub quiet: u8,
}

const HEADING: &str = "Client options";

impl std::fmt::Debug for Global {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GlobalArgs")
            .field("base_url", &self.base_url)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For programs.
    Json,
    /// For people.
    #[default]
    Yaml,
}

/// Which project: the default project if none is named.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// The project, by id
    #[arg(long, short = 'P', value_name = "UUID", conflicts_with = "project_name")]
    pub project_id: Option<ProjectId>,
    /// The project, by name
    #[arg(long, short = 'p', value_name = "NAME")]
    pub project_name: Option<String>,
}

/// Which template: by id, or by name in a project.
#[derive(Debug, Clone, Args)]
pub struct TemplateArgs {
    /// The template, by id
    #[arg(long, short = 'C', value_name = "UUID", required_unless_present = "template_name",
        conflicts_with_all = ["template_name", "project_id", "project_name"])]
    pub template_id: Option<TemplateId>,
    /// The template, by name
    #[arg(long, short = 't', value_name = "NAME")]
    pub template_name: Option<String>,
    /// Where to look for the name.
    #[command(flatten)]
    pub project: ProjectArgs,
}

/// Which worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerArgs {
    /// Its template.
    #[command(flatten)]
    pub template: TemplateArgs,
    /// The worker's name
    #[arg(long, short = 'w', value_name = "NAME")]
    pub worker_name: WorkerName,
}

/// Which templates the workers of an uploaded component call.
#[derive(Debug, Clone, Default, Args)]
pub struct LinkArgs {
    /// Call the workers of this template, by id or name, through this interface; can be repeated. Needed where several
    /// templates of the project export it
    #[arg(long = "link", value_name = "INTERFACE=TEMPLATE", value_parser = parse_link)]
    pub links: Vec<(String, String)>,
}

fn parse_link(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((interface, template)) if interface.contains('/') && !template.is_empty() => {
            Ok((interface.to_owned(), template.to_owned()))
        }
        _ => Err("write it as package:name/interface=template".to_owned()),
    }
}

/// What is chosen for the failures of workers.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct FailureArgs {
    /// What happens when the last attempt of an invocation failed
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_failure: Option<OnFailureArg>,
    /// Attempts of an invocation in all, the first included
    #[arg(long, value_name = "NUMBER")]
    pub max_attempts: Option<u32>,
    /// Milliseconds after the first failed attempt
    #[arg(long, value_name = "MS", requires = "max_attempts")]
    pub min_delay_ms: Option<u64>,
    /// Milliseconds after a failed attempt, at most
    #[arg(long, value_name = "MS", requires = "max_attempts")]
    pub max_delay_ms: Option<u64>,
    /// Factor from one delay to the next
    #[arg(long, value_name = "FACTOR", requires = "max_attempts")]
    pub multiplier: Option<f64>,
}

/// What happens when the last attempt of an invocation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnFailureArg {
    /// The worker takes no more invocations until it is recovered.
    Fail,
    /// The worker goes back to what it was before the invocation.
    Rollback,
}

impl FailureArgs {
    /// The choices.
    pub fn options(self) -> Result<FailureOptions, RetryPolicyError> {
        let on_failure = self.on_failure.map(|on_failure| match on_failure {
            OnFailureArg::Fail => OnFailure::Fail,
            OnFailureArg::Rollback => OnFailure::Rollback,
        });
        let others = RetryPolicy::default();
        let policy = |attempts| {
            let min = self.min_delay_ms.unwrap_or(others.delay_ms_min());
            let max = self.max_delay_ms.unwrap_or(others.delay_ms_max().max(min));
            RetryPolicy::new(attempts, min, max, self.multiplier.unwrap_or(others.multiplier))
        };
        Ok(FailureOptions { retry_policy: self.max_attempts.map(policy).transpose()?, on_failure })
    }
}

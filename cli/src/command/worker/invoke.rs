//! Invocations, and the data that goes into promises.

use crate::command::template::read_input;
use crate::error::CliError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use golem_api::client::{Client, ClientError, InvocationName, InvokeOptions};
use golem_api::worker::{CallingConvention, InvocationKey};
use golem_model::WorkerId;
use serde_json::Value;
use std::path::PathBuf;

/// Which function, with what.
#[derive(Debug, Clone, Args)]
pub struct InvokeArgs {
    /// Full name of the function, such as golem:counter/api/increment
    #[arg(long, short = 'f', value_name = "NAME")]
    pub function: String,
    /// Parameters as JSON: an array with one element for each
    #[arg(long, short = 'j', value_name = "JSON", default_value = "[]", allow_hyphen_values = true)]
    pub parameters: String,
}

impl InvokeArgs {
    /// The parameters as JSON.
    pub fn params(&self) -> Result<Value, CliError> {
        serde_json::from_str(&self.parameters)
            .map_err(|source| CliError::Json { option: "--parameters", source })
    }
}

/// How parameters and result travel.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StdioArgs {
    /// Send the parameters to standard input and take standard output for the result
    #[arg(long, short = 's', conflicts_with = "use_stdio_eventloop")]
    pub use_stdio: bool,
    /// The same, a line for each invocation
    #[arg(long)]
    pub use_stdio_eventloop: bool,
}

impl StdioArgs {
    fn convention(self) -> Option<CallingConvention> {
        if self.use_stdio {
            Some(CallingConvention::Stdio)
        } else if self.use_stdio_eventloop {
            Some(CallingConvention::StdioEventLoop)
        } else {
            None
        }
    }
}

/// What a promise is completed with.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct DataArgs {
    /// The data as text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// The data as base64
    #[arg(long, value_name = "BASE64")]
    pub data_base64: Option<String>,
    /// The file that holds the data; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,
}

impl DataArgs {
    /// The data.
    pub fn bytes(&self) -> Result<Vec<u8>, CliError> {
        match (&self.data, &self.data_base64, &self.data_file) {
            (Some(text), _, _) => Ok(text.clone().into_bytes()),
            (_, Some(text), _) => {
                STANDARD.decode(text).map_err(|source| CliError::Base64 { option: "--data-base64", source })
            }
            (_, _, Some(path)) => read_input(path),
            // The parser wants one of them.
            (None, None, None) => Ok(Vec::new()),
        }
    }
}

/// Calls a function under a key, so that after a broken connection its result can still be asked for.
pub(super) async fn invoke_and_await(
    client: &Client,
    worker: &WorkerId,
    function: &str,
    params: &Value,
    key: Option<String>,
    stdio: StdioArgs,
) -> Result<Value, CliError> {
    let key = match key {
        Some(key) => key,
        None => client.worker_key(worker).await?.0,
    };
    let name = Some(InvocationName::Key(InvocationKey(key.clone())));
    let options = InvokeOptions { name, calling_convention: stdio.convention() };
    match client.worker_invoke_and_await(worker, function, params, &options).await {
        Ok(result) => Ok(result),
        Err(source @ (ClientError::Transport { .. } | ClientError::Status { status: 503 | 504, .. })) => {
            Err(CliError::InvocationUnanswered { key, source })
        }
        Err(error) => Err(error.into()),
    }
}

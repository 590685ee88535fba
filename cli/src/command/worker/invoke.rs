//! Arguments of invocations and of promise completions, and the call of `invoke-and-await`.

use crate::command::template::read_input;
use crate::error::CliError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use golem_api::client::{Client, ClientError, InvokeKey, InvokeOptions};
use golem_api::worker::{CallingConvention, InvocationKey};
use golem_model::WorkerId;
use serde_json::Value;
use std::path::PathBuf;

/// The function to invoke and its parameters.
#[derive(Debug, Clone, Args)]
pub struct InvokeArgs {
    /// Full name of the function, such as golem:counter/api/increment
    #[arg(long, short = 'f', value_name = "NAME")]
    pub function: String,
    /// Parameters as a JSON array with one element per parameter
    #[arg(long, short = 'j', value_name = "JSON", default_value = "[]", allow_hyphen_values = true)]
    pub parameters: String,
}

impl InvokeArgs {
    /// Parses the parameters as JSON.
    pub fn params(&self) -> Result<Value, CliError> {
        serde_json::from_str(&self.parameters)
            .map_err(|source| CliError::Json { option: "--parameters", source })
    }
}

/// The calling convention: how parameters and result are passed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StdioArgs {
    /// Pass the parameters on standard input and read the result from standard output
    #[arg(long, short = 's', conflicts_with = "use_stdio_eventloop")]
    pub use_stdio: bool,
    /// Like --use-stdio, for a program that reads one line per invocation
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

/// The data that completes a promise.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct DataArgs {
    /// Data as text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// Data as base64
    #[arg(long, value_name = "BASE64")]
    pub data_base64: Option<String>,
    /// File that contains the data; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub data_file: Option<PathBuf>,
}

impl DataArgs {
    /// Decodes or reads the data.
    pub fn bytes(&self) -> Result<Vec<u8>, CliError> {
        match (&self.data, &self.data_base64, &self.data_file) {
            (Some(text), _, _) => Ok(text.clone().into_bytes()),
            (_, Some(text), _) => {
                STANDARD.decode(text).map_err(|source| CliError::Base64 { option: "--data-base64", source })
            }
            (_, _, Some(path)) => read_input(path),
            // The argument parser requires one of the options.
            (None, None, None) => Ok(Vec::new()),
        }
    }
}

/// Invokes a function under an invocation key. If the connection breaks, the caller can ask for the result with that
/// key, which is why the error contains it.
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
    let invoke_key = Some(InvokeKey::Issued(InvocationKey(key.clone())));
    let options = InvokeOptions { key: invoke_key, calling_convention: stdio.convention() };
    match client.worker_invoke_and_await(worker, function, params, &options).await {
        Ok(result) => Ok(result),
        Err(source @ (ClientError::Transport { .. } | ClientError::Status { status: 503 | 504, .. })) => {
            Err(CliError::InvocationUnanswered { key, source })
        }
        Err(error) => Err(error.into()),
    }
}

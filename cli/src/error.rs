//! Errors of commands and the line that each of them prints.

use golem_api::client::ClientError;
use golem_api::connect::WorkerEndpointError;
use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server rejected the request or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The connection broke before the result of an invocation arrived. The invocation may still be running.
    #[error("the invocation may still be running; ask for its result with --invocation-key {key}")]
    InvocationUnanswered {
        /// The invocation's key.
        key: String,
        /// Error of the request.
        #[source]
        source: ClientError,
    },
    /// The log stream ended with an error.
    #[error(transparent)]
    LogStream(#[from] WorkerEndpointError),
    /// No source provides a token, see [`profile`](crate::profile).
    #[error(
        "no token: pass one with --auth-token or GOLEM_AUTH_TOKEN; for a server on this machine, pass its data folder \
         with --data-dir or GOLEM_DATA_DIR"
    )]
    NoToken,
    /// The data folder holds no token.
    #[error("no token in {}: pass the data folder of a server that was started before", .path.display())]
    NoRootToken {
        /// Path of the missing file.
        path: PathBuf,
    },
    /// The stored token cannot be read.
    #[error("{} does not contain a stored token: delete the file, or pass a token with --auth-token", .path.display())]
    StoredToken {
        /// Path of the file.
        path: PathBuf,
        /// Error of the parser.
        #[source]
        source: serde_json::Error,
    },
    /// The numbers of a retry policy contradict each other.
    #[error(transparent)]
    RetryPolicy(#[from] golem_model::retry::RetryPolicyError),
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The WIT is invalid, or no bindings can be generated for it.
    #[error(transparent)]
    Bindgen(#[from] golem_bindgen::Error),
    /// A guest project is invalid or cannot be built.
    #[error(transparent)]
    Guest(#[from] crate::guest::GuestError),
    /// The component exports no interface, so there is no client to write.
    #[error("the template exports no interface that other workers can call")]
    NoExports,
    /// The value of an option is not JSON.
    #[error("{option} is not JSON; quote it for the shell, for example --parameters '[1, \"two\"]'")]
    Json {
        /// Name of the option.
        option: &'static str,
        /// Error of the parser.
        #[source]
        source: serde_json::Error,
    },
    /// The value of an option is not base64.
    #[error("{option} is not base64")]
    Base64 {
        /// Name of the option.
        option: &'static str,
        /// Error of the decoder.
        #[source]
        source: base64::DecodeError,
    },
    /// No object has this name.
    #[error("there is no {noun} named \"{name}\"")]
    NotFound {
        /// Kind of the object, such as `template`.
        noun: &'static str,
        /// The name.
        name: String,
    },
    /// Several objects have this name.
    #[error("several {noun}s are named \"{name}\"; choose one with {option}: {ids}")]
    AmbiguousName {
        /// Kind of the objects, such as `template`.
        noun: &'static str,
        /// The name.
        name: String,
        /// The option that selects one of them.
        option: &'static str,
        /// Ids of the objects, separated by commas.
        ids: String,
    },
    /// The template has no such version.
    #[error("the template has no version {version}; the latest is {latest}")]
    VersionNotFound {
        /// The requested version.
        version: u32,
        /// The latest version of the template.
        latest: u32,
    },
    /// The result cannot be written.
    #[error("cannot write the result")]
    WriteResult(#[source] std::io::Error),
}

impl CliError {
    /// The line that is printed for the error. It contains the causes. Errors from the server begin with their kind.
    pub fn report(&self) -> String {
        match self {
            Self::Client(error) => client_report(error),
            Self::InvocationUnanswered { source, .. } => format!("{}; {self}", client_report(source)),
            Self::LogStream(error) => stream_report(error),
            other => with_causes(other),
        }
    }
}

fn client_report(error: &ClientError) -> String {
    if let ClientError::Transport { url, source } = error
        && source.is_connect()
    {
        let cause = with_causes(source);
        return format!(
            "cannot connect to the server at {url}: start one with `golem server`, or pass its address with --base-url \
             ({cause})"
        );
    }
    let (Some(status), Some(body)) = (error.status(), error.body()) else { return with_causes(error) };
    let text = body.to_string();
    // The server's text may already begin with the kind of error.
    let plain = text.strip_prefix("Unauthorized: ").filter(|_| status == 401).unwrap_or(&text);
    match (status, plain) {
        (504, "") => "Gateway timeout".to_owned(),
        (504, text) => format!("Gateway timeout: {text}"),
        (400, text) => format!("Invalid API call: {text}"),
        (401, text) => format!("Unauthorized: {text}"),
        (403, text) => format!("Limit Exceeded: {text}"),
        (404, text) => format!("Not found: {text}"),
        (409, text) => format!("Conflict: {text}"),
        (500, text) => format!("Internal server error: {text}"),
        (status, "") => format!("Unexpected status: {status}"),
        (status, text) => format!("Unexpected status: {status}: {text}"),
    }
}

fn stream_report(error: &WorkerEndpointError) -> String {
    let kind = match error {
        WorkerEndpointError::BadRequest { .. } => "Invalid API call",
        WorkerEndpointError::Unauthorized { .. } => "Unauthorized",
        WorkerEndpointError::LimitExceeded { .. } => "Limit Exceeded",
        WorkerEndpointError::NotFound { .. } => "Not found",
        WorkerEndpointError::AlreadyExists { .. } => "Conflict",
        WorkerEndpointError::Golem { .. } => "Internal server error",
        WorkerEndpointError::GatewayTimeout {} => return "Gateway timeout".to_owned(),
    };
    format!("{kind}: {error}")
}

/// Formats an error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&part) {
            write!(text, ": {part}").expect("writing to a String cannot fail");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use golem_api::error::ErrorBody;

    fn report(status: u16, body: ErrorBody) -> String {
        CliError::from(ClientError::Status { status, body: Box::new(body) }).report()
    }

    #[test]
    fn error_responses_are_reported_with_their_kind() {
        for (status, body, text) in [
            (400, ErrorBody::invalid(["a", "b"]), "Invalid API call: a, b"),
            (401, ErrorBody::from_text("no token"), "Unauthorized: no token"),
            (401, ErrorBody::from_text("Unauthorized: no token"), "Unauthorized: no token"),
            (403, ErrorBody::from_text("too many"), "Limit Exceeded: too many"),
            (404, ErrorBody::from_text("no worker"), "Not found: no worker"),
            (409, ErrorBody::from_text("exists"), "Conflict: exists"),
            (500, ErrorBody::from_text("oh"), "Internal server error: oh"),
            (504, ErrorBody::default(), "Gateway timeout"),
            (429, ErrorBody::from_text("slow down"), "Unexpected status: 429: slow down"),
            (418, ErrorBody::default(), "Unexpected status: 418"),
        ] {
            assert_eq!(report(status, body), text);
        }
    }

    #[test]
    fn an_unanswered_invocation_is_reported_with_its_key() {
        let source = ClientError::Status { status: 504, body: Box::default() };
        assert_eq!(
            CliError::InvocationUnanswered { key: "k".to_owned(), source }.report(),
            "Gateway timeout; the invocation may still be running; ask for its result with --invocation-key k"
        );
    }

    #[test]
    fn causes_are_reported_on_the_same_line() {
        let source = serde_json::from_str::<u8>("x").unwrap_err();
        assert_eq!(
            CliError::Json { option: "--parameters", source }.report(),
            "--parameters is not JSON; quote it for the shell, for example --parameters '[1, \"two\"]': expected value \
             at line 1 column 1"
        );
    }
}

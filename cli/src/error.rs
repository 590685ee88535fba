//! Errors, and the one line that is printed for each.

use golem_api::client::ClientError;
use golem_api::connect::WorkerEndpointError;
use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An invocation has no answer, but may be running.
    #[error("the invocation may still be running; ask for its result with --invocation-key {key}")]
    InvocationUnanswered {
        /// Its key.
        key: String,
        /// What happened.
        #[source]
        source: ClientError,
    },
    /// The log stream ended with an error.
    #[error(transparent)]
    LogStream(#[from] WorkerEndpointError),
    /// No token anywhere.
    #[error(
        "no token: give --auth-token or GOLEM_AUTH_TOKEN, or with --data-dir or GOLEM_DATA_DIR the data folder of a \
         server on this machine"
    )]
    NoToken,
    /// The data folder holds no token.
    #[error("no token in {}: is it the data folder of a server that has been started?", .path.display())]
    NoRootToken {
        /// The file that is missing.
        path: PathBuf,
    },
    /// The stored token cannot be read.
    #[error("{} is not what this program stores: delete it, or give --auth-token", .path.display())]
    StoredToken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The numbers of a retry policy contradict each other.
    #[error(transparent)]
    RetryPolicy(#[from] golem_model::retry::RetryPolicyError),
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// WIT is not as it must be.
    #[error(transparent)]
    Bindgen(#[from] golem_bindgen::Error),
    /// A guest project is not as it must be, or cannot be built.
    #[error(transparent)]
    Guest(#[from] crate::guest::GuestError),
    /// Nothing can be called.
    #[error("the template exports no interface that another worker can call")]
    NoExports,
    /// An option's text is no JSON.
    #[error("{option} is not JSON; quote it for the shell, for example --parameters '[1, \"two\"]'")]
    Json {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An option's text is no base64.
    #[error("{option} is not base64")]
    Base64 {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        source: base64::DecodeError,
    },
    /// There is no such thing.
    #[error("there is no {noun} named \"{name}\"")]
    NotFound {
        /// What it would be.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// There are several.
    #[error("several {noun}s are named \"{name}\"; choose one with {option}: {ids}")]
    AmbiguousName {
        /// What they are.
        noun: &'static str,
        /// Their name.
        name: String,
        /// The option that chooses one.
        option: &'static str,
        /// Their ids.
        ids: String,
    },
    /// The template has no such version.
    #[error("the template has no version {version}; the latest is {latest}")]
    VersionNotFound {
        /// The version asked for.
        version: u32,
        /// The latest one.
        latest: u32,
    },
    /// The result cannot be written.
    #[error("cannot write the result")]
    WriteResult(#[source] std::io::Error),
}

impl CliError {
    /// What is printed: one line, with the cause, beginning with the kind of error if the server told it.
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
            "no server answers at {url}; is it running? Start one with `golem server`, or give --base-url. ({cause})"
        );
    }
    let (Some(status), Some(body)) = (error.status(), error.body()) else { return with_causes(error) };
    let text = body.to_string();
    // A server may name the kind itself.
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

/// An error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Some libraries repeat their cause in their own text.
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
    fn answers_are_reported_by_their_kind() {
        for (status, body, text) in [
            (400, ErrorBody::invalid(["a", "b"]), "Invalid API call: a, b"),
            (401, ErrorBody::text("who?"), "Unauthorized: who?"),
            (401, ErrorBody::text("Unauthorized: who?"), "Unauthorized: who?"),
            (403, ErrorBody::text("too many"), "Limit Exceeded: too many"),
            (404, ErrorBody::text("no worker"), "Not found: no worker"),
            (409, ErrorBody::text("exists"), "Conflict: exists"),
            (500, ErrorBody::text("oh"), "Internal server error: oh"),
            (504, ErrorBody::default(), "Gateway timeout"),
            (429, ErrorBody::text("slow down"), "Unexpected status: 429: slow down"),
            (418, ErrorBody::default(), "Unexpected status: 418"),
        ] {
            assert_eq!(report(status, body), text);
        }
    }

    #[test]
    fn an_unanswered_invocation_says_how_to_get_its_result() {
        let source = ClientError::Status { status: 504, body: Box::default() };
        assert_eq!(
            CliError::InvocationUnanswered { key: "k".to_owned(), source }.report(),
            "Gateway timeout; the invocation may still be running; ask for its result with --invocation-key k"
        );
    }

    #[test]
    fn causes_are_on_the_same_line() {
        let source = serde_json::from_str::<u8>("x").unwrap_err();
        assert_eq!(
            CliError::Json { option: "--parameters", source }.report(),
            "--parameters is not JSON; quote it for the shell, for example --parameters '[1, \"two\"]': expected value \
             at line 1 column 1"
        );
    }
}

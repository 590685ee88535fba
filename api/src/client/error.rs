//! What can go wrong between a client and its server.

use crate::error::ErrorBody;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered, with an error.
    #[error("{}", status_text(*.status, .body))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The body; empty if the server sent none.
        body: Box<ErrorBody>,
    },
    /// The server could not be reached, or the connection broke.
    #[error("cannot talk to the server at {url}")]
    Transport {
        /// The address of the server.
        url: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The log stream could not be opened, or broke.
    #[error("the log stream of {url} broke")]
    Stream {
        /// The address of the stream.
        url: String,
        /// What happened.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// The server's answer is none that this client knows.
    #[error("the server's answer cannot be read; is it a Golem server, and of this version?")]
    Decode(#[source] serde_json::Error),
    /// The address is none that a server can have.
    #[error("\"{url}\" is no address of a server ({reason}); write http://host:port or https://host")]
    BaseUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token's secret cannot be put into a header.
    #[error("the token holds characters that a header cannot carry; it should be a UUID")]
    Token,
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

impl ClientError {
    /// The status of the server's answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The body of the server's answer, if there was one.
    pub fn body(&self) -> Option<&ErrorBody> {
        match self {
            Self::Status { body, .. } => Some(body),
            _ => None,
        }
    }
}

fn status_text(status: u16, body: &ErrorBody) -> String {
    match body.to_string() {
        text if text.is_empty() => format!("the server answered with status {status}"),
        text => format!("the server answered with status {status}: {text}"),
    }
}

//! Errors of requests to a server.

use crate::error::ErrorBody;

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server responded with an error.
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
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The log stream could not be opened, or its connection broke.
    #[error("the connection of the log stream {url} broke")]
    Stream {
        /// The address of the stream.
        url: String,
        /// The cause.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// The client cannot parse the server's response.
    #[error("cannot parse the server's response; is it a Golem server, and of this version?")]
    Decode(#[source] serde_json::Error),
    /// The text is not the address of a server.
    #[error("\"{url}\" is not the address of a server ({reason}); write http://host:port or https://host")]
    BaseUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token's secret cannot be sent in a header.
    #[error("the token contains characters that an HTTP header cannot contain; it should be a UUID")]
    Token,
    /// The HTTP client could not be created.
    #[error("cannot create the HTTP client")]
    Setup(#[source] reqwest::Error),
}

impl ClientError {
    /// The status of the server's response, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The body of the server's response, if there was one.
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

//! The log stream of a worker: `GET …/workers/{name}/connect`, a WebSocket whose frames are one JSON value each.
//!
//! There are two generations of frames. By default the server sends those of 2023, [`MessageFrame`], in which stdout,
//! stderr and log lines are one text. With `?format=events` it sends [`EventFrame`], which distinguishes them.

use crate::error::GolemError;
use serde::{Deserialize, Serialize};

/// Query of `connect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnectQuery {
    /// The frames that the client expects.
    #[serde(default)]
    pub format: ConnectFormat,
}

/// A generation of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectFormat {
    /// [`MessageFrame`].
    #[default]
    Messages,
    /// [`EventFrame`], and [`MessageFrame::Error`] for errors.
    Events,
}

/// A frame of 2023.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageFrame {
    /// Text to print unchanged. It contains line ends.
    Message {
        /// The text.
        message: String,
    },
    /// The stream cannot be opened, or ends.
    Error {
        /// The reason.
        error: WorkerEndpointError,
    },
}

impl MessageFrame {
    /// The frame that carries `event`. A log line becomes a line of text: `[LEVEL] [context] message`.
    pub fn of(event: &WorkerEvent) -> Self {
        let message = match event {
            WorkerEvent::Stdout { message } | WorkerEvent::Stderr { message } => message.clone(),
            WorkerEvent::Log { level, context, message } => match context.as_str() {
                "" => format!("[{}] {message}\n", level.name()),
                context => format!("[{}] [{context}] {message}\n", level.name()),
            },
        };
        Self::Message { message }
    }
}

/// A frame with one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFrame {
    /// The event.
    pub event: WorkerEvent,
}

/// Output or a log event of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// Written to standard output.
    Stdout {
        /// The text; not necessarily a whole line.
        message: String,
    },
    /// Written to standard error.
    Stderr {
        /// The text; not necessarily a whole line.
        message: String,
    },
    /// Logged through `wasi:logging`.
    Log {
        /// The level.
        level: LogLevel,
        /// The context that the guest gave.
        context: String,
        /// The text, without a line end.
        message: String,
    },
}

/// The level of a log line. It is sent as a number from 0 (trace) to 5 (critical).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[expect(missing_docs, reason = "the names of the levels are those of WIT")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl LogLevel {
    const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical];

    /// The level in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

impl TryFrom<u8> for LogLevel {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        let level = Self::ALL.get(usize::from(number)).copied();
        level.ok_or_else(|| format!("{number} is not a log level; the levels are 0 (trace) to 5 (critical)"))
    }
}

impl From<LogLevel> for u8 {
    fn from(level: LogLevel) -> Self {
        level as Self
    }
}

/// The errors of worker endpoints as one union. The frames of a log stream carry no HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "each case is the body of one status")]
pub enum WorkerEndpointError {
    /// Status 400.
    #[error("{}", .errors.join(", "))]
    #[serde(alias = "badRequest")]
    BadRequest { errors: Vec<String> },
    /// Status 401.
    #[error("{error}")]
    #[serde(alias = "unauthorized")]
    Unauthorized { error: String },
    /// Status 403.
    #[error("{error}")]
    #[serde(alias = "limitExceeded")]
    LimitExceeded { error: String },
    /// Status 404.
    #[error("{error}")]
    #[serde(alias = "notFound")]
    NotFound { error: String },
    /// Status 409.
    #[error("{error}")]
    #[serde(alias = "alreadyExists")]
    AlreadyExists { error: String },
    /// Status 500.
    #[error("{golem_error}")]
    #[serde(alias = "golem")]
    Golem {
        #[serde(alias = "golem_error")]
        golem_error: GolemError,
    },
    /// Status 504.
    #[error("The worker did not answer in time")]
    #[serde(alias = "gatewayTimeout")]
    GatewayTimeout {},
}

/// A frame of either generation, as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a frame of a worker's log stream")]
pub enum ConnectFrame {
    /// A frame with one event.
    Event(EventFrame),
    /// A frame of 2023.
    Message(MessageFrame),
}

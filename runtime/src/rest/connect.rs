//! Streams a worker's output over a WebSocket.

use super::Services;
use super::error::ApiError;
use super::extract::{Caller, QueryParams, WorkerPath};
use crate::executor::{LogNotice, LogSubscription};
use crate::http::ConnectionPermit;
use crate::identity::Action;
use axum::extract::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use golem_api::connect::{self as api, ConnectFormat, ConnectQuery, EventFrame, MessageFrame, WorkerEvent};
use golem_host::ports::{LogEvent, LogLevel};
use http::StatusCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Bytes of a message from the client, at most. Clients send only pings.
const MESSAGE_BYTES_MAX: usize = 4096;

/// `GET …/connect`: past events, then live ones, until the worker leaves memory.
pub(super) async fn connect(
    State(services): State<Arc<Services>>,
    Caller(principal): Caller,
    WorkerPath(worker): WorkerPath,
    QueryParams(params): QueryParams<ConnectQuery>,
    permit: Option<Extension<ConnectionPermit>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    services.authorize_template(principal, Action::ViewWorker, worker.template)?;
    let upgrade = upgrade.map_err(|rejection| {
        ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            format!("connect is a WebSocket: {}", rejection.body_text()),
        )
    })?;
    let subscription = services.executor.connect(&worker).await?;
    let stopping = services.stopping.clone();
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| async move {
        // Held until the last frame, so that the WebSocket counts as an open connection.
        let _permit = permit;
        stream(socket, subscription, params.format, stopping).await;
    }))
}

async fn stream(
    mut socket: WebSocket,
    mut subscription: LogSubscription,
    format: ConnectFormat,
    stopping: CancellationToken,
) {
    let reason = loop {
        tokio::select! {
            notice = subscription.next() => {
                let Some(notice) = notice else { break "the worker left memory" };
                if socket.send(Message::Text(frame(notice, format).into())).await.is_err() {
                    return;
                }
            }
            // The socket answers pings itself while it is read.
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = stopping.cancelled() => break "the server is shutting down",
        }
    };
    let close = CloseFrame { code: close_code::NORMAL, reason: reason.into() };
    // The client may have disconnected at the same moment.
    drop(socket.send(Message::Close(Some(close))).await);
}

fn frame(notice: LogNotice, format: ConnectFormat) -> String {
    let event = match notice {
        LogNotice::Event(LogEvent::Stdout(text)) => WorkerEvent::Stdout { message: text.to_string() },
        LogNotice::Event(LogEvent::Stderr(text)) => WorkerEvent::Stderr { message: text.to_string() },
        LogNotice::Event(LogEvent::Log { level, context, message }) => WorkerEvent::Log {
            level: api_level(level),
            context: context.to_string(),
            message: message.to_string(),
        },
        LogNotice::Missed(count) => WorkerEvent::Log {
            level: api::LogLevel::Warn,
            context: "golem".to_owned(),
            message: format!(
                "{count} events were lost: this connection or the disk is slower than the worker, or the workers print \
                 more than the server keeps"
            ),
        },
    };
    let frame = match format {
        ConnectFormat::Messages => serde_json::to_string(&MessageFrame::of(&event)),
        ConnectFormat::Events => serde_json::to_string(&EventFrame { event }),
    };
    frame.expect("a frame contains only JSON values")
}

fn api_level(level: LogLevel) -> api::LogLevel {
    match level {
        LogLevel::Trace => api::LogLevel::Trace,
        LogLevel::Debug => api::LogLevel::Debug,
        LogLevel::Info => api::LogLevel::Info,
        LogLevel::Warn => api::LogLevel::Warn,
        LogLevel::Error => api::LogLevel::Error,
        LogLevel::Critical => api::LogLevel::Critical,
    }
}

//! Maps the errors of hyper, rustls and the system to [`HttpFailure`].

use golem_host::ports::HttpFailure;
use std::error::Error;
use std::fmt;
use std::io;

/// Carries an [`HttpFailure`] as an error through libraries that accept any error type.
#[derive(Debug)]
pub(super) struct FailureError(pub(super) HttpFailure);

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for FailureError {}

/// Bytes of a response's head, at most.
pub(super) const HEAD_BYTES_MAX: usize = 256 << 10;

/// Why a request has no response.
pub(super) fn from_request_error(error: &hyper_util::client::legacy::Error) -> HttpFailure {
    most_specific_failure(error).unwrap_or_else(|| HttpFailure::Other { details: error_chain(error) })
}

/// Why a response's body is incomplete.
pub(super) fn from_body_error(error: &hyper::Error) -> HttpFailure {
    match most_specific_failure(error) {
        Some(failure @ (HttpFailure::Protocol { .. } | HttpFailure::HeadTooLarge { .. })) => failure,
        // For every other error of the connection, the rest of the body is missing.
        _ => HttpFailure::Incomplete,
    }
}

/// Why connecting to an address failed.
pub(super) fn from_connect_error(error: &io::Error) -> HttpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpFailure::Refused,
        io::ErrorKind::TimedOut => HttpFailure::ConnectTimeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => HttpFailure::Terminated,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => HttpFailure::Unreachable,
        _ => HttpFailure::Other { details: format!("cannot connect: {error}") },
    }
}

/// The failure of the innermost error of the chain that maps to one.
fn most_specific_failure(error: &(dyn Error + 'static)) -> Option<HttpFailure> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(failure) = failure_of(error) {
            found = Some(failure);
        }
        // An I/O error's `source` skips the error that it wraps, so that one is visited explicitly.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    found
}

fn failure_of(error: &(dyn Error + 'static)) -> Option<HttpFailure> {
    if let Some(FailureError(failure)) = error.downcast_ref() {
        return Some(failure.clone());
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(from_tls_error(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return if error.is_parse_too_large() {
            Some(HttpFailure::HeadTooLarge { bytes: u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX) })
        } else if error.is_parse() {
            Some(HttpFailure::Protocol { details: error.to_string() })
        } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            Some(HttpFailure::Terminated)
        } else {
            None
        };
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => Some(HttpFailure::Terminated),
        _ => None,
    }
}

fn from_tls_error(error: &rustls::Error) -> HttpFailure {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            HttpFailure::Certificate { details: error.to_string() }
        }
        rustls::Error::AlertReceived(alert) => HttpFailure::TlsAlert { code: u8::from(*alert) },
        _ => HttpFailure::Tls { details: error.to_string() },
    }
}

fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

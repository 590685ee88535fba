//! Failures of HTTP requests: their encoding in the oplog, and their `wasi:http` error codes.

use crate::ports::HttpFailure;
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode, TlsAlertReceivedPayload};

/// Bytes of a failure's text that are recorded. The bound is needed because a library's message may quote received
/// bytes.
const DETAILS_BYTES_MAX: usize = 1_024;

/// Appends the bytes of a failure: its tag, then its fields. Tags are never reused (docs/oplog-format.md, "HTTP").
pub(super) fn put_failure(out: &mut Vec<u8>, failure: &HttpFailure) {
    let details = |out: &mut Vec<u8>, tag: u8, text: &str| {
        out.push(tag);
        put_bytes(out, truncate_details(text).as_bytes());
    };
    match failure {
        HttpFailure::Denied => out.push(0),
        HttpFailure::AddressDenied => out.push(1),
        HttpFailure::DnsTimeout => out.push(2),
        HttpFailure::Dns { details: text } => details(out, 3, text),
        HttpFailure::Unreachable => out.push(4),
        HttpFailure::Refused => out.push(5),
        HttpFailure::ConnectTimeout => out.push(6),
        HttpFailure::Terminated => out.push(7),
        HttpFailure::TooMany => out.push(8),
        HttpFailure::Tls { details: text } => details(out, 9, text),
        HttpFailure::Certificate { details: text } => details(out, 10, text),
        HttpFailure::TlsAlert { code } => out.extend_from_slice(&[11, *code]),
        HttpFailure::ResponseTimeout => out.push(12),
        HttpFailure::BodyTimeout => out.push(13),
        HttpFailure::Incomplete => out.push(14),
        HttpFailure::HeadTooLarge { bytes } => {
            out.push(15);
            put_varint(out, u64::from(*bytes));
        }
        HttpFailure::Protocol { details: text } => details(out, 16, text),
        HttpFailure::Uncertain => out.push(17),
        HttpFailure::Lost => out.push(18),
        HttpFailure::Unfinished => out.push(19),
        HttpFailure::Other { details: text } => details(out, 20, text),
    }
}

/// Decodes the bytes of [`put_failure`].
pub(super) fn read_failure(input: &mut Reader<'_>) -> Result<HttpFailure, DecodeError> {
    Ok(match input.byte()? {
        0 => HttpFailure::Denied,
        1 => HttpFailure::AddressDenied,
        2 => HttpFailure::DnsTimeout,
        3 => HttpFailure::Dns { details: input.string()? },
        4 => HttpFailure::Unreachable,
        5 => HttpFailure::Refused,
        6 => HttpFailure::ConnectTimeout,
        7 => HttpFailure::Terminated,
        8 => HttpFailure::TooMany,
        9 => HttpFailure::Tls { details: input.string()? },
        10 => HttpFailure::Certificate { details: input.string()? },
        11 => HttpFailure::TlsAlert { code: input.byte()? },
        12 => HttpFailure::ResponseTimeout,
        13 => HttpFailure::BodyTimeout,
        14 => HttpFailure::Incomplete,
        15 => HttpFailure::HeadTooLarge { bytes: input.varint_as()? },
        16 => HttpFailure::Protocol { details: input.string()? },
        17 => HttpFailure::Uncertain,
        18 => HttpFailure::Lost,
        19 => HttpFailure::Unfinished,
        20 => HttpFailure::Other { details: input.string()? },
        tag => return Err(DecodeError::UnknownTag { what: "HTTP failure", tag }),
    })
}

/// The `wasi:http` error code of a failure.
pub(super) fn error_code(failure: &HttpFailure) -> ErrorCode {
    match failure {
        HttpFailure::Denied => ErrorCode::HttpRequestDenied,
        HttpFailure::AddressDenied => ErrorCode::DestinationIpProhibited,
        HttpFailure::DnsTimeout => ErrorCode::DnsTimeout,
        HttpFailure::Dns { details } => {
            ErrorCode::DnsError(DnsErrorPayload { rcode: Some(details.clone()), info_code: None })
        }
        HttpFailure::Unreachable => ErrorCode::DestinationUnavailable,
        HttpFailure::Refused => ErrorCode::ConnectionRefused,
        HttpFailure::ConnectTimeout => ErrorCode::ConnectionTimeout,
        HttpFailure::Terminated | HttpFailure::Lost => ErrorCode::ConnectionTerminated,
        HttpFailure::TooMany => ErrorCode::ConnectionLimitReached,
        HttpFailure::Tls { .. } => ErrorCode::TlsProtocolError,
        HttpFailure::Certificate { .. } => ErrorCode::TlsCertificateError,
        HttpFailure::TlsAlert { code } => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: Some(*code),
            alert_message: None,
        }),
        // In both cases the connection was established and no data arrived in time.
        HttpFailure::ResponseTimeout | HttpFailure::BodyTimeout => ErrorCode::ConnectionReadTimeout,
        HttpFailure::Incomplete => ErrorCode::HttpResponseIncomplete,
        HttpFailure::HeadTooLarge { bytes } => ErrorCode::HttpResponseHeaderSectionSize(Some(*bytes)),
        HttpFailure::Protocol { .. } => ErrorCode::HttpProtocolError,
        HttpFailure::Uncertain | HttpFailure::Unfinished | HttpFailure::Other { .. } => {
            ErrorCode::InternalError(Some(failure.to_string()))
        }
    }
}

fn truncate_details(text: &str) -> &str {
    &text[..text.floor_char_boundary(DETAILS_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_survive_encoding_and_decoding() {
        let details = || "why \u{e9}".to_owned();
        let failures = [
            HttpFailure::Denied,
            HttpFailure::AddressDenied,
            HttpFailure::DnsTimeout,
            HttpFailure::Dns { details: details() },
            HttpFailure::Unreachable,
            HttpFailure::Refused,
            HttpFailure::ConnectTimeout,
            HttpFailure::Terminated,
            HttpFailure::TooMany,
            HttpFailure::Tls { details: details() },
            HttpFailure::Certificate { details: details() },
            HttpFailure::TlsAlert { code: 40 },
            HttpFailure::ResponseTimeout,
            HttpFailure::BodyTimeout,
            HttpFailure::Incomplete,
            HttpFailure::HeadTooLarge { bytes: 70_000 },
            HttpFailure::Protocol { details: details() },
            HttpFailure::Uncertain,
            HttpFailure::Lost,
            HttpFailure::Unfinished,
            HttpFailure::Other { details: details() },
        ];
        for (tag, failure) in failures.iter().enumerate() {
            let mut bytes = Vec::new();
            put_failure(&mut bytes, failure);
            assert_eq!(usize::from(bytes[0]), tag, "{failure:?}");
            let mut input = Reader::new(&bytes);
            assert_eq!(read_failure(&mut input).as_ref(), Ok(failure));
            assert_eq!(input.finish(), Ok(()));
        }
        assert!(read_failure(&mut Reader::new(&[21])).is_err());
    }

    #[test]
    fn a_long_text_is_truncated_between_two_characters() {
        let failure = HttpFailure::Other { details: "\u{20ac}".repeat(1_000) };
        let mut bytes = Vec::new();
        put_failure(&mut bytes, &failure);
        let back = read_failure(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(back, HttpFailure::Other { details: "\u{20ac}".repeat(DETAILS_BYTES_MAX / 3) });
    }
}

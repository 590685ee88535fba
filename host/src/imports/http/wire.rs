//! The encoding of requests and responses in the oplog (docs/oplog-format.md, "HTTP").

use super::failure::{put_failure, read_failure};
use crate::durable::{BodyEnd, BodyRead, ResponseHead, ResponseState};
use crate::ports::HttpRequest;
use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use golem_model::oplog::wire::{DecodeError, Reader, put_bytes, put_varint};
use std::time::Duration;

/// Appends the bytes of a request as it is sent. Replay compares them to detect a divergence.
pub(super) fn put_request(out: &mut Vec<u8>, request: &HttpRequest) {
    put_bytes(out, request.method.as_str().as_bytes());
    put_bytes(out, request.uri.to_string().as_bytes());
    put_headers(out, &request.headers);
    put_bytes(out, &request.body);
    put_trailers(out, request.trailers.as_ref());
    let timeouts = request.timeouts;
    for limit in [timeouts.connect, timeouts.first_byte, timeouts.between_bytes] {
        match limit {
            None => out.push(0),
            Some(limit) => {
                out.push(1);
                put_varint(out, nanos(limit));
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn put_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    put_varint(out, headers.len() as u64);
    for (name, value) in headers {
        put_bytes(out, name.as_str().as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn read_headers(input: &mut Reader<'_>) -> Result<HeaderMap, DecodeError> {
    let count = input.count()?;
    let mut headers = HeaderMap::new();
    for _ in 0..count {
        let name =
            HeaderName::from_bytes(input.bytes()?).map_err(|_| DecodeError::Invalid("a field name"))?;
        let value =
            HeaderValue::from_bytes(input.bytes()?).map_err(|_| DecodeError::Invalid("a field value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn put_trailers(out: &mut Vec<u8>, trailers: Option<&HeaderMap>) {
    match trailers {
        None => out.push(0),
        Some(trailers) => {
            out.push(1);
            put_headers(out, trailers);
        }
    }
}

/// Appends the end of a body: 0 without trailers, 1 and trailers, 2 and a failure.
fn put_end(out: &mut Vec<u8>, end: &BodyEnd) {
    match end {
        Ok(trailers) => put_trailers(out, trailers.as_ref()),
        Err(failure) => {
            out.push(2);
            put_failure(out, failure);
        }
    }
}

fn read_end(input: &mut Reader<'_>) -> Result<BodyEnd, DecodeError> {
    Ok(match input.byte()? {
        0 => Ok(None),
        1 => Ok(Some(read_headers(input)?)),
        2 => Err(read_failure(input)?),
        tag => return Err(DecodeError::UnknownTag { what: "end of an HTTP body", tag }),
    })
}

fn put_head(out: &mut Vec<u8>, head: &ResponseHead) {
    put_varint(out, u64::from(head.status));
    put_headers(out, &head.headers);
}

fn read_head(input: &mut Reader<'_>) -> Result<ResponseHead, DecodeError> {
    Ok(ResponseHead { status: input.varint_as()?, headers: read_headers(input)? })
}

/// Encodes the state of a response: 0 for pending; 1 and a failure; 2, head, body, end; 3 and head.
pub(crate) fn encode_response_state(answered: &ResponseState) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    match answered {
        ResponseState::Pending => out.push(0),
        ResponseState::Failed(failure) => {
            out.push(1);
            put_failure(&mut out, failure);
        }
        ResponseState::Complete(head, body, end) => {
            out.reserve(body.len() + 256);
            out.push(2);
            put_head(&mut out, head);
            put_bytes(&mut out, body);
            put_end(&mut out, end);
        }
        ResponseState::HeadOnly(head) => {
            out.push(3);
            put_head(&mut out, head);
        }
    }
    out
}

/// Decodes the bytes of [`encode_response_state`].
pub(crate) fn decode_response_state(bytes: &[u8]) -> Result<ResponseState, DecodeError> {
    let mut input = Reader::new(bytes);
    let answered = match input.byte()? {
        0 => ResponseState::Pending,
        1 => ResponseState::Failed(read_failure(&mut input)?),
        2 => {
            let head = read_head(&mut input)?;
            let body = Bytes::copy_from_slice(input.bytes()?);
            ResponseState::Complete(head, body, read_end(&mut input)?)
        }
        3 => ResponseState::HeadOnly(read_head(&mut input)?),
        tag => return Err(DecodeError::UnknownTag { what: "HTTP response", tag }),
    };
    input.finish()?;
    Ok(answered)
}

/// Encodes a read of a body: 0 for pending; 1 and the bytes; 2 and the end of the body.
pub(super) fn encode_body_read(read: &BodyRead) -> Vec<u8> {
    match read {
        BodyRead::Pending => vec![0],
        BodyRead::Data(data) => [&[1], &data[..]].concat(),
        BodyRead::End(end) => {
            let mut out = vec![2];
            put_end(&mut out, end);
            out
        }
    }
}

/// Decodes the bytes of [`encode_body_read`].
pub(super) fn decode_body_read(bytes: &[u8]) -> Result<BodyRead, DecodeError> {
    match bytes {
        [0] => Ok(BodyRead::Pending),
        [1, data @ ..] if !data.is_empty() => Ok(BodyRead::Data(Bytes::copy_from_slice(data))),
        [2, rest @ ..] => {
            let mut input = Reader::new(rest);
            let end = read_end(&mut input)?;
            input.finish()?;
            Ok(BodyRead::End(end))
        }
        _ => Err(DecodeError::Invalid("a read of an HTTP body")),
    }
}

/// Encodes the end of a body: 0 if it has not ended yet; 1 and the end.
pub(super) fn encode_body_end(end: Option<&BodyEnd>) -> Vec<u8> {
    match end {
        None => vec![0],
        Some(end) => {
            let mut out = vec![1];
            put_end(&mut out, end);
            out
        }
    }
}

/// Decodes the bytes of [`encode_body_end`].
pub(super) fn decode_body_end(bytes: &[u8]) -> Result<Option<BodyEnd>, DecodeError> {
    match bytes {
        [0] => Ok(None),
        [1, rest @ ..] => {
            let mut input = Reader::new(rest);
            let end = read_end(&mut input)?;
            input.finish()?;
            Ok(Some(end))
        }
        _ => Err(DecodeError::Invalid("the end of an HTTP body")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::HttpFailure;

    fn headers(entries: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn responses_survive_encoding_and_decoding() {
        let head = ResponseHead { status: 207, headers: headers(&[("a", "1"), ("b", ""), ("a", "2")]) };
        let body = Bytes::from_static(b"\0body");
        let ends = [Ok(None), Ok(Some(headers(&[("t", "x")]))), Err(HttpFailure::Incomplete)];
        for end in ends {
            let answered = ResponseState::Complete(head.clone(), body.clone(), end.clone());
            assert_eq!(decode_response_state(&encode_response_state(&answered)).as_ref(), Ok(&answered));
            let read = BodyRead::End(end.clone());
            assert_eq!(decode_body_read(&encode_body_read(&read)).as_ref(), Ok(&read));
            assert_eq!(decode_body_end(&encode_body_end(Some(&end))), Ok(Some(end)));
        }
        for answered in [
            ResponseState::Pending,
            ResponseState::Failed(HttpFailure::TlsAlert { code: 1 }),
            ResponseState::HeadOnly(head),
        ] {
            assert_eq!(decode_response_state(&encode_response_state(&answered)).as_ref(), Ok(&answered));
        }
        for read in [BodyRead::Pending, BodyRead::Data(body)] {
            assert_eq!(decode_body_read(&encode_body_read(&read)).as_ref(), Ok(&read));
        }
        assert_eq!(decode_body_end(&encode_body_end(None)), Ok(None));
    }

    #[test]
    fn invalid_bytes_are_refused() {
        for bytes in [&[][..], &[4], &[0, 0], &[2, 1], &[3, 200, 1, 9]] {
            assert!(decode_response_state(bytes).is_err(), "{bytes:?}");
        }
        for bytes in [&[][..], &[0, 0], &[1], &[2], &[2, 0, 0], &[3]] {
            assert!(decode_body_read(bytes).is_err(), "{bytes:?}");
        }
    }
}

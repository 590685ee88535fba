//! Reads a request's body within limits of size and time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::time::Duration;

/// Limits of a request's body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Size of the body in bytes.
    pub bytes_max: usize,
    /// Time from the first read to the end of the body.
    pub time_max: Duration,
}

/// Bytes of a body beyond the limit that are read and discarded before the response. A client that is still sending
/// would otherwise see a broken connection instead of the response. Of a longer body, the rest is not read.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than the limit.
    #[error("the request body is larger than the limit of {bytes_max} bytes")]
    TooLarge {
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// The body did not arrive in time.
    #[error("the request body did not arrive within {} ms", time_max.as_millis())]
    TooSlow {
        /// The time limit.
        time_max: Duration,
    },
    /// The connection broke, or the client sent malformed HTTP.
    #[error("the request body cannot be read: {0}")]
    Broken(String),
}

/// Reads the whole body.
pub async fn read_body(body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let BodyLimits { bytes_max, time_max } = limits;
    // Cheap if the body arrived together with the head, as most do: a timer is set only when the read must wait.
    tokio::time::timeout(time_max, read(body, bytes_max))
        .await
        .map_err(|_| BodyError::TooSlow { time_max })?
}

async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { bytes_max };
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > bytes_max {
        discard(body, declared).await;
        return Err(too_large);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > bytes_max {
            discard(body, bytes_max).await;
            return Err(too_large);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(declared.max(first.len() + data.len()));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads and discards the rest of a body, at most [`DISCARDED_BYTES_MAX`]. `expected` is its declared length, or the
/// limit that it exceeded; above that maximum, nothing is read.
async fn discard(mut body: Body, expected: usize) {
    if expected > DISCARDED_BYTES_MAX {
        return;
    }
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const LIMITS: BodyLimits = BodyLimits { bytes_max: 10, time_max: Duration::from_secs(5) };

    fn chunks(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|c| Ok::<_, std::io::Error>(Bytes::from_static(c.as_bytes()))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_the_limit() {
        for (body, expected) in [
            (Body::empty(), Ok::<&'static str, _>("")),
            (Body::from("0123456789"), Ok("0123456789")),
            (Body::from("0123456789a"), Err(BodyError::TooLarge { bytes_max: 10 })),
            (chunks(&["01", "", "234", "56789"]), Ok("0123456789")),
            (chunks(&["01", "234", "56789", "a"]), Err(BodyError::TooLarge { bytes_max: 10 })),
        ] {
            assert_eq!(
                read_body(body, LIMITS).await,
                expected.map(|text: &str| Bytes::from_static(text.as_bytes()))
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_times_out() {
        let limits = BodyLimits { time_max: Duration::from_millis(1), ..LIMITS };
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_body(body, limits).await, Err(BodyError::TooSlow { time_max: limits.time_max }));
    }
}

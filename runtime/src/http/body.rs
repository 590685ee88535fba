//! Reading a request's body, within limits of size and time.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::time::Duration;

/// What a body is allowed.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes.
    pub bytes_max: usize,
    /// From the first read to the end.
    pub time_max: Duration,
}

/// Bytes read and thrown away of a body that is too large, before the answer: a client that is still sending would
/// otherwise see a broken connection instead of the answer. Of a longer one the rest is not read.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// Why there is no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Too many bytes.
    #[error("the request body is larger than the limit of {bytes_max} bytes")]
    TooLarge {
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// Too slow.
    #[error("the request body did not arrive within {} ms", time_max.as_millis())]
    TooSlow {
        /// Time allowed.
        time_max: Duration,
    },
    /// The connection broke, or the client sends something else than HTTP.
    #[error("the request body cannot be read: {0}")]
    Broken(String),
}

/// Reads all of `body`.
pub async fn read_body(body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let BodyLimits { bytes_max, time_max } = limits;
    // Costs nothing where the body came with the head, as most do: only a wait sets a timer.
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

/// Reads on for the sender's sake. `expected` bytes at least are to come.
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
    async fn a_body_that_stalls_is_given_up() {
        let limits = BodyLimits { time_max: Duration::from_millis(1), ..LIMITS };
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_body(body, limits).await, Err(BodyError::TooSlow { time_max: limits.time_max }));
    }
}

//! JSON bodies that are produced while they are sent, so that no answer is in memory as a whole.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Serialize;
use std::convert::Infallible;

/// A JSON array with one element for each item. An element is made when the client has read those before it.
///
/// Invariant: serializing an element cannot fail. The head has left when it is made.
pub(super) fn json_array<I>(items: I) -> Response
where
    I: Iterator<Item: Serialize> + Send + 'static,
{
    let elements = items.enumerate().map(|(position, item)| {
        let mut text = if position == 0 { Vec::new() } else { vec![b','] };
        serde_json::to_writer(&mut text, &item)
            .expect("these types have string keys only, so JSON can hold them");
        Bytes::from(text)
    });
    let parts = std::iter::once(Bytes::from_static(b"[")).chain(elements);
    let parts = parts.chain(std::iter::once(Bytes::from_static(b"]")));
    let body = Body::from_stream(stream::iter(parts.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn the_elements_are_one_json_array() {
        for count in [0, 1, 3] {
            let response = json_array((0..count).map(|number| vec![number, number]));
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let expected: Vec<_> = (0..count).map(|number| vec![number, number]).collect();
            assert_eq!(serde_json::from_slice::<Vec<Vec<u32>>>(&body).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn an_element_is_made_when_it_is_read() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = made.clone();
        let elements = (0..1_000).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut body = json_array(elements).into_body();
        // The bracket and one element.
        for _ in 0..2 {
            body.frame().await.unwrap().unwrap();
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}

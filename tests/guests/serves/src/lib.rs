//! Answers HTTP requests and counts them.

use std::sync::atomic::{AtomicU64, Ordering};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

static ANSWERED: AtomicU64 = AtomicU64::new(0);

struct Serves;

impl Guest for Serves {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let number = ANSWERED.fetch_add(1, Ordering::Relaxed) + 1;
        let path = request.path_with_query().unwrap_or_default();
        match path.as_str() {
            "/silent" => return,
            "/error" => return ResponseOutparam::set(out, Err(ErrorCode::ConfigurationError)),
            "/trap" => panic!("asked to"),
            _ => {}
        }
        let fields = Fields::new();
        fields.append("x-number", number.to_string().as_bytes()).expect("a good field");
        let response = OutgoingResponse::new(fields);
        let status = path.strip_prefix("/status/").and_then(|text| text.parse().ok()).unwrap_or(200);
        response.set_status_code(status).expect("a good status");
        let body = response.body().expect("it was not taken");
        ResponseOutparam::set(out, Ok(response));
        let text = description(request, &path);
        let stream = body.write().expect("it was not taken");
        for piece in text.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(piece).expect("the body has room");
        }
        drop(stream);
        if path != "/unfinished" {
            OutgoingBody::finish(body, None).expect("the body is whole");
        }
    }
}

/// Method, path, authority, fields in order and body of a request.
fn description(request: IncomingRequest, path: &str) -> String {
    let authority = request.authority().unwrap_or_default();
    let mut text = format!("{:?} {path} at {authority}\n", request.method());
    let mut fields = request.headers().entries();
    fields.sort();
    for (name, value) in fields {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    let body = request.consume().expect("it was not taken");
    let stream = body.stream().expect("it was not taken");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    text.push_str(&format!(
        "{} bytes: {}",
        bytes.len(),
        String::from_utf8_lossy(&bytes[..bytes.len().min(100)])
    ));
    text
}

wasip2::http::proxy::export!(Serves);

//! Sends HTTP requests and returns the responses.

/// `golem:durability/policy`, which the guest library does not wrap.
mod policy {
    #[link(wasm_import_module = "golem:durability/policy@1.0.0")]
    unsafe extern "C" {
        #[link_name = "set-idempotence"]
        fn raw(idempotent: i32);
    }

    pub fn set_idempotence(idempotent: bool) {
        // SAFETY: the import takes a bool and does not access memory.
        unsafe { raw(i32::from(idempotent)) }
    }
}

#[golem::worker]
mod fetches {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{
        ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
        OutgoingRequest, RequestOptions, Scheme, http_error_code,
    };
    use wasip2::io::poll::poll;
    use wasip2::io::streams::{InputStream, StreamError};

    /// A response, possibly with an incomplete body.
    pub struct Answer {
        pub status: u16,
        pub headers: Vec<(String, String)>,
        pub body: String,
        /// `ok`, or the error that ended the body.
        pub end: String,
        pub trailers: Vec<(String, String)>,
    }

    fn request(method: &str, url: &str, headers: &[(String, String)]) -> Result<OutgoingRequest, String> {
        let fields = Fields::new();
        for (name, value) in headers {
            fields.append(name, value.as_bytes()).map_err(|error| format!("{name}: {error:?}"))?;
        }
        let (scheme, rest) = url.split_once("://").ok_or("a URL has a scheme")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let request = OutgoingRequest::new(fields);
        let refused = |what: &str| format!("{what} was refused");
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            other => Method::Other(other.to_owned()),
        };
        let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
        request.set_method(&method).map_err(|()| refused("the method"))?;
        request.set_scheme(Some(&scheme)).map_err(|()| refused("the scheme"))?;
        request.set_authority(Some(authority)).map_err(|()| refused("the authority"))?;
        request.set_path_with_query(Some(path)).map_err(|()| refused("the path"))?;
        Ok(request)
    }

    fn write(body: OutgoingBody, bytes: &[u8], trailers: &[(String, String)]) -> Result<(), String> {
        let stream = body.write().map_err(|()| "the stream was taken")?;
        for piece in bytes.chunks(4096) {
            stream
                .blocking_write_and_flush(piece)
                .map_err(|error| format!("writing: {}", stream_error_text(&error)))?;
        }
        drop(stream);
        let fields = (!trailers.is_empty()).then(|| {
            let list: Vec<_> = trailers.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect();
            Fields::from_list(&list).expect("good trailers")
        });
        OutgoingBody::finish(body, fields).map_err(|error| format!("finishing: {error:?}"))
    }

    fn stream_error_text(error: &StreamError) -> String {
        match error {
            StreamError::Closed => "closed".to_owned(),
            StreamError::LastOperationFailed(error) => match http_error_code(error) {
                Some(code) => format!("{code:?}"),
                None => error.to_debug_string(),
            },
        }
    }

    fn response(future: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
        future.subscribe().block();
        let response = future.get().ok_or("ready without a response")?.map_err(|()| "taken twice")?;
        response.map_err(|error: ErrorCode| format!("{error:?}"))
    }

    fn texts(fields: &Fields) -> Vec<(String, String)> {
        let entries = fields.entries().into_iter();
        entries.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect()
    }

    fn read(stream: &InputStream, most: usize) -> (Vec<u8>, String) {
        let mut bytes = Vec::new();
        while bytes.len() < most {
            match stream.blocking_read(1 << 20) {
                Ok(piece) => bytes.extend(piece),
                Err(StreamError::Closed) => return (bytes, "ok".to_owned()),
                Err(error) => return (bytes, stream_error_text(&error)),
            }
        }
        (bytes, "enough".to_owned())
    }

    fn answer(response: IncomingResponse) -> Result<Answer, String> {
        let (status, headers) = (response.status(), texts(&response.headers()));
        let body = response.consume().map_err(|()| "consumed twice")?;
        let stream = body.stream().map_err(|()| "the stream was taken")?;
        let (bytes, end) = read(&stream, usize::MAX);
        drop((stream, response));
        let future = IncomingBody::finish(body);
        future.subscribe().block();
        let trailers = match future.get() {
            Some(Ok(Ok(Some(trailers)))) => texts(&trailers),
            _ => Vec::new(),
        };
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status, headers, body, end, trailers })
    }

    /// Sends a request. Its body is written before the request is sent, or after that if `late`.
    pub fn fetch(
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: Option<String>,
        late: bool,
    ) -> Result<Answer, String> {
        let request = request(&method, &url, &headers)?;
        let handled = |request| handle(request, None).map_err(|error| format!("{error:?}"));
        let future = match body {
            None => handled(request)?,
            Some(text) => {
                let body = request.body().map_err(|()| "the body was taken")?;
                if late {
                    let future = handled(request)?;
                    write(body, text.as_bytes(), &[])?;
                    future
                } else {
                    write(body, text.as_bytes(), &[("x-sum".to_owned(), text.len().to_string())])?;
                    handled(request)?
                }
            }
        };
        answer(response(&future)?)
    }

    /// Sends a GET with all timeouts set to this number of milliseconds.
    pub fn impatient(url: String, ms: u64) -> Result<Answer, String> {
        let options = RequestOptions::new();
        options.set_connect_timeout(Some(ms * 1_000_000)).map_err(|()| "no connect timeout")?;
        options.set_first_byte_timeout(Some(ms * 1_000_000)).map_err(|()| "no first byte timeout")?;
        options.set_between_bytes_timeout(Some(ms * 1_000_000)).map_err(|()| "no timeout between bytes")?;
        let future =
            handle(request("GET", &url, &[])?, Some(options)).map_err(|error| format!("{error:?}"))?;
        answer(response(&future)?)
    }

    /// Sends all requests at the same time and returns the statuses in the order of the URLs.
    pub fn together(urls: Vec<String>) -> Result<Vec<u16>, String> {
        let send =
            |url: &String| handle(request("GET", url, &[])?, None).map_err(|error| format!("{error:?}"));
        let futures = urls.iter().map(send).collect::<Result<Vec<_>, String>>()?;
        let mut statuses = vec![0; futures.len()];
        while statuses.contains(&0) {
            let open: Vec<usize> = (0..futures.len()).filter(|index| statuses[*index] == 0).collect();
            let pollables: Vec<_> = open.iter().map(|index| futures[*index].subscribe()).collect();
            for ready in poll(&pollables.iter().collect::<Vec<_>>()) {
                let index = open[ready as usize];
                statuses[index] = response(&futures[index])?.status();
            }
        }
        Ok(statuses)
    }

    /// Sends a body with that many bytes; returns the body of the response, or the error.
    pub fn upload(url: String, length: u32) -> Result<String, String> {
        let request = request("POST", &url, &[])?;
        let body = request.body().map_err(|()| "the body was taken")?;
        let future = handle(request, None).map_err(|error| format!("{error:?}"))?;
        write(body, &vec![b'x'; length as usize], &[])?;
        Ok(answer(response(&future)?)?.body)
    }

    /// Reads a body and returns its length and the sum of its bytes.
    pub fn sum(url: String) -> Result<(u64, u64), String> {
        let future = handle(request("GET", &url, &[])?, None).map_err(|error| format!("{error:?}"))?;
        let body = response(&future)?.consume().map_err(|()| "consumed twice")?;
        let stream = body.stream().map_err(|()| "the stream was taken")?;
        match read(&stream, usize::MAX) {
            (bytes, end) if end == "ok" => {
                Ok((bytes.len() as u64, bytes.iter().map(|byte| u64::from(*byte)).sum()))
            }
            (_, end) => Err(end),
        }
    }

    /// Sends a request that must not be repeated after a crash, unless its method is idempotent.
    pub fn once(method: String, url: String) -> Result<Answer, String> {
        crate::policy::set_idempotence(false);
        let future = handle(request(&method, &url, &[])?, None).map_err(|error| format!("{error:?}"))?;
        answer(response(&future)?)
    }

    /// Sends no request.
    pub fn idle() {}

    /// Sends a request and waits for its response without finishing its body.
    pub fn forget_body(url: String) -> Result<Answer, String> {
        let request = request("POST", &url, &[])?;
        let _body = request.body().map_err(|()| "the body was taken")?;
        let future = handle(request, None).map_err(|error| format!("{error:?}"))?;
        answer(response(&future)?)
    }
}

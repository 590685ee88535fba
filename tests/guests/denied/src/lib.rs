//! Requests resources that a worker does not have, and returns the errors.

#[golem::worker]
mod denied {
    use std::io;
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use wasip2::http::outgoing_handler;
    use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

    /// The result of a request: `ok`, or the kind of error and its text.
    pub struct Answer {
        pub what: String,
        pub kind: String,
        pub text: String,
    }

    fn answer<T>(what: &str, result: io::Result<T>) -> Answer {
        let (kind, text) = match result {
            Ok(_) => ("ok".to_owned(), String::new()),
            Err(error) => (format!("{:?}", error.kind()), error.to_string()),
        };
        Answer { what: what.to_owned(), kind, text }
    }

    /// Tries each kind of socket and a name lookup.
    pub fn sockets() -> Vec<Answer> {
        vec![
            answer("connect", TcpStream::connect("127.0.0.1:80")),
            answer("connect-6", TcpStream::connect("[::1]:80")),
            answer("listen", TcpListener::bind("127.0.0.1:0")),
            answer("udp", UdpSocket::bind("127.0.0.1:0")),
            answer("look-up", "localhost:80".to_socket_addrs()),
        ]
    }

    /// Sends an HTTP request, and returns the status or the error.
    pub fn http(authority: String) -> Result<u16, String> {
        let request = OutgoingRequest::new(Fields::new());
        request.set_method(&Method::Get).map_err(|()| "the method was refused")?;
        request.set_scheme(Some(&Scheme::Http)).map_err(|()| "the scheme was refused")?;
        request.set_authority(Some(&authority)).map_err(|()| "the authority was refused")?;
        request.set_path_with_query(Some("/")).map_err(|()| "the path was refused")?;
        let response =
            outgoing_handler::handle(request, None).map_err(|error| format!("at once: {error:?}"))?;
        response.subscribe().block();
        match response.get() {
            Some(Ok(Ok(response))) => Ok(response.status()),
            Some(Ok(Err(error))) => Err(format!("later: {error:?}")),
            Some(Err(())) => Err("the response was taken twice".to_owned()),
            None => Err("ready without a response".to_owned()),
        }
    }

    /// Builds headers and reads them back, which needs no network.
    pub fn headers(pairs: Vec<(String, String)>) -> Result<Vec<(String, String)>, String> {
        let fields = Fields::new();
        for (name, value) in pairs {
            fields.append(&name, value.as_bytes()).map_err(|error| format!("{name}: {error:?}"))?;
        }
        Ok(fields
            .entries()
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect())
    }
}

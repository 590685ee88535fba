//! A fake GitHub on loopback. It answers the endpoints of a login as GitHub documents them.
//!
//! A test sets the answers for each path. The last answer for a path is repeated.

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// An answer with status 200 and a JSON body. GitHub sends errors of the device flow with this status too.
    pub fn ok(body: &Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string() }
    }

    /// An answer with another status.
    pub fn status(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// An answer with status 200 that carries an error of the device flow.
    pub fn error(error: &str) -> Self {
        Self::ok(&json!({ "error": error, "error_description": "documented by GitHub" }))
    }
}

#[derive(Debug, Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Answer>>,
    requests: Vec<String>,
}

/// The fake server. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeGitHub {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeGitHub {
    /// Starts to listen. It issues device codes, and answers polls with `authorization_pending`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let script = Arc::new(Mutex::new(Script::default()));
        let served = script.clone();
        let task = tokio::spawn(async move {
            // The set aborts open connections when this task ends.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, served.clone()));
            }
        });
        let github = Self { address, script, task };
        github.set_answers(
            "/login/device/code",
            [Answer::ok(&json!({
                "device_code": "3584d83530557fdd1f46af8289938c8ef79f9dc5", "user_code": "WDJB-MJHT",
                "verification_uri": "https://github.com/login/device", "expires_in": 900, "interval": 1,
            }))],
        );
        github.set_answers("/login/oauth/access_token", [Answer::error("authorization_pending")]);
        github
    }

    /// Its base URL, for the settings `login.github_url` and `login.github_api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the answers to requests for `path`; the last one is repeated.
    ///
    /// # Panics
    /// When another task panicked while it held the lock.
    pub fn set_answers(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut script = self.script.lock().expect("no task panics while it holds the lock");
        script.answers.insert(path.to_owned(), answers.into_iter().collect());
    }

    /// Sets the user that owns the access token which the fake issues.
    pub fn set_user(&self, id: u64, login: &str, email: Option<&str>, emails: &Value) {
        let token =
            json!({ "access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "token_type": "bearer" });
        self.set_answers("/login/oauth/access_token", [Answer::ok(&token)]);
        let user = json!({ "id": id, "login": login, "name": null, "email": email });
        self.set_answers("/user", [Answer::ok(&user)]);
        self.set_answers("/user/emails", [Answer::ok(emails)]);
    }

    /// Requests received so far, with head and body.
    ///
    /// # Panics
    /// When another task panicked while it held the lock.
    pub fn requests(&self) -> Vec<String> {
        self.script.lock().expect("no task panics while it holds the lock").requests.clone()
    }
}

async fn serve(mut socket: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let end = head_end + length.unwrap_or(0_usize);
        while bytes.len() < end {
            if socket.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = {
            let mut script = script.lock().ok()?;
            script.requests.push(String::from_utf8_lossy(&bytes[..end]).into_owned());
            let answers = script.answers.get_mut(&path);
            answers.and_then(
                |answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() },
            )
        };
        bytes.drain(..end);
        let answer = answer.unwrap_or_else(|| Answer::status(404, &json!({ "message": "Not Found" })));
        let mut text = format!("HTTP/1.1 {} Status\r\ncontent-type: application/json\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.extend(["content-length: ", &answer.body.len().to_string(), "\r\n\r\n", &answer.body]);
        socket.write_all(text.as_bytes()).await.ok()?;
    }
}

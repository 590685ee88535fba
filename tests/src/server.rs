//! A server as a child process: it can be started, killed, stopped, and started again on the same data folder.
//!
//! The process is the real binary `golem`, or `golem-test-server`, which is the same server with selectable faults.
//! Invariant: dropping a [`Server`] kills its process.

use crate::rest::Api;
use crate::wait;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Limit for the time of a start. A start takes less than a second, but the machine may be compiling at the same
/// time.
const READY_MAX: Duration = Duration::from_mins(1);

/// The program of the server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `golem`, the program that users run.
    Golem,
    /// `golem-test-server`, the same server with selectable faults.
    TestServer,
}

/// Options for the start of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    program: Program,
    faults: Vec<String>,
    data: PathBuf,
    listen: String,
    settings: Vec<String>,
    log: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its HTTP address.
    pub address: SocketAddr,
    /// The secret of its root token.
    pub token: String,
    /// Time from the start of the process to its ready line.
    pub startup_time: Duration,
    log: PathBuf,
    /// The last line on its standard output.
    last_line: watch::Receiver<String>,
}

/// A start that failed.
#[derive(Debug, thiserror::Error)]
#[error("the server ended with {status} before it was ready: {stderr}")]
pub struct StartError {
    /// Exit status of the process.
    pub status: ExitStatus,
    /// Its standard error.
    pub stderr: String,
}

/// The target folder of this program. Both `target/debug/deps/x` and `target/debug/x` lie in `target`.
pub fn target_folder() -> PathBuf {
    profile_folder().parent().expect("a profile's folder lies in a target folder").to_owned()
}

fn profile_folder() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let folder = this.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps lies in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

impl Program {
    /// The path of the binary.
    ///
    /// # Panics
    /// When the binary is not built.
    pub fn path(self) -> PathBuf {
        let name = match self {
            Self::Golem => "golem",
            Self::TestServer => "golem-test-server",
        };
        let path = profile_folder().join(name);
        assert!(path.is_file(), "there is no {}; run `cargo build --workspace --bins`", path.display());
        path
    }
}

impl ServerOptions {
    /// Options for `golem` with the data folder `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self {
            program: Program::Golem,
            faults: Vec::new(),
            // Beside the data folder, because only the server writes into it.
            log: data.with_extension("log"),
            data,
            listen: "127.0.0.1:0".to_owned(),
            settings: Vec::new(),
        }
    }

    /// Uses `golem-test-server` with these arguments, for example `["--control", "drop-syncs"]`.
    #[must_use]
    pub fn with_faults(mut self, faults: &[&str]) -> Self {
        self.program = Program::TestServer;
        self.faults = faults.iter().map(|&fault| fault.to_owned()).collect();
        self
    }

    /// Adds a setting, for example `workers.suspend_after_ms=50`.
    #[must_use]
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// Listens on the given host and port instead of a free port.
    #[must_use]
    pub fn listen(mut self, listen: impl Into<String>) -> Self {
        self.listen = listen.into();
        self
    }

    /// Uses another file for standard error.
    #[must_use]
    pub fn log(mut self, log: impl Into<PathBuf>) -> Self {
        self.log = log.into();
        self
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program.path());
        command.args(&self.faults).args(["server", "--listen", &self.listen, "--data-dir"]).arg(&self.data);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        // Settings in the developer's environment belong to another server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GOLEM_") {
                command.env_remove(name);
            }
        }
        command.env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn start(&self) -> Server {
        self.try_start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the server and waits until it is ready or has ended.
    pub async fn try_start(&self) -> Result<Server, StartError> {
        let log = self.log.clone();
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        let written_before = stderr.metadata().map_or(0, |metadata| metadata.len());
        let begin = wait::now();
        let mut child = self.command().stderr(stderr).spawn().expect("the server's program can be started");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let first = wait::within(READY_MAX, lines.next_line()).await;
        let startup_time = begin.elapsed();
        let tail = || {
            let text = std::fs::read(&log).unwrap_or_default();
            let from = usize::try_from(written_before).unwrap_or_default().min(text.len());
            String::from_utf8_lossy(&text[from..]).into_owned()
        };
        let line = match first {
            Some(Ok(Some(line))) => line,
            Some(_) => {
                let status = child.wait().await.expect("a child that was started can be waited for");
                return Err(StartError { status, stderr: tail() });
            }
            None => panic!("the server was not ready after {READY_MAX:?}; it wrote: {}", tail()),
        };
        let address = address_in(&line).unwrap_or_else(|| panic!("the line {line:?} contains no address"));
        let token = std::fs::read_to_string(self.data.join("root-token"))
            .expect("a ready server has written its token")
            .trim()
            .to_owned();
        let (last_line_tx, last_line) = watch::channel(line);
        // The task reads until the end, so that the server never blocks on a full pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                last_line_tx.send_replace(line);
            }
        });
        Ok(Server { child, address, token, startup_time, log, last_line })
    }
}

/// Whether the process was ended by SIGKILL, and not by an error of its own.
pub fn is_kill(status: ExitStatus) -> bool {
    const SIGKILL: i32 = 9;
    status.signal() == Some(SIGKILL)
}

/// Host and port in `… http://127.0.0.1:4711, …`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = &line[line.find("http://")? + "http://".len()..];
    let end = rest.find(|c: char| c == ',' || c == '/' || c.is_whitespace()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

impl Server {
    /// A REST client with the root token.
    pub fn api(&self) -> Api {
        Api::new(self.address, self.token.clone())
    }

    /// Its process id.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server has not been waited for")
    }

    /// Its standard error, including that of earlier processes on the same data folder.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends SIGKILL: like the out-of-memory killer, it ends the process without cleanup.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child that was started can be killed");
    }

    /// Sends SIGTERM and returns the exit status.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM").await;
        wait::bounded("the server to end after SIGTERM", self.child.wait())
            .await
            .expect("a child that was started can be waited for")
    }

    /// Sends the signal with this name, without `SIG`.
    pub async fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.pid())])
            .status()
            .await
            .expect("there is a shell");
        assert!(status.success(), "cannot send SIG{name}");
    }

    /// Sets the state of the disk of a server that was started with `--disk`: `well`, `full` or `failing`.
    pub async fn set_disk(&mut self, state: &str) {
        self.send_line(state).await.expect("the server reads its input");
        let done = format!("the disk is {state}");
        let last_line = self.last_line.wait_for(|line| *line == done);
        drop(
            wait::bounded("the server to confirm the state of its disk", last_line)
                .await
                .expect("the server runs"),
        );
    }

    /// Sends a line to a server that was started with `--files`, and returns the next line of its standard output, or
    /// `None` if the server has ended.
    pub async fn ask_about_files(&mut self, command: &str) -> Option<String> {
        self.last_line.mark_unchanged();
        self.send_line(command).await.ok()?;
        wait::bounded("the server's answer", self.last_line.changed()).await.ok()?;
        Some(self.last_line.borrow().clone())
    }

    /// Cuts the simulated power of a server that was started with `--files`. A part of the unsynced changes, which the
    /// seed determines, survives; without a seed, none does.
    pub async fn cut_power(mut self, seed: Option<u64>) {
        let command = seed.map_or_else(|| "power-cut".to_owned(), |seed| format!("power-cut {seed}"));
        // If it has ended by its fault, the status says so.
        drop(self.send_line(&command).await);
        let status = wait::bounded("the server to end", self.child.wait()).await;
        let status = status.expect("a child that was started can be waited for");
        assert!(is_kill(status), "the power cut failed, {status}: {}", self.log());
    }

    async fn send_line(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.child.stdin.as_mut().expect("standard input is a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).await
    }

    /// The exit status, if the process ended without [`Server::kill`] or [`Server::stop`].
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the status of a started child can be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_ready_line() {
        for line in [
            "golem is ready on http://127.0.0.1:4711, token in x/root-token",
            "http://127.0.0.1:4711/",
            "at http://127.0.0.1:4711",
        ] {
            assert_eq!(address_in(line), Some("127.0.0.1:4711".parse().unwrap()), "{line}");
        }
        assert_eq!(address_in("golem is ready"), None);
    }
}

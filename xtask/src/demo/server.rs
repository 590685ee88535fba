//! The demo's server process.

use crate::shell;
use crate::tree::Tree;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The time limit for a start. A start takes well under a second, but a machine that compiles at the same time may be
/// slow.
const READY_MAX: Duration = Duration::from_mins(1);

/// A running server. Dropping it kills the server, so that a failed demo leaves no process behind.
pub(crate) struct Server {
    child: Child,
    leave: bool,
    /// Its base URL.
    pub(crate) url: String,
}

impl Server {
    /// Starts the server and waits for the line that says that it is ready.
    pub(crate) fn start(tree: &Tree, data: &Path, listen: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(tree.optimised().join("golem"));
        command.current_dir(&tree.root).args(["server", "--listen", listen, "--data-dir"]).arg(data);
        println!("$ {} &", shell::as_typed(&command));
        // Settings in the developer's own environment are for another server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GOLEM_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", tree.optimised().join("golem").display()))?;
        let stdout = child.stdout.take().context("the standard output is a pipe")?;
        let mut server = Self { child, leave: false, url: String::new() };

        // The reader continues after the first line, because otherwise the server could block on a full pipe or fail on
        // a closed one.
        let (lines, first) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                println!("{line}");
                // Only the first line is received, so the result of sending the others is ignored.
                drop(lines.try_send(line));
            }
        });
        let Ok(line) = first.recv_timeout(READY_MAX) else {
            let state = server.child.try_wait()?;
            match state {
                Some(status) => bail!("the server ended with {status} before it was ready"),
                None => bail!("the server was not ready within a minute"),
            }
        };
        server.url = url_in(&line).with_context(|| format!("`{line}` names no address"))?;
        Ok(server)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Host and port, to start the next server on the same address.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        let address =
            self.url.strip_prefix("http://").context("the server's URL does not begin with http://")?;
        Ok(address.trim_end_matches('/').to_owned())
    }

    /// Kills the server with SIGKILL, as an out-of-memory killer or an operator does. The server cannot react to it.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        println!("$ kill -KILL {}", self.id());
        self.child.kill().context("cannot kill the server")?;
        let status = self.child.wait().context("cannot wait for the server")?;
        println!("{status}");
        Ok(())
    }

    /// Keeps the server running after this program ends.
    pub(crate) fn leave_running(mut self) {
        self.leave = true;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.leave {
            // An error means that the server has ended already.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn url_in(line: &str) -> Option<String> {
    let begin = line.find("http://")?;
    let url = line[begin..].split([' ', ',']).next()?;
    Some(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_line() {
        let line = "golem is ready on http://127.0.0.1:40123, token in /tmp/x/root-token";
        assert_eq!(url_in(line).as_deref(), Some("http://127.0.0.1:40123"));
        assert_eq!(url_in("nothing here"), None);
    }
}

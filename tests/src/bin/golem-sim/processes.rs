//! Starts a process for each share and collects the messages.

use crate::share::{Message, Share};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;

/// The processes; those that still run are ended with this value.
pub(crate) struct Processes {
    children: Vec<Child>,
    messages: mpsc::Receiver<Result<Message, String>>,
    /// Number of shares that are not done.
    running: u32,
}

impl Processes {
    /// Starts `count` processes of this program with `arguments` and their shares.
    pub(crate) fn start(count: u32, arguments: &[String]) -> Result<Self, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let (sender, messages) = mpsc::channel();
        let mut processes = Self { children: Vec::new(), messages, running: count };
        for place in 0..count {
            let share = Share { place, of: count };
            let mut command = Command::new(&program);
            command.args(arguments).args(["--share", &share.to_string()]).stdout(Stdio::piped());
            let mut child = command.spawn().map_err(|error| format!("cannot start a process: {error}"))?;
            let output = child.stdout.take().ok_or("a process has no output")?;
            processes.children.push(child);
            let sender = sender.clone();
            std::thread::spawn(move || read(share, output, &sender));
        }
        Ok(processes)
    }

    /// The next message; `None` if every share is done. An error says which process ended before its share was done.
    pub(crate) fn next(&mut self) -> Option<Result<Message, String>> {
        while self.running > 0 {
            match self.messages.recv() {
                Ok(Ok(Message::Done)) => self.running -= 1,
                Ok(message) => return Some(message),
                Err(_) => return Some(Err("no process is left".to_owned())),
            }
        }
        None
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Fails if it has ended.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn read(share: Share, output: ChildStdout, sender: &mpsc::Sender<Result<Message, String>>) {
    for line in BufReader::new(output).lines() {
        let message = line.map_err(|error| error.to_string()).and_then(|line| {
            serde_json::from_str(&line).map_err(|error| format!("`{line}` is not a message: {error}"))
        });
        let is_last = matches!(message, Ok(Message::Done) | Err(_));
        // Fails if the receiver has seen enough.
        if sender.send(message.map_err(|error| format!("share {share}: {error}"))).is_err() || is_last {
            return;
        }
    }
    let error = format!("the process of share {share} ended before its share was done");
    drop(sender.send(Err(error)));
}

//! Runs child processes. Each command is printed as a user would type it, and an error names the command.

use crate::tally::Tally;
use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A cargo command in `root`.
///
/// `cargo xtask` runs under cargo, so it inherits the variables that cargo sets for a running program. Some build
/// scripts run again when these variables change. The variables are removed here, so that a build by xtask and a build
/// by a user can reuse each other's results.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let about_xtask = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&&*text);
        if about_xtask {
            command.env_remove(name);
        }
    }
    command
}

/// The command as a user would type it: environment variables, the program without its folder, arguments.
pub(crate) fn as_typed(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(value)));
        }
    }
    let program = Path::new(command.get_program());
    words.push(quoted(program.file_name().unwrap_or(program.as_os_str())));
    let root = command.get_current_dir().map(Path::to_path_buf);
    for arg in command.get_args() {
        let below = root.as_ref().and_then(|root| Path::new(arg).strip_prefix(root).ok());
        words.push(quoted(below.map_or(arg, Path::as_os_str)));
    }
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Runs the command with the output of this program.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = as_typed(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs the command with the output of this program, and adds the counts of test runners in its output to `tally`.
pub(crate) fn run_counting(command: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
    let line = as_typed(command);
    println!("$ {line}");
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    let stdout = child.stdout.take().context("the standard output is a pipe")?;
    for text in BufReader::new(stdout).split(b'\n') {
        let text = text.with_context(|| format!("cannot read the output of `{line}`"))?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        tally.read(&text);
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs the command without printing, and returns its standard output. An error contains its standard error.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = as_typed(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{line}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_a_user_would_type_it() {
        let mut command = Command::new("/opt/bin/tool");
        command.current_dir("/home/me/tree").env("MODE", "a b").env_remove("HOME");
        command.args(["--file", "/home/me/tree/x.wasm", "it's", "", "f32=1"]);
        assert_eq!(as_typed(&command), r"MODE='a b' tool --file x.wasm 'it'\''s' '' f32=1");
    }

    #[test]
    fn an_error_contains_the_command_and_its_standard_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo nonsense >&2; exit 3"]);
        let error = output(&mut command).unwrap_err().to_string();
        assert_eq!(error, "`sh -c 'echo nonsense >&2; exit 3'` ended with exit status: 3: nonsense");
    }
}

//! Finds compilers, checks their versions and runs them.

use super::GuestError;
use golem_bindgen::lang::{Step, Tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tracing::info;

/// Finds the program of a tool and checks that its version is the one that is tested.
pub fn find_tool(tool: &'static Tool, project: &Path) -> Result<PathBuf, GuestError> {
    let path =
        tool.programs.iter().find_map(|program| locate(program, project)).ok_or(GuestError::ToolMissing {
            title: tool.title,
            programs: tool.programs,
            install: tool.install,
        })?;
    let mut command = Command::new(&path);
    command.args(tool.version_args);
    let output =
        command.output().map_err(|source| GuestError::Run { command: path.display().to_string(), source })?;
    let found =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if found.contains(tool.version) {
        return Ok(path);
    }
    let found = found.lines().next().unwrap_or_default().trim().to_owned();
    Err(GuestError::ToolVersion {
        title: tool.title,
        path,
        wanted: tool.version,
        found,
        install: tool.install,
    })
}

/// Runs one step of a build recipe in the project's folder.
pub fn run_step(step: &Step, project: &Path) -> Result<(), GuestError> {
    let program = find_tool(step.tool, project)?;
    let mut command = Command::new(&program);
    command.args(&step.args).current_dir(project.join(step.folder));
    command.envs(step.env.iter().map(|(name, value)| (name, value)));
    let words: Vec<String> =
        std::iter::once(program.display().to_string()).chain(step.args.clone()).collect();
    let line = words.join(" ");
    info!(command = line, "running");
    // The standard output of `golem` is reserved for its result, so the program's output goes to standard error.
    match &step.stdout {
        Some(path) => {
            let path = project.join(path);
            let file = std::fs::File::create(&path).map_err(|source| GuestError::Write { path, source })?;
            command.stdout(file);
        }
        None => {
            command.stdout(Stdio::from(std::io::stderr()));
        }
    }
    let status = command.status().map_err(|source| GuestError::Run { command: line.clone(), source })?;
    if status.success() { Ok(()) } else { Err(GuestError::BuildFailed { command: line, status }) }
}

/// Finds the program with this name. A name that contains a folder is searched for below the project's folder and its
/// ancestors; any other name is searched for on `PATH`.
fn locate(program: &str, project: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        let project = std::path::absolute(project).ok()?;
        return project.ancestors().map(|folder| folder.join(program)).find(|path| path.is_file());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

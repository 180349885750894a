//! Short-lived commands, with their output in the error when they fail.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// A command that ends with the future that runs it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it and gives its standard output.
///
/// # Errors
/// When it cannot be started or exits with anything but 0; the message holds the end of its standard error.
pub async fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = command.output().await.with_context(|| format!("`{shown}` cannot be started"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!("`{shown}`: {}: {}", output.status, last_lines(&stderr, 12))
}

/// Runs it with both outputs appended to a log file: for builds, whose output nobody reads unless they fail.
pub async fn logged(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let shown = shown(command);
    let file = crate::process::log_file(log)?;
    let errors = file.try_clone().context("a log file's handle cannot be duplicated")?;
    let status = command
        .stdout(file)
        .stderr(errors)
        .status()
        .await
        .with_context(|| format!("`{shown}` cannot be started"))?;
    if status.success() {
        return Ok(());
    }
    let text = std::fs::read_to_string(log).unwrap_or_default();
    bail!("`{shown}`: {status}; the end of {}:\n{}", log.display(), last_lines(&text, 20))
}

/// Whether a program of this name can be run.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps administrators' programs out of a user's PATH.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file())
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The program and its first arguments: enough to know it, and no secret is ever passed that early.
fn shown(command: &Command) -> String {
    let command = command.as_std();
    let arguments = command.get_args().take(3).map(OsStr::to_string_lossy);
    std::iter::once(command.get_program().to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
}

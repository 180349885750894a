//! `berth-server openapi`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::openapi;

/// Prints the description of the API. It needs nothing.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(openapi::text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

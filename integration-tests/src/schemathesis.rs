//! schemathesis as a process, from PyPI at the versions that `integration-tests/schemathesis` pins: it asks a server what the server's own
//! description allows, and what it does not, and looks at each answer.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_harness::command::{command, is_installed, output};
use berth_harness::lock::Lock;
use berth_harness::paths;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Whom it asks, and how much.
#[derive(Debug)]
pub struct Questions<'a> {
    /// Without a slash at the end.
    pub server: &'a str,
    pub token: &'a SecretString,
    /// By the parameter of a path: what is there, one name or id a line.
    pub known: &'a [(&'a str, Vec<String>)],
    /// Of each operation, in each of its phases.
    pub most: u32,
    pub seed: u64,
}

/// How many questions were asked, all of which were answered as the description says.
///
/// # Errors
/// What was answered otherwise, each with a command that asks it again.
pub async fn ask(questions: &Questions<'_>) -> anyhow::Result<u64> {
    let program = installed().await?;
    let room = tempfile::tempdir()?;
    std::fs::copy(source().join("schemathesis.toml"), room.path().join("schemathesis.toml"))
        .context("schemathesis.toml cannot be copied")?;
    for (name, values) in questions.known {
        let lines = values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>();
        std::fs::write(room.path().join(name), lines.join("\n"))?;
    }
    let report = room.path().join("report.json");
    let mut asking = command(program);
    asking
        .current_dir(room.path())
        .args(["run", &format!("{}/api/v1/openapi.json", questions.server), "--no-shrink", "--workers=1"])
        .args(["--report=json", &format!("--report-json-path={}", report.display())])
        .args([format!("--max-examples={}", questions.most), format!("--seed={}", questions.seed)])
        .env("BERTH_TOKEN", questions.token.expose_secret());
    let asked = asking.output().await.context("schemathesis cannot be started")?;
    let said = String::from_utf8_lossy(&asked.stdout);
    if !asked.status.success() {
        bail!("seed {}: {}\n{said}{}", questions.seed, asked.status, String::from_utf8_lossy(&asked.stderr));
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&report).context("no report")?)?;
    report["test_cases"]["generated"].as_u64().context("the report has no count")
}

fn source() -> PathBuf {
    paths::repository().join("integration-tests/schemathesis")
}

/// Its program, in a virtual environment in the cache.
async fn installed() -> anyhow::Result<PathBuf> {
    let requirements = source().join("requirements.txt");
    let digest = digest(&SHA256, &std::fs::read(&requirements).context("no requirements.txt")?);
    let all = paths::cache()?.join("schemathesis");
    let directory = all.join(&URL_SAFE_NO_PAD.encode(digest)[..16]);
    let _lock = Lock::wait(&all.join("lock"))?;
    let program = directory.join("bin/schemathesis");
    // Written last: what is half installed is made anew.
    let whole = directory.join("whole");
    if whole.is_file() {
        return Ok(program);
    }
    ensure!(is_installed("python3"), "Python is not installed (Debian: python3 and python3-venv)");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    output(command("python3").args(["-m", "venv"]).arg(&directory)).await?;
    output(
        command(directory.join("bin/pip"))
            .args(["install", "--quiet", "--no-deps", "--requirement"])
            .arg(&requirements),
    )
    .await?;
    std::fs::write(&whole, "")?;
    Ok(program)
}

//! `berth-server rewrap`.

use std::process::ExitCode;

use anyhow::Context as _;
use berth_db::Database;
use ring::rand::SystemRandom;
use tracing::{info, warn};

use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions};
use crate::crypto::KeyRing;
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::rewrap::rewrap;

pub(super) async fn run(
    database: &DatabaseOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let path = keys.kek_file.as_deref().context("--kek-file (BERTH_KEK_FILE) is needed")?;
    let ring = KeyRing::read(path).with_context(|| format!("--kek-file {}", path.display()))?;
    let url = database.url()?;
    berth_db::check_login(&url).await.context("cannot log in to the database as a server")?;
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organisations")?;
    let database = Database::connect(database.config()?).await.context("cannot reach the database")?;
    let progress = rewrap(
        &Run::begin(Actor::Command("rewrap"), database),
        &ring,
        &SystemRandom::new(),
        &organizations,
        |progress| {
            info!(rewrapped = progress.rewrapped, failed = progress.failed, "data keys");
        },
    )
    .await?;
    for (generation, count) in &progress.in_use {
        info!(generation, count, "data keys under this generation");
    }
    for generation in progress.unused(&ring) {
        info!(generation, "wraps nothing any more and may be taken out of the file");
    }
    if progress.failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    warn!(failed = progress.failed, "some data keys could not be opened and stay as they were");
    Ok(ExitCode::FAILURE)
}

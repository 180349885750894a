//! `berth-server rewrap`.

use std::process::ExitCode;

use anyhow::Context as _;
use ring::rand::SystemRandom;
use tracing::{info, warn};

use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::rewrap::rewrap;
use crate::services::signing_keys::Workshop;

pub(super) async fn run(
    database: &DatabaseOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let url = database.url()?;
    let database = super::database::log_in(database).await?;
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organisations")?;
    let run = Run::begin(Actor::Command("rewrap"), database);
    let random = SystemRandom::new();
    let workshop = Workshop { database: &run.context, keys: &ring, random: &random, now: run.now };
    let signing_keys = workshop.kept_up().await?;
    let mut progress = rewrap(&run, &ring, &random, &organizations, |progress| {
        info!(rewrapped = progress.rewrapped, failed = progress.failed, "data keys");
    })
    .await?;
    for key in signing_keys {
        *progress.in_use.entry(key.kek_id).or_default() += 1;
    }
    for (generation, count) in &progress.in_use {
        info!(generation, count, "keys under this generation");
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

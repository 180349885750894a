//! `berth-server migrate`.

use std::process::ExitCode;

use anyhow::Context as _;
use tracing::info;

use crate::config::{DatabaseOptions, LoggingOptions};
use crate::logging;

pub(super) async fn run(database: &DatabaseOptions, log: &LoggingOptions) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let applied = berth_db::migrate(database.url()?).await.context("cannot migrate the database")?;
    info!(applied, "the database is up to date");
    Ok(ExitCode::SUCCESS)
}

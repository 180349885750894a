//! `berth-server migrate`.

use std::process::ExitCode;

use anyhow::Context as _;
use tracing::info;

use crate::config::{LoggingOptions, LoginOptions, OwnerOptions};
use crate::logging;

/// As the owner; where nobody named one, as the login that was named instead.
pub(super) async fn run(
    owner: &OwnerOptions,
    login: &LoginOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let url = match owner.url()? {
        Some(url) => url,
        None if login.is_given() => login.url()?,
        None => owner.needed_url()?,
    };
    let applied = berth_db::migrate(&url).await.context("cannot migrate the database")?;
    info!(applied, "the database is up to date");
    Ok(ExitCode::SUCCESS)
}

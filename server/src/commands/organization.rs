//! `berth-server organization create`.

use std::process::ExitCode;

use anyhow::Context as _;
use berth_db::Database;
use berth_schema::OrganizationName;
use ring::rand::SystemRandom;

use super::first_token;
use crate::config::{DatabaseOptions, LoggingOptions};
use crate::services::organizations;
use crate::{clock, logging};

pub(super) async fn create(
    name: &OrganizationName,
    database: &DatabaseOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    berth_db::migrate(database.url()?).await.context("cannot migrate the database")?;
    let database = Database::connect(database.config()?).await.context("cannot reach the database")?;
    let token = organizations::create(&database, name, clock::now(), &SystemRandom::new()).await?;
    first_token::print(&token)?;
    Ok(ExitCode::SUCCESS)
}

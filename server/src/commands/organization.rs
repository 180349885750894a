//! `berth-server organization create`.

use std::process::ExitCode;

use berth_schema::OrganizationName;
use ring::rand::SystemRandom;

use super::first_token;
use crate::config::{DatabaseOptions, LoggingOptions, OwnerOptions};
use crate::services::organizations;
use crate::{clock, logging};

pub(super) async fn create(
    name: &OrganizationName,
    database: &DatabaseOptions,
    owner: &OwnerOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let database = super::database::open(database, owner).await?;
    let token = organizations::create(&database, name, clock::now(), &SystemRandom::new()).await?;
    first_token::print(&token, name)?;
    Ok(ExitCode::SUCCESS)
}

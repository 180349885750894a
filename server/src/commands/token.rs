//! `berth-server token create`.

use std::process::ExitCode;

use anyhow::Context as _;
use berth_schema::OrganizationName;
use berth_schema::access::TokenName;
use jiff::SignedDuration;
use ring::rand::SystemRandom;

use super::first;
use crate::config::{DatabaseOptions, LoggingOptions};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::access;

pub(super) async fn create(
    organization: &OrganizationName,
    name: &TokenName,
    expires_in_hours: Option<u32>,
    database: &DatabaseOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let url = database.url()?;
    let database = super::database::log_in(database).await?;
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organizations")?;
    let run = Run::begin(Actor::Command("token create"), database);
    let expires_at = expires_in_hours
        .map(|hours| run.now.checked_add(SignedDuration::from_hours(hours.into())))
        .transpose()
        .context("--expires-in-hours")?;
    let random = SystemRandom::new();
    let token = access::recover(&run, &organizations, organization, name, expires_at, &random)
        .await
        .with_context(|| format!("no token can be made in organization '{organization}'"))?;
    first::print_token(&token, organization)?;
    Ok(ExitCode::SUCCESS)
}

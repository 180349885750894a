//! `berth-server token create`.

use std::process::ExitCode;

use anyhow::Context as _;
use berth_schema::OrganizationName;
use berth_schema::access::TokenName;
use jiff::SignedDuration;

use super::first;
use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::access;

pub(super) async fn create(
    organization: &OrganizationName,
    name: &TokenName,
    expires_in_hours: u32,
    (database, keys): (&DatabaseOptions, &KeyOptions),
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let url = database.url()?;
    let database = super::database::log_in(database).await?;
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organizations")?;
    let run = Run::begin(Actor::Command("token create"), database);
    let life = SignedDuration::from_hours(expires_in_hours.into());
    let expires_at = berth_db::stored_time(run.now.checked_add(life).context("--expires-in-hours")?);
    let issuer = super::database::issuer(&run, &ring, None).await?;
    let token = access::recover(&run, &organizations, organization, name, expires_at, &issuer)
        .await
        .with_context(|| format!("no token can be made in organization '{organization}'"))?;
    first::print_token(&token, organization)?;
    Ok(ExitCode::SUCCESS)
}

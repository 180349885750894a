//! `berth-server organization …`.

use std::process::ExitCode;

use berth_schema::{OrganizationId, OrganizationName};
use ring::rand::SystemRandom;
use tracing::info;

use super::first;
use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions, OwnerOptions, PublicOptions};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::sign_in::FIRST_PERSON;
use crate::services::{binding, organizations, policy};

pub(super) async fn create(
    name: &OrganizationName,
    public: &PublicOptions,
    database: &DatabaseOptions,
    owner: &OwnerOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let database = super::database::open(database, owner).await?;
    let run = Run::begin(Actor::Command("organization create"), database);
    let issuer = super::database::issuer(&run, &ring, public.public_url.as_deref()).await?;
    let new = organizations::create(&run, name, &issuer, &SystemRandom::new()).await?;
    first::print_token(&new.token, name)?;
    first::print_link(&new.link, public.public_url.as_deref(), FIRST_PERSON, true)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn accept_changes(
    id: OrganizationId,
    database: &DatabaseOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let database = super::database::log_in(database).await?;
    let run = Run::begin(Actor::Command("organization accept-changes"), database);
    binding::accept(&run.within(id), &ring, &SystemRandom::new()).await?;
    info!(organization = %id, "its variables and Git credentials are believed as they are");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn reset_policy(
    id: OrganizationId,
    database: &DatabaseOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let database = super::database::log_in(database).await?;
    let run = Run::begin(Actor::Command("organization reset-policy"), database);
    let version = policy::reset(&run.within(id)).await?;
    info!(organization = %id, version, "the server's own rules hold there");
    Ok(ExitCode::SUCCESS)
}

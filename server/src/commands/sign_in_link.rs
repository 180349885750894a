//! `berth-server sign-in-link`.

use std::process::ExitCode;

use anyhow::Context as _;
use berth_schema::{OrganizationName, SubjectId};
use ring::rand::SystemRandom;

use super::first;
use crate::config::{DatabaseOptions, LoggingOptions, PublicOptions};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::sign_in;

pub(super) async fn run(
    organization: &OrganizationName,
    (name, id): (&str, Option<SubjectId>),
    public: &PublicOptions,
    database: &DatabaseOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let url = database.url()?;
    let database = super::database::log_in(database).await?;
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organizations")?;
    let run = Run::begin(Actor::Command("sign-in-link"), database);
    let random = SystemRandom::new();
    let (token, is_new) = sign_in::recover(&run, &organizations, organization, (name, id), &random)
        .await
        .with_context(|| format!("no link can be made for '{name}' in organization '{organization}'"))?;
    first::print_link(&token, public.public_url.as_deref(), name, is_new)?;
    Ok(ExitCode::SUCCESS)
}

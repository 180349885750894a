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
    (name, id): (Option<&str>, Option<SubjectId>),
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
    let made = sign_in::recover(&run, &organizations, organization, (name, id), &random).await.with_context(
        || {
            let whom = match (name, id) {
                (Some(name), _) => format!("'{name}'"),
                (None, Some(id)) => id.to_string(),
                (None, None) => format!("'{}'", sign_in::FIRST_PERSON),
            };
            format!("no link can be made for {whom} in organization '{organization}'")
        },
    )?;
    first::print_link(&made.token, public.public_url.as_deref(), &made.person, made.is_new)?;
    Ok(ExitCode::SUCCESS)
}

//! `berth-server signing-keys`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use ring::rand::SystemRandom;

use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions, SigningKeysCommand};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::access;
use crate::services::signing_keys::{ShownKey, Workshop};

pub(super) async fn run(
    command: &SigningKeysCommand,
    database: &DatabaseOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let url = database.url()?;
    let database = super::database::log_in(database).await?;
    let run = Run::begin(Actor::Command("signing-keys"), database);
    let random = SystemRandom::new();
    let workshop = Workshop { database: &run.context, keys: &ring, random: &random, now: run.now };
    let shown = match command {
        SigningKeysCommand::List => workshop.shown().await?,
        SigningKeysCommand::Rotate => workshop.rotate().await?,
        SigningKeysCommand::Revoke { kid } => workshop.revoke(kid).await?,
    };
    let organizations = berth_db::every_organization(&url).await.context("cannot list the organizations")?;
    let tokens = access::signed(&run, &organizations).await?;
    print(&shown, &tokens)?;
    if let SigningKeysCommand::Revoke { kid } = command
        && let Some(ended) = tokens.get(kid)
    {
        writeln!(std::io::stderr().lock(), "{}", told(*ended))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(ended: i64) -> String {
    format!(
        "Access tokens that end with that key: {ended}. Each of them is to be rotated (`berth tokens list -o json` names the key of \
         each as `signed_by`, `berth tokens rotate NAME` makes another secret); where that was all there was, `berth-server token \
         create` makes one."
    )
}

fn print(keys: &[ShownKey], tokens: &BTreeMap<String, i64>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:43}  {:8}  {:20}  {:20}  {:6}  KEK", "ID", "STATE", "MADE", "SIGNS FROM", "TOKENS")?;
    for key in keys {
        let state = match (key.revoked_at, key.signs) {
            (Some(_), _) => "revoked",
            (None, true) => "signs",
            (None, false) => "verifies",
        };
        let at = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        writeln!(
            out,
            "{}  {state:8}  {}  {}  {:6}  {}",
            key.kid,
            at(key.created_at),
            at(key.signs_at),
            tokens.get(&key.kid).copied().unwrap_or_default(),
            key.kek_id
        )?;
    }
    Ok(())
}

//! `berth-server signing-keys`.

use std::io::Write as _;
use std::process::ExitCode;

use ring::rand::SystemRandom;

use crate::config::{DatabaseOptions, KeyOptions, LoggingOptions, SigningKeysCommand};
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::signing_keys::{ShownKey, Workshop};

pub(super) async fn run(
    command: &SigningKeysCommand,
    database: &DatabaseOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let ring = super::database::needed_keys(keys)?;
    let database = super::database::log_in(database).await?;
    let run = Run::begin(Actor::Command("signing-keys"), database);
    let random = SystemRandom::new();
    let workshop = Workshop { database: &run.context, keys: &ring, random: &random, now: run.now };
    let shown = match command {
        SigningKeysCommand::List => workshop.shown().await?,
        SigningKeysCommand::Rotate => workshop.rotate().await?,
        SigningKeysCommand::Revoke { kid } => workshop.revoke(kid).await?,
    };
    print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

fn print(keys: &[ShownKey]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:43}  {:8}  {:20}  {:20}  KEK", "ID", "STATE", "MADE", "SIGNS FROM")?;
    for key in keys {
        let state = match (key.revoked_at, key.signs) {
            (Some(_), _) => "revoked",
            (None, true) => "signs",
            (None, false) => "verifies",
        };
        let at = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        writeln!(
            out,
            "{}  {state:8}  {}  {}  {}",
            key.kid,
            at(key.created_at),
            at(key.signs_at),
            key.kek_id
        )?;
    }
    Ok(())
}

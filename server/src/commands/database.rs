//! The way to a database and to the keys that it needs, for the commands.

use anyhow::{Context as _, bail};
use berth_db::Database;
use ring::rand::SystemRandom;

use crate::config::{DatabaseOptions, KeyOptions, OwnerOptions};
use crate::crypto::KeyRing;
use crate::identity::Run;
use crate::issuer::Issuer;
use crate::services::signing_keys::Workshop;

/// Migrates where the owner is named, and connects as the application to a database that may be served: migrated, whole, and
/// entered by a login that owns nothing.
pub(super) async fn open(database: &DatabaseOptions, owner: &OwnerOptions) -> anyhow::Result<Database> {
    let url = database.url()?;
    if let Some(owner) = owner.url()? {
        berth_db::migrate(&owner).await.context("cannot migrate the database")?;
    }
    berth_db::check_login(&url).await.context("cannot log in to the database as a server")?;
    berth_db::check_migrated(&url).await.context("cannot serve this database")?;
    connect(database).await
}

/// Connects as the application, as it is.
pub(super) async fn log_in(database: &DatabaseOptions) -> anyhow::Result<Database> {
    berth_db::check_login(&database.url()?).await.context("cannot log in to the database as a server")?;
    connect(database).await
}

async fn connect(database: &DatabaseOptions) -> anyhow::Result<Database> {
    Database::connect(database.config()?).await.context("cannot reach the database")
}

/// The key-encryption keys, for a command that can do nothing without them.
pub(super) fn needed_keys(keys: &KeyOptions) -> anyhow::Result<KeyRing> {
    let path = keys.kek_file.as_deref().context("--kek-file (BERTH_KEK_FILE) is needed")?;
    KeyRing::read(path).with_context(|| format!("--kek-file {}", path.display()))
}

/// What signs as the servers of this database do: by that name, else by the one that was used last.
pub(super) async fn issuer(
    run: &Run<Database>,
    keys: &KeyRing,
    name: Option<&str>,
) -> anyhow::Result<Issuer> {
    let random = SystemRandom::new();
    let workshop = Workshop { database: &run.context, keys, random: &random, now: run.now };
    workshop.issuer(name).await.context("cannot take up the signing keys")
}

/// Refuses a database that is a part of one: what a server would do with it could not be undone.
pub(super) async fn refuse_part(url: &str) -> anyhow::Result<()> {
    match berth_db::missing_rows(url).await.context("cannot look at the database")? {
        None => Ok(()),
        Some(missing) => bail!(
            "this database is a part of a copy: it lacks {missing}. It was saved by somebody who may not see every row (as \
             `pg_dump --enable-row-security` does it for the owner). Restore a backup of `berth-server backup`, or one that a \
             superuser made (docs/operations.md, \"Backup and restore\")"
        ),
    }
}

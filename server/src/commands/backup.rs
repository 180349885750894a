//! `berth-server backup` and `berth-server restore`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use berth_db::backup::{self, Counts};
use berth_db::{Database, DatabaseConfig};
use tracing::{info, warn};

use crate::config::{KeyOptions, LoggingOptions, OwnerOptions};
use crate::crypto::KeyRing;
use crate::identity::{Actor, Run};
use crate::logging;
use crate::services::key_check::check_keys;

pub(super) async fn save(
    file: &Path,
    owner: &OwnerOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    let url = owner.needed_url()?;
    let counts = backup::back_up(&url, file).await.context("there is no backup")?;
    tell(&counts);
    let keys = berth_db::generations_in_use(&url).await.context("cannot look at the data keys")?;
    let keys: Vec<&String> = keys.keys().collect();
    info!(file = %file.display(), ?keys, "saved; it can be read with these key-encryption keys alone, which are not in it");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(
    file: &Path,
    owner: &OwnerOptions,
    keys: &KeyOptions,
    log: &LoggingOptions,
) -> anyhow::Result<ExitCode> {
    logging::start(log)?;
    // Before anything is written: with the wrong keys the restored database is of no use.
    let ring = match &keys.kek_file {
        Some(path) => {
            Some((path, KeyRing::read(path).with_context(|| format!("--kek-file {}", path.display()))?))
        }
        None => None,
    };
    let url = owner.needed_url()?;
    let counts = backup::restore(&url, file).await.context("nothing is restored")?;
    tell(&counts);
    super::database::refuse_part(&url).await?;
    let generations = berth_db::generations_in_use(&url).await.context("cannot look at the data keys")?;
    if let Some((path, ring)) = ring {
        let database =
            Database::connect(DatabaseConfig::new(&url)).await.context("cannot reach the database")?;
        check_keys(&Run::begin(Actor::Command("restore"), database.clone()), &ring, &generations)
            .await
            .with_context(|| {
                format!(
                    "the database is restored, and that need not be repeated: start the server with the right keys; for \
                     --kek-file {} does not open it",
                    path.display()
                )
            })?;
    } else {
        warn!(
            keys = ?generations.keys().collect::<Vec<_>>(),
            "no --kek-file was named: whether there are these keys is seen when a server starts"
        );
    }
    info!(
        "restored. Everybody is signed out and links to sign in are void; `berth-server sign-in-link` makes another one. Access tokens that were revoked since the backup are valid again: revoke them before agents and people come back"
    );
    Ok(ExitCode::SUCCESS)
}

fn tell(counts: &Counts) {
    for (table, rows) in counts {
        info!(table, rows, "rows");
    }
}

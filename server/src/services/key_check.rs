//! Whether a server has the key-encryption keys that its database needs, before it serves anything.

use std::collections::BTreeMap;

use berth_db::Database;
use berth_schema::OrganizationId;

use super::rewrap::owner;
use super::signing_keys;
use crate::Error;
use crate::crypto::{DataKey, KeyRing};
use crate::identity::Run;

/// How many data keys of an organisation are tried.
const SAMPLES: i64 = 8;

/// What is wrong with a file of key-encryption keys. It names no part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyCheckError {
    #[error(
        "lacks the key '{0}', under which keys of this database are: bring its line back into the file, or name the file that has \
         it. Nothing that was stored under it can be read without it"
    )]
    Missing(String),
    #[error(
        "has a key '{0}' that is another one than the key '{0}' under which keys of this database are: bring the right \
         line back"
    )]
    Other(String),
    #[error("the keys of this database cannot be looked at")]
    Database(#[from] Error),
}

/// Looks whether `ring` has each generation that wraps anything (`in_use`, with organisations that it wraps something of), and
/// whether it is the same key. One data key or signing key that was tampered with stops nothing where another one opens.
pub async fn check_keys(
    run: &Run<Database>,
    ring: &KeyRing,
    in_use: &BTreeMap<String, Vec<OrganizationId>>,
) -> Result<(), KeyCheckError> {
    if let Some(missing) = in_use.keys().find(|id| ring.find(id).is_none()) {
        return Err(KeyCheckError::Missing(missing.clone()));
    }
    let signing_keys = signing_keys::tried(&run.context, ring).await?;
    for (id, organizations) in in_use {
        let of_it = signing_keys.iter().filter(|(kek, _)| kek == id);
        let (opening, closing): (Vec<_>, Vec<_>) = of_it.partition(|(_, opens)| *opens);
        let (mut opened, mut closed) = (opening.len(), closing.len());
        for organization in organizations {
            if opened > 0 {
                break;
            }
            let samples = run
                .within(*organization)
                .read("sample_data_keys", async |conn| {
                    conn.data_keys().samples(id, SAMPLES).await.map_err(Error::from)
                })
                .await?;
            for (whose, wrapped) in samples {
                match DataKey::unwrap(ring, owner(*organization, whose), &wrapped) {
                    Ok(_) => opened += 1,
                    Err(_) => closed += 1,
                }
            }
        }
        if opened == 0 && closed > 0 {
            return Err(KeyCheckError::Other(id.clone()));
        }
    }
    Ok(())
}

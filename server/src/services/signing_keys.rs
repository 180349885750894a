//! The keys that sign tokens: made, rotated by themselves and by command, revoked, and taken up by every server within seconds.

use std::sync::Arc;
use std::time::Duration;

use berth_db::{Body, Database, OrganizationConn, Reach, SigningKeyRow};
use berth_issuer::{Kind, SigningKey};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use tracing::{error, info};

use crate::crypto::{CryptoError, KeyRing, SealedKey, open_signing_key, seal_signing_key};
use crate::identity::Run;
use crate::issuer::Issuer;
use crate::tasks::Task;
use crate::{Context, Error};

/// A key signs for so long, then the next one does.
const ROTATION: SignedDuration = SignedDuration::from_hours(90 * 24);
/// A new key is published so long before it signs: whoever verifies may keep what is published for five minutes, and some keep it
/// for a day.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// So many keys verify at one time. An access token lives for a year, so that by themselves there are six or seven.
const MOST_KEYS: usize = 32;
/// That a server is called so is written down once in so long.
const CALLED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How a command signs where no server has been called anything yet.
const NAMELESS: &str = "http://localhost";

/// A key, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    pub kid: String,
    pub kek_id: String,
    pub created_at: Timestamp,
    pub signs_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Whether it is the one that signs now.
    pub signs: bool,
}

/// What works on signing keys: with the database, the key-encryption keys and random numbers.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    pub database: &'a Database,
    pub keys: &'a KeyRing,
    pub random: &'a (dyn SecureRandom + Sync),
    pub now: Timestamp,
}

impl std::fmt::Debug for Workshop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workshop").field("keys", self.keys).finish_non_exhaustive()
    }
}

impl Workshop<'_> {
    /// Gives the issuer the keys of this moment: makes the first one, and the next one when its time has come; seals all under the
    /// newest key-encryption key; forgets those by which nothing was signed that could still be valid.
    ///
    /// # Errors
    /// Where the database fails. A key that does not open is left out, and told.
    pub async fn supply(&self, issuer: &Issuer) -> Result<(), Error> {
        let rows = self.kept_up().await?;
        let names = self.called(issuer.name()).await?;
        self.hand_over(issuer, &rows, names);
        Ok(())
    }

    /// An issuer for a command, which signs as servers do: by that name, else by the one that was used last. What is due is left to servers,
    /// but for the first key.
    ///
    /// # Errors
    /// Where the database fails, or no key opens.
    pub async fn issuer(&self, name: Option<&str>) -> Result<Issuer, Error> {
        let mut rows = self.list().await?;
        if signer(&rows, self.now).is_none() {
            self.change("make_signing_key", async |conn| {
                let rows = conn.signing_keys().list_locked().await?;
                if signer(&rows, self.now).is_none() { self.make(conn, self.now).await } else { Ok(()) }
            })
            .await?;
            rows = self.list().await?;
        }
        let known = self.issuer_names().await?;
        let last = known.first().map(|(name, _)| name.as_str());
        let name = name.or(last).unwrap_or(NAMELESS);
        let issuer = Issuer::new(name);
        let names = self.called(name).await?;
        self.hand_over(&issuer, &rows, names);
        if issuer.published().keys.is_empty() {
            return Err(Error::internal("no signing key opens with these key-encryption keys"));
        }
        Ok(issuer)
    }

    fn hand_over(&self, issuer: &Issuer, rows: &[SigningKeyRow], names: Vec<String>) {
        let valid = rows.iter().filter(|row| row.revoked_at.is_none());
        // The one that signs stands first, those that are to sign later behind it.
        let (now, later): (Vec<_>, Vec<_>) = valid.partition(|row| row.signs_at <= self.now);
        let mut opened = Vec::new();
        for row in now.into_iter().chain(later) {
            match issuer.opened(&row.kid).map_or_else(|| self.open(row), Ok) {
                Ok(key) => opened.push(key),
                Err(cause) => error!(kid = row.kid, %cause, "a signing key cannot be used"),
            }
        }
        issuer.take_up(opened, names);
    }

    async fn issuer_names(&self) -> Result<Vec<(String, Timestamp)>, Error> {
        let read =
            async |conn: &OrganizationConn<'_>| conn.signing_keys().issuer_names().await.map_err(Error::from);
        self.database.read(Reach::installation(), "list_issuer_names", read).await
    }

    /// How servers are called, one of them now so.
    async fn called(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut known = self.issuer_names().await?;
        let is_recent = |at: Timestamp| self.now.duration_since(at) < CALLED_AGAIN;
        if !known.iter().any(|(other, at)| other == name && is_recent(*at)) {
            let before = self.now.saturating_sub(longest()).unwrap_or(Timestamp::MIN);
            self.change("call_issuer", async |conn| {
                conn.signing_keys().is_called(name, self.now, before).await.map_err(Error::from)
            })
            .await?;
            known.retain(|(_, at)| *at >= before);
        }
        Ok(known.into_iter().map(|(name, _)| name).collect())
    }

    /// All there are, with what is due done: the first one and the next one made, all of them under the newest key-encryption key
    /// but for those that do not open, which is told.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn kept_up(&self) -> Result<Vec<SigningKeyRow>, Error> {
        let rows = self.list().await?;
        if !self.is_due(&rows) {
            return Ok(rows);
        }
        self.change("keep_up_signing_keys", async |conn| {
            self.keep_up(conn).await?;
            conn.signing_keys().list().await.map_err(Error::from)
        })
        .await
    }

    /// All there are, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn shown(&self) -> Result<Vec<ShownKey>, Error> {
        let rows = self.list().await?;
        let signing = signer(&rows, self.now).map(|row| row.kid.clone());
        let shown = rows.into_iter().map(|row| ShownKey {
            signs: Some(&row.kid) == signing.as_ref(),
            kid: row.kid,
            kek_id: row.kek_id,
            created_at: row.created_at,
            signs_at: row.signs_at,
            revoked_at: row.revoked_at,
        });
        Ok(shown.collect())
    }

    /// Makes the next key, which signs in a day. One that waits to sign is left.
    ///
    /// # Errors
    /// Where there are as many as may be, or the database fails.
    pub async fn rotate(&self) -> Result<Vec<ShownKey>, Error> {
        let rotate = self.change("rotate_signing_key", async |conn| {
            let rows = conn.signing_keys().list_locked().await?;
            if rows.iter().any(|row| row.revoked_at.is_none() && row.signs_at > self.now) {
                return Ok(());
            }
            if rows.iter().filter(|row| row.revoked_at.is_none()).count() >= MOST_KEYS {
                return Err(Error::field(
                    "key",
                    format!(
                        "is one more than the {MOST_KEYS} that may verify at one time; \
                    each is kept for as long as what it signed, or until it is revoked"
                    ),
                ));
            }
            self.make(conn, self.next_signs_at(&rows)).await
        });
        rotate.await?;
        self.shown().await
    }

    /// Ends a key at once, with everything that it signed. Another one signs from now on.
    ///
    /// # Errors
    /// Where there is none of that id, or the database fails.
    pub async fn revoke(&self, kid: &str) -> Result<Vec<ShownKey>, Error> {
        let revoke = self.change("revoke_signing_key", async |conn| {
            let rows = conn.signing_keys().list_locked().await?;
            if !rows.iter().any(|row| row.kid == kid) {
                let message = "is that of no signing key; `berth-server signing-keys list` shows them";
                return Err(Error::field("kid", message));
            }
            conn.signing_keys().revoke(kid, self.now).await?;
            let rest: Vec<_> = rows.into_iter().filter(|row| row.kid != kid).collect();
            if signer(&rest, self.now).is_none() {
                self.make(conn, self.now).await?;
            }
            Ok(())
        });
        revoke.await?;
        self.shown().await
    }

    async fn list(&self) -> Result<Vec<SigningKeyRow>, Error> {
        list(self.database).await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the installation's keys are no organisation's, and have no record yet"
    )]
    async fn change<T: Send>(
        &self,
        name: &'static str,
        work: impl for<'c> Body<'c, T, Error>,
    ) -> Result<T, Error> {
        self.database.transaction(Reach::installation(), name, work).await
    }

    fn is_due(&self, rows: &[SigningKeyRow]) -> bool {
        self.next_is_due(rows)
            || rows.iter().any(|row| row.kek_id != self.keys.newest().id())
            || over(rows, self.now).next().is_some()
    }

    fn next_is_due(&self, rows: &[SigningKeyRow]) -> bool {
        let newest = rows.iter().filter(|row| row.revoked_at.is_none()).max_by_key(|row| row.signs_at);
        newest.is_none_or(|row| self.now.duration_since(row.signs_at) >= ROTATION)
    }

    /// When a key signs that is made now: at once where none does.
    fn next_signs_at(&self, rows: &[SigningKeyRow]) -> Timestamp {
        let ahead = signer(rows, self.now).map(|_| AHEAD).unwrap_or_default();
        self.now.saturating_add(ahead).unwrap_or(self.now)
    }

    async fn keep_up(&self, conn: &OrganizationConn<'_>) -> Result<(), Error> {
        let rows = conn.signing_keys().list_locked().await?;
        if self.next_is_due(&rows) {
            self.make(conn, self.next_signs_at(&rows)).await?;
        }
        for row in over(&rows, self.now) {
            conn.signing_keys().delete(&row.kid).await?;
            info!(kid = row.kid, "a signing key is forgotten: nothing that it signed is valid any more");
        }
        for row in rows.iter().filter(|row| row.kek_id != self.keys.newest().id()) {
            match self.reseal(row) {
                Ok(row) => conn.signing_keys().reseal(&row).await?,
                Err(cause) => error!(kid = row.kid, %cause, "a signing key cannot be sealed anew"),
            }
        }
        Ok(())
    }

    async fn make(&self, conn: &OrganizationConn<'_>, signs_at: Timestamp) -> Result<(), Error> {
        let (key, pkcs8) = SigningKey::generate(self.random).map_err(Error::internal)?;
        let sealed = seal_signing_key(self.keys, key.kid(), &pkcs8, self.random).map_err(Error::internal)?;
        let row = row(key.kid(), sealed, (self.now, signs_at));
        conn.signing_keys().insert(&row).await?;
        info!(kid = row.kid, %signs_at, "a signing key was made");
        Ok(())
    }

    fn open(&self, row: &SigningKeyRow) -> Result<Arc<SigningKey>, CryptoError> {
        let pkcs8 = open_signing_key(self.keys, &row.kid, &sealed(row))?;
        let key = SigningKey::from_pkcs8(&pkcs8, self.random).ok_or(CryptoError::SigningKey)?;
        if key.kid() == row.kid { Ok(Arc::new(key)) } else { Err(CryptoError::SigningKey) }
    }

    fn reseal(&self, stored: &SigningKeyRow) -> Result<SigningKeyRow, CryptoError> {
        let pkcs8 = open_signing_key(self.keys, &stored.kid, &sealed(stored))?;
        let anew = seal_signing_key(self.keys, &stored.kid, &pkcs8, self.random)?;
        Ok(SigningKeyRow {
            revoked_at: stored.revoked_at,
            ..row(&stored.kid, anew, (stored.created_at, stored.signs_at))
        })
    }
}

async fn list(database: &Database) -> Result<Vec<SigningKeyRow>, Error> {
    let list = async |conn: &OrganizationConn<'_>| conn.signing_keys().list().await.map_err(Error::from);
    database.read(Reach::installation(), "list_signing_keys", list).await
}

/// For each key, under which key-encryption key it is sealed, and whether that of `ring` opens it.
pub(super) async fn tried(database: &Database, ring: &KeyRing) -> Result<Vec<(String, bool)>, Error> {
    let rows = list(database).await?;
    let tried = rows.into_iter().map(|row| {
        let opens = open_signing_key(ring, &row.kid, &sealed(&row)).is_ok();
        (row.kek_id, opens)
    });
    Ok(tried.collect())
}

/// The one that signs: the newest of those whose time has come.
fn signer(rows: &[SigningKeyRow], now: Timestamp) -> Option<&SigningKeyRow> {
    let valid = rows.iter().filter(|row| row.revoked_at.is_none() && row.signs_at <= now);
    valid.max_by_key(|row| row.signs_at)
}

/// For how long something goes on that was signed, and a day.
fn longest() -> SignedDuration {
    let longest = Kind::ALL.into_iter().map(Kind::max_lifetime_seconds).max().unwrap_or_default();
    SignedDuration::from_secs(longest) + SignedDuration::from_hours(24)
}

/// Those that have been followed by another for longer than anything lives that they signed.
fn over(rows: &[SigningKeyRow], now: Timestamp) -> impl Iterator<Item = &SigningKeyRow> {
    let longest = longest();
    rows.iter().filter(move |row| {
        let next = rows.iter().filter(|next| next.signs_at > row.signs_at && next.revoked_at.is_none());
        let ended = next.map(|next| next.signs_at).min();
        let ended = ended.into_iter().chain(row.revoked_at).min();
        ended.is_some_and(|ended| now.duration_since(ended) > longest)
    })
}

fn row(kid: &str, sealed: SealedKey, (created_at, signs_at): (Timestamp, Timestamp)) -> SigningKeyRow {
    let SealedKey { kek_id, salt, sealed } = sealed;
    SigningKeyRow { kid: kid.to_owned(), kek_id, salt, sealed, created_at, signs_at, revoked_at: None }
}

fn sealed(row: &SigningKeyRow) -> SealedKey {
    SealedKey { kek_id: row.kek_id.clone(), salt: row.salt, sealed: row.sealed.clone() }
}

/// Supplies the server's issuer.
#[derive(Debug)]
pub(crate) struct Supplier;

impl Task for Supplier {
    const NAME: &'static str = "signing-keys";
    /// A key is revoked on every server within so long.
    const PERIOD: Duration = Duration::from_secs(5);

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        of(&run.context, run.now).await
    }
}

/// Supplies a server's issuer once.
///
/// # Errors
/// Where the database fails.
pub async fn of(context: &Context, now: Timestamp) -> Result<(), Error> {
    let keys = context.keys.current();
    let random = context.random.as_ref();
    Workshop { database: &context.database, keys: &keys, random, now }.supply(&context.issuer).await
}

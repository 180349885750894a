//! Where people have signed in: what is known as theirs, and what they are told of.

use berth_schema::SessionId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::columns::SecretHash;
use crate::error::DbError;
use crate::schema::{accounts, devices, sessions};
use crate::scope::OrganizationConn;

/// So many of an account are kept. Nothing that is new makes room for something newer: it would hide itself behind it.
const MOST: i64 = 100;

/// For so long a person is told of a device that nobody has called theirs. Then it is known.
pub const TOLD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// On which device a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceOf {
    /// The browser that keeps something of this SHA-256.
    Browser(SecretHash),
    /// The machine of the browser in which that session has let it in.
    Same(SessionId),
    /// Another one than that from which it was let in.
    Elsewhere,
}

/// A row of `devices`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = devices)]
pub struct DeviceRow {
    pub id: Uuid,
    /// The session by which it came.
    #[diesel(deserialize_as = Uuid)]
    pub session_id: SessionId,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub first_seen_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub known_since: Option<Timestamp>,
}

impl DeviceRow {
    pub fn is_known(&self, now: Timestamp) -> bool {
        self.known_since.is_some() || now.duration_since(self.first_seen_at) >= TOLD
    }
}

/// The account's devices. Whoever changes them holds the account's row.
#[derive(Debug)]
pub struct Devices<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Devices<'_> {
    /// The device on which a session begins, and whether its person is to be told of it. The first one of an account is known.
    pub(crate) async fn meet(
        &self,
        how: DeviceOf,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(Option<Uuid>, bool), DbError> {
        self.lock().await?;
        let hash = match how {
            DeviceOf::Browser(hash) => Some(hash),
            DeviceOf::Elsewhere => None,
            DeviceOf::Same(by) => {
                let found = self.0.sessions().find(by).await?;
                return Ok((found.and_then(|(session, _)| session.device_id), false));
            }
        };
        if let Some(hash) = hash
            && let Some(device) = self.seen(&hash, now).await?
        {
            return Ok((Some(device), false));
        }
        let is_first = self.is_first(now).await?;
        let id = Uuid::new_v4();
        if !self.has_room(now).await? {
            // Of a device that is not stored nothing is known, and it vouches for nobody.
            return Ok((Some(id), true));
        }
        let time = jiff_diesel::Timestamp::from(now);
        let statement = diesel::insert_into(devices::table).values((
            devices::account_id.eq(self.0.account_key()),
            devices::id.eq(id),
            devices::secret_hash.eq(hash.map(|hash| hash.to_vec())),
            devices::session_id.eq(session.as_uuid()),
            devices::first_seen_at.eq(time),
            devices::last_seen_at.eq(time),
            devices::known_since.eq(is_first.then_some(time)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.mark(now).await?;
        Ok((Some(id), !is_first))
    }

    /// The newest first.
    pub async fn list(&self) -> Result<Vec<DeviceRow>, DbError> {
        let query = devices::table
            .filter(devices::account_id.eq(self.0.account_key()))
            .order((devices::first_seen_at.desc(), devices::id))
            .select(DeviceRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// It is known as theirs from now on.
    pub async fn know(&self, id: Uuid, now: Timestamp) -> Result<(), DbError> {
        self.lock().await?;
        let statement = diesel::update(devices::table.find((self.0.account_key(), id)))
            .filter(devices::known_since.is_null())
            .set(devices::known_since.eq(jiff_diesel::Timestamp::from(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.mark(now).await
    }

    /// They are none of theirs: whoever signs in there once more, is told of once more.
    pub async fn forget(&self, ids: &[Uuid], now: Timestamp) -> Result<(), DbError> {
        self.lock().await?;
        let statement = diesel::delete(devices::table)
            .filter(devices::account_id.eq(self.0.account_key()))
            .filter(devices::id.eq_any(ids.to_vec()));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        self.mark(now).await
    }

    async fn lock(&self) -> Result<(), DbError> {
        let query = accounts::table.find(self.0.account_key()).select(accounts::id).for_no_key_update();
        self.0.run_optional::<Uuid>(query.get_result(&mut self.0.raw())).await.map(drop)
    }

    async fn seen(&self, hash: &SecretHash, now: Timestamp) -> Result<Option<Uuid>, DbError> {
        let found = diesel::update(devices::table)
            .filter(devices::account_id.eq(self.0.account_key()))
            .filter(devices::secret_hash.eq(hash.to_vec()))
            .set(devices::last_seen_at.eq(jiff_diesel::Timestamp::from(now)))
            .returning(devices::id);
        self.0.run_optional(found.get_result(&mut self.0.raw())).await
    }

    /// Whether nobody could be told: there is no device, and nobody signed in from before there were any.
    async fn is_first(&self, now: Timestamp) -> Result<bool, DbError> {
        let known = devices::table.filter(devices::account_id.eq(self.0.account_key()));
        let signed_in = sessions::table
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::ended_at.is_null())
            .filter(sessions::expires_at.gt(jiff_diesel::Timestamp::from(now)));
        let query = diesel::select((diesel::dsl::exists(known), diesel::dsl::exists(signed_in)));
        let (known, signed_in): (bool, bool) = self.0.run(query.get_result(&mut self.0.raw())).await?;
        Ok(!known && !signed_in)
    }

    /// Whether another one can be stored, once those are forgotten that are known and were not seen for long.
    async fn has_room(&self, now: Timestamp) -> Result<bool, DbError> {
        let own = devices::table.filter(devices::account_id.eq(self.0.account_key()));
        let query = own.count();
        let stored: i64 = self.0.run(query.get_result(&mut self.0.raw())).await?;
        if stored < MOST {
            return Ok(true);
        }
        let long_ago = now.saturating_sub(TOLD).unwrap_or(Timestamp::MIN);
        let statement = diesel::delete(devices::table)
            .filter(devices::account_id.eq(self.0.account_key()))
            .filter(devices::known_since.is_not_null())
            .filter(devices::last_seen_at.lt(jiff_diesel::Timestamp::from(long_ago)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// Says at the account which one its person is told of: the newest that is not known.
    async fn mark(&self, now: Timestamp) -> Result<(), DbError> {
        let newest = self.list().await?.into_iter().find(|device| !device.is_known(now));
        let (id, at) = newest.map(|device| (device.id, device.first_seen_at)).unzip();
        let statement = diesel::update(accounts::table.find(self.0.account_key())).set((
            accounts::new_device_id.eq(id),
            accounts::new_device_at.eq(at.map(jiff_diesel::Timestamp::from)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}

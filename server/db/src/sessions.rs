//! The times that people are signed in.

use berth_schema::SessionId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::accounts::{AccountRow, MembershipRow};
use crate::columns::{Bytes, SecretHash};
use crate::devices::DeviceOf;
use crate::error::DbError;
use crate::organizations::OrganizationRow;
use crate::schema::{access_tokens, accounts, organizations, session_proofs, sessions, subjects};
use crate::scope::OrganizationConn;
use crate::session_proofs::SessionProof;
use crate::shown::shown;

/// Ended sessions are kept for so long, so that people see what was theirs.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is stored of a new session.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    /// SHA-256 of the whole token.
    pub secret_hash: SecretHash,
    /// By what it was proven who they are: `link`, `openid`, `passkey`.
    pub method: String,
    pub authenticated_at: Timestamp,
    /// When an authenticator has made sure who is there.
    pub verified_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    /// How long it lasts without being used, in seconds.
    pub idle_seconds: i64,
    /// Where the request came from.
    pub address: Option<String>,
    /// What the browser called itself, or the name of the device, at most 300 characters.
    pub user_agent: Option<String>,
    pub device: DeviceOf,
    pub client: SessionClient,
}

/// What a session is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionClient {
    /// Which has a cookie.
    Browser,
    /// With the id of the refresh token that is good.
    CommandLine { refresh_id: Uuid },
    /// A key that was registered for plain `ssh`.
    SshKey,
}

impl SessionClient {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::CommandLine { .. } => "command-line",
            Self::SshKey => SessionRow::SSH_KEY,
        }
    }

    const fn refresh_id(self) -> Option<Uuid> {
        match self {
            Self::CommandLine { refresh_id } => Some(refresh_id),
            Self::Browser | Self::SshKey => None,
        }
    }
}

/// A row of `sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: SessionId,
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    pub method: String,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub authenticated_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub last_used_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
    pub idle_seconds: i64,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub ended_at: Option<Timestamp>,
    /// `browser`, `command-line` or `ssh-key`.
    pub client: String,
    /// The id of the refresh token that is good.
    pub refresh_id: Option<Uuid>,
    /// The one before it.
    pub refresh_before: Option<Uuid>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub refreshed_at: Option<Timestamp>,
    /// When an authenticator has last made sure who is there.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub verified_at: Option<Timestamp>,
    /// `None`: it began before devices were told apart.
    pub device_id: Option<Uuid>,
}

impl SessionRow {
    const SSH_KEY: &'static str = "ssh-key";

    /// Whether it is of a key that was registered for plain `ssh`.
    pub fn is_of_an_ssh_key(&self) -> bool {
        self.client == Self::SSH_KEY
    }

    /// When it ends by itself, as long as it is not used.
    pub fn ends_at(&self) -> Timestamp {
        let idle = SignedDuration::from_secs(self.idle_seconds);
        self.last_used_at.checked_add(idle).map_or(self.expires_at, |idle| idle.min(self.expires_at))
    }

    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.ends_at()
    }

    /// When whoever has it has last proven who they are.
    pub fn proven_at(&self) -> Timestamp {
        self.verified_at.map_or(self.authenticated_at, |at| at.max(self.authenticated_at))
    }
}

/// A session in an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationSession {
    pub session: SessionRow,
    pub account: AccountRow,
    pub organization: OrganizationRow,
    pub membership: MembershipRow,
    /// Whether the organisation has it among its tokens, revoked or not.
    pub is_known: bool,
    /// When somebody there took it away.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used there, as far as it is written down.
    pub last_used_at: Option<Timestamp>,
    /// What a provider of the organisation has proven of it.
    pub proof: Option<SessionProof>,
}

impl OrganizationSession {
    /// Whether somebody there took it away, and nobody has proven anew since whose it is.
    pub fn is_revoked(&self) -> bool {
        self.revoked_at.is_some_and(|at| self.session.proven_at() <= at)
    }

    /// Whether the organisation has it among its tokens, as one that opens something.
    pub fn is_brought(&self) -> bool {
        self.is_known && self.revoked_at.is_none()
    }

    /// Whether it is good there: whom a provider has brought in has proven it to that organisation, or has a link of the server's own.
    pub fn is_good_here(&self) -> bool {
        !self.membership.is_provided || self.proof.is_some() || self.session.method == "link"
    }
}

/// The account's sessions.
#[derive(Debug)]
pub struct Sessions<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Sessions<'_> {
    /// Stores one and forgets those that ended long ago. Answers with whether it is on a device of which its person is to be told.
    pub async fn insert(&self, session: &NewSession, now: Timestamp) -> Result<bool, DbError> {
        let (device, is_new) = self.0.devices().meet(session.device, session.id, now).await?;
        let long_ago = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let over = diesel::delete(sessions::table)
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::expires_at.lt(jiff_diesel::Timestamp::from(long_ago)));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::insert_into(sessions::table).values((
            sessions::account_id.eq(self.0.account_key()),
            sessions::id.eq(session.id.as_uuid()),
            sessions::secret_hash.eq(session.secret_hash.as_slice()),
            sessions::method.eq(&session.method),
            sessions::authenticated_at.eq(jiff_diesel::Timestamp::from(session.authenticated_at)),
            sessions::verified_at.eq(session.verified_at.map(jiff_diesel::Timestamp::from)),
            sessions::created_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::expires_at.eq(jiff_diesel::Timestamp::from(session.expires_at)),
            sessions::idle_seconds.eq(session.idle_seconds),
            sessions::address.eq(&session.address),
            sessions::user_agent.eq(&session.user_agent),
            sessions::client.eq(session.client.as_str()),
            sessions::refresh_id.eq(session.client.refresh_id()),
            sessions::device_id.eq(device),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(is_new)
    }

    /// The session of that id, valid or not.
    pub async fn find(&self, id: SessionId) -> Result<Option<(SessionRow, AccountRow)>, DbError> {
        let query = sessions::table
            .inner_join(accounts::table.on(accounts::id.eq(sessions::account_id)))
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::id.eq(id.as_uuid()))
            .select((SessionRow::as_select(), AccountRow::as_select()));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The session of that id whose secret's hash is shown, valid or not. See `shown.rs`.
    pub async fn find_shown(
        &self,
        id: SessionId,
        hash: &SecretHash,
    ) -> Result<Option<(SessionRow, AccountRow)>, DbError> {
        let query = sessions::table
            .inner_join(accounts::table.on(accounts::id.eq(sessions::account_id)))
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::id.eq(id.as_uuid()))
            .filter(shown!(sessions, hash))
            .select((SessionRow::as_select(), AccountRow::as_select()));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The same by its id alone, locked.
    pub async fn find_locked(&self, id: SessionId) -> Result<Option<SessionRow>, DbError> {
        let query = sessions::table
            .find((self.0.account_key(), id.as_uuid()))
            .select(SessionRow::as_select())
            .for_no_key_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Whether it has not been ended; that stays so until the transaction ends.
    pub async fn hold(&self, id: SessionId) -> Result<bool, DbError> {
        let query = sessions::table
            .find((self.0.account_key(), id.as_uuid()))
            .select(sessions::ended_at.is_null())
            .for_share();
        Ok(self.0.run_optional(query.get_result(&mut self.0.raw())).await?.unwrap_or(false))
    }

    /// Another refresh token is good from now on, and it was used.
    pub async fn refresh(&self, id: SessionId, next: Uuid, now: Timestamp) -> Result<(), DbError> {
        let row = sessions::table.find((self.0.account_key(), id.as_uuid()));
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(row).set((
            sessions::refresh_before.eq(sessions::refresh_id),
            sessions::refresh_id.eq(next),
            sessions::refreshed_at.eq(now),
            sessions::last_used_at.eq(now),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The same together with an organisation of the account's, by its id or its name; `None` where one of both is not there.
    pub async fn find_in(
        &self,
        id: SessionId,
        organization: &str,
    ) -> Result<Option<OrganizationSession>, DbError> {
        let its_id = organization.parse().unwrap_or(Uuid::nil());
        let its_token = access_tokens::organization_id
            .eq(organizations::id)
            .and(access_tokens::id.eq(sessions::id))
            .and(access_tokens::is_session);
        let its_proof = session_proofs::organization_id
            .eq(organizations::id)
            .and(session_proofs::account_id.eq(sessions::account_id))
            .and(session_proofs::session_id.eq(sessions::id));
        let query = sessions::table
            .inner_join(accounts::table.on(accounts::id.eq(sessions::account_id)))
            .inner_join(subjects::table.on(subjects::account_id.eq(sessions::account_id.nullable())))
            .inner_join(organizations::table.on(organizations::id.eq(subjects::organization_id)))
            .left_join(access_tokens::table.on(its_token))
            .left_join(session_proofs::table.on(its_proof))
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::id.eq(id.as_uuid()))
            .filter(organizations::name.eq(organization).or(organizations::id.eq(its_id)))
            .select((
                SessionRow::as_select(),
                AccountRow::as_select(),
                OrganizationRow::as_select(),
                MembershipRow::as_select(),
                access_tokens::id.nullable(),
                access_tokens::revoked_at.nullable(),
                access_tokens::last_used_at.nullable(),
                Option::<SessionProof>::as_select(),
            ));
        type Found = (
            SessionRow,
            AccountRow,
            OrganizationRow,
            MembershipRow,
            Option<Uuid>,
            Option<jiff_diesel::Timestamp>,
            Option<jiff_diesel::Timestamp>,
            Option<SessionProof>,
        );
        let found: Option<Found> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(session, account, organization, membership, token, revoked, used, proof)| {
            OrganizationSession {
                session,
                account,
                organization,
                membership,
                is_known: token.is_some(),
                revoked_at: revoked.map(Timestamp::from),
                last_used_at: used.map(Timestamp::from),
                proof,
            }
        }))
    }

    /// Those that have not ended, the newest first, at most `limit`.
    pub async fn list(&self, limit: i64) -> Result<Vec<SessionRow>, DbError> {
        let query = sessions::table
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::ended_at.is_null())
            .order((sessions::created_at.desc(), sessions::id.desc()))
            .limit(limit)
            .select(SessionRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those on these devices that have not ended.
    pub async fn on(&self, devices: &[Uuid]) -> Result<Vec<SessionId>, DbError> {
        let query = sessions::table
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::device_id.eq_any(devices.to_vec()))
            .filter(sessions::ended_at.is_null())
            .select(sessions::id);
        let ids: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(ids.into_iter().map(SessionId::from).collect())
    }

    /// Writes down that it is used, where nobody did in the last minute.
    pub async fn touch(&self, id: SessionId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(sessions::table.find((self.0.account_key(), id.as_uuid())))
            .filter(sessions::last_used_at.lt(jiff_diesel::Timestamp::from(now)))
            .set(sessions::last_used_at.eq(jiff_diesel::Timestamp::from(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// An authenticator has made sure who is there.
    pub async fn verified(&self, id: SessionId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(sessions::table.find((self.0.account_key(), id.as_uuid())))
            .set(sessions::verified_at.eq(jiff_diesel::Timestamp::from(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Ends those of the ids, here and in every organisation. Answers with how many went on until now.
    pub async fn end(&self, ids: &[SessionId], now: Timestamp) -> Result<usize, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| *id.as_uuid()).collect();
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(sessions::table)
            .filter(sessions::account_id.eq(self.0.account_key()))
            .filter(sessions::id.eq_any(ids.clone()))
            .filter(sessions::ended_at.is_null())
            .set(sessions::ended_at.eq(now));
        let ended = self.0.run(statement.execute(&mut self.0.raw())).await?;
        // What the account sees of tokens are its own sessions.
        let statement = diesel::update(access_tokens::table)
            .filter(access_tokens::is_session)
            .filter(access_tokens::id.eq_any(ids))
            .filter(access_tokens::revoked_at.is_null())
            .set(access_tokens::revoked_at.eq(now));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        Ok(ended)
    }
}

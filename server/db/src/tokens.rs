//! Access tokens of people and services.

use berth_schema::access::{Role, SubjectKind, TokenKind, TokenScope};
use berth_schema::{SubjectId, TokenId};
use diesel::dsl::not;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::accounts::MembershipRow;
use crate::columns::{Bytes, NullableBytes, SecretHash};
use crate::error::DbError;
use crate::organizations::OrganizationRow;
use crate::page::{PageRequest, paged};
use crate::schema::{access_tokens, organizations, subjects};
use crate::scope::OrganizationConn;
use crate::sessions::SessionRow;
use crate::shown::shown;
use crate::subjects::NewSubject;

/// Whose a new token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Known(SubjectId),
    /// A new user's, of the token's name and with its role, who is stored with it.
    New(SubjectId),
}

impl Holder {
    pub const fn id(self) -> SubjectId {
        let (Self::Known(id) | Self::New(id)) = self;
        id
    }
}

/// What is stored of a new token.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    /// For people: `first administrator`.
    pub name: String,
    pub scope: TokenScope,
    /// The token that makes it; `None` on the server's machine.
    pub created_by: Option<TokenId>,
    pub subject: Holder,
    pub role: Role,
    /// SHA-256 of the whole token.
    pub secret_hash: SecretHash,
    /// The key that signed it; `None`: it is an opaque one of before.
    pub signed_by: Option<String>,
    pub expires_at: Option<Timestamp>,
}

/// Another secret for a token.
#[derive(Clone, Debug)]
pub struct TokenRotation {
    pub secret_hash: SecretHash,
    /// The key that signed it.
    pub signed_by: String,
    pub expires_at: Option<Timestamp>,
    /// Until when the secret before goes on opening; `None`: it ends at once.
    pub previous: Option<(SecretHash, Timestamp)>,
}

/// A row of `access_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = access_tokens)]
pub struct TokenRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: TokenId,
    #[diesel(deserialize_as = Uuid)]
    pub subject_id: SubjectId,
    pub name: String,
    #[diesel(deserialize_as = String)]
    pub scope: TokenScope,
    pub created_by: Option<Uuid>,
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    #[diesel(deserialize_as = NullableBytes<32>)]
    pub previous_secret_hash: Option<SecretHash>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub previous_valid_until: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub last_used_at: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub rotated_at: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub expires_at: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub revoked_at: Option<Timestamp>,
    /// The key that signed the newest secret; `None`: it is an opaque one of before.
    pub signed_by: Option<String>,
    /// Whether it is a session of its user's account, of which nobody has a secret.
    pub is_session: bool,
}

impl TokenRow {
    /// Neither revoked nor expired.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// The hashes of the secrets that open now: the newest, and the one before it while that goes on.
    pub fn secrets(&self, now: Timestamp) -> [Option<&SecretHash>; 2] {
        let overlaps = self.previous_valid_until.is_some_and(|until| now < until);
        [Some(&self.secret_hash), self.previous_secret_hash.as_ref().filter(|_| overlaps)]
    }
}

/// A token that is neither revoked nor expired, and what its subject is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    pub token: TokenId,
    pub membership: MembershipRow,
    /// A session of a user's account.
    pub is_session: bool,
}

impl Valid {
    pub const fn subject(&self) -> SubjectId {
        self.membership.id
    }
}

/// The organisation's access tokens.
#[derive(Debug)]
pub struct Tokens<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Tokens<'_> {
    pub async fn insert(&self, token: &NewToken, now: Timestamp) -> Result<TokenRow, DbError> {
        if let Holder::New(id) = token.subject {
            let (kind, name, role) = (SubjectKind::User, token.name.clone(), token.role);
            self.0.subjects().insert(&NewSubject { id, kind, name, role, account: None }, now).await?;
        }
        let subject = token.subject.id();
        let statement = diesel::insert_into(access_tokens::table)
            .values((
                access_tokens::organization_id.eq(self.0.key()),
                access_tokens::id.eq(token.id.as_uuid()),
                access_tokens::subject_id.eq(subject.as_uuid()),
                access_tokens::name.eq(&token.name),
                access_tokens::scope.eq(token.scope.as_str()),
                access_tokens::created_by.eq(token.created_by.map(|id| *id.as_uuid())),
                access_tokens::secret_hash.eq(token.secret_hash.as_slice()),
                access_tokens::signed_by.eq(&token.signed_by),
                access_tokens::created_at.eq(jiff_diesel::Timestamp::from(now)),
                access_tokens::expires_at.eq(token.expires_at.map(jiff_diesel::Timestamp::from)),
            ))
            .returning(TokenRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// Makes a session of a user's account one of their tokens, unless it is; one that was revoked before it was last proven opens again.
    /// Nobody has its secret.
    pub async fn bring_session(
        &self,
        session: &SessionRow,
        subject: SubjectId,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let statement = diesel::insert_into(access_tokens::table)
            .values((
                access_tokens::organization_id.eq(self.0.key()),
                access_tokens::id.eq(session.id.as_uuid()),
                access_tokens::subject_id.eq(subject.as_uuid()),
                access_tokens::name.eq(format!("session {}", session.id)),
                access_tokens::scope.eq(TokenScope::Full.as_str()),
                access_tokens::secret_hash.eq(session.secret_hash.as_slice()),
                access_tokens::created_at.eq(jiff_diesel::Timestamp::from(now)),
                access_tokens::expires_at.eq(jiff_diesel::Timestamp::from(session.expires_at)),
                access_tokens::is_session.eq(true),
            ))
            .on_conflict_do_nothing();
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        let row = access_tokens::table.find((self.0.key(), *session.id.as_uuid()));
        let statement = diesel::update(row)
            .filter(access_tokens::is_session)
            .filter(access_tokens::revoked_at.lt(jiff_diesel::Timestamp::from(session.proven_at())))
            .set(access_tokens::revoked_at.eq(None::<jiff_diesel::Timestamp>));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The token with that id, valid or not.
    pub async fn find(&self, id: TokenId) -> Result<Option<TokenRow>, DbError> {
        let query = access_tokens::table.find((self.0.key(), *id.as_uuid())).select(TokenRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The tokens of that name, the newest first, at most `limit`: those that are not revoked before those that are.
    pub async fn named(&self, name: &str, limit: i64) -> Result<Vec<TokenRow>, DbError> {
        let query = access_tokens::table
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::name.eq(name))
            .filter(not(access_tokens::is_session))
            .order((access_tokens::revoked_at.is_null().desc(), access_tokens::created_at.desc()))
            .limit(limit)
            .select(TokenRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The token with that id whose secret's hash is shown, now or before, valid or not; the organisation, and what its subject is
    /// there. See `shown.rs`.
    pub async fn find_shown(
        &self,
        id: TokenId,
        hash: &SecretHash,
    ) -> Result<Option<(TokenRow, OrganizationRow, MembershipRow)>, DbError> {
        let organization = organizations::table.on(organizations::id.eq(access_tokens::organization_id));
        let subject = subjects::organization_id
            .eq(access_tokens::organization_id)
            .and(subjects::id.eq(access_tokens::subject_id));
        let query = access_tokens::table
            .inner_join(organization)
            .inner_join(subjects::table.on(subject))
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::id.eq(id.as_uuid()))
            .filter(shown!(access_tokens, hash, or the one before))
            .select((TokenRow::as_select(), OrganizationRow::as_select(), MembershipRow::as_select()));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Those of `ids` that are neither revoked nor expired, and what their subjects are.
    pub async fn valid(&self, ids: &[TokenId], now: Timestamp) -> Result<Vec<Valid>, DbError> {
        let subject = subjects::organization_id
            .eq(access_tokens::organization_id)
            .and(subjects::id.eq(access_tokens::subject_id));
        let query = access_tokens::table
            .inner_join(subjects::table.on(subject))
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::id.eq_any(ids.iter().map(|id| *id.as_uuid()).collect::<Vec<_>>()))
            .select((TokenRow::as_select(), MembershipRow::as_select()));
        let rows: Vec<(TokenRow, MembershipRow)> = self.0.run(query.load(&mut self.0.raw())).await?;
        let valid = rows.into_iter().filter(|(row, _)| row.is_valid(now));
        Ok(valid
            .map(|(row, membership)| Valid { token: row.id, membership, is_session: row.is_session })
            .collect())
    }

    /// All that are not revoked, locked until the transaction ends: who changes the organisation's tokens does so one
    /// after the other, and sees what the one before has done. Of the sessions none.
    pub async fn lock_unrevoked(&self) -> Result<Vec<TokenRow>, DbError> {
        // Their own locks are not enough: a statement that waited for them does not see a row that came meanwhile.
        self.0.organizations().lock().await?;
        let query = access_tokens::table
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::revoked_at.is_null())
            .filter(not(access_tokens::is_session))
            .order(access_tokens::id)
            .for_no_key_update()
            .select(TokenRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those of a kind, the newest first, revoked and expired ones included: everybody's, or those of one subject.
    pub async fn list(
        &self,
        kind: TokenKind,
        of: Option<SubjectId>,
        page: &PageRequest,
    ) -> Result<Vec<TokenRow>, DbError> {
        let mut query = access_tokens::table
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::is_session.eq(kind == TokenKind::Session))
            .select(TokenRow::as_select())
            .into_boxed();
        if let Some(subject) = of {
            query = query.filter(access_tokens::subject_id.eq(*subject.as_uuid()));
        }
        let query = paged!(query, access_tokens, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The names of those ids.
    pub async fn names(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>, DbError> {
        let query = access_tokens::table
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::id.eq_any(ids.to_vec()))
            .select((access_tokens::id, access_tokens::name));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Gives a token another secret.
    pub async fn rotate(
        &self,
        id: TokenId,
        new: &TokenRotation,
        now: Timestamp,
    ) -> Result<TokenRow, DbError> {
        let (previous, until) = new.previous.unzip();
        let statement = diesel::update(access_tokens::table.find((self.0.key(), *id.as_uuid())))
            .set((
                access_tokens::secret_hash.eq(new.secret_hash.as_slice()),
                access_tokens::signed_by.eq(&new.signed_by),
                access_tokens::expires_at.eq(new.expires_at.map(jiff_diesel::Timestamp::from)),
                access_tokens::rotated_at.eq(jiff_diesel::Timestamp::from(now)),
                access_tokens::previous_secret_hash.eq(previous.map(|hash| hash.to_vec())),
                access_tokens::previous_valid_until.eq(until.map(jiff_diesel::Timestamp::from)),
            ))
            .returning(TokenRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// How many whose newest secret is valid each key has signed.
    pub async fn signed(&self, now: Timestamp) -> Result<Vec<(String, i64)>, DbError> {
        let query = access_tokens::table
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::revoked_at.is_null())
            .filter(access_tokens::expires_at.gt(jiff_diesel::Timestamp::from(now)))
            .filter(access_tokens::signed_by.is_not_null())
            .group_by(access_tokens::signed_by)
            .select((access_tokens::signed_by.assume_not_null(), diesel::dsl::count_star()));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Writes down that it was used, unless a later use is on record.
    pub async fn used(&self, id: TokenId, at: Timestamp) -> Result<(), DbError> {
        let at = jiff_diesel::Timestamp::from(at);
        let statement = diesel::update(access_tokens::table.find((self.0.key(), *id.as_uuid())))
            .filter(access_tokens::last_used_at.is_null().or(access_tokens::last_used_at.lt(at)))
            .set(access_tokens::last_used_at.eq(at));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Whether it was valid before. Revoking twice keeps the first time.
    pub async fn revoke(&self, id: TokenId, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::update(access_tokens::table.find((self.0.key(), *id.as_uuid())))
            .filter(access_tokens::revoked_at.is_null())
            .set(access_tokens::revoked_at.eq(jiff_diesel::Timestamp::from(now)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }
}

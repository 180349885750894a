//! Links by which others join an organisation.

use berth_schema::access::Role;
use berth_schema::{InvitationId, SubjectId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, SecretHash};
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::invitations;
use crate::scope::OrganizationConn;
use crate::shown::shown;

/// What is stored of a new invitation.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub id: InvitationId,
    /// SHA-256 of the whole token.
    pub secret_hash: SecretHash,
    pub name: String,
    pub role: Role,
    pub created_by: SubjectId,
    pub expires_at: Timestamp,
}

/// A row of `invitations`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = invitations)]
pub struct InvitationRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: InvitationId,
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    pub name: String,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = Uuid)]
    pub created_by: SubjectId,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub expires_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub revoked_at: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub accepted_at: Option<Timestamp>,
    pub accepted_by: Option<Uuid>,
}

impl InvitationRow {
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.accepted_at.is_none() && now < self.expires_at
    }
}

/// The organisation's invitations.
#[derive(Debug)]
pub struct Invitations<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Invitations<'_> {
    pub async fn insert(&self, new: &NewInvitation, now: Timestamp) -> Result<InvitationRow, DbError> {
        let statement = diesel::insert_into(invitations::table)
            .values((
                invitations::organization_id.eq(self.0.key()),
                invitations::id.eq(new.id.as_uuid()),
                invitations::secret_hash.eq(new.secret_hash.as_slice()),
                invitations::name.eq(&new.name),
                invitations::role.eq(new.role.as_str()),
                invitations::created_at.eq(jiff_diesel::Timestamp::from(now)),
                invitations::created_by.eq(new.created_by.as_uuid()),
                invitations::expires_at.eq(jiff_diesel::Timestamp::from(new.expires_at)),
            ))
            .returning(InvitationRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// How many are open.
    pub async fn count_open(&self, now: Timestamp) -> Result<i64, DbError> {
        let query = invitations::table
            .filter(invitations::organization_id.eq(self.0.key()))
            .filter(invitations::revoked_at.is_null())
            .filter(invitations::accepted_at.is_null())
            .filter(invitations::expires_at.gt(jiff_diesel::Timestamp::from(now)))
            .count();
        self.0.run(query.get_result(&mut self.0.raw())).await
    }

    pub async fn find(&self, id: InvitationId) -> Result<Option<InvitationRow>, DbError> {
        let query = invitations::table.find((self.0.key(), id.as_uuid())).select(InvitationRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The one of which a token of that hash is shown.
    pub async fn find_shown(
        &self,
        id: InvitationId,
        hash: &SecretHash,
    ) -> Result<Option<InvitationRow>, DbError> {
        let query = invitations::table
            .find((self.0.key(), id.as_uuid()))
            .filter(shown!(invitations, hash))
            .select(InvitationRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Whichever has that id, locked until the transaction ends.
    pub async fn find_locked(&self, id: InvitationId) -> Result<Option<InvitationRow>, DbError> {
        let query = invitations::table
            .find((self.0.key(), id.as_uuid()))
            .select(InvitationRow::as_select())
            .for_no_key_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The newest first, however they ended.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<InvitationRow>, DbError> {
        let query = invitations::table
            .filter(invitations::organization_id.eq(self.0.key()))
            .select(InvitationRow::as_select())
            .into_boxed();
        let query = paged!(query, invitations, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    pub async fn revoke(&self, id: InvitationId, now: Timestamp) -> Result<InvitationRow, DbError> {
        let statement = diesel::update(invitations::table.find((self.0.key(), id.as_uuid())))
            .set(invitations::revoked_at.eq(jiff_diesel::Timestamp::from(now)))
            .returning(InvitationRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    pub async fn accept(&self, id: InvitationId, by: SubjectId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(invitations::table.find((self.0.key(), id.as_uuid()))).set((
            invitations::accepted_at.eq(jiff_diesel::Timestamp::from(now)),
            invitations::accepted_by.eq(by.as_uuid()),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}

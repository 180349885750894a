//! Who acts, apart from what they prove it with.

use std::collections::HashMap;

use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{AccountId, SubjectId, TokenId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::accounts::MembershipRow;
use crate::columns::Parsed;
use crate::error::DbError;
use crate::page::{PageRequest, paged};
use crate::schema::{access_tokens, accounts, identity_providers, subjects, workspaces};
use crate::scope::OrganizationConn;

/// Whoever changes or creates something: who, and by which of their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    pub subject: SubjectId,
    pub token: TokenId,
}

/// What is stored of a new subject.
#[derive(Clone, Debug)]
pub struct NewSubject {
    pub id: SubjectId,
    pub kind: SubjectKind,
    /// For people: what their first token, or their account, is called.
    pub name: String,
    pub role: Role,
    pub account: Option<AccountId>,
}

/// A user of the organisation who is a person with an account.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct UserRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: SubjectId,
    #[diesel(deserialize_as = Uuid)]
    pub account: AccountId,
    /// Of the account.
    pub name: String,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub suspended_at: Option<Timestamp>,
}

/// The organisation's users, as [`UserRow`]s.
macro_rules! users {
    ($subjects:expr) => {
        subjects::table
            .inner_join(accounts::table.on(accounts::id.nullable().eq(subjects::account_id)))
            .filter(subjects::organization_id.eq($subjects.0.key()))
            .filter(subjects::removed_at.is_null())
            .select((subjects::id, accounts::id, accounts::name, subjects::role, subjects::suspended_at))
    };
}

/// A row of `subjects`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = subjects)]
pub struct MemberRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: SubjectId,
    #[diesel(deserialize_as = Parsed<SubjectKind>)]
    pub kind: SubjectKind,
    pub name: String,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    pub account_id: Option<Uuid>,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub suspended_at: Option<Timestamp>,
    /// They belong to the organisation no longer.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub removed_at: Option<Timestamp>,
}

/// The subjects of the organisation.
#[derive(Debug)]
pub struct Subjects<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Subjects<'_> {
    pub async fn insert(&self, subject: &NewSubject, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(subjects::table).values((
            subjects::organization_id.eq(self.0.key()),
            subjects::id.eq(subject.id.as_uuid()),
            subjects::kind.eq(subject.kind.as_str()),
            subjects::name.eq(&subject.name),
            subjects::created_at.eq(jiff_diesel::Timestamp::from(now)),
            subjects::role.eq(subject.role.as_str()),
            subjects::account_id.eq(subject.account.map(|account| *account.as_uuid())),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// A user whom a provider of the organisation brings in, as what its rules say.
    pub async fn insert_provided(&self, subject: &NewSubject, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(subjects::table).values((
            subjects::organization_id.eq(self.0.key()),
            subjects::id.eq(subject.id.as_uuid()),
            subjects::kind.eq(subject.kind.as_str()),
            subjects::name.eq(&subject.name),
            subjects::created_at.eq(jiff_diesel::Timestamp::from(now)),
            subjects::account_id.eq(subject.account.map(|account| *account.as_uuid())),
            subjects::role.eq(subject.role.as_str()),
            subjects::is_provided.eq(true),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// What the transaction's account is here, locked.
    pub async fn of_account(&self) -> Result<Option<MembershipRow>, DbError> {
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::account_id.eq(self.0.account_key()))
            .select(MembershipRow::as_select())
            .for_no_key_update();
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    pub async fn set_role(&self, subject: SubjectId, role: Role) -> Result<(), DbError> {
        let statement = diesel::update(subjects::table.find((self.0.key(), subject.as_uuid())))
            .set(subjects::role.eq(role.as_str()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Those who belong to it, the newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<MemberRow>, DbError> {
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::removed_at.is_null())
            .select(MemberRow::as_select())
            .into_boxed();
        let query = paged!(query, subjects, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// What those are called, removed ones included.
    pub async fn names(&self, ids: &[SubjectId]) -> Result<HashMap<SubjectId, String>, DbError> {
        let ids: Vec<_> = ids.iter().map(|id| *id.as_uuid()).collect();
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::id.eq_any(ids))
            .select((subjects::id, subjects::name));
        let rows: Vec<(Uuid, String)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
    }

    /// Whoever has that id, removed ones included.
    pub async fn find(&self, id: SubjectId) -> Result<Option<MemberRow>, DbError> {
        let query = subjects::table.find((self.0.key(), id.as_uuid())).select(MemberRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Those of that name who belong to it, at most `limit`.
    pub async fn named(&self, name: &str, limit: i64) -> Result<Vec<MemberRow>, DbError> {
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::name.eq(name))
            .filter(subjects::removed_at.is_null())
            .order((subjects::created_at, subjects::id))
            .limit(limit)
            .select(MemberRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// What an account is in the organisation, or was, as the organisation sees it.
    pub async fn member_of(&self, account: AccountId) -> Result<Option<MemberRow>, DbError> {
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::account_id.eq(account.as_uuid()))
            .select(MemberRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// What they are from now on, as a member says. `role`: another one, which no provider's rules change any more.
    pub async fn change(
        &self,
        id: SubjectId,
        role: Option<Role>,
        suspended_at: Option<Timestamp>,
    ) -> Result<MemberRow, DbError> {
        let statement = diesel::update(subjects::table.find((self.0.key(), id.as_uuid())))
            .set((
                role.map(|role| (subjects::role.eq(role.as_str()), subjects::role_is_kept.eq(true))),
                subjects::suspended_at.eq(suspended_at.map(jiff_diesel::Timestamp::from)),
            ))
            .returning(MemberRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// They belong to it no longer, and their tokens end for good. Sessions are the account's: they open nothing here meanwhile.
    pub async fn remove(&self, id: SubjectId, now: Timestamp) -> Result<(), DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let statement = diesel::update(subjects::table.find((self.0.key(), id.as_uuid())))
            .set((subjects::suspended_at.eq(now), subjects::removed_at.eq(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        let statement = diesel::update(access_tokens::table)
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::subject_id.eq(id.as_uuid()))
            .filter(access_tokens::is_session.eq(false))
            .filter(access_tokens::revoked_at.is_null())
            .set(access_tokens::revoked_at.eq(now));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Somebody who was removed belongs to it again.
    pub async fn rejoin(&self, id: SubjectId, role: Role) -> Result<(), DbError> {
        let nothing = None::<jiff_diesel::Timestamp>;
        let statement = diesel::update(subjects::table.find((self.0.key(), id.as_uuid()))).set((
            subjects::role.eq(role.as_str()),
            subjects::role_is_kept.eq(true),
            subjects::suspended_at.eq(nothing),
            subjects::removed_at.eq(nothing),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The users of that name, at most `limit`, the oldest first.
    pub async fn users_named(&self, name: &str, limit: i64) -> Result<Vec<UserRow>, DbError> {
        let query = users!(self)
            .filter(accounts::name.eq(name))
            .order((subjects::created_at, subjects::id))
            .limit(limit);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// The user with that id.
    pub async fn user(&self, id: SubjectId) -> Result<Option<UserRow>, DbError> {
        let query = users!(self).filter(subjects::id.eq(*id.as_uuid()));
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The owners who are not suspended.
    pub async fn owners(&self) -> Result<Vec<(SubjectId, SubjectKind)>, DbError> {
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::role.eq(Role::Owner.as_str()))
            .filter(subjects::suspended_at.is_null())
            .select(MembershipRow::as_select());
        let rows: Vec<MembershipRow> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.kind)).collect())
    }

    /// Of the owners those who get in: who sign in (whom a provider has brought in, while the organisation has one), or have a token
    /// that changes things and is valid then. They are not suspended.
    pub async fn able_owners(&self, now: Timestamp) -> Result<Vec<SubjectId>, DbError> {
        let now = jiff_diesel::Timestamp::from(now);
        let opens = access_tokens::table
            .filter(access_tokens::organization_id.eq(subjects::organization_id))
            .filter(access_tokens::subject_id.eq(subjects::id))
            .filter(access_tokens::revoked_at.is_null())
            .filter(access_tokens::scope.eq(TokenScope::Full.as_str()))
            .filter(access_tokens::expires_at.is_null().or(access_tokens::expires_at.gt(now)));
        let provider = identity_providers::table
            .filter(identity_providers::organization_id.eq(subjects::organization_id));
        let is_let_in = subjects::is_provided.eq(false).or(diesel::dsl::exists(provider));
        let signs_in = subjects::account_id.is_not_null().and(is_let_in);
        let query = subjects::table
            .filter(subjects::organization_id.eq(self.0.key()))
            .filter(subjects::role.eq(Role::Owner.as_str()))
            .filter(subjects::suspended_at.is_null())
            .filter(signs_in.or(diesel::dsl::exists(opens)))
            .order(subjects::id)
            .select(subjects::id);
        let ids: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Writes down who created the next `limit` workspaces, in the order of their ids, that are from before there were
    /// subjects. Answers with the last of them: where the next batch begins; `None`: there are no more. Rows that somebody
    /// holds are left to another time.
    pub async fn fill_creators(&self, after: Option<Uuid>, limit: i64) -> Result<Option<Uuid>, DbError> {
        let of_before = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::created_by_subject.is_null())
            .filter(workspaces::id.gt(after.unwrap_or(Uuid::nil())))
            .order(workspaces::id)
            .limit(limit)
            .select(workspaces::id)
            .for_no_key_update()
            .skip_locked();
        let ids: Vec<Uuid> = self.0.run(of_before.load(&mut self.0.raw())).await?;
        if !ids.is_empty() {
            // A trigger looks up whose the token is.
            let statement = diesel::update(workspaces::table)
                .filter(workspaces::organization_id.eq(self.0.key()))
                .filter(workspaces::id.eq_any(&ids))
                .set(workspaces::created_by_subject.eq(workspaces::created_by.nullable()));
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        Ok(ids.last().copied())
    }
}

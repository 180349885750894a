//! People, outside of organisations.

use berth_schema::access::{Role, SubjectKind};
use berth_schema::{AccountId, OrganizationId, SubjectId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::Parsed;
use crate::devices::TOLD;
use crate::error::DbError;
use crate::organizations::OrganizationRow;
use crate::schema::{accounts, organizations, subjects};
use crate::scope::OrganizationConn;
use crate::sign_in_links::NewSignInLink;
use crate::subjects::NewSubject;
use crate::tokens::NewToken;

/// A row of `accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = accounts)]
pub struct AccountRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: AccountId,
    pub name: String,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub suspended_at: Option<Timestamp>,
    /// The newest device that is not known as theirs.
    pub new_device_id: Option<Uuid>,
    /// Since when it is there.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub new_device_at: Option<Timestamp>,
    /// How often somebody was not let in as them.
    pub failed_sign_ins: i64,
    /// When that was the last time.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub failed_sign_in_at: Option<Timestamp>,
}

impl AccountRow {
    /// Since when there is a device of which its person is to be told, on another one of theirs.
    pub fn told_of(&self, device: Option<Uuid>, now: Timestamp) -> Option<Timestamp> {
        let at = self.new_device_at.filter(|at| now.duration_since(*at) < TOLD)?;
        (self.new_device_id != device).then_some(at)
    }
}

/// What an account is in an organisation: the part of a row of `subjects` that says it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = subjects)]
pub struct MembershipRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: SubjectId,
    #[diesel(deserialize_as = Parsed<SubjectKind>)]
    pub kind: SubjectKind,
    #[diesel(deserialize_as = String)]
    pub role: Role,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub suspended_at: Option<Timestamp>,
    /// A provider of the organisation has brought them in: one has to prove their sessions.
    pub is_provided: bool,
    /// A member has said what they are: no provider's rules change it.
    pub role_is_kept: bool,
}

/// A new person who has every right in an organisation.
#[derive(Clone, Debug)]
pub struct NewOwner {
    pub account: AccountId,
    /// 1 to 200 characters.
    pub name: String,
    pub subject: SubjectId,
    /// Signs them in.
    pub link: NewSignInLink,
    /// A token for programs, whose holder they are.
    pub token: Option<NewToken>,
}

/// The account that the transaction is about.
#[derive(Debug)]
pub struct Accounts<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Accounts<'_> {
    /// Stores the account of the transaction's reach. `name`: 1 to 200 characters.
    pub async fn insert(&self, name: &str, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(accounts::table).values((
            accounts::id.eq(self.0.account_key()),
            accounts::name.eq(name),
            accounts::created_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// The same for an owner of the transaction's organisation, with their first link and token.
    pub async fn insert_owner(&self, owner: &NewOwner, now: Timestamp) -> Result<(), DbError> {
        self.insert(&owner.name, now).await?;
        let subject = NewSubject {
            id: owner.subject,
            kind: SubjectKind::User,
            name: owner.name.clone(),
            role: Role::Owner,
            account: Some(owner.account),
        };
        self.0.subjects().insert(&subject, now).await?;
        self.0.sign_in_links().insert(&owner.link, now).await?;
        if let Some(token) = &owner.token {
            self.0.tokens().insert(token, now).await?;
        }
        Ok(())
    }

    /// Somebody was not let in as them, so many times.
    pub async fn failed(&self, times: u64, now: Timestamp) -> Result<(), DbError> {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        let statement = diesel::update(accounts::table.find(self.0.account_key())).set((
            accounts::failed_sign_ins.eq(accounts::failed_sign_ins + times),
            accounts::failed_sign_in_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    pub async fn find(&self) -> Result<Option<AccountRow>, DbError> {
        let query = accounts::table.find(self.0.account_key()).select(AccountRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// Which subject the account is in each of its organisations, by their ids.
    pub(crate) async fn subjects(&self) -> Result<Vec<(OrganizationId, SubjectId)>, DbError> {
        let query = subjects::table
            .filter(subjects::account_id.eq(self.0.account_key()))
            .order(subjects::organization_id)
            .select((subjects::organization_id, subjects::id));
        let all: Vec<(Uuid, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(all.into_iter().map(|(organization, subject)| (organization.into(), subject.into())).collect())
    }

    /// What the account is in each of its organisations, by their names.
    pub async fn memberships(&self) -> Result<Vec<(OrganizationRow, MembershipRow)>, DbError> {
        let query = subjects::table
            .inner_join(organizations::table.on(organizations::id.eq(subjects::organization_id)))
            .filter(subjects::account_id.eq(self.0.account_key()))
            .filter(subjects::removed_at.is_null())
            .order(organizations::name)
            .select((OrganizationRow::as_select(), MembershipRow::as_select()));
        self.0.run(query.load(&mut self.0.raw())).await
    }
}

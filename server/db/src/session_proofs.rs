//! What providers have proven of sessions.

use berth_schema::{AccountId, IdentityProviderId, OrganizationId, SessionId};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{access_tokens, session_proofs};
use crate::scope::OrganizationConn;

/// What is stored of a new proof.
#[derive(Clone, Debug)]
pub struct NewSessionProof {
    pub session: SessionId,
    pub provider: IdentityProviderId,
    /// The provider's own session.
    pub sid: Option<String>,
    pub acr: Option<String>,
    /// At most 20.
    pub amr: Vec<String>,
    pub auth_time: Option<Timestamp>,
}

/// What is known of how somebody has signed in at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = session_proofs)]
pub struct SessionProof {
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// When they did. `None`: the provider has not said.
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub auth_time: Option<Timestamp>,
    /// When it was told here.
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
}

/// The proofs of the account's sessions, or of all that somebody has in the organisation.
#[derive(Debug)]
pub struct SessionProofs<'a>(pub(crate) &'a OrganizationConn<'a>);

impl SessionProofs<'_> {
    /// Stores one of a session of the transaction's account, for its organisation.
    pub async fn insert(&self, proof: &NewSessionProof, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::insert_into(session_proofs::table).values((
            session_proofs::organization_id.eq(self.0.key()),
            session_proofs::account_id.eq(self.0.account_key()),
            session_proofs::session_id.eq(proof.session.as_uuid()),
            session_proofs::provider_id.eq(proof.provider.as_uuid()),
            session_proofs::sid.eq(&proof.sid),
            session_proofs::acr.eq(&proof.acr),
            session_proofs::amr.eq(&proof.amr),
            session_proofs::auth_time.eq(proof.auth_time.map(jiff_diesel::Timestamp::from)),
            session_proofs::created_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Another session of the account has what was proven of one, but for organisations of which it has a proof of its own.
    pub async fn copy(&self, from: SessionId, to: SessionId) -> Result<(), DbError> {
        use session_proofs::dsl;
        let query = dsl::session_proofs
            .filter(dsl::account_id.eq(self.0.account_key()))
            .filter(dsl::session_id.eq(from.as_uuid()))
            .select((
                dsl::organization_id,
                dsl::provider_id,
                dsl::sid,
                dsl::acr,
                dsl::amr,
                dsl::auth_time,
                dsl::created_at,
            ));
        type Proof = (
            Uuid,
            Uuid,
            Option<String>,
            Option<String>,
            Vec<String>,
            Option<jiff_diesel::Timestamp>,
            jiff_diesel::Timestamp,
        );
        let proofs: Vec<Proof> = self.0.run(query.load(&mut self.0.raw())).await?;
        let copies: Vec<_> = proofs
            .into_iter()
            .map(|(organization, provider, sid, acr, amr, auth_time, created_at)| {
                (
                    dsl::organization_id.eq(organization),
                    dsl::account_id.eq(self.0.account_key()),
                    dsl::session_id.eq(*to.as_uuid()),
                    dsl::provider_id.eq(provider),
                    dsl::sid.eq(sid),
                    dsl::acr.eq(acr),
                    dsl::amr.eq(amr),
                    dsl::auth_time.eq(auth_time),
                    dsl::created_at.eq(created_at),
                )
            })
            .collect();
        let statement = diesel::insert_into(dsl::session_proofs).values(copies).on_conflict_do_nothing();
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// In the organisation all sessions end that a provider of it has proven.
    pub async fn revoke_tokens(&self, provider: IdentityProviderId, now: Timestamp) -> Result<(), DbError> {
        let proven = session_proofs::table
            .filter(session_proofs::organization_id.eq(self.0.key()))
            .filter(session_proofs::provider_id.eq(provider.as_uuid()))
            .select(session_proofs::session_id);
        let statement = diesel::update(access_tokens::table)
            .filter(access_tokens::organization_id.eq(self.0.key()))
            .filter(access_tokens::is_session)
            .filter(access_tokens::revoked_at.is_null())
            .filter(access_tokens::id.eq_any(proven))
            .set(access_tokens::revoked_at.eq(jiff_diesel::Timestamp::from(now)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// By which provider a session of the account was proven last, and for which organisation.
    pub async fn of_session(
        &self,
        session: SessionId,
    ) -> Result<Option<(OrganizationId, IdentityProviderId)>, DbError> {
        use session_proofs::dsl;
        let query = dsl::session_proofs
            .filter(dsl::account_id.eq(self.0.account_key()))
            .filter(dsl::session_id.eq(session.as_uuid()))
            .order(dsl::created_at.desc())
            .limit(1)
            .select((dsl::organization_id, dsl::provider_id));
        let found: Option<(Uuid, Uuid)> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(organization, provider)| (organization.into(), provider.into())))
    }

    /// The sessions that a provider has proven by then: those of one account, of one session of the provider's, or both. In a
    /// transaction of [`crate::Reach::installation`], at most `limit`.
    pub async fn of_provider(
        &self,
        (organization, provider): (OrganizationId, IdentityProviderId),
        account: Option<AccountId>,
        sid: Option<&str>,
        (by, limit): (Timestamp, i64),
    ) -> Result<Vec<(AccountId, SessionId)>, DbError> {
        use session_proofs::dsl;
        let mut query = dsl::session_proofs
            .filter(dsl::organization_id.eq(organization.as_uuid()))
            .filter(dsl::provider_id.eq(provider.as_uuid()))
            .filter(dsl::created_at.le(jiff_diesel::Timestamp::from(by)))
            .select((dsl::account_id, dsl::session_id))
            .limit(limit)
            .into_boxed();
        if let Some(account) = account {
            query = query.filter(dsl::account_id.eq(*account.as_uuid()));
        }
        if let Some(sid) = sid {
            query = query.filter(dsl::sid.eq(sid));
        }
        let found: Vec<(Uuid, Uuid)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(found.into_iter().map(|(account, session)| (account.into(), session.into())).collect())
    }
}

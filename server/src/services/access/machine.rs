//! Access tokens for commands on the server's machine.

use std::collections::BTreeMap;

use berth_db::{Changed, Database, Holder, OrganizationConn};
use berth_schema::access::TokenName;
use berth_schema::audit::{Event, Internal, Resource};
use berth_schema::{AccessToken, OrganizationId, OrganizationName, ResourceKind, SubjectId};
use jiff::Timestamp;

use super::{created, is_free};
use crate::Error;
use crate::identity::Run;
use crate::issuer::Issuer;
use crate::services::tokens;

/// Makes a token on the server's machine, for somebody who has none: with every right, in an organisation of that name.
pub async fn recover(
    run: &Run<Database>,
    organizations: &[OrganizationId],
    name: &OrganizationName,
    token_name: &TokenName,
    expires_at: Timestamp,
    issuer: &Issuer,
) -> Result<AccessToken, Error> {
    for organization in organizations {
        let op = run.within(*organization);
        let made = op
            .change("recover_token", async |conn| {
                let found = conn.organizations().find().await?;
                if found.is_none_or(|found| found.name != *name) {
                    return Ok(Changed::Not(None));
                }
                let holder = Holder::New(SubjectId::random());
                is_free(&conn.tokens().lock_unrevoked().await?, token_name, holder)?;
                let whose = (*organization, holder);
                let made =
                    tokens::new_access_token(issuer, whose, token_name.as_str(), (op.now, expires_at))?;
                let row = conn.tokens().insert(&made.1, op.now).await?;
                let event = Event::internal(Internal::RecoverToken, Resource::token(row.id), created(&row));
                Ok::<_, Error>(Changed::So(Some(made.0), event))
            })
            .await?;
        if let Some(token) = made {
            return Ok(token);
        }
    }
    Err(Error::missing(ResourceKind::Organization, name))
}

/// How many valid access tokens each key has signed the newest secret of, in all of those organisations.
pub async fn signed(
    run: &Run<Database>,
    organizations: &[OrganizationId],
) -> Result<BTreeMap<String, i64>, Error> {
    let mut all = BTreeMap::new();
    for organization in organizations {
        let op = run.within(*organization);
        let count =
            async |conn: &OrganizationConn<'_>| conn.tokens().signed(op.now).await.map_err(Error::from);
        for (kid, number) in op.read("count_signed_tokens", count).await? {
            *all.entry(kid).or_default() += number;
        }
    }
    Ok(all)
}

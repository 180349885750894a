//! The way out: at a provider as well, and on a provider's word.

use berth_db::{Acting, Basis, Changed, OrganizationConn, Reach, Stamp};
use berth_oidc::{LogoutToken, Rejected, Relying, verify_logout_token};
use berth_schema::audit::{Details, Event, Internal as Kind, Outcome, Resource, What, Who};
use berth_schema::{AccountId, IdentityProviderId, SessionId};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};
use url::Url;

use super::Provider;
use crate::identity::Origin;
use crate::services::identity_providers::{Addresses, told};
use crate::{Context, Error};

/// Sessions that end by one message.
const MOST: i64 = 1_000;

/// Where somebody signs out at a provider, by whose word they were signed in here. `None`: it has no such place.
///
/// # Errors
/// Where there is no such provider.
pub async fn sign_out_at(
    context: &Context,
    id: IdentityProviderId,
    at: Addresses<'_>,
) -> Result<Option<(String, Url)>, Error> {
    let provider = Provider::find(context, id).await?;
    let metadata = match context.openid.metadata(&provider.row.issuer).await {
        Ok(metadata) => metadata,
        Err(fault) => {
            warn!(provider = %id, fault = told(&fault), "an identity provider cannot be used");
            return Ok(None);
        }
    };
    let Some(mut url) = metadata.end_session_endpoint.clone() else { return Ok(None) };
    // Without the token that it has given: that holds who somebody is, and is not kept. It asks people instead.
    url.query_pairs_mut()
        .append_pair("client_id", &provider.row.client_id)
        .append_pair("post_logout_redirect_uri", &at.signed_out());
    Ok(Some((provider.row.name.to_string(), url)))
}

/// A provider says that somebody has signed out: the sessions end that it has proven, here and on every server.
///
/// # Errors
/// Where there is no such provider, or it is not believed.
pub async fn backchannel(
    context: &Context,
    id: IdentityProviderId,
    token: &str,
    (origin, now): (Origin, Timestamp),
) -> Result<(), Error> {
    let provider = Provider::find(context, id).await?;
    let told = match believe(context, &provider, token, now).await? {
        Ok(told) => told,
        Err(rejected) => {
            warn!(provider = %id, %rejected, "a logout token is not believed");
            let denied = (Kind::EndSession, rejected.as_str());
            provider.note_denial(context, denied, (origin, now)).await;
            return Err(Error::MalformedRequest("the logout token is not valid".to_owned()));
        }
    };
    let sessions = sessions_of(context, &provider, &told, now).await?;
    for (account, session) in &sessions {
        end(context, &provider, (*account, *session), (origin, now)).await?;
    }
    info!(provider = %id, sessions = sessions.len(), "an identity provider has signed somebody out");
    Ok(())
}

async fn believe(
    context: &Context,
    provider: &Provider,
    token: &str,
    now: Timestamp,
) -> Result<Result<LogoutToken, Rejected>, Error> {
    let row = &provider.row;
    let fault = |fault| {
        warn!(provider = %row.id, fault = told(&fault), "an identity provider cannot be used");
        Error::ProviderUnavailable
    };
    let metadata = context.openid.metadata(&row.issuer).await.map_err(fault)?;
    let keys = context.openid.keys(&row.issuer, &metadata).await.map_err(fault)?;
    let (issuer, client_id, now) = (row.issuer.as_str(), row.client_id.as_str(), now.as_second());
    let relying = Relying { issuer, client_id, keys: &keys, now };
    let verified = verify_logout_token(token, relying);
    if verified == Err(Rejected::Key)
        && let Some(keys) = context.openid.newer_keys(issuer, &metadata, &keys).await.map_err(fault)?
    {
        return Ok(verify_logout_token(token, Relying { keys: &keys, ..relying }));
    }
    Ok(verified)
}

/// Those that the token means. What began after it was issued goes on, so that one that is sent again ends nothing else.
async fn sessions_of(
    context: &Context,
    provider: &Provider,
    told: &LogoutToken,
    now: Timestamp,
) -> Result<Vec<(AccountId, SessionId)>, Error> {
    let row = &provider.row;
    let by = Timestamp::from_second(told.issued_at).unwrap_or(now);
    // Within the second in which it was issued.
    let by = by.saturating_add(SignedDuration::from_secs(1)).unwrap_or(by).min(now);
    let find = async |conn: &OrganizationConn<'_>| {
        let account = match &told.subject {
            None => None,
            Some(subject) => match conn.identities().find(&row.issuer, subject).await? {
                None => return Ok(Vec::new()),
                account => account,
            },
        };
        let whose = (row.organization_id, row.id);
        let found =
            conn.session_proofs().of_provider(whose, account, told.sid.as_deref(), (by, MOST)).await?;
        Ok::<_, Error>(found)
    };
    context.database.read(Reach::installation(), "find_sessions_of_provider", find).await
}

async fn end(
    context: &Context,
    provider: &Provider,
    (account, session): (AccountId, SessionId),
    (origin, now): (Origin, Timestamp),
) -> Result<(), Error> {
    let stamp = Stamp {
        time: now,
        who: Acting::Known(Who::Provider { provider: provider.row.id }),
        action: Some(What::Internal(Kind::EndSession)),
        outcome: Outcome::Done,
        request: origin.request_id,
        peer: origin.peer,
        basis: Basis::Itself,
    };
    let ended = context.database.change_of_account(account, "end_session_by_provider", stamp, async |conn| {
        if conn.sessions().end(&[session], now).await? == 0 {
            return Ok::<_, Error>(Changed::Not(()));
        }
        Ok(Changed::So((), Event::new(Resource::session(session), Details::Nothing).into()))
    });
    ended.await
}

//! Whoever belongs to an organisation, by one of its tokens or by their account, and what they may do in it.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use berth_db::{ElevationView, OrganizationSession};
use berth_policy::{Circumstances, Place, Proof, Resource};
use berth_schema::access::TokenScope;
use berth_schema::audit::{self, By};
use berth_schema::{AccountId, Action, ResourceKind, SessionId};
use futures::try_join;
use jiff::Timestamp;
use ring::hmac;
use tracing::Span;
use tracing::field::display;

use super::access_token::AccessToken;
use super::named::named;
use super::{Bearer, Channel, Proven, admission, agent, bearer, person, refused};
use crate::denials::{self, Whose};
use crate::edge::Whom;
use crate::error::{DenyReason, Unproven};
use crate::http::asker::Asker;
use crate::http::headers;
use crate::identity::{Member, by_session};
use crate::services::permission::{self, Found, Named};
use crate::services::{elevations, sessions};
use crate::{Context, Error, clock};

impl Proven for Member {
    #[expect(clippy::disallowed_methods, reason = "that it is used is of before the operation begins")]
    async fn prove(
        request: &HttpRequest,
        context: &Arc<Context>,
        action: Action,
        channel: Channel,
    ) -> Result<(Self, Option<Resource>), Error> {
        let named = named(request, action);
        let (mut member, found) = match channel {
            Channel::Cookie => signed_in(request, context, action, &named).await?,
            Channel::Bearer => match bearer(request)? {
                Bearer::Access(token) => by_token(request, context, &token, &named).await?,
                Bearer::Account(token) => logged_in(request, context, &token, action, &named).await?,
                Bearer::Agent(token) => {
                    let agent = agent::by_token(request, context, &token).await?;
                    let refusal = agent::denied(request, context, &agent, action);
                    return Err(agent.asker(action).refused(request, context, refusal).await);
                }
            },
        };
        // Another organisation looks like one that does not exist.
        match request.match_info().get("organization") {
            Some(asked) if !is_named(&member, asked) => {
                let missing = Error::missing(ResourceKind::Organization, asked);
                Err(member.asker(action).refused(request, context, missing).await)
            }
            _ => match permission::permit(&member.authority, action, &named, found) {
                Ok(resource) => {
                    member.elevation = member.authority.needed_elevation(action, &resource);
                    // What somebody was not allowed keeps no session from being an idle one, nor what nobody can be denied.
                    if member.login.is_some() && Place::of(action) != Place::Oneself {
                        context.uses.note(member.organization, member.token, clock::now());
                    }
                    Ok((member, Some(resource)))
                }
                Err(refusal) => {
                    let asker = member.asker(action);
                    match refusal.hidden {
                        // What is not told to whoever asks is on record.
                        Some((reason, id)) => {
                            let resource = denials::resource(action.resource(), id.parse().ok());
                            asker.note(request, context, reason.into(), resource).await;
                            Err(refusal.error)
                        }
                        None => Err(asker.refused(request, context, refusal.error).await),
                    }
                }
            },
        }
    }

    fn asker(&self, action: Action) -> Asker {
        Asker::within(self, action)
    }
}

fn is_named(member: &Member, asked: &str) -> bool {
    asked == member.organization_name.as_str() || asked.parse() == Ok(member.organization)
}

/// Proves an access token: by its signature, if it has one, and in a transaction that looks for what is named once the secret is right, and
/// at nothing else.
#[expect(clippy::disallowed_methods, reason = "whether it has expired is asked before the operation begins")]
pub(super) async fn by_token(
    request: &HttpRequest,
    context: &Context,
    token: &AccessToken,
    named: &Named,
) -> Result<(Member, Found), Error> {
    let admission = admission(request)?;
    let turn = admission.turn().await?;
    let shown = token.belongs(context, &admission, clock::now())?;
    let (found, seen, thing) = context
        .database
        .read(shown.organization, "authenticate_member", async |conn| {
            let (audit, tokens) = (conn.audit(), conn.tokens());
            let (seen, found) = try_join!(audit.head(), tokens.find_shown(shown.token, &shown.hash))?;
            let thing = match &found {
                Some((row, ..)) if shown.is_secret_of(Some(row), clock::now()) => {
                    permission::find(conn, named, row.subject_id).await?
                }
                _ => Found::Nothing,
            };
            Ok::<_, Error>((found, seen, thing))
        })
        .await?;
    drop(turn);
    let now = clock::now();
    let is_right = shown.is_secret_of(found.as_ref().map(|(row, ..)| row), now);
    let (row, organization, membership) = match found {
        Some((.., membership)) if is_right && membership.suspended_at.is_some() => {
            return Err(refused(&admission, Unproven::Suspended));
        }
        Some((row, organization, membership)) if is_right && row.is_valid(now) => {
            (row, organization, membership)
        }
        Some((row, ..)) if is_right && row.revoked_at.is_none() => {
            return Err(refused(&admission, Unproven::Expired));
        }
        Some(_) if is_right => return Err(refused(&admission, Unproven::Revoked)),
        Some(_) => return Err(refused(&admission, Unproven::FormerSecret)),
        None => return Err(refused(&admission, Unproven::UnknownToken)),
    };
    admission.proven(Whom::Member { token: *row.id.as_uuid(), payer: *row.subject_id.as_uuid() });
    Span::current().record("organization", display(organization.id));
    Span::current().record("token", display(row.id));
    context.uses.note(organization.id, row.id, now);
    let whose = (&organization, &membership);
    let circumstances =
        Circumstances { proof: Proof::Token(row.scope), mfa: false, address: address(request) };
    // A token outlasts what its maker was for a time: none has it.
    let authority = permission::authority(context, whose, (circumstances, Vec::new())).await?;
    let member = Member {
        organization: organization.id,
        organization_name: organization.name,
        subject: row.subject_id,
        token: row.id,
        token_name: row.name,
        login: None,
        new_device_at: None,
        scope: row.scope,
        role: membership.role,
        authority,
        elevations: Vec::new(),
        elevation: None,
        seen,
        expires_at: row.expires_at,
        secret_hash: shown.hash,
        fingerprints: hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes()),
    };
    Ok((member, thing))
}

/// The same in an organisation: that of the path, or of `Berth-Organization` where the path has none.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn logged_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    token: &str,
    action: Action,
    named: &Named,
) -> Result<(Member, Found), Error> {
    let (admission, now) = (admission(request)?, clock::now());
    let turn = admission.turn().await?;
    let shown = person::signed(context, &admission, token, now)?;
    let asked = match request.match_info().get("organization") {
        Some(asked) => asked,
        None => headers::organization(request)?,
    };
    let found = find_there(context, (shown.account, shown.session), (asked, named, now)).await?;
    drop(turn);
    let Some(found) = found else {
        // Whose token it is comes first: only they are told that there is no such organisation.
        let person = person::logged_in(request, context, token).await?;
        let missing = Error::missing(ResourceKind::Organization, asked);
        return Err(person.asker(action).refused(request, context, missing).await);
    };
    let theirs = &found.0;
    if let Some(reason) = sessions::is_over(&theirs.session, &theirs.account, &context.sessions, now) {
        return Err(refused(&admission, reason));
    }
    admission.proven(person::whom(&theirs.session, &theirs.account));
    person::acts(request, context, theirs.account.clone(), &theirs.session).await?;
    in_organization(request, context, found, (asked, action), now).await
}

/// The same below an organisation, which looks like one that does not exist where the account is nobody in it.
#[expect(clippy::disallowed_methods, reason = "whether it has ended is asked before the operation begins")]
async fn signed_in(
    request: &HttpRequest,
    context: &Arc<Context>,
    action: Action,
    named: &Named,
) -> Result<(Member, Found), Error> {
    let person = person::signed_in(request, context).await?;
    let asked = request.match_info().get("organization").unwrap_or_default();
    let now = clock::now();
    let found = find_there(context, (person.account, person.session), (asked, named, now)).await?;
    let Some(found) = found else {
        let missing = Error::missing(ResourceKind::Organization, asked);
        return Err(person.asker(action).refused(request, context, missing).await);
    };
    in_organization(request, context, found, (asked, action), now).await
}

/// A session in an organisation, with the newest of the organisation's record, what its person is for a time and what is named there, all
/// of one moment.
type Theirs = (OrganizationSession, i64, Vec<ElevationView>, Found);

/// `None`: the account is nobody there.
async fn find_there(
    context: &Context,
    (account, session): (AccountId, SessionId),
    (asked, named, now): (&str, &Named, Timestamp),
) -> Result<Option<Theirs>, Error> {
    let found = context.database.read(account, "authenticate_user", async |conn| {
        let Some(found) = conn.sessions().find_in(session, asked).await? else { return Ok(None) };
        let there = conn.moved_to(found.organization.id).await?;
        let (audit, elevations, subject) = (there.audit(), there.elevations(), found.membership.id);
        let (seen, elevated, thing) = try_join!(
            audit.head(),
            elevations.active(std::slice::from_ref(&subject), now),
            permission::find(&there, named, subject)
        )?;
        Ok::<_, Error>(Some((found, seen, elevated, thing)))
    });
    found.await
}

/// What somebody is whose account acts in an organisation.
async fn in_organization(
    request: &HttpRequest,
    context: &Context,
    (found, seen, elevated, thing): Theirs,
    (asked, action): (&str, Action),
    now: Timestamp,
) -> Result<(Member, Found), Error> {
    let (subject, by) = (found.membership.id, by_session(found.session.id));
    let theirs = || Asker {
        whose: Whose::Organization(found.organization.id),
        who: audit::Who::Subject { subject, by }.into(),
        action,
    };
    if found.membership.suspended_at.is_some() {
        let organization = audit::Resource::organization(found.organization.id);
        theirs().note(request, context, Unproven::Suspended.as_str().into(), organization).await;
        return Err(Error::missing(ResourceKind::Organization, asked));
    }
    let kept_out = if found.is_good_here() {
        found.is_revoked().then(|| DenyReason::session_revoked(found.membership.is_provided))
    } else {
        Some(DenyReason::OtherProvider)
    };
    if let Some(reason) = kept_out {
        return Err(theirs().refused(request, context, Error::denied(action, reason)).await);
    }
    if !found.is_brought() {
        sessions::bring(&context.database, &found, now).await?;
    }
    let By::Token(token) = by;
    let organization = found.organization.id;
    Span::current().record("organization", display(organization));
    Span::current().record("token", display(token));
    let whose = (&found.organization, &found.membership);
    let circumstances = permission::by_session(&found, &context.uses, address(request), now);
    let held = elevations::held(&elevated);
    let authority = permission::authority(context, whose, (circumstances, held)).await?;
    let member = Member {
        organization,
        organization_name: found.organization.name,
        subject,
        token,
        new_device_at: found.account.told_of(found.session.device_id, now),
        token_name: found.account.name,
        login: Some((found.account.id, found.session.id)),
        scope: TokenScope::Full,
        role: found.membership.role,
        authority,
        elevations: elevated.iter().filter_map(elevations::elevated).collect(),
        elevation: None,
        seen,
        expires_at: Some(found.session.expires_at),
        fingerprints: hmac::Key::new(hmac::HMAC_SHA256, &found.session.secret_hash),
        secret_hash: found.session.secret_hash,
    };
    Ok((member, thing))
}

fn address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip())
}

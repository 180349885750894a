//! Links by which others join an organisation: made, listed, revoked, opened.

use std::sync::Arc;

use berth_db::{
    Acting, Basis, Changed, Cursor, InvitationRow, MemberRow, NewInvitation, NewSubject, OrganizationConn,
    OrganizationRow, PageRequest, Reach, Stamp,
};
use berth_schema::access::SubjectKind;
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Internal as Kind, Outcome, Resource, What, Who};
use berth_schema::members::{
    INVITATION_HOURS, Invitation, InvitationState, Invite, Invited, MAX_INVITATION_HOURS, MAX_NAME,
};
use berth_schema::text::is_plain;
use berth_schema::{
    AccountId, InvitationId, InvitationToken, OrganizationId, ResourceKind, SessionId, SessionToken,
    SubjectId,
};
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::members::may_give;
use super::paging;
use super::sign_in::{Device, new_session};
use super::tokens::{hash, random_secret, same};
use crate::error::Unproven;
use crate::identity::{Member, Origin, by_session};
use crate::{Context, Error, Op};

/// How many an organisation may have that are open.
const MAX_OPEN: i64 = 1_000;

/// Makes an invitation. Its link is in the answer alone.
pub async fn create(op: &Op<Member>, wanted: &Invite) -> Result<Invited, Error> {
    check_name("name", &wanted.name)?;
    may_give(op, wanted.role)?;
    let hours = wanted.expires_in_hours.unwrap_or(INVITATION_HOURS);
    if !(1..=MAX_INVITATION_HOURS).contains(&hours) {
        return Err(Error::field("expires_in_hours", format!("must be 1 to {MAX_INVITATION_HOURS}")));
    }
    let expires_at = op.now.saturating_add(SignedDuration::from_hours(hours.into())).unwrap_or(op.now);
    let secret = random_secret(op.context.random.as_ref())?;
    let token = InvitationToken::new(op.organization(), InvitationId::random(), &secret);
    let new = NewInvitation {
        id: token.invitation(),
        secret_hash: hash(token.expose()),
        name: wanted.name.clone(),
        role: wanted.role,
        created_by: op.who.subject,
        expires_at: berth_db::stored_time(expires_at),
    };
    let row = op
        .change("create_invitation", async |conn| {
            conn.organizations().lock().await?;
            if conn.invitations().count_open(op.now).await? >= MAX_OPEN {
                let full = format!("has {MAX_OPEN} open invitations, which is the most; revoke some");
                return Err(Error::field("organization", full));
            }
            let row = conn.invitations().insert(&new, op.now).await?;
            let details = Details::Invited { role: row.role, expires_at: row.expires_at };
            Ok(Changed::So(row, Event::new(resource(new.id), details)))
        })
        .await?;
    info!(invitation = %row.id, role = %row.role, by = %op.who.subject, "invited");
    let base = op.context.public_url.as_deref().unwrap_or_default();
    let link = format!("{}/invitation?token={}", base.trim_end_matches('/'), token.expose());
    Ok(Invited { details: show(row, op.now), link })
}

pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Invitation>, Error> {
    let rows =
        op.read("list_invitations", async |conn| conn.invitations().list(page).await.map_err(Error::from));
    Ok(paging::page(rows.await?, page, |row| Cursor::new(row.created_at, row.id), |row| show(row, op.now)))
}

/// Takes an invitation back. One that was accepted is over; whoever joined by it is a member.
pub async fn revoke(op: &Op<Member>, id: &str) -> Result<Invitation, Error> {
    let missing = || Error::missing(ResourceKind::Invitation, &id);
    let id: InvitationId = id.parse().map_err(|_| missing())?;
    let row = op
        .change("revoke_invitation", async |conn| {
            let row = conn.invitations().find_locked(id).await?.ok_or_else(missing)?;
            if row.revoked_at.is_some() {
                return Ok(Changed::Not(row));
            }
            if row.accepted_at.is_some() {
                return Err(Error::InvitationAccepted);
            }
            let row = conn.invitations().revoke(id, op.now).await?;
            Ok(Changed::So(row, Event::new(resource(id), Details::Nothing)))
        })
        .await?;
    Ok(show(row, op.now))
}

/// What somebody is asked who holds a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub organization: OrganizationRow,
    pub invitation: Invitation,
    /// Who made it, as their organisation calls them.
    pub by: String,
}

/// Looks at an open invitation. It stays open.
///
/// # Errors
/// The same one for each link that does not open, where the secret is right: why.
pub async fn look(context: &Context, shown: &InvitationToken, now: Timestamp) -> Result<Offer, Error> {
    let look = context.database.read(shown.organization(), "look_at_invitation", async |conn| {
        let row = opens(conn, shown, now).await?;
        let organization = conn.organizations().find().await?;
        let organization = organization.ok_or(Error::Unauthenticated(Unproven::UnknownLink))?;
        let by = conn.subjects().find(row.created_by).await?.map(|row| row.name).unwrap_or_default();
        Ok(Offer { organization, invitation: show(row, now), by })
    });
    look.await
}

/// Who joins.
#[derive(Debug)]
pub enum Joins {
    /// Somebody who is signed in.
    Account { account: AccountId, name: String, session: SessionId },
    /// Somebody without an account, who gets one of that name and is signed in from now on.
    New { name: String, device: Device },
}

/// Opens an invitation. Of several who open it at once, one joins. Where an account is made, the answer holds its session.
pub async fn accept(
    context: &Arc<Context>,
    shown: &InvitationToken,
    joins: Joins,
    (origin, now): (Origin, Timestamp),
) -> Result<Option<SessionToken>, Error> {
    let organization = shown.organization();
    let (account, name, session, begun) = match joins {
        Joins::Account { account, name, session } => (account, name, session, None),
        Joins::New { name, device } => {
            check_name("name", &name)?;
            let account = AccountId::random();
            let (token, session) = new_session(context, account, ("invitation", device), now)?;
            (account, name, session.id, Some((token, session)))
        }
    };
    let before = known(context, organization, account).await?;
    let subject = before.as_ref().map_or_else(SubjectId::random, |row| row.id);
    let basis = if begun.is_some() { Basis::Itself } else { Basis::Session(session) };
    let stamp = Stamp { basis, ..stamp((subject, session), (origin, now)) };
    let reach = Reach::from((organization, account));
    let accept = context.database.change(reach, "accept_invitation", stamp, async |conn| {
        // Nobody who has proven nothing makes others wait; and of several who have, one is behind the lock.
        opens(conn, shown, now).await?;
        conn.organizations().lock().await?;
        // Whoever revokes it holds nothing but its row.
        conn.invitations().find_locked(shown.invitation()).await?;
        let row = opens(conn, shown, now).await?;
        let is_new = begun.is_some();
        if let Some((_, session)) = &begun {
            conn.accounts().insert(&name, now).await?;
            conn.sessions().insert(session, now).await?;
        }
        join(conn, (account, subject), &name, (&row, now)).await?;
        conn.invitations().accept(row.id, subject, now).await?;
        let details = Details::Joined { role: row.role, invitation: row.id, is_new };
        Ok::<_, Error>(Changed::So(row.role, Event::new(Resource::user(subject), details)))
    });
    let role = accept.await?;
    info!(%organization, member = %subject, %role, is_new = begun.is_some(), "joined");
    Ok(begun.map(|(token, _)| token))
}

/// What the account is in the organisation, or was. It never becomes another subject there.
async fn known(
    context: &Context,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<MemberRow>, Error> {
    let known = context.database.read(organization, "look_for_member", async |conn| {
        conn.subjects().member_of(account).await.map_err(Error::from)
    });
    known.await
}

async fn join(
    conn: &OrganizationConn<'_>,
    (account, subject): (AccountId, SubjectId),
    name: &str,
    (invitation, now): (&InvitationRow, Timestamp),
) -> Result<(), Error> {
    match conn.subjects().member_of(account).await? {
        Some(row) if row.removed_at.is_some() => {
            conn.subjects().rejoin(row.id, invitation.role).await?;
        }
        // Neither a role nor a suspension is changed by a link.
        Some(row) if row.suspended_at.is_some() => return Err(Error::Unauthenticated(Unproven::LinkOver)),
        Some(_) => return Err(Error::AlreadyMember),
        None => {
            let new = NewSubject {
                id: subject,
                kind: SubjectKind::User,
                name: name.to_owned(),
                role: invitation.role,
                account: Some(account),
            };
            conn.subjects().insert(&new, now).await?;
        }
    }
    Ok(())
}

/// The invitation that is shown, where it opens.
async fn opens(
    conn: &OrganizationConn<'_>,
    shown: &InvitationToken,
    now: Timestamp,
) -> Result<InvitationRow, Error> {
    let hash = hash(shown.expose());
    let row = conn.invitations().find_shown(shown.invitation(), &hash).await?;
    let row = row.filter(|row| same(&hash, &row.secret_hash));
    let row = row.ok_or(Error::Unauthenticated(Unproven::UnknownLink))?;
    // It is worth what whoever made it could still give: nobody leaves themselves a way back in.
    let maker = conn.subjects().find(row.created_by).await?;
    let could = maker.is_some_and(|maker| maker.suspended_at.is_none() && maker.role.includes(row.role));
    if could && row.is_open(now) { Ok(row) } else { Err(Error::Unauthenticated(Unproven::LinkOver)) }
}

/// Whoever joins does so themselves, as the member that they become.
fn stamp((subject, session): (SubjectId, SessionId), (origin, now): (Origin, Timestamp)) -> Stamp {
    Stamp {
        time: now,
        who: Acting::Known(Who::Subject { subject, by: by_session(session) }),
        action: Some(What::Internal(Kind::AcceptInvitation)),
        outcome: Outcome::Done,
        request: origin.request_id,
        peer: origin.peer,
        basis: Basis::Itself,
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && name.trim() == name && name.chars().all(is_plain) {
        return Ok(());
    }
    let message =
        format!("must have 1 to {MAX_NAME} characters, all of them drawn, and no space at its ends");
    Err(Error::field(field, message))
}

fn resource(id: InvitationId) -> Resource {
    Resource::invitation(id)
}

fn show(row: InvitationRow, now: Timestamp) -> Invitation {
    let state = if row.accepted_at.is_some() {
        InvitationState::Accepted
    } else if row.revoked_at.is_some() {
        InvitationState::Revoked
    } else if row.is_open(now) {
        InvitationState::Open
    } else {
        InvitationState::Expired
    };
    Invitation {
        id: row.id,
        name: row.name,
        role: row.role,
        state,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        accepted_by: row.accepted_by.map(Into::into),
    }
}

//! Access tokens through the API: made, listed, given another secret, taken away.
//!
//! No token gets at more than it has: not a wider scope, nor a longer life, nor a higher role, be it by a new token or by
//! another's secret.

mod machine;

pub use machine::{recover, signed};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use berth_db::{Changed, Cursor, Holder, OrganizationConn, PageRequest, TokenRotation, TokenRow};
use berth_policy::Reach;
use berth_schema::access::{
    CreateToken, MAX_OVERLAP, MAX_TOKEN_LIFE, RevokeToken, Role, RotateToken, TOKEN_LIFE, Token,
    TokenCreated, TokenKind, TokenName, TokenScope,
};
use berth_schema::api::Paged;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::{Action, ResourceKind, SubjectId, TokenId};
use jiff::{SignedDuration, Timestamp};
use tracing::info;
use uuid::Uuid;

use super::members::{is_above, may_give};
use super::paging::{self, pick};
use super::{permission, tokens};
use crate::error::{DenyReason, Unproven};
use crate::identity::Member;
use crate::{Error, Op};

/// How many tokens an organisation may have that are not revoked.
pub const MAX_TOKENS: usize = 1_000;
/// How many of those may be of one subject: nobody fills the organisation alone.
pub const MAX_TOKENS_OF_ONE: usize = 100;

/// Makes a token. Its secret is in the answer alone.
pub async fn create(op: &Op<Member>, wanted: &CreateToken) -> Result<TokenCreated, Error> {
    let now = op.now;
    let organization = op.organization();
    let role = role(op, wanted)?;
    let (row, names, token) = op
        .change("create_token", async |conn| {
            let all = conn.tokens().lock_unrevoked().await?;
            let maker = maker(conn, &all, op).await?;
            if wanted.scope == TokenScope::Unknown {
                return Err(Error::field("scope", "must be 'full' or 'read-only'"));
            }
            let expires_at = expiry(wanted.expires_at, maker.expires_at, maker, now)?;
            let holder = if wanted.same_subject {
                Holder::Known(maker.subject)
            } else {
                Holder::New(SubjectId::random())
            };
            is_free(&all, &wanted.name, holder)?;
            let (issuer, name) = (&op.context.issuer, wanted.name.as_str());
            let (token, stored) =
                tokens::new_access_token(issuer, (organization, holder), name, (now, expires_at))?;
            let stored =
                berth_db::NewToken { scope: wanted.scope, created_by: Some(maker.id), role, ..stored };
            let row = conn.tokens().insert(&stored, now).await?;
            let names = Names::of(conn, std::slice::from_ref(&row)).await?;
            let event = Event::new(Resource::token(row.id), created(&row));
            Ok(Changed::So((row, names, token), event))
        })
        .await?;
    info!(token = %row.id, scope = %row.scope, by = %op.who.token, "access token created");
    let details = show(op, row, &names);
    Ok(TokenCreated { details, role: Some(role), token: token.expose().to_owned() })
}

/// What a new token's subject is to be. That it is somebody else's is another question to the rules than the one that the
/// request was let in by.
fn role(op: &Op<Member>, wanted: &CreateToken) -> Result<Role, Error> {
    let mine = op.who.role;
    if wanted.same_subject {
        return match wanted.role {
            Some(role) if role != mine => {
                Err(Error::field("role", format!("is that of its subject, which is {mine}")))
            }
            _ => Ok(mine),
        };
    }
    let others = berth_policy::Resource::organization(op.organization()).for_another();
    let decision = op.who.authority.decide(Action::CreateToken, &others);
    if !decision.allowed {
        return Err(permission::denied(Action::CreateToken, decision));
    }
    let role = wanted.role.unwrap_or(mine);
    may_give(op, role)?;
    Ok(role)
}

/// A page of those of a kind that whoever asks may look at.
pub async fn list(op: &Op<Member>, kind: TokenKind, page: &PageRequest) -> Result<Paged<Token>, Error> {
    let authority = &op.who.authority;
    let cursor = |row: &TokenRow| Cursor::new(row.created_at, row.id);
    let may = |row: &TokenRow| {
        let token = berth_policy::Resource::new(ResourceKind::Token, row.id.to_string(), op.organization());
        authority.decide(Action::ReadToken, &token.owned_by(row.subject_id)).allowed
    };
    let (rows, names) = op
        .read("list_tokens", async |conn| {
            let rows = match authority.reach(Action::ReadToken) {
                Reach::Nothing => Vec::new(),
                Reach::All => conn.tokens().list(kind, None, page).await?,
                Reach::Own(subject) => conn.tokens().list(kind, Some(subject), page).await?,
                Reach::Each => {
                    pick!(page, |part| conn.tokens().list(kind, None, part).await?, cursor, |rows| rows
                        .into_iter()
                        .filter(may))
                }
            };
            let names = Names::of(conn, &rows).await?;
            Ok::<_, Error>((rows, names))
        })
        .await?;
    Ok(paging::page(rows, page, cursor, |row| show(op, row, &names)))
}

pub async fn get(op: &Op<Member>, name_or_id: &str) -> Result<Token, Error> {
    let (row, names) = op
        .read("get_token", async |conn| {
            let row = find(conn, name_or_id).await?;
            let names = Names::of(conn, std::slice::from_ref(&row)).await?;
            Ok::<_, Error>((row, names))
        })
        .await?;
    Ok(show(op, row, &names))
}

/// Gives a token another secret. The one before ends at once, or after an overlap; during that no further one is made but
/// such that ends both. Of several who rotate the token that they use, one is granted it.
pub async fn rotate(op: &Op<Member>, name_or_id: &str, wanted: &RotateToken) -> Result<TokenCreated, Error> {
    let now = op.now;
    let overlap = overlap(wanted.overlap_seconds)?;
    let organization = op.organization();
    let (row, names, token) = op
        .change("rotate_token", async |conn| {
            let all = conn.tokens().lock_unrevoked().await?;
            let maker = maker(conn, &all, op).await?;
            let row = find(conn, name_or_id).await?;
            if row.revoked_at.is_some() {
                return Err(Error::TokenEnded);
            }
            if row.is_session {
                return Err(Error::field(
                    "token",
                    "is a session, of which nobody has a secret: revoke it instead",
                ));
            }
            is_of_nobody_above(conn, op, &row).await?;
            // Whoever uses the secret before is to lose it when it was said, not earlier; and it brings about no third.
            let until = row.previous_valid_until.filter(|until| *until > now);
            let by_the_old_one = row.id == maker.id && !op.who.is_proven_by(&row.secret_hash);
            if let Some(until) = until.filter(|_| overlap.is_some() || by_the_old_one) {
                return Err(Error::RotationPending { until });
            }
            if outlives(row.expires_at, maker) {
                return Err(Error::denied(Action::RotateToken, DenyReason::EndsEarlier));
            }
            if wanted.expires_at.is_none() && !row.is_valid(now) {
                return Err(Error::field("expires_at", "is needed: the token has expired"));
            }
            let expires_at = expiry(wanted.expires_at, row.expires_at, maker, now)?;
            let whose = (organization, row.subject_id, row.id);
            let (token, signed_by) = tokens::access_token_of(&op.context.issuer, whose, (now, expires_at))?;
            let expires_at = Some(expires_at);
            let rotation = TokenRotation {
                secret_hash: tokens::hash(token.expose()),
                signed_by,
                expires_at,
                previous: overlap.map(|overlap| (row.secret_hash, overlap.after(now))),
            };
            let before = row.expires_at;
            let row = conn.tokens().rotate(row.id, &rotation, now).await?;
            let names = Names::of(conn, std::slice::from_ref(&row)).await?;
            let previous_until = rotation.previous.map(|(_, until)| until);
            let details = Details::TokenRotated { expired_at: before, expires_at, previous_until };
            let event = Event::new(Resource::token(row.id), details);
            Ok(Changed::So((row, names, token), event))
        })
        .await?;
    info!(token = %row.id, by = %op.who.token, "access token rotated");
    Ok(TokenCreated { details: show(op, row, &names), role: None, token: token.expose().to_owned() })
}

/// Whoever may change others' tokens could be anybody else: they change those of nobody who is more than they.
async fn is_of_nobody_above(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    row: &TokenRow,
) -> Result<(), Error> {
    let mine = op.who.role;
    let theirs = conn.subjects().find(row.subject_id).await?.map(|subject| subject.role);
    match theirs.filter(|theirs| row.subject_id != op.who.subject && is_above(*theirs, mine)) {
        Some(theirs) => {
            let message = format!("is that of one who is {theirs}, which is more than whoever asks ({mine})");
            Err(Error::field("token", message))
        }
        None => Ok(()),
    }
}

/// How long a token has to go on to count as one that is left.
pub(super) const LASTING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Takes a token away. The last one that may change everything stays, unless it is said that this is meant.
pub async fn revoke(op: &Op<Member>, name_or_id: &str, wanted: &RevokeToken) -> Result<Token, Error> {
    let now = op.now;
    let (row, names) = op
        .change("revoke_token", async |conn| {
            let all = conn.tokens().lock_unrevoked().await?;
            maker(conn, &all, op).await?;
            let row = find(conn, name_or_id).await?;
            is_of_nobody_above(conn, op, &row).await?;
            // One that ends in an hour is nobody's way in tomorrow.
            let soon = now.saturating_add(LASTING).unwrap_or(Timestamp::MAX);
            let until = row.expires_at.map_or(soon, |end| end.min(soon));
            let owners: BTreeSet<_> =
                conn.subjects().owners().await?.into_iter().map(|(subject, _)| subject).collect();
            let full =
                |token: &TokenRow| token.scope == TokenScope::Full && owners.contains(&token.subject_id);
            let is_left = all.iter().any(|token| token.id != row.id && full(token) && token.is_valid(until));
            // Whoever is signed in signs in again.
            let is_last = !row.is_session && full(&row) && row.revoked_at.is_none() && !is_left;
            if is_last && !wanted.force {
                return Err(Error::LastFullToken);
            }
            let revoked = conn.tokens().revoke(row.id, now).await?;
            let row = conn
                .tokens()
                .find(row.id)
                .await?
                .ok_or_else(|| Error::missing(ResourceKind::Token, &row.id))?;
            let names = Names::of(conn, std::slice::from_ref(&row)).await?;
            let event = Event::new(Resource::token(row.id), Details::Nothing);
            let shown = (row, names);
            Ok::<_, Error>(if revoked { Changed::So(shown, event) } else { Changed::Not(shown) })
        })
        .await?;
    info!(token = %row.id, by = %op.who.token, "access token revoked");
    Ok(show(op, row, &names))
}

fn created(row: &TokenRow) -> Details {
    Details::TokenCreated { subject: row.subject_id, scope: row.scope, expires_at: row.expires_at }
}

/// Who asks, as it is now.
#[derive(Clone, Copy, Debug)]
struct Maker {
    id: TokenId,
    subject: SubjectId,
    /// When the token ends that asks: what it makes does not outlive it. `None`: never, or it is a session. What people make while they
    /// are signed in is there for when they are not.
    expires_at: Option<Timestamp>,
}

/// The token or session that asks. Between its proof and this somebody may have taken it away, or its secret.
async fn maker(conn: &OrganizationConn<'_>, unrevoked: &[TokenRow], op: &Op<Member>) -> Result<Maker, Error> {
    let proven = |row: &TokenRow| {
        row.is_valid(op.now)
            && row.secrets(op.now).into_iter().flatten().any(|hash| op.who.is_proven_by(hash))
    };
    let changed = || Error::Unauthenticated(Unproven::Changed);
    let token = unrevoked.iter().find(|row| row.id == op.who.token);
    // A session is none of those that are listed.
    let session = match token {
        Some(_) => None,
        None => conn.tokens().find(op.who.token).await?,
    };
    let row = token.or(session.as_ref()).filter(|row| proven(row)).ok_or_else(changed)?;
    let expires_at = token.and_then(|row| row.expires_at);
    Ok(Maker { id: row.id, subject: row.subject_id, expires_at })
}

/// Whether there may be one more, of that name and that subject.
fn is_free(unrevoked: &[TokenRow], name: &TokenName, holder: Holder) -> Result<(), Error> {
    if unrevoked.iter().any(|row| row.name == name.as_str()) {
        return Err(Error::NameTaken { what: "a token", name: name.to_string() });
    }
    if unrevoked.len() >= MAX_TOKENS {
        let full = format!("has {MAX_TOKENS} tokens, which is the most; revoke some that nobody uses");
        return Err(Error::field("organization", full));
    }
    if unrevoked.iter().filter(|row| row.subject_id == holder.id()).count() >= MAX_TOKENS_OF_ONE {
        let full = format!(
            "would be one more of somebody who has {MAX_TOKENS_OF_ONE} tokens, which is the most; revoke some that nobody uses"
        );
        return Err(Error::field("same_subject", full));
    }
    Ok(())
}

/// When it ends: as is `wanted`, if that is to come, no later than the token that says so, and not too far; else after the usual time, or
/// with what it is bound by already, if that is earlier.
fn expiry(
    wanted: Option<Timestamp>,
    bound: Option<Timestamp>,
    maker: Maker,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let Some(wanted) = wanted else {
        let usual = now.saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX);
        let ends = [bound, maker.expires_at];
        return Ok(berth_db::stored_time(ends.into_iter().flatten().fold(usual, Timestamp::min)));
    };
    if wanted <= now {
        return Err(Error::field("expires_at", "must be in the future"));
    }
    if outlives(Some(wanted), maker) {
        let end = maker.expires_at.map_or_else(String::new, |end| format!(" ({end})"));
        let message = format!("must not be later than the end of the token that asks{end}");
        return Err(Error::field("expires_at", message));
    }
    if wanted.duration_since(now) > MAX_TOKEN_LIFE {
        let days = MAX_TOKEN_LIFE.as_hours() / 24;
        return Err(Error::field("expires_at", format!("must be at most {days} days from now")));
    }
    Ok(berth_db::stored_time(wanted))
}

fn outlives(expiry: Option<Timestamp>, maker: Maker) -> bool {
    match (maker.expires_at, expiry) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(end), Some(expiry)) => expiry > end,
    }
}

/// How long a secret that was replaced goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlap(SignedDuration);

impl Overlap {
    pub(super) fn after(self, now: Timestamp) -> Timestamp {
        berth_db::stored_time(now.saturating_add(self.0).unwrap_or(Timestamp::MAX))
    }
}

/// `None`: it ends at once.
pub(super) fn overlap(seconds: u64) -> Result<Option<Overlap>, Error> {
    let most = MAX_OVERLAP.as_secs().unsigned_abs();
    match i64::try_from(seconds) {
        Ok(0) => Ok(None),
        Ok(within) if seconds <= most => Ok(Some(Overlap(SignedDuration::from_secs(within)))),
        _ => Err(Error::field("overlap_seconds", format!("must be at most {most}"))),
    }
}

/// The token of that id, or the only one of that name: of several, the one that is not revoked.
async fn find(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<TokenRow, Error> {
    let found = match name_or_id.parse::<TokenId>() {
        Ok(id) => conn.tokens().find(id).await?,
        Err(_) => match conn.tokens().named(name_or_id, 2).await?.as_slice() {
            [one, other] if one.revoked_at.is_none() == other.revoked_at.is_none() => {
                return Err(Error::field("token", "names several tokens; give the id of one of them"));
            }
            found => found.first().cloned(),
        },
    };
    found.ok_or_else(|| Error::missing(ResourceKind::Token, name_or_id))
}

/// What is called how that tokens name by ids.
struct Names {
    makers: BTreeMap<Uuid, String>,
    subjects: HashMap<SubjectId, String>,
}

impl Names {
    async fn of(conn: &OrganizationConn<'_>, rows: &[TokenRow]) -> Result<Self, Error> {
        let makers: Vec<Uuid> = rows.iter().filter_map(|row| row.created_by).collect();
        let subjects: Vec<_> = rows.iter().map(|row| row.subject_id).collect();
        let makers = match makers.as_slice() {
            [] => BTreeMap::new(),
            ids => conn.tokens().names(ids).await?.into_iter().collect(),
        };
        Ok(Self { makers, subjects: conn.subjects().names(&subjects).await? })
    }
}

fn show(op: &Op<Member>, row: TokenRow, names: &Names) -> Token {
    // A key that is forgotten because nothing that it signed could still be valid was not revoked.
    let is_believed = |kid: &str| op.context.issuer.opened(kid).is_some();
    Token {
        key_revoked: row.is_valid(op.now) && row.signed_by.as_deref().is_some_and(|kid| !is_believed(kid)),
        last_used_at: row.last_used_at.max(op.context.uses.last(row.id)),
        id: row.id,
        subject_id: Some(row.subject_id),
        subject_name: names.subjects.get(&row.subject_id).cloned(),
        kind: if row.is_session { TokenKind::Session } else { TokenKind::AccessToken },
        name: row.name,
        scope: row.scope,
        created_at: row.created_at,
        created_by: row.created_by.map(TokenId::from),
        created_by_name: row.created_by.and_then(|id| names.makers.get(&id).cloned()),
        expires_at: row.expires_at,
        rotated_at: row.rotated_at,
        previous_valid_until: row.previous_valid_until,
        revoked_at: row.revoked_at,
        signed_by: row.signed_by,
    }
}

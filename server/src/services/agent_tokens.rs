//! Agents' tokens: replaced while the agent runs, taken into use, and what was done with a stolen one undone.
//!
//! With a token ends everything that was done in its name: the keys that were registered with it, and the leadership that was
//! claimed with it. So it does not matter what somebody who stole it has claimed.

use berth_db::{AgentTokenRotation, Changed, Deposed, Leader, NewAgentEvent, OrganizationConn};
use berth_planner::leadership::{Before, Suspicion, suspicion};
use berth_schema::AgentId;
use berth_schema::agents::{AgentEventKind, RotateAgentToken};
use berth_schema::api::{Agent, AgentCreated};
use berth_schema::audit::{self, Details, Event, Internal, Resource};
use jiff::Timestamp;
use tracing::{info, warn};

use super::access::overlap;
use super::agents::{find, show};
use super::tokens;
use crate::identity::{AgentIdentity, Member};
use crate::{Error, Op};

/// Gives an agent another token. Until that is used for the first time, or the overlap is over, the old one opens too; without
/// an overlap it ends at once.
pub async fn rotate(
    op: &Op<Member>,
    name_or_id: &str,
    wanted: RotateAgentToken,
) -> Result<AgentCreated, Error> {
    let now = op.now;
    let overlap = overlap(wanted.overlap_seconds)?;
    let organization = op.organization();
    let (seen, token) = op
        .change("rotate_agent_token", async |conn| {
            let id = find(conn, name_or_id).await?.row.id;
            let row = conn.agents().lock(id).await?;
            if row.revoked_at.is_some() {
                return Err(Error::AgentRevoked(row.name));
            }
            // The token that the agent uses now: of two, the new one has not been used.
            let unused = row.previous_valid_until.filter(|until| *until > now);
            let (in_use, overlap) = match (unused, row.previous_secret_hash, overlap) {
                (Some(until), _, Some(_)) if !wanted.replace_unused => {
                    return Err(Error::AgentRotationPending { until });
                }
                (Some(_), Some(previous), overlap) => (previous, overlap),
                (_, _, overlap) => (row.secret_hash, overlap),
            };
            let token = tokens::new_agent_token(organization, id, op.context.random.as_ref())?;
            let rotation = AgentTokenRotation {
                secret_hash: tokens::hash(token.expose()),
                previous: overlap.map(|overlap| (in_use, overlap.after(now))),
            };
            conn.agents().rotate_token(id, &rotation, now).await?;
            let message = match rotation.previous {
                Some((_, until)) => {
                    format!(
                        "Another token was made; the old one opens until the new one is used, or {until}."
                    )
                }
                None => "Another token was made, and every one before it has ended.".to_owned(),
            };
            note(conn, id, AgentEventKind::TokenRotated, message, Some(&op.who), now).await?;
            if rotation.previous.is_none() {
                undo(conn, id, now).await?;
            }
            let previous_until = rotation.previous.map(|(_, until)| until);
            let event = Event::new(Resource::agent(id), Details::AgentTokenRotated { previous_until });
            Ok(Changed::So((find(conn, &id.to_string()).await?, token), event))
        })
        .await?;
    info!(agent = %seen.row.id, by = %op.who.token, "the agent's token was rotated");
    Ok(AgentCreated { agent: show(op, seen), token: Some(token.expose().to_owned()) })
}

/// Has the order of an agent's reports begin anew: whoever speaks next with its token leads.
pub async fn reset_epoch(op: &Op<Member>, name_or_id: &str) -> Result<Agent, Error> {
    let now = op.now;
    let seen = op
        .change("reset_epoch", async |conn| {
            let id = find(conn, name_or_id).await?.row.id;
            let row = conn.agents().lock(id).await?;
            if row.revoked_at.is_some() {
                return Err(Error::AgentRevoked(row.name));
            }
            conn.agents().reset_epoch(id, now).await?;
            let message =
                format!("The order of its reports begins anew; it had come to epoch {}.", row.epoch);
            note(conn, id, AgentEventKind::EpochReset, message, Some(&op.who), now).await?;
            conn.notifications().notify_agent(id).await?;
            let event = Event::new(Resource::agent(id), Details::EpochReset { before: row.epoch });
            Ok(Changed::So(find(conn, &id.to_string()).await?, event))
        })
        .await?;
    info!(agent = %seen.row.id, by = %op.who.token, "the agent's epoch was reset");
    Ok(show(op, seen))
}

/// The first use of a new token: the one before has ended.
pub async fn take_into_use(op: &Op<AgentIdentity>) -> Result<(), Error> {
    let now = op.now;
    let first = op
        .change("take_token_into_use", async |conn| {
            let first = conn.agents().end_previous(op.who.agent, &op.who.secret_hash).await?;
            if !first {
                return Ok(Changed::Not(false));
            }
            undo(conn, op.who.agent, now).await?;
            let message = "The new token was used for the first time; the old one has ended.";
            note(conn, op.who.agent, AgentEventKind::TokenTakenIntoUse, message.to_owned(), None, now)
                .await?;
            let agent = Resource::agent(op.who.agent);
            let event = Event::internal(Internal::TakeTokenIntoUse, agent, Details::Nothing);
            Ok::<_, Error>(Changed::So(true, event))
        })
        .await?;
    if first {
        info!(agent = %op.who.agent, "the agent's new token is in use");
    }
    Ok(())
}

/// Forgets what was claimed and registered with tokens that have ended, and ends what is held for them.
async fn undo(conn: &OrganizationConn<'_>, agent: AgentId, now: Timestamp) -> Result<(), Error> {
    conn.agents().reset_epoch(agent, now).await?;
    conn.agents().forget_keys(agent).await?;
    conn.notifications().notify_agent(agent).await?;
    Ok(())
}

/// Takes note of a leader that took another's place, and tells it where it is odd. The event is for the record.
pub(super) async fn note_leader(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    deposed: &Deposed,
    leader: Leader,
    now: Timestamp,
) -> Result<Event, Error> {
    let before = Before { epoch: deposed.epoch, term: deposed.term, predecessor: deposed.before };
    let event = |suspicion| {
        let details = Details::EpochTaken { before: deposed.epoch, epoch: leader.epoch, suspicion };
        Event::internal(Internal::TakeEpoch, Resource::agent(agent), details)
    };
    let (odd, kind, message) = match suspicion(before, leader.epoch, leader.term) {
        None => return Ok(event(None)),
        Some(Suspicion::Jumped { from, to }) => (
            audit::Suspicion::Jumped,
            AgentEventKind::EpochJumped,
            format!(
                "A leader came in epoch {to}, after {from}: no agent gets there by itself. Unless its Lease was changed by \
                 hand, somebody else has its token."
            ),
        ),
        Some(Suspicion::Returned) => (
            audit::Suspicion::Returned,
            AgentEventKind::LeadersAlternate,
            "A leader that had been deposed took the place back: two processes lead in turns. Either the agent runs twice, \
             or somebody else has its token."
                .to_owned(),
        ),
    };
    warn!(%agent, kind = kind.as_str(), message, "an agent's leader is odd");
    note(conn, agent, kind, message, None, now).await?;
    Ok(event(Some(odd)))
}

pub(super) async fn note(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    kind: AgentEventKind,
    message: String,
    by: Option<&Member>,
    now: Timestamp,
) -> Result<(), Error> {
    let event = NewAgentEvent { kind, message, by: by.map(|member| member.token) };
    conn.agent_events().insert(agent, &event, now).await?;
    Ok(())
}

//! Agents: created, looked at, revoked.

use berth_db::{
    AgentEventRow, AgentRow, Changed, CreatedKind, Cursor, NewAgent, OrganizationConn, PageRequest,
    Registration, SealingKeyRow, Standing, constraints,
};
use berth_planner::LOSS_SUSPECTED;
use berth_policy::Reach;
use berth_schema::agents::{AgentCredential, AgentEvent, AgentEventKind};
use berth_schema::api::{Agent, AgentCreated, ConfirmLoss, LossConfirmed, Paged, SealingKey};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::sealing::{PublicKey, RegisteredKey};
use berth_schema::{Action, AgentId, AgentName, NetworkCheckId, ResourceKind};
use jiff::SignedDuration;
use tracing::{info, warn};

use super::agent_tokens::note;
use super::idempotency::{Creation, Idempotency, claim};
use super::paging::{self, pick};
use super::{admission, tokens};
use crate::crypto::Sealer;
use crate::identity::{AgentIdentity, Member};
use crate::{Error, Op, reports};

/// How many events are shown of one agent.
const SHOWN_EVENTS: i64 = 20;
/// An agent makes a sealing key a day; what comes much sooner was not made by its clock.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_hours(20);

/// Creates an agent. Its token is in the answer to the first request alone.
pub async fn create(
    op: &Op<Member>,
    name: &AgentName,
    idempotency: Option<&Idempotency>,
) -> Result<Creation<AgentCreated>, Error> {
    let organization = op.organization();
    let now = op.now;
    let id = AgentId::random();
    let token = tokens::new_agent_token(organization, id, op.context.random.as_ref())?;
    let agent = NewAgent { id, name: name.clone(), secret_hash: tokens::hash(token.expose()) };
    let stored = op
        .change("create_agent", async |conn| {
            if let Some(earlier) = claim(conn, op, idempotency, CreatedKind::Agent, id.into()).await? {
                return Ok(Changed::Not(Creation::Repeated(find(conn, &earlier.to_string()).await?)));
            }
            let row = conn.agents().insert(&agent, now).await.map_err(|error| {
                if error.violates(constraints::AGENT_NAME) {
                    return Error::NameTaken { what: "an agent", name: name.to_string() };
                }
                error.into()
            })?;
            let event = Event::new(Resource::agent(id), Details::Nothing);
            Ok::<_, Error>(Changed::So(Creation::New(Seen::new(row)), event))
        })
        .await?;
    Ok(match stored {
        Creation::New(seen) => {
            info!(agent = %seen.row.id, name = %seen.row.name, "agent created");
            let agent = show(op, seen);
            Creation::New(AgentCreated { agent, token: Some(token.expose().to_owned()) })
        }
        Creation::Repeated(seen) => Creation::Repeated(AgentCreated { agent: show(op, seen), token: None }),
    })
}

/// A page of those that whoever asks may look at.
pub async fn list(op: &Op<Member>, page: &PageRequest) -> Result<Paged<Agent>, Error> {
    let authority = &op.who.authority;
    let cursor = |row: &AgentRow| Cursor::new(row.created_at, row.id);
    let may = |row: &AgentRow| {
        let agent = berth_policy::Resource::new(ResourceKind::Agent, row.id.to_string(), op.organization());
        authority.decide(Action::ReadAgent, &agent).allowed
    };
    let (rows, counts, mut keys, mut warnings) = op
        .read("list_agents", async |conn| {
            let rows = match authority.reach(Action::ReadAgent) {
                Reach::Nothing => Vec::new(),
                // Agents are nobody's own.
                Reach::All | Reach::Own(_) => conn.agents().list(page).await?,
                Reach::Each => {
                    pick!(page, |part| conn.agents().list(part).await?, cursor, |rows| rows
                        .into_iter()
                        .filter(may))
                }
            };
            let ids: Vec<AgentId> = rows.iter().map(|row| row.id).collect();
            let counts = conn.agents().workspace_counts(&ids).await?;
            let keys = conn.sealing_keys().of(&ids).await?;
            let warnings = conn.agent_events().warnings(&ids).await?;
            Ok::<_, Error>((rows, counts, keys, warnings))
        })
        .await?;
    Ok(paging::page(rows, page, cursor, |row| {
        let workspaces = counts.get(&row.id).copied().unwrap_or(0);
        let keys = keys.remove(&row.id).unwrap_or_default();
        let events = warnings.remove(&row.id).unwrap_or_default();
        let events = events.into_iter().map(|event| (event, None)).collect();
        show(op, Seen { row, workspaces, keys, events })
    }))
}

pub async fn get(op: &Op<Member>, name_or_id: &str) -> Result<Agent, Error> {
    let (seen, prerequisites, network_check, takes) = op
        .read("get_agent", async |conn| {
            let mut seen = find(conn, name_or_id).await?;
            seen.events = conn.agent_events().newest(seen.row.id, SHOWN_EVENTS).await?;
            let prerequisites = conn.agent_prerequisites().find(seen.row.id).await?;
            let network_check = conn.network_checks().find(seen.row.id).await?;
            let takes = admission::shown(conn, op, seen.row.id).await?;
            Ok::<_, Error>((seen, prerequisites, network_check, takes))
        })
        .await?;
    Ok(Agent { prerequisites, network_check, takes: Some(takes), ..show(op, seen) })
}

/// Has an agent find out whether its cluster enforces NetworkPolicy. It is told with its next full report, which is asked for.
pub async fn check_network(op: &Op<Member>, name_or_id: &str) -> Result<Agent, Error> {
    let now = op.now;
    let id = NetworkCheckId::random();
    let (seen, network_check) = op
        .change("check_network", async |conn| {
            let seen = find(conn, name_or_id).await?;
            if seen.row.revoked_at.is_some() {
                return Err(Error::field("agent", "was revoked: nobody is there to look"));
            }
            let standing = conn.agents().standing(seen.row.id).await?;
            conn.network_checks().want(seen.row.id, id, now).await?;
            conn.agents().set_standing(seen.row.id, &Standing { full_wanted: true, ..standing }).await?;
            conn.notifications().notify_agent(seen.row.id).await?;
            let network_check = conn.network_checks().find(seen.row.id).await?;
            let details = Details::NetworkCheckWanted { check: id };
            let event = Event::new(Resource::agent(seen.row.id), details);
            Ok(Changed::So((seen, network_check), event))
        })
        .await?;
    info!(agent = %seen.row.id, by = %op.who.token, "a check of the network was asked for");
    Ok(Agent { network_check, ..show(op, seen) })
}

/// Ends an agent's access. Its workspaces go on running; what is held for it is answered.
pub async fn revoke(op: &Op<Member>, name_or_id: &str) -> Result<Agent, Error> {
    let now = op.now;
    let seen = op
        .change("revoke_agent", async |conn| {
            let Seen { row, .. } = find(conn, name_or_id).await?;
            if !conn.agents().revoke(row.id, now).await? {
                return find(conn, &row.id.to_string()).await.map(Changed::Not);
            }
            // Nothing is to be sealed to what whoever had the token registered.
            conn.agents().forget_keys(row.id).await?;
            let message = "Its token was taken away for good.".to_owned();
            note(conn, row.id, AgentEventKind::Revoked, message, Some(&op.who), now).await?;
            conn.notifications().notify_agent(row.id).await?;
            let event = Event::new(Resource::agent(row.id), Details::Nothing);
            Ok(Changed::So(find(conn, &row.id.to_string()).await?, event))
        })
        .await?;
    info!(agent = %seen.row.id, "agent revoked");
    Ok(show(op, seen))
}

/// Takes a suspected loss for real: what is missing is made again, with empty volumes.
pub async fn confirm_loss(
    op: &Op<Member>,
    name_or_id: &str,
    confirmed: &ConfirmLoss,
) -> Result<LossConfirmed, Error> {
    let (agent, workspaces) = op
        .change("confirm_loss", async |conn| {
            let Seen { row, .. } = find(conn, name_or_id).await?;
            // Locked: a report of the agent comes before or after this, not between.
            let standing = conn.agents().standing(row.id).await?;
            let suspected = standing.loss.as_ref().map(|loss| loss.fingerprint);
            if suspected != Some(confirmed.fingerprint) {
                let now = "is not of the loss that is suspected now; look at the agent again";
                return Err(Error::field("fingerprint", now));
            }
            let reason = berth_planner::remade("an administrator confirmed that it is lost");
            let count = conn.workspaces().confirm_loss(row.id, LOSS_SUSPECTED, &reason).await?;
            conn.agents().set_standing(row.id, &Standing { loss: None, ..standing }).await?;
            conn.notifications().notify_agent(row.id).await?;
            let workspaces = u64::try_from(count).unwrap_or(u64::MAX);
            let details = Details::LossConfirmed { fingerprint: confirmed.fingerprint, workspaces };
            Ok(Changed::So((row.id, workspaces), Event::new(Resource::agent(row.id), details)))
        })
        .await?;
    info!(%agent, workspaces, by = %op.who.token, "a loss was confirmed");
    Ok(LossConfirmed { workspaces })
}

/// Puts a key of the agent into use: what is sealed from now on is sealed to it. A change is for everybody to see, since
/// whoever holds the agent's token could make it.
pub async fn register_key(op: &Op<AgentIdentity>, public_key: PublicKey) -> Result<RegisteredKey, Error> {
    Sealer::new(public_key).map_err(|error| Error::field("public_key", error.to_string()))?;
    op.context.reports.admit(op.who.agent, reports::SECRET).await?;
    let now = op.now;
    let registration = op
        .change("register_key", async |conn| {
            // Locked: a rotation comes before or after this, not between.
            conn.agents().shown(op.who.secret_hash).admit(op.who.agent).await?;
            let key = *public_key.as_bytes();
            let registration = conn.sealing_keys().register(op.who.agent, key, now).await?;
            let replaced = match &registration {
                Registration::Known(_) => return Ok(Changed::Not(registration)),
                Registration::First(_) => None,
                Registration::Changed { current, before } => {
                    note_key(conn, op.who.agent, current, before).await?;
                    Some(PublicKey::new(before.public_key))
                }
            };
            conn.notifications().notify_agent(op.who.agent).await?;
            let details = Details::KeyRegistered { key: public_key, replaced };
            let event = Event::new(Resource::agent(op.who.agent), details);
            Ok::<_, Error>(Changed::So(registration, event))
        })
        .await?;
    let row = match registration {
        Registration::Known(row) => row,
        Registration::First(row) => {
            info!(agent = %op.who.agent, key = %public_key, "the agent registered its sealing key");
            row
        }
        Registration::Changed { current, before } => {
            let before = PublicKey::new(before.public_key);
            warn!(agent = %op.who.agent, key = %public_key, %before, "the agent's sealing key has changed");
            current
        }
    };
    Ok(RegisteredKey { public_key, registered_at: row.registered_at })
}

/// Takes note of a key that comes sooner than an agent makes one by itself.
async fn note_key(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    current: &SealingKeyRow,
    before: &SealingKeyRow,
) -> Result<(), Error> {
    let lived = current.registered_at.duration_since(before.registered_at);
    if lived >= SHORTEST_LIFE {
        return Ok(());
    }
    let message = format!(
        "Key {} took the place of {} after {} minutes; an agent makes one a day. Unless the Secret of its keys was lost, \
         somebody else has its token.",
        PublicKey::new(current.public_key),
        PublicKey::new(before.public_key),
        lived.as_secs() / 60
    );
    note(conn, agent, AgentEventKind::KeyChangedEarly, message, None, current.registered_at).await
}

/// An agent and what is shown beside its row.
pub(super) struct Seen {
    pub(super) row: AgentRow,
    workspaces: i64,
    /// The newest first.
    keys: Vec<SealingKeyRow>,
    /// The newest first, with who did it.
    events: Vec<(AgentEventRow, Option<String>)>,
}

impl Seen {
    const fn new(row: AgentRow) -> Self {
        Self { row, workspaces: 0, keys: vec![], events: vec![] }
    }
}

/// The agent of that id, or the one of that name: the living one, or else the one that was revoked last.
pub(super) async fn find(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<Seen, Error> {
    let row = match (name_or_id.parse::<AgentId>(), AgentName::new(name_or_id)) {
        (Ok(id), _) => conn.agents().find(id).await?,
        (_, Ok(name)) => conn.agents().last_of_name(&name).await?,
        _ => None,
    };
    let row = row.ok_or_else(|| Error::missing(ResourceKind::Agent, name_or_id))?;
    let counts = conn.agents().workspace_counts(&[row.id]).await?;
    let workspaces = counts.get(&row.id).copied().unwrap_or(0);
    let keys = conn.sealing_keys().of(&[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok(Seen { workspaces, keys, ..Seen::new(row) })
}

pub(super) fn show(op: &Op<Member>, seen: Seen) -> Agent {
    let Seen { row, workspaces, keys, events } = seen;
    let now = op.now;
    let event = |(event, by): (AgentEventRow, Option<String>)| AgentEvent {
        warning: event.kind.is_warning() && row.settled_at.is_none_or(|settled| settled < event.at),
        at: event.at,
        kind: event.kind,
        message: event.message,
        by,
    };
    Agent {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
        last_contact_at: op.context.contacts.last(row.id),
        workspaces,
        suspected_loss: row.suspected_loss,
        credential: Some(AgentCredential {
            made_at: row.token_made_at.unwrap_or(row.created_at),
            previous_valid_until: row.previous_valid_until.filter(|until| *until > now),
        }),
        events: events.into_iter().map(event).collect(),
        prerequisites: None,
        network_check: None,
        takes: None,
        sealing_keys: keys
            .into_iter()
            .map(|key| SealingKey {
                public_key: PublicKey::new(key.public_key),
                registered_at: key.registered_at,
                superseded_at: key.superseded_at,
            })
            .collect(),
    }
}

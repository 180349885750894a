//! Agents: created, looked at, revoked.

use berth_db::{
    AgentRow, Cursor, NewAgent, OrganizationConn, PageRequest, Registration, ResourceKind, SealingKeyRow,
    Standing, constraints,
};
use berth_planner::LOSS_SUSPECTED;
use berth_schema::api::{Agent, AgentCreated, ConfirmLoss, LossConfirmed, Paged, SealingKey};
use berth_schema::sealing::{PublicKey, RegisteredKey};
use berth_schema::{AgentId, AgentName, NetworkCheckId};
use tracing::{info, warn};

use super::idempotency::{Creation, Idempotency, claim};
use super::{paging, tokens};
use crate::crypto::Sealer;
use crate::http::identity::{Administrator, AgentIdentity};
use crate::{Context, Error, clock};

/// Creates an agent. Its token is in the answer to the first request alone.
pub async fn create(
    context: &Context,
    administrator: &Administrator,
    name: &AgentName,
    idempotency: Option<&Idempotency>,
) -> Result<Creation<AgentCreated>, Error> {
    let organization = administrator.organization;
    let now = clock::now();
    let id = AgentId::random();
    let token = tokens::new_agent_token(organization, id, context.random.as_ref())?;
    let agent = NewAgent { id, name: name.clone(), secret_hash: tokens::hash(token.expose()) };
    let stored = context
        .database
        .transaction(organization, "create_agent", async |conn| {
            if let Some(earlier) =
                claim(conn, administrator, idempotency, ResourceKind::Agent, id.into()).await?
            {
                return Ok(Creation::Repeated(find(conn, &earlier.to_string()).await?));
            }
            let inserted = conn.agents().insert(&agent, now).await;
            inserted.map(|row| Creation::New(Seen { row, workspaces: 0, keys: vec![] })).map_err(|error| {
                if error.violates(constraints::AGENT_NAME) {
                    return Error::NameTaken { what: "an agent", name: name.to_string() };
                }
                error.into()
            })
        })
        .await?;
    Ok(match stored {
        Creation::New(seen) => {
            info!(agent = %seen.row.id, name = %seen.row.name, "agent created");
            let agent = show(context, seen);
            Creation::New(AgentCreated { agent, token: Some(token.expose().to_owned()) })
        }
        Creation::Repeated(seen) => {
            Creation::Repeated(AgentCreated { agent: show(context, seen), token: None })
        }
    })
}

pub async fn list(
    context: &Context,
    administrator: &Administrator,
    page: &PageRequest,
) -> Result<Paged<Agent>, Error> {
    let (rows, counts, mut keys) = context
        .database
        .read(administrator.organization, "list_agents", async |conn| {
            let rows = conn.agents().list(page).await?;
            let ids: Vec<AgentId> = rows.iter().map(|row| row.id).collect();
            let counts = conn.agents().workspace_counts(&ids).await?;
            let keys = conn.sealing_keys().of(&ids).await?;
            Ok::<_, Error>((rows, counts, keys))
        })
        .await?;
    let cursor = |row: &AgentRow| Cursor::new(row.created_at, row.id);
    Ok(paging::page(rows, page, cursor, |row| {
        let workspaces = counts.get(&row.id).copied().unwrap_or(0);
        let keys = keys.remove(&row.id).unwrap_or_default();
        show(context, Seen { row, workspaces, keys })
    }))
}

pub async fn get(context: &Context, administrator: &Administrator, name_or_id: &str) -> Result<Agent, Error> {
    let (seen, prerequisites, network_check) = context
        .database
        .read(administrator.organization, "get_agent", async |conn| {
            let seen = find(conn, name_or_id).await?;
            let prerequisites = conn.agent_prerequisites().find(seen.row.id).await?;
            let network_check = conn.network_checks().find(seen.row.id).await?;
            Ok::<_, Error>((seen, prerequisites, network_check))
        })
        .await?;
    Ok(Agent { prerequisites, network_check, ..show(context, seen) })
}

/// Has an agent find out whether its cluster enforces NetworkPolicy. It is told with its next full report, which is asked for.
pub async fn check_network(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<Agent, Error> {
    let now = clock::now();
    let id = NetworkCheckId::random();
    let (seen, network_check) = context
        .database
        .transaction(administrator.organization, "check_network", async |conn| {
            let seen = find(conn, name_or_id).await?;
            if seen.row.revoked_at.is_some() {
                return Err(Error::field("agent", "was revoked: nobody is there to look"));
            }
            let standing = conn.agents().standing(seen.row.id).await?;
            conn.network_checks().want(seen.row.id, id, now).await?;
            conn.agents().set_standing(seen.row.id, &Standing { full_wanted: true, ..standing }).await?;
            conn.notifications().notify_agent(seen.row.id).await?;
            let network_check = conn.network_checks().find(seen.row.id).await?;
            Ok((seen, network_check))
        })
        .await?;
    info!(agent = %seen.row.id, by = %administrator.token, "a check of the network was asked for");
    Ok(Agent { network_check, ..show(context, seen) })
}

/// Ends an agent's access. Its workspaces go on running; what is held for it is answered.
pub async fn revoke(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<Agent, Error> {
    let now = clock::now();
    let seen = context
        .database
        .transaction(administrator.organization, "revoke_agent", async |conn| {
            let Seen { row, .. } = find(conn, name_or_id).await?;
            if conn.agents().revoke(row.id, now).await? {
                conn.notifications().notify_agent(row.id).await?;
            }
            find(conn, &row.id.to_string()).await
        })
        .await?;
    info!(agent = %seen.row.id, "agent revoked");
    Ok(show(context, seen))
}

/// Takes a suspected loss for real: what is missing is made again, with empty volumes.
pub async fn confirm_loss(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
    confirmed: &ConfirmLoss,
) -> Result<LossConfirmed, Error> {
    let (agent, workspaces) = context
        .database
        .transaction(administrator.organization, "confirm_loss", async |conn| {
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
            Ok((row.id, count))
        })
        .await?;
    info!(%agent, workspaces, by = %administrator.token, "a loss was confirmed");
    Ok(LossConfirmed { workspaces: u64::try_from(workspaces).unwrap_or(u64::MAX) })
}

/// Puts a key of the agent into use: what is sealed from now on is sealed to it. A change is for everybody to see, since
/// whoever holds the agent's token could make it.
pub async fn register_key(
    context: &Context,
    agent: &AgentIdentity,
    public_key: PublicKey,
) -> Result<RegisteredKey, Error> {
    Sealer::new(public_key).map_err(|error| Error::field("public_key", error.to_string()))?;
    let now = clock::now();
    let registration = context
        .database
        .transaction(agent.organization, "register_key", async |conn| {
            let key = *public_key.as_bytes();
            let registration = conn.sealing_keys().register(agent.agent, key, now).await?;
            if !matches!(registration, Registration::Known(_)) {
                conn.notifications().notify_agent(agent.agent).await?;
            }
            Ok::<_, Error>(registration)
        })
        .await?;
    let row = match registration {
        Registration::Known(row) => row,
        Registration::First(row) => {
            info!(agent = %agent.agent, key = %public_key, "the agent registered its sealing key");
            row
        }
        Registration::Changed { current, before } => {
            let before = PublicKey::new(before);
            warn!(agent = %agent.agent, key = %public_key, %before, "the agent's sealing key has changed");
            current
        }
    };
    Ok(RegisteredKey { public_key, registered_at: row.registered_at })
}

/// An agent and what is shown beside its row.
pub(super) struct Seen {
    pub(super) row: AgentRow,
    workspaces: i64,
    /// The newest first.
    keys: Vec<SealingKeyRow>,
}

/// The agent of that id, revoked or not, or the living one of that name.
pub(super) async fn find(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<Seen, Error> {
    let row = match (name_or_id.parse::<AgentId>(), AgentName::new(name_or_id)) {
        (Ok(id), _) => conn.agents().find(id).await?,
        (_, Ok(name)) => conn.agents().find_by_name(&name).await?,
        _ => None,
    };
    let row = row.ok_or(Error::NotFound("agent"))?;
    let counts = conn.agents().workspace_counts(&[row.id]).await?;
    let workspaces = counts.get(&row.id).copied().unwrap_or(0);
    let keys = conn.sealing_keys().of(&[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok(Seen { row, workspaces, keys })
}

fn show(context: &Context, seen: Seen) -> Agent {
    let Seen { row, workspaces, keys } = seen;
    Agent {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
        last_contact_at: context.contacts.last(row.id),
        workspaces,
        suspected_loss: row.suspected_loss,
        prerequisites: None,
        network_check: None,
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

//! Agents: created, looked at, revoked.

use berth_db::{AgentRow, Cursor, NewAgent, OrganizationConn, PageRequest, ResourceKind, constraints};
use berth_schema::api::{Agent, AgentCreated, Paged};
use berth_schema::{AgentId, AgentName};
use tracing::info;

use super::idempotency::{Creation, Idempotency, claim};
use super::{paging, tokens};
use crate::http::identity::Administrator;
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
                let (row, workspaces) = find(conn, &earlier.to_string()).await?;
                return Ok(Creation::Repeated((row, workspaces)));
            }
            let inserted = conn.agents().insert(&agent, now).await;
            inserted.map(|row| Creation::New((row, 0))).map_err(|error| {
                if error.violates(constraints::AGENT_NAME) {
                    return Error::NameTaken { what: "an agent", name: name.to_string() };
                }
                error.into()
            })
        })
        .await?;
    Ok(match stored {
        Creation::New((row, workspaces)) => {
            info!(agent = %row.id, name = %row.name, "agent created");
            let agent = show(context, row, workspaces);
            Creation::New(AgentCreated { agent, token: Some(token.expose().to_owned()) })
        }
        Creation::Repeated((row, workspaces)) => {
            Creation::Repeated(AgentCreated { agent: show(context, row, workspaces), token: None })
        }
    })
}

pub async fn list(
    context: &Context,
    administrator: &Administrator,
    page: &PageRequest,
) -> Result<Paged<Agent>, Error> {
    let (rows, counts) = context
        .database
        .read(administrator.organization, "list_agents", async |conn| {
            let rows = conn.agents().list(page).await?;
            let ids: Vec<AgentId> = rows.iter().map(|row| row.id).collect();
            let counts = conn.agents().workspace_counts(&ids).await?;
            Ok::<_, Error>((rows, counts))
        })
        .await?;
    let cursor = |row: &AgentRow| Cursor::new(row.created_at, row.id);
    Ok(paging::page(rows, page, cursor, |row| {
        let workspaces = counts.get(&row.id).copied().unwrap_or(0);
        show(context, row, workspaces)
    }))
}

pub async fn get(context: &Context, administrator: &Administrator, name_or_id: &str) -> Result<Agent, Error> {
    let (row, workspaces) = context
        .database
        .read(administrator.organization, "get_agent", async |conn| find(conn, name_or_id).await)
        .await?;
    Ok(show(context, row, workspaces))
}

/// Ends an agent's access. Its workspaces go on running; what is held for it is answered.
pub async fn revoke(
    context: &Context,
    administrator: &Administrator,
    name_or_id: &str,
) -> Result<Agent, Error> {
    let now = clock::now();
    let (row, workspaces) = context
        .database
        .transaction(administrator.organization, "revoke_agent", async |conn| {
            let (row, _) = find(conn, name_or_id).await?;
            if conn.agents().revoke(row.id, now).await? {
                conn.notifications().notify_agent(row.id).await?;
            }
            find(conn, &row.id.to_string()).await
        })
        .await?;
    info!(agent = %row.id, "agent revoked");
    Ok(show(context, row, workspaces))
}

/// The agent of that id, revoked or not, or the living one of that name; with the number of its workspaces.
async fn find(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<(AgentRow, i64), Error> {
    let row = match (name_or_id.parse::<AgentId>(), AgentName::new(name_or_id)) {
        (Ok(id), _) => conn.agents().find(id).await?,
        (_, Ok(name)) => conn.agents().find_by_name(&name).await?,
        _ => None,
    };
    let row = row.ok_or(Error::NotFound("agent"))?;
    let counts = conn.agents().workspace_counts(&[row.id]).await?;
    let workspaces = counts.get(&row.id).copied().unwrap_or(0);
    Ok((row, workspaces))
}

fn show(context: &Context, row: AgentRow, workspaces: i64) -> Agent {
    Agent {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
        last_contact_at: context.contacts.last(row.id),
        workspaces,
    }
}

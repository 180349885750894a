//! Ports that no devfile declares, which whose workspace it is has open while it runs. See decision 0085.

use berth_db::{Changed, NewOpenedPort, OpenedPortRow, OrganizationConn, WorkspaceDoor, WorkspaceRow};
use berth_planner::intent::TransitionError;
use berth_planner::opened::{self, Opening, Wanted};
use berth_planner::sharing::Need;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::kubernetes::OWN_PORTS;
use berth_schema::ports::{ClosePort, MAX_OPEN_MINUTES, MAX_OPENED, OpenPort, Ports, is_shareable};
use berth_schema::{DesiredState, FieldError, OrganizationId, WorkspaceId};
use jiff::Timestamp;
use tracing::info;

use super::shared::Sharer;
use super::{end, list, stands};
use crate::identity::Member;
use crate::services::workspaces;
use crate::{Context, Error, Op};

/// Opens a port to whose workspace it is, from now on and until then.
pub async fn open(op: &Op<Member>, name_or_id: &str, wanted: &OpenPort) -> Result<Ports, Error> {
    let expires_at = end(op.now, wanted.minutes, MAX_OPEN_MINUTES)?;
    let port = wanted.port;
    let opened = op.change("open_port", async |conn| {
        conn.organizations().lock().await?;
        let workspace = openable(conn, name_or_id, port).await?;
        stands(conn, op, (workspace.id, Need::Open)).await?;
        let open = now_open(conn, &workspace, op.now).await?;
        is_free(&workspace, &open, wanted)?;
        let mut ports: Vec<_> = open.iter().map(|row| row.port).collect();
        if !ports.contains(&port) {
            if ports.len() >= MAX_OPENED {
                let full =
                    format!("{MAX_OPENED} ports of the workspace are open, which is the most; close one");
                return Err(Error::QuotaExceeded(vec![FieldError::new("port", full)]));
            }
            // Whom it was shared with when it was open before is not meant now.
            conn.port_shares().remove_port(workspace.id, port).await?;
            ports.push(port);
        }
        conn.opened_ports().keep(workspace.id, &ports).await?;
        let (workspace, generation) = (workspace.id, workspace.generation);
        let new = NewOpenedPort { workspace, port, name: wanted.called(), generation, expires_at };
        conn.opened_ports().put(&new, op.now).await?;
        let event = Event::new(Resource::workspace(workspace), Details::PortOpened { port, expires_at });
        Ok(Changed::So(workspace, event))
    });
    let id = opened.await?;
    info!(workspace = %id, port, by = %op.who.token, "a port was opened");
    list(op, &id.to_string()).await
}

/// Ends that, and what it was shared by, at once.
pub async fn close(op: &Op<Member>, name_or_id: &str, wanted: ClosePort) -> Result<Ports, Error> {
    let port = wanted.port;
    let closed = op.change("close_port", async |conn| {
        conn.organizations().lock().await?;
        let workspace = workspaces::find(conn, name_or_id).await?.workspace;
        if opened::declares(&workspace.spec, port) {
            let declared =
                "is declared by the devfile, and stays; …/ports/unshare ends whom it is shared with";
            return Err(Error::field("port", declared));
        }
        let id = workspace.id;
        let shared = conn.port_shares().of_workspace(id, op.now).await?;
        let with = shared.iter().filter(|row| row.port == port).map(|row| row.with).collect();
        if !conn.opened_ports().remove(id, port).await? {
            return Ok(Changed::Not(id));
        }
        conn.port_shares().remove_port(id, port).await?;
        let event = Event::new(Resource::workspace(id), Details::PortClosed { port, with });
        Ok(Changed::So(id, event))
    });
    let id = closed.await?;
    info!(workspace = %id, port, by = %op.who.token, "a port was closed");
    list(op, &id.to_string()).await
}

/// The workspace, if that port of it may be opened.
async fn openable(conn: &OrganizationConn<'_>, name_or_id: &str, port: u16) -> Result<WorkspaceRow, Error> {
    let workspace = workspaces::find(conn, name_or_id).await?.workspace;
    if workspace.desired_state == DesiredState::Terminated {
        return Err(Error::WrongState(TransitionError::Terminated));
    }
    if port == 0 {
        return Err(Error::field("port", "must be from 1 to 65535"));
    }
    if !is_shareable(port) {
        return Err(Error::field("port", "is the editor's or sshd's, which is there without being opened"));
    }
    if opened::declares(&workspace.spec, port) {
        return Err(Error::field("port", "is declared by the devfile, and there without being opened"));
    }
    if !wanted_of(&workspace).may_open() {
        return Err(Error::WrongState(TransitionError::OpensWhileItRuns));
    }
    Ok(workspace)
}

/// Whether no other port of the workspace is called so.
fn is_free(workspace: &WorkspaceRow, open: &[OpenedPortRow], wanted: &OpenPort) -> Result<(), Error> {
    let name = wanted.called();
    let own = OWN_PORTS.into_iter();
    let declared = workspace.spec.endpoints().map(|endpoint| (endpoint.name.as_str(), endpoint.port));
    let opened = open.iter().map(|row| (row.name.as_str(), row.port));
    let mut others = own.chain(declared).chain(opened);
    match others.find(|(other, port)| *other == name && *port != wanted.port) {
        Some((_, port)) => {
            Err(Error::field("name", format!("is what port {port} of the workspace is called")))
        }
        None => Ok(()),
    }
}

/// The ports of a workspace that are open by having been opened.
pub(crate) async fn now_open(
    conn: &OrganizationConn<'_>,
    workspace: &WorkspaceRow,
    now: Timestamp,
) -> Result<Vec<OpenedPortRow>, Error> {
    let wanted = wanted_of(workspace);
    let mut rows = conn.opened_ports().of_workspace(workspace.id).await?;
    rows.retain(|row| {
        let opening = Opening { generation: row.generation, expires_at: row.expires_at };
        wanted.holds(opening, now)
    });
    Ok(rows)
}

const fn wanted_of(workspace: &WorkspaceRow) -> Wanted {
    Wanted { state: workspace.desired_state, generation: workspace.generation }
}

/// Whether a workspace has a port, for whoever decides about a connection to it.
#[derive(Debug)]
pub(crate) enum There {
    Always,
    Opened(Box<AsOpened>),
    Not,
}

/// That it has one by its owner's having opened it.
#[derive(Debug)]
pub(crate) struct AsOpened {
    port: u16,
    opening: Opening,
    wanted: Wanted,
    owner: Sharer,
}

impl There {
    pub(crate) async fn of(
        conn: &OrganizationConn<'_>,
        (workspace, port): (WorkspaceId, u16),
        door: &WorkspaceDoor,
    ) -> Result<Self, Error> {
        if opened::is_own(port) {
            return Ok(Self::Always);
        }
        let Some(asked) = conn.opened_ports().at(workspace, port).await? else { return Ok(Self::Not) };
        // What a later version has written of it, that version let in.
        if asked.spec.is_none_or(|spec| opened::declares(&spec, port)) {
            return Ok(Self::Always);
        }
        let (Some(state), Some((generation, expires_at))) = (asked.desired_state, asked.opened) else {
            return Ok(Self::Not);
        };
        let Some(owner) = Sharer::of(conn, workspace, door).await? else { return Ok(Self::Not) };
        let (opening, wanted) =
            (Opening { generation, expires_at }, Wanted { state, generation: asked.generation });
        Ok(Self::Opened(Box::new(AsOpened { port, opening, wanted, owner })))
    }

    /// Until when it is at most, by the organisation's rules of that version; `None`: it is not.
    pub(crate) async fn until(
        &self,
        context: &Context,
        organization: OrganizationId,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Always => Ok(Some(Timestamp::MAX)),
            Self::Opened(opened) => {
                let AsOpened { port, opening, wanted, owner } = &**opened;
                let policies = context.rules.of(&context.database, organization, version).await?;
                let may = || owner.shut(&policies, Need::Open).is_none();
                Ok(opened::until(*port, *opening, *wanted, may, now))
            }
            Self::Not => Ok(None),
        }
    }

    pub(crate) const fn is_opened(&self) -> bool {
        matches!(self, Self::Opened(_))
    }
}

//! The ports of a workspace: which there are, whom they are shared with, and until when. See decisions 0082 and 0085.

mod opened;
mod shared;

pub(crate) use opened::{There, now_open};
pub use opened::{close, open};
pub(crate) use shared::Shared;
use shared::Sharer;

use std::collections::BTreeMap;

use berth_db::{Changed, NewPortShare, OrganizationConn, PortShareRow, WorkspaceRow};
use berth_planner::intent::TransitionError;
use berth_planner::sharing::Need;
use berth_policy::Policies;
use berth_schema::api::shape::Endpoint;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::members::MemberRef;
use berth_schema::ports::{
    Audience, MAX_PUBLIC, MAX_PUBLIC_MINUTES, MAX_SHARE_MINUTES, MAX_SHARES, OpenedPort, Port, PortShare,
    Ports, PublicPort, PublishPort, SharePort, ShareWith, SharedGroup, SharedWith, Shut, UnsharePort,
    is_shareable,
};
use berth_schema::{Action, DesiredState, FieldError, GroupId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::{connections, grants, permission, tree, workspaces};
use crate::error::DenyReason;
use crate::identity::Member;
use crate::{Error, Op};

/// The ports that the devfile declares and those that are opened, and whom each is shared with.
pub async fn list(op: &Op<Member>, name_or_id: &str) -> Result<Ports, Error> {
    op.read("list_ports", async |conn| {
        let view = workspaces::find(conn, name_or_id).await?;
        let (id, declared) = (view.workspace.id, declared(&view.workspace));
        let opened = now_open(conn, &view.workspace, op.now).await?;
        let endpoints = workspaces::whole(conn, view, &op.context, op.now).await?.endpoints;
        let rows = conn.port_shares().of_workspace(id, op.now).await?;
        let seen = seen_groups(conn, op, &rows).await?;
        let is_plain = rows.is_empty() && opened.is_empty();
        let standing = if is_plain { None } else { Standing::of(conn, op, id).await? };
        let shut = |need| standing.as_ref().and_then(|standing| standing.shut(need));
        let show = |row: &PortShareRow, opened: Option<&OpenedPort>| {
            let need = shared::with(row).map(|with| with.need());
            let shown = show(row, &seen, need.and_then(shut));
            // A share lets nobody in for longer than its port is there.
            let expires_at =
                opened.map_or(shown.expires_at, |opened| opened.expires_at.min(shown.expires_at));
            PortShare { expires_at, ..shown }
        };
        let port = |name, port, opened: Option<OpenedPort>| {
            let shares = rows.iter().filter(|row| row.port == port);
            let shares = shares.map(|row| show(row, opened.as_ref())).collect();
            Port { name, port, url: url(&endpoints, port), opened, shares }
        };
        let opened = opened.into_iter().map(|row| {
            let (opened_at, expires_at) = (row.opened_at, row.expires_at);
            let how = OpenedPort { opened_at, expires_at, shut: shut(Need::Open) };
            (row.name, row.port, Some(how))
        });
        let declared = declared.into_iter().map(|(name, port)| (name, port, None));
        let items = declared.chain(opened).map(|(name, number, opened)| port(name, number, opened));
        Ok(Ports { items: items.collect(), next: None })
    })
    .await
}

/// Shares a port with people who are signed in, from now on and until then.
pub async fn share(op: &Op<Member>, name_or_id: &str, wanted: &SharePort) -> Result<Ports, Error> {
    let expires_at = end(op.now, wanted.minutes, MAX_SHARE_MINUTES)?;
    let port = wanted.port;
    let shared = op.change("share_port", async |conn| {
        conn.organizations().lock().await?;
        let workspace = shareable(conn, (name_or_id, op.now), port).await?;
        stands(conn, op, (workspace.id, Need::Share)).await?;
        let with = whom(conn, op, &wanted.with).await?;
        put(conn, NewPortShare { workspace: workspace.id, port, with, expires_at }, op.now).await
    });
    let id = shared.await?;
    info!(workspace = %id, port, by = %op.who.token, "a port was shared");
    list(op, &id.to_string()).await
}

/// Opens a port to whoever has its address.
pub async fn publish(op: &Op<Member>, name_or_id: &str, wanted: &PublishPort) -> Result<Ports, Error> {
    let expires_at = end(op.now, wanted.minutes, MAX_PUBLIC_MINUTES)?;
    let (port, with) = (wanted.port, Audience::Public);
    let published = op.change("publish_port", async |conn| {
        conn.organizations().lock().await?;
        let workspace = shareable(conn, (name_or_id, op.now), port).await?;
        stands(conn, op, (workspace.id, Need::Publish)).await?;
        let public = conn.port_shares().public_at(workspace.agent_id, op.now).await?;
        if public.len() >= MAX_PUBLIC && !public.contains(&PublicPort { workspace: workspace.id, port }) {
            let full = format!("{MAX_PUBLIC} ports of this agent's workspaces are public, which is the most");
            return Err(Error::QuotaExceeded(vec![FieldError::new("port", full)]));
        }
        put(conn, NewPortShare { workspace: workspace.id, port, with, expires_at }, op.now).await
    });
    let id = published.await?;
    info!(workspace = %id, port, by = %op.who.token, "a port was published");
    list(op, &id.to_string()).await
}

/// Takes it back, at once. Whoever is meant is looked for among those whom the port is shared with, and nowhere else.
pub async fn unshare(op: &Op<Member>, name_or_id: &str, wanted: &UnsharePort) -> Result<Ports, Error> {
    let port = wanted.port;
    let unshared = op.change("unshare_port", async |conn| {
        conn.organizations().lock().await?;
        let id = workspaces::find(conn, name_or_id).await?.workspace.id;
        let rows = conn.port_shares().of_workspace(id, op.now).await?;
        let is_meant = |row: &&PortShareRow| {
            row.port == port && wanted.with.as_ref().is_none_or(|with| names(with, row))
        };
        let with: Vec<_> = rows.iter().filter(is_meant).map(|row| row.with).collect();
        if with.is_empty() {
            let field = if wanted.with.is_some() { "with" } else { "port" };
            return Err(Error::field(field, "is not shared like that; GET …/ports says what is"));
        }
        for audience in &with {
            conn.port_shares().remove(id, port, *audience).await?;
        }
        let event = Event::new(Resource::workspace(id), Details::PortUnshared { port, with });
        Ok::<_, Error>(Changed::So(id, event))
    });
    let id = unshared.await?;
    info!(workspace = %id, port, by = %op.who.token, "a port is not shared any more");
    list(op, &id.to_string()).await
}

/// What its devfile declares, by name and port.
fn declared(workspace: &WorkspaceRow) -> Vec<(String, u16)> {
    workspace.spec.endpoints().map(|endpoint| (endpoint.name.clone(), endpoint.port)).collect()
}

fn url(endpoints: &[Endpoint], port: u16) -> Option<String> {
    endpoints.iter().find(|endpoint| endpoint.port == port).map(|endpoint| endpoint.url.clone())
}

fn end(now: Timestamp, minutes: u32, most: u32) -> Result<Timestamp, Error> {
    if !(1..=most).contains(&minutes) {
        return Err(Error::field("minutes", format!("must be from 1 to {most}")));
    }
    let end = now.checked_add(SignedDuration::from_mins(i64::from(minutes))).map_err(Error::internal)?;
    Ok(berth_db::stored_time(end))
}

/// The workspace, if that port of it may be shared. What is shared of a port that it has no more is forgotten.
async fn shareable(
    conn: &OrganizationConn<'_>,
    (name_or_id, now): (&str, Timestamp),
    port: u16,
) -> Result<WorkspaceRow, Error> {
    let workspace = workspaces::find(conn, name_or_id).await?.workspace;
    if workspace.desired_state == DesiredState::Terminated {
        return Err(Error::WrongState(TransitionError::Terminated));
    }
    if !is_shareable(port) {
        let own = "opens all of the workspace, which is nobody's but whose it is";
        return Err(Error::field("port", own));
    }
    let declared = declared(&workspace).into_iter().map(|(_, port)| port);
    let opened = now_open(conn, &workspace, now).await?;
    let known: Vec<_> = declared.chain(opened.iter().map(|row| row.port)).collect();
    if !known.contains(&port) {
        let named: Vec<_> = known.iter().map(ToString::to_string).collect();
        let has = match named.as_slice() {
            [] => "its devfile declares none, and none is open".to_owned(),
            named => format!("it has {}", named.join(", ")),
        };
        return Err(Error::field(
            "port",
            format!("is no port of the workspace: {has}; …/ports/open opens one"),
        ));
    }
    conn.port_shares().keep(workspace.id, &known).await?;
    Ok(workspace)
}

/// Refuses what would not hold: a share goes on for as long as its owner may share, however they asked. What rules demand of an address
/// cannot be known later. And whose login was cut there lets nobody in before it is proven anew.
async fn stands(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (id, need): (WorkspaceId, Need),
) -> Result<(), Error> {
    let action = shared::action(need);
    if connections::is_cut(conn, op, id).await? {
        return Err(Error::denied(action, DenyReason::step_up(op.who.authority.is_provided)));
    }
    let owner = conn.subjects().find(op.who.subject).await?;
    let (Some(owner), Some(workspace)) = (owner, op.resource.as_ref()) else {
        return Err(Error::internal("somebody who is not there shares a port"));
    };
    let asker = shared::standing(op.organization(), &owner);
    let decision = op.who.authority.policies.decide(&asker, action, workspace);
    if decision.allowed { Ok(()) } else { Err(permission::denied(action, decision)) }
}

async fn whom(conn: &OrganizationConn<'_>, op: &Op<Member>, with: &ShareWith) -> Result<Audience, Error> {
    match with {
        ShareWith::User(which) => {
            let member = grants::somebody(conn, op, ("with", which)).await?;
            if member.id == op.who.subject {
                return Err(Error::field("with", "is whose workspace it is"));
            }
            if member.account_id.is_none() {
                return Err(Error::field("with", "has tokens alone, and signs in nowhere"));
            }
            Ok(Audience::User(member.id))
        }
        ShareWith::Group(which) => {
            let found = tree::group(conn, which, op.who.subject).await?;
            let seen = found.filter(|group| op.who.authority.decide(Action::ReadGroup, group).allowed);
            let id = seen.and_then(|group| group.id.parse().ok());
            id.map(Audience::Group).ok_or_else(|| Error::field("with", "names a group that there is not"))
        }
        ShareWith::Organization => Ok(Audience::Organization),
        ShareWith::Public => Err(Error::field("with", "must not be 'public': …/ports/publish does that")),
    }
}

/// Stores a share, if there are not too many, in place of the one with the same.
async fn put(
    conn: &OrganizationConn<'_>,
    share: NewPortShare,
    now: Timestamp,
) -> Result<Changed<WorkspaceId>, Error> {
    let NewPortShare { workspace, port, with, expires_at } = share;
    conn.port_shares().forget_past(workspace, now).await?;
    let rows = conn.port_shares().of_workspace(workspace, now).await?;
    let is_new = !rows.iter().any(|row| (row.port, row.with) == (port, with));
    if is_new && rows.len() >= MAX_SHARES {
        let full =
            format!("the workspace's ports are shared {MAX_SHARES} times, which is the most; take one back");
        return Err(Error::QuotaExceeded(vec![FieldError::new("port", full)]));
    }
    conn.port_shares().put(share, now).await?;
    let details = Details::PortShared { port, with, expires_at };
    Ok(Changed::So(workspace, Event::new(Resource::workspace(workspace), details)))
}

/// Whether it is that share that is meant.
fn names(with: &ShareWith, row: &PortShareRow) -> bool {
    match (with, row.with) {
        (ShareWith::User(which), Audience::User(id)) => {
            which.parse() == Ok(id) || row.name.as_ref() == Some(which)
        }
        (ShareWith::Group(which), Audience::Group(id)) => {
            which.parse() == Ok(id) || row.group.as_ref().is_some_and(|path| path.as_str() == which)
        }
        (ShareWith::Organization, Audience::Organization) | (ShareWith::Public, Audience::Public) => true,
        _ => false,
    }
}

/// Whether whoever asks may see each group that something is shared with: at most [`MAX_SHARES`].
async fn seen_groups(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    rows: &[PortShareRow],
) -> Result<BTreeMap<GroupId, bool>, Error> {
    let mut seen = BTreeMap::new();
    for row in rows {
        if let Audience::Group(id) = row.with
            && !seen.contains_key(&id)
        {
            let group = tree::group(conn, &id.to_string(), op.who.subject).await?;
            let may = |group| op.who.authority.decide(Action::ReadGroup, group).allowed;
            seen.insert(id, group.as_ref().is_some_and(may));
        }
    }
    Ok(seen)
}

/// By whom what is shared and opened of a workspace stands, and by which rules.
struct Standing<'a> {
    /// `None`: they have left.
    owner: Option<Sharer>,
    policies: &'a Policies,
}

impl<'a> Standing<'a> {
    /// `None`: nobody gets at what is deleted, and nothing of this is why.
    async fn of(
        conn: &OrganizationConn<'_>,
        op: &'a Op<Member>,
        workspace: WorkspaceId,
    ) -> Result<Option<Self>, Error> {
        let Some(door) = conn.workspaces().door(workspace).await? else { return Ok(None) };
        let owner = Sharer::of(conn, workspace, &door).await?;
        Ok(Some(Self { owner, policies: &op.who.authority.policies }))
    }

    /// Why what needs that lets nobody in now, by the judgement of connections.
    fn shut(&self, need: Need) -> Option<Shut> {
        match &self.owner {
            Some(owner) => owner.shut(self.policies, need),
            None => Some(Shut::Removed),
        }
    }
}

fn show(row: &PortShareRow, seen: &BTreeMap<GroupId, bool>, shut: Option<Shut>) -> PortShare {
    let with = match row.with {
        Audience::User(id) => SharedWith::User(MemberRef { id, name: row.name.clone().unwrap_or_default() }),
        Audience::Group(id) => {
            let path = row.group.clone().filter(|_| seen.get(&id) == Some(&true));
            SharedWith::Group(SharedGroup { id, path })
        }
        Audience::Organization => SharedWith::Organization,
        Audience::Public => SharedWith::Public,
    };
    PortShare { with, shared_at: row.created_at, expires_at: row.expires_at, shut }
}

//! Who is connected to a workspace, and an end to it: decision 0084.

use std::sync::Arc;
use std::time::Duration;

use berth_db::{Changed, NewEnd, NewOpenConnection, OpenConnectionRow, OrganizationConn};
use berth_planner::connected::{Owner, Seen, merge, must_prove};
use berth_policy::Resource as Thing;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::connected::{
    AllConnected, BELIEVED_SECONDS, Connected, ConnectionKind, ConnectionsEnded, EndConnections,
    EndedConnection, MAX_TOLD, TellConnected, ToldConnection,
};
use berth_schema::members::MemberRef;
use berth_schema::{Action, ConnectionId, WorkspaceId, WorkspaceName};
use jiff::{SignedDuration, Timestamp};
use tracing::info;
use uuid::Uuid;

use crate::identity::{Member, ProxyIdentity, Run};
use crate::services::workspaces;
use crate::tasks::Task;
use crate::{Context, Error, Op};

/// The most copies of one agent's proxy: as many as there may be, twice over, while others take their place.
const MAX_COPIES: i64 = 50;
/// So many rows weigh as much as one workspace that an agent reports.
const LIGHT: usize = 10;

/// Stores what a copy of a proxy has open at its agent's workspaces, in place of what it has told before. What it tells of others
/// changes nothing, and it is not told which ones those were.
///
/// # Errors
/// [`Error::Invalid`] for more than is told, or more copies than there are; [`Error::TooManyReports`]; where the database fails.
pub async fn tell_connected(op: &Op<ProxyIdentity>, told: &TellConnected) -> Result<(), Error> {
    if told.open.len() > MAX_TOLD {
        return Err(Error::field("open", format!("must be at most {MAX_TOLD} connections")));
    }
    let weight = 1 + u32::try_from(told.open.len() / LIGHT).unwrap_or(u32::MAX);
    op.context.reports.admit(op.who.agent, weight).await?;
    let open: Vec<_> = told.open.iter().filter_map(|one| stored(one, op.now)).collect();
    op.round("tell_connected", async |conn| {
        let times = (op.now, believed_since(op.now));
        if !conn.open_connections().hear(op.who.agent, told.proxy, times, MAX_COPIES).await? {
            return Err(Error::field("proxy", format!("is none of the at most {MAX_COPIES} copies")));
        }
        conn.open_connections().tell(op.who.agent, told.proxy, &open).await?;
        Ok::<_, Error>(((), Vec::new()))
    })
    .await
}

/// `None`: it is neither somebody's nor everybody's.
fn stored(told: &ToldConnection, now: Timestamp) -> Option<NewOpenConnection> {
    if (told.kind == ConnectionKind::Public) != told.whose.is_none() || told.port == 0 {
        return None;
    }
    let before = |seconds: u64| {
        let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        now.checked_sub(ago).unwrap_or(now)
    };
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Some(NewOpenConnection {
        workspace: told.workspace,
        port: told.port,
        kind: told.kind,
        connection: told.whose.map_or(NOBODYS, |whose| whose.connection),
        session: told.whose.map(|whose| whose.session),
        subject: told.whose.map(|whose| whose.subject),
        since: before(told.opened_seconds_ago),
        last_active_at: before(told.active_seconds_ago),
        address: told.address.filter(|_| told.whose.is_some()).map(|address| address.to_string()),
        open: i32::try_from(told.open).unwrap_or(i32::MAX),
        bytes_to_workspace: count(told.bytes_to_workspace),
        bytes_to_person: count(told.bytes_to_person),
    })
}

/// How those who have not signed in are stored.
const NOBODYS: ConnectionId = ConnectionId::from_uuid(Uuid::nil());

fn believed_since(now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(BELIEVED_SECONDS)).unwrap_or(Timestamp::MIN)
}

/// Who is connected to a workspace now.
///
/// # Errors
/// [`Error::NotFound`] where it is gone; where the database fails.
pub async fn list_connected(op: &Op<Member>, name_or_id: &str) -> Result<AllConnected, Error> {
    op.read("list_connected", async |conn| {
        let workspace = workspaces::find(conn, name_or_id).await?.workspace;
        let sees_addresses = sees_addresses(op);
        let all = now(conn, workspace.id, op.now).await?;
        let items = all.into_iter().map(|one| show(one, &workspace.name, sees_addresses)).collect();
        Ok(AllConnected { items, next: None })
    })
    .await
}

/// Whose workspace it is sees where people come from, as what runs in it does; and whoever may read the record, which has it.
fn sees_addresses(op: &Op<Member>) -> bool {
    let is_theirs = op.resource.as_ref().is_some_and(|it| it.owner == Some(op.who.subject));
    let organization = Thing::organization(op.who.organization);
    is_theirs || op.who.authority.decide(Action::ListAudit, &organization).allowed
}

async fn now(
    conn: &OrganizationConn<'_>,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Vec<Seen>, Error> {
    let rows = conn.open_connections().of_workspace(workspace, believed_since(now)).await?;
    Ok(merge(rows.into_iter().filter_map(seen)))
}

/// `None`: a newer server wrote it.
fn seen(row: OpenConnectionRow) -> Option<Seen> {
    let owner = row.subject.zip(row.session).map(|(subject, session)| Owner {
        connection: row.connection.into(),
        session: session.into(),
        subject: subject.into(),
        name: row.name.unwrap_or_default(),
    });
    Some(Seen {
        whose: owner,
        port: u16::try_from(row.port).ok()?,
        kind: ConnectionKind::of(&row.kind)?,
        since: row.since,
        last_active_at: row.last_active_at,
        address: row.address.and_then(|address| address.parse().ok()),
        open: u32::try_from(row.open).unwrap_or(0),
        bytes_to_workspace: row.bytes_to_workspace.unsigned_abs(),
        bytes_to_person: row.bytes_to_person.unsigned_abs(),
    })
}

fn show(seen: Seen, workspace: &WorkspaceName, with_address: bool) -> Connected {
    Connected {
        id: seen.whose.as_ref().map(|owner| owner.connection),
        workspace: workspace.clone(),
        port: seen.port,
        kind: seen.kind,
        who: seen.whose.map(|owner| MemberRef { id: owner.subject, name: owner.name }),
        address: seen.address.filter(|_| with_address),
        since: seen.since,
        last_active_at: seen.last_active_at,
        open: seen.open,
        bytes_to_workspace: seen.bytes_to_workspace,
        bytes_to_person: seen.bytes_to_person,
    }
}

/// Ends one connection, or all of people who have signed in: what they were begun by opens nothing any more, and the proxies are told.
///
/// # Errors
/// [`Error::Invalid`] where nobody is connected by that; [`Error::NotFound`] where the workspace is gone; where the database fails.
pub async fn end_connections(
    op: &Op<Member>,
    name_or_id: &str,
    wanted: EndConnections,
) -> Result<ConnectionsEnded, Error> {
    let (ended_by, rules) = (op.who.login.map(|(_, session)| session), &op.context.sessions);
    // No session that there is can go on any longer.
    let until = op.now.checked_add(rules.absolute.max(rules.login)).unwrap_or(Timestamp::MAX);
    let ended = op.change("end_connections", async |conn| {
        let id = workspaces::find(conn, name_or_id).await?.workspace.id;
        let all = now(conn, id, op.now).await?.into_iter();
        let mut meant: Vec<_> = all.filter_map(|seen| Some((seen.whose?, seen.kind))).collect();
        meant.retain(|(owner, _)| wanted.id.is_none_or(|id| owner.connection == id));
        // One that is open at several ports is told of at each.
        meant.sort_by_key(|(owner, _)| owner.connection);
        meant.dedup_by_key(|(owner, _)| owner.connection);
        if meant.is_empty() {
            return match wanted.id {
                Some(_) => {
                    Err(Error::field("id", "is no connection that is open: GET …/connections says which are"))
                }
                None => Ok(Changed::Not((id, 0))),
            };
        }
        let ends: Vec<_> = meant
            .iter()
            .map(|(Owner { connection, session, .. }, _)| NewEnd {
                connection: *connection,
                session: *session,
                must_prove: must_prove(*session, ended_by),
            })
            .collect();
        conn.open_connections().end(id, &ends, (op.now, until)).await?;
        let ended = meant.iter().map(|(Owner { connection, subject, .. }, kind)| EndedConnection {
            connection: *connection,
            subject: *subject,
            kind: *kind,
        });
        let details = Details::ConnectionsEnded { ended: ended.collect() };
        Ok(Changed::So((id, meant.len()), Event::new(Resource::workspace(id), details)))
    });
    let (id, ended) = ended.await?;
    if ended > 0 {
        info!(workspace = %id, ended, by = %op.who.token, "connections were ended");
    }
    Ok(ConnectionsEnded { ended })
}

/// Forgets what copies of proxies have told that are gone, with the addresses in it, wherever no other copy is there to do it.
#[derive(Debug)]
pub(crate) struct Forgetter {
    url: String,
}

impl Forgetter {
    pub(crate) const fn new(url: String) -> Self {
        Self { url }
    }
}

impl Task for Forgetter {
    const NAME: &'static str = "silent-proxies";
    const PERIOD: Duration = Duration::from_secs(60);

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        forget_silent_proxies(run, &self.url).await.map(drop)
    }
}

/// One look at all that is silent. Answers with how many copies were forgotten.
pub async fn forget_silent_proxies(run: &Run<Arc<Context>>, url: &str) -> Result<usize, Error> {
    Ok(berth_db::forget_silent_proxies(url, believed_since(run.now)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::SubjectId;
    use berth_schema::connected::Whose;

    #[test]
    fn what_is_neither_somebodys_nor_everybodys_is_not_stored_and_ages_are_of_the_servers_clock() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let whose = Whose {
            connection: ConnectionId::random(),
            session: berth_schema::SessionId::random(),
            subject: SubjectId::random(),
        };
        let hers = ToldConnection {
            workspace: WorkspaceId::random(),
            port: 8080,
            kind: ConnectionKind::Browser,
            whose: Some(whose),
            address: "192.0.2.1".parse().ok(),
            open: u32::MAX,
            opened_seconds_ago: 60,
            active_seconds_ago: u64::MAX,
            bytes_to_workspace: u64::MAX,
            bytes_to_person: 1,
        };
        let row = stored(&hers, now).expect("stored");
        assert_eq!((row.since, row.last_active_at), (now - SignedDuration::from_secs(60), now));
        assert_eq!((row.open, row.bytes_to_workspace, row.bytes_to_person), (i32::MAX, i64::MAX, 1));
        assert_eq!(row.address.as_deref(), Some("192.0.2.1"));
        for wrong in [
            ToldConnection { whose: None, ..hers.clone() },
            ToldConnection { kind: ConnectionKind::Public, ..hers.clone() },
            ToldConnection { port: 0, ..hers.clone() },
        ] {
            assert_eq!(stored(&wrong, now), None, "{wrong:?}");
        }
        let public = ToldConnection { kind: ConnectionKind::Public, whose: None, ..hers };
        let row = stored(&public, now).expect("stored");
        assert_eq!((row.connection, row.subject, row.address), (NOBODYS, None, None), "nobody's address");
    }
}

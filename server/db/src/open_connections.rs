//! Who is connected to workspaces, as copies of proxies tell, and which of those connections were ended.

use berth_schema::connected::ConnectionKind;
use berth_schema::{AgentId, ConnectionId, ProxyCopyId, SessionId, SubjectId, WorkspaceId};
use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::error::DbError;
use crate::schema::{ended_connections, open_connections, proxy_copies, subjects, workspaces};
use crate::scope::OrganizationConn;

/// The most that are looked at of one workspace.
const MAX_LOOKED_AT: i64 = 2_000;

/// As rows of what a copy tells.
macro_rules! told {
    () => {
        "jsonb_to_recordset($4) AS told (workspace uuid, port integer, kind text, connection uuid, session uuid, subject uuid,
            since timestamptz, last_active_at timestamptz, address text, open integer, bytes_to_workspace bigint, bytes_to_person bigint)"
    };
}

const FORGET: &str = concat!(
    "DELETE FROM open_connections o USING proxy_copies p
     WHERE o.organization_id = $1 AND o.proxy_id = $3 AND p.organization_id = $1 AND p.agent_id = $2 AND p.id = $3
       AND NOT EXISTS (SELECT FROM ",
    told!(),
    " WHERE told.workspace = o.workspace_id AND told.connection = o.connection_id AND told.port = o.port)"
);

/// What is told of workspaces of other agents, of what is gone or of nobody in the organisation is passed over.
const TELL: &str = concat!(
    "INSERT INTO open_connections AS known (organization_id, proxy_id, workspace_id, connection_id, port, kind, subject_id,
        session_id, since, last_active_at, address, open, bytes_to_workspace, bytes_to_person)
     SELECT DISTINCT ON (w.id, told.connection, told.port) w.organization_id, $3, w.id, told.connection, told.port, told.kind, s.id,
        told.session, told.since, told.last_active_at, told.address, told.open, told.bytes_to_workspace, told.bytes_to_person
     FROM ",
    told!(),
    " JOIN workspaces w ON w.organization_id = $1 AND w.agent_id = $2 AND w.id = told.workspace AND w.living
      LEFT JOIN subjects s ON s.organization_id = $1 AND s.id = told.subject
     WHERE (told.kind = 'public') = (s.id IS NULL)
     ORDER BY w.id, told.connection, told.port
     ON CONFLICT (organization_id, proxy_id, workspace_id, connection_id, port) DO UPDATE SET
        last_active_at = excluded.last_active_at, address = excluded.address, open = excluded.open,
        bytes_to_workspace = excluded.bytes_to_workspace, bytes_to_person = excluded.bytes_to_person"
);

/// What a copy has open of one connection at one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewOpenConnection {
    pub workspace: WorkspaceId,
    pub port: u16,
    #[serde(serialize_with = "word")]
    pub kind: ConnectionKind,
    /// Of those who have not signed in: zero.
    pub connection: ConnectionId,
    pub session: Option<SessionId>,
    pub subject: Option<SubjectId>,
    pub since: Timestamp,
    pub last_active_at: Timestamp,
    pub address: Option<String>,
    pub open: i32,
    pub bytes_to_workspace: i64,
    pub bytes_to_person: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn word<S: serde::Serializer>(kind: &ConnectionKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// The same as it is stored, with what its person is called.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct OpenConnectionRow {
    pub connection: Uuid,
    pub port: i32,
    pub kind: String,
    pub session: Option<Uuid>,
    pub subject: Option<Uuid>,
    pub name: Option<String>,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub since: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub last_active_at: Timestamp,
    pub address: Option<String>,
    pub open: i32,
    pub bytes_to_workspace: i64,
    pub bytes_to_person: i64,
}

/// A connection that is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEnd {
    pub connection: ConnectionId,
    pub session: SessionId,
    /// Whether its session has to be proven anew before it begins another one there.
    pub must_prove: bool,
}

/// What was ended of a session's at a workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndsOfSession {
    /// The connection that was asked about.
    pub is_this: bool,
    /// The newest after which it has to be proven anew.
    pub must_prove_since: Option<Timestamp>,
}

/// Connections to the organisation's workspaces.
#[derive(Debug)]
pub struct OpenConnections<'a>(pub(crate) &'a OrganizationConn<'a>);

impl OpenConnections<'_> {
    /// A copy of that agent's proxy is there. `false`: there are `most` of it already, or another agent's is called so.
    pub async fn hear(
        &self,
        agent: AgentId,
        copy: ProxyCopyId,
        (now, silent_since): (Timestamp, Timestamp),
        most: i64,
    ) -> Result<bool, DbError> {
        let of_agent = || {
            let of_organization = proxy_copies::organization_id.eq(self.0.key());
            of_organization.and(proxy_copies::agent_id.eq(*agent.as_uuid()))
        };
        let silent = diesel::delete(proxy_copies::table)
            .filter(of_agent())
            .filter(proxy_copies::told_at.lt(jiff_diesel::Timestamp::from(silent_since)));
        self.0.run(silent.execute(&mut self.0.raw())).await?;
        let told = proxy_copies::told_at.eq(jiff_diesel::Timestamp::from(now));
        let known = diesel::update(proxy_copies::table)
            .filter(of_agent())
            .filter(proxy_copies::id.eq(*copy.as_uuid()))
            .set(told);
        if self.0.run(known.execute(&mut self.0.raw())).await? > 0 {
            return Ok(true);
        }
        let count = proxy_copies::table.filter(of_agent()).select(count_star());
        let count: i64 = self.0.run(count.get_result(&mut self.0.raw())).await?;
        if count >= most {
            return Ok(false);
        }
        let new = diesel::insert_into(proxy_copies::table)
            .values((
                proxy_copies::organization_id.eq(self.0.key()),
                proxy_copies::id.eq(*copy.as_uuid()),
                proxy_copies::agent_id.eq(*agent.as_uuid()),
                told,
            ))
            .on_conflict_do_nothing();
        Ok(self.0.run(new.execute(&mut self.0.raw())).await? > 0)
    }

    /// That copy has this open, and nothing else.
    pub async fn tell(
        &self,
        agent: AgentId,
        copy: ProxyCopyId,
        open: &[NewOpenConnection],
    ) -> Result<(), DbError> {
        let told = serde_json::to_value(open)
            .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        for statement in [FORGET, TELL] {
            let statement = diesel::sql_query(statement)
                .bind::<SqlUuid, _>(self.0.key())
                .bind::<SqlUuid, _>(*agent.as_uuid())
                .bind::<SqlUuid, _>(*copy.as_uuid())
                .bind::<Jsonb, _>(&told);
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        Ok(())
    }

    /// What copies of the workspace's own agent, heard after that, have open there, but for what was ended: the oldest first.
    pub async fn of_workspace(
        &self,
        workspace: WorkspaceId,
        heard_after: Timestamp,
    ) -> Result<Vec<OpenConnectionRow>, DbError> {
        let told_by = proxy_copies::table.on(proxy_copies::organization_id
            .eq(open_connections::organization_id)
            .and(proxy_copies::id.eq(open_connections::proxy_id)));
        let of_agent = workspaces::table.on(workspaces::organization_id
            .eq(open_connections::organization_id)
            .and(workspaces::id.eq(open_connections::workspace_id))
            .and(workspaces::agent_id.eq(proxy_copies::agent_id)));
        let somebody = subjects::table.on(subjects::organization_id
            .eq(open_connections::organization_id)
            .and(subjects::id.nullable().eq(open_connections::subject_id)));
        let ended = ended_connections::table
            .filter(ended_connections::organization_id.eq(open_connections::organization_id))
            .filter(ended_connections::workspace_id.eq(open_connections::workspace_id))
            .filter(ended_connections::connection_id.eq(open_connections::connection_id));
        let query = open_connections::table
            .inner_join(told_by)
            .inner_join(of_agent)
            .left_join(somebody)
            .filter(open_connections::organization_id.eq(self.0.key()))
            .filter(open_connections::workspace_id.eq(*workspace.as_uuid()))
            .filter(proxy_copies::told_at.gt(jiff_diesel::Timestamp::from(heard_after)))
            .filter(not(exists(ended)))
            .order((open_connections::since, open_connections::connection_id, open_connections::port))
            .limit(MAX_LOOKED_AT)
            .select((
                open_connections::connection_id,
                open_connections::port,
                open_connections::kind,
                open_connections::session_id,
                open_connections::subject_id,
                subjects::name.nullable(),
                open_connections::since,
                open_connections::last_active_at,
                open_connections::address,
                open_connections::open,
                open_connections::bytes_to_workspace,
                open_connections::bytes_to_person,
            ));
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// They are ended, and that is remembered until then. What is remembered for longer than it has to be is forgotten.
    pub async fn end(
        &self,
        workspace: WorkspaceId,
        ends: &[NewEnd],
        (now, until): (Timestamp, Timestamp),
    ) -> Result<(), DbError> {
        let over = diesel::delete(ended_connections::table)
            .filter(ended_connections::organization_id.eq(self.0.key()))
            .filter(ended_connections::expires_at.le(jiff_diesel::Timestamp::from(now)));
        self.0.run(over.execute(&mut self.0.raw())).await?;
        let rows: Vec<_> = ends
            .iter()
            .map(|end| {
                (
                    ended_connections::organization_id.eq(self.0.key()),
                    ended_connections::workspace_id.eq(*workspace.as_uuid()),
                    ended_connections::connection_id.eq(*end.connection.as_uuid()),
                    ended_connections::session_id.eq(*end.session.as_uuid()),
                    ended_connections::ended_at.eq(jiff_diesel::Timestamp::from(now)),
                    ended_connections::must_prove.eq(end.must_prove),
                    ended_connections::expires_at.eq(jiff_diesel::Timestamp::from(until)),
                )
            })
            .collect();
        let statement = diesel::insert_into(ended_connections::table).values(rows).on_conflict_do_nothing();
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// What was ended of a session's at a workspace, and whether that connection was; without one, whatever of it.
    pub async fn ends_of(
        &self,
        workspace: WorkspaceId,
        session: SessionId,
        connection: Option<ConnectionId>,
    ) -> Result<EndsOfSession, DbError> {
        let query = ended_connections::table
            .filter(ended_connections::organization_id.eq(self.0.key()))
            .filter(ended_connections::workspace_id.eq(*workspace.as_uuid()))
            .filter(ended_connections::session_id.eq(*session.as_uuid()))
            .select((
                ended_connections::connection_id,
                ended_connections::must_prove,
                ended_connections::ended_at,
            ));
        let rows: Vec<(Uuid, bool, jiff_diesel::Timestamp)> =
            self.0.run(query.load(&mut self.0.raw())).await?;
        let is_this = |id: &Uuid| connection.is_some_and(|connection| connection.as_uuid() == id);
        let demanding = rows.iter().filter(|(_, must_prove, _)| *must_prove);
        Ok(EndsOfSession {
            is_this: rows.iter().any(|(id, ..)| is_this(id)),
            must_prove_since: demanding.map(|(.., at)| at.to_jiff()).max(),
        })
    }

    /// When somebody else last ended something of a session's, at any workspace. It has to be proven anew since.
    pub async fn must_prove_since(&self, session: SessionId) -> Result<Option<Timestamp>, DbError> {
        let query = ended_connections::table
            .filter(ended_connections::organization_id.eq(self.0.key()))
            .filter(ended_connections::session_id.eq(*session.as_uuid()))
            .filter(ended_connections::must_prove)
            .order(ended_connections::ended_at.desc())
            .select(ended_connections::ended_at)
            .limit(1);
        let last: Option<jiff_diesel::Timestamp> =
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(last.map(Timestamp::from))
    }
}

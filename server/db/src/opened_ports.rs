//! Ports that no devfile declares, which whose workspace it is has opened.

use berth_schema::{DesiredState, Generation, WorkspaceId, WorkspaceSpec};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::columns::{Json, Parsed, StoredGeneration, Tried};
use crate::error::DbError;
use crate::schema::{opened_ports, workspaces};
use crate::scope::OrganizationConn;

/// What is stored of a port that is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOpenedPort {
    pub workspace: WorkspaceId,
    pub port: u16,
    pub name: String,
    /// The workspace's, when it is opened.
    pub generation: Generation,
    pub expires_at: Timestamp,
}

/// A port that was opened. It may be over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedPortRow {
    pub port: u16,
    pub name: String,
    pub generation: Generation,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A workspace, for whoever asks whether a port of it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedPort {
    /// `None`: this version cannot read what is wanted.
    pub desired_state: Option<DesiredState>,
    pub generation: Generation,
    /// `None`: this version cannot read it.
    pub spec: Option<WorkspaceSpec>,
    /// That the port was opened: the generation, and until when.
    pub opened: Option<(Generation, Timestamp)>,
}

type Raw = (i32, String, StoredGeneration, jiff_diesel::Timestamp, jiff_diesel::Timestamp);

fn read((port, name, generation, opened_at, expires_at): Raw) -> Option<OpenedPortRow> {
    Some(OpenedPortRow {
        port: u16::try_from(port).ok()?,
        name,
        generation: generation.into(),
        opened_at: opened_at.into(),
        expires_at: expires_at.into(),
    })
}

type Asked = (
    Tried<Parsed<DesiredState>>,
    StoredGeneration,
    Tried<Json<WorkspaceSpec>>,
    Option<i64>,
    Option<jiff_diesel::Timestamp>,
);

/// The opened ports of the organisation's workspaces. Whoever changes them locks the organisation first, so that no two count at once.
#[derive(Debug)]
pub struct OpenedPorts<'a>(pub(crate) &'a OrganizationConn<'a>);

impl OpenedPorts<'_> {
    /// Those of a workspace, in the order of their numbers.
    pub async fn of_workspace(&self, workspace: WorkspaceId) -> Result<Vec<OpenedPortRow>, DbError> {
        let query = opened_ports::table
            .filter(opened_ports::organization_id.eq(self.0.key()))
            .filter(opened_ports::workspace_id.eq(workspace.as_uuid()))
            .order(opened_ports::port)
            .select((
                opened_ports::port,
                opened_ports::name,
                opened_ports::generation,
                opened_ports::opened_at,
                opened_ports::expires_at,
            ));
        let rows: Vec<Raw> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// A port of a workspace; `None`: there is no such workspace.
    pub async fn at(&self, workspace: WorkspaceId, port: u16) -> Result<Option<AskedPort>, DbError> {
        let opened = opened_ports::table.on(opened_ports::organization_id
            .eq(workspaces::organization_id)
            .and(opened_ports::workspace_id.eq(workspaces::id))
            .and(opened_ports::port.eq(i32::from(port))));
        let query = workspaces::table
            .left_join(opened)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::id.eq(workspace.as_uuid()))
            .select((
                workspaces::desired_state,
                workspaces::generation,
                workspaces::spec,
                opened_ports::generation.nullable(),
                opened_ports::expires_at.nullable(),
            ));
        let found: Option<Asked> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.map(|(desired_state, generation, spec, opened, expires_at)| AskedPort {
            desired_state: desired_state.into(),
            generation: generation.into(),
            spec: spec.get().map(Json::into_inner),
            opened: opened.map(Generation::of).zip(expires_at.map(Into::into)),
        }))
    }

    /// Opens a port, or opens it until then in place of until when it was.
    pub async fn put(&self, opened: &NewOpenedPort, now: Timestamp) -> Result<(), DbError> {
        self.remove(opened.workspace, opened.port).await?;
        let statement = diesel::insert_into(opened_ports::table).values((
            opened_ports::organization_id.eq(self.0.key()),
            opened_ports::workspace_id.eq(opened.workspace.as_uuid()),
            opened_ports::port.eq(i32::from(opened.port)),
            opened_ports::name.eq(opened.name.as_str()),
            opened_ports::generation.eq(opened.generation.get()),
            opened_ports::opened_at.eq(jiff_diesel::Timestamp::from(now)),
            opened_ports::expires_at.eq(jiff_diesel::Timestamp::from(opened.expires_at)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Whether there was such a one, over or not.
    pub async fn remove(&self, workspace: WorkspaceId, port: u16) -> Result<bool, DbError> {
        let statement = diesel::delete(opened_ports::table)
            .filter(opened_ports::organization_id.eq(self.0.key()))
            .filter(opened_ports::workspace_id.eq(workspace.as_uuid()))
            .filter(opened_ports::port.eq(i32::from(port)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// Forgets all of a workspace's but those.
    pub async fn keep(&self, workspace: WorkspaceId, ports: &[u16]) -> Result<(), DbError> {
        let kept: Vec<i32> = ports.iter().map(|port| i32::from(*port)).collect();
        let statement = diesel::delete(opened_ports::table)
            .filter(opened_ports::organization_id.eq(self.0.key()))
            .filter(opened_ports::workspace_id.eq(workspace.as_uuid()))
            .filter(opened_ports::port.ne_all(kept));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}

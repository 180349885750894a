//! Agents and workspaces by the thousand, written past the REST API.

use anyhow::Context as _;
use berth_schema::reconcile::{
    DeploymentCondition, DeploymentInfo, DeploymentStatus, ReconcileRequest, UpdateType, WorkspaceAgentInfo,
};
use berth_schema::{
    AgentId, AgentToken, Generation, NamespaceName, OrganizationId, Reports, WorkspaceId, WorkspaceName,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// The role that owns the tables, which here is a superuser.
pub(crate) struct Owner {
    client: Client,
    organization: OrganizationId,
}

impl Owner {
    /// Of the database's only organisation.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // It ends with the client.
        drop(tokio::spawn(connection));
        let organization: Uuid = client.query_one("SELECT id FROM organizations", &[]).await?.get(0);
        Ok(Self { client, organization: organization.into() })
    }

    /// New agents, each with as many workspaces, all running and proven.
    pub(crate) async fn populate(&self, agents: usize, workspaces: i32) -> anyhow::Result<Vec<AgentToken>> {
        let random = SystemRandom::new();
        let mut tokens = Vec::with_capacity(agents);
        for _ in 0..agents {
            let mut secret = [0; 32];
            random.fill(&mut secret).ok().context("no randomness")?;
            tokens.push(AgentToken::new(self.organization, AgentId::random(), &secret));
        }
        let ids: Vec<Uuid> = tokens.iter().map(|token| token.agent().into()).collect();
        let hash = |token: &AgentToken| {
            ring::digest::digest(&ring::digest::SHA256, token.expose().as_bytes()).as_ref().to_vec()
        };
        let hashes: Vec<Vec<u8>> = tokens.iter().map(hash).collect();
        self.client.execute(AGENTS, &[&ids, &hashes]).await.context("no agents")?;
        self.client.execute(WORKSPACES, &[&ids, &workspaces]).await.context("no workspaces")?;
        Ok(tokens)
    }

    /// As a database is that has been up for a while.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        // One by one: together they would be one transaction, in which there is no VACUUM.
        for statement in ["VACUUM ANALYZE agents", "VACUUM ANALYZE workspaces", "CHECKPOINT"] {
            self.client.batch_execute(statement).await?;
        }
        Ok(())
    }

    /// The name of some workspace.
    pub(crate) async fn a_name(&self) -> anyhow::Result<String> {
        Ok(self.client.query_one("SELECT name FROM workspaces LIMIT 1", &[]).await?.get(0))
    }

    /// The first full report of an agent that finds everything running, in another version than the server knows.
    pub(crate) async fn full_report(&self, agent: AgentId) -> anyhow::Result<ReconcileRequest> {
        let query = "SELECT id, name, namespace FROM workspaces WHERE agent_id = $1";
        let rows = self.client.query(query, &[agent.as_uuid()]).await?;
        let infos = rows.iter().map(|row| {
            let id = WorkspaceId::from(row.get::<_, Uuid>(0));
            let name = WorkspaceName::new(row.get::<_, String>(1))?;
            anyhow::Ok(running(id, name, NamespaceName::new(row.get::<_, String>(2))?))
        });
        let infos = infos.collect::<anyhow::Result<Reports>>()?;
        Ok(ReconcileRequest { update_type: UpdateType::Full, workspace_agent_infos: infos, ..nothing_new(0) })
    }
}

/// The partial report of an agent that has nothing to tell.
pub(crate) fn nothing_new(wait_seconds: u64) -> ReconcileRequest {
    ReconcileRequest {
        update_type: UpdateType::Partial,
        epoch: 1,
        sequence: 1,
        wait_seconds,
        workspace_agent_infos: Reports::default(),
        received: Vec::new(),
        ..ReconcileRequest::default()
    }
}

fn running(workspace_id: WorkspaceId, name: WorkspaceName, namespace: NamespaceName) -> WorkspaceAgentInfo {
    let condition = |kind: &str, reason: &str| DeploymentCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: None,
    };
    let status = DeploymentStatus {
        observed_generation: Some(1),
        replicas: Some(1),
        updated_replicas: Some(1),
        available_replicas: Some(1),
        unavailable_replicas: None,
        conditions: vec![
            condition("Available", "MinimumReplicasAvailable"),
            condition("Progressing", "NewReplicaSetAvailable"),
        ],
    };
    let deployment = DeploymentInfo {
        resource_version: Some("2".into()),
        generation: Some(1),
        replicas: Some(1),
        status: Some(status),
    };
    WorkspaceAgentInfo {
        workspace_id,
        name,
        namespace,
        applied_generation: Some(Generation::FIRST),
        latest_k8s_deployment_info: Some(deployment),
        pod_problems: Vec::new(),
        termination_progress: None,
        error_details: None,
        live_pods: 1,
        variables_missing: false,
        drift: vec![],
        lost: None,
    }
}

const AGENTS: &str = "
INSERT INTO agents (organization_id, id, name, secret_hash, epoch, created_at)
SELECT (SELECT id FROM organizations), id, 'a-' || id, secret_hash, 1, now()
FROM unnest($1::uuid[], $2::bytea[]) AS agent(id, secret_hash)";

/// Without rules a first look of the lifecycle scheduler leaves no time for another.
const WORKSPACES: &str = "
INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
                        applied_generation, applied_epoch, applied_sequence, deployment_resource_version, spec,
                        created_at, created_by, desired_state_changed_at, actual_state_changed_at, lifecycle_at)
SELECT access_tokens.organization_id, agent.id, gen_random_uuid(),
       'w' || substr(md5(agent.id::text || number), 1, 20), 'berth-w' || substr(md5(agent.id::text || number), 1, 20),
       'Running', 'Running', 1, 1, 1, 0, '1',
       '{\"containers\": [{\"name\": \"main\", \"image\": \"registry.example/dev:1\", \"main\": true}]}',
       now() - make_interval(secs => number), access_tokens.id, now(), now(), NULL
FROM unnest($1::uuid[]) AS agent(id), access_tokens, generate_series(1, $2) AS number";

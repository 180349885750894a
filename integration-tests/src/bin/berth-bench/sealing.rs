//! Variables on their way to agents: opened, sealed and sent, beside the bare queries and the bare cipher.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::Actor;
use berth_schema::reconcile::{Received, ReconcileRequest, UpdateType};
use berth_schema::{AgentToken, Generation, WorkspaceId};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::cipher::Cipher;
use crate::figure::{Figures, Goal, percentile};
use crate::population::nothing_new;
use crate::process::processor_seconds;
use crate::wire::{Wire, reconcile};

const ROUNDS: usize = 30;
const VALUE_BYTES: usize = 32;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    one_agent(&postgres, figures).await?;
    ten_agents(&postgres, figures).await
}

/// What is looked at of an answer: an agent opens the bundles, and that is its own work.
#[derive(Deserialize)]
struct Answer {
    workspaces: Vec<Directive>,
}

#[derive(Deserialize)]
struct Directive {
    workspace_id: WorkspaceId,
    generation: Generation,
    variables: Option<IgnoredAny>,
}

/// An agent of the benchmark: it has registered a key and opens nothing.
struct Agent {
    token: AgentToken,
    server: SocketAddr,
}

impl Agent {
    async fn new(server: &Server, admin: &Actor, name: &str) -> anyhow::Result<Self> {
        let token = admin.create_agent(name).await?.token.context("a new agent's token")?;
        // The base point of X25519: a key like any other.
        let mut key = [0_u8; 32];
        key[0] = 9;
        let http = reqwest::Client::builder().tls_certs_only([]).build()?;
        let register = http.post(format!("{}/api/v1/agent/key", server.url())).bearer_auth(&token);
        register.json(&json!({"public_key": STANDARD.encode(key)})).send().await?.error_for_status()?;
        Ok(Self { token: token.parse()?, server: server.address() })
    }

    async fn ask(&self, wire: &mut Wire, request: &ReconcileRequest) -> anyhow::Result<Answer> {
        let reply = wire.ask(&reconcile(&self.token, request)?).await?;
        anyhow::ensure!(reply.status == 200, "status {}", reply.status);
        Ok(serde_json::from_slice(&reply.body)?)
    }

    /// Until every workspace's variables have come. Gives the number of messages that it took.
    async fn everything(&self, workspaces: usize) -> anyhow::Result<i64> {
        let mut wire = Wire::connect(self.server).await?;
        let mut request = ReconcileRequest { update_type: UpdateType::Full, ..nothing_new(0) };
        loop {
            let answer = self.ask(&mut wire, &request).await?;
            let fresh = answer.workspaces.iter().filter(|directive| directive.variables.is_some());
            let fresh = fresh.map(|directive| Received {
                workspace_id: directive.workspace_id,
                generation: directive.generation,
            });
            let before = request.received.len();
            for one in fresh {
                if !request.received.contains(&one) {
                    request.received.push(one);
                }
            }
            let now = request.received.len();
            anyhow::ensure!(now > before, "nothing new after {now} of {workspaces}");
            if now == workspaces {
                return Ok(request.sequence);
            }
            (request.update_type, request.sequence) = (UpdateType::Partial, request.sequence + 1);
        }
    }
}

/// New workspaces of an agent, each with as many variables.
async fn create(admin: &Actor, agent: &str, workspaces: usize, variables: usize) -> anyhow::Result<()> {
    let value = "v".repeat(VALUE_BYTES);
    let variable =
        |number| json!({"kind": "environment", "name": format!("VARIABLE_{number}"), "value": value});
    let variables: Vec<Value> = (0..variables).map(variable).collect();
    let new = |number| {
        let name = format!("{agent}-{number}");
        let body =
            json!({"name": name, "agent": agent, "image": "registry.example/dev:1", "variables": variables});
        async move { admin.post("workspaces", &body).await?.expect::<Value>() }
    };
    stream::iter(0..workspaces).map(new).buffer_unordered(8).try_for_each(|_| async { Ok(()) }).await
}

async fn one_agent(postgres: &Postgres, figures: &mut Figures) -> anyhow::Result<()> {
    let (workspaces, variables) = (100, 20);
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let agent = Agent::new(&server, &admin, "bench").await?;
    create(&admin, "bench", workspaces, variables).await?;

    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("ANALYZE").await?;
    let mut queries = Vec::new();
    for table in ["workspaces", "workspace_data_keys", "workspace_variables"] {
        queries.push(client.prepare(&format!("SELECT * FROM {table}")).await?);
    }
    let cipher = Cipher::new(workspaces, variables, VALUE_BYTES)?;
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    let mut wire = Wire::connect(server.address()).await?;
    let pid = server.process().pid;
    let before = processor_seconds(pid)?;
    let mut request = ReconcileRequest { update_type: UpdateType::Full, ..nothing_new(0) };
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for query in &queries {
            client.query(query, &[]).await?;
        }
        cipher.work()?;
        floor.push(started.elapsed());
        let bytes = reconcile(&agent.token, &request)?;
        let started = Instant::now();
        let reply = wire.ask(&bytes).await?;
        measured.push(started.elapsed());
        let answer: Answer = serde_json::from_slice(&reply.body)?;
        let sealed = answer.workspaces.iter().filter(|directive| directive.variables.is_some()).count();
        anyhow::ensure!(sealed == workspaces, "{sealed} workspaces with variables");
        request.sequence += 1;
    }
    let rounds = u32::try_from(ROUNDS)?;
    let processor = (processor_seconds(pid)? - before) / f64::from(rounds) * 1e3;
    let what = format!("{workspaces} workspaces x {variables} variables, all sent");
    let floor = percentile(&mut floor, 0.5);
    figures.add(
        format!("{what}, p50"),
        "ms",
        percentile(&mut measured, 0.5),
        Some(floor),
        Goal::TimesFloor(3.0),
    );
    figures.add(format!("{what}: server's processor"), "ms", processor, None, Goal::None);
    drop(client);
    connection.await.context("the connection's task")??;
    Ok(())
}

async fn ten_agents(postgres: &Postgres, figures: &mut Figures) -> anyhow::Result<()> {
    let (agents, workspaces, variables) = (10, 500, 100);
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let mut all = Vec::new();
    for number in 0..agents {
        let name = format!("agent-{number}");
        all.push(Agent::new(&server, &admin, &name).await?);
        create(&admin, &name, workspaces, variables).await?;
    }
    let pid = server.process().pid;
    let before = processor_seconds(pid)?;
    let started = Instant::now();
    let messages = try_join_all(all.iter().map(|agent| agent.everything(workspaces))).await?;
    let took = started.elapsed().as_secs_f64();
    let processor = processor_seconds(pid)? - before;
    let what = format!("{agents} agents x {workspaces} x {variables} variables");
    figures.add(
        format!("{what}, {} messages", messages.iter().sum::<i64>()),
        "s",
        took,
        None,
        Goal::AtMost(2.0),
    );
    figures.add(format!("{what}: server's processor"), "s", processor, None, Goal::None);
    Ok(())
}

//! Variables on their way to agents: opened, sealed and sent, beside the bare queries and the bare cipher.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::Actor;
use berth_schema::api::AgentCreated;
use berth_schema::reconcile::{Received, ReconcileRequest, ReconcileResponse, UpdateType};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::figure::{Figures, Goal, percentile};

const ROUNDS: usize = 30;
const VALUE_BYTES: usize = 32;

/// An agent of the benchmark: it has registered a key and opens nothing.
struct Agent {
    http: reqwest::Client,
    server: String,
    name: String,
    token: String,
}

impl Agent {
    async fn new(server: &Server, admin: &Actor, name: &str) -> anyhow::Result<Self> {
        let AgentCreated { token, .. } = admin.create_agent(name).await?;
        let http = reqwest::Client::builder().tls_certs_only([]).build()?;
        let token = token.context("a new agent's token")?;
        let agent = Self { http, server: server.url(), name: name.to_owned(), token };
        // The X25519 base point: a key like any other.
        let mut key = [0_u8; 32];
        key[0] = 9;
        agent.post("key", &json!({"public_key": STANDARD.encode(key)})).await?;
        Ok(agent)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<bytes::Bytes> {
        let url = format!("{}/api/v1/agent/{path}", self.server);
        let request = self.http.post(url).bearer_auth(&self.token).json(body);
        Ok(request.send().await?.error_for_status()?.bytes().await?)
    }

    async fn reconcile(
        &self,
        update_type: UpdateType,
        sequence: i64,
        received: Vec<Received>,
    ) -> anyhow::Result<ReconcileResponse> {
        let request = ReconcileRequest {
            update_type,
            epoch: 1,
            sequence,
            wait_seconds: 0,
            workspace_agent_infos: vec![],
            received,
            page: None,
        };
        let body = self.post("reconcile", &serde_json::to_value(request)?).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Until every workspace's variables have come, as many messages as that takes.
    async fn everything(&self, workspaces: usize) -> anyhow::Result<usize> {
        let (mut received, mut sequence) = (Vec::new(), 0);
        while received.len() < workspaces {
            sequence += 1;
            let update_type = if sequence == 1 { UpdateType::Full } else { UpdateType::Partial };
            let response = self.reconcile(update_type, sequence, received.clone()).await?;
            let fresh = response.workspaces.iter().filter(|directive| directive.variables.is_some());
            let fresh = fresh
                .map(|directive| Received {
                    workspace_id: directive.workspace_id,
                    generation: directive.generation,
                })
                .filter(|one| !received.contains(one))
                .collect::<Vec<_>>();
            anyhow::ensure!(!fresh.is_empty(), "{}: nothing new after {} of {workspaces}", self.name, received.len());
            received.extend(fresh);
        }
        Ok(usize::try_from(sequence)?)
    }
}

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    one_round(&postgres, figures).await?;
    ten_agents(&postgres, figures).await
}

async fn create(admin: &Actor, agent: &str, workspaces: usize, variables: usize) -> anyhow::Result<()> {
    let value = "v".repeat(VALUE_BYTES);
    let variables: Vec<Value> =
        (0..variables).map(|number| json!({"name": format!("VARIABLE_{number}"), "value": value})).collect();
    stream::iter(0..workspaces)
        .map(|number| {
            let name = format!("{agent}-{number}");
            let body = json!({"name": name, "agent": agent, "image": "registry.example/dev:1", "variables": variables});
            async move { admin.post("workspaces", &body).await?.expect::<Value>() }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(())
}

async fn one_round(postgres: &Postgres, figures: &mut Figures) -> anyhow::Result<()> {
    let (workspaces, variables) = (100, 20);
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path())).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let agent = Agent::new(&server, &admin, "bench").await?;
    create(&admin, "bench", workspaces, variables).await?;

    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let mut queries = Vec::new();
    for table in ["workspaces", "workspace_data_keys", "workspace_variables"] {
        queries.push(client.prepare(&format!("SELECT * FROM {table}")).await?);
    }
    let cipher = Cipher::new(workspaces, variables)?;
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let started = Instant::now();
        for query in &queries {
            client.query(query, &[]).await?;
        }
        cipher.work()?;
        floor.push(started.elapsed());
        let started = Instant::now();
        let body = json!({"update_type": "full", "epoch": 1, "sequence": round + 1});
        let body = agent.post("reconcile", &body).await?;
        measured.push(started.elapsed());
        let response: ReconcileResponse = serde_json::from_slice(&body)?;
        let sealed = response.workspaces.iter().filter(|directive| directive.variables.is_some()).count();
        anyhow::ensure!(sealed == workspaces, "{sealed} workspaces with variables");
    }
    figures.add(
        "full reconcile of 100 workspaces x 20 variables, p50",
        "ms",
        percentile(&mut measured, 0.5),
        Some(percentile(&mut floor, 0.5)),
        Goal::TimesFloor(3.0),
    );
    drop(client);
    connection.await.context("the connection's task")??;
    Ok(())
}

async fn ten_agents(postgres: &Postgres, figures: &mut Figures) -> anyhow::Result<()> {
    let (agents, workspaces, variables) = (10, 500, 100);
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path())).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let mut all = Vec::new();
    for number in 0..agents {
        let name = format!("agent-{number}");
        all.push(Agent::new(&server, &admin, &name).await?);
        create(&admin, &name, workspaces, variables).await?;
    }
    let started = Instant::now();
    let messages = try_join_all(all.iter().map(|agent| agent.everything(workspaces))).await?;
    let took: Duration = started.elapsed();
    let what = format!("10 agents x 500 workspaces x 100 variables, {} messages each", messages[0]);
    figures.add(what, "s", took.as_secs_f64(), None, Goal::AtMost(2.0));
    Ok(())
}

/// The cryptography of one round with nothing around it: a key derived and unwrapped for each workspace, its values opened,
/// its bundle sealed.
struct Cipher {
    values: Vec<Vec<u8>>,
    workspaces: usize,
}

impl Cipher {
    fn new(workspaces: usize, variables: usize) -> anyhow::Result<Self> {
        let key = Self::key(&[7; 32])?;
        let seal = |_| {
            let mut value = vec![b'v'; VALUE_BYTES];
            let nonce = Nonce::assume_unique_for_key([1; 12]);
            key.seal_in_place_append_tag(nonce, Aad::from([0; 100]), &mut value).context("sealing")?;
            anyhow::Ok(value)
        };
        Ok(Self { values: (0..variables).map(seal).collect::<anyhow::Result<_>>()?, workspaces })
    }

    fn key(bytes: &[u8]) -> anyhow::Result<LessSafeKey> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).context("a key")?))
    }

    fn work(&self) -> anyhow::Result<()> {
        for workspace in 0..self.workspaces {
            let secret = Salt::new(HKDF_SHA256, &workspace.to_be_bytes()).extract(&[3; 32]);
            let expanded = secret.expand(&[b"bench"], &AES_256_GCM).context("a key")?;
            let wrapping = LessSafeKey::new(UnboundKey::from(expanded));
            let mut wrapped = vec![7; 32];
            let nonce = || Nonce::assume_unique_for_key([1; 12]);
            wrapping.seal_in_place_append_tag(nonce(), Aad::from([0; 100]), &mut wrapped).context("wrapping")?;
            wrapping.open_in_place(nonce(), Aad::from([0; 100]), &mut wrapped).context("unwrapping")?;
            let key = Self::key(&[7; 32])?;
            let mut bundle = Vec::new();
            for value in &self.values {
                let mut value = value.clone();
                let plain = key.open_in_place(nonce(), Aad::from([0; 100]), &mut value).context("opening")?;
                bundle.extend_from_slice(plain);
            }
            key.seal_in_place_append_tag(nonce(), Aad::from([0; 48]), &mut bundle).context("sealing")?;
        }
        Ok(())
    }
}

//! A page of 25 out of 10,000 workspaces, through HTTP and as the bare query.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_harness::{Postgres, Server, ServerOptions};
use berth_integration_tests::Actor;
use tokio_postgres::NoTls;

use crate::figure::{Figures, Goal, percentile};

const WORKSPACES: i32 = 10_000;
const ROUNDS: usize = 500;

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let postgres = Postgres::start(None).await?;
    let url = postgres.create_database().await?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(ServerOptions::new(&url, dir.path()).for_load()).await?;
    let admin = Actor::new(server.url(), server.first_token()?).await?;
    let agent = admin.create_agent("bench").await?.agent.id;

    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client.execute(SEED, &[agent.as_uuid(), &WORKSPACES]).await.context("seeding")?;
    client.batch_execute("ANALYZE workspaces").await?;
    let bare = client.prepare(BARE).await?;

    // In turns, so that both see the same machine.
    let (mut through_http, mut by_query, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    let (http, health) = (reqwest::Client::new(), format!("{}/healthz", server.url()));
    for _ in 0..ROUNDS {
        by_query.push(timed(async { anyhow::Ok(client.query(&bare, &[]).await?.len()) }).await?);
        let started = Instant::now();
        http.get(&health).send().await?.bytes().await?;
        empty.push(started.elapsed());
        through_http.push(timed(async { Ok(items(&admin.get("workspaces?limit=25").await?.body)) }).await?);
    }
    for (share, name, limit) in [(0.5, "p50", Goal::TimesFloor(2.0)), (0.95, "p95", Goal::AtMost(5.0))] {
        let floor = percentile(&mut by_query, share);
        let measured = percentile(&mut through_http, share);
        figures.add(format!("25 of 10,000 workspaces over HTTP, {name}"), "ms", measured, Some(floor), limit);
    }
    // What HTTP takes between two processes of this machine, whatever is asked.
    figures.add(
        "of that, HTTP alone (GET /healthz), p50",
        "ms",
        percentile(&mut empty, 0.5),
        None,
        Goal::None,
    );
    drop(client);
    connection.await.context("the connection's task")??;
    Ok(())
}

fn items(body: &serde_json::Value) -> usize {
    body["items"].as_array().map_or(0, Vec::len)
}

async fn timed(work: impl Future<Output = anyhow::Result<usize>>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let rows = work.await?;
    anyhow::ensure!(rows == 25, "{rows} rows instead of 25");
    Ok(started.elapsed())
}

/// As superuser, past row-level security and the REST API.
const SEED: &str = "
INSERT INTO workspaces (organization_id, agent_id, id, name, namespace, desired_state, actual_state, generation,
                        applied_generation, spec, created_at, created_by, desired_state_changed_at,
                        actual_state_changed_at)
SELECT agents.organization_id, agents.id, gen_random_uuid(), 'w-' || number, 'berth-w-' || number, 'Stopped', 'Stopped', 1, 1,
       '{\"containers\": [{\"name\": \"main\", \"image\": \"registry.example/dev:1\", \"main\": true}]}',
       now() - make_interval(secs => number), access_tokens.id, now(), now()
FROM agents, access_tokens, generate_series(1, $2) AS number
WHERE agents.id = $1";

const BARE: &str = "
SELECT workspaces.*, agents.name FROM workspaces
JOIN agents ON agents.organization_id = workspaces.organization_id AND agents.id = workspaces.agent_id
WHERE workspaces.organization_id = (SELECT id FROM organizations)
ORDER BY workspaces.created_at DESC, workspaces.id DESC LIMIT 25";

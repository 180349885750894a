use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_harness::{AgentProcess, Postgres, Server, get, paths};
use berth_integration_tests::{Actor, ClusterView, Fleet, WORKSPACE_IMAGE, cluster_with_node, unique};
use berth_schema::kubernetes::{AGENT_ID, AGENT_NAMESPACE};
use berth_schema::{AccessToken, ActualState};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::PATIENCE;

/// The Lease's duration, and the time that a look at it takes on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(15 + 3);
/// An agent without news asks at least this often.
const ROUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_second_replica_takes_over_within_the_lease_when_the_leader_is_killed() -> anyhow::Result<()> {
    let Some(cluster) = cluster_with_node().await? else {
        return Ok(());
    };
    let fleet = Fleet::start(2, &[]).await?;
    let token = fleet.token("replicas").await?;
    let view = ClusterView::new(cluster).await?;
    let mut first = AgentProcess::start(fleet.agent(&token, cluster, "replica-1", "default")).await?;
    let before = fleet.admin.create_from_image("before", WORKSPACE_IMAGE).await?;
    let before = fleet.admin.running(&before).await?;
    let second = AgentProcess::spawn(fleet.agent(&token, cluster, "replica-2", "default"))?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(epoch(&second).await?, 0, "two lead");
    let agent = before.agent_id.to_string();
    assert_eq!(holder(&view, &agent).await?, "replica-1");

    first.kill9()?;
    let killed = Instant::now();
    let stopped = fleet.admin.wish("before", "stop").await?;
    let after = fleet.admin.create_from_image("after", WORKSPACE_IMAGE).await?;
    while holder(&view, &agent).await? != "replica-2" {
        ensure!(killed.elapsed() < 2 * TAKEN_OVER, "nobody took over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = killed.elapsed();
    println!("the second replica led {:.1} s after the first was killed", took.as_secs_f64());
    assert!(took < TAKEN_OVER, "it took {took:?}");

    let after = fleet.admin.running(&after).await?;
    assert_eq!(view.pods(&after).await?.len(), 1);
    let (stopped, _) = fleet.admin.reach(&stopped, ActualState::Stopped, PATIENCE).await?;
    assert!(view.pods(&stopped).await?.is_empty());
    drop(second);
    Ok(())
}

/// A new namespace, and all of them.
async fn another_namespace(view: &ClusterView) -> anyhow::Result<(String, Api<Namespace>)> {
    let name = unique("elsewhere");
    let namespaces: Api<Namespace> = Api::all(view.client());
    let namespace = json!({"metadata": {"name": name}});
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
    Ok((name, namespaces))
}

#[tokio::test]
async fn of_two_agents_with_one_identity_the_older_stops_within_a_round() -> anyhow::Result<()> {
    let Some(cluster) = cluster_with_node().await? else {
        return Ok(());
    };
    let view = ClusterView::new(cluster).await?;
    let (elsewhere, namespaces) = another_namespace(&view).await?;
    // A copied machine, name and all, at the same Lease; and a second installation with a Lease of its own.
    for lease_namespace in ["default", elsewhere.as_str()] {
        let fleet = Fleet::start(1, &[]).await?;
        let token = fleet.token("twin").await?;
        let older = AgentProcess::start(fleet.agent(&token, cluster, "twin", "default")).await?;
        let first = fleet.admin.create_from_image("first", WORKSPACE_IMAGE).await?;
        fleet.admin.running(&first).await?;
        let mut clone = fleet.agent(&token, cluster, "twin", lease_namespace);
        clone.dir = fleet.dir.path().join("clone");
        let mut newer = AgentProcess::spawn(clone)?;
        // Once more, so that a Lease of its own has come further than the other.
        tokio::time::sleep(Duration::from_secs(3)).await;
        newer.kill9()?;
        newer.spawn_again()?;

        let since = Instant::now();
        // The newer one has only just been started and may not answer yet.
        while epoch(&older).await? != 0 || epoch(&newer).await.unwrap_or(0) == 0 {
            ensure!(since.elapsed() < PATIENCE, "{lease_namespace}: the older one still leads");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = since.elapsed();
        println!("Lease in {lease_namespace}: the older stopped after {:.1} s", took.as_secs_f64());
        assert!(took < 2 * ROUND, "{lease_namespace}: it took {took:?}");

        // It stays so: the newer one does the work, and the older one nothing.
        let written = actions(&older).await?;
        let second = fleet.admin.create_from_image("second", WORKSPACE_IMAGE).await?;
        fleet.admin.running(&second).await?;
        // An installation in another namespace has a mark of its own, and leaves alone what the other's is on.
        let its_own = if lease_namespace == "default" { "first" } else { "second" };
        let stop = fleet.admin.wish(its_own, "stop").await?;
        fleet.admin.reach(&stop, ActualState::Stopped, PATIENCE).await?;
        let quiet = Instant::now();
        while quiet.elapsed() < ROUND {
            assert_eq!(epoch(&older).await?, 0, "{lease_namespace}: the older one came back");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(actions(&older).await?, written, "{lease_namespace}: the older one wrote");
        drop(newer);
    }
    namespaces.delete(&elsewhere, &DeleteParams::default()).await?;
    Ok(())
}

/// As `manifests/README.md` says it: the old one ends, an administrator marks its namespaces for the new one, the new one starts.
#[tokio::test]
async fn an_agent_that_moves_to_another_namespace_goes_on_once_its_namespaces_are_marked_for_it()
-> anyhow::Result<()> {
    let Some(cluster) = cluster_with_node().await? else {
        return Ok(());
    };
    let view = ClusterView::new(cluster).await?;
    let (elsewhere, namespaces) = another_namespace(&view).await?;
    let fleet = Fleet::start(1, &[]).await?;
    let token = fleet.token("moves").await?;
    let old = AgentProcess::start(fleet.agent(&token, cluster, "old", "default")).await?;
    let created = fleet.admin.create_from_image("stays", WORKSPACE_IMAGE).await?;
    let running = fleet.admin.running(&created).await?;
    let pod = view.pod(&running).await?.uid();
    drop(old);

    // Without the mark it does nothing, and says so of what it was told to change.
    let mut options = fleet.agent(&token, cluster, "new", &elsewhere);
    options.dir = fleet.dir.path().join("new");
    let new = AgentProcess::start(options).await?;
    let stop = fleet.admin.wish("stays", "stop").await?;
    let (refused, _) = fleet.admin.reach(&stop, ActualState::Error, PATIENCE).await?;
    let reason = refused.reason.context("no reason")?;
    assert_eq!(reason.reason, "ApplyRefused", "{reason:?}");
    assert_eq!(view.pod(&running).await?.uid(), pod, "it was left alone");

    let marked = format!("{AGENT_ID}={},{AGENT_NAMESPACE}=default", running.agent_id);
    for found in namespaces.list(&ListParams::default().labels(&marked)).await? {
        let mark = json!({"metadata": {"labels": {AGENT_NAMESPACE: elsewhere}}});
        namespaces.patch(&found.name_any(), &PatchParams::default(), &Patch::Merge(mark)).await?;
    }
    let (stopped, _) = fleet.admin.reach(&stop, ActualState::Stopped, 2 * PATIENCE).await?;
    assert!(view.pods(&stopped).await?.is_empty());
    let terminate = fleet.admin.wish("stays", "terminate").await?;
    fleet.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    drop(new);
    namespaces.delete(&elsewhere, &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn agents_of_two_organisations_in_one_cluster_leave_each_other_alone() -> anyhow::Result<()> {
    let Some(cluster) = cluster_with_node().await? else {
        return Ok(());
    };
    let view = ClusterView::new(cluster).await?;
    let fleet = Fleet::start(1, &[]).await?;
    let other = other_organisation(&fleet.servers[0], &fleet.database_url).await?;
    let token = fleet.token("shared").await?;
    let others_token = other.create_agent("shared").await?.token.context("no token")?.into();
    let ours = AgentProcess::start(fleet.agent(&token, cluster, "ours", "default")).await?;
    let mut theirs = AgentProcess::start(fleet.agent(&others_token, cluster, "theirs", "default")).await?;

    // The same name in both.
    let our_own = fleet.admin.create_from_image("dev", WORKSPACE_IMAGE).await?;
    let their_own = other.create_from_image("dev", WORKSPACE_IMAGE).await?;
    assert_ne!(our_own.namespace, their_own.namespace);
    let our_own = fleet.admin.running(&our_own).await?;
    let their_own = other.running(&their_own).await?;
    assert_eq!(other.get(&format!("workspaces/{}", our_own.id)).await?.status.as_u16(), 404);
    let pod = view.pod(&our_own).await?.uid();

    // Whatever happens to the one, and with the other's agent restarted in full.
    theirs.kill9()?;
    theirs.start_again().await?;
    let terminate = other.wish("dev", "terminate").await?;
    other.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    assert!(view.namespace(&their_own).await?.is_none());
    assert_eq!(view.pod(&our_own).await?.uid(), pod, "ours was touched");
    assert_eq!(fleet.admin.workspace("dev").await?.actual_state, ActualState::Running);
    assert_eq!(metric(&ours, "berth_agent_workspaces").await?, 1);
    Ok(())
}

/// Another organisation's first administrator.
pub(crate) async fn other_organisation(server: &Server, database_url: &str) -> anyhow::Result<Actor> {
    let mut command = berth_harness::command::command(&paths::program("berth-server")?);
    command.args(["organization", "create", "other"]).env("DATABASE_URL", Postgres::login_url(database_url));
    command.env("BERTH_KEK_FILE", server.kek());
    let output = command.output().await.context("no other organisation")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let token = text.split_whitespace().find(|word| word.parse::<AccessToken>().is_ok());
    Actor::new(server.url(), token.with_context(|| format!("no token in: {text}"))?.into()).await
}

async fn holder(view: &ClusterView, agent: &str) -> anyhow::Result<String> {
    let leases: Api<Lease> = Api::namespaced(view.client(), "default");
    let lease = leases.get(&format!("berth-agent-{agent}")).await?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

/// The epoch that a process leads in; 0 while it stands by.
async fn epoch(agent: &AgentProcess) -> anyhow::Result<u64> {
    metric(agent, "berth_agent_epoch").await
}

/// How many actions a process has ended.
async fn actions(agent: &AgentProcess) -> anyhow::Result<u64> {
    metric(agent, "berth_agent_actions_total").await
}

/// The sum of a metric over its labels.
async fn metric(agent: &AgentProcess, name: &str) -> anyhow::Result<u64> {
    let text = get(&format!("{}/metrics", agent.health_url())).await?;
    let samples = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(samples.sum())
}

//! Everything is killed at random while users act at random, on a real Kubernetes; then everything has to be as it was
//! wished. See docs/chaos.md.

mod parts;
mod story;
mod users;
mod verdict;

use std::time::{Duration, Instant};

use berth_integration_tests::{ClusterView, Fleet, cluster_with_node};
use parts::Parts;
use story::Stories;

/// What is wished is in force this many seconds after the last kill, on any machine. `make chaos` asks for 30.
const CONVERGENCE: u64 = 120;
/// Between two kills, on average.
const GAP: Duration = Duration::from_millis(2_500);
const USERS: u64 = 4;
/// A year: nothing in the run may depend on it.
const FULL_RECONCILE_SECONDS: &str = "31536000";

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not '{text}'")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_left_over_when_every_part_is_killed_at_random() -> anyhow::Result<()> {
    let kills = setting("BERTH_CHAOS_KILLS").unwrap_or(4);
    let limit = Duration::from_secs(setting("BERTH_CHAOS_CONVERGENCE_SECONDS").unwrap_or(CONVERGENCE));
    let seed = setting("BERTH_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("chaos: seed {seed}, {kills} kills of each part");
    let Some(cluster) = cluster_with_node().await? else {
        return Ok(());
    };
    let fleet = Fleet::start(2, &[("BERTH_FULL_RECONCILE_INTERVAL_SECONDS", FULL_RECONCILE_SECONDS)]).await?;
    let token = fleet.token("chaos").await?;
    let agent = fleet.agent(&token, cluster, "chaos-agent", "default");
    let view = ClusterView::new(cluster).await?;
    let Fleet { balancer, servers, postgres, database_url, admin, dir, data } = fleet;
    let parts = Parts::new(agent, servers, postgres, cluster).await?;
    let stories = Stories::default();

    let crowd = users::Crowd::start(&admin, &stories, USERS, seed);
    let mut dice = fastrand::Rng::with_seed(seed);
    let last_kill = tokio::select! {
        killed = parts.kill_all(kills, GAP, &mut dice) => killed?,
        broken = parts.keep() => { broken?; unreachable!("it keeps for ever") }
    };
    let converged = async {
        crowd.go_home().await?;
        verdict::converged(&admin, &view, &stories, last_kill + limit).await
    };
    let converged = tokio::select! {
        converged = converged => converged,
        broken = parts.keep() => { broken?; unreachable!("it keeps for ever") }
    };
    if let Err(cause) = converged {
        let kept = dir.keep();
        anyhow::bail!("seed {seed}: {cause:#}; logs are kept in {}", kept.display());
    }
    let took = last_kill.elapsed();
    verdict::nothing_else(&view, &stories, &database_url).await?;
    println!("chaos: {}; {}", parts.tally().await, stories.tally());
    println!("chaos: everything as wished {:.1} s after the last kill", took.as_secs_f64());
    assert!(stories.changes() > kills, "the users did hardly anything");
    drop((balancer, data));
    Ok(())
}

/// [`Instant`] of the last of them.
type LastKill = Instant;
